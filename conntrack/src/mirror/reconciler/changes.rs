//! Changes of the table, each with what is told of it.

use conntrack_spec::Flow;

use super::{Place, Reconciler, merge};
use crate::events::Origin;
use crate::mirror::table::Entry;
use crate::mirror::{Change, Removal};

impl Reconciler {
    pub(super) fn insert(&mut self, entry: Entry, origin: Option<Origin>) {
        self.changes.push_back(Change::Inserted { flow: Box::new(entry.flow.clone()), origin });
        self.table.insert(entry);
    }

    /// Replaces the state of a flow with a newer one of the same flow.
    pub(super) fn replace(&mut self, place: &Place, flow: Flow, origin: Option<Origin>) {
        let Some(entry) = self.table.at_mut(place) else { return };
        let before = std::mem::replace(&mut entry.flow, flow);
        if !self.filter.matches(&entry.flow) {
            self.remove_as(place, Removal::Unmatched, origin);
        } else if merge::differs(&before, &entry.flow) {
            let after = Box::new(entry.flow.clone());
            self.changes.push_back(Change::Changed { before: Box::new(before), after, origin });
        }
    }

    /// Removes a flow that is gone: by its `DESTROY` event, if that has been kept because it was in doubt.
    pub(super) fn remove(&mut self, place: &Place, how: Removal) {
        self.remove_as(place, how, None);
    }

    fn remove_as(&mut self, place: &Place, how: Removal, origin: Option<Origin>) {
        let Some(Entry { flow, known }) = self.table.remove(place) else { return };
        let end = known.doubt.and_then(|doubt| doubt.end);
        let (flow, how, origin, earlier) = match (how, end) {
            (Removal::Missed, Some((event, origin))) => {
                (merge::destroyed(flow, event), Removal::Destroyed, Some(origin), None)
            }
            (how, end) => (flow, how, origin, end),
        };
        self.stats.missed += u64::from(how == Removal::Missed);
        self.changes.push_back(Change::Removed { flow: Box::new(flow), how, origin });
        if let Some((event, origin)) = earlier {
            self.on_unknown_end(event, origin);
        }
    }
}
