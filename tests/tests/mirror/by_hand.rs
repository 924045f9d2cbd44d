//! Single things that a mirror does, told to it one by one.

use std::time::{Duration, Instant};

use conntrack::mirror::{Reconciler, Wanted};
use conntrack::{
    Change, Counters, Event, Filter, Flow, FlowKey, Labels, Nanoseconds, Origin, ProtoInfo, ProtoInfoTcp, Removal,
    Status, TcpState, Timestamp,
};

use crate::kernel::Tracked;

/// A mirror of all, that has looked once and found these.
fn looked(flows: &[Flow]) -> (Reconciler, Instant) {
    let (mut mirror, now) = (Reconciler::new(Filter::all(), 1000, None), Instant::now());
    look(&mut mirror, now, flows);
    (mirror, now)
}

/// A dump, of which no part arrives after an event.
fn look(mirror: &mut Reconciler, now: Instant, flows: &[Flow]) {
    assert_eq!(mirror.advance(now), Wanted::Dump);
    mirror.on_dump_start(now);
    for flow in flows {
        mirror.on_dump_row(flow.clone());
    }
    assert_eq!(mirror.advance(now), Wanted::DumpPart);
    mirror.on_dump_end(now, true);
}

/// Answers all questions, as a table of these flows would. How many there were.
fn answer(mirror: &mut Reconciler, now: Instant, flows: &[Flow]) -> usize {
    let mut answers = 0;
    while let Wanted::Flows(keys) = mirror.advance(now) {
        for key in &keys {
            mirror.on_answer(key, flows.iter().find(|flow| flow.orig == *key.tuple.tuple()).cloned());
        }
        answers += keys.len();
    }
    answers
}

/// In few words: what happened, and to which id.
fn told(mirror: &mut Reconciler) -> Vec<(&'static str, u8)> {
    let word = |change: &Change| match change {
        Change::Inserted { .. } => "inserted",
        Change::Changed { .. } => "changed",
        Change::Ended { .. } => "ended",
        Change::Removed { how: Removal::Missed, .. } => "missed",
        Change::Removed { how: Removal::Unmatched, .. } => "unmatched",
        _ => "removed",
    };
    let id = |change: &Change| change.flow().map_or(0, |flow| flow.id.0[3]);
    std::iter::from_fn(|| mirror.next_change()).map(|change| (word(&change), id(&change))).collect()
}

fn at(place: u16, id: u8) -> Flow {
    translated(place, id, 0)
}

fn translated(place: u16, id: u8, reply: u16) -> Flow {
    Tracked { id, reply, mark: 0, state: 1, label: None, silent: false, dying: false, version: 0 }.flow(place)
}

#[test]
fn old_news_does_not_displace_what_a_dump_has_seen() {
    let origin = Origin::default();
    let (mut mirror, now) = looked(&[at(1, 2)]);
    assert_eq!(told(&mut mirror), [("inserted", 2)]);
    // All of this happened before the dump, and is read after it.
    mirror.on_event(Event::New(at(1, 1), origin));
    mirror.on_event(Event::Destroy(at(1, 1), origin));
    mirror.on_event(Event::New(at(1, 2), origin));
    mirror.on_drained();
    assert_eq!(told(&mut mirror), []);
    // As one of them could have been new all the same, it makes sure.
    let Wanted::Flows(keys) = mirror.advance(now) else { panic!("no question") };
    mirror.on_answer(&keys[0], Some(at(1, 2)));
    assert_eq!(told(&mut mirror), []);
    assert!(mirror.is_synchronised());
    // This cannot have happened before.
    mirror.on_drained();
    mirror.on_event(Event::New(at(1, 3), origin));
    assert_eq!(told(&mut mirror), [("missed", 2), ("inserted", 3)]);
}

#[test]
fn what_a_later_dump_sees_is_not_gone() {
    let (mut mirror, now) = looked(&[at(1, 1), at(2, 2)]);
    mirror.on_event(Event::Overrun { lost: 1 });
    let later = now + Duration::from_secs(10);
    look(&mut mirror, later, &[at(2, 2)]);
    mirror.on_drained();
    assert_eq!(answer(&mut mirror, later, &[at(2, 2)]), 1);
    // The queue has not been empty since, so that the end of the missing one may still be in it.
    mirror.on_event(Event::Overrun { lost: 1 });
    let later = later + Duration::from_secs(10);
    look(&mut mirror, later, &[at(1, 1), at(2, 2)]);
    mirror.on_drained();
    assert_eq!(mirror.advance(later), Wanted::Events { until: None });
    assert_eq!(told(&mut mirror), [("inserted", 1), ("inserted", 2)]);
}

