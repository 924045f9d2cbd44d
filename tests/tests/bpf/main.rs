//! Filters as programs for the kernel: over whatever message of an event, each says what the filter says of the flow.

mod events;

use std::fmt::Write as _;

use conntrack::bpf::Program;
use conntrack::codec::{Layout, decode};
use conntrack::header::NlMsgHdr;
use conntrack::netlink::NLM_F_MULTI;
use conntrack::{Family, Filter, Flow, KernelVersion, L4, Protocol, Status, TcpState, Tuple, UsageError};
use conntrack_tests::bpf::{Run, check, longest_filter, run};
use conntrack_tests::captures;
use conntrack_tests::generate::{fixed, message};
use events::{DESTROY, ICMP_IDS, MARKS, NEW, PORTS, PROTOCOLS, TCP_STATES, ZONES, addresses, event, flow, shuffled};
use ipnet::IpNet;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

/// Bytes in front of the attributes.
const HEADERS: usize = 20;

/// One thing that can be asked of a flow.
#[derive(Clone, Copy, Debug)]
enum Criterion {
    Family(Family),
    Protocol(Protocol),
    OrigSrc(IpNet),
    OrigDst(IpNet),
    ReplySrc(IpNet),
    ReplyDst(IpNet),
    OrigSrcPort(u16, u16),
    OrigDstPort(u16, u16),
    ReplySrcPort(u16, u16),
    ReplyDstPort(u16, u16),
    IcmpId(u16),
    IcmpType(u8),
    IcmpCode(u8),
    Mark(u32, u32),
    Status(Status),
    WithoutStatus(Status),
    Zone(u16),
    TcpState(TcpState),
}

impl Criterion {
    fn add(self, filter: Filter) -> Filter {
        match self {
            Self::Family(family) => filter.family(family),
            Self::Protocol(protocol) => filter.protocol(protocol),
            Self::OrigSrc(net) => filter.orig_src(net),
            Self::OrigDst(net) => filter.orig_dst(net),
            Self::ReplySrc(net) => filter.reply_src(net),
            Self::ReplyDst(net) => filter.reply_dst(net),
            Self::OrigSrcPort(min, max) => filter.orig_src_port(min..=max),
            Self::OrigDstPort(min, max) => filter.orig_dst_port(min..=max),
            Self::ReplySrcPort(min, max) => filter.reply_src_port(min..=max),
            Self::ReplyDstPort(min, max) => filter.reply_dst_port(min..=max),
            Self::IcmpId(id) => filter.icmp_id(id),
            Self::IcmpType(kind) => filter.icmp_type(kind),
            Self::IcmpCode(code) => filter.icmp_code(code),
            Self::Mark(value, mask) => filter.mark_masked(value, mask),
            Self::Status(bits) => filter.status(bits),
            Self::WithoutStatus(bits) => filter.without_status(bits),
            Self::Zone(zone) => filter.zone(zone),
            Self::TcpState(state) => filter.tcp_state(state),
        }
    }
}

/// A filter of all of these, but for those that contradict a later one.
fn filter(criteria: &[Criterion]) -> Filter {
    criteria.iter().rev().fold(Filter::new(), |filter, criterion| {
        let more = criterion.add(filter.clone());
        let contradicts = matches!(more.plan_dump(KernelVersion::OLDEST), Err(UsageError::Contradiction(_)));
        if contradicts { filter } else { more }
    })
}

