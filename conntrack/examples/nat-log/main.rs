//! A line for the start and the end of each translation: what a carrier has to keep.
//!
//! `cargo run --release --example nat-log -- --sandbox`

#[path = "../common/mod.rs"]
mod common;
mod log;
mod subscribers;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use common::lines::Lines;
use common::{Common, Output, Selection, note};
use conntrack::Mirror;
use conntrack::sandbox::{Failure, Sandbox};
use log::Log;
use subscribers::Subscribers;

/// How long to wait for changes before looking whether it is time to end.
const WAIT: Duration = Duration::from_millis(200);

/// Logs when address translations start and end, one line each, with both tuples and the duration
///
/// Every start has its end. The kernel keeps a flow until its end has been received, with its counters. The start of a flow
/// can be lost when the buffer overruns: then the log has it from the table, marked (found), or from the flow's end, marked
/// (missed). An end is marked (missed) if the kernel never reported it.
///
/// If nobody reads the output, lines are dropped, and a line says how many: the kernel is not made to wait, because the
/// flows that it keeps count against `nf_conntrack_max`.
#[derive(Debug, Parser)]
#[command(name = "nat-log")]
struct Args {
    #[command(flatten)]
    selection: Selection,
    /// Room for events, 1280 bytes each; the kernel doubles it
    #[arg(long, value_name = "BYTES", default_value_t = 8 << 20)]
    receive_buffer: usize,
    /// Room for lines that wait to be written, about 200 bytes each
    #[arg(long, value_name = "LINES", default_value_t = 100_000)]
    queue: usize,
    /// Seconds between comparisons with the table
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    check: u64,
    #[command(flatten)]
    common: Common,
}

fn main() -> ExitCode {
    let args = Args::parse();
    args.common.run(|output, sandbox| nat_log(&args, output, sandbox))
}

fn nat_log(args: &Args, output: Output, sandbox: Option<&Sandbox>) -> Result<(), Failure> {
    // In the sandbox hardly any room, to see it overrun.
    let room = if sandbox.is_some() { 16 << 10 } else { args.receive_buffer };
    let mut mirror = Mirror::builder()
        .filter(&args.selection.lasting_filter()?)
        .receive_buffer(room)
        .reliable_destroy(true)
        .check_every(Duration::from_secs(args.check))
        .start()?;
    let subscribers = sandbox.map(Subscribers::start).transpose()?;

    Lines::run(output, args.queue, move |lines| {
        let mut log = Log::new(lines);
        mirror.iter().try_for_each(|flow| log.existing(flow))?;
        let have_left = || subscribers.as_ref().is_some_and(Subscribers::have_left);
        // Nothing in this loop waits for anything but the kernel.
        while !(log.is_settled() && have_left() && mirror.is_synchronised()) {
            mirror.wait(WAIT)?.try_for_each(|change| log.change(&change))?;
        }
        note(log.summary());
        subscribers.map_or(Ok(()), Subscribers::join)
    })
}