#[test]
fn flows_are_missed_only_when_their_end_cannot_come_any_more() {
    let (mut mirror, now) = looked(&[at(1, 1), at(2, 2)]);
    told(&mut mirror);
    mirror.on_event(Event::Overrun { lost: 1 });
    let later = now + Duration::from_secs(10);
    look(&mut mirror, later, &[]);
    mirror.on_drained();
    assert_eq!(answer(&mut mirror, later, &[]), 2);
    assert_eq!(mirror.advance(later), Wanted::Events { until: None });
    assert!(!mirror.is_synchronised());
    mirror.on_event(Event::Destroy(at(1, 1), Origin::default()));
    mirror.on_drained();
    assert_eq!(mirror.advance(later), Wanted::Events { until: None });
    assert_eq!(told(&mut mirror), [("removed", 1), ("missed", 2)]);
    assert!(mirror.is_empty() && mirror.is_synchronised());
}

#[test]
fn losses_that_go_on_are_looked_after_less_and_less_often() {
    let (mut mirror, start) = looked(&[]);
    let (mut now, mut waits) = (start, Vec::new());
    for _ in 0..12 {
        mirror.on_event(Event::Overrun { lost: 1 });
        if let Wanted::Events { until: Some(until) } = mirror.advance(now) {
            waits.push((until - now).as_millis());
            now = until;
        }
        look(&mut mirror, now, &[]);
    }
    assert_eq!(waits, [10, 20, 40, 80, 160, 320, 640, 1280, 2000, 2000, 2000, 2000]);
    // Once there is calm, the next loss is looked after at once.
    mirror.on_drained();
    now += Duration::from_secs(3);
    mirror.on_event(Event::Overrun { lost: 1 });
    assert_eq!(mirror.advance(now), Wanted::Dump);
}

/// Two flows claim one reply tuple until the end of one of them is known. Whichever ends, the other one is found.
#[test]
fn a_reply_tuple_is_that_of_the_flow_that_is_left() {
    let (first, second) = (at(1, 1), Flow { reply: at(1, 1).reply, ..at(2, 2) });
    for (ended, left) in [(&first, &second), (&second, &first)] {
        let (mut mirror, _) = looked(std::slice::from_ref(&first));
        mirror.on_drained();
        mirror.on_event(Event::New(second.clone(), Origin::default()));
        mirror.on_event(Event::Destroy(ended.clone(), Origin::default()));
        let found = |tuple| mirror.get(&FlowKey::new(tuple)).map(|flow| flow.id);
        assert_eq!((found(left.orig), found(left.reply)), (Some(left.id), Some(left.id)));
        assert_eq!((found(ended.orig), mirror.len()), (None, 1));
    }
}

/// A dump that takes long is not followed by the next one at once, whenever it was that something got lost.
#[test]
fn losses_during_dumps_are_looked_after_less_and_less_often() {
    const TAKES: Duration = Duration::from_secs(3);
    let (mut mirror, mut now) = looked(&[]);
    mirror.on_event(Event::Overrun { lost: 1 });
    for _ in 0..5 {
        if let Wanted::Events { until: Some(until) } = mirror.advance(now) {
            now = until;
        }
        assert_eq!(mirror.advance(now), Wanted::Dump);
        mirror.on_dump_start(now);
        mirror.on_event(Event::Overrun { lost: 1 });
        assert_eq!(mirror.advance(now), Wanted::DumpPart);
        now += TAKES;
        mirror.on_dump_end(now, true);
        let Wanted::Events { until: Some(until) } = mirror.advance(now) else { panic!("no wait after a dump") };
        assert!(until - now >= TAKES, "{:?}", until - now);
    }
    // What is asked for does not wait.
    mirror.check(now);
    assert_eq!(mirror.advance(now), Wanted::Dump);
}

