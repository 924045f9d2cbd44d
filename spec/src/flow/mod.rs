//! `enum ctattr_type`, as the kernel sends it.

mod changes;
mod compare;
mod direction;
mod filter;
mod id;
mod key;
mod mark;
mod nest;
mod new_flow;
mod restore;
mod status;
mod translation;

pub use changes::{Changes, FlowUpdate};
pub use direction::FlowDirection;
pub use filter::{FilterBits, FilterFlags, FilterIp, FilterProto, FilterTuple, FlowFilter};
pub use id::FlowId;
pub(crate) use id::print_id;
pub use key::{FlowKey, KeyTuple};
pub use mark::{LabelChange, Mark, StatusFilter};
pub use nest::*;
pub use new_flow::NewFlow;
pub use status::Status;
pub use translation::{Endpoint, zone_among};

use conntrack_derive::{Decode, Encode};

/// A flow, as the kernel reports it in dumps and events.
///
/// The fields are in the order in which a dump sends them (`ctnetlink_fill_info`,
/// `net/netfilter/nf_conntrack_netlink.c`), so that decoding one expects what comes; events have the id and the mark
/// elsewhere (`ctnetlink_conntrack_event`). Which of them are there depends on
/// the message; what it depends on is said at each field.
///
/// Decoding allocates only for a [security context](SecCtx) and for
/// [protocol info of an unknown protocol](ProtoInfo::Other).
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Flow {
    /// The direction of the first packet, before any translation.
    #[nla(CTA_TUPLE_ORIG)]
    pub orig: Tuple,
    /// The direction of the answers, before they are translated back: what the other end sends.
    #[nla(CTA_TUPLE_REPLY)]
    pub reply: Tuple,
    /// The zone, when it is not 0 and applies to both directions.
    #[nla(CTA_ZONE)]
    pub zone: Option<u16>,
    /// What the flow has been through.
    #[nla(CTA_STATUS)]
    pub status: Status,
    /// The mark. Dumps always have it, zero too; events when it is not zero, and when it has changed over netlink.
    #[nla(CTA_MARK, also_before = CTA_TIMESTAMP_EVENT)]
    pub mark: Option<u32>,
    /// The security context. Dumps, and events about it.
    #[nla(CTA_SECCTX)]
    pub sec_ctx: Option<SecCtx>,
    /// What identifies the flow for as long as it lives.
    #[nla(CTA_ID, also_before = CTA_STATUS)]
    pub id: FlowId,
    /// The kernel's reference count. Dumps only.
    #[nla(CTA_USE)]
    pub use_count: Option<u32>,
    /// The flow that announced this one, by its original tuple. Not in `DESTROY` events.
    #[nla(CTA_TUPLE_MASTER)]
    pub master: Option<Tuple>,
    /// What is left of the flow's life. Not for flows in the flow table's fast path, nor in a `DESTROY` event when it
    /// is 0.
    #[nla(CTA_TIMEOUT)]
    pub timeout: Option<Seconds>,
    /// The state of the connection. Not for flows in the flow table's fast path; in a `DESTROY` event only the state.
    #[nla(CTA_PROTOINFO)]
    pub proto_info: Option<ProtoInfo>,
    /// The traffic of the original direction. In dumps and `DESTROY` events, if it was counted.
    #[nla(CTA_COUNTERS_ORIG)]
    pub counters_orig: Option<Counters>,
    /// The traffic of the reply direction.
    #[nla(CTA_COUNTERS_REPLY)]
    pub counters_reply: Option<Counters>,
    /// When it began and ended. In dumps and `DESTROY` events, if times were taken.
    #[nla(CTA_TIMESTAMP)]
    pub timestamp: Option<Timestamp>,
    /// The helper. Not in `DESTROY` events.
    #[nla(CTA_HELP)]
    pub help: Option<Help>,
    /// The labels, when any is set. Not in `DESTROY` events.
    #[nla(CTA_LABELS)]
    pub labels: Option<Labels>,
    /// How the original direction's sequence numbers are shifted, with [`Status::SEQ_ADJUST`].
    #[nla(CTA_SEQ_ADJ_ORIG)]
    pub seq_adj_orig: Option<SeqAdj>,
    /// How the reply direction's sequence numbers are shifted.
    #[nla(CTA_SEQ_ADJ_REPLY)]
    pub seq_adj_reply: Option<SeqAdj>,
    /// What the SYN proxy keeps.
    #[nla(CTA_SYNPROXY)]
    pub synproxy: Option<Synproxy>,
    /// When the event happened. Events only, if times are taken.
    #[nla(CTA_TIMESTAMP_EVENT, since = "6.14")]
    pub timestamp_event: Option<Nanoseconds>,
}

impl Flow {
    /// The least that is reported of a flow: its tuples, the reply without translation, that it is
    /// [`CONFIRMED`](Status::CONFIRMED), and its id. For tests of what works on flows, without a kernel.
    #[must_use]
    pub fn new(orig: Tuple, id: FlowId) -> Self {
        Self {
            orig,
            reply: orig.inverse(),
            zone: None,
            status: Status::CONFIRMED,
            mark: None,
            sec_ctx: None,
            id,
            use_count: None,
            master: None,
            timeout: None,
            proto_info: None,
            counters_orig: None,
            counters_reply: None,
            timestamp: None,
            help: None,
            labels: None,
            seq_adj_orig: None,
            seq_adj_reply: None,
            synproxy: None,
            timestamp_event: None,
        }
    }
}