/// Anything, of one family.
fn criterion(family: Family) -> impl Strategy<Value = Criterion> {
    let lengths = if family == Family::IPV4 { vec![0, 1, 8, 31, 32] } else { vec![0, 1, 31, 32, 33, 64, 96, 127, 128] };
    let net = (select(addresses(family)), select(lengths)).prop_map(|(addr, length)| IpNet::new(addr, length).unwrap());
    let port = || select(&PORTS[..]);
    let ports = prop_oneof![port().prop_map(|port| (port, port)), (port(), port())]
        .prop_map(|(one, other)| (one.min(other), one.max(other)));
    let mask = prop_oneof![3 => Just(u32::MAX), 2 => select(vec![0, 1, 0x11, 0x8000_0000])];
    let status = || (0..0x400_u32).prop_map(|bits| Status::from_bits_retain(bits & bits >> 2));
    prop_oneof![
        Just(Criterion::Family(family)),
        select(&PROTOCOLS[..]).prop_map(Criterion::Protocol),
        (net, 0..4).prop_map(|(net, which)| match which {
            0 => Criterion::OrigSrc(net),
            1 => Criterion::OrigDst(net),
            2 => Criterion::ReplySrc(net),
            _ => Criterion::ReplyDst(net),
        }),
        (ports, 0..4).prop_map(|((min, max), which)| match which {
            0 => Criterion::OrigSrcPort(min, max),
            1 => Criterion::OrigDstPort(min, max),
            2 => Criterion::ReplySrcPort(min, max),
            _ => Criterion::ReplyDstPort(min, max),
        }),
        select(&ICMP_IDS[..]).prop_map(Criterion::IcmpId),
        select(vec![0, 8, 128]).prop_map(Criterion::IcmpType),
        (0..2_u8).prop_map(Criterion::IcmpCode),
        (select(&MARKS[..]), mask).prop_map(|(mark, mask)| Criterion::Mark(mark, mask)),
        status().prop_map(Criterion::Status),
        status().prop_map(Criterion::WithoutStatus),
        select(&ZONES[..]).prop_map(Criterion::Zone),
        select(&TCP_STATES[..]).prop_map(|state| Criterion::TcpState(TcpState(state))),
    ]
}

fn any_criteria() -> impl Strategy<Value = Vec<Criterion>> {
    select(vec![Family::IPV4, Family::IPV6]).prop_flat_map(|family| vec(criterion(family), 1..4))
}

/// Everything that is true of a flow.
fn truths(flow: &Flow, length: u8) -> Vec<Criterion> {
    let net = |addr: std::net::IpAddr| IpNet::new(addr, length.min(if addr.is_ipv4() { 32 } else { 128 })).unwrap();
    let Flow { orig, reply, .. } = flow;
    let mut truths = vec![
        Criterion::Family(Family::of(orig.src())),
        Criterion::Protocol(orig.protocol()),
        Criterion::OrigSrc(net(orig.src())),
        Criterion::OrigDst(net(orig.dst())),
        Criterion::ReplySrc(net(reply.src())),
        Criterion::ReplyDst(net(reply.dst())),
        Criterion::Mark(flow.mark.unwrap_or(0), u32::MAX),
        Criterion::Status(flow.status),
        Criterion::WithoutStatus(!flow.status),
        Criterion::Zone(flow.zone_id()),
    ];
    let range = |port: u16| (port, port.saturating_add(1));
    let ends = [orig.src_port(), orig.dst_port(), reply.src_port(), reply.dst_port()].map(|port| port.map(range));
    let [orig_src, orig_dst, reply_src, reply_dst] = ends;
    truths.extend(orig_src.map(|(min, max)| Criterion::OrigSrcPort(min, max)));
    truths.extend(orig_dst.map(|(min, max)| Criterion::OrigDstPort(min, max)));
    truths.extend(reply_src.map(|(min, max)| Criterion::ReplySrcPort(min, max)));
    truths.extend(reply_dst.map(|(min, max)| Criterion::ReplyDstPort(min, max)));
    if let Some(L4::Icmp { id, kind, code } | L4::Icmpv6 { id, kind, code }) = orig.proto.l4 {
        truths.extend([Criterion::IcmpId(id), Criterion::IcmpType(kind), Criterion::IcmpCode(code)]);
    }
    let state = flow.proto_info.as_ref().and_then(conntrack::ProtoInfo::tcp_state);
    truths.extend(state.filter(|_| orig.protocol() == Protocol::TCP).map(Criterion::TcpState));
    truths
}

fn decoded(message: &[u8]) -> Flow {
    decode(&message[HEADERS..]).unwrap_or_else(|error| panic!("{error}"))
}

fn verdict(program: &Program, message: &[u8]) -> Run {
    let run = run(program.instructions(), message);
    assert!(matches!(run.kept, 0 | u32::MAX), "it cuts the message off after {} bytes", run.kept);
    run
}

/// Over each message, the program says what the filter does.
fn agree(filter: &Filter, messages: &[Vec<u8>]) -> Result<(), TestCaseError> {
    let Ok(program) = filter.compile() else {
        return Err(TestCaseError::reject("contradicts itself"));
    };
    for message in messages {
        let flow = decoded(message);
        prop_assert_eq!(
            verdict(&program, message).is_accepted(),
            filter.matches(&flow),
            "{:?}\n{:?}\n{}",
            filter,
            flow,
            &program
        );
    }
    Ok(())
}

