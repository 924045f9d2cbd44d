//! A live copy of the kernel's table, which heals itself.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use conntrack::{Change, Filter, Mirror};
//!
//! let mut mirror = Mirror::start(&Filter::all())?;
//! println!("{} flows", mirror.len());
//! loop {
//!     for change in mirror.wait(Duration::from_secs(1))? {
//!         match change {
//!             Change::Inserted { flow, .. } => println!("+ {flow}"),
//!             Change::Removed { flow, how, .. } => println!("- {flow} ({how:?})"),
//!             _ => {}
//!         }
//!     }
//! }
//! # #[allow(unreachable_code)]
//! # Ok::<(), conntrack::Error>(())
//! ```
//!
//! # How it stays right
//!
//! The mirror subscribes to events first and dumps the table then, so that it misses nothing in between. After an overrun it
//! dumps the table again and reports the differences as changes; an end that it did not see happen is
//! [`Removal::Missed`]. After repeated overruns it waits longer between dumps, up to 2 s or the length of a dump.
//!
//! Changes never go back in time: what the mirror reports of a flow is never older than what it reported before, and what
//! [`Mirror::get`] returns is never older than what was reported. [`Reconciler`] says how.
//!
//! Some flows end without an event: those that are [older than the first listener](crate::events), and all flows where
//! `net.netfilter.nf_conntrack_events` is 0. So the mirror also compares itself with the table [every
//! minute](MirrorBuilder::check_every), if not told otherwise. A flow that ended without an event stays in the mirror until
//! then.
//!
//! # What it costs
//!
//! About 700 bytes for each flow, for itself and three indexes, and one to two microseconds of a processor for each event.
//! Memory follows the largest number of flows that the mirror has held: after a burst, the tables keep their size for the
//! next one. Changes that nobody takes add to that, up to some thousand, until the mirror stops reading events.
//!
//! The table below says which fields of a flow survive an event; [`Change::Changed`] says which differences are changes.
#![doc = include_str!("merge.md")]

mod builder;
mod change;
#[cfg(feature = "serde")]
mod json;
mod merge;
mod moment;
mod pace;
mod query;
mod reconciler;
mod setting;
mod table;
mod task;

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use conntrack_spec::{Expect, Flow, FlowId, FlowKey};

use crate::connection::Conntrack;
use crate::dump::Dump;
use crate::error::Error;
use crate::events::{EventCounters, Events, LEAST_CHARGE};
use crate::filter::Filter;
use crate::sys::datagrams;
use setting::EventsSetting;

pub use builder::MirrorBuilder;
pub use change::{Change, Removal};
pub use reconciler::{Reconciler, Wanted};
pub(crate) use task::{Done, Task};

/// Events that are taken before the dump that is under way goes on.
const EVENTS: usize = 256;
/// Changes that may be waiting to be told before no more are made.
const CHANGES: usize = 1024;
/// The most dumps that are tried for the first copy.
const FIRST_DUMPS: u64 = 10;

/// Counts what a mirror has come across.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct MirrorStats {
    /// Overruns of the receive buffer.
    pub overruns: u64,
    /// Events that were lost in them, as the kernel counts.
    pub lost: u64,
    /// Events that could not be decoded, each of which is taken for a loss, and flows that the kernel reported and that
    /// could not be decoded: they are missing.
    pub undecodable: u64,
    /// Dumps that were tried: the first, those after losses, and checks.
    pub dumps: u64,
    /// Those of them that failed, and had to be done again.
    pub failed_dumps: u64,
    /// Flows that the mirror asked the kernel for, because an event did not report all of the flow or may have been older
    /// than what is known, or because a dump lacked the flow.
    pub questions: u64,
    /// Flows whose end was [missed](Removal::Missed).
    pub missed: u64,
}

/// A live copy of the kernel's table, or of the flows that meet a filter.
///
/// Call [`wait`](Self::wait) again and again to keep it up to date. Lookups such as [`get`](Self::get) and
/// [`iter`](Self::iter) answer from memory: the table as of the changes that `wait` returned last.
#[derive(Debug)]
pub struct Mirror {
    events: Events,
    /// No event was there when they were taken last.
    is_drained: bool,
    setting: EventsSetting,
    ct: Arc<Conntrack>,
    filter: Filter,
    reconciler: Reconciler,
    /// What is under way, while its next part is not being received.
    dump: Option<Dump>,
    /// Why the last dump has to be done again.
    failure: Option<Error>,
}