/// The kernel makes an id of the original tuple and of an address, and the next flow may be at that address.
#[test]
fn another_flow_with_the_same_id_is_another_flow() {
    let origin = Origin::default();
    let master = |flow: Flow| Flow { master: Some(at(9, 9).orig), ..flow };
    let other_master = |flow: Flow| Flow { master: Some(at(8, 8).orig), ..flow };
    let started =
        |start, flow: Flow| Flow { timestamp: Some(Timestamp { start: Nanoseconds(start), stop: None }), ..flow };
    let pairs = [
        (at(1, 1), translated(1, 1, 1)),
        (master(at(1, 1)), other_master(at(1, 1))),
        (started(1, at(1, 1)), started(2, at(1, 1))),
    ];
    for (old, new) in pairs {
        // What happens to the old one is lost, and a dump or an event tells of the new one.
        for by_event in [false, true] {
            let (mut mirror, now) = looked(std::slice::from_ref(&old));
            assert_eq!(told(&mut mirror), [("inserted", 1)]);
            mirror.on_drained();
            if by_event {
                mirror.on_event(Event::New(new.clone(), origin));
            } else {
                mirror.check(now);
                look(&mut mirror, now, std::slice::from_ref(&new));
                mirror.on_drained();
                assert_eq!(answer(&mut mirror, now, std::slice::from_ref(&new)), 1);
            }
            assert_eq!(told(&mut mirror), [("missed", 1), ("inserted", 1)]);
            assert_eq!(mirror.len(), 1);
            let found = |tuple| mirror.get(&FlowKey::new(tuple)).map(|flow| (flow.reply, flow.master, flow.timestamp));
            let expected = Some((new.reply, new.master, new.timestamp));
            assert_eq!((found(new.orig), found(new.reply)), (expected, expected));
            if old.reply != new.reply {
                assert_eq!(found(old.reply), None);
            }
        }
        // The old one's end comes after the dump that has seen the new one.
        let (mut mirror, _) = looked(std::slice::from_ref(&new));
        assert_eq!(told(&mut mirror), [("inserted", 1)]);
        mirror.on_event(Event::Destroy(old, origin));
        assert_eq!(told(&mut mirror), []);
        mirror.on_drained();
        mirror.on_event(Event::Destroy(new, origin));
        assert_eq!(told(&mut mirror), [("removed", 1)]);
    }
}

#[test]
fn a_question_stays_one_until_it_is_answered() {
    let (mut mirror, now) = looked(&[]);
    mirror.on_drained();
    mirror.on_event(Event::Update(at(1, 1), Origin::default()));
    assert_eq!(mirror.advance(now), Wanted::Events { until: None });
    mirror.on_drained();
    let question = mirror.advance(now);
    assert_eq!(question, Wanted::Flows(vec![FlowKey::new(at(1, 1).orig)]));
    assert_eq!(mirror.advance(now), question);
    assert!(!mirror.is_synchronised());
    assert_eq!(answer(&mut mirror, now, &[at(1, 1)]), 1);
    assert_eq!(mirror.advance(now), Wanted::Events { until: None });
    assert!(mirror.is_synchronised());
}

#[test]
fn a_flow_that_a_dump_has_left_out_is_not_gone() {
    let mark = |flow: Flow, mark| Flow { mark: Some(mark), ..flow };
    let (mut mirror, now) = (Reconciler::new(Filter::new().mark(1), 1000, None), Instant::now());
    look(&mut mirror, now, &[mark(at(1, 1), 1), mark(at(2, 2), 1), mark(at(3, 3), 1)]);
    assert_eq!(told(&mut mirror), [("inserted", 1), ("inserted", 2), ("inserted", 3)]);
    mirror.on_event(Event::Overrun { lost: 3 });
    let later = now + Duration::from_secs(10);
    look(&mut mirror, later, &[]);
    mirror.on_drained();
    // One has another mark now, one was passed over by the dump, and one is gone.
    assert_eq!(answer(&mut mirror, later, &[mark(at(1, 1), 2), mark(at(2, 2), 1)]), 3);
    mirror.on_drained();
    assert_eq!(mirror.advance(later), Wanted::Events { until: None });
    assert_eq!(told(&mut mirror), [("unmatched", 1), ("missed", 3)]);
    assert!(mirror.is_synchronised() && mirror.len() == 1);
}

