//! The mirror without its sockets: decides what events, dumps and answers change.

mod changes;
mod dying;
mod events;
mod expectations;
mod looks;
mod questions;
mod suspects;

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use conntrack_spec::{Flow, FlowId, FlowKey};

use super::merge;
use super::moment::Moment;
use super::pace::Pace;
use super::table::{Place, Table};
use super::{Change, MirrorStats};
use crate::filter::Filter;
use dying::Dying;
use expectations::Expectations;
use looks::Dump;
use questions::Questions;
use suspects::Suspect;

/// Reconciles events, dumps and answers: a mirror without sockets.
///
/// It is told what arrives, and [says](Self::advance) what it needs next and [what has changed](Self::next_change).
/// [`Mirror`](super::Mirror) drives one. A driver takes the events that are there between any two receives of a dump, and
/// takes no event between a question and its answer.
///
/// # Changes never go back in time
///
/// Events and dumps arrive on different sockets, and nothing in them says which is older. A *look* is a part of a dump or
/// an answer to a question: it reports a flow as it is at that moment. These rules decide what may be applied; each follows
/// from how the kernel works, none from time:
///
/// 1. Events arrive in the order in which the kernel queued them. So an event is newer than every event before it.
/// 2. A look is newer than every event that was taken before the kernel made it. The kernel makes an answer while the
///    question is sent. It makes a part of a dump while the part before it is received, so a part is newer than the
///    events taken before that receive.
/// 3. An event that was taken after a look may have been waiting in the queue and be older, until the queue has been found
///    empty once since the look, or more events have been taken than it can hold. Every event after that is newer.
/// 4. An event that may be older than the look which the mirror has applied to the flow is not applied. If it contradicts
///    the flow, the flow is *in doubt*: no event is applied to it any more, and a question is due. A `DESTROY` event that
///    may be older is kept: if the flow is gone, it is its end.
/// 5. A row of a dump that may be older than an event which the mirror has applied to the flow is not applied. If it
///    contradicts the flow, a question is due.
/// 6. A question is asked once the queue has been found empty, many at a time. So the answer is newer than all events
///    that led to it, and a flow that changes all the time is asked for once between two drains, however many events
///    about it were waiting. If there are too many questions, one dump answers all.
/// 7. A look that does not find a flow proves that it has ended, or no longer meets the filter. The flow is removed only
///    after the queue has been found empty since: until then, its `DESTROY` event may be in the queue and have more to
///    report. (The kernel queues the event before it removes the flow from the table, `nf_ct_delete`. A flow that has
///    [`Status::DYING`](crate::Status::DYING) is between the two: it is neither inserted nor taken for alive.)
/// 8. An id may come again at its place, with another flow. Two flows are told apart by what never changes in a flow's life:
///    reply direction, master, and start time. Where all of these are the same or unknown, another flow is taken for a
///    change of the first.
///
/// So what is told of a place is never older than what was told before, and what [`get`](Self::get) returns is never older
/// than what was told. The rules rest on the order of the queue. Where two processors change one flow within a
/// microsecond, the kernel itself may queue their events in the other order; the next look corrects that.
#[derive(Debug)]
pub struct Reconciler {
    filter: Filter,
    table: Table,
    changes: VecDeque<Change>,
    /// The last event that was taken, and the drains before it.
    now: Moment,
    /// The queue was empty after the last event.
    is_drained: bool,
    /// The most events that the queue can hold.
    capacity: u64,
    dump: Option<Dump>,
    /// A flow that the kernel reported could not be decoded, and no dump since then was free of such flows.
    is_incomplete: bool,
    /// The number of looks so far: dumps and answers.
    looks: u64,
    /// Places without a flow in the mirror by a look: an event may be older. Empty after each drain.
    vacated: HashMap<Place, Moment>,
    questions: Questions,
    /// Flows that a look did not find.
    suspects: VecDeque<Suspect>,
    /// What is to be known of ends that the kernel delivers late, if it delivers all.
    dying: Option<Dying>,
    /// The expectations, if they are mirrored.
    expectations: Option<Expectations>,
    pace: Pace,
    stats: MirrorStats,
}

/// What a [`Reconciler`] needs next.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Wanted {
    /// The events that are there, or none until this moment; `None` is for ever.
    Events {
        /// When to [advance](Reconciler::advance) again, if no event comes.
        until: Option<Instant>,
    },
    /// A dump: [start](Reconciler::on_dump_start) it.
    Dump,
    /// The next part of the dump: [receive](Reconciler::on_dump_receive) it and pass its [rows](Reconciler::on_dump_row).
    DumpPart,
    /// The flows with these keys: pass an [answer](Reconciler::on_answer) for each.
    Flows(Vec<FlowKey>),
    /// The flows whose ends the kernel has not delivered yet (`IPCTNL_MSG_CT_GET_DYING`): pass [all](Reconciler::on_dying).
    DyingFlows,
    /// All expectations: pass them [at once](Reconciler::on_expectations), or say that this [has
    /// failed](Reconciler::on_expectations_failed).
    Expectations,
}