impl Mirror {
    /// Subscribes to events in the calling thread's network namespace, reads the table, and returns when the mirror has all
    /// of it. The changes start from there.
    ///
    /// # Errors
    /// [`Error::MissingCapability`] without `CAP_NET_ADMIN`, the filter contradicts itself, or the system refuses a
    /// socket or a dump.
    pub fn start(filter: &Filter) -> Result<Self, Error> {
        Self::builder().filter(filter).start()
    }

    /// Configures a mirror: filter, namespace, buffer, checks.
    #[must_use]
    pub fn builder() -> MirrorBuilder {
        MirrorBuilder::new()
    }

    fn over(
        events: Events,
        ct: Conntrack,
        setting: EventsSetting,
        reconcile: impl FnOnce(u64) -> Reconciler,
        filter: Filter,
    ) -> Result<Self, Error> {
        let buffer = u64::try_from(events.receive_buffer()?).unwrap_or(u64::MAX);
        // Those of one receive wait in the listener.
        let received = u64::try_from(datagrams::MOST).unwrap_or(u64::MAX);
        let reconciler = reconcile(buffer / u64::from(LEAST_CHARGE) + 1 + received);
        let ct = Arc::new(ct);
        Ok(Self { events, is_drained: false, setting, ct, filter, reconciler, dump: None, failure: None })
    }

    /// Whether it has read the whole table once.
    ///
    /// # Errors
    /// It has tried that too often.
    pub(crate) fn is_filled(&mut self) -> Result<bool, Error> {
        let MirrorStats { dumps, failed_dumps, .. } = self.stats();
        match self.failure.take_if(|_| failed_dumps >= FIRST_DUMPS) {
            Some(failure) => Err(failure),
            None => Ok(dumps > failed_dumps && self.reconciler.has_expectations()),
        }
    }

