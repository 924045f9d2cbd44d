//! From a flow that was reported to a request that creates it again.

use crate::{
    Endpoint, Flow, LabelChange, Mark, Nat, NatPorts, NewFlow, ProtoInfo, ProtoInfoSctp, ProtoInfoTcp, Protocol,
    Status, TcpFlagBits, TcpFlags, Tuple,
};

/// What of a status can be given to a new flow. The rest follows from its other attributes.
const RESTORED: Status = Status::SEEN_REPLY.union(Status::ASSURED).union(Status::FIXED_TIMEOUT).union(Status::HELPER);

impl From<&Flow> for NewFlow {
    /// The request that creates the flow again, on this machine or another: its tuples and zone, status, timeout, mark,
    /// labels, connection state, helper, master, translation and sequence adjustment.
    ///
    /// Counters, times, the id, the reference count and the security context are the kernel's own and do not come along.
    /// The master of an expected flow must be there first. The kernel does not report the windows of a TCP connection:
    /// a restored one takes any sequence number ([`TcpFlagBits::BE_LIBERAL`]). Of a flow in the flow table's fast path
    /// ([`Status::OFFLOAD`]) it reports neither timeout nor state: a TCP connection is an established one, because no
    /// other gets there, and flows of other protocols get the timeout of a new one, as all do that were reported without.
    fn from(flow: &Flow) -> Self {
        let mut new = Self::new(flow.orig);
        if flow.status.contains(Status::OFFLOAD) && flow.orig.protocol() == Protocol::TCP {
            new = new.established();
        }
        // Translated by the kernel from the inverse; a tuple that is translated already would leave its packets alone.
        let translated = flow.status.intersects(Status::NAT);
        new.reply = if translated { Tuple { zone: flow.reply.zone, ..flow.orig.inverse() } } else { flow.reply };
        new.nat_src = flow.translated_source().map(exactly);
        new.nat_dst = flow.translated_destination().map(exactly);
        new.master = flow.master;
        new.status = Some(flow.status & RESTORED | Status::CONFIRMED);
        new.timeout = flow.timeout.unwrap_or(new.timeout);
        new.mark = flow.mark.map(|value| Mark { value, mask: None });
        new.proto_info = flow.proto_info.as_ref().map_or(new.proto_info, restored);
        new.help.clone_from(&flow.help);
        new.seq_adj_orig = flow.seq_adj_orig;
        new.seq_adj_reply = flow.seq_adj_reply;
        new.zone = flow.zone;
        new.labels = flow.labels.map(|value| LabelChange { value, mask: None });
        new.synproxy = flow.synproxy;
        new
    }
}

impl From<Flow> for NewFlow {
    fn from(flow: Flow) -> Self {
        Self::from(&flow)
    }
}

fn exactly(end: Endpoint) -> Nat {
    Nat { min: Some(end.address), max: None, ports: end.port.map(|port| NatPorts { min: Some(port), max: None }) }
}

/// The state in the form that the kernel takes.
fn restored(info: &ProtoInfo) -> Option<ProtoInfo> {
    match info {
        ProtoInfo::Tcp(tcp) => Some(ProtoInfo::Tcp(restored_tcp(tcp))),
        // All three or none.
        ProtoInfo::Sctp(ProtoInfoSctp { state: Some(_), vtag_original: Some(_), vtag_reply: Some(_) }) => {
            Some(info.clone())
        }
        _ => None,
    }
}

fn restored_tcp(tcp: &ProtoInfoTcp) -> ProtoInfoTcp {
    let liberal = |flags: Option<TcpFlags>| {
        let flags = flags.unwrap_or_default().bits() | TcpFlagBits::BE_LIBERAL;
        Some(TcpFlags::exactly(flags))
    };
    let scales = [tcp.flags_original, tcp.flags_reply]
        .iter()
        .all(|flags| flags.is_some_and(|flags| flags.bits().contains(TcpFlagBits::WINDOW_SCALE)));
    ProtoInfoTcp {
        state: tcp.state,
        // The kernel ignores them otherwise.
        wscale_original: tcp.wscale_original.filter(|_| scales),
        wscale_reply: tcp.wscale_reply.filter(|_| scales),
        flags_original: liberal(tcp.flags_original),
        flags_reply: liberal(tcp.flags_reply),
    }
}
