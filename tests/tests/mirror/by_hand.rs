//! Single things that a mirror does, told to it one by one.

use std::time::{Duration, Instant};

use conntrack::mirror::{Reconciler, Wanted};
use conntrack::{Change, Event, Filter, Flow, Origin, Removal};

use crate::kernel::Tracked;

/// A mirror of all, that has looked once and found these.
fn looked(flows: &[Flow]) -> (Reconciler, Instant) {
    let (mut mirror, now) = (Reconciler::new(Filter::all(), 1000, None), Instant::now());
    look(&mut mirror, now, flows);
    (mirror, now)
}

/// A dump, of which no part arrives after an event.
fn look(mirror: &mut Reconciler, now: Instant, flows: &[Flow]) {
    assert_eq!(mirror.wanted(now), Wanted::Dump);
    mirror.dump_started(now);
    for flow in flows {
        mirror.dumped(flow.clone());
    }
    assert_eq!(mirror.wanted(now), Wanted::More);
    mirror.dump_ended(now, true);
}

/// In few words: what happened, and to which id.
fn told(mirror: &mut Reconciler) -> Vec<(&'static str, u8)> {
    let word = |change: &Change| match change {
        Change::Inserted(_) => "inserted",
        Change::Changed { .. } => "changed",
        Change::Removed { how: Removal::Missed, .. } => "missed",
        _ => "removed",
    };
    std::iter::from_fn(|| mirror.next_change()).map(|change| (word(&change), change.flow().id.0[3])).collect()
}

fn at(place: u16, id: u8) -> Flow {
    Tracked { id, mark: 0, state: 1, label: None, silent: false }.flow(place)
}

#[test]
fn old_news_does_not_displace_what_a_dump_has_seen() {
    let origin = Origin::default();
    let (mut mirror, now) = looked(&[at(1, 2)]);
    assert_eq!(told(&mut mirror), [("inserted", 2)]);
    // All of this happened before the dump, and is read after it.
    mirror.event(Event::New(at(1, 1), origin));
    mirror.event(Event::Destroy(at(1, 1), origin));
    mirror.event(Event::New(at(1, 2), origin));
    mirror.drained();
    assert_eq!(told(&mut mirror), []);
    // As one of them could have been new all the same, it makes sure.
    let Wanted::Flow(key) = mirror.wanted(now) else { panic!("no question") };
    mirror.answered(&key, Some(at(1, 2)));
    assert_eq!(told(&mut mirror), []);
    assert!(mirror.is_synchronised());
    // This cannot have happened before.
    mirror.drained();
    mirror.event(Event::New(at(1, 3), origin));
    assert_eq!(told(&mut mirror), [("missed", 2), ("inserted", 3)]);
}

#[test]
fn what_a_later_dump_sees_is_not_gone() {
    let (mut mirror, now) = looked(&[at(1, 1), at(2, 2)]);
    mirror.event(Event::Overrun { lost: 1 });
    let later = now + Duration::from_secs(10);
    look(&mut mirror, later, &[at(2, 2)]);
    // The queue has not been empty yet, so that the end of the missing one may still be in it.
    mirror.event(Event::Overrun { lost: 1 });
    let later = later + Duration::from_secs(10);
    look(&mut mirror, later, &[at(1, 1), at(2, 2)]);
    mirror.drained();
    assert_eq!(mirror.wanted(later), Wanted::Events { until: None });
    assert_eq!(told(&mut mirror), [("inserted", 1), ("inserted", 2)]);
}

#[test]
fn flows_are_missed_only_when_their_end_cannot_come_any_more() {
    let (mut mirror, now) = looked(&[at(1, 1), at(2, 2)]);
    told(&mut mirror);
    mirror.event(Event::Overrun { lost: 1 });
    let later = now + Duration::from_secs(10);
    look(&mut mirror, later, &[]);
    assert_eq!(mirror.wanted(later), Wanted::Events { until: None });
    assert!(!mirror.is_synchronised());
    mirror.event(Event::Destroy(at(1, 1), Origin::default()));
    mirror.drained();
    assert_eq!(mirror.wanted(later), Wanted::Events { until: None });
    assert_eq!(told(&mut mirror), [("removed", 1), ("missed", 2)]);
    assert!(mirror.is_empty() && mirror.is_synchronised());
}

#[test]
fn losses_that_go_on_are_looked_after_less_and_less_often() {
    let (mut mirror, start) = looked(&[]);
    let (mut now, mut waits) = (start, Vec::new());
    for _ in 0..12 {
        mirror.event(Event::Overrun { lost: 1 });
        if let Wanted::Events { until: Some(until) } = mirror.wanted(now) {
            waits.push((until - now).as_millis());
            now = until;
        }
        look(&mut mirror, now, &[]);
    }
    assert_eq!(waits, [10, 20, 40, 80, 160, 320, 640, 1280, 2000, 2000, 2000, 2000]);
    // Once there is calm, the next loss is looked after at once.
    mirror.drained();
    now += Duration::from_secs(3);
    mirror.event(Event::Overrun { lost: 1 });
    assert_eq!(mirror.wanted(now), Wanted::Dump);
}
