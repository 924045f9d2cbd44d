//! Points in the stream of events.

/// A point in the stream of events. Each dump part, answer and event has one.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Moment {
    /// The number of events taken so far.
    pub(super) events: u64,
    /// How often the queue has been found empty so far.
    pub(super) drains: u64,
}

impl Moment {
    /// Returns whether an event taken at `now` may be older than a look at the kernel's table at this moment.
    ///
    /// An event that happened before the look was in the queue at the time of the look. Once the queue has been found
    /// empty, or more events have been taken than it can hold (`capacity`), all of those have been taken.
    pub(super) fn may_be_behind(self, now: Self, capacity: u64) -> bool {
        self.drains == now.drains && now.events.saturating_sub(self.events) <= capacity
    }
}
