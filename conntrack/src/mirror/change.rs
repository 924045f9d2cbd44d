//! What a mirror tells.

use conntrack_spec::Flow;

/// A change of the mirror.
///
/// For each flow they come in order, each once: it is inserted, changed any number of times, and removed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// A flow has come in.
    ///
    /// If it is known from an event, it has what a creation tells: no counters, no reference count, no time of its
    /// beginning. The next [check](super) adds those.
    Inserted(Box<Flow>),
    /// A flow is not what it was.
    ///
    /// Only what events tell counts: its status, mark, protocol information, helper, labels, security context, and what
    /// it owes to other parts of the kernel. Counters and timeouts change all the time; they are kept up to date as
    /// far as the kernel tells them, and are no change.
    Changed {
        /// What it was.
        before: Box<Flow>,
        /// What it is.
        after: Box<Flow>,
    },
    /// A flow is gone.
    Removed {
        /// What is known of it: all that was known before, and with [`Removal::Destroyed`] what its end told, such as
        /// the final counters and times; with [`Removal::Unmatched`] what it has become.
        flow: Box<Flow>,
        /// How that is known.
        how: Removal,
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
    /// The flow, as it is now, or was last.
    #[must_use]
    pub fn flow(&self) -> &Flow {
        match self {
            Self::Inserted(flow) | Self::Changed { after: flow, .. } | Self::Removed { flow, .. } => flow,
        }
    }
}
