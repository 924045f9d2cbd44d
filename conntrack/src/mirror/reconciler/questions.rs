//! The flows to ask the kernel for.

use std::collections::{HashMap, VecDeque};

use conntrack_spec::FlowKey;

use super::{Moment, Place, Reconciler};

/// The most open questions. If there are more, one dump answers all.
const MOST: usize = 4096;
/// The most questions that are asked at once.
const AT_ONCE: usize = 256;

/// The places to ask for, in order, each once.
#[derive(Debug, Default)]
pub(super) struct Questions {
    /// A place that is not in `raised` any more has been answered otherwise.
    queue: VecDeque<Place>,
    /// The number of the last event that raised the question.
    raised: HashMap<Place, u64>,
    /// When the first of the open questions was raised.
    since: Moment,
}

impl Questions {
    pub(super) fn is_empty(&self) -> bool {
        self.raised.is_empty()
    }

    /// Whether so many more questions fit.
    pub(super) fn have_room_for(&self, more: usize) -> bool {
        self.raised.len().saturating_add(more) <= MOST
    }

    /// The next questions. They stay questions until they are answered.
    pub(super) fn next(&mut self) -> Vec<FlowKey> {
        while self.queue.front().is_some_and(|place| !self.raised.contains_key(place)) {
            self.queue.pop_front();
        }
        self.queue.iter().filter(|place| self.raised.contains_key(*place)).take(AT_ONCE).map(Place::key).collect()
    }

    /// Takes a question back.
    pub(super) fn remove(&mut self, place: &Place) {
        self.raised.remove(place);
        if self.raised.is_empty() {
            self.queue.clear();
        }
    }

    /// Takes a question back that a look has answered which is newer than the event that raised it.
    pub(super) fn answered_by_look(&mut self, place: &Place, look: Moment) {
        if self.raised.get(place).is_some_and(|event| *event <= look.events) {
            self.remove(place);
        }
    }

    fn raise(&mut self, place: Place, now: Moment) {
        if self.raised.is_empty() {
            self.since = now;
        }
        if self.raised.insert(place, now.events).is_none() {
            self.queue.push_back(place);
        }
    }

    fn clear(&mut self) {
        self.queue.clear();
        self.raised.clear();
    }
}

impl Reconciler {
    /// Makes a question for the flow at a place due; or a dump, if there are too many questions.
    pub(super) fn ask(&mut self, place: Place) {
        if self.questions.have_room_for(1) {
            self.questions.raise(place, self.now);
        } else {
            self.questions.clear();
            self.pace.lost();
        }
    }

    /// Whether there are questions, and the events that led to the first have been followed by all that were waiting with
    /// them.
    pub(super) fn may_ask(&self) -> bool {
        let all_taken = self.is_drained || !self.questions.since.may_be_behind(self.now, self.capacity);
        !self.questions.is_empty() && all_taken
    }

    /// Takes back a question that cannot be answered now. What it was about is open until the next dump.
    pub(in crate::mirror) fn forget(&mut self, key: &FlowKey) {
        self.questions.remove(&Place::from(key));
    }
}
