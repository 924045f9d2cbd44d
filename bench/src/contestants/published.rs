//! The crate that is published as `conntrack`, which collects a `Vec`.

use std::hint::black_box;

use published_conntrack::Conntrack;
use published_conntrack::model::{Flow, IpTuple, StatusFlags};

use super::Contestant;
use crate::Outcome;
use crate::sums::{Direction, Sums};

pub(super) const VEC: Contestant =
    Contestant { id: "published", name: "the crate `conntrack` 0.1.5, into a Vec", run, check };

fn dump() -> Outcome<Vec<Flow>> {
    Ok(Conntrack::connect()?.dump()?)
}

fn run() -> Outcome<u64> {
    Ok(black_box(dump()?).len() as u64)
}

fn check() -> Outcome<Sums> {
    let mut sums = Sums::default();
    for flow in dump()? {
        sums.add_flow();
        let (orig, reply) = (flow.origin.as_ref(), flow.reply.as_ref());
        if let (Some(orig), Some(reply)) = (orig.and_then(direction), reply.and_then(direction)) {
            sums.add_tuples(orig, reply);
        }
        if let Some((id, kind, code)) = orig.and_then(icmp) {
            sums.add_icmp(id, kind, code);
        }
        if let Some(names) = &flow.status {
            let flags = names.iter().filter_map(|name| StatusFlags::from_name(name));
            sums.add_status(flags.fold(0, |bits, flag| bits | flag.bits()));
        }
        flow.mark.into_iter().for_each(|mark| sums.add_mark(mark));
        if let Some(state) = flow.proto_info.and_then(|info| info.tcp).and_then(|tcp| tcp.state) {
            sums.add_state(state.into());
        }
    }
    Ok(sums)
}

fn direction(tuple: &IpTuple) -> Option<Direction> {
    let proto = tuple.proto.as_ref()?;
    let ports = proto.src_port.zip(proto.dst_port);
    Some(Direction { src: tuple.src?, dst: tuple.dst?, protocol: u8::from(proto.number.as_ref()?), ports })
}

fn icmp(tuple: &IpTuple) -> Option<(u16, u8, u8)> {
    let proto = tuple.proto.as_ref()?;
    Some((
        proto.icmp_id.or(proto.icmpv6_id)?,
        proto.icmp_type.or(proto.icmpv6_type)?,
        proto.icmp_code.or(proto.icmpv6_code)?,
    ))
}
