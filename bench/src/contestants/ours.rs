//! This library.

use std::hint::black_box;

use conntrack::{Conntrack, Decode, Flow, FlowId, L4, ProtoInfo, Status, Tuple};

use super::Contestant;
use crate::Outcome;
use crate::sums::{Direction, Sums};

pub(super) const FULL: Contestant =
    Contestant { id: "conntrack", name: "this library: every attribute, streaming", run: full, check: check_full };
pub(super) const PROJECTION: Contestant = Contestant {
    id: "conntrack-projection",
    name: "this library: a projection of 3 fields",
    run: projection,
    check: check_projection,
};
pub(super) const COLLECTED: Contestant = Contestant {
    id: "conntrack-collected",
    name: "this library: every attribute, into a Vec",
    run: || Ok(collected()?.len() as u64),
    check: || Ok(sum(&collected()?)),
};
pub(super) const PARALLEL: Contestant = Contestant {
    id: "conntrack-parallel",
    name: "this library: every attribute, in parallel",
    run: parallel,
    check: check_parallel,
};

/// What a program that watches marks wants of a flow.
#[derive(Debug, Decode)]
pub(crate) struct Marked {
    /// What has happened to it.
    #[nla(CTA_STATUS)]
    status: Status,
    /// Its mark.
    #[nla(CTA_MARK)]
    mark: Option<u32>,
    /// What tells it from others.
    #[nla(CTA_ID)]
    id: FlowId,
}

fn full() -> Outcome<u64> {
    let mut flows = 0;
    for flow in Conntrack::open()?.dump()? {
        black_box(&flow?);
        flows += 1;
    }
    Ok(flows)
}

fn check_full() -> Outcome<Sums> {
    let mut sums = Sums::default();
    for flow in Conntrack::open()?.dump()? {
        add(&mut sums, &flow?);
    }
    Ok(sums)
}

fn projection() -> Outcome<u64> {
    let mut flows = 0;
    for flow in Conntrack::open()?.dump_as::<Marked>()? {
        black_box(&flow?);
        flows += 1;
    }
    Ok(flows)
}

fn check_projection() -> Outcome<Sums> {
    let mut sums = Sums::default();
    for flow in Conntrack::open()?.dump_as::<Marked>()? {
        let flow = flow?;
        sums.add_flow();
        sums.add_status(flow.status.bits());
        flow.mark.into_iter().for_each(|mark| sums.add_mark(mark));
    }
    Ok(sums)
}

fn collected() -> Outcome<Vec<Flow>> {
    Ok(Conntrack::open()?.dump()?.collect::<Result<_, _>>()?)
}

fn parallel() -> Outcome<u64> {
    let mut flows = 0;
    for flow in Conntrack::open()?.dump_parallel()? {
        black_box(&flow?);
        flows += 1;
    }
    Ok(flows)
}

fn check_parallel() -> Outcome<Sums> {
    let mut sums = Sums::default();
    for flow in Conntrack::open()?.dump_parallel()? {
        add(&mut sums, &flow?);
    }
    Ok(sums)
}

fn sum(flows: &[Flow]) -> Sums {
    let mut sums = Sums::default();
    for flow in flows {
        add(&mut sums, flow);
    }
    sums
}

fn add(sums: &mut Sums, flow: &Flow) {
    sums.add_flow();
    sums.add_tuples(direction(&flow.orig), direction(&flow.reply));
    if let Some(L4::Icmp { id, kind, code } | L4::Icmpv6 { id, kind, code }) = flow.orig.proto.l4 {
        sums.add_icmp(id, kind, code);
    }
    sums.add_status(flow.status.bits());
    flow.mark.into_iter().for_each(|mark| sums.add_mark(mark));
    if let Some(ProtoInfo::Tcp(tcp)) = &flow.proto_info {
        tcp.state.into_iter().for_each(|state| sums.add_state(state.0));
    }
}

fn direction(tuple: &Tuple) -> Direction {
    let ports = tuple.src_port().zip(tuple.dst_port());
    Direction { src: tuple.src(), dst: tuple.dst(), protocol: tuple.protocol().0, ports }
}
