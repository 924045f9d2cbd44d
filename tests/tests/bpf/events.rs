//! Flows of every sort from small sets of values, so that filters often match, and the messages of their events.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use conntrack::codec::{Attribute, NLA_F_NESTED, encode};
use conntrack::uapi::{
    CTA_COUNTERS_ORIG, CTA_COUNTERS_REPLY, CTA_HELP, CTA_ID, CTA_LABELS, CTA_MARK, CTA_PROTOINFO, CTA_SECCTX,
    CTA_SEQ_ADJ_ORIG, CTA_SEQ_ADJ_REPLY, CTA_STATUS, CTA_SYNPROXY, CTA_TIMEOUT, CTA_TIMESTAMP, CTA_TIMESTAMP_EVENT,
    CTA_TUPLE_MASTER, CTA_TUPLE_ORIG, CTA_TUPLE_REPLY, CTA_ZONE, IPCTNL_MSG_CT_DELETE, IPCTNL_MSG_CT_NEW,
    NFNL_SUBSYS_CTNETLINK,
};
use conntrack::{
    Family, Flow, L4, ProtoInfo, ProtoInfoSctp, ProtoInfoTcp, Protocol, SctpState, Status, TcpState, Tuple, TupleProto,
};
use conntrack_tests::generate::{bytes, message, value};
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;

pub(crate) const NEW: u16 = u16::from_be_bytes([NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_NEW]);
pub(crate) const DESTROY: u16 = u16::from_be_bytes([NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_DELETE]);

pub(crate) const PORTS: [u16; 8] = [0, 1, 53, 80, 443, 1023, 0x8000, u16::MAX];
pub(crate) const ICMP_IDS: [u16; 3] = [0, 7, u16::MAX];
pub(crate) const ZONES: [u16; 4] = [0, 1, 9, 0x8000];
pub(crate) const MARKS: [u32; 5] = [0, 1, 0x10, 0x8000_0001, u32::MAX];
pub(crate) const TCP_STATES: [u8; 4] = [0, 1, 3, 9];
pub(crate) const PROTOCOLS: [Protocol; 10] = [
    Protocol::TCP,
    Protocol::TCP,
    Protocol::UDP,
    Protocol::UDPLITE,
    Protocol::SCTP,
    Protocol::DCCP,
    Protocol::GRE,
    Protocol::ICMP,
    Protocol::ICMPV6,
    Protocol::ESP,
];

/// Of one family, with something in common and differing in each word.
pub(crate) fn addresses(family: Family) -> Vec<IpAddr> {
    let v6 = |second, last| Ipv6Addr::from([0xfd00, 0, second, 0, 0x8000, 0, 0, last]).into();
    if family == Family::IPV4 {
        ["10.0.0.1", "10.0.0.2", "10.128.0.1", "192.0.2.1", "255.255.255.255"].map(ipv4).to_vec()
    } else {
        vec![v6(0, 1), v6(0, 2), v6(1, 1), Ipv6Addr::LOCALHOST.into(), Ipv6Addr::from([0xffff; 8]).into()]
    }
}

fn ipv4(text: &str) -> IpAddr {
    text.parse::<Ipv4Addr>().unwrap().into()
}

/// Any tuple of a family and a protocol.
fn tuple(family: Family, protocol: Protocol) -> impl Strategy<Value = Tuple> {
    let ports = (select(&PORTS[..]), select(&PORTS[..])).prop_map(|(src, dst)| L4::Ports { src, dst });
    let icmp = (select(&ICMP_IDS[..]), select(vec![0, 8, 128]), 0..2_u8);
    let l4 = match protocol {
        Protocol::ICMP => icmp.prop_map(|(id, kind, code)| Some(L4::Icmp { id, kind, code })).boxed(),
        Protocol::ICMPV6 => icmp.prop_map(|(id, kind, code)| Some(L4::Icmpv6 { id, kind, code })).boxed(),
        // DCCP has lost its ports with Linux 6.17.
        Protocol::DCCP => of(ports).boxed(),
        Protocol::ESP => Just(None).boxed(),
        _ => ports.prop_map(Some).boxed(),
    };
    (select(addresses(family)), select(addresses(family)), l4).prop_map(move |(src, dst, l4)| Tuple {
        proto: TupleProto { num: protocol, l4 },
        ..Tuple::generic(protocol, src, dst)
    })
}

fn tuples() -> impl Strategy<Value = (Tuple, Tuple)> {
    let kinds = (select(vec![Family::IPV4, Family::IPV6]), select(&PROTOCOLS[..]));
    // Each family has an ICMP of its own. Translated in any way, or not at all.
    kinds
        .prop_map(|(family, protocol)| match (family, protocol) {
            (Family::IPV4, Protocol::ICMPV6) => (family, Protocol::ICMP),
            (Family::IPV6, Protocol::ICMP) => (family, Protocol::ICMPV6),
            other => other,
        })
        .prop_flat_map(|(family, protocol)| (tuple(family, protocol), of(tuple(family, protocol))))
        .prop_map(|(orig, reply)| (orig, reply.unwrap_or_else(|| orig.inverse())))
}

