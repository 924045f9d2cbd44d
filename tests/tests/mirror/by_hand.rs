//! Single things that a mirror does, told to it one by one.

use std::time::{Duration, Instant};

use conntrack::mirror::{Reconciler, Wanted};
use conntrack::{Change, Event, Filter, Flow, FlowKey, Nanoseconds, Origin, Removal, Timestamp};

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
        Change::Removed { how: Removal::Missed, .. } => "missed",
        Change::Removed { how: Removal::Unmatched, .. } => "unmatched",
        _ => "removed",
    };
    std::iter::from_fn(|| mirror.next_change()).map(|change| (word(&change), change.flow().id.0[3])).collect()
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
    assert_eq!(answer(&mut mirror, later, &[at(2, 2)]), 1);
    // The queue has not been empty yet, so that the end of the missing one may still be in it.
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
        mirror.on_event(Event::Destroy(new, origin));
        assert_eq!(told(&mut mirror), [("removed", 1)]);
    }
}

#[test]
fn a_question_stays_one_until_it_is_answered() {
    let (mut mirror, now) = looked(&[]);
    mirror.on_drained();
    mirror.on_event(Event::Update(at(1, 1), Origin::default()));
    let question = mirror.advance(now);
    assert_eq!(question, Wanted::Flows(vec![FlowKey::new(at(1, 1).orig)]));
    assert_eq!(mirror.advance(now), question);
    mirror.on_drained();
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
