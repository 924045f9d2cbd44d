//! Filters: each selects what it says, in a dump and in a flush, on this kernel and as on older ones.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;

use conntrack::sandbox::Sandbox;
use conntrack::{
    BulkError, BulkReport, Conntrack, Error, Filter, Flow, FlowId, Flushed, KernelVersion, NewFlow, Protocol, Status,
    TcpState, Tuple, UsageError,
};
use ipnet::IpNet;

use crate::common::LONG;
use crate::{Outcome, cases, holds, same};

cases! {
    dumps_what_it_says,
    dumps_what_it_says_on_older_kernels,
    flushes_what_it_says,
    flushes_what_it_says_on_older_kernels,
    filters_projections,
    refuses_to_flush_without_criteria,
    refuses_contradictions,
    deletes_by_predicate,
}

/// As if the kernel could not filter by tuple, status or zone.
const OLD: KernelVersion = KernelVersion::OLDEST;

/// A table with something of everything.
pub(crate) fn flows() -> Vec<NewFlow> {
    let v4 = |last: u8, port: u16| SocketAddr::from(([10, 0, 0, last], port));
    let v6 = |last: u16, port: u16| SocketAddr::new(IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, last]), port);
    vec![
        NewFlow::udp(v4(1, 1000), v4(2, 53)).mark(0x10),
        NewFlow::udp(v4(1, 1001), v4(2, 54)).mark(0x11).status(Status::SEEN_REPLY),
        NewFlow::udp(v4(3, 1000), v4(2, 53)).mark(0x20),
        NewFlow::tcp(v4(1, 1000), v4(2, 80)),
        NewFlow::tcp(v4(1, 1001), v4(4, 443)).zone(9),
        NewFlow::udp(v6(1, 1000), v6(2, 53)),
        NewFlow::udp(v6(3, 1000), v6(2, 53)).zone(9),
        NewFlow::tcp(v6(1, 1000), v6(2, 80)),
        NewFlow::new(Tuple::with_ports(Protocol::UDPLITE, v4(1, 1000), v4(2, 53))),
        NewFlow::new(Tuple::with_ports(Protocol::UDPLITE, v4(1, 1001), v4(2, 54))),
        NewFlow::echo(v4(1, 0).ip(), v4(2, 0).ip(), 7),
        NewFlow::echo(v4(1, 0).ip(), v4(2, 0).ip(), 8),
        NewFlow::echo(v6(1, 0).ip(), v6(2, 0).ip(), 7),
        NewFlow::generic(Protocol::ESP, v4(1, 0).ip(), v4(2, 0).ip()),
        NewFlow::udp(v4(5, 1000), v4(2, 53)).nat_src(v4(99, 0).ip()),
        NewFlow::new(Tuple::udp(v4(6, 1000), v4(2, 53)).in_zone(9)).reply(Tuple::udp(v4(2, 53), v4(6, 1000))),
        // Each in the other's family: no packet makes such a flow, but a request does.
        NewFlow::new(Tuple { ip: Tuple::udp(v6(1, 0), v6(2, 0)).ip, ..Tuple::echo(v4(1, 0).ip(), v4(2, 0).ip(), 7) }),
        NewFlow::new(Tuple { ip: Tuple::udp(v4(1, 0), v4(2, 0)).ip, ..Tuple::echo(v6(1, 0).ip(), v6(2, 0).ip(), 7) }),
    ]
}

/// A filter, and what it says in other words.
type Meaning = (Filter, fn(&Flow) -> bool);

fn net(text: &str) -> IpNet {
    text.parse().unwrap_or_default()
}

fn address(text: &str) -> IpAddr {
    net(text).addr()
}

fn is_v4(flow: &Flow) -> bool {
    flow.orig.src().is_ipv4()
}