/// For TCP and SCTP what they have, for others nothing; and sometimes the reverse.
fn proto_info(protocol: Protocol) -> impl Strategy<Value = Option<ProtoInfo>> {
    let tcp = (of(select(&TCP_STATES[..])), any::<Option<u8>>()).prop_map(|(state, wscale_original)| {
        ProtoInfo::Tcp(ProtoInfoTcp { state: state.map(TcpState), wscale_original, ..ProtoInfoTcp::default() })
    });
    let sctp = Just(ProtoInfo::Sctp(ProtoInfoSctp { state: Some(SctpState(3)), ..ProtoInfoSctp::default() }));
    match protocol {
        Protocol::TCP => of(prop_oneof![8 => tcp, 1 => sctp]).boxed(),
        Protocol::SCTP => of(prop_oneof![1 => tcp, 8 => sctp]).boxed(),
        _ => prop_oneof![8 => Just(None), 1 => tcp.prop_map(Some)].boxed(),
    }
}

/// Any flow.
pub(crate) fn flow() -> impl Strategy<Value = Flow> {
    // The kernel does not report zone 0 (`ctnetlink_dump_zone_id`).
    let zone = || of(select(&ZONES[1..]));
    let zones = (zone(), zone(), zone());
    let words = (of(select(&MARKS[..])), 0..0x400_u32);
    tuples().prop_flat_map(move |(orig, reply)| {
        let parts = (value::<Flow>(), proto_info(orig.protocol()), zones.clone(), words.clone());
        parts.prop_map(move |(any, proto_info, (zone, of_orig, of_reply), (mark, status))| Flow {
            orig: Tuple { zone: of_orig, ..orig },
            reply: Tuple { zone: of_reply, ..reply },
            zone,
            status: Status::from_bits_retain(status),
            mark,
            proto_info,
            ..any
        })
    })
}

/// The attributes of a nest, or of a message.
pub(crate) fn split(mut attributes: &[u8]) -> Vec<(u16, Vec<u8>)> {
    let mut list = Vec::new();
    while let Ok((rest, attribute)) = Attribute::split(attributes) {
        list.push((attribute.kind(), attribute.payload().to_vec()));
        attributes = rest;
    }
    list
}

fn join(attributes: &[(u16, Vec<u8>)]) -> Vec<u8> {
    attributes.iter().flat_map(|(kind, payload)| bytes(*kind, false, payload)).collect()
}

/// What `ctnetlink_conntrack_event` makes of a flow.
pub(crate) fn event(kind: u16, flow: &Flow) -> Vec<u8> {
    const CHANGED: &[u16] = &[
        CTA_TUPLE_ORIG,
        CTA_TUPLE_REPLY,
        CTA_ZONE,
        CTA_ID,
        CTA_STATUS,
        CTA_TIMEOUT,
        CTA_PROTOINFO,
        CTA_HELP,
        CTA_SECCTX,
        CTA_LABELS,
        CTA_TUPLE_MASTER,
        CTA_SEQ_ADJ_ORIG,
        CTA_SEQ_ADJ_REPLY,
        CTA_SYNPROXY,
        CTA_MARK,
        CTA_TIMESTAMP_EVENT,
    ];
    const DESTROYED: &[u16] = &[
        CTA_TUPLE_ORIG,
        CTA_TUPLE_REPLY,
        CTA_ZONE,
        CTA_ID,
        CTA_STATUS,
        CTA_TIMEOUT,
        CTA_COUNTERS_ORIG,
        CTA_COUNTERS_REPLY,
        CTA_TIMESTAMP,
        CTA_PROTOINFO,
        CTA_MARK,
        CTA_TIMESTAMP_EVENT,
    ];
    let attributes = split(&encode(flow).unwrap());
    let mut sent = Vec::new();
    for number in if kind == NEW { CHANGED } else { DESTROYED } {
        if *number == CTA_TIMESTAMP_EVENT {
            // For the alignment of what follows, on machines that need it: it has the number of the status.
            sent.push((CTA_STATUS, Vec::new()));
        }
        sent.extend(attributes.iter().filter(|(kind, _)| kind & !NLA_F_NESTED == *number).cloned());
    }
    message(kind, 0, Family::of(flow.orig.src()), &join(&sent))
}

/// The same flow in a layout that no kernel has yet: out of order and with unknown attributes, on every level.
pub(crate) fn shuffled(kind: u16, flow: &Flow, seeds: &[u32]) -> Vec<u8> {
    let mut seeds = seeds.iter().copied().cycle();
    message(kind, 0, Family::of(flow.orig.src()), &shuffle(&encode(flow).unwrap(), &mut seeds))
}

fn shuffle(attributes: &[u8], seeds: &mut impl Iterator<Item = u32>) -> Vec<u8> {
    const UNKNOWN: u16 = 200;
    let mut attributes = split(attributes);
    for (kind, payload) in &mut attributes {
        if *kind & NLA_F_NESTED != 0 {
            *payload = shuffle(payload, seeds);
        }
    }
    let [length, number, content, _] = seeds.next().unwrap().to_be_bytes();
    attributes.push((UNKNOWN | u16::from(number & 3), vec![content; usize::from(length % 7)]));
    attributes.sort_by_cached_key(|_| seeds.next());
    join(&attributes)
}
