//! A mirror with a receive buffer that holds almost nothing, while flows come and go as fast as the kernel can.
//!
//! In CI 20 000 flows. In full, alone, with the figures printed and memory measured:
//!
//! ```sh
//! CONNTRACK_SOAK_FLOWS=500000 cargo test --release -p conntrack-tests --test live -- --nocapture soak
//! ```

use std::collections::HashSet;
use std::time::{Duration, Instant};

use conntrack::sandbox::Sandbox;
use conntrack::{Change, Changes, Command, Conntrack, Filter, Flow, FlowId, FlowUpdate, Mirror, NewFlow, Tuple};

use crate::common::{LONG, PATIENCE};
use crate::mirror::equals_a_dump;
use crate::{Outcome, cases, holds, same};

cases! {
    a_mirror_with_a_tiny_buffer_ends_up_equal,
}

/// Flows that are created and deleted, if not said otherwise.
const FLOWS: u32 = 20_000;
/// Of ten flows, so many are alive at a time.
const ALIVE: u32 = 1;
/// Bytes of memory that a flow may take: in the mirror, in the changes, and in what this test remembers.
const BYTES_A_FLOW: u64 = 2000;
/// Bytes beside that.
const BYTES: u64 = 32 << 20;

/// Flow number `number`. Each tuple is used twice, by flows that are not alive at once.
fn flow(number: u32, flows: u32) -> NewFlow {
    let [_, a, b, c] = (number % (flows / 2)).to_be_bytes();
    let client = ([10, a, b, c], 5353).into();
    NewFlow::udp(client, ([192, 0, 2, 1], 53).into()).timeout(LONG).mark(number)
}

/// Creates all flows, changes every tenth, and deletes all but the last, which are left.
fn churn(ct: &Conntrack, flows: u32) -> Outcome {
    const STEP: u32 = 1000;
    let alive = flows / 10 * ALIVE;
    for start in (0..flows).step_by(STEP as usize) {
        let step = start..flows.min(start + STEP);
        ct.batch(step.clone().map(|number| Command::Create(flow(number, flows)))).run()?.into_result()?;
        let update =
            |number| FlowUpdate { key: flow(number, flows).orig.into(), changes: Changes::new().mark(!number) };
        ct.batch(step.clone().step_by(10).map(|number| Command::Update(update(number)))).run()?.into_result()?;
        let ended = step.filter_map(|number| number.checked_sub(alive));
        ct.batch(ended.map(|number| Command::Delete(flow(number, flows).orig.into()))).run()?.into_result()?;
    }
    Ok(())
}

/// What the changes tell: flows are inserted, then removed, each once.
#[derive(Default)]
struct Told {
    alive: HashSet<(Tuple, FlowId)>,
    changes: u64,
    most: usize,
}

impl Told {
    fn key(flow: &Flow) -> (Tuple, FlowId) {
        (flow.orig, flow.id)
    }

    fn take(&mut self, changes: impl ExactSizeIterator<Item = Change>) -> Outcome {
        self.most = self.most.max(changes.len());
        for change in changes {
            self.changes += 1;
            let key = Self::key(change.flow().ok_or("not of a flow")?);
            let fits = match &change {
                Change::Inserted { .. } => self.alive.insert(key),
                Change::Removed { .. } => self.alive.remove(&key),
                _ => self.alive.contains(&key),
            };
            holds!(fits, "does not fit what was told before: {change:?}");
        }
        Ok(())
    }
}

/// Bytes of memory that are in use now, and that were at most.
fn memory() -> Result<[u64; 2], conntrack::sandbox::Failure> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let kilobytes = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    let bytes = |name| kilobytes(name).map(|number| number * 1024).ok_or("no such line in /proc/self/status");
    Ok([bytes("VmRSS:")?, bytes("VmHWM:")?])
}

#[expect(clippy::print_stdout, reason = "the figures are what it is run for")]
fn a_mirror_with_a_tiny_buffer_ends_up_equal(_: &Sandbox) -> Outcome {
    let asked: Option<u32> = std::env::var("CONNTRACK_SOAK_FLOWS").ok().map(|flows| flows.parse()).transpose()?;
    let flows = asked.unwrap_or(FLOWS);
    let ct = Conntrack::open()?;
    let [before, _] = memory()?;
    let mut mirror = Mirror::builder().filter(&Filter::all()).receive_buffer(4 * 1280).check_every(None).start()?;
    let mut told = Told::default();

    let started = Instant::now();
    let churned = std::thread::scope(|scope| {
        let worker = scope.spawn(|| churn(&ct, flows));
        while !worker.is_finished() {
            told.take(mirror.wait(Duration::from_millis(1))?)?;
        }
        worker.join().map_err(|_| "the thread panicked")??;
        Ok::<_, conntrack::sandbox::Failure>(started.elapsed())
    })?;
    let deadline = Instant::now() + PATIENCE;
    told.take(mirror.wait(Duration::ZERO)?)?;
    while !mirror.is_synchronised() && Instant::now() < deadline {
        told.take(mirror.wait(Duration::from_millis(1))?)?;
    }
    let settled = started.elapsed().saturating_sub(churned);
    let [_, peak] = memory()?;

    let (stats, counters) = (mirror.stats(), mirror.event_counters());
    let events = counters.received + counters.lost;
    println!(
        "soak: {flows} flows, {events} events in {churned:.2?}: {} events/s; received {}, lost {} in {} overruns; \
         {} dumps, {} questions, {} ends missed; {} changes told, {} at once at most; equal {settled:.2?} after the last; \
         memory grew by {} MiB",
        u128::from(events) * 1000 / churned.as_millis().max(1),
        counters.received,
        counters.lost,
        counters.overruns,
        stats.dumps,
        stats.questions,
        stats.missed,
        told.changes,
        told.most,
        peak.saturating_sub(before) >> 20,
    );

    holds!(mirror.is_synchronised(), "{stats:?}");
    equals_a_dump(&mirror, &ct)?;
    println!("soak: divergence 0 of {} flows", mirror.len());
    same!(mirror.len(), usize::try_from(flows / 10 * ALIVE)?);
    same!(told.alive, mirror.iter().map(Told::key).collect());

    // Every event has arrived or been reported lost: each flow was created, every tenth changed, and most deleted.
    same!(events, u64::from(flows) + u64::from(flows / 10) + u64::from(flows - flows / 10 * ALIVE));
    holds!(stats.overruns > 0, "the buffer was large enough for all");
    same!((stats.overruns, stats.lost), (counters.overruns, counters.lost));
    holds!(told.most < 2048, "{} changes at once", told.most);
    if asked.is_some() {
        let most = u64::from(flows / 10 * ALIVE) * BYTES_A_FLOW + BYTES;
        holds!(peak - before < most, "memory grew by {} bytes", peak - before);
    }
    Ok(())
}