#[rustfmt::skip]
fn filters() -> Vec<Meaning> {
    vec![
        (Filter::new().ipv4(), is_v4),
        (Filter::new().ipv6(), |flow| !is_v4(flow)),
        (Filter::new().udp(), |flow| flow.orig.protocol() == Protocol::UDP),
        (Filter::new().ipv6().tcp(), |flow| !is_v4(flow) && flow.orig.protocol() == Protocol::TCP),
        (Filter::new().protocol(Protocol::ESP), |flow| flow.orig.protocol() == Protocol::ESP),
        (Filter::new().orig_src(address("10.0.0.1/32")), |flow| flow.orig.src() == address("10.0.0.1/32")),
        (Filter::new().orig_src(address("fd00::1/128")), |flow| flow.orig.src() == address("fd00::1/128")),
        (Filter::new().reply_src(address("fd00::2/128")).udp(), |flow| flow.reply.src() == address("fd00::2/128") && flow.orig.protocol() == Protocol::UDP),
        (Filter::new().reply_dst(address("10.0.0.99/32")), |flow| flow.reply.dst() == address("10.0.0.99/32")),
        (Filter::new().orig_dst(net("10.0.0.2/31")), |flow| net("10.0.0.2/31").contains(&flow.orig.dst())),
        (Filter::new().orig_src(net("fd00::2/127")), |flow| net("fd00::2/127").contains(&flow.orig.src())),
        (Filter::new().ipv4().udp().orig_dst_port(53), |flow| is_v4(flow) && flow.orig.protocol() == Protocol::UDP && flow.orig.dst_port() == Some(53)),
        (Filter::new().udp().reply_src_port(53), |flow| flow.orig.protocol() == Protocol::UDP && flow.reply.src_port() == Some(53)),
        (Filter::new().orig_src_port(1001), |flow| flow.orig.src_port() == Some(1001)),
        (Filter::new().ipv4().protocol(Protocol::UDPLITE).orig_dst_port(53), |flow| flow.orig.protocol() == Protocol::UDPLITE && flow.orig.dst_port() == Some(53)),
        (Filter::new().ipv4().tcp().orig_dst_port(80..=442), |flow| is_v4(flow) && flow.orig.protocol() == Protocol::TCP && flow.orig.dst_port() == Some(80)),
        (Filter::new().protocol(Protocol::ICMP), |flow| flow.orig.protocol() == Protocol::ICMP),
        (Filter::new().protocol(Protocol::ICMPV6), |flow| flow.orig.protocol() == Protocol::ICMPV6),
        (Filter::new().ipv4().protocol(Protocol::ICMP).icmp_id(7), |flow| flow.orig == flows()[10].orig),
        (Filter::new().ipv6().protocol(Protocol::ICMP).icmp_id(7), |flow| flow.orig == flows()[16].orig),
        (Filter::new().icmp_type(8), |flow| flow.orig.protocol() == Protocol::ICMP),
        (Filter::new().protocol(Protocol::ICMPV6).icmp_type(128).icmp_code(0), |flow| flow.orig.protocol() == Protocol::ICMPV6),
        (Filter::new().mark(0), |flow| flow.mark == Some(0)),
        (Filter::new().mark(0x11), |flow| flow.mark == Some(0x11)),
        (Filter::new().mark_masked(0x10, 0xf0), |flow| flow.mark.unwrap_or(0) & 0xf0 == 0x10),
        (Filter::new().mark_masked(0x11, 0x10), |_| false),
        (Filter::new().mark_masked(1, 0), |_| false),
        (Filter::new().status(Status::SEEN_REPLY), |flow| flow.status.contains(Status::SEEN_REPLY)),
        (Filter::new().without_status(Status::SEEN_REPLY), |flow| !flow.status.contains(Status::SEEN_REPLY)),
        (Filter::new().status(Status::CONFIRMED).without_status(Status::ASSURED), |flow| !flow.status.contains(Status::ASSURED)),
        (Filter::new().status(Status::SRC_NAT), |flow| flow.reply.dst() == address("10.0.0.99/32")),
        (Filter::new().zone(9), |flow| flow.zone == Some(9) || flow.orig.zone == Some(9)),
        (Filter::new().zone(0), |flow| flow.zone.is_none() && flow.orig.zone.is_none()),
        (Filter::new().zone(9).ipv6().udp(), |flow| flow.zone == Some(9) && !is_v4(flow)),
        (Filter::new().tcp_state(TcpState::ESTABLISHED), |flow| flow.orig.protocol() == Protocol::TCP),
        (Filter::new().tcp_state(TcpState::CLOSE), |_| false),
    ]
}

fn create_all(ct: &Conntrack) -> Result<Vec<Flow>, Error> {
    for flow in flows() {
        ct.create(&flow.timeout(LONG))?;
    }
    ct.dump()?.collect()
}

fn ids(flows: impl IntoIterator<Item = Result<Flow, Error>>) -> Result<BTreeSet<FlowId>, Error> {
    flows.into_iter().map(|flow| flow.map(|flow| flow.id)).collect()
}

