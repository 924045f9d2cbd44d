//! A listener without its socket.

use conntrack::events::{Inbox, Received};
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
