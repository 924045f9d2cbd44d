//! netlink-bindings with netlink-socket2, iterating over the attributes, which is the faster of its two ways.

use std::hint::black_box;
use std::net::IpAddr;

use netlink_bindings::conntrack::{
    ConntrackAttrs, CounterAttrs, IterableConntrackAttrs, IterableCounterAttrs, IterableProtoinfoAttrs,
    IterableProtoinfoTcpAttrs, IterableSynproxyAttrs, IterableTupleAttrs, IterableTupleIpAttrs,
    IterableTupleProtoAttrs, Nfgenmsg, ProtoinfoAttrs, ProtoinfoTcpAttrs, Request, SynproxyAttrs, TupleAttrs,
    TupleIpAttrs, TupleProtoAttrs,
};
use netlink_socket2::NetlinkSocket;

use super::Contestant;
use crate::Outcome;
use crate::sums::{Direction, Sums};

pub(super) const ITERATE: Contestant =
    Contestant { id: "netlink-bindings", name: "netlink-bindings 0.3.5, iterating", run, check };

/// A flow, as far as it is to be had: it takes the nest of times for a number and fails to read it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Found {
    orig: Tuple,
    reply: Tuple,
    status: Option<u32>,
    mark: Option<u32>,
    id: Option<u32>,
    use_count: Option<u32>,
    timeout: Option<u32>,
    zone: Option<u16>,
    tcp: Tcp,
    orig_counters: (Option<u64>, Option<u64>),
    reply_counters: (Option<u64>, Option<u64>),
    synproxy: [Option<u32>; 3],
}

#[derive(Clone, Debug, Default)]
struct Tuple {
    src: Option<IpAddr>,
    dst: Option<IpAddr>,
    protocol: Option<u8>,
    src_port: Option<u16>,
    dst_port: Option<u16>,
    icmp_id: Option<u16>,
    icmp_type: Option<u8>,
    icmp_code: Option<u8>,
    zone: Option<u16>,
}

#[derive(Clone, Debug, Default)]
struct Tcp {
    state: Option<u8>,
    scale: [Option<u8>; 2],
    flags: [Option<[u8; 2]>; 2],
}

/// Takes in what one pass over the attributes finds.
#[inline]
pub(crate) fn iterate(attributes: IterableConntrackAttrs<'_>) -> Found {
    let mut found = Found::default();
    for attribute in attributes {
        // What cannot be read is passed over.
        let Ok(attribute) = attribute else { continue };
        match attribute {
            ConntrackAttrs::TupleOrig(nest) => tuple(&mut found.orig, nest),
            ConntrackAttrs::TupleReply(nest) => tuple(&mut found.reply, nest),
            ConntrackAttrs::Status(value) => found.status = Some(value),
            ConntrackAttrs::Mark(value) => found.mark = Some(value),
            ConntrackAttrs::Id(value) => found.id = Some(value),
            ConntrackAttrs::Use(value) => found.use_count = Some(value),
            ConntrackAttrs::Timeout(value) => found.timeout = Some(value),
            ConntrackAttrs::Zone(value) => found.zone = Some(value),
            ConntrackAttrs::Protoinfo(nest) => proto_info(&mut found.tcp, nest),
            ConntrackAttrs::CountersOrig(nest) => counters(&mut found.orig_counters, nest),
            ConntrackAttrs::CountersReply(nest) => counters(&mut found.reply_counters, nest),
            ConntrackAttrs::Synproxy(nest) => synproxy(&mut found.synproxy, nest),
            _ => {}
        }
    }
    found
}

#[inline]
fn tuple(tuple: &mut Tuple, nest: IterableTupleAttrs<'_>) {
    for attribute in nest {
        let Ok(attribute) = attribute else { continue };
        match attribute {
            TupleAttrs::TupleIp(nest) => addresses(tuple, nest),
            TupleAttrs::TupleProto(nest) => protocol(tuple, nest),
            TupleAttrs::TupleZone(zone) => tuple.zone = Some(zone),
        }
    }
}

#[inline]
fn addresses(tuple: &mut Tuple, nest: IterableTupleIpAttrs<'_>) {
    for attribute in nest {
        let Ok(attribute) = attribute else { continue };
        match attribute {
            TupleIpAttrs::IpV4Src(address) => tuple.src = Some(address.into()),
            TupleIpAttrs::IpV4Dst(address) => tuple.dst = Some(address.into()),
            TupleIpAttrs::IpV6Src(address) => tuple.src = Some(address.into()),
            TupleIpAttrs::IpV6Dst(address) => tuple.dst = Some(address.into()),
        }
    }
}

