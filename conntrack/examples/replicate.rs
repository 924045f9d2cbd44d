//! Keeps the flows of another network namespace the same as this one's: what a standby needs to take over.
//!
//! `cargo run --release --example replicate -- --sandbox`

mod common;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use common::lines::Lines;
use common::traffic::Traffic;
use common::{Common, Output, Selection, note};
use conntrack::sandbox::{Failure, Namespace, Sandbox};
use conntrack::{
    Change, Changes, Command, Conntrack, Error, Filter, Flow, FlowKey, FlowUpdate, LabelChange, Mark, Mirror, Nat,
    NewFlow, Report, Status,
};
use serde::Serialize;

/// Creates the flows of this network namespace in another one, and keeps them the same from then on
///
/// A standby on the same machine can then take over connections, translated ones too. What the kernel does not take is
/// not replicated: counters, times, and the windows of TCP, which a restored flow is not strict about.
#[derive(Debug, Parser)]
#[command(name = "replicate", after_help = "Example: replicate --to /run/netns/standby status=assured")]
struct Args {
    #[command(flatten)]
    selection: Selection,
    /// The namespace to create the flows in
    #[arg(long, value_name = "NETNS", required_unless_present = "sandbox")]
    to: Option<PathBuf>,
    /// First delete those flows there that are not here
    #[arg(long)]
    exact: bool,
    /// How often to refresh timeouts, which no event tells of
    #[arg(long, value_name = "SECONDS", default_value_t = 20)]
    refresh: u64,
    /// Room for lines that wait to be written. If there is none, lines are dropped, and a line says how many
    #[arg(long, value_name = "LINES", default_value_t = 100_000)]
    queue: usize,
    /// End after that long
    #[arg(long = "for", value_name = "SECONDS")]
    duration: Option<u64>,
    #[command(flatten)]
    common: Common,
}

/// How long to wait for changes before looking whether it is time to end.
const WAIT: Duration = Duration::from_millis(200);

fn main() -> ExitCode {
    let args = Args::parse();
    args.common.run(|output, sandbox| replicate(&args, output, sandbox))
}

fn replicate(args: &Args, output: Output, sandbox: Option<&Sandbox>) -> Result<(), Failure> {
    let filter = args.selection.filter()?;
    let mut there = Conntrack::builder();
    if let Some(path) = &args.to {
        there = there.netns_path(path)?;
    }
    let _traffic = match sandbox {
        Some(sandbox) => {
            sandbox.enable_nat()?;
            there = there.netns(Namespace::new()?)?;
            Some(Traffic::start()?)
        }
        None => None,
    };
    let there = there.open()?;
    Lines::run(output, args.queue, |lines| {
        follow(args, &filter, Replica { there, lines, refused: 0 }, sandbox.is_some())
    })
}

/// Makes the other namespace the same as this one, and keeps it so.
fn follow(args: &Args, filter: &Filter, mut replica: Replica<'_>, in_sandbox: bool) -> Result<(), Failure> {
    let mut mirror = Mirror::builder().filter(filter).check_every(Duration::from_secs(args.refresh)).start()?;
    if args.exact {
        replica.there.delete_matching(filter, |flow| mirror.get(&without_id(flow)).is_none())?.into_result()?;
    }
    // A flow that another one announced needs that one first.
    let (announced, others): (Vec<_>, Vec<_>) = mirror.iter().cloned().partition(|flow| flow.master.is_some());
    let all = others.into_iter().chain(announced).map(|flow| Change::Inserted { flow: Box::new(flow), origin: None });
    replica.follow(&mirror, &all.collect::<Vec<_>>())?;

    let script = in_sandbox.then(|| std::thread::spawn(some_changes));
    let started = Instant::now();
    let lasts = args.duration.or(in_sandbox.then_some(2)).map(Duration::from_secs);
    let mut dumps = mirror.stats().dumps;
    while lasts.is_none_or(|lasts| started.elapsed() < lasts) {
        let changes: Vec<_> = mirror.wait(WAIT)?.collect();
        replica.follow(&mirror, &changes)?;
        if dumps != mirror.stats().dumps {
            dumps = mirror.stats().dumps;
            replica.refresh(&mirror)?;
        }
    }
    if let Some(script) = script {
        script.join().map_err(|_| "the changes panicked")??;
    }
    replica.report(&mirror, filter)
}

/// The other namespace.
struct Replica<'a> {
    there: Conntrack,
    /// Not written by the thread that replicates: the standby is kept up to date even if nobody reads the output.
    lines: &'a Lines,
    refused: u64,
}

/// A change as JSON.
#[derive(Serialize)]
struct Line<'a> {
    event: &'static str,
    flow: &'a Flow,
}