fn layouts(flow: &Flow, seeds: &[u32]) -> Vec<Vec<u8>> {
    vec![event(NEW, flow), event(DESTROY, flow), shuffled(NEW, flow, seeds), shuffled(DESTROY, flow, seeds)]
}

proptest! {
    #![proptest_config(fixed(2000))]

    #[test]
    fn any_filter_and_any_flow(criteria in any_criteria(), flow in flow(), seeds in vec(any::<u32>(), 64)) {
        agree(&filter(&criteria), &layouts(&flow, &seeds))?;
    }

    /// A filter that is nearly met needs all of the program.
    #[test]
    fn truths_and_one_more(
        (flow, truths, other) in (flow(), 0..=128_u8).prop_flat_map(|(flow, length)| {
            let truths = truths(&flow, length);
            let (count, family) = (truths.len(), Family::of(flow.orig.src()));
            (Just(flow), subsequence(truths, 0..=count), criterion(family))
        }),
        seeds in vec(any::<u32>(), 64),
    ) {
        let layouts = layouts(&flow, &seeds);
        let met = filter(&truths);
        prop_assert!(met.matches(&flow), "{:?}", met);
        prop_assert!(verdict(&met.compile()?, &layouts[0]).is_accepted());
        agree(&met, &layouts)?;
        let criteria: Vec<_> = truths.into_iter().chain([other]).collect();
        agree(&filter(&criteria), &layouts)?;
    }

    /// Whatever the messages are, a filter says nothing about them.
    #[test]
    fn other_messages_pass(criteria in any_criteria(), kind: u16, flow in flow(), flags: u16) {
        prop_assume!(kind != NEW && kind != DESTROY);
        let filter = filter(&criteria);
        prop_assume!(filter.compile().is_ok());
        let attributes = &event(NEW, &flow)[HEADERS..];
        let other = message(kind, flags, Family::of(flow.orig.src()), attributes);
        prop_assert!(verdict(&filter.compile()?, &other).is_accepted());
        let part_of_a_dump = message(NEW, flags | NLM_F_MULTI, Family::of(flow.orig.src()), attributes);
        prop_assert!(verdict(&filter.compile()?, &part_of_a_dump).is_accepted());
    }
}

/// What flows are made of, asked for one by one.
fn filters_of_everything() -> Vec<Filter> {
    let nets = |criterion: fn(IpNet) -> Criterion| {
        ["127.0.0.0/8", "127.0.0.1/32", "10.0.0.0/8", "0.0.0.0/0", "::1/128", "fd00::/8", "::/0"]
            .map(|net| criterion(net.parse().unwrap()))
    };
    let mut criteria: Vec<_> =
        [Criterion::OrigSrc, Criterion::OrigDst, Criterion::ReplySrc, Criterion::ReplyDst].map(nets).concat();
    criteria.extend([Family::IPV4, Family::IPV6].map(Criterion::Family));
    criteria.extend(PROTOCOLS.map(Criterion::Protocol));
    criteria.extend((0..10).map(|state| Criterion::TcpState(TcpState(state))));
    criteria.extend((0..16).map(|bit| Criterion::Status(Status::from_bits_retain(1 << bit))));
    criteria.extend((0..16).map(|bit| Criterion::WithoutStatus(Status::from_bits_retain(1 << bit))));
    criteria.extend([0, 7, 9].map(Criterion::Zone));
    criteria.extend([0, 1, 7, 42].map(|mark| Criterion::Mark(mark, u32::MAX)));
    criteria.extend([(0, 1023), (1024, u16::MAX), (53, 53)].map(|(min, max)| Criterion::OrigDstPort(min, max)));
    criteria.extend([0, 8, 128].map(Criterion::IcmpType));
    criteria.iter().map(|criterion| criterion.add(Filter::new())).collect()
}

#[test]
#[cfg(target_endian = "little")]
fn what_kernels_sent() {
    let flows = captures::flows();
    let events: Vec<_> = flows.iter().filter(|(capture, _)| capture.starts_with("events-")).collect();
    assert!(events.len() > 20, "{} events were captured", events.len());
    for (capture, message) in &flows {
        let flow = decoded(&message.bytes);
        // As an event, the header of a dump's flow does not say that there is more of it.
        let mut bytes = message.bytes.clone();
        NlMsgHdr::edit(&mut bytes, |header| header.flags &= !NLM_F_MULTI).unwrap();
        let own = truths(&flow, 24);
        let of_the_flow = own.iter().map(|criterion| criterion.add(Filter::new())).chain([filter(&own)]);
        for filter in of_the_flow.chain(filters_of_everything()) {
            let accepted = verdict(&filter.compile().unwrap(), &bytes).is_accepted();
            assert_eq!(accepted, filter.matches(&flow), "{capture}.hex: {filter:?}, {flow}");
        }
        assert!(verdict(&filter(&own).compile().unwrap(), &bytes).is_accepted(), "{capture}.hex: {flow}");
    }
}