    /// Waits until there are changes, at most for `timeout`, and takes them. Changes that are not taken come again.
    ///
    /// The mirror has work to do even if nothing changes: call this again and again.
    ///
    /// # Errors
    /// A socket fails, or the kernel refuses a dump or a query. The mirror keeps what it has, and the next call tries again.
    pub fn wait(&mut self, timeout: Duration) -> Result<Changes<'_>, Error> {
        // A moment too far to tell is never.
        let deadline = Instant::now().checked_add(timeout);
        loop {
            let idle = if self.has_no_changes() { self.step()? } else { Idle::No };
            let now = Instant::now();
            if !self.has_no_changes() || deadline.is_some_and(|deadline| deadline <= now) {
                return Ok(self.take_changes());
            }
            if let Idle::Until(due) = idle {
                self.rest(due.into_iter().chain(deadline).min())?;
            }
        }
    }

    /// Takes the changes that are there without waiting for events: at most those of some hundred events and one part of a
    /// dump.
    ///
    /// Use it in an event loop: call it when the [descriptor](AsFd) is readable and when [`due`](Self::due) says, until it
    /// returns no changes.
    ///
    /// # Errors
    /// A socket fails, or the kernel refuses a dump or a query. The mirror keeps what it has, and the next call tries again.
    pub fn try_changes(&mut self) -> Result<Changes<'_>, Error> {
        if self.has_no_changes() {
            self.step()?;
        }
        Ok(self.take_changes())
    }

    /// Returns when the mirror has work to do even if no event comes; `None` is never. It is now if changes are waiting to be
    /// taken.
    pub fn due(&self) -> Option<Instant> {
        let now = Instant::now();
        if self.is_drained { self.reconciler.due(now) } else { Some(now) }
    }

    /// Returns the flow with this tuple, in either direction. If the key has an id, it must match.
    pub fn get(&self, key: &FlowKey) -> Option<&Flow> {
        self.reconciler.get(key)
    }

    /// Returns the flows with this id: none or one, unless two flows have the same hash.
    pub fn with_id(&self, id: FlowId) -> impl Iterator<Item = &Flow> {
        self.reconciler.with_id(id)
    }

    /// Returns all flows, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Flow> {
        self.reconciler.iter()
    }

    /// Returns all expectations, in no order: none, unless the mirror [has them](MirrorBuilder::expectations).
    pub fn expectations(&self) -> impl Iterator<Item = &Expect> {
        self.reconciler.iter_expectations()
    }

    /// Returns the number of flows.
    pub fn len(&self) -> usize {
        self.reconciler.len()
    }

    /// Returns whether there are no flows.
    pub fn is_empty(&self) -> bool {
        self.reconciler.is_empty()
    }

    /// Compares the mirror with the kernel's table now: the next calls of [`wait`](Self::wait) do it.
    pub fn check(&mut self) {
        self.reconciler.check(Instant::now());
    }

    /// Returns whether the mirror equalled the kernel's table at the end of the last [`wait`](Self::wait), as far as events
    /// can tell: every loss has been made good, every event read, and every question answered.
    ///
    /// It is false while `net.netfilter.nf_conntrack_events` is 0 in the mirror's namespace: new flows have no events then,
    /// and only [checks](MirrorBuilder::check_every) find them. It does not cover other flows without events: those created
    /// while the setting was 0, or was 2 and no listener was there. The next check finds out whether such a flow has ended.
    pub fn is_synchronised(&self) -> bool {
        self.reconciler.is_synchronised() && !self.setting.is_off()
    }

    /// Returns what has happened so far.
    pub fn stats(&self) -> MirrorStats {
        self.reconciler.stats()
    }

    /// Returns what its listener has received so far.
    pub fn event_counters(&self) -> EventCounters {
        self.events.counters()
    }

    /// Whether there is nothing to tell.
    pub(crate) fn has_no_changes(&self) -> bool {
        self.reconciler.changes() == 0
    }

    pub(crate) fn take_changes(&mut self) -> Changes<'_> {
        Changes { reconciler: &mut self.reconciler }
    }

    /// Waits for an event, or for this moment.
    fn rest(&self, until: Option<Instant>) -> Result<(), Error> {
        self.events.wait(until.map(|until| until.saturating_duration_since(Instant::now()))).map(drop)
    }

    /// Takes the events that are there, and does one other thing.
    pub(crate) fn step(&mut self) -> Result<Idle, Error> {
        match self.work()? {
            Work::None(idle) => Ok(idle),
            Work::Ask(task) => {
                self.done(task.run())?;
                Ok(Idle::No)
            }
        }
    }

    /// Takes the events that are there, and says what to do next.
    pub(crate) fn work(&mut self) -> Result<Work, Error> {
        self.is_drained = false;
        self.is_drained = self.take_events()?;
        let ct = || Arc::clone(&self.ct);
        Ok(match self.reconciler.advance(Instant::now()) {
            Wanted::Events { until } if self.is_drained && self.has_no_changes() => Work::None(Idle::Until(until)),
            Wanted::Events { .. } => Work::None(Idle::No),
            Wanted::Dump => {
                let task = Task::Dump(ct(), self.filter.clone());
                self.reconciler.on_dump_start(Instant::now());
                Work::ask(task)
            }
            Wanted::Flows(keys) => Work::ask(Task::Flows(ct(), keys)),
            Wanted::DyingFlows => Work::ask(Task::DyingFlows(ct())),
            Wanted::Expectations => Work::ask(Task::Expectations(ct())),
            Wanted::DumpPart => {
                if let Some(dump) = self.dump.take() {
                    self.reconciler.on_dump_receive();
                    Work::ask(Task::Receive(dump))
                } else {
                    // What was received of it has never arrived here.
                    self.reconciler.on_dump_end(Instant::now(), false);
                    Work::None(Idle::No)
                }
            }
        })
    }

    /// Takes what came of a task. No event has been taken since it began.
    pub(crate) fn done(&mut self, done: Done) -> Result<(), Error> {
        match done {
            Done::Dump(Ok(dump)) | Done::Received(dump, Ok(())) => self.take_part(dump),
            Done::Dump(Err(error)) | Done::Received(_, Err(error)) => self.dump_failed(error),
            Done::Flows(keys, answers, result) => self.take_answers(&keys, answers, result),
            Done::DyingFlows(Ok(keys)) => {
                self.reconciler.on_dying(Instant::now(), keys);
                Ok(())
            }
            Done::Expectations(Ok((found, is_complete))) => {
                self.reconciler.on_expectations(found, is_complete);
                Ok(())
            }
            Done::Expectations(Err(error)) => {
                self.reconciler.on_expectations_failed();
                may_succeed_again(error).map(drop)
            }
            Done::DyingFlows(Err(error)) => may_succeed_again(error).map(drop),
        }
    }

    /// Takes the answers that came. Flows without one are found by the next dump.
    fn take_answers(
        &mut self,
        keys: &[FlowKey],
        answers: Vec<Result<Option<Flow>, Error>>,
        mut result: Result<(), Error>,
    ) -> Result<(), Error> {
        let mut unanswered = keys;
        for (key, answer) in keys.iter().zip(answers) {
            match answer {
                Ok(flow) => self.reconciler.on_answer(key, flow),
                Err(Error::Decode(_)) => self.reconciler.on_undecodable_answer(key),
                Err(error) => {
                    result = result.and(Err(error));
                    break;
                }
            }
            unanswered = unanswered.get(1..).unwrap_or_default();
        }
        if result.is_err() {
            for key in unanswered {
                self.reconciler.forget(key);
            }
            self.check();
        }
        result.or_else(|error| may_succeed_again(error).map(drop))
    }

    /// Takes some events. Whether that was all.
    fn take_events(&mut self) -> Result<bool, Error> {
        for _ in 0..EVENTS {
            match self.events.try_next() {
                Ok(Some(event)) => self.reconciler.on_event(event),
                Ok(None) => {
                    self.reconciler.on_drained();
                    return Ok(true);
                }
                Err(Error::Undecodable(_)) => self.reconciler.on_undecodable_event(),
                Err(error) => return Err(error),
            }
            if self.reconciler.changes() >= CHANGES {
                break;
            }
        }
        Ok(false)
    }

    /// Takes the part of a dump that has been received.
    fn take_part(&mut self, mut dump: Dump) -> Result<(), Error> {
        while let Some(flow) = dump.next_received() {
            match flow {
                Ok(flow) => self.reconciler.on_dump_row(flow),
                Err(Error::Decode(_)) => self.reconciler.on_undecodable_dump_row(),
                Err(error) => return self.dump_failed(error),
            }
        }
        if dump.is_over() {
            self.failure = None;
            self.reconciler.on_dump_end(Instant::now(), true);
        } else {
            self.dump = Some(dump);
        }
        Ok(())
    }

    fn dump_failed(&mut self, error: Error) -> Result<(), Error> {
        self.reconciler.on_dump_end(Instant::now(), false);
        self.failure = Some(may_succeed_again(error)?);
        Ok(())
    }
}