#[test]
fn a_flow_that_cannot_be_decoded_is_the_only_one_that_is_missing() {
    let (mut mirror, now) = looked(&[at(1, 1), at(2, 2)]);
    told(&mut mirror);
    mirror.check(now);
    assert_eq!(mirror.advance(now), Wanted::Dump);
    mirror.on_dump_start(now);
    mirror.on_undecodable_dump_row();
    mirror.on_dump_row(at(2, 2));
    mirror.on_dump_row(at(3, 3));
    mirror.on_dump_end(now, true);
    mirror.on_drained();
    // It may be the one that the dump lacks.
    let Wanted::Flows(keys) = mirror.advance(now) else { panic!("no question") };
    mirror.on_undecodable_answer(&keys[0]);
    mirror.on_drained();
    assert_eq!(mirror.advance(now), Wanted::Events { until: None });
    assert_eq!(told(&mut mirror), [("inserted", 3)]);
    assert_eq!((mirror.len(), mirror.stats().undecodable, mirror.stats().failed_dumps), (3, 2, 0));
    assert!(!mirror.is_synchronised());
    mirror.check(now);
    look(&mut mirror, now, &[at(1, 1), at(2, 2), at(3, 3)]);
    mirror.on_drained();
    assert!(mirror.is_synchronised());
}

/// A flow with these marks one after the other, the last of which a dump has seen before the events are read.
#[test]
fn a_mark_that_comes_back_is_told_once() {
    let marked = |mark| Flow { mark: Some(mark), ..at(1, 1) };
    let event = |mark| Event::Update(Flow { use_count: None, ..marked(mark) }, Origin::default());
    let (mut mirror, now) = looked(&[marked(1)]);
    assert_eq!(told(&mut mirror), [("inserted", 1)]);
    for mark in [1, 2, 1] {
        mirror.on_event(event(mark));
        assert_eq!(told(&mut mirror), []);
        assert_eq!(mirror.iter().map(|flow| flow.mark).collect::<Vec<_>>(), [Some(1)]);
    }
    mirror.on_drained();
    assert_eq!(answer(&mut mirror, now, &[marked(1)]), 1);
    assert_eq!(told(&mut mirror), []);
    // After the queue has been empty, an event is newer.
    mirror.on_drained();
    mirror.on_event(event(2));
    assert_eq!(told(&mut mirror), [("changed", 1)]);
}

#[test]
fn an_end_that_may_be_older_than_a_dump_is_told_when_the_flow_is_gone() {
    let end = |packets| {
        let counters = Some(Counters { packets, bytes: 0 });
        Event::Destroy(Flow { counters_orig: counters, ..at(1, 1) }, Origin { port: 7, ..Origin::default() })
    };
    for is_there in [false, true] {
        let flows = [at(1, 1)];
        let left = if is_there { &flows[..] } else { &[] };
        let (mut mirror, now) = looked(&flows);
        assert_eq!(told(&mut mirror), [("inserted", 1)]);
        mirror.on_event(end(5));
        assert_eq!((told(&mut mirror), mirror.len()), (vec![], 1));
        mirror.on_drained();
        assert_eq!(answer(&mut mirror, now, left), 1);
        mirror.on_drained();
        assert_eq!(mirror.advance(now), Wanted::Events { until: None });
        assert!(mirror.is_synchronised());
        if is_there {
            assert_eq!((told(&mut mirror), mirror.len()), (vec![], 1));
        } else {
            let change = mirror.next_change().unwrap();
            assert!(matches!(change, Change::Removed { how: Removal::Destroyed, .. }));
            assert_eq!(change.origin().map(|origin| origin.port), Some(7));
            assert_eq!(change.flow().and_then(|flow| flow.counters_orig).map(|counters| counters.packets), Some(5));
            assert_eq!((told(&mut mirror), mirror.len()), (vec![], 0));
        }
    }
}

/// A flow that an answer has taken out of the mirror, while the event of its beginning was in the queue.
#[test]
fn what_an_answer_has_removed_does_not_come_back() {
    let marked = |mark| Flow { mark: Some(mark), ..at(1, 1) };
    let (mut mirror, now) = (Reconciler::new(Filter::new().mark(1), 1000, None), Instant::now());
    look(&mut mirror, now, &[marked(1)]);
    assert_eq!(told(&mut mirror), [("inserted", 1)]);
    mirror.check(now);
    look(&mut mirror, now, &[]);
    mirror.on_drained();
    assert_eq!(answer(&mut mirror, now, &[marked(2)]), 1);
    assert_eq!(told(&mut mirror), [("unmatched", 1)]);
    mirror.on_event(Event::New(marked(1), Origin::default()));
    assert_eq!(told(&mut mirror), []);
    mirror.on_drained();
    assert_eq!(answer(&mut mirror, now, &[marked(2)]), 1);
    assert_eq!((told(&mut mirror), mirror.is_synchronised()), (vec![], true));
}

