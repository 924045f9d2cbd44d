//! Filters in the kernel: of whatever happens, exactly the events that match arrive, and the others cost nothing.

use std::net::{IpAddr, SocketAddr};

use conntrack::sandbox::nftables::{Change, Table};
use conntrack::sandbox::{Failure, Sandbox};
use conntrack::{
    Changes, Conntrack, Event, Events, Family, Filter, Flow, FlowKey, Groups, NewFlow, ProtoInfo, ProtoInfoTcp,
    Protocol, Status, TcpState, Tuple,
};
use conntrack_tests::bpf::longest_filter;
use ipnet::IpNet;

use crate::common::{LONG, PATIENCE};
use crate::{Outcome, cases, filter, holds, same};

cases! {
    exactly_what_matches_arrives,
    what_is_dropped_takes_no_room,
    what_is_dropped_is_not_counted_as_lost,
    the_longest_program_is_taken,
    contradictions_are_refused,
}

/// `NFNLGRP_NFTABLES`
const NFTABLES: Groups = Groups::from_bits_retain(1 << 6);

fn net(text: &str) -> IpNet {
    text.parse().unwrap_or_default()
}

fn v4(last: u8, port: u16) -> SocketAddr {
    ([10, 0, 0, last], port).into()
}

fn v6(words: [u16; 2], port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::from([0xfd00, 0, 0, words[0], 0x8000, 0, 0, words[1]]), port)
}

/// Each criterion by itself, and some together. Among the events there are some that match, and some that do not.
#[rustfmt::skip]
fn filters() -> Vec<Filter> {
    vec![
        Filter::new().ipv4(),
        Filter::new().ipv6(),
        Filter::new().tcp(),
        Filter::new().protocol(Protocol::SCTP),
        Filter::new().protocol(Protocol::UDPLITE),
        Filter::new().protocol(Protocol::ICMP),
        Filter::new().protocol(Protocol::ESP),
        Filter::new().orig_src(net("10.0.0.1/32")),
        Filter::new().orig_dst(net("10.0.0.2/31")),
        Filter::new().orig_src(net("0.0.0.0/0")),
        Filter::new().orig_dst(net("127.0.0.0/8")),
        Filter::new().reply_dst(net("10.0.0.99/32")),
        Filter::new().reply_src(net("10.0.0.0/29")),
        Filter::new().orig_src(net("::/0")),
        Filter::new().orig_src(net("fd00::/16")),
        Filter::new().orig_src(net("fd00:0:0:1::/64")),
        Filter::new().orig_src(net("fd00:0:0:1:8000::/65")),
        Filter::new().orig_src(net("fd00:0:0:1:8000::1/128")),
        Filter::new().reply_dst(net("fd00:0:0:1:8000::/127")),
        Filter::new().orig_dst(net("::1/128")),
        Filter::new().orig_dst_port(53),
        Filter::new().orig_src_port(1001..=2000),
        Filter::new().reply_src_port(80),
        Filter::new().reply_dst_port(1000),
        Filter::new().orig_dst_port(u16::MAX),
        Filter::new().icmp_id(7),
        Filter::new().icmp_type(8),
        Filter::new().icmp_type(128).icmp_code(0),
        Filter::new().mark(0),
        Filter::new().mark(0x10),
        Filter::new().mark(0x8000_0001),
        Filter::new().mark_masked(0x8000_0000, 0x8000_0000),
        Filter::new().mark_masked(0x10, 0xf0),
        Filter::new().zone(9),
        Filter::new().zone(0),
        Filter::new().zone(0x8000),
        Filter::new().status(Status::ASSURED),
        Filter::new().status(Status::DYING),
        Filter::new().without_status(Status::SEEN_REPLY),
        Filter::new().status(Status::SRC_NAT),
        Filter::new().status(Status::CONFIRMED).without_status(Status::DYING | Status::ASSURED),
        Filter::new().tcp_state(TcpState::SYN_SENT),
        Filter::new().tcp_state(TcpState::ESTABLISHED),
        Filter::new().tcp_state(TcpState::TIME_WAIT),
        Filter::new().tcp().orig_dst(net("10.0.0.0/8")).orig_dst_port(80..=443).zone(9).mark(0).status(Status::CONFIRMED),
        Filter::new().udp().ipv6().reply_src(net("fd00:0:0:2::/64")).reply_src_port(53).mark_masked(1, 1),
    ]
}

fn flows() -> Vec<NewFlow> {
    let state = |state| ProtoInfo::Tcp(ProtoInfoTcp { state: Some(state), ..ProtoInfoTcp::default() });
    let mut flows = filter::flows();
    flows.extend([
        NewFlow::udp(v6([1, 1], 1000), v6([2, 2], 53)).mark(0x8000_0001),
        NewFlow::udp(v6([1, 2], 1000), v6([2, 2], 53)).zone(0x8000),
        NewFlow::udp(v4(7, 1000), v4(3, u16::MAX)).nat_dst(v4(98, 0).ip()),
        NewFlow::new(Tuple::sctp(v4(7, 1000), v4(3, 80))),
        NewFlow::tcp(v4(8, 1000), v4(2, 80)).proto_info(state(TcpState::TIME_WAIT)),
        NewFlow::tcp(v6([3, 1], 1000), v6([2, 2], 443)).proto_info(state(TcpState::ESTABLISHED)),
    ]);
    flows
}

