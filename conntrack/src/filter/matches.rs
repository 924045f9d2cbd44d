//! A filter in user space.

use conntrack_spec::{
    Decode, Family, Flow, L4, ProjectionOf, ProtoInfo, Protocol, Status, TcpState, Tuple, zone_among,
};

use super::{Filter, Side};

/// What a filter looks at: decoded beside a projection that does not hold it.
#[derive(Debug, Decode)]
pub(crate) struct View {
    #[nla(CTA_TUPLE_ORIG)]
    orig: Tuple,
    #[nla(CTA_TUPLE_REPLY)]
    reply: Tuple,
    #[nla(CTA_ZONE)]
    zone: Option<u16>,
    #[nla(CTA_STATUS)]
    status: Status,
    #[nla(CTA_MARK)]
    mark: Option<u32>,
    #[nla(CTA_PROTOINFO)]
    proto_info: Option<ProtoInfo>,
}

const _: () = ProjectionOf::<View, Flow>::CHECKED;

impl Filter {
    /// Whether `flow` meets every criterion.
    #[must_use]
    pub fn matches(&self, flow: &Flow) -> bool {
        self.meets(&Looked::from(flow))
    }

    /// Returns whether the flow that an event is about meets every criterion; `None` if the event does not tell.
    ///
    /// An event lacks the protocol information unless that has changed (`ctnetlink_conntrack_event`). All other criteria
    /// are about fields that every event has.
    pub(crate) fn matches_event(&self, event: &Flow) -> Option<bool> {
        let looked = Looked::from(event);
        if !self.meets_all_but_the_state(&looked) {
            return Some(false);
        }
        let is_told = event.proto_info.is_some() || event.orig.protocol() != Protocol::TCP;
        (self.tcp_state.is_none() || is_told).then(|| self.meets_the_state(&looked))
    }

    pub(crate) fn matches_view(&self, view: &View) -> bool {
        self.meets(&Looked {
            orig: &view.orig,
            reply: &view.reply,
            zone: view.zone,
            status: view.status,
            mark: view.mark,
            proto_info: view.proto_info.as_ref(),
        })
    }

    fn meets(&self, flow: &Looked<'_>) -> bool {
        self.meets_all_but_the_state(flow) && self.meets_the_state(flow)
    }

    fn meets_the_state(&self, flow: &Looked<'_>) -> bool {
        meets(self.tcp_state, |state| flow.tcp_state() == Some(state))
    }

    fn meets_all_but_the_state(&self, flow: &Looked<'_>) -> bool {
        self.contradiction.is_none()
            && meets(self.family, |family| Family::of(flow.orig.src()) == family)
            && meets(self.protocol, |protocol| flow.orig.protocol() == protocol)
            // An event has no mark when it is 0.
            && meets(self.mark, |mark| flow.mark.unwrap_or(0) & mark.mask == mark.value)
            && meets(self.status, |status| flow.status & status.mask == status.value)
            && meets(self.zone, |zone| flow.zone() == zone)
            && self.orig.matches(flow.orig)
            && self.reply.matches(flow.reply)
    }
}

/// The parts of a flow, wherever they are.
struct Looked<'a> {
    orig: &'a Tuple,
    reply: &'a Tuple,
    zone: Option<u16>,
    status: Status,
    mark: Option<u32>,
    proto_info: Option<&'a ProtoInfo>,
}

impl<'a> From<&'a Flow> for Looked<'a> {
    fn from(flow: &'a Flow) -> Self {
        Self {
            orig: &flow.orig,
            reply: &flow.reply,
            zone: flow.zone,
            status: flow.status,
            mark: flow.mark,
            proto_info: flow.proto_info.as_ref(),
        }
    }
}

impl Looked<'_> {
    /// The zone, whichever direction it applies to.
    fn zone(&self) -> u16 {
        zone_among([self.zone, self.orig.zone, self.reply.zone])
    }

    fn tcp_state(&self) -> Option<TcpState> {
        self.proto_info.and_then(ProtoInfo::tcp_state).filter(|_| self.orig.protocol() == Protocol::TCP)
    }
}

impl Side {
    fn matches(&self, tuple: &Tuple) -> bool {
        let (mut id, mut kind, mut code) = (None, None, None);
        if let Some(L4::Icmp { id: i, kind: k, code: c } | L4::Icmpv6 { id: i, kind: k, code: c }) = tuple.proto.l4 {
            (id, kind, code) = (Some(i), Some(k), Some(c));
        }
        meets(self.src, |net| net.contains(&tuple.src()))
            && meets(self.dst, |net| net.contains(&tuple.dst()))
            && meets(self.src_port, |ports| tuple.src_port().is_some_and(|port| ports.contain(port)))
            && meets(self.dst_port, |ports| tuple.dst_port().is_some_and(|port| ports.contain(port)))
            && meets(self.icmp_id, |wanted| id == Some(wanted))
            && meets(self.icmp_type, |wanted| kind == Some(wanted))
            && meets(self.icmp_code, |wanted| code == Some(wanted))
    }
}

/// A criterion that is not given is met.
fn meets<T>(criterion: Option<T>, test: impl FnOnce(T) -> bool) -> bool {
    criterion.is_none_or(test)
}
