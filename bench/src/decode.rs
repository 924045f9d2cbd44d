//! Decoding alone: the same bytes in memory, again and again.

use std::hint::black_box;

use conntrack::{Decode, Flow, codec};
use netlink_bindings::conntrack::OpGetDump;

use crate::Outcome;
use crate::args::Args;
use crate::contestants::{Marked, iterate};
use crate::measure::{Series, timed};
use crate::raw::{Raw, messages};
use crate::report::{Figures, Table};
use crate::table::Kind;

/// More than the processor's caches of branches remember, fewer than its caches of data hold.
const FLOWS: usize = 4096;
/// Passes over them in each round.
const PASSES: u32 = 60;

/// Flows as the kernel sent them, behind one another.
struct Captured {
    bytes: Vec<u8>,
    /// Where each flow's `struct nfgenmsg` begins and its attributes end.
    bodies: Vec<(usize, usize)>,
}

impl Captured {
    /// The first flows of the table, which are a random choice, because their place in it is.
    fn from_table() -> Outcome<Self> {
        let mut captured = Self { bytes: Vec::new(), bodies: Vec::new() };
        Raw::open(0)?.dump(0, |datagram| {
            for message in messages(datagram) {
                let start = captured.bytes.len();
                captured.bytes.extend(message);
                captured.bodies.push((start + 16, captured.bytes.len()));
            }
            captured.bodies.len() < FLOWS
        })?;
        captured.bodies.truncate(FLOWS);
        Ok(captured)
    }

    fn bodies(&self) -> impl Iterator<Item = &[u8]> {
        self.bodies.iter().map(|(start, end)| &self.bytes[*start..*end])
    }
}

/// A way to decode them all once.
type Pass = fn(&Captured) -> Outcome<()>;

const CONTESTANTS: [(&str, Pass); 3] = [
    ("this library, every attribute", ours::<Flow>),
    ("this library, a projection of 3 fields", ours::<Marked>),
    ("netlink-bindings, iterating", netlink_bindings),
];

fn ours<T: Decode>(captured: &Captured) -> Outcome<()> {
    for body in captured.bodies() {
        black_box(&codec::decode::<T>(&body[4..])?);
    }
    Ok(())
}

#[expect(clippy::unnecessary_wraps, reason = "the others can fail")]
fn netlink_bindings(captured: &Captured) -> Outcome<()> {
    for body in captured.bodies() {
        let (_, attributes) = OpGetDump::decode_request(body);
        black_box(&iterate(attributes));
    }
    Ok(())
}

/// Measures flows of a table that is filled already.
pub(crate) fn measure(args: &Args, kind: Kind, figures: &mut Figures) -> Outcome<()> {
    let captured = Captured::from_table()?;
    let mut series = vec![Series::default(); CONTESTANTS.len()];
    for _ in 0..args.rounds {
        for ((_, pass), series) in CONTESTANTS.iter().zip(&mut series) {
            let ((), time) = timed(|| (0..PASSES).try_for_each(|_| pass(black_box(&captured))))?;
            series.push(time);
        }
    }
    let flows = captured.bodies.len() as f64;
    let size = captured.bodies().map(|body| body.len() + 16).sum::<usize>() as f64 / flows;
    let [ours, _, theirs] = &series[..] else { return Err("a contestant is missing".into()) };
    let nanoseconds = |series: &Series| series.cpu() * 1e9 / flows / f64::from(PASSES);
    let heading = format!("decoding, {}, {size:.0} bytes a flow on average", kind.name());
    let mut table = Table::new(&[&heading, "ns a flow", "times netlink-bindings"]);
    for ((name, _), times) in CONTESTANTS.iter().zip(&series) {
        let cells = [format!("{:.1}", nanoseconds(times)), format!("{:.3}", times.cpu_ratio(theirs))];
        table.row([(*name).to_owned()].into_iter().chain(cells));
    }
    table.print();
    figures.worst("decode_ns", nanoseconds(ours));
    figures.worst("decode_vs_netlink_bindings", ours.cpu_ratio(theirs));
    Ok(())
}
