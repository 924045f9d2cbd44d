//! The mirror.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use conntrack::sandbox::{Failure, Namespace, Sandbox};
use conntrack::{
    Change, Changes, Command, Conntrack, Error, Events, ExpectKey, Family, Filter, Flow, FlowId, FlowKey, FlowUpdate,
    Groups, KernelVersion, Labels, Mirror, NewExpect, Removal, Status, TcpState, Tuple,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::thread::CapabilitySet;

use crate::common::{PATIENCE, udp};
use crate::expect::{helper, sip, udp as expected};
use crate::privilege::without;
use crate::{Outcome, cases, holds, same};

cases! {
    starts_with_what_is_there,
    tells_each_change_once_and_in_order,
    follows_traffic,
    keeps_what_an_update_does_not_say,
    an_end_brings_the_last_counters,
    equals_the_table_after_churn,
    finds_what_it_missed,
    finds_flows_that_end_silently,
    finds_labels_that_were_cleared,
    a_filter_lets_flows_in_and_out,
    tells_zones_apart,
    is_of_the_builders_namespace,
    changes_that_are_not_taken_come_again,
    says_which_capability_is_missing,
    tells_apart_flows_that_have_one_id,
    waits_for_no_dump_to_end,
    is_driven_by_an_event_loop,
    changes_never_go_back,
    says_who_caused_a_change,
    asks_for_many_flows_at_once,
    keeps_labels_that_packets_do_not_report,
    follows_a_tcp_state,
    loses_no_end_with_reliable_destroy,
    is_not_synchronised_without_events,
    takes_the_options_of_a_connection,
    mirrors_expectations,
}

/// The changes until `enough` says so.
fn changes_until(mirror: &mut Mirror, enough: impl Fn(&Mirror, &[Change]) -> bool) -> Result<Vec<Change>, Error> {
    let deadline = Instant::now() + PATIENCE;
    let mut changes = Vec::new();
    while !enough(mirror, &changes) && Instant::now() < deadline {
        changes.extend(mirror.wait(Duration::from_millis(100))?);
    }
    Ok(changes)
}

/// So many changes, and no more that come soon.
fn changes(mirror: &mut Mirror, count: usize) -> Result<Vec<Change>, Error> {
    let mut changes = changes_until(mirror, |_, changes| changes.len() >= count)?;
    changes.extend(mirror.try_changes()?);
    Ok(changes)
}

/// In few words: what happened, the source port, the mark.
fn told(changes: &[Change]) -> Vec<(&'static str, u16, u32)> {
    let word = |change: &Change| match change {
        Change::Inserted { .. } => "inserted",
        Change::Changed { .. } => "changed",
        Change::Removed { how: Removal::Destroyed, .. } => "destroyed",
        Change::Removed { how: Removal::Missed, .. } => "missed",
        _ => "other",
    };
    let of = |change: &Change| {
        let flow = change.flow().expect("a flow");
        (word(change), flow.orig.src_port().unwrap_or(0), flow.mark.unwrap_or(0))
    };
    changes.iter().map(of).collect()
}

/// Everything of a flow but what changes without an event.
#[derive(Clone, Debug, PartialEq)]
struct Lasting(Flow);

impl Lasting {
    fn of(flow: &Flow) -> (String, Self) {
        let lasting = Flow {
            timeout: None,
            use_count: None,
            counters_orig: None,
            counters_reply: None,
            timestamp: None,
            timestamp_event: None,
            ..flow.clone()
        };
        (format!("{} {:?}", flow.orig, flow.id), Self(lasting))
    }
}

/// The mirror holds exactly what a dump tells now.
pub(crate) fn equals_a_dump(mirror: &Mirror, ct: &Conntrack) -> Outcome {
    let table = ct.dump()?.map(|flow| flow.map(|flow| Lasting::of(&flow))).collect::<Result<BTreeMap<_, _>, _>>()?;
    let copy: BTreeMap<_, _> = mirror.iter().map(Lasting::of).collect();
    let differing: Vec<_> =
        table.iter().filter(|(key, flow)| copy.get(*key) != Some(flow)).map(|(key, _)| key).collect();
    let surplus: Vec<_> = copy.keys().filter(|key| !table.contains_key(*key)).collect();
    let some = |keys: &[&String]| format!("{}, such as {:?}", keys.len(), keys.first());
    holds!(differing.is_empty() && surplus.is_empty(), "missing: {}; surplus: {}", some(&differing), some(&surplus));
    same!(mirror.len(), table.len());
    Ok(())
}

fn starts_with_what_is_there(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    let ports = 0..3000;
    ct.batch(ports.clone().map(|port| Command::Create(udp(port).mark(u32::from(port))))).run()?.into_result()?;
    let mut mirror = Mirror::start(&Filter::all())?;
    same!(mirror.len(), ports.len());
    equals_a_dump(&mirror, &ct)?;
    same!(mirror.try_changes()?.len(), 0);
    for port in [0, 17, 2999] {
        let there = ct.get(&udp(port).orig.into())?.ok_or("no flow")?;
        for key in [FlowKey::new(there.orig), FlowKey::by_reply(there.reply), there.key()] {
            same!(mirror.get(&key).map(|flow| (flow.id, flow.mark)), Some((there.id, Some(u32::from(port)))));
        }
        holds!(mirror.with_id(there.id).any(|flow| flow.orig == there.orig));
        let another = FlowKey::new(there.orig).with_id(FlowId([!there.id.0[0], 0, 0, 0]));
        same!(mirror.get(&another), None);
    }
    same!(mirror.get(&udp(3000).orig.into()), None);
    Ok(())
}

fn tells_each_change_once_and_in_order(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    let mut mirror = Mirror::start(&Filter::all())?;
    ct.create(&udp(1).mark(7))?;
    ct.create(&udp(2))?;
    ct.update(&udp(1).orig.into(), &Changes::new().mark(8))?;
    // A change of nothing is an event and no change.
    ct.update(&udp(1).orig.into(), &Changes::new().timeout(Duration::from_secs(60)))?;
    ct.delete(&udp(2).orig.into())?;
    ct.create(&udp(2).mark(9))?;
    let changes = changes(&mut mirror, 5)?;
    same!(
        told(&changes),
        [("inserted", 1, 7), ("inserted", 2, 0), ("changed", 1, 8), ("destroyed", 2, 0), ("inserted", 2, 9)]
    );
    let Some(Change::Changed { before, after, .. }) = changes.get(2) else { return Err("no change".into()) };
    same!((before.mark, after.mark, before.id), (Some(7), Some(8), after.id));
    equals_a_dump(&mirror, &ct)?;
    same!(mirror.stats().questions, 0);
    Ok(())
}

fn follows_traffic(sandbox: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    let mut mirror = Mirror::start(&Filter::all())?;
    let mut open = Vec::new();
    for family in [Family::IPV4, Family::IPV6] {
        open.push((sandbox.tcp_connection(family)?, sandbox.udp_exchange(family)?, sandbox.ping(family)?));
    }
    let tuples: Vec<Tuple> = open.iter().flat_map(|(tcp, udp, ping)| [tcp.tuple, udp.tuple, ping.tuple]).collect();
    changes_until(&mut mirror, |mirror, _| {
        let established = |tuple: &Tuple| {
            mirror.get(&FlowKey::new(*tuple)).is_some_and(|flow| flow.status.contains(Status::SEEN_REPLY))
        };
        tuples.iter().all(established)
    })?;
    drop(open);
    let closed = |mirror: &Mirror| mirror.iter().filter(|flow| flow.status.contains(Status::ASSURED)).count();
    holds!(closed(&mirror) >= 2);
    mirror.try_changes()?.for_each(drop);
    same!(mirror.len(), ct.dump()?.count());
    ct.flush_all()?;
    let removed = changes_until(&mut mirror, |mirror, _| mirror.is_empty())?;
    holds!(removed.iter().all(|change| !matches!(change, Change::Removed { how: Removal::Missed, .. })));
    same!(mirror.len(), 0);
    Ok(())
}

fn keeps_what_an_update_does_not_say(sandbox: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    let connection = sandbox.tcp_connection(Family::IPV4)?;
    let key = FlowKey::new(connection.tuple);
    ct.update(&key, &Changes::new().mark(5))?;
    let mut mirror = Mirror::start(&Filter::all())?;
    let before = mirror.get(&key).cloned().ok_or("no flow")?;
    holds!(before.timestamp.is_some() && before.counters_orig.is_some() && before.use_count.is_some());
    ct.update(&key, &Changes::new().mark(0))?;
    changes(&mut mirror, 1)?;
    let after = mirror.get(&key).cloned().ok_or("no flow")?;
    same!((before.mark, after.mark), (Some(5), Some(0)));
    same!(
        (after.timestamp, after.counters_orig, after.use_count, after.proto_info),
        (before.timestamp, before.counters_orig, before.use_count, before.proto_info)
    );
    equals_a_dump(&mirror, &ct)
}

fn an_end_brings_the_last_counters(sandbox: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    let exchange = sandbox.udp_exchange(Family::IPV4)?;
    ct.update(&exchange.tuple.into(), &Changes::new().mark(5))?;
    let mut mirror = Mirror::start(&Filter::all())?;
    exchange.client.send(&[0; 100])?;
    exchange.server.recv(&mut [0; 100])?;
    ct.delete(&exchange.tuple.into())?;
    let changes = changes(&mut mirror, 1)?;
    let [.., Change::Removed { flow, how: Removal::Destroyed, .. }] = &changes[..] else {
        return Err(format!("{changes:?}").into());
    };
    same!(flow.counters_orig.map(|counters| counters.packets), Some(2));
    same!((flow.mark, flow.timestamp.and_then(|times| times.stop).is_some()), (Some(5), true));
    Ok(())
}

/// Creates, changes and deletes a lot, without looking at what becomes of it.
fn churn(ct: &Conntrack, rounds: u16) {
    for round in 0..rounds {
        let ports = || (0..400).filter(move |port: &u16| !(port + round).is_multiple_of(3));
        let commands = ports().map(|port| Command::Create(udp(port).mark(u32::from(round))));
        ct.batch(commands).for_each(drop);
        let changes =
            |port: u16| FlowUpdate { key: udp(port).orig.into(), changes: Changes::new().mark(u32::from(port)) };
        ct.batch(ports().filter(|port| port.is_multiple_of(5)).map(|port| Command::Update(changes(port))))
            .for_each(drop);
        let gone = ports().filter(|port| port % 4 == round % 4).map(|port| Command::Delete(udp(port).orig.into()));
        ct.batch(gone).for_each(drop);
    }
}

fn equals_the_table_after_churn(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    for buffer in [1, 10 * 1280, 1 << 20] {
        let mut mirror = Mirror::builder().receive_buffer(buffer).check_every(None).start()?;
        let mut copy: BTreeMap<String, Lasting> = mirror.iter().map(Lasting::of).collect();
        std::thread::scope(|scope| {
            let worker = scope.spawn(|| churn(&ct, 12));
            let mut replay = |mirror: &mut Mirror| -> Outcome {
                for change in mirror.wait(Duration::from_millis(10))? {
                    let (key, flow) = Lasting::of(change.flow().ok_or("not of a flow")?);
                    let fits = match &change {
                        Change::Inserted { .. } => copy.insert(key, flow).is_none(),
                        Change::Changed { before, .. } => copy.insert(key, flow) == Some(Lasting::of(before).1),
                        _ => copy.remove(&key).is_some(),
                    };
                    holds!(fits, "does not fit what was told before: {change:?}");
                }
                Ok(())
            };
            while !worker.is_finished() {
                replay(&mut mirror)?;
            }
            let deadline = Instant::now() + PATIENCE;
            // Whatever it found before may be from before the last change.
            replay(&mut mirror)?;
            while !mirror.is_synchronised() && Instant::now() < deadline {
                replay(&mut mirror)?;
            }
            Ok::<_, conntrack::sandbox::Failure>(())
        })?;
        holds!(mirror.is_synchronised(), "{:?}", mirror.stats());
        equals_a_dump(&mirror, &ct)?;
        same!(copy, mirror.iter().map(Lasting::of).collect());
        // The largest may be large enough, or not, if the machine is busy.
        holds!(mirror.stats().overruns > 0 || buffer == 1 << 20, "{buffer} bytes: {:?}", mirror.stats());
    }
    Ok(())
}

fn finds_what_it_missed(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    ct.batch((0..100).map(|port| Command::Create(udp(port)))).run()?.into_result()?;
    let mut mirror = Mirror::builder().receive_buffer(1).check_every(None).start()?;
    ct.batch((0..50).map(|port| Command::Delete(udp(port).orig.into()))).run()?.into_result()?;
    let changes = changes_until(&mut mirror, |mirror, changes| changes.len() >= 50 && mirror.is_synchronised())?;
    // One event fits the buffer, and the others are lost.
    let told = told(&changes);
    same!(told.first(), Some(&("destroyed", 0, 0)));
    let mut missed: Vec<_> = told.into_iter().skip(1).collect();
    missed.sort_unstable();
    same!(missed, (1..50).map(|port| ("missed", port, 0)).collect::<Vec<_>>());
    let stats = mirror.stats();
    same!((stats.overruns, stats.lost, stats.dumps, stats.missed), (1, 49, 2, 49));
    equals_a_dump(&mirror, &ct)
}

fn finds_flows_that_end_silently(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    std::fs::write("/proc/sys/net/netfilter/nf_conntrack_events", "0")?;
    ct.create(&udp(1))?;
    let mut mirror = Mirror::builder().check_every(Duration::from_millis(50)).start()?;
    same!(mirror.len(), 1);
    ct.delete(&udp(1).orig.into())?;
    ct.create(&udp(2))?;
    let changes = changes(&mut mirror, 2)?;
    let mut told = told(&changes);
    told.sort_unstable();
    same!(told, [("inserted", 2, 0), ("missed", 1, 0)]);
    same!((mirror.event_counters().received, mirror.is_synchronised()), (0, false));
    Ok(())
}

fn finds_labels_that_were_cleared(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    let mut labels = Labels::default();
    labels.insert(5);
    ct.create(&udp(1).labels(labels))?;
    let mut mirror = Mirror::builder().check_every(None).start()?;
    same!(mirror.iter().map(|flow| flow.labels).collect::<Vec<_>>(), [Some(labels)]);
    ct.update(&udp(1).orig.into(), &Changes::new().mark(7))?;
    changes(&mut mirror, 1)?;
    same!(mirror.iter().map(|flow| (flow.labels, flow.mark)).collect::<Vec<_>>(), [(Some(labels), Some(7))]);
    ct.update(&udp(1).orig.into(), &Changes::new().labels(Labels::default()))?;
    changes(&mut mirror, 1)?;
    same!(mirror.iter().map(|flow| flow.labels).collect::<Vec<_>>(), [None]);
    // The event of a request reports all labels that are set.
    same!(mirror.stats().questions, 0);
    Ok(())
}

fn a_filter_lets_flows_in_and_out(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    ct.create(&udp(1).mark(5))?;
    ct.create(&udp(2))?;
    let mut mirror = Mirror::start(&Filter::new().udp().orig_src_port(1..=3).mark(5))?;
    same!(mirror.iter().map(|flow| flow.orig.src_port()).collect::<Vec<_>>(), [Some(1)]);
    ct.create(&udp(3).mark(5))?;
    ct.create(&udp(4).mark(5))?;
    ct.update(&udp(2).orig.into(), &Changes::new().mark(5))?;
    ct.update(&udp(1).orig.into(), &Changes::new().mark(6))?;
    let changes = changes(&mut mirror, 3)?;
    // The update does not tell all of the second flow, so that it comes when the kernel has been asked.
    same!(told(&changes), [("inserted", 3, 5), ("other", 1, 6), ("inserted", 2, 5)]);
    let Some(Change::Removed { how: Removal::Unmatched, .. }) = changes.get(1) else {
        return Err("not removed".into());
    };
    let there = ct.get(&udp(2).orig.into())?.ok_or("no flow")?;
    changes_until(&mut mirror, |mirror, _| mirror.is_synchronised())?;
    same!(mirror.get(&there.key()).map(|flow| flow.timestamp), Some(there.timestamp));
    Ok(())
}

fn tells_zones_apart(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    let mut mirror = Mirror::start(&Filter::all())?;
    ct.create(&udp(1).mark(1))?;
    ct.create(&udp(1).zone(7).mark(7))?;
    changes(&mut mirror, 2)?;
    let mark = |key: FlowKey| mirror.get(&key).and_then(|flow| flow.mark);
    let key = FlowKey::new(udp(1).orig);
    same!((mark(key), mark(key.in_zone(7)), mark(key.in_zone(8))), (Some(1), Some(7), None));
    equals_a_dump(&mirror, &ct)
}

fn is_of_the_builders_namespace(_: &Sandbox) -> Outcome {
    let other = Namespace::new()?;
    let there = Conntrack::builder().netns(&other)?.open()?;
    there.create(&udp(1))?;
    let mut mirror = Mirror::builder().netns(&other)?.start()?;
    same!(mirror.len(), 1);
    Conntrack::open()?.create(&udp(2))?;
    there.create(&udp(3))?;
    same!(told(&changes(&mut mirror, 1)?), [("inserted", 3, 0)]);
    Ok(())
}

fn changes_that_are_not_taken_come_again(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    let mut mirror = Mirror::start(&Filter::all())?;
    ct.batch((0..10).map(|port| Command::Create(udp(port)))).run()?.into_result()?;
    let first: Vec<_> = mirror.wait(PATIENCE)?.take(1).collect();
    same!(told(&first), [("inserted", 0, 0)]);
    let rest = changes(&mut mirror, 9)?;
    same!(told(&rest), (1..10).map(|port| ("inserted", port, 0)).collect::<Vec<_>>());
    Ok(())
}

fn says_which_capability_is_missing(_: &Sandbox) -> Outcome {
    let _elsewhere = Events::subscribe(Groups::NEW)?;
    without(CapabilitySet::NET_ADMIN, || {
        let error = Mirror::start(&Filter::all()).err().ok_or("allowed")?;
        holds!(matches!(error, Error::MissingCapability(_)), "{error}");
        Ok(())
    })
}

fn tells_apart_flows_that_have_one_id(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    let answered_at = |port| udp(1).reply(Tuple::udp(([10, 0, 0, 2], 53).into(), ([10, 0, 0, 1], port).into()));
    let (old, new) = (answered_at(1001), answered_at(1002));
    let key = FlowKey::new(old.orig);
    // The new flow is in the same memory at once, unless some flow of the system takes it before.
    let reused = || -> Result<Option<Mirror>, Failure> {
        ct.flush_all()?;
        ct.create(&old)?;
        let id = ct.get(&key)?.ok_or("no flow")?.id;
        let mirror = Mirror::builder().receive_buffer(1).check_every(None).start()?;
        // This event fits the buffer, and all others are lost.
        ct.create(&udp(2))?;
        for _ in 0..500 {
            ct.delete(&key)?;
            ct.create(&new)?;
            if ct.get(&key)?.is_some_and(|flow| flow.id == id) {
                return Ok(Some(mirror));
            }
        }
        Ok(None)
    };
    let mut mirror = None;
    for _ in 0..50 {
        if mirror.is_none() {
            mirror = reused()?;
        }
    }
    let mut mirror = mirror.ok_or("never the same memory")?;
    let changes = changes_until(&mut mirror, |mirror, changes| changes.len() >= 3 && mirror.is_synchronised())?;
    same!(told(&changes), [("inserted", 2, 0), ("missed", 1, 0), ("inserted", 1, 0)]);
    same!(mirror.get(&FlowKey::by_reply(old.reply)), None);
    same!(mirror.get(&FlowKey::by_reply(new.reply)).map(|flow| flow.reply), Some(new.reply));
    equals_a_dump(&mirror, &ct)
}

fn waits_for_no_dump_to_end(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    ct.batch((0..3000).map(|port| Command::Create(udp(port)))).run()?.into_result()?;
    // With the second one, no flow of the dump passes.
    for filter in [Filter::all(), "src=192.0.2.0/24".parse()?] {
        let mut mirror = Mirror::start(&filter)?;
        let mut steps = [0, 0];
        for (steps, wait) in steps.iter_mut().zip([true, false]) {
            let dumps = mirror.stats().dumps;
            mirror.check();
            while mirror.stats().dumps == dumps {
                let changes = if wait { mirror.wait(Duration::ZERO) } else { mirror.try_changes() };
                same!(changes?.len(), 0);
                *steps += 1;
            }
        }
        // A step is a datagram at most, in which there are some 150 flows.
        holds!(steps.iter().all(|steps| *steps >= 10), "{filter:?}: {steps:?} steps");
    }
    Ok(())
}

/// Waits until the mirror has work to do. False if it never will.
fn waits_for_work(mirror: &Mirror) -> Result<bool, Failure> {
    let timeout = mirror.due().map_or(PATIENCE, |due| due.saturating_duration_since(Instant::now()));
    let timeout = Timespec::try_from(timeout)?;
    Ok(poll(&mut [PollFd::new(mirror, PollFlags::IN)], Some(&timeout))? > 0 || mirror.due().is_some())
}

fn is_driven_by_an_event_loop(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    let flows = 100;
    ct.batch((0..flows).map(|port| Command::Create(udp(port)))).run()?.into_result()?;
    let mut mirror = Mirror::builder().filter(&Filter::new().mark(7)).check_every(None).start()?;
    // Of flows that it does not know, an update does not tell all.
    let update =
        |port: u16| Command::Update(FlowUpdate { key: udp(port).orig.into(), changes: Changes::new().mark(7) });
    ct.batch((0..flows).map(update)).run()?.into_result()?;
    let mut inserted = 0;
    while !mirror.is_synchronised() || inserted < usize::from(flows) {
        inserted += mirror.try_changes()?.filter(|change| matches!(change, Change::Inserted { .. })).count();
        holds!(mirror.is_synchronised() || waits_for_work(&mirror)?, "{:?}", mirror.stats());
    }
    same!((inserted, mirror.stats().questions), (usize::from(flows), u64::from(flows)));
    // What an update does not tell.
    let is_whole = |flow: &&Flow| flow.use_count.is_some() && flow.timestamp.is_some();
    same!(mirror.iter().filter(is_whole).count(), usize::from(flows));
    same!(mirror.due(), None);

    // Nothing tells of the ends but a dump that lacks the flows.
    let mut mirror = Mirror::builder().receive_buffer(1).check_every(None).start()?;
    ct.flush_all()?;
    let mut removed = 0;
    while removed < usize::from(flows) {
        removed += mirror.try_changes()?.count();
        holds!(removed == usize::from(flows) || waits_for_work(&mirror)?, "{:?}", mirror.stats());
    }
    same!((mirror.len(), mirror.is_synchronised(), mirror.due()), (0, true, None));
    Ok(())
}

fn update(port: u16, changes: Changes) -> Command {
    Command::Update(FlowUpdate { key: udp(port).orig.into(), changes })
}

/// Changes marks, each to a higher one than ever before, and sometimes replaces the flow, until it is told to stop.
fn count_up(ct: &Conntrack, flows: u16, stop: &AtomicBool) {
    for mark in (1_u32..).step_by(usize::from(flows)) {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let marks = || (0..flows).zip(mark..);
        let changed = marks().map(|(port, mark)| update(port, Changes::new().mark(mark)));
        ct.batch(changed).for_each(drop);
        if mark % 64 == 1 {
            let replaced = marks().filter(|(port, mark)| (u32::from(*port) + mark / 64) % 8 == 0);
            let commands = replaced.flat_map(|(port, mark)| {
                [Command::Delete(udp(port).orig.into()), Command::Create(udp(port).mark(mark))]
            });
            ct.batch(commands).for_each(drop);
        }
    }
}

fn changes_never_go_back(_: &Sandbox) -> Outcome {
    const FLOWS: u16 = 40;
    const CHANGES: usize = 100_000;
    let ct = Conntrack::open()?;
    ct.batch((0..FLOWS).map(|port| Command::Create(udp(port)))).run()?.into_result()?;
    let mut mirror = Mirror::builder().receive_buffer(128 << 10).check_every(None).start()?;
    let stop = AtomicBool::new(false);
    let mut last = [0; FLOWS as usize];
    let (mut told, mut back, mut stale, mut rounds) = (0, 0, 0, 0_u32);
    std::thread::scope(|scope| {
        scope.spawn(|| count_up(&ct, FLOWS, &stop));
        let mut follow = || -> Outcome {
            let deadline = Instant::now() + 6 * PATIENCE;
            while told < CHANGES && Instant::now() < deadline {
                rounds += 1;
                if rounds % 8 == 0 {
                    mirror.check();
                }
                for change in mirror.wait(Duration::from_millis(10))? {
                    told += 1;
                    let flow = change.flow().ok_or("not of a flow")?;
                    let (mark, last) =
                        (flow.mark.unwrap_or(0), &mut last[usize::from(flow.orig.src_port().unwrap_or(0))]);
                    back += usize::from(mark < *last);
                    *last = mark;
                }
                let older =
                    |flow: &&Flow| flow.mark.unwrap_or(0) < last[usize::from(flow.orig.src_port().unwrap_or(0))];
                stale += mirror.iter().filter(older).count();
            }
            Ok(())
        };
        let followed = follow();
        stop.store(true, Ordering::Relaxed);
        followed
    })?;
    let stats = mirror.stats();
    same!((back, stale), (0, 0), "{told} changes, {stats:?}");
    holds!(told >= CHANGES, "{told} changes, {stats:?}");
    holds!(stats.dumps > 20, "{stats:?}");
    // It is synchronised as of its last look at the queue, where the last changes may be since.
    mirror.try_changes()?.for_each(drop);
    changes_until(&mut mirror, |mirror, _| mirror.is_synchronised())?;
    equals_a_dump(&mirror, &ct)
}

fn says_who_caused_a_change(_: &Sandbox) -> Outcome {
    let (ours, other) = (Conntrack::open()?, Conntrack::open()?);
    let mut mirror = Mirror::builder().receive_buffer(1).check_every(None).start()?;
    ours.create(&udp(1))?;
    let mut told = changes(&mut mirror, 1)?;
    other.update(&udp(1).orig.into(), &Changes::new().mark(1))?;
    told.extend(changes(&mut mirror, 1)?);
    other.delete(&udp(1).orig.into())?;
    told.extend(changes(&mut mirror, 1)?);
    let ports: Vec<_> = told.iter().map(|change| change.origin().map(|origin| origin.port)).collect();
    same!(ports, [Some(ours.port()), Some(other.port()), Some(other.port())]);
    // The second event finds no room, so that only a dump tells of its flow.
    ours.batch((2..4).map(|port| Command::Create(udp(port)))).run()?.into_result()?;
    let told = changes(&mut mirror, 2)?;
    let last = told.last().map(|change| (change.flow().and_then(|flow| flow.orig.src_port()), change.origin()));
    same!(last, Some((Some(3), None)));
    Ok(())
}

fn asks_for_many_flows_at_once(_: &Sandbox) -> Outcome {
    const FLOWS: u16 = 2500;
    let ct = Conntrack::open()?;
    ct.batch((0..FLOWS).map(|port| Command::Create(udp(port)))).run()?.into_result()?;
    let mut mirror = Mirror::builder().filter(&Filter::new().mark(7)).check_every(None).start()?;
    // Of flows that it does not know, an update does not tell all.
    ct.batch((0..FLOWS).map(|port| update(port, Changes::new().mark(7)))).run()?.into_result()?;
    let (mut steps, mut inserted) = (0, 0);
    while !mirror.is_synchronised() || inserted < usize::from(FLOWS) {
        inserted += mirror.try_changes()?.count();
        steps += 1;
        holds!(steps < 100, "{:?}", mirror.stats());
    }
    same!((inserted, mirror.stats().questions, mirror.len()), (2500, 2500, 2500));
    equals_the_flows_with_mark(&mirror, &ct, 7)
}

fn equals_the_flows_with_mark(mirror: &Mirror, ct: &Conntrack, mark: u32) -> Outcome {
    let table = ct.dump_filtered(&Filter::new().mark(mark))?;
    let table = table.map(|flow| flow.map(|flow| Lasting::of(&flow))).collect::<Result<BTreeMap<_, _>, _>>()?;
    same!(mirror.iter().map(Lasting::of).collect::<BTreeMap<_, _>>(), table);
    Ok(())
}

fn keeps_labels_that_packets_do_not_report(sandbox: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    let connection = sandbox.tcp_connection(Family::IPV4)?;
    let key = FlowKey::new(connection.tuple);
    let mut labels = Labels::default();
    labels.insert(5);
    ct.update(&key, &Changes::new().labels(labels))?;
    let mut mirror = Mirror::builder().check_every(None).start()?;
    // The end of the connection is reported, by packets, without the labels.
    drop(connection);
    let state = |flow: &Flow| flow.proto_info.as_ref().and_then(conntrack::ProtoInfo::tcp_state);
    let has_closed = |mirror: &Mirror| mirror.get(&key).is_some_and(|flow| state(flow) != Some(TcpState::ESTABLISHED));
    changes_until(&mut mirror, |mirror, _| has_closed(mirror) && mirror.is_synchronised())?;
    same!(mirror.get(&key).and_then(|flow| flow.labels), Some(labels));
    holds!(mirror.stats().questions > 0, "{:?}", mirror.stats());
    equals_a_dump(&mirror, &ct)
}

fn follows_a_tcp_state(sandbox: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    let filter = Filter::new().tcp_state(TcpState::ESTABLISHED);
    let mut mirror = Mirror::builder().filter(&filter).check_every(None).start()?;
    let connection = sandbox.tcp_connection(Family::IPV4)?;
    let key = FlowKey::new(connection.tuple);
    // A change that is none of the state.
    ct.update(&key, &Changes::new().mark(7))?;
    let has_mark = |mirror: &Mirror| mirror.get(&key).is_some_and(|flow| flow.mark == Some(7));
    changes_until(&mut mirror, |mirror, _| has_mark(mirror) && mirror.is_synchronised())?;
    holds!(has_mark(&mirror) && mirror.is_synchronised(), "{:?}", mirror.stats());
    drop(connection);
    let told = changes_until(&mut mirror, |mirror, _| mirror.is_empty() && mirror.is_synchronised())?;
    holds!(matches!(told.last(), Some(Change::Removed { how: Removal::Unmatched, .. })), "{told:?}");
    Ok(())
}

fn loses_no_end_with_reliable_destroy(_: &Sandbox) -> Outcome {
    const FLOWS: u16 = 400;
    let ct = Conntrack::open()?;
    let mut mirror = Mirror::builder().receive_buffer(4 * 1280).reliable_destroy(true).check_every(None).start()?;
    let mut ends = Vec::new();
    let mut note = |changes: Vec<Change>| {
        let ended = |change: &Change| {
            matches!(change, Change::Removed { how: Removal::Destroyed, .. } | Change::Ended { .. })
                && change.flow().and_then(|flow| flow.timestamp).is_some_and(|times| times.stop.is_some())
        };
        ends.extend(changes.iter().filter(|change| ended(change)).filter_map(|change| change.flow()?.orig.src_port()));
        ends.len()
    };
    // Most beginnings are lost, and the ends come while nobody reads.
    ct.batch((0..FLOWS).map(|port| Command::Create(udp(port)))).run()?.into_result()?;
    ct.batch((0..FLOWS / 2).map(|port| Command::Delete(udp(port).orig.into()))).run()?.into_result()?;
    note(changes_until(&mut mirror, |mirror, changes| {
        mirror.is_synchronised() && changes.len() >= usize::from(FLOWS / 2)
    })?);
    ct.batch((FLOWS / 2..FLOWS).map(|port| Command::Delete(udp(port).orig.into()))).run()?.into_result()?;
    let deadline = Instant::now() + PATIENCE;
    while note(mirror.wait(Duration::from_millis(10))?.collect()) < usize::from(FLOWS) && Instant::now() < deadline {}
    changes_until(&mut mirror, |mirror, _| mirror.is_synchronised())?;
    ends.sort_unstable();
    same!(ends, (0..FLOWS).collect::<Vec<_>>());
    let stats = mirror.stats();
    holds!(stats.overruns > 0 && stats.missed == 0 && mirror.is_empty(), "{stats:?}");
    Ok(())
}

fn is_not_synchronised_without_events(_: &Sandbox) -> Outcome {
    const SETTING: &str = "/proc/sys/net/netfilter/nf_conntrack_events";
    let other = Namespace::new()?;
    let ct = Conntrack::open()?;
    ct.create(&udp(1))?;
    let mut mirrors = [Mirror::start(&Filter::all())?, Mirror::builder().netns(&other)?.start()?];
    let mut are_synchronised = || -> Result<_, Error> {
        let mut found = [false; 2];
        for (found, mirror) in found.iter_mut().zip(&mut mirrors) {
            mirror.wait(Duration::ZERO)?.for_each(drop);
            *found = mirror.is_synchronised();
        }
        Ok(found)
    };
    same!(are_synchronised()?, [true, true]);
    std::fs::write(SETTING, "0")?;
    // The other namespace has a setting of its own.
    same!(are_synchronised()?, [false, true]);
    std::fs::write(SETTING, "1")?;
    same!(are_synchronised()?, [true, true]);
    Ok(())
}

fn takes_the_options_of_a_connection(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    ct.batch((0..300).map(|port| Command::Create(udp(port).mark(u32::from(port % 2))))).run()?.into_result()?;
    let builder = Mirror::builder().filter(&"mark=1 dst=10.0.0.2".parse()?).kernel_version(KernelVersion::OLDEST);
    let mut mirror = builder.reply_timeout(Duration::from_secs(30)).start()?;
    same!((mirror.len(), mirror.try_changes()?.len()), (150, 0));
    let refused = Mirror::builder().reply_timeout(Duration::ZERO).start().err().ok_or("a timeout of zero")?;
    holds!(matches!(refused, Error::Io { .. }), "{refused}");
    Ok(())
}

fn mirrors_expectations(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    let master = sip(5060);
    let expect = |port| NewExpect::from_any_port(expected(port), master.orig).class(crate::expect::helper("sip"), 1);
    ct.create(&master)?;
    ct.create_expectation(&expect(5000))?;
    let mut mirror = Mirror::builder().expectations(true).receive_buffer(4 * 1280).check_every(None).start()?;
    let ports = |mirror: &Mirror| {
        let mut ports: Vec<_> = mirror.expectations().filter_map(|expect| expect.tuple.dst_port()).collect();
        ports.sort_unstable();
        ports
    };
    same!((ports(&mirror), mirror.len(), mirror.try_changes()?.len()), (vec![5000], 1, 0));

    ct.create_expectation(&expect(5001))?;
    ct.delete_expectation(&ExpectKey::new(expected(5000)))?;
    let told = changes(&mut mirror, 2)?;
    let [
        Change::ExpectationInserted { expectation: new, origin },
        Change::ExpectationRemoved { expectation: old, how: Removal::Destroyed, .. },
    ] = &told[..]
    else {
        return Err(format!("{told:?}").into());
    };
    same!(
        (new.tuple.dst_port(), old.tuple.dst_port(), new.helper.clone()),
        (Some(5001), Some(5000), Some(helper("sip")))
    );
    same!((origin.map(|origin| origin.port), ports(&mirror)), (Some(ct.port()), vec![5001]));

    // Most of these events are lost, and the last of them is of the end of all.
    for round in 0..10 {
        let ports = (5010..5013).map(|port| port + 3 * round);
        for port in ports.clone() {
            ct.create_expectation(&expect(port))?;
        }
        if let Some(port) = ports.max() {
            ct.delete_expectation(&ExpectKey::new(expected(port)))?;
        }
    }
    changes_until(&mut mirror, |mirror, _| mirror.stats().overruns > 0 && mirror.is_synchronised())?;
    let mut table: Vec<_> = ct.expectations()?.filter_map(|expect| expect.ok()?.tuple.dst_port()).collect();
    table.sort_unstable();
    same!(ports(&mirror), table);
    holds!(mirror.stats().overruns > 0 && !table.is_empty(), "{:?}", mirror.stats());
    // With their master.
    ct.delete(&master.orig.into())?;
    changes_until(&mut mirror, |mirror, _| mirror.is_empty() && mirror.is_synchronised())?;
    same!((ports(&mirror), mirror.len()), (vec![], 0));
    Ok(())
}