impl Replica<'_> {
    /// Makes changes of the mirror there.
    fn follow(&mut self, mirror: &Mirror, changes: &[Change]) -> Result<(), Failure> {
        let results: Vec<_> = self.there.batch(changes.iter().filter_map(command)).collect();
        let mut failed = Vec::new();
        for (change, result) in changes.iter().filter(|change| command(change).is_some()).zip(results) {
            let Some(flow) = change.flow() else { continue };
            let (sign, event) = match change {
                Change::Inserted { .. } => ('+', "created"),
                Change::Removed { .. } => ('-', "deleted"),
                _ => ('~', "changed"),
            };
            self.lines.line(format_args!("{sign} {flow}"), &Line { event, flow })?;
            failed.extend(refused(result)?.map(|_| without_id(flow)));
        }
        self.repair(mirror, failed)
    }

    /// Has flows live as long as here.
    fn refresh(&mut self, mirror: &Mirror) -> Result<(), Failure> {
        let timers = || mirror.iter().filter(|flow| !flow.status.contains(Status::FIXED_TIMEOUT));
        let update = |flow: &Flow| {
            let changes = Changes { timeout: flow.timeout, ..Changes::default() };
            Command::Update(FlowUpdate { key: without_id(flow), changes })
        };
        let mut failed = Vec::new();
        for (flow, result) in timers().zip(self.there.batch(timers().map(update))) {
            failed.extend(refused(result)?.map(|_| without_id(flow)));
        }
        self.repair(mirror, failed)
    }

    /// Makes those flows anew for which a command was refused: there was another one, or none.
    fn repair(&mut self, mirror: &Mirror, failed: Vec<FlowKey>) -> Result<(), Failure> {
        for key in failed {
            self.there.delete(&key)?;
            let Some(flow) = mirror.get(&key) else { continue };
            let mut new = NewFlow::from(flow);
            let mut result = self.there.create(&new);
            if new.master.take().is_some() && result.as_ref().is_err_and(Error::is_not_found) {
                // The flow that announced it has ended.
                result = self.there.create(&new);
            }
            if let Some(error) = refused(result)? {
                self.refused += 1;
                note(format_args!("{}: {flow}", Report(&error)));
            }
        }
        Ok(())
    }

    /// Tells how many flows are there.
    fn report(&mut self, mirror: &Mirror, filter: &Filter) -> Result<(), Failure> {
        let mut replicated = 0;
        for flow in self.there.dump_filtered(filter)? {
            let flow = flow?;
            let same = |here: &Flow| here.has_same_tuples(&flow) && here.mark == flow.mark;
            replicated += usize::from(mirror.get(&without_id(&flow)).is_some_and(same));
        }
        let Self { refused, .. } = self;
        note(format_args!("{replicated} of {} flows are in the other namespace, {refused} refused", mirror.len()));
        Ok(())
    }
}

/// What a change takes there; `None` if nothing.
fn command(change: &Change) -> Option<Command> {
    Some(match change {
        Change::Inserted { flow, .. } => Command::Create(NewFlow::from(&**flow)),
        Change::Changed { before, after, .. } => {
            Command::Update(FlowUpdate { key: without_id(after), changes: differences(before, after) })
        }
        Change::Removed { flow, .. } => Command::Delete(without_id(flow)),
        _ => return None,
    })
}

/// What makes `before` the same as `after`.
fn differences(before: &Flow, after: &Flow) -> Changes {
    // The kernel takes these bits, or wants to see them.
    let bits = Status::EXPECTED | Status::CONFIRMED | Status::SEEN_REPLY | Status::ASSURED | Status::FIXED_TIMEOUT;
    let changed_mark = after.mark.filter(|_| after.mark != before.mark);
    // Labels that are all cleared are not reported.
    let changed_labels = (after.labels != before.labels).then(|| after.labels.unwrap_or_default());
    Changes {
        timeout: after.timeout.filter(|_| !after.status.contains(Status::FIXED_TIMEOUT)),
        status: Some(after.status & bits).filter(|_| after.status != before.status),
        proto_info: NewFlow::from(after).proto_info,
        mark: changed_mark.map(|value| Mark { value, mask: None }),
        labels: changed_labels.map(|value| LabelChange { value, mask: None }),
        ..Changes::default()
    }
}

/// The flow's place: there, it has another id.
fn without_id(flow: &Flow) -> FlowKey {
    flow.key().without_id()
}

/// Tells a refusal of one command, which others outlive, from a failure of the connection.
fn refused<T>(result: Result<T, Error>) -> Result<Option<Error>, Error> {
    match result {
        Ok(_) => Ok(None),
        Err(error) if error.is_permission() => Err(error),
        Err(error @ (Error::Kernel(_) | Error::Usage(_))) => Ok(Some(error)),
        Err(error) => Err(error),
    }
}

/// A translated flow that comes, changes, and stays; and one that goes again.
fn some_changes() -> Result<(), Error> {
    let ct = Conntrack::open()?;
    let server = ([192, 0, 2, 9], 443).into();
    let stays = NewFlow::tcp(([10, 0, 0, 1], 40_000).into(), server)
        .nat_src(Nat::to([203, 0, 113, 5].into()).port(61_000))
        .timeout(Duration::from_secs(300));
    let goes = NewFlow::udp(([10, 0, 0, 2], 40_000).into(), server);
    ct.create(&stays)?;
    ct.create(&goes)?;
    std::thread::sleep(WAIT);
    ct.update(&stays.orig.into(), &Changes::new().mark(7))?;
    ct.delete(&goes.orig.into())?;
    Ok(())
}