impl Reconciler {
    /// Makes an empty mirror of the flows that meet `filter`.
    ///
    /// `capacity` is the most events that the receive buffer can hold. `check` is the time between dumps that have no
    /// other reason; `None` makes none.
    #[must_use]
    pub fn new(filter: Filter, capacity: u64, check: Option<Duration>) -> Self {
        Self {
            filter,
            table: Table::default(),
            changes: VecDeque::new(),
            now: Moment::default(),
            is_drained: false,
            capacity,
            dump: None,
            is_incomplete: false,
            looks: 0,
            vacated: HashMap::new(),
            questions: Questions::default(),
            suspects: VecDeque::new(),
            dying: None,
            expectations: None,
            pace: Pace::new(check),
            stats: MirrorStats::default(),
        }
    }

    /// Tells it that the kernel delivers every `DESTROY` event, late if need be. Then a flow whose end is yet to be
    /// delivered is not [missed](super::Removal::Missed), and the end of a flow that is not in the mirror is
    /// [told](Change::Ended).
    #[must_use]
    pub fn reliable_destroy(mut self, on: bool) -> Self {
        self.dying = on.then(Dying::default);
        self
    }

    /// Does what needs no input, and returns what it needs next. Take events until there are none, then advance.
    pub fn advance(&mut self, now: Instant) -> Wanted {
        self.pace.schedule(now);
        self.settle();
        self.settle_expectations();
        if self.dump.is_some() {
            return Wanted::DumpPart;
        }
        let due = self.pace.due(now);
        if due.is_some_and(|due| due <= now) {
            return Wanted::Dump;
        }
        if self.may_ask() {
            return Wanted::Flows(self.questions.next());
        }
        if self.expectations.as_ref().is_some_and(Expectations::is_due) {
            return Wanted::Expectations;
        }
        let dying = self.dying_due(now);
        if dying.is_some_and(|due| due <= now) {
            return Wanted::DyingFlows;
        }
        Wanted::Events { until: due.into_iter().chain(dying).min() }
    }

    /// Returns when to [advance](Self::advance) even if no event comes; `None` is never.
    #[must_use]
    pub fn due(&self, now: Instant) -> Option<Instant> {
        let dying = self.dying_due(now);
        let has_suspects_to_settle = !self.suspects.is_empty() && dying.is_none();
        let has_work = !self.changes.is_empty() || self.dump.is_some() || !self.questions.is_empty();
        let has_expectations_to_settle = self.expectations.as_ref().is_some_and(Expectations::is_waiting);
        if has_work || has_suspects_to_settle || has_expectations_to_settle {
            return Some(now);
        }
        self.pace.due(now).into_iter().chain(dying).min()
    }

    /// Makes the next dump due now.
    pub fn check(&mut self, now: Instant) {
        self.pace.hurry(now);
    }

    /// Returns whether the mirror equals the table as it was when the queue was last found empty, as far as can be known:
    /// no event has been lost since the last dump began, none has been taken since the drain, and no question is open.
    #[must_use]
    pub fn is_synchronised(&self) -> bool {
        let all_asked = self.dump.is_none() && self.questions.is_empty() && self.suspects.is_empty();
        let has_expectations = self.expectations.as_ref().is_none_or(Expectations::is_synchronised);
        self.is_drained && all_asked && has_expectations && !self.is_incomplete && !self.pace.is_lost()
    }

    /// Removes and returns the first change; `None` when there are no more.
    pub fn next_change(&mut self) -> Option<Change> {
        self.changes.pop_front()
    }

    /// Returns how many changes are waiting.
    #[must_use]
    pub fn changes(&self) -> usize {
        self.changes.len()
    }

    /// Returns what has happened so far.
    #[must_use]
    pub fn stats(&self) -> MirrorStats {
        self.stats
    }

    /// Returns the flow with this tuple, in either direction. If the key has an id, it must match.
    #[must_use]
    pub fn get(&self, key: &FlowKey) -> Option<&Flow> {
        self.table.find(&Place::from(key)).filter(|flow| key.id.is_none_or(|id| id == flow.id))
    }

    /// Returns the flows with this id: none or one, unless two flows have the same hash.
    pub fn with_id(&self, id: FlowId) -> impl Iterator<Item = &Flow> {
        self.table.with_id(id)
    }

    /// Returns all flows, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Flow> {
        self.table.iter().map(|entry| &entry.flow)
    }

    /// Returns the number of flows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Returns whether there are no flows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
