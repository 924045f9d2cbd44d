//! What dumps and answers change.

use std::collections::{HashMap, HashSet};
use std::time::Instant;

use conntrack_spec::{Flow, FlowKey, Status};

use super::suspects::Suspect;
use super::{Moment, Place, Reconciler, merge};
use crate::mirror::Removal;
use crate::mirror::table::{Entry, Knowledge};

/// A flow that a dump finds at another flow's place is asked for, but only while there is room for so many more questions.
/// Otherwise it replaces the other one at once.
const REPLACED: usize = 2048;

/// A dump that is under way.
#[derive(Debug)]
pub(super) struct Dump {
    /// Its number among the looks.
    number: u64,
    start: Moment,
    /// The last receive.
    receive: Moment,
    /// The receive before that: the kernel made the part then that came with the last one.
    before: Moment,
    /// Some of it could not be decoded.
    is_incomplete: bool,
    /// Places without a flow in the mirror since this event, which a part of the dump may be older than.
    absent: HashMap<Place, Moment>,
    /// Places of flows that an event told and the mirror does not have. Those that the dump does not bring are asked for.
    pub(super) unknown: HashSet<Place>,
}

impl Dump {
    /// Notes an event about a place, after which there is a flow in the mirror or none.
    pub(super) fn note_event(&mut self, place: Place, event: Moment, is_there: bool) {
        if is_there {
            self.absent.remove(&place);
        } else {
            self.absent.insert(place, event);
        }
    }
}

/// A look at the kernel's table.
#[derive(Clone, Copy, Debug)]
struct Look {
    number: u64,
    moment: Moment,
    is_answer: bool,
}

impl Reconciler {
    /// Notes that a dump is being started and its first part received, after the last event that was taken.
    pub fn on_dump_start(&mut self, now: Instant) {
        self.pace.started(now);
        if let Some(expectations) = &mut self.expectations {
            expectations.compare();
        }
        self.looks += 1;
        self.dump = Some(Dump {
            number: self.looks,
            start: self.now,
            receive: self.now,
            before: self.now,
            is_incomplete: false,
            absent: HashMap::new(),
            unknown: HashSet::new(),
        });
    }

    /// Notes that the next part of the dump is being received, after the last event that was taken.
    pub fn on_dump_receive(&mut self) {
        if let Some(dump) = &mut self.dump {
            (dump.before, dump.receive) = (dump.receive, self.now);
            let before = dump.before;
            dump.absent.retain(|_, event| event.events > before.events);
        }
    }

    /// Takes a flow of the part that was received last.
    pub fn on_dump_row(&mut self, flow: Flow) {
        let Some(dump) = &self.dump else { return };
        let look = Look { number: dump.number, moment: dump.before, is_answer: false };
        // A flow that is dying counts as missing: it is asked for after the dump, if it has not ended by then.
        if self.filter.matches(&flow) && !flow.status.contains(Status::DYING) {
            self.on_look(flow, look);
        }
    }

    /// Takes a flow of the dump that could not be decoded. It may be any of those that the dump lacks.
    pub fn on_undecodable_dump_row(&mut self) {
        self.stats.undecodable += 1;
        if let Some(dump) = &mut self.dump {
            dump.is_incomplete = true;
        }
    }

    /// Notes that the dump has ended. If it is not `complete`, nothing follows from what it lacks.
    pub fn on_dump_end(&mut self, now: Instant, complete: bool) {
        let Some(dump) = self.dump.take() else { return };
        self.pace.ended(now);
        self.stats.dumps += 1;
        if !complete {
            self.stats.failed_dumps += 1;
            self.pace.lost();
            return;
        }
        self.is_incomplete = dump.is_incomplete;
        let mut unclear: Vec<Place> = dump.unknown.into_iter().filter(|place| self.table.at(place).is_none()).collect();
        let mut gone = Vec::new();
        for Entry { flow, known } in self.table.iter() {
            let is_missing = known.seen < dump.number && known.born <= dump.start.events;
            // An event since the dump began tells that the flow was there, and not all of what it is.
            if known.doubt.is_some() || (is_missing && known.event.events > dump.start.events) {
                unclear.push(Place::of_orig(flow));
            } else if is_missing {
                gone.push(Suspect::new(flow, dump.number, self.now));
            }
        }
        // The dump may lack a flow that does not meet the filter any more, or that was passed over because the table was
        // resized. If there are too many to ask for, they are taken to be gone.
        if self.questions.have_room_for(gone.len().saturating_add(unclear.len())) {
            unclear.extend(gone.iter().map(Suspect::place));
        } else if !dump.is_incomplete {
            self.suspects.extend(gone);
        }
        for place in unclear {
            self.ask(place);
        }
    }

