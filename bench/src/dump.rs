//! Reading the whole table.

use std::io::Write as _;

use crate::args::Args;
use crate::contestants::{self, Contestant};
use crate::measure::{Series, timed};
use crate::report::{Figures, Table};
use crate::sums::Sums;
use crate::table::Kind;
use crate::{Outcome, memory};

/// What is compared with what.
const RATIOS: [(&str, &str, &str); 7] = [
    ("dump_vs_floor", "conntrack", "floor"),
    ("dump_projection_vs_floor", "conntrack-projection", "floor"),
    ("dump_parallel_vs_floor", "conntrack-parallel", "floor"),
    ("dump_vs_nlink", "conntrack", "nlink"),
    ("dump_vs_netlink_bindings", "conntrack", "netlink-bindings"),
    ("dump_vs_libnetfilter_conntrack", "conntrack", "libnetfilter_conntrack"),
    ("dump_vs_conntrack_crate", "conntrack", "published"),
];

/// A contestant and how it did.
struct Entrant {
    contestant: Contestant,
    times: Series,
    peak_kib: u64,
}

/// Measures a table that is filled already.
pub(crate) fn measure(args: &Args, kind: Kind, truth: &Sums, figures: &mut Figures) -> Outcome<()> {
    let mut entrants = Vec::new();
    for contestant in contestants::ALL {
        let found = (contestant.check)().map_err(|error| format!("{}: {error}", contestant.name))?;
        if !found.agrees_with(truth) {
            return Err(format!("{} found {found:?}, but there is {truth:?}", contestant.name).into());
        }
        let peak_kib = memory::of_one(contestant.id)?;
        entrants.push(Entrant { contestant: *contestant, times: Series::default(), peak_kib });
    }
    for round in 0..args.rounds {
        eprint!("\rdump, {}: round {} of {}  ", kind.name(), round + 1, args.rounds);
        std::io::stderr().flush()?;
        for entrant in &mut entrants {
            let (_, time) = timed(entrant.contestant.run)?;
            entrant.times.push(time);
        }
        // So that nobody always comes behind the one who leaves the most memory to be cleaned up.
        entrants.reverse();
    }
    eprintln!();
    if args.rounds % 2 == 1 {
        entrants.reverse();
    }
    report(args, kind, &entrants, figures);
    Ok(())
}

fn report(args: &Args, kind: Kind, entrants: &[Entrant], figures: &mut Figures) {
    let find = |id| entrants.iter().find(|entrant| entrant.contestant.id == id);
    let heading = format!("dump of {} flows, {}", args.flows, kind.name());
    let mut table = Table::new(&[&heading, "seconds", "times the floor", "ns a flow", "CPU seconds", "peak MiB"]);
    for entrant in entrants {
        let seconds = entrant.times.wall();
        let ratio = find("floor").map_or(f64::NAN, |floor| entrant.times.ratio(&floor.times));
        table.row([
            entrant.contestant.name.to_owned(),
            format!("{seconds:.3}"),
            format!("{ratio:.3}"),
            format!("{:.0}", seconds * 1e9 / f64::from(args.flows)),
            format!("{:.3}", entrant.times.cpu()),
            format!("{:.1}", entrant.peak_kib as f64 / 1024.0),
        ]);
    }
    table.print();
    for (key, one, other) in RATIOS {
        if let (Some(one), Some(other)) = (find(one), find(other)) {
            figures.worst(key, one.times.ratio(&other.times));
        }
    }
    if let Some(ours) = find("conntrack") {
        figures.worst("dump_peak_rss_mib", ours.peak_kib as f64 / 1024.0);
    }
}

/// The kernel and the processor, for the heading of a run.
pub(crate) fn machine() -> String {
    let system = rustix::system::uname();
    let processor = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = processor.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let model = model.map_or("an unknown processor", |(_, model)| model);
    format!("Linux {}, {cores} x {model}", system.release().to_string_lossy())
}
