//! The expectations of a mirror.

use std::collections::{HashMap, HashSet};

use conntrack_spec::{Expect, ExpectId, Seconds, Tuple};

use super::{Moment, Reconciler};
use crate::events::Origin;
use crate::mirror::{Change, Removal};

/// What tells expectations apart.
type Key = (ExpectId, Tuple, Tuple, Tuple);

fn key(expect: &Expect) -> Key {
    (expect.id, expect.tuple, expect.mask, expect.master)
}

/// The expectations of a mirror.
///
/// There are few, so that a dump of all is one look. What the look has found waits until the queue of events has been empty:
/// by then, every event that is older has been taken. Where an event has come since the look, the event decides, because it
/// reports all of an expectation; everywhere else the look does.
#[derive(Debug, Default)]
pub(super) struct Expectations {
    table: HashMap<Key, Expect>,
    /// The last look, until it is applied.
    look: Option<Look>,
    is_due: bool,
    is_filled: bool,
    /// Some of the last look could not be decoded.
    is_incomplete: bool,
}

#[derive(Debug)]
struct Look {
    moment: Moment,
    found: Vec<Expect>,
    is_complete: bool,
    /// Expectations that an event told of since.
    told: HashSet<Key>,
}

impl Expectations {
    /// Whether a dump is due.
    pub(super) fn is_due(&self) -> bool {
        self.is_due
    }

    /// Notes that the mirror is compared with the kernel.
    pub(super) fn compare(&mut self) {
        self.is_due = true;
    }

    /// Notes that an event is missing: what the last look has found may be older than what was told since. The dump that
    /// repairs the loss brings another look.
    pub(super) fn on_loss(&mut self) {
        self.look = None;
    }

    pub(super) fn is_waiting(&self) -> bool {
        self.is_due || self.look.is_some()
    }

    pub(super) fn is_synchronised(&self) -> bool {
        !self.is_waiting() && !self.is_incomplete
    }

    /// Puts an expectation in; returns whether it was not there, or the one that it replaces.
    fn insert(&mut self, expect: &Expect) -> (bool, Option<Expect>) {
        let old = self.table.insert(key(expect), *expect);
        let ageless = |expect: &Expect| Expect { timeout: Seconds(0), ..*expect };
        let is_same = old.as_ref().is_some_and(|old| ageless(old) == ageless(expect));
        (!is_same, old.filter(|_| !is_same))
    }
}

impl Reconciler {
    /// Mirrors the expectations, too. They are not filtered.
    #[must_use]
    pub fn expectations(mut self, on: bool) -> Self {
        self.expectations = on.then(Expectations::default);
        self
    }

    /// Returns all expectations, in no order: none, unless they are mirrored.
    pub fn iter_expectations(&self) -> impl Iterator<Item = &Expect> {
        self.expectations.iter().flat_map(|expectations| expectations.table.values())
    }

    /// Takes the expectations of a dump, all of which was received after the last event that was taken. If it is not
    /// `complete`, because some could not be decoded, nothing follows from what it lacks.
    pub fn on_expectations(&mut self, found: Vec<Expect>, is_complete: bool) {
        if let Some(expectations) = &mut self.expectations {
            expectations.is_due = false;
            expectations.look = Some(Look { moment: self.now, found, is_complete, told: HashSet::new() });
        }
    }

    /// Notes that the dump of expectations has failed.
    pub fn on_expectations_failed(&mut self) {
        if let Some(expectations) = &mut self.expectations {
            expectations.is_due = false;
            self.pace.lost();
        }
    }

    /// Whether all expectations have been read once.
    pub(in crate::mirror) fn has_expectations(&self) -> bool {
        self.expectations.as_ref().is_none_or(|expectations| expectations.is_filled)
    }

    pub(super) fn on_expect_new(&mut self, expect: &Expect, origin: Origin) {
        self.now.events += 1;
        if let Some(expectations) = &mut self.expectations {
            if let Some(look) = &mut expectations.look {
                look.told.insert(key(expect));
            }
            let (is_new, old) = expectations.insert(expect);
            if let Some(old) = old {
                self.tell_removed(&old, Removal::Missed, None);
            }
            if is_new {
                self.tell_inserted(expect, Some(origin));
            }
        }
    }

    pub(super) fn on_expect_destroy(&mut self, expect: &Expect, origin: Origin) {
        self.now.events += 1;
        if let Some(expectations) = &mut self.expectations {
            if let Some(look) = &mut expectations.look {
                look.told.insert(key(expect));
            }
            if expectations.table.remove(&key(expect)).is_some() {
                self.tell_removed(expect, Removal::Destroyed, Some(origin));
            }
        }
    }

    /// Applies the last look, once the events that may be older have been taken.
    pub(super) fn settle_expectations(&mut self) {
        let Some(expectations) = &mut self.expectations else { return };
        let is_ready = |look: &mut Look| !look.moment.may_be_behind(self.now, self.capacity);
        let Some(look) = expectations.look.take_if(is_ready) else { return };
        (expectations.is_filled, expectations.is_incomplete) = (true, !look.is_complete);
        let found: HashSet<Key> = look.found.iter().map(key).collect();
        let is_gone = |key: &Key, _: &mut Expect| look.is_complete && !found.contains(key) && !look.told.contains(key);
        let mut removed: Vec<Expect> = expectations.table.extract_if(is_gone).map(|(_, expect)| expect).collect();
        let mut inserted = Vec::new();
        for expect in look.found.iter().filter(|expect| !look.told.contains(&key(expect))) {
            let (is_new, old) = expectations.insert(expect);
            removed.extend(old);
            inserted.extend(is_new.then_some(*expect));
        }
        for expect in &removed {
            self.tell_removed(expect, Removal::Missed, None);
        }
        for expect in &inserted {
            self.tell_inserted(expect, None);
        }
    }

    fn tell_inserted(&mut self, expect: &Expect, origin: Option<Origin>) {
        self.changes.push_back(Change::ExpectationInserted { expectation: Box::new(*expect), origin });
    }

    fn tell_removed(&mut self, expect: &Expect, how: Removal, origin: Option<Origin>) {
        self.changes.push_back(Change::ExpectationRemoved { expectation: Box::new(*expect), how, origin });
    }
}
