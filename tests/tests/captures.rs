//! What a kernel really sent: all of it is declared. What damage does to it is tried in `corruption.rs`.
//!
//! The captures are those of a little-endian machine, and netlink's headers are in host byte order.
#![cfg(target_endian = "little")]

use conntrack::codec::{Layout, Mode, decode};
use conntrack::header::NlMsgHdr;
use conntrack::{Flow, L4, Protocol, Status};
use conntrack_tests::captures::{self, Message};
use conntrack_tests::paths::decode_both_ways;

/// The flows of one capture.
fn flows(name: &str) -> Vec<Flow> {
    let messages = captures::flows().into_iter().filter(|(capture, _)| capture == name);
    messages.map(|(_, message)| decode(message.attributes()).unwrap()).collect()
}

#[test]
fn every_capture_says_where_it_comes_from() {
    for capture in captures::all() {
        assert!(capture.about.len() > 1, "{}.hex: no command in front", capture.name);
        assert!(!capture.messages.is_empty(), "{}.hex: no message", capture.name);
        for Message { bytes, .. } in &capture.messages {
            let length = NlMsgHdr::read(bytes).unwrap().len;
            assert_eq!(usize::try_from(length), Ok(bytes.len()), "{}.hex", capture.name);
        }
    }
}

#[test]
fn everything_the_kernel_sends_is_declared() {
    let flows = captures::flows();
    assert!(flows.len() > 50, "{} flows were captured", flows.len());
    for (capture, message) in flows {
        if let Err(error) = decode_both_ways::<Flow>(message.attributes(), Mode::Strict) {
            panic!("{capture}.hex: {error}");
        }
    }
}

#[test]
fn the_kernel_order_is_the_declared_order() {
    for (capture, message) in captures::flows().iter().filter(|(capture, _)| !capture.starts_with("events-")) {
        let flow: Flow = decode(message.attributes()).unwrap();
        let again = conntrack::codec::encode(&flow).unwrap();
        assert_eq!(again, message.attributes(), "{capture}.hex, encoded again");
    }
}

/// A sample of each capture's content: that they hold what they say, and that it is read right.
mod content {
    use super::*;

    #[test]
    fn tcp() {
        let flows = flows("dump-tcp");
        assert_eq!(flows.len(), 2);
        for flow in &flows {
            assert_eq!(flow.orig.dst_port(), Some(6001));
            assert_eq!(flow.orig.inverse(), flow.reply);
            assert!(flow.status.contains(Status::ASSURED | Status::SEEN_REPLY | Status::CONFIRMED));
            assert_eq!(
                flow.proto_info.as_ref().and_then(conntrack::ProtoInfo::tcp_state),
                Some(conntrack::TcpState::ESTABLISHED)
            );
            assert_eq!(flow.mark, Some(0));
            assert!(flow.timeout.is_some_and(|left| left.0 > 400_000));
            assert!(flow.counters_orig.is_some_and(|counters| counters.packets >= 3 && counters.bytes > 150));
            assert!(flow.timestamp.is_some_and(|times| times.start.0 > 0 && times.stop.is_none()));
        }
        let mut families: Vec<_> = flows.iter().map(|flow| flow.orig.family().unwrap()).collect();
        families.sort();
        assert_eq!(families, [conntrack::Family::IPV4, conntrack::Family::IPV6]);
    }

    #[test]
    fn every_protocol() {
        for (capture, v4, v6) in [
            ("dump-udp", Protocol::UDP, Protocol::UDP),
            ("dump-icmp", Protocol::ICMP, Protocol::ICMPV6),
            ("dump-sctp", Protocol::SCTP, Protocol::SCTP),
            ("dump-gre", Protocol::GRE, Protocol::GRE),
            ("dump-udplite", Protocol::UDPLITE, Protocol::UDPLITE),
            ("dump-generic", Protocol::ESP, Protocol::ESP),
        ] {
            for (protocol, v6_wanted) in [(v4, false), (v6, true)] {
                let flow = flows(capture).into_iter().find(|flow| flow.orig.src().is_ipv6() == v6_wanted);
                let flow =
                    flow.unwrap_or_else(|| panic!("{capture}.hex: nothing over IPv{}", if v6_wanted { 6 } else { 4 }));
                assert_eq!(flow.orig.protocol(), protocol, "{capture}.hex");
                assert_eq!(flow.orig.inverse(), flow.reply, "{capture}.hex");
                assert_eq!(flow.orig.proto.l4.is_some(), protocol != Protocol::ESP, "{capture}.hex");
            }
        }
        let echo = flows("dump-icmp").remove(0).orig.proto.l4;
        assert!(matches!(echo, Some(L4::Icmp { kind: 8, .. } | L4::Icmpv6 { kind: 128, .. })), "{echo:?}");
    }

