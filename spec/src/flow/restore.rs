//! From a flow that was reported to a request that creates it again.

use crate::{
    Changes, DccpRole, DccpState, Endpoint, Flow, FlowKey, FlowUpdate, LabelChange, Mark, Nat, NatPorts, NewFlow,
    NewHelp, ProtoInfo, ProtoInfoDccp, ProtoInfoSctp, ProtoInfoTcp, Protocol, SctpState, Status, TcpFlagBits, TcpFlags,
    Tuple,
};

/// The status bits that a new flow can be given. The kernel derives the others from its other attributes.
const RESTORED: Status = Status::SEEN_REPLY.union(Status::ASSURED).union(Status::FIXED_TIMEOUT).union(Status::HELPER);

impl From<&Flow> for NewFlow {
    /// Makes the request that creates the flow again, on this machine or another, with its tuples and zone, status,
    /// timeout, mark, labels, connection state, helper, master, translation and sequence adjustment.
    ///
    /// * It has no counters, times, id, reference count and security context: the kernel sets these itself.
    /// * Create the master of an expected flow first.
    /// * A creation cannot set the private data of a helper in user space. If the flow has some, send
    ///   [`FlowUpdate::restoring`] afterwards.
    /// * The kernel does not report the windows of a TCP connection, so a restored one takes any sequence number
    ///   ([`TcpFlagBits::BE_LIBERAL`]).
    /// * The kernel does not report timeout and state of a flow in the flow table's fast path ([`Status::OFFLOAD`]). A TCP
    ///   flow is restored as established, because no other gets there. Flows of other protocols, and all others without a
    ///   timeout, get that of a new flow.
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
        new.help = flow.help.as_ref().map(|help| NewHelp::from(help.name.clone()));
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

impl FlowUpdate {
    /// Makes the update that completes a flow which was created from [`NewFlow::from(flow)`](NewFlow#impl-From<%26Flow>-for-NewFlow):
    /// it sets the private data of the flow's helper, which a creation cannot set. `None` if the flow has no such data,
    /// which only helpers in user space have.
    ///
    /// The key has no id, because the new flow has another one.
    #[must_use]
    pub fn restoring(flow: &Flow) -> Option<Self> {
        let help = flow.help.as_ref().filter(|help| help.info.is_some())?;
        let changes = Changes { help: Some(help.clone()), ..Changes::new() };
        Some(Self { key: FlowKey { id: None, ..flow.key() }, changes })
    }
}

fn exactly(end: Endpoint) -> Nat {
    Nat { min: Some(end.address), max: None, ports: end.port.map(|port| NatPorts { min: Some(port), max: None }) }
}

/// The state in a form that the kernel takes.
fn restored(info: &ProtoInfo) -> Option<ProtoInfo> {
    match info {
        ProtoInfo::Tcp(tcp) => Some(ProtoInfo::Tcp(restored_tcp(tcp))),
        // The kernel takes all three or none.
        ProtoInfo::Sctp(ProtoInfoSctp {
            state: Some(state),
            vtag_original: vtag_original @ Some(_),
            vtag_reply: vtag_reply @ Some(_),
        }) if *state <= SctpState::HEARTBEAT_ACKED => {
            // Newer kernels have one state for both and refuse this one (`ERANGE`).
            let state = if *state == SctpState::HEARTBEAT_ACKED { SctpState::ESTABLISHED } else { *state };
            let (vtag_original, vtag_reply) = (*vtag_original, *vtag_reply);
            Some(ProtoInfo::Sctp(ProtoInfoSctp { state: Some(state), vtag_original, vtag_reply }))
        }
        // Kernels before 6.17 take it only with both; later ones ignore it.
        ProtoInfo::Dccp(dccp @ ProtoInfoDccp { state: Some(state), role: Some(role), .. })
            if *state < DccpState::IGNORE && *role <= DccpRole::SERVER =>
        {
            Some(ProtoInfo::Dccp(*dccp))
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