/// Sorts out the errors after which another try is likely to fail, too.
fn may_succeed_again(error: Error) -> Result<Error, Error> {
    match error {
        Error::Interrupted | Error::Overrun | Error::Timeout(_) => Ok(error),
        error => Err(error),
    }
}

impl AsFd for Mirror {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.events.as_fd()
    }
}

/// What there is to do.
#[derive(Debug)]
pub(crate) enum Work {
    /// Nothing, or to take more events.
    None(Idle),
    /// To ask the kernel, and to [tell](Mirror::done) what it answers before anything else is done.
    Ask(Box<Task>),
}

impl Work {
    fn ask(task: Task) -> Self {
        Self::Ask(Box::new(task))
    }
}

/// Whether there is nothing to do.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Idle {
    /// There is more.
    No,
    /// Until an event comes, or this moment.
    Until(Option<Instant>),
}

/// Changes of a mirror, in order. Those that are not taken come again with the next ones.
#[derive(Debug)]
pub struct Changes<'a> {
    reconciler: &'a mut Reconciler,
}

impl Iterator for Changes<'_> {
    type Item = Change;

    fn next(&mut self) -> Option<Change> {
        self.reconciler.next_change()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.reconciler.changes(), Some(self.reconciler.changes()))
    }
}

impl ExactSizeIterator for Changes<'_> {}
