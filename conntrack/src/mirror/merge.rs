//! What of a flow survives an event about it.
#![doc = include_str!("merge.md")]

use conntrack_spec::{Flow, ProtoInfo};

/// A flow that is known from an event alone.
pub(super) fn first(event: Flow) -> Flow {
    Flow { mark: Some(event.mark.unwrap_or(0)), timestamp_event: None, ..event }
}

/// A flow after a `NEW` or `UPDATE` event.
pub(super) fn updated(old: &Flow, event: Flow) -> Flow {
    let event = first(event);
    Flow {
        use_count: old.use_count,
        master: event.master.or(old.master),
        proto_info: event.proto_info.or_else(|| old.proto_info.clone()),
        counters_orig: old.counters_orig,
        counters_reply: old.counters_reply,
        timestamp: event.timestamp.or(old.timestamp),
        labels: event.labels.or(old.labels),
        seq_adj_orig: event.seq_adj_orig.or(old.seq_adj_orig),
        seq_adj_reply: event.seq_adj_reply.or(old.seq_adj_reply),
        synproxy: event.synproxy.or(old.synproxy),
        ..event
    }
}

/// Whether both are of one flow, and not of two that were at one place one after the other. The id alone does not tell:
/// it is made of the original tuple and of where in memory the flow is, and the next flow may be in the same memory.
pub(super) fn is_same(old: &Flow, new: &Flow) -> bool {
    fn agree<T: PartialEq + Copy>(old: Option<T>, new: Option<T>) -> bool {
        old.is_none() || new.is_none() || old == new
    }
    let start = |flow: &Flow| flow.timestamp.map(|timestamp| timestamp.start);
    (old.id, old.reply) == (new.id, new.reply) && agree(old.master, new.master) && agree(start(old), start(new))
}

/// Whether the event leaves open what the flow is now: it does not say that labels were cleared.
pub(super) fn is_unclear(old: &Flow, event: &Flow) -> bool {
    old.labels.is_some() && event.labels.is_none()
}

/// A flow after its `DESTROY` event. The time of the event stays in it: nothing comes after.
pub(super) fn destroyed(old: Flow, event: Flow) -> Flow {
    let proto_info = match (old.proto_info, event.proto_info) {
        (Some(ProtoInfo::Tcp(mut info)), Some(ProtoInfo::Tcp(last))) => {
            info.state = last.state.or(info.state);
            Some(ProtoInfo::Tcp(info))
        }
        (Some(ProtoInfo::Sctp(mut info)), Some(ProtoInfo::Sctp(last))) => {
            info.state = last.state.or(info.state);
            Some(ProtoInfo::Sctp(info))
        }
        (old, last) => last.or(old),
    };
    Flow {
        status: event.status,
        mark: Some(event.mark.unwrap_or(0)),
        timeout: event.timeout,
        proto_info,
        counters_orig: event.counters_orig.or(old.counters_orig),
        counters_reply: event.counters_reply.or(old.counters_reply),
        timestamp: event.timestamp.or(old.timestamp),
        timestamp_event: event.timestamp_event,
        ..old
    }
}

/// Whether two states of a flow differ in what is [told as a change](super::Change::Changed).
pub(super) fn differs(old: &Flow, new: &Flow) -> bool {
    let telling = |flow: &Flow| {
        let tuples = (flow.orig, flow.reply, flow.zone, flow.master);
        let words = (flow.status, flow.mark, flow.labels);
        (tuples, words, flow.seq_adj_orig, flow.seq_adj_reply, flow.synproxy)
    };
    telling(old) != telling(new)
        || old.help != new.help
        || old.proto_info != new.proto_info
        || old.sec_ctx != new.sec_ctx
}
