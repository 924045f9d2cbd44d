//! The mirror.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use conntrack::sandbox::{Failure, Namespace, Sandbox};
use conntrack::{
    Change, Changes, Command, Conntrack, Error, Events, Family, Filter, Flow, FlowId, FlowKey, FlowUpdate, Groups,
    Labels, Mirror, Removal, Status, Tuple,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::thread::CapabilitySet;

use crate::common::{PATIENCE, udp};
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
        let flow = change.flow();
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
    ct.batch(ports.clone().map(|port| Command::Create(udp(port).mark(u32::from(port))))).run()?;
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
                    let (key, flow) = Lasting::of(change.flow());
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
    ct.batch((0..100).map(|port| Command::Create(udp(port)))).run()?;
    let mut mirror = Mirror::builder().receive_buffer(1).check_every(None).start()?;
    ct.batch((0..50).map(|port| Command::Delete(udp(port).orig.into()))).run()?;
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
    same!(mirror.event_counters().received, 0);
    Ok(())
}

fn finds_labels_that_were_cleared(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    let mut labels = Labels::default();
    labels.insert(5);
    ct.create(&udp(1).labels(labels))?;
    let mut mirror = Mirror::builder().check_every(None).start()?;
    same!(mirror.iter().map(|flow| flow.labels).collect::<Vec<_>>(), [Some(labels)]);
    ct.update(&udp(1).orig.into(), &Changes::new().labels(Labels::default()))?;
    changes(&mut mirror, 1)?;
    same!(mirror.iter().map(|flow| flow.labels).collect::<Vec<_>>(), [None]);
    same!(mirror.stats().questions, 1);
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
    same!(told(&changes), [("inserted", 3, 5), ("inserted", 2, 5), ("other", 1, 6)]);
    let Some(Change::Removed { how: Removal::Unmatched, .. }) = changes.last() else {
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
    ct.batch((0..10).map(|port| Command::Create(udp(port)))).run()?;
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
    ct.create(&old)?;
    let id = ct.get(&key)?.ok_or("no flow")?.id;
    let mut mirror = Mirror::builder().receive_buffer(1).check_every(None).start()?;
    // This event fits the buffer, and all others are lost.
    ct.create(&udp(2))?;
    let mut again = None;
    for _ in 0..10_000 {
        ct.delete(&key)?;
        ct.create(&new)?;
        again = ct.get(&key)?.map(|flow| flow.id);
        if again == Some(id) {
            break;
        }
    }
    same!(again, Some(id), "the same memory, sooner or later");
    let changes = changes_until(&mut mirror, |mirror, changes| changes.len() >= 3 && mirror.is_synchronised())?;
    same!(told(&changes), [("inserted", 2, 0), ("missed", 1, 0), ("inserted", 1, 0)]);
    same!(mirror.get(&FlowKey::by_reply(old.reply)), None);
    same!(mirror.get(&FlowKey::by_reply(new.reply)).map(|flow| flow.reply), Some(new.reply));
    equals_a_dump(&mirror, &ct)
}

fn waits_for_no_dump_to_end(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    ct.batch((0..3000).map(|port| Command::Create(udp(port)))).run()?;
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
fn waits_for_work(mirror: &mut Mirror) -> Result<bool, Failure> {
    let timeout = mirror.due().map_or(PATIENCE, |due| due.saturating_duration_since(Instant::now()));
    let timeout = Timespec::try_from(timeout)?;
    Ok(poll(&mut [PollFd::new(mirror, PollFlags::IN)], Some(&timeout))? > 0 || mirror.due().is_some())
}

fn is_driven_by_an_event_loop(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    let flows = 100;
    ct.batch((0..flows).map(|port| Command::Create(udp(port)))).run()?;
    let mut mirror = Mirror::builder().filter(&Filter::new().mark(7)).check_every(None).start()?;
    // Of flows that it does not know, an update does not tell all.
    let update =
        |port: u16| Command::Update(FlowUpdate { key: udp(port).orig.into(), changes: Changes::new().mark(7) });
    ct.batch((0..flows).map(update)).run()?;
    let mut inserted = 0;
    while !mirror.is_synchronised() || inserted < usize::from(flows) {
        inserted += mirror.try_changes()?.filter(|change| matches!(change, Change::Inserted { .. })).count();
        holds!(mirror.is_synchronised() || waits_for_work(&mut mirror)?, "{:?}", mirror.stats());
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
        holds!(removed == usize::from(flows) || waits_for_work(&mut mirror)?, "{:?}", mirror.stats());
    }
    same!((mirror.len(), mirror.is_synchronised(), mirror.due()), (0, true, None));
    Ok(())
}
