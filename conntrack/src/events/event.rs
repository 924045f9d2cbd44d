//! What happened.

use conntrack_spec::header::NlMsgHdr;
use conntrack_spec::{Expect, Flow, Nanoseconds};

use super::Groups;

/// Something that happened to a flow or an expectation, or to the listener.
///
/// Flows are decoded into `T`. What a [`Flow`] holds depends on the event; each of its fields says so.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<T = Flow> {
    /// A flow was created.
    New(T, Origin),
    /// A flow has changed.
    Update(T, Origin),
    /// A flow is gone.
    Destroy(T, Origin),
    /// A flow is expected.
    ExpectNew(Expect, Origin),
    /// A flow is no longer expected: it came, or too much time has passed, or the expectation was deleted.
    ExpectDestroy(Expect, Origin),
    /// Events are missing: the receive buffer was full.
    ///
    /// They are missing here, or in rare cases that [`Inbox`](crate::events::Inbox) tells of, a few events away. All of
    /// them have happened by now. So whoever keeps a state compares it with a dump now, as [`Mirror`](crate::Mirror)
    /// does.
    Overrun {
        /// How many messages are missing, of those that the filter lets through. 0 if the kernel ran out of memory before
        /// it could even make one.
        lost: u32,
    },
    /// A message that is none of these: another subsystem's, or one that a newer kernel brought.
    Unknown(UnknownMessage, Origin),
}

/// Where an event comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct Origin {
    /// The netlink port id of whoever caused it by a request, which for a process's first netlink socket is its
    /// process id; 0 for packets, timeouts, and whatever else the kernel does by itself.
    pub port: u32,
    /// The group that it was sent to.
    pub group: Groups,
    /// The id, in the listener's namespace, of the namespace it happened in. `None` for the listener's own, and for a
    /// listener to only that one.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub nsid: Option<u32>,
}

/// A message that is not decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownMessage {
    /// `struct nlmsghdr`. The high byte of `kind` is the subsystem.
    pub header: NlMsgHdr,
    /// What follows it.
    pub body: Vec<u8>,
}

impl<T> Event<T> {
    /// Where it comes from. `None` for an overrun.
    #[must_use]
    pub fn origin(&self) -> Option<&Origin> {
        match self {
            Self::New(_, origin)
            | Self::Update(_, origin)
            | Self::Destroy(_, origin)
            | Self::ExpectNew(_, origin)
            | Self::ExpectDestroy(_, origin)
            | Self::Unknown(_, origin) => Some(origin),
            Self::Overrun { .. } => None,
        }
    }

    /// The flow that it is about.
    #[must_use]
    pub fn flow(&self) -> Option<&T> {
        match self {
            Self::New(flow, _) | Self::Update(flow, _) | Self::Destroy(flow, _) => Some(flow),
            _ => None,
        }
    }
}

impl Event<Flow> {
    /// When it happened, if the kernel takes times (`nf_conntrack_timestamp`, Linux 6.14). A projection that wants it
    /// declares `CTA_TIMESTAMP_EVENT`.
    #[must_use]
    pub fn timestamp(&self) -> Option<Nanoseconds> {
        self.flow().and_then(|flow| flow.timestamp_event)
    }
}
