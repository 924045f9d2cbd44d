//! A listener without its socket.

use conntrack::events::{Inbox, Queue, Received};
use conntrack::{Error, Event, Filter, Flow};
use conntrack_tests::captures;

fn received(inbox: &mut Inbox, datagram: &[u8], sender: u32) {
    let buffer = inbox.buffer();
    let length = datagram.len().min(buffer.len());
    buffer[..length].copy_from_slice(&datagram[..length]);
    inbox.received(&Received { length, whole: datagram.len(), sender, ..Received::default() });
}

fn event() -> Vec<u8> {
    let (_, message) = captures::flows().into_iter().next().expect("the captures are there");
    message.bytes
}

#[test]
fn an_empty_datagram_is_nothing() {
    let mut inbox = Inbox::new(Filter::all());
    received(&mut inbox, &[], 0);
    assert!(inbox.take::<Flow>().is_none());
    assert_eq!(inbox.counters(), Inbox::new(Filter::all()).counters());
}

#[test]
fn a_datagram_of_another_process_is_counted_and_dropped() {
    let mut inbox = Inbox::new(Filter::all());
    received(&mut inbox, &event(), 4711);
    assert!(inbox.take::<Flow>().is_none());
    assert_eq!((inbox.counters().spoofed, inbox.counters().received), (1, 0));
}

#[test]
fn the_next_datagram_of_a_length_that_did_not_fit_does() {
    let mut inbox = Inbox::new(Filter::all());
    let events = event().repeat(16 * 1024 / event().len());
    received(&mut inbox, &events, 0);
    assert!(matches!(inbox.take::<Flow>(), Some(Err(Error::Undecodable(_)))));
    assert!(inbox.take::<Flow>().is_none());
    received(&mut inbox, &events, 0);
    let mut count = 0;
    while let Some(event) = inbox.take::<Flow>() {
        assert!(matches!(event, Ok(Event::New(..) | Event::Update(..) | Event::Destroy(..))), "{event:?}");
        count += 1;
    }
    assert_eq!(count, events.len() / event().len());
}

/// What the kernel charges for the event of a flow, and for that of an expectation.
const FLOW: u32 = 1280;
const EXPECTATION: u32 = 832;

fn queue(bytes: u32) -> Queue {
    Queue { bytes, dropped: 3 }
}

/// Whether the overrun comes behind a receive that left this much of what was there.
fn ends(before: u32, after: u32) -> bool {
    let mut inbox = Inbox::new(Filter::all());
    inbox.congested(queue(before));
    received(&mut inbox, &event(), 0);
    inbox.queue(queue(after));
    assert!(!matches!(inbox.take::<Flow>(), None | Some(Ok(Event::Overrun { .. }) | Err(_))), "the event comes first");
    let overrun = inbox.take::<Flow>();
    assert!(matches!(overrun, None | Some(Ok(Event::Overrun { lost: 3 }))), "{overrun:?}");
    assert_ne!(inbox.is_congested(), overrun.is_some());
    overrun.is_some()
}

#[test]
fn an_overrun_stands_before_what_came_behind_the_gap() {
    assert!(!ends(2 * FLOW, FLOW));
    assert!(!ends(FLOW + EXPECTATION, FLOW));
    assert!(!ends(FLOW + EXPECTATION, EXPECTATION));
    assert!(ends(FLOW, 0));
    // By now, new ones are there.
    for new in [EXPECTATION, FLOW, 2 * EXPECTATION, 2 * FLOW] {
        assert!(ends(FLOW, new), "{new}");
        assert!(ends(EXPECTATION, new), "{new}");
    }
}