    #[test]
    fn zones() {
        let flows = flows("dump-zone");
        let of = |port| flows.iter().find(|flow| flow.orig.dst_port() == Some(port)).unwrap();
        assert_eq!((of(7001).zone, of(7001).orig.zone), (Some(7), None));
        assert_eq!((of(7002).zone, of(7002).orig.zone, of(7002).reply.zone), (None, Some(9), None));
    }

    #[test]
    fn mark_and_labels() {
        let flows = flows("dump-mark-labels");
        let of = |port| flows.iter().find(|flow| flow.orig.dst_port() == Some(port)).unwrap();
        assert_eq!((of(7003).mark, of(7003).labels), (Some(0x2a), None));
        assert_eq!((of(7004).mark, of(7004).labels), (Some(0), Some([5].into_iter().collect())));
    }

    #[test]
    fn translation() {
        let flow = flows("dump-snat").remove(0);
        assert!(flow.status.contains(Status::SRC_NAT | Status::SRC_NAT_DONE));
        assert_eq!(flow.reply.dst().to_string(), "127.0.0.9");
        assert!(flow.reply.dst_port().is_some_and(|port| (4000..=4100).contains(&port)));
    }

    #[test]
    fn helper_master_and_sequence_numbers() {
        let flows = flows("dump-ftp-dnat");
        let control = flows.iter().find(|flow| flow.orig.dst_port() == Some(2121)).unwrap();
        let data = flows.iter().find(|flow| flow.orig.dst_port() != Some(2121)).unwrap();
        assert!(control.help.as_ref().is_some_and(|help| help.name == "ftp"));
        assert!(control.status.contains(Status::HELPER | Status::SEQ_ADJUST | Status::DST_NAT));
        // The reply names 10.99.99.99 instead of 127.0.0.1: two bytes more, from the server to the client.
        let adjusted = control.seq_adj_reply.unwrap();
        assert_eq!((adjusted.offset_before, adjusted.offset_after), (0, 2));
        assert_eq!(control.seq_adj_orig, Some(conntrack::SeqAdj::default()));
        assert!(data.status.contains(Status::EXPECTED));
        assert_eq!(data.master, Some(control.orig));
    }

    #[test]
    fn what_netlink_created() {
        for flow in flows("dump-created") {
            assert_eq!(flow.synproxy, Some(conntrack::Synproxy::default()));
            assert_eq!(flow.timestamp.map(|times| times.stop), Some(None));
        }
        assert_eq!(flows("dump-filtered").iter().map(|flow| flow.mark).collect::<Vec<_>>(), [Some(7)]);
    }

    #[test]
    fn events() {
        use conntrack::uapi::{IPCTNL_MSG_CT_DELETE, IPCTNL_MSG_CT_NEW};

        let events = captures::load("events-tcp").messages;
        let kinds: Vec<_> = events.iter().map(Message::flow_message).collect();
        assert_eq!(kinds.first(), Some(&Some(IPCTNL_MSG_CT_NEW)));
        assert_eq!(kinds.last(), Some(&Some(IPCTNL_MSG_CT_DELETE)));
        let flows = flows("events-tcp");
        assert!(flows.windows(2).all(|pair| pair[0].id == pair[1].id && pair[0].orig == pair[1].orig));
        assert!(flows.windows(2).all(|pair| pair[0].timestamp_event < pair[1].timestamp_event));
        let last = flows.last().unwrap();
        assert!(last.status.contains(Status::DYING));
        assert!(last.timestamp.is_some_and(|times| times.stop > Some(times.start)));
    }
}
