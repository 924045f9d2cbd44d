//! The changes that a mirror reports.

use conntrack_spec::Flow;

use crate::events::Origin;

/// A change of the mirror.
///
/// The changes of one flow come in order and each once: the flow is inserted, changed any number of times, and removed.
///
/// `origin` is the [`Origin`] of the event that reported the change: its [port](Origin::port) tells the changes that a
/// process has made itself from those of others. It is `None` for a change that no event reported, or that the mirror
/// learnt from a dump or a query first.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// Reports a flow that has entered the mirror.
    ///
    /// A `NEW` event has no counters, no reference count and no start time; the next [check](super) adds them.
    Inserted {
        /// The flow.
        flow: Box<Flow>,
        /// The event that reported it.
        origin: Option<Origin>,
    },
    /// Reports that a flow has changed.
    ///
    /// Only a field that events report makes a change: status, mark, protocol information, helper, labels, security
    /// context, sequence adjustment and SYN proxy. Counters and timeouts change all the time; the mirror updates them when
    /// the kernel reports them, without a change.
    Changed {
        /// The flow before.
        before: Box<Flow>,
        /// The flow now.
        after: Box<Flow>,
        /// The event that reported it.
        origin: Option<Origin>,
    },
    /// Reports that a flow has left the mirror.
    Removed {
        /// The last known state of the flow. With [`Removal::Destroyed`] it includes what the `DESTROY` event reported,
        /// such as final counters and times; with [`Removal::Unmatched`] it is the state that no longer meets the filter.
        flow: Box<Flow>,
        /// How the mirror knows.
        how: Removal,
        /// The event that reported it.
        origin: Option<Origin>,
    },
}

/// How it is known that a flow is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Removal {
    /// The kernel said so when it happened: a `DESTROY` event.
    Destroyed,
    /// It was found to be gone, or another flow to be in its place: its event was lost, or it had none. Where more
    /// than 4096 flows are in doubt after a dump, the dump decides alone, and then this also stands for flows that have
    /// ceased to meet the filter.
    Missed,
    /// It does not meet the mirror's filter any more. It may well go on.
    Unmatched,
}

impl Change {
    /// Returns the flow as it is now, or as it was last.
    #[must_use]
    pub fn flow(&self) -> &Flow {
        match self {
            Self::Inserted { flow, .. } | Self::Changed { after: flow, .. } | Self::Removed { flow, .. } => flow,
        }
    }

    /// Returns the origin of the event that reported the change; `None` if no event did.
    #[must_use]
    pub fn origin(&self) -> Option<Origin> {
        match self {
            Self::Inserted { origin, .. } | Self::Changed { origin, .. } | Self::Removed { origin, .. } => *origin,
        }
    }
}