#[test]
fn a_flow_that_is_dying_is_not_taken_for_alive() {
    let (mut mirror, now) = looked(&[at(1, 1)]);
    told(&mut mirror);
    mirror.on_drained();
    mirror.on_event(Event::Destroy(at(1, 1), Origin::default()));
    assert_eq!(told(&mut mirror), [("removed", 1)]);
    mirror.check(now);
    let dying = Flow { status: Status::DYING, ..at(1, 1) };
    look(&mut mirror, now, std::slice::from_ref(&dying));
    mirror.on_drained();
    mirror.on_event(Event::Update(at(1, 1), Origin::default()));
    mirror.on_drained();
    assert_eq!(answer(&mut mirror, now, std::slice::from_ref(&dying)), 1);
    assert_eq!((told(&mut mirror), mirror.is_empty()), (vec![], true));
}

#[test]
fn an_event_that_does_not_tell_whether_a_flow_matches_is_a_question() {
    let state = |state| Flow {
        proto_info: Some(ProtoInfo::Tcp(ProtoInfoTcp { state: Some(state), ..ProtoInfoTcp::default() })),
        ..at(1, 1)
    };
    let established = state(TcpState::ESTABLISHED);
    let filter = Filter::new().tcp_state(TcpState::ESTABLISHED);
    let (mut mirror, now) = (Reconciler::new(filter, 1000, None), Instant::now());
    look(&mut mirror, now, &[]);
    mirror.on_drained();
    // Only its mark has changed.
    let update = Flow { proto_info: None, mark: Some(7), ..at(1, 1) };
    mirror.on_event(Event::Update(update.clone(), Origin::default()));
    mirror.on_drained();
    assert!(!mirror.is_synchronised());
    assert_eq!(answer(&mut mirror, now, &[Flow { mark: Some(7), ..established.clone() }]), 1);
    assert_eq!((told(&mut mirror), mirror.is_synchronised()), (vec![("inserted", 1)], true));
    // It has the state while events do not say otherwise.
    mirror.on_drained();
    mirror.on_event(Event::Update(Flow { mark: Some(8), ..update }, Origin::default()));
    assert_eq!(told(&mut mirror), [("changed", 1)]);
    mirror.on_event(Event::Update(state(TcpState::CLOSE), Origin::default()));
    assert_eq!(told(&mut mirror), [("unmatched", 1)]);
    mirror.on_drained();
    assert_eq!(answer(&mut mirror, now, &[]), 0);
}

#[test]
fn labels_are_asked_for_many_at_a_time_and_only_where_an_event_leaves_them_open() {
    let mut labels = Labels::default();
    labels.insert(5);
    let flow = |port| Flow { labels: Some(labels), ..at(port, 1) };
    let flows: Vec<_> = (0..2500).map(flow).collect();
    let (mut mirror, now) = looked(&flows);
    mirror.on_drained();
    assert_eq!(told(&mut mirror).len(), flows.len());
    // By a packet, which may have cleared the labels; several of them.
    for _ in 0..3 {
        for flow in &flows {
            mirror.on_event(Event::Update(Flow { labels: None, mark: Some(1), ..flow.clone() }, Origin::default()));
        }
    }
    mirror.on_drained();
    let (mut exchanges, mut asked) = (0, 0);
    while let Wanted::Flows(keys) = mirror.advance(now) {
        exchanges += 1;
        asked += keys.len();
        for key in &keys {
            let flow = Flow { mark: Some(1), ..flow(key.tuple.tuple().src_port().unwrap()) };
            mirror.on_answer(key, Some(flow));
        }
    }
    assert_eq!((asked, exchanges), (2500, 10));
    assert_eq!(mirror.iter().filter(|flow| flow.labels == Some(labels)).count(), 2500);
    told(&mut mirror);
    // By a request, of which the kernel reports all labels that are set.
    mirror.on_drained();
    for port in 0..2500 {
        let update = Flow { labels: None, mark: Some(1), ..at(port, 1) };
        mirror.on_event(Event::Update(update, Origin { port: 7, ..Origin::default() }));
    }
    mirror.on_drained();
    assert_eq!(mirror.advance(now), Wanted::Events { until: None });
    assert_eq!(mirror.iter().filter(|flow| flow.labels.is_some()).count(), 0);
    assert_eq!(told(&mut mirror).len(), 2500);
}