/// Makes events of every sort.
fn act(sandbox: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    let flows: Vec<_> = flows().into_iter().map(|flow| flow.timeout(LONG)).collect();
    for flow in &flows {
        ct.create(flow)?;
    }
    for family in [Family::IPV4, Family::IPV6] {
        // They stay open: when they are closed, events could come at any time.
        let tcp = sandbox.tcp_connection(family)?;
        let (_udp, _udplite) = (sandbox.udp_exchange(family)?, sandbox.udplite_exchange(family)?);
        sandbox.ping(family)?;
        let key = FlowKey::from(tcp.tuple);
        ct.update(&key, &Changes::new().mark(0x10))?;
        ct.update(&key, &Changes::new().mark(0))?;
        ct.delete(&key)?;
    }
    let created: Vec<Flow> = ct.dump()?.collect::<Result<_, _>>()?;
    for flow in &created {
        ct.update(&flow.key(), &Changes::new().status(flow.status | Status::SEEN_REPLY | Status::ASSURED))?;
    }
    for flow in &created {
        ct.delete(&flow.key())?;
    }
    Ok(())
}

/// All flows of events up to one that every filter lets through: of another subsystem.
fn up_to_the_marker(events: &mut Events) -> Result<Vec<Event>, Failure> {
    let mut found = Vec::new();
    loop {
        match events.next_timeout(PATIENCE)?.ok_or("no marker came")? {
            Event::Unknown(_, origin) if origin.group == NFTABLES => return Ok(found),
            event => found.push(event),
        }
    }
}

fn listen(filter: &Filter) -> Result<Events, conntrack::Error> {
    Events::builder().groups(Groups::FLOWS | NFTABLES).filter(filter).receive_buffer(1 << 20).subscribe()
}

fn exactly_what_matches_arrives(sandbox: &Sandbox) -> Outcome {
    sandbox.enable_nat()?;
    let mut all = listen(&Filter::all())?;
    let mut listeners: Vec<(Filter, Events)> = Vec::new();
    for filter in filters() {
        let events = listen(&filter)?;
        listeners.push((filter, events));
    }
    act(sandbox)?;
    sandbox.load(&[Change::Table(Table { name: "marker".to_owned() })])?;

    let all = up_to_the_marker(&mut all)?;
    holds!(all.iter().any(|event| matches!(event, Event::Update(..))));
    for (filter, mut events) in listeners {
        let expected: Vec<_> =
            all.iter().filter(|event| event.flow().is_some_and(|flow| filter.matches(flow))).cloned().collect();
        holds!(!expected.is_empty() && expected.len() < all.len(), "{filter:?} selects {} events", expected.len());
        same!(up_to_the_marker(&mut events)?, expected, "{filter:?}");
        // Nothing else arrived: the marker aside, it was the kernel that dropped the others.
        let counters = events.counters();
        same!((counters.received, counters.filtered), (u64::try_from(expected.len())? + counters.unknown, 0));
        same!(events.lost()?, 0);
    }
    Ok(())
}

/// A buffer of the smallest size holds a few events at most.
fn tiny(filter: &Filter) -> Result<Events, conntrack::Error> {
    Events::builder().groups(Groups::NEW | Groups::DESTROY).filter(filter).receive_buffer(1).subscribe()
}

fn create(ct: &Conntrack, ports: std::ops::Range<u16>) -> Outcome {
    for port in ports {
        ct.create(&NewFlow::udp(v4(1, port), v4(2, 53)).timeout(LONG))?;
    }
    Ok(())
}

fn what_is_dropped_takes_no_room(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    let mut events = tiny(&Filter::new().orig_src_port(2000))?;
    create(&ct, 1..1000)?;
    same!(events.try_next()?, None);
    create(&ct, 2000..2001)?;
    let port = events.next_timeout(PATIENCE)?.as_ref().and_then(Event::flow).and_then(|flow| flow.orig.src_port());
    same!(port, Some(2000));
    same!(events.counters().received, 1);
    same!(events.lost()?, 0);
    Ok(())
}

fn what_is_dropped_is_not_counted_as_lost(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    let mut events = tiny(&Filter::new().orig_src_port(1000..=1999))?;
    create(&ct, 1000..1100)?;
    create(&ct, 2000..2500)?;
    let (mut arrived, mut lost) = (0, None);
    while let Some(event) = events.try_next()? {
        match event {
            Event::Overrun { lost: count } => same!(lost.replace(count), None),
            _ => arrived += 1,
        }
    }
    same!(lost.map(|lost| lost + arrived), Some(100));
    Ok(())
}

fn the_longest_program_is_taken(_: &Sandbox) -> Outcome {
    let everything = longest_filter();
    holds!(everything.compile()?.instructions().len() > usize::from(u8::MAX));
    listen(&everything)?;
    Ok(())
}

fn contradictions_are_refused(_: &Sandbox) -> Outcome {
    let contradiction = Filter::new().udp().tcp_state(TcpState::ESTABLISHED);
    holds!(matches!(listen(&contradiction), Err(conntrack::Error::Usage(_))));
    Ok(())
}
