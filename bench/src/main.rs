//! Measures conntrack beside its peers, on the running kernel, in a network namespace of its own. See the README.

mod args;
mod batch;
mod contestants;
mod decode;
mod dump;
mod events;
mod limits;
mod measure;
mod memory;
mod mix;
mod raw;
mod report;
mod scaling;
mod sums;
mod table;
mod truth;

use std::process::ExitCode;

use conntrack::sandbox::{self, Failure, Namespace};

use crate::args::Args;
use crate::limits::Limits;
use crate::report::Figures;
use crate::table::Kind;

type Outcome<T> = Result<T, Failure>;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\n{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Outcome<()> {
    let Some(args) = Args::parse()? else { return Ok(()) };
    if let Some(contestant) = &args.one {
        return memory::run_one(contestant);
    }
    // Before anything starts a thread.
    sandbox::enter_user_namespace()?;
    let limits = Limits::watch()?;
    limits.make_room(if args.scaling { scaling::MOST } else { args.flows.max(args.entries) })?;
    if let Some(buckets) = args.buckets {
        limits.set_buckets(buckets)?;
    }
    println!("{}, {} buckets, {} rounds", dump::machine(), limits::buckets()?, args.rounds);
    println!("Flows: {}\n", mix::DESCRIPTION);
    let figures = Namespace::new()?.run(|_| {
        table::set_events("2")?;
        if args.scaling { scaling::measure(&args).map(|()| None) } else { measure(&args).map(Some) }
    })?;
    match (figures, &args.json) {
        (Some(figures), Some(path)) => figures.write(path),
        _ => Ok(()),
    }
}

fn measure(args: &Args) -> Outcome<Figures> {
    let mut figures = Figures::new();
    figures.count("flows", args.flows);
    figures.count("buckets", limits::buckets()?);
    for kind in Kind::ALL {
        kind.apply()?;
        if args.wants("dump") || args.wants("decode") {
            let truth = table::fill(args.flows)?;
            if args.wants("decode") {
                decode::measure(args, kind, &mut figures)?;
            }
            if args.wants("dump") {
                dump::measure(args, kind, &truth, &mut figures)?;
            }
            table::empty()?;
        }
    }
    Kind::Plain.apply()?;
    if args.wants("batch") {
        batch::measure(args, &mut figures)?;
    }
    if args.wants("events") {
        events::measure(args, &mut figures)?;
    }
    Ok(figures)
}
