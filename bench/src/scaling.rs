//! Whether a flow costs the same in tables of every size.

use crate::args::Args;
use crate::contestants::{self, Contestant};
use crate::measure::{Series, timed};
use crate::report::Table;
use crate::table::{self, Kind};
use crate::{Outcome, limits};

const SIZES: [u32; 4] = [10_000, 100_000, 1_000_000, 2_000_000];
/// A round over a small table says little.
const FLOWS_A_ROUND: u32 = 200_000;
const CONTESTANTS: [&str; 3] = ["floor", "conntrack", "conntrack-projection"];

/// The most flows that are needed.
pub(crate) const MOST: u32 = SIZES[SIZES.len() - 1];

/// Measures in an empty table, and leaves it empty.
pub(crate) fn measure(args: &Args) -> Outcome<()> {
    let contestants: Vec<_> = contestants::ALL.iter().filter(|one| CONTESTANTS.contains(&one.id)).collect();
    Kind::Plain.apply()?;
    // The walk over the buckets, which a dump of nothing consists of.
    let walks = run(&contestants, args.rounds * 5)?;
    let heading = format!("ns a flow, less {:.0} ms for {} buckets", walks[0].wall() * 1e3, limits::buckets()?);
    let mut columns = vec![heading.as_str()];
    let names = SIZES.map(|size| format!("{size} flows"));
    columns.extend(names.iter().map(String::as_str));
    let mut rows: Vec<Vec<String>> = contestants.iter().map(|contestant| vec![contestant.name.to_owned()]).collect();
    for size in SIZES {
        table::fill(size)?;
        let rounds = args.rounds * (FLOWS_A_ROUND / size).clamp(1, 20);
        for ((row, times), walk) in rows.iter_mut().zip(run(&contestants, rounds)?).zip(&walks) {
            row.push(format!("{:.0}", (times.wall() - walk.wall()) * 1e9 / f64::from(size)));
        }
        table::empty()?;
    }
    let mut table = Table::new(&columns);
    for row in rows {
        table.row(row);
    }
    table.print();
    Ok(())
}

fn run(contestants: &[&Contestant], rounds: u32) -> Outcome<Vec<Series>> {
    let mut series = vec![Series::default(); contestants.len()];
    for _ in 0..rounds {
        for (contestant, series) in contestants.iter().zip(&mut series) {
            series.push(timed(contestant.run)?.1);
        }
    }
    Ok(series)
}