#[inline]
fn protocol(tuple: &mut Tuple, nest: IterableTupleProtoAttrs<'_>) {
    for attribute in nest {
        let Ok(attribute) = attribute else { continue };
        match attribute {
            TupleProtoAttrs::ProtoNum(value) => tuple.protocol = Some(value),
            TupleProtoAttrs::ProtoSrcPort(value) => tuple.src_port = Some(value),
            TupleProtoAttrs::ProtoDstPort(value) => tuple.dst_port = Some(value),
            TupleProtoAttrs::ProtoIcmpId(value) | TupleProtoAttrs::ProtoIcmpv6Id(value) => tuple.icmp_id = Some(value),
            TupleProtoAttrs::ProtoIcmpType(value) | TupleProtoAttrs::ProtoIcmpv6Type(value) => {
                tuple.icmp_type = Some(value);
            }
            TupleProtoAttrs::ProtoIcmpCode(value) | TupleProtoAttrs::ProtoIcmpv6Code(value) => {
                tuple.icmp_code = Some(value);
            }
        }
    }
}

#[inline]
fn proto_info(tcp: &mut Tcp, nest: IterableProtoinfoAttrs<'_>) {
    for attribute in nest {
        if let Ok(ProtoinfoAttrs::ProtoinfoTcp(nest)) = attribute {
            transmission(tcp, nest);
        }
    }
}

#[inline]
fn transmission(tcp: &mut Tcp, nest: IterableProtoinfoTcpAttrs<'_>) {
    for attribute in nest {
        let Ok(attribute) = attribute else { continue };
        match attribute {
            ProtoinfoTcpAttrs::TcpState(value) => tcp.state = Some(value),
            ProtoinfoTcpAttrs::TcpWscaleOriginal(value) => tcp.scale[0] = Some(value),
            ProtoinfoTcpAttrs::TcpWscaleReply(value) => tcp.scale[1] = Some(value),
            ProtoinfoTcpAttrs::TcpFlagsOriginal(value) => tcp.flags[0] = Some([value.flags, value.mask]),
            ProtoinfoTcpAttrs::TcpFlagsReply(value) => tcp.flags[1] = Some([value.flags, value.mask]),
        }
    }
}

#[inline]
fn counters(counters: &mut (Option<u64>, Option<u64>), nest: IterableCounterAttrs<'_>) {
    for attribute in nest {
        let Ok(attribute) = attribute else { continue };
        match attribute {
            CounterAttrs::Packets(value) => counters.0 = Some(value),
            CounterAttrs::Bytes(value) => counters.1 = Some(value),
            _ => {}
        }
    }
}

#[inline]
fn synproxy(found: &mut [Option<u32>; 3], nest: IterableSynproxyAttrs<'_>) {
    for attribute in nest {
        let Ok(attribute) = attribute else { continue };
        match attribute {
            SynproxyAttrs::Isn(value) => found[0] = Some(value),
            SynproxyAttrs::Its(value) => found[1] = Some(value),
            SynproxyAttrs::Tsoff(value) => found[2] = Some(value),
        }
    }
}

/// Calls `on_flow` with each flow.
fn dump(mut on_flow: impl FnMut(&Found)) -> Outcome<()> {
    let mut socket = NetlinkSocket::new();
    let request = Request::new().op_get_dump(&Nfgenmsg::new());
    let mut replies = socket.request(&request)?;
    while let Some(reply) = replies.recv() {
        let (_, attributes) = reply.map_err(|error| error.to_string())?;
        on_flow(&iterate(attributes));
    }
    Ok(())
}

fn run() -> Outcome<u64> {
    let mut flows = 0;
    dump(|found| {
        black_box(found);
        flows += 1;
    })?;
    Ok(flows)
}

fn check() -> Outcome<Sums> {
    let mut sums = Sums::default();
    dump(|found| {
        sums.add_flow();
        if let (Some(orig), Some(reply)) = (found.orig.direction(), found.reply.direction()) {
            sums.add_tuples(orig, reply);
        }
        if let (Some(id), Some(kind), Some(code)) = (found.orig.icmp_id, found.orig.icmp_type, found.orig.icmp_code) {
            sums.add_icmp(id, kind, code);
        }
        found.status.into_iter().for_each(|status| sums.add_status(status));
        found.mark.into_iter().for_each(|mark| sums.add_mark(mark));
        found.tcp.state.into_iter().for_each(|state| sums.add_state(state));
    })?;
    Ok(sums)
}

impl Tuple {
    fn direction(&self) -> Option<Direction> {
        let ports = self.src_port.zip(self.dst_port);
        Some(Direction { src: self.src?, dst: self.dst?, protocol: self.protocol?, ports })
    }
}
