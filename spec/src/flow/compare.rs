//! Ways in which two reports of flows are the same. `==` is all of it, counters and timers too.

use crate::Flow;

impl Flow {
    /// Whether both have the same id, original tuple and zone. They are then reports of one flow, or of two of which the
    /// second was created right after the first had ended: see [`FlowId`](crate::FlowId).
    #[must_use]
    pub fn is_same_flow(&self, other: &Self) -> bool {
        self.id == other.id && self.orig == other.orig && self.zone == other.zone
    }

    /// Whether both are of the same packets: both tuples and the zone, whichever flow it was.
    #[must_use]
    pub fn has_same_tuples(&self, other: &Self) -> bool {
        self.orig == other.orig && self.reply == other.reply && self.zone == other.zone
    }

    /// Whether both are the same but for what changes by itself: counters, the timeout, the moments and the reference
    /// count.
    #[must_use]
    pub fn has_same_state(&self, other: &Self) -> bool {
        let lasting = |flow: &Self| Self {
            counters_orig: None,
            counters_reply: None,
            timeout: None,
            timestamp: None,
            timestamp_event: None,
            use_count: None,
            ..flow.clone()
        };
        lasting(self) == lasting(other)
    }
}
