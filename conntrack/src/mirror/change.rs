//! The changes that a mirror reports.

use conntrack_spec::{Expect, Flow};

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
    /// Reports the end of a flow that is not in the mirror.
    ///
    /// Only a mirror with [`reliable_destroy`](super::MirrorBuilder::reliable_destroy) reports it, so that every
    /// `DESTROY` event which the kernel delivers is either this or a [`Removal::Destroyed`]. The flow ended before the
    /// mirror learnt of it, because its `NEW` event was lost; or it was removed before as [`Removal::Missed`], when another
    /// flow was found at its place. The flow that has its tuple now, if any, is not affected.
    Ended {
        /// What the `DESTROY` event reported.
        flow: Box<Flow>,
        /// The event that reported it.
        origin: Origin,
    },
    /// Reports an expectation that has entered the mirror, if it [mirrors
    /// expectations](super::MirrorBuilder::expectations).
    ExpectationInserted {
        /// The expectation.
        expectation: Box<Expect>,
        /// The event that reported it.
        origin: Option<Origin>,
    },
    /// Reports that an expectation has left the mirror: its flow came, it expired, or it was deleted.
    ExpectationRemoved {
        /// Its last known state.
        expectation: Box<Expect>,
        /// How the mirror knows.
        how: Removal,
        /// The event that reported it.
        origin: Option<Origin>,
    },
}

/// Tells how the mirror knows that a flow has left it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Removal {
    /// A `DESTROY` event reported the end.
    Destroyed,
    /// The mirror found that the flow is gone, or that another flow is in its place: the `DESTROY` event was lost, or there
    /// was none. If a dump lacks more than 4096 flows, this also stands for flows that no longer meet the filter.
    Missed,
    /// The flow no longer meets the mirror's filter. It may live on.
    Unmatched,
}

impl Change {
    /// Returns the flow as it is now, or as it was last. `None` for a change of an expectation.
    #[must_use]
    pub fn flow(&self) -> Option<&Flow> {
        match self {
            Self::Inserted { flow, .. }
            | Self::Changed { after: flow, .. }
            | Self::Removed { flow, .. }
            | Self::Ended { flow, .. } => Some(flow),
            Self::ExpectationInserted { .. } | Self::ExpectationRemoved { .. } => None,
        }
    }

    /// Returns the expectation. `None` for a change of a flow.
    #[must_use]
    pub fn expectation(&self) -> Option<&Expect> {
        match self {
            Self::ExpectationInserted { expectation, .. } | Self::ExpectationRemoved { expectation, .. } => {
                Some(expectation)
            }
            _ => None,
        }
    }

    /// Returns the origin of the event that reported the change; `None` if no event did.
    #[must_use]
    pub fn origin(&self) -> Option<Origin> {
        match self {
            Self::Inserted { origin, .. }
            | Self::Changed { origin, .. }
            | Self::Removed { origin, .. }
            | Self::ExpectationInserted { origin, .. }
            | Self::ExpectationRemoved { origin, .. } => *origin,
            Self::Ended { origin, .. } => Some(*origin),
        }
    }
}
