//! A listener: datagrams of the kernel and of others, whole or cut, with overruns between them.
//!
//! The first byte says which filter; the first two of each datagram, who sent it, and what the queue is like.
#![no_main]

use conntrack::events::{Inbox, Queue, Received};
use conntrack::{Error, Event, Filter, Flow};
use conntrack_fuzz::datagrams;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((&first, input)) = input.split_first() else { return };
    let filter = match first % 4 {
        0 => Filter::all(),
        1 => Filter::new().ipv4().udp(),
        2 => Filter::new().orig_dst_port(53),
        _ => Filter::new().mark(7).zone(7),
    };
    let mut inbox = Inbox::new(filter);
    let (mut overruns, mut lost, mut events, mut errors, mut spoofed) = (0_u64, 0_u64, 0_u64, 0_u64, 0_u64);
    let mut dropped = 0_u32;
    for datagram in datagrams(input) {
        let Some((&[how, level], bytes)) = datagram.split_first_chunk() else { continue };
        dropped = dropped.wrapping_add(u32::from(how >> 4));
        let queue = Queue { bytes: u32::from(level), dropped };
        match how & 3 {
            0 => inbox.congested(queue),
            1 => inbox.drained(queue),
            sent => {
                let buffer = inbox.buffer();
                let length = bytes.len().min(buffer.len());
                buffer[..length].copy_from_slice(&bytes[..length]);
                let cut = if how & 4 == 0 { 0 } else { usize::from(level) * 256 };
                let sender = if sent == 2 { 0 } else { u32::from(level) };
                spoofed += u64::from(sender != 0);
                inbox.received(&Received { length, whole: length + cut, sender, groups: 1, nsid: None });
                inbox.queue(queue);
            }
        }
        let before = inbox.counters().received;
        while let Some(event) = inbox.take::<Flow>() {
            match event {
                Ok(Event::Overrun { lost: more }) => {
                    overruns += 1;
                    lost += u64::from(more);
                }
                Ok(_) => events += 1,
                Err(Error::Undecodable(_)) => errors += 1,
                Err(error) => panic!("{error}"),
            }
        }
        assert!(inbox.counters().received - before <= bytes.len().div_ceil(16) as u64, "a message is read twice");
    }
    let counters = inbox.counters();
    assert_eq!(counters.received, events + errors + counters.filtered, "{counters:?}");
    assert_eq!((counters.undecodable, counters.spoofed), (errors, spoofed), "{counters:?}");
    assert_eq!(counters.lost, lost, "{counters:?}");
    // Two that end together are reported as one.
    assert!(overruns <= counters.overruns, "{counters:?}");
});
