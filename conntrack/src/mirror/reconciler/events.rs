//! What events change.

use conntrack_spec::{Flow, Status};

use super::{Place, Reconciler, merge};
use crate::events::{Event, Origin};
use crate::mirror::table::{Entry, Knowledge};
use crate::mirror::{Change, Removal};

impl Reconciler {
    /// Takes an event.
    pub fn on_event(&mut self, event: Event) {
        self.is_drained = false;
        match event {
            // The loser of a race between two packets for one place. It lives a second and is in no dump.
            Event::New(flow, _) | Event::Update(flow, _) if flow.status.contains(Status::UNTRACKED) => {}
            Event::New(flow, origin) => self.on_flow_event(flow, origin, Self::on_new),
            Event::Update(flow, origin) => self.on_flow_event(flow, origin, Self::on_update),
            Event::Destroy(flow, origin) => self.on_flow_event(flow, origin, Self::on_destroy),
            Event::ExpectNew(expect, origin) => self.on_expect_new(&expect, origin),
            Event::ExpectDestroy(expect, origin) => self.on_expect_destroy(&expect, origin),
            Event::Overrun { lost } => {
                self.stats.overruns += 1;
                self.stats.lost += u64::from(lost);
                self.on_loss();
                self.ends_may_be_late();
            }
            _ => {}
        }
    }

    /// Takes an event that could not be decoded: it may have been about any flow.
    pub fn on_undecodable_event(&mut self) {
        self.is_drained = false;
        self.now.events += 1;
        self.stats.undecodable += 1;
        self.on_loss();
    }

    /// Some event is missing, about any flow or expectation.
    fn on_loss(&mut self) {
        self.pace.lost();
        if let Some(expectations) = &mut self.expectations {
            expectations.on_loss();
        }
    }

    /// Notes that the queue of events is empty: all that has happened before has been told, or an overrun will be.
    pub fn on_drained(&mut self) {
        self.now.drains += 1;
        self.is_drained = true;
        self.vacated.clear();
        self.ends_are_in_time();
    }

    fn on_flow_event(&mut self, event: Flow, origin: Origin, take: impl FnOnce(&mut Self, Place, Flow, Origin)) {
        self.now.events += 1;
        let place = Place::of_orig(&event);
        take(self, place, event, origin);
        if let Some(dump) = &mut self.dump {
            dump.note_event(place, self.now, self.table.at(&place).is_some());
        }
    }

    fn on_new(&mut self, place: Place, event: Flow, origin: Origin) {
        match self.table.at_mut(&place) {
            Some(entry) if entry.known.is_uncertain(self.now, self.capacity) => self.on_uncertain(place, event, origin),
            Some(entry) if merge::is_same(&entry.flow, &event) => self.apply(&place, event, origin),
            Some(_) => {
                self.remove(&place, Removal::Missed);
                self.on_unknown_new(place, event, origin);
            }
            None => self.on_unknown_new(place, event, origin),
        }
    }

    fn on_update(&mut self, place: Place, event: Flow, origin: Origin) {
        match self.table.at_mut(&place) {
            Some(entry) if entry.known.is_uncertain(self.now, self.capacity) => self.on_uncertain(place, event, origin),
            Some(entry) if merge::is_same(&entry.flow, &event) => self.apply(&place, event, origin),
            Some(_) => self.ask(place),
            // An update does not report all of a flow.
            None if self.filter.matches_event(&event) == Some(false) => {}
            None => self.ask_for_unknown(place),
        }
    }

    fn on_destroy(&mut self, place: Place, event: Flow, origin: Origin) {
        let (now, capacity, may_be_late) = (self.now, self.capacity, self.may_ends_be_late());
        let Some(entry) = self.table.at_mut(&place).filter(|entry| merge::is_same(&entry.flow, &event)) else {
            return self.on_unknown_end(event, origin);
        };
        if may_be_late || entry.known.is_uncertain(now, capacity) {
            let earlier = entry.known.doubt_end(now, event, origin);
            self.ask(place);
            if let Some((event, origin)) = earlier {
                self.on_unknown_end(event, origin);
            }
        } else if let Some(entry) = self.table.remove(&place) {
            let flow = Box::new(merge::destroyed(entry.flow, event));
            self.changes.push_back(Change::Removed { flow, how: Removal::Destroyed, origin: Some(origin) });
        }
    }

    /// A `NEW` or `UPDATE` event that is newer than all that is known of the flow.
    fn apply(&mut self, place: &Place, event: Flow, origin: Origin) {
        let Some(entry) = self.table.at_mut(place) else { return };
        entry.known.event = self.now;
        let is_unclear = merge::is_unclear(&entry.flow, &event, origin);
        let flow = merge::updated(&entry.flow, event, origin);
        self.replace(place, flow, Some(origin));
        if is_unclear {
            self.ask(*place);
        }
    }

    /// A `NEW` or `UPDATE` event that may be older than what is known of the flow.
    fn on_uncertain(&mut self, place: Place, event: Flow, origin: Origin) {
        let now = self.now;
        let Some(entry) = self.table.at_mut(&place) else { return };
        let is_same = merge::is_same(&entry.flow, &event);
        let is_unclear = merge::is_unclear(&entry.flow, &event, origin);
        let agrees = is_same && !merge::differs(&entry.flow, &merge::updated(&entry.flow, event, origin));
        if entry.known.doubt.is_some() || !agrees {
            entry.known.doubt_state(now);
            self.ask(place);
        } else if is_unclear {
            self.ask(place);
        }
    }

    /// A `NEW` event of a flow that the mirror does not have.
    fn on_unknown_new(&mut self, place: Place, event: Flow, origin: Origin) {
        let may_be_old = self.vacated.get(&place).is_some_and(|look| look.may_be_behind(self.now, self.capacity));
        match self.filter.matches_event(&event) {
            Some(false) => {}
            Some(true) if !may_be_old => {
                let known = Knowledge { born: self.now.events, event: self.now, ..Knowledge::default() };
                self.insert(Entry { flow: merge::first(event), known }, Some(origin));
            }
            _ => self.ask_for_unknown(place),
        }
    }

    /// Has a flow be asked for that the mirror does not have, unless a dump will report it.
    fn ask_for_unknown(&mut self, place: Place) {
        match &mut self.dump {
            Some(dump) => dump.unknown.extend([place]),
            None if self.pace.is_lost() => {}
            None => self.ask(place),
        }
    }

    /// A `DESTROY` event of a flow that the mirror does not have, or not any more.
    pub(super) fn on_unknown_end(&mut self, event: Flow, origin: Origin) {
        if self.dying.is_some() && self.filter.matches_event(&event) == Some(true) {
            self.changes.push_back(Change::Ended { flow: Box::new(event), origin });
        }
    }
}