#[test]
#[cfg(target_endian = "little")]
fn what_is_no_event_of_a_flow_passes() {
    let never = Filter::new().mark_masked(1, 0).tcp().zone(0xffff).ipv6().compile().unwrap();
    let mut others = 0;
    for capture in captures::all() {
        for message in capture.messages {
            let is_event = matches!(message.kind, NEW | DESTROY) && message.flags & NLM_F_MULTI == 0;
            assert_eq!(verdict(&never, &message.bytes).is_accepted(), !is_event, "{}.hex", capture.name);
            others += usize::from(!is_event);
        }
    }
    assert!(others > 10, "{others} other messages were captured");
}

#[test]
fn what_is_no_flow_passes() {
    let asked = [
        Filter::new().udp(),
        Filter::new().ipv4().orig_src_port(1),
        Filter::new().orig_src("10.0.0.1/32".parse::<IpNet>().unwrap()),
        Filter::new().reply_dst("10.0.0.1/32".parse::<IpNet>().unwrap()),
        Filter::new().zone(3),
        Filter::new().status(Status::ASSURED),
    ];
    let empty = message(NEW, 0, Family::IPV4, &[]);
    for filter in asked {
        assert!(verdict(&filter.compile().unwrap(), &empty).is_accepted(), "{filter:?}");
    }
}

#[test]
fn the_kernel_takes_programs_of_every_length() {
    let length = |filter: &Filter| {
        let program = filter.compile().unwrap();
        check(program.instructions()).unwrap();
        program.instructions().len()
    };
    assert_eq!(length(&Filter::all()), 1);
    let longest = length(&longest_filter());
    assert!((200..400).contains(&longest), "{longest}");
}

#[test]
fn contradictions_are_refused() {
    assert!(Filter::new().udp().tcp_state(TcpState::ESTABLISHED).compile().is_err());
    let (min, max) = (9, 1);
    assert!(Filter::new().orig_dst_port(min..=max).compile().is_err());
}

#[test]
fn lasting_criteria_are_what_does_not_change() {
    let never_changes = Filter::new().tcp().zone(9).ipv4().orig_dst_port(80);
    let changes = never_changes.clone().mark(1).status(Status::ASSURED).tcp_state(TcpState::ESTABLISHED);
    assert_eq!(changes.lasting(), never_changes);
}

/// The program of a typical filter, and what its verdicts cost.
#[test]
fn a_typical_program() {
    let filter = Filter::new().tcp().orig_dst("10.0.0.0/8".parse::<IpNet>().unwrap()).orig_dst_port(443);
    let program = filter.compile().unwrap();
    let mut text = program.to_string();
    let end = |text: &str| text.parse().unwrap();
    for (what, tuple) in [
        ("it", Tuple::tcp(end("192.0.2.1:1024"), end("10.1.2.3:443"))),
        ("IPv6", Tuple::tcp(end("[fd00::1]:1024"), end("[fd00::2]:443"))),
        ("UDP", Tuple::udp(end("192.0.2.1:1024"), end("10.1.2.3:443"))),
        ("another port", Tuple::tcp(end("192.0.2.1:1024"), end("10.1.2.3:80"))),
        ("another destination", Tuple::tcp(end("192.0.2.1:1024"), end("192.0.2.2:443"))),
    ] {
        let attributes = [tuple, tuple.inverse()].map(|tuple| conntrack::codec::encode(&tuple).unwrap());
        let [orig, reply] = attributes;
        let nests = [(1, orig), (2, reply)].map(|(number, nest)| conntrack_tests::generate::bytes(number, true, &nest));
        let Run { kept, executed } = verdict(&program, &message(NEW, 0, Family::of(tuple.src()), &nests.concat()));
        writeln!(text, "{what}: {} after {executed} instructions", if kept == 0 { "dropped" } else { "accepted" })
            .unwrap();
    }
    insta::assert_snapshot!(text);
}
