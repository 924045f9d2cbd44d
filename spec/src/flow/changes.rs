//! `enum ctattr_type`, as a request changes a flow.

use conntrack_derive::{Decode, Encode};

use crate::{FlowKey, Help, LabelChange, Labels, Mark, ProtoInfo, Seconds, SeqAdj, Status, Synproxy};

/// What to change of a flow. What the kernel cannot change, such as its translation or its master, is not here.
///
/// The kernel applies the changes in this order and stops at the first that it refuses: the earlier ones stay, and no
/// event tells of them (`ctnetlink_change_conntrack`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Changes {
    /// The empty name removes the helper, its expectations with it, and none can be set again (`EBUSY`). A helper
    /// cannot be given to a flow that has none (`EOPNOTSUPP`), nor exchanged (`EBUSY`).
    #[nla(CTA_HELP)]
    pub help: Option<Help>,
    /// What is left of the flow's life. `EPERM` for flows with [`Status::FIXED_TIMEOUT`]. The next packet sets it anew.
    #[nla(CTA_TIMEOUT)]
    pub timeout: Option<Seconds>,
    /// The status. Bits can only be added: the flow's own `EXPECTED`, `CONFIRMED`, `DYING`, `SEEN_REPLY` and `ASSURED`
    /// must be among them, else `EBUSY`. So read the status, and add to it.
    #[nla(CTA_STATUS)]
    pub status: Option<Status>,
    /// The state of the connection. One for another protocol than the flow's is ignored.
    #[nla(CTA_PROTOINFO)]
    pub proto_info: Option<ProtoInfo>,
    /// The mark: `new = (old & ~mask) ^ value`.
    #[nla(flatten)]
    pub mark: Option<Mark>,
    /// How the original direction's sequence numbers are shifted; ignored for flows without the extension, which
    /// traffic seldom creates.
    #[nla(CTA_SEQ_ADJ_ORIG)]
    pub seq_adj_orig: Option<SeqAdj>,
    /// How the reply direction's sequence numbers are shifted.
    #[nla(CTA_SEQ_ADJ_REPLY)]
    pub seq_adj_reply: Option<SeqAdj>,
    /// What the SYN proxy keeps; ignored for flows without the extension.
    #[nla(CTA_SYNPROXY)]
    pub synproxy: Option<Synproxy>,
    /// The labels. `ENOSPC` for a flow that was created while no rule of its namespace used labels.
    #[nla(flatten)]
    pub labels: Option<LabelChange>,
}

impl Changes {
    /// No change.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether nothing is to be changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Removes the helper, for good.
    #[must_use]
    pub fn remove_helper(mut self) -> Self {
        self.help = Some(Help::default());
        self
    }

    /// Sets what is left of the flow's life.
    #[must_use]
    pub fn timeout(mut self, timeout: impl Into<Seconds>) -> Self {
        self.timeout = Some(timeout.into());
        self
    }

    /// Sets the status: the flow's own, with the bits that are to be added.
    #[must_use]
    pub fn status(mut self, status: Status) -> Self {
        self.status = Some(status);
        self
    }

    /// Sets the state of the connection.
    #[must_use]
    pub fn proto_info(mut self, proto_info: ProtoInfo) -> Self {
        self.proto_info = Some(proto_info);
        self
    }

    /// Sets the mark.
    #[must_use]
    pub fn mark(mut self, mark: u32) -> Self {
        self.mark = Some(Mark { value: mark, mask: None });
        self
    }

    /// Sets those bits of the mark that are in `mask` to those of `value`, and leaves the others alone.
    ///
    /// For the kernel's own formula, which flips bits of the value outside the mask, set [`Changes::mark`](Self#structfield.mark).
    #[must_use]
    pub fn mark_bits(mut self, value: u32, mask: u32) -> Self {
        self.mark = Some(Mark { value: value & mask, mask: Some(mask) });
        self
    }

    /// Sets how sequence numbers are shifted, in the original and the reply direction.
    #[must_use]
    pub fn seq_adj(mut self, orig: SeqAdj, reply: SeqAdj) -> Self {
        self.seq_adj_orig = Some(orig);
        self.seq_adj_reply = Some(reply);
        self
    }

    /// Sets what the SYN proxy keeps.
    #[must_use]
    pub fn synproxy(mut self, synproxy: Synproxy) -> Self {
        self.synproxy = Some(synproxy);
        self
    }

    /// Sets all labels.
    #[must_use]
    pub fn labels(mut self, labels: Labels) -> Self {
        self.labels = Some(LabelChange { value: labels, mask: None });
        self
    }

    /// Sets those labels that are in `mask` to those of `labels`, and leaves the others alone.
    #[must_use]
    pub fn labels_masked(mut self, labels: Labels, mask: Labels) -> Self {
        let mut value = labels;
        for (byte, mask) in value.0.iter_mut().zip(mask.0) {
            *byte &= mask;
        }
        self.labels = Some(LabelChange { value, mask: Some(mask) });
        self
    }
}

/// The whole of a request that changes a flow: which, and what.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct FlowUpdate {
    /// Which flow. Its id is not looked at.
    #[nla(flatten)]
    pub key: FlowKey,
    /// What to change.
    #[nla(flatten)]
    pub changes: Changes,
}
