//! Merges events into what is known of a flow.
#![doc = include_str!("merge.md")]

use conntrack_spec::{Flow, ProtoInfo};

use crate::events::Origin;

/// A flow that is known from an event alone.
pub(super) fn first(event: Flow) -> Flow {
    Flow { mark: Some(event.mark.unwrap_or(0)), timestamp_event: None, ..event }
}

/// A flow after a `NEW` or `UPDATE` event.
pub(super) fn updated(old: &Flow, event: Flow, origin: Origin) -> Flow {
    let event = first(event);
    // See `is_unclear`.
    let labels = if origin.port == 0 { event.labels.or(old.labels) } else { event.labels };
    Flow {
        use_count: old.use_count,
        master: event.master.or(old.master),
        proto_info: event.proto_info.or_else(|| old.proto_info.clone()),
        counters_orig: old.counters_orig,
        counters_reply: old.counters_reply,
        timestamp: event.timestamp.or(old.timestamp),
        labels,
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

/// Whether a `NEW` or `UPDATE` event leaves open whether the flow still has its labels.
///
/// An event has the labels if they have changed and some are set, so that an event without labels may mean that a rule has
/// cleared them all. An update over netlink (`origin.port` is not 0) always reports the labels that are set
/// (`ctnetlink_new_conntrack`): without labels, it means that there are none, and [`updated`] takes it so.
pub(super) fn is_unclear(old: &Flow, event: &Flow, origin: Origin) -> bool {
    old.labels.is_some() && event.labels.is_none() && origin.port == 0
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

/// A state of a flow that an event told, completed by what only a dump tells: counters, reference count and start time.
/// Both agree in all that [makes a change](differs).
pub(super) fn completed(told: &mut Flow, row: &Flow) {
    told.use_count = row.use_count;
    told.counters_orig = row.counters_orig;
    told.counters_reply = row.counters_reply;
    told.timestamp = row.timestamp.or(told.timestamp);
}

/// Whether two states of a flow differ in what is [told as a change](super::Change::Changed).
pub(super) fn differs(old: &Flow, new: &Flow) -> bool {
    let telling = |flow: &Flow| {
        let tuples = (flow.orig, flow.reply, flow.zone, flow.master);
        let words = (flow.status, flow.mark, flow.help, flow.labels);
        (tuples, words, flow.seq_adj_orig, flow.seq_adj_reply, flow.synproxy)
    };
    telling(old) != telling(new) || old.proto_info != new.proto_info || old.sec_ctx != new.sec_ctx
}