#[test]
fn a_query_changes_nothing() {
    let flows: Vec<_> = (0..3000).map(|port| at(port, 1)).collect();
    let (mut mirror, now) = looked(&flows);
    told(&mut mirror);
    mirror.on_drained();
    mirror.check(now);
    look(&mut mirror, now, &[]);
    mirror.on_drained();
    assert_eq!(answer(&mut mirror, now, &[]), 3000);
    assert_eq!(mirror.due(now), Some(now), "the queue has to be found empty");
    mirror.on_drained();
    let reader: &Reconciler = &mirror;
    assert_eq!((reader.due(now), reader.changes(), reader.len()), (Some(now), 0, 3000));
    // More than it makes at once. It is due again until the last is taken.
    let (mut taken, mut steps) = (0, 0);
    while mirror.due(now).is_some() {
        assert_eq!(mirror.advance(now), Wanted::Events { until: None });
        assert_eq!(mirror.due(now), Some(now));
        taken += told(&mut mirror).len();
        steps += 1;
    }
    assert_eq!((taken, mirror.is_synchronised(), mirror.is_empty()), (3000, true, true));
    assert!(steps >= 3);
}

/// A kernel that delivers every end.
mod reliable {
    use super::*;

    fn looked(flows: &[Flow]) -> (Reconciler, Instant) {
        let (mirror, now) = (Reconciler::new(Filter::all(), 1000, None), Instant::now());
        let mut mirror = mirror.reliable_destroy(true);
        look(&mut mirror, now, flows);
        mirror.on_drained();
        told(&mut mirror);
        (mirror, now)
    }

    #[test]
    fn an_end_that_is_yet_to_be_delivered_is_waited_for() {
        let flows = [at(1, 1), at(2, 2)];
        let (mut mirror, now) = looked(&flows);
        mirror.on_event(Event::Overrun { lost: 2 });
        mirror.on_drained();
        let mut now = now + Duration::from_secs(10);
        look(&mut mirror, now, &[]);
        mirror.on_drained();
        assert_eq!(answer(&mut mirror, now, &[]), 2);
        mirror.on_drained();
        assert_eq!(mirror.advance(now), Wanted::DyingFlows);
        mirror.on_dying(now, [at(1, 1).key()]);
        // The kernel may have delivered the other one's end meanwhile.
        assert_eq!(told(&mut mirror), []);
        mirror.on_drained();
        let Wanted::Events { until: Some(until) } = mirror.advance(now) else { panic!("not waiting") };
        assert_eq!((told(&mut mirror), mirror.due(now)), (vec![("missed", 2)], Some(until)));
        assert!(until > now);
        now = until;
        assert_eq!(mirror.advance(now), Wanted::DyingFlows);
        mirror.on_dying(now, [at(1, 1).key()]);
        mirror.on_event(Event::Destroy(at(1, 1), Origin::default()));
        mirror.on_drained();
        // It may be the end of an earlier flow.
        assert_eq!(answer(&mut mirror, now, &[]), 1);
        assert_eq!(told(&mut mirror), []);
        now += Duration::from_secs(1);
        assert_eq!(mirror.advance(now), Wanted::DyingFlows);
        mirror.on_dying(now, []);
        mirror.on_drained();
        assert_eq!(mirror.advance(now), Wanted::Events { until: None });
        assert_eq!((told(&mut mirror), mirror.is_synchronised()), (vec![("removed", 1)], true));
        // No end is late any more.
        mirror.on_event(Event::New(at(3, 3), Origin::default()));
        mirror.on_event(Event::Destroy(at(3, 3), Origin::default()));
        assert_eq!(told(&mut mirror), [("inserted", 3), ("removed", 3)]);
    }

    #[test]
    fn the_end_of_a_flow_whose_beginning_was_lost_is_told() {
        let (mut mirror, _) = looked(&[]);
        mirror.on_event(Event::Destroy(at(1, 1), Origin { port: 7, ..Origin::default() }));
        let change = mirror.next_change().unwrap();
        assert!(matches!(&change, Change::Ended { origin: Origin { port: 7, .. }, .. }));
        assert_eq!((change.flow(), mirror.next_change()), (Some(&at(1, 1)), None));
        assert!(mirror.is_empty());
    }
}
