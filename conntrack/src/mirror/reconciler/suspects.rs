//! Flows that a look did not find: they are gone, and their end may be in the queue of events.

use conntrack_spec::{Flow, FlowId};

use super::{Moment, Place, Reconciler};
use crate::mirror::Removal;
use crate::mirror::table::Doubt;

/// Removals are made only while fewer changes than this are waiting.
const MOST_CHANGES: usize = 1024;

/// A flow that is probably gone.
#[derive(Clone, Copy, Debug)]
pub(super) struct Suspect {
    pub(super) place: Place,
    pub(super) id: FlowId,
    /// The look that did not find it.
    look: u64,
    /// The events that were taken before the look.
    since: u64,
    /// The moment since which the queue has to be found empty.
    pub(super) moment: Moment,
    /// It is not among the flows whose end the kernel has yet to deliver.
    pub(super) is_delivered: bool,
}

impl Suspect {
    pub(super) fn new(flow: &Flow, look: u64, moment: Moment) -> Self {
        Self { place: Place::of_orig(flow), id: flow.id, look, since: moment.events, moment, is_delivered: false }
    }

    pub(super) fn place(&self) -> Place {
        self.place
    }
}

impl Reconciler {
    /// Removes the flows whose end can not arrive any more.
    pub(super) fn settle(&mut self) {
        while self.changes.len() < MOST_CHANGES
            && let Some(suspect) = self.suspects.front().copied()
        {
            let found = self.table.at(&suspect.place).filter(|entry| entry.flow.id == suspect.id);
            if let Some(entry) = found.filter(|entry| entry.known.seen <= suspect.look) {
                if self.is_waiting(&suspect) {
                    return;
                }
                // An event since then tells that there is a flow, or was.
                let since = suspect.since;
                let is_told = |doubt: &Doubt| doubt.last > since && !doubt.is_end;
                if entry.known.event.events > since || entry.known.doubt.as_deref().is_some_and(is_told) {
                    self.ask(suspect.place);
                } else {
                    self.remove(&suspect.place, Removal::Missed);
                }
            }
            self.suspects.pop_front();
        }
    }

    /// Whether the end of a suspect may still arrive.
    fn is_waiting(&self, suspect: &Suspect) -> bool {
        self.is_undrained(suspect) || (self.dying.is_some() && !suspect.is_delivered)
    }

    /// Whether the end of a suspect may be in the queue of events.
    pub(super) fn is_undrained(&self, suspect: &Suspect) -> bool {
        suspect.moment.may_be_behind(self.now, self.capacity)
    }
}