fn check_dumps(ct: &Conntrack) -> Outcome {
    let table = create_all(ct)?;
    same!(table.len(), flows().len());
    for (filter, meaning) in filters() {
        let expected: BTreeSet<_> = table.iter().filter(|flow| meaning(flow)).map(|flow| flow.id).collect();
        same!(ids(ct.dump_filtered(&filter)?)?, expected, "{filter:?}");
        let here = table.iter().filter(|flow| filter.matches(flow)).map(|flow| flow.id).collect();
        same!(expected, here, "{filter:?} in user space");
    }
    Ok(())
}

fn check_flushes(ct: &Conntrack) -> Outcome {
    for (filter, meaning) in filters() {
        let table = create_all(ct)?;
        let expected: BTreeSet<_> = table.iter().filter(|flow| !meaning(flow)).map(|flow| flow.id).collect();
        let flushed = ct.flush(&filter)?;
        if let Flushed::OneByOne(BulkReport { done, failed, .. }) = flushed {
            same!((usize::try_from(done)?, failed), (table.len() - expected.len(), 0), "{filter:?}");
        }
        same!(ids(ct.dump()?)?, expected, "{filter:?} {flushed:?}");
        ct.flush_all()?;
        same!(ct.dump()?.count(), 0);
    }
    Ok(())
}

fn dumps_what_it_says(_: &Sandbox) -> Outcome {
    check_dumps(&Conntrack::open()?)
}

fn dumps_what_it_says_on_older_kernels(_: &Sandbox) -> Outcome {
    check_dumps(&Conntrack::builder().kernel_version(OLD).open()?)
}

fn flushes_what_it_says(_: &Sandbox) -> Outcome {
    check_flushes(&Conntrack::open()?)
}

fn flushes_what_it_says_on_older_kernels(_: &Sandbox) -> Outcome {
    check_flushes(&Conntrack::builder().kernel_version(OLD).open()?)
}

fn filters_projections(_: &Sandbox) -> Outcome {
    #[derive(Debug, conntrack::Decode)]
    struct Only {
        #[nla(CTA_ID)]
        id: FlowId,
    }
    let ct = Conntrack::open()?;
    let table = create_all(&ct)?;
    // Neither the address nor the state is in the projection, nor does the kernel compare them.
    let filter = Filter::new().orig_src(net("fd00::/64")).tcp_state(TcpState::ESTABLISHED);
    let expected: BTreeSet<_> = table.iter().filter(|flow| filter.matches(flow)).map(|flow| flow.id).collect();
    let found = ct.dump_filtered_as::<Only>(&filter)?.map(|only| only.map(|only| only.id));
    same!(found.collect::<Result<BTreeSet<_>, _>>()?, expected);
    same!(expected.len(), 1);
    Ok(())
}

fn refuses_to_flush_without_criteria(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    let table = create_all(&ct)?;
    for all in [Filter::all(), Filter::new().mark_masked(0, 0), Filter::new().status(Status::empty())] {
        holds!(
            matches!(ct.flush(&all), Err(BulkError { error: Error::Usage(UsageError::FlushWithoutCriteria), .. })),
            "{all:?}"
        );
    }
    same!(ct.dump()?.count(), table.len());
    Ok(())
}

fn refuses_contradictions(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    let contradictions = [
        Filter::new().ipv4().orig_src(net("fd00::/64")),
        Filter::new().orig_src(net("10.0.0.0/8")).reply_src(net("fd00::/64")),
        Filter::new().protocol(Protocol::ESP).orig_dst_port(53),
        Filter::new().udp().tcp_state(TcpState::ESTABLISHED),
        Filter::new().tcp().icmp_id(1),
        Filter::new().orig_dst_port(RangeInclusive::new(9, 1)),
    ];
    let table = create_all(&ct)?;
    for filter in contradictions {
        holds!(matches!(ct.dump_filtered(&filter), Err(Error::Usage(_))), "{filter:?}");
        holds!(matches!(ct.flush(&filter), Err(BulkError { error: Error::Usage(_), .. })), "{filter:?}");
    }
    same!(ct.dump()?.count(), table.len());
    Ok(())
}

fn deletes_by_predicate(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    let table = create_all(&ct)?;
    let odd = |flow: &Flow| flow.mark.is_some_and(|mark| mark & 1 == 1);
    let expected = table.iter().filter(|flow| odd(flow)).count();
    same!(ct.delete_matching(&Filter::new().ipv4(), odd)?.into_result()?, expected as u64);
    same!(ct.dump()?.count(), table.len() - expected);
    Ok(())
}
