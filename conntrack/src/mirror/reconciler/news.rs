//! What news of one flow does to the table.

use conntrack_spec::Flow;

use super::{BATCH, MOST_QUESTIONS, Reconciler, Suspect};
use crate::events::Origin;
use crate::mirror::table::{Entry, Knowledge, Place};
use crate::mirror::{Change, Removal, merge};

impl Reconciler {
    /// An event about a flow: a part of the dump that is under way may say something older.
    pub(super) fn about(&mut self, event: Flow, take: impl FnOnce(&mut Self, Place, Flow)) {
        let place = Place::of_orig(&event);
        take(self, place, event);
        let is_there = self.table.at(&place).is_some_and(|entry| entry.known.event == self.now.events);
        if is_there {
            self.absent.remove(&place);
        } else if self.dump.is_some() {
            self.absent.insert(place, self.now.events);
        }
    }

    /// A `NEW` or `UPDATE` event.
    pub(super) fn told(&mut self, place: Place, event: Flow, is_new: bool, origin: Origin) {
        let now = self.now;
        match self.table.at_mut(&place) {
            Some(entry) if merge::is_same(&entry.flow, &event) => {
                entry.known.event = now.events;
                let unclear = merge::is_unclear(&entry.flow, &event);
                let flow = merge::updated(&entry.flow, event);
                self.replace(&place, flow, Some(origin));
                if unclear {
                    self.ask(place);
                }
            }
            // Old news, if the flow that is there now was seen after it.
            Some(Entry { known: Knowledge { look: Some((_, seen)), .. }, .. })
                if seen.may_be_behind(now, self.capacity) =>
            {
                self.ask(place);
            }
            other => {
                if other.is_some() {
                    self.remove(&place, Removal::Missed, None);
                }
                if self.filter.matches(&event) {
                    let known = Knowledge { event: now.events, look: None, is_partial: !is_new };
                    self.insert(Entry { flow: merge::first(event), known }, Some(origin));
                    // A dump that is under way or about to be will tell the rest.
                    if !is_new && self.dump.is_none() && !self.pace.is_lost() {
                        self.ask(place);
                    }
                }
            }
        }
    }

    /// A `DESTROY` event.
    pub(super) fn ended(&mut self, place: Place, event: Flow, origin: Origin) {
        // If another one is there, this one's end has been told before.
        if self.table.at(&place).is_some_and(|entry| merge::is_same(&entry.flow, &event))
            && let Some(entry) = self.table.remove(&place)
        {
            let flow = Box::new(merge::destroyed(entry.flow, event));
            self.changes.push_back(Change::Removed { flow, how: Removal::Destroyed, origin: Some(origin) });
        }
    }

    /// A dump or an answer that is newer than all that is known.
    pub(super) fn seen(&mut self, flow: Flow) {
        let place = Place::of_orig(&flow);
        let look = Some((self.looks, self.now));
        match self.table.at_mut(&place) {
            Some(entry) if merge::is_same(&entry.flow, &flow) => {
                entry.known = Knowledge { look, is_partial: false, ..entry.known };
                self.replace(&place, flow, None);
            }
            other => {
                if other.is_some() {
                    self.remove(&place, Removal::Missed, None);
                }
                self.insert(Entry { flow, known: Knowledge { look, ..Knowledge::default() } }, None);
            }
        }
    }

    fn insert(&mut self, entry: Entry, origin: Option<Origin>) {
        self.changes.push_back(Change::Inserted { flow: Box::new(entry.flow.clone()), origin });
        self.table.insert(entry);
    }

    /// Puts a new state of a flow in the place of the old one; of the same flow, so that it is found as before.
    pub(super) fn replace(&mut self, place: &Place, flow: Flow, origin: Option<Origin>) {
        let Some(entry) = self.table.at_mut(place) else { return };
        let before = std::mem::replace(&mut entry.flow, flow);
        if !self.filter.matches(&entry.flow) {
            self.remove(place, Removal::Unmatched, origin);
        } else if merge::differs(&before, &entry.flow) {
            let after = Box::new(entry.flow.clone());
            self.changes.push_back(Change::Changed { before: Box::new(before), after, origin });
        }
    }

    pub(super) fn remove(&mut self, place: &Place, how: Removal, origin: Option<Origin>) {
        if let Some(entry) = self.table.remove(place) {
            self.stats.missed += u64::from(how == Removal::Missed);
            self.changes.push_back(Change::Removed { flow: Box::new(entry.flow), how, origin });
        }
    }

    /// Has the flow at a place be asked for, or all of them if there are too many.
    pub(super) fn ask(&mut self, place: Place) {
        if self.questions.len() >= MOST_QUESTIONS {
            self.questions.clear();
            self.asked.clear();
            self.pace.lost();
        } else if self.asked.insert(place) {
            self.questions.push_back(place);
        }
    }

    /// Takes the flow at a place to be gone, once the queue of events has been empty.
    pub(super) fn suspect(&mut self, place: Place) {
        if let Some(entry) = self.table.at(&place) {
            let suspect = Suspect { place, id: entry.flow.id, look: self.looks, moment: self.now };
            self.suspects.push_back(suspect);
        }
    }

    /// Removes those that were missing when the queue was last empty.
    pub(super) fn settle(&mut self) {
        while self.changes.len() < BATCH
            && let Some(suspect) = self.suspects.front().copied()
            && !suspect.moment.may_be_behind(self.now, self.capacity)
        {
            self.suspects.pop_front();
            match self.table.at(&suspect.place).map(|entry| (entry.flow.id, entry.known)) {
                Some((id, _)) if id != suspect.id => {}
                // It was seen since.
                Some((_, known)) if known.look.is_some_and(|(seen, _)| seen > suspect.look) => {}
                // Something was heard of it since: who knows from when that was.
                Some((_, known)) if known.event > suspect.moment.events => self.ask(suspect.place),
                Some(_) => self.remove(&suspect.place, Removal::Missed, None),
                None => {}
            }
        }
    }
}