    /// Takes the answer to a question for the flow at `key`: the flow, or that there is none.
    pub fn on_answer(&mut self, key: &FlowKey, flow: Option<Flow>) {
        let place = self.close(key);
        let look = Look { number: self.looks, moment: self.now, is_answer: true };
        // The kernel also finds a flow by its other direction: that is not the one that was asked for.
        let flow = flow.filter(|flow| Place::of_orig(flow) == place);
        let known = self.table.at(&place).map(|entry| &entry.flow);
        match (flow, known) {
            (Some(flow), known) if flow.status.contains(Status::DYING) => {
                if known.is_some() {
                    self.ask(place);
                }
            }
            (Some(flow), _) if self.filter.matches(&flow) => self.on_look(flow, look),
            (Some(flow), Some(known)) => {
                if merge::is_same(known, &flow) {
                    self.replace(&place, flow, None);
                } else {
                    self.remove(&place, Removal::Missed);
                }
                self.note_vacated(place);
            }
            (None, Some(known)) => self.suspects.push_back(Suspect::new(known, look.number, look.moment)),
            (_, None) => {}
        }
    }

    /// Takes the answer to a question, which could not be decoded. What was known of the flow stays.
    pub fn on_undecodable_answer(&mut self, key: &FlowKey) {
        self.close(key);
        self.stats.undecodable += 1;
        self.is_incomplete = true;
    }

    /// Closes a question that has been answered.
    fn close(&mut self, key: &FlowKey) -> Place {
        self.stats.questions += 1;
        self.looks += 1;
        let place = Place::from(key);
        self.questions.remove(&place);
        place
    }

    /// A flow that a look has found.
    fn on_look(&mut self, flow: Flow, look: Look) {
        let place = Place::of_orig(&flow);
        let Some(entry) = self.table.at_mut(&place) else { return self.on_look_unknown(place, flow, look) };
        let is_same = merge::is_same(&entry.flow, &flow);
        if is_same {
            entry.known.seen = look.number;
        }
        let event = entry.known.event;
        if event.events > look.moment.events {
            // Unless the event is certain to be newer.
            if look.moment.may_be_behind(event, self.capacity) {
                if is_same && !merge::differs(&entry.flow, &flow) {
                    merge::completed(&mut entry.flow, &flow);
                } else {
                    self.ask(place);
                }
            }
        } else if is_same {
            self.apply_look(&place, flow, look);
        } else if !look.is_answer && self.questions.have_room_for(REPLACED) {
            // The events that tell how it came about may be in the queue.
            self.ask(place);
        } else {
            self.remove(&place, Removal::Missed);
            self.insert_seen(flow, look);
        }
    }

    /// A state of a flow that is newer than all that is known of it.
    fn apply_look(&mut self, place: &Place, flow: Flow, look: Look) {
        let Some(entry) = self.table.at_mut(place) else { return };
        entry.known.look = Some(look.moment);
        let resolved = entry.known.doubt.take_if(|doubt| doubt.last <= look.moment.events);
        let is_in_doubt = entry.known.doubt.is_some();
        self.replace(place, flow, None);
        self.questions.answered_by_look(place, look.moment);
        if is_in_doubt {
            self.ask(*place);
        }
        // The flow is there: this was the end of one before it.
        if let Some((event, origin)) = resolved.and_then(|doubt| doubt.end) {
            self.on_unknown_end(event, origin);
        }
    }

    /// A flow that a look has found and the mirror does not have.
    fn on_look_unknown(&mut self, place: Place, flow: Flow, look: Look) {
        let event = self.dump.as_ref().and_then(|dump| dump.absent.get(&place)).copied();
        match event.filter(|event| event.events > look.moment.events) {
            Some(event) if look.moment.may_be_behind(event, self.capacity) => self.ask(place),
            Some(_) => {}
            None => {
                self.insert_seen(flow, look);
                self.questions.answered_by_look(&place, look.moment);
            }
        }
    }

    fn insert_seen(&mut self, flow: Flow, look: Look) {
        let known = Knowledge { look: Some(look.moment), seen: look.number, ..Knowledge::default() };
        self.insert(Entry { flow, known }, None);
    }

    /// Notes that an answer has taken the flow at a place out of the mirror: an event that tells of one may be older.
    fn note_vacated(&mut self, place: Place) {
        let (now, capacity) = (self.now, self.capacity);
        self.vacated.retain(|_, look| look.may_be_behind(now, capacity));
        self.vacated.insert(place, now);
    }
}
