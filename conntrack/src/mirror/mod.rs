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
//! It listens first and dumps the table then, so that nothing falls between. When events are lost it dumps the table again
//! and tells the differences as the changes that they are; the ends that it missed are [said to be
//! missed](Removal::Missed). As long as losses go on, these dumps get rarer: at most half of the time is spent on
//! them, and waits grow to two seconds, or to as long as a dump takes. What it needs of memory depends on the number of
//! flows alone.
//!
//! Some flows end without an event: those that are [older than the first listener](crate::events), or whose namespace has
//! none; and what is changed without one stays unnoticed as well. So the table is compared every so often in any case, [each
//! minute](MirrorBuilder::check_every) if not said otherwise: no flow lingers for longer.
//!
//! # What it costs
//!
//! About 700 bytes for each flow, for itself and three indexes, and one to two microseconds of a processor for each event.
//!
//! What of a flow's old state survives an event is told in the table below; [`Change::Changed`] says which differences are
//! changes.
#![doc = include_str!("merge.md")]

mod builder;
mod change;
#[cfg(feature = "serde")]
mod json;
mod merge;
mod pace;
mod reconciler;
mod table;
mod task;

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use conntrack_spec::{Flow, FlowId, FlowKey};

use crate::connection::Conntrack;
use crate::dump::Dump;
use crate::error::Error;
use crate::events::{EventCounters, Events, LEAST_CHARGE};
use crate::filter::Filter;

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

/// What a mirror has come across so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default))]
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
    /// Flows that were asked for one by one, because what is known of them contradicted itself or was not all, or a dump
    /// lacked them.
    pub questions: u64,
    /// Flows whose end was [missed](Removal::Missed).
    pub missed: u64,
}

/// A live copy of the kernel's table, or of the part of it that meets a filter.
///
/// It is kept up to date by [`wait`](Self::wait), and answers from memory: what [`get`](Self::get) and
/// [`iter`](Self::iter) see is the table as of the changes that `wait` returned last.
#[derive(Debug)]
pub struct Mirror {
    events: Events,
    /// No event was there when they were taken last.
    is_drained: bool,
    ct: Arc<Conntrack>,
    filter: Filter,
    reconciler: Reconciler,
    /// What is under way, while its next part is not being received.
    dump: Option<Dump>,
    /// Why the last dump has to be done again.
    failure: Option<Error>,
}

impl Mirror {
    /// Starts listening in the calling thread's network namespace, reads the table, and returns when the mirror has all
    /// of it. What is in it then is where its changes start from.
    ///
    /// # Errors
    /// [`Error::MissingCapability`] without `CAP_NET_ADMIN`, the filter contradicts itself, or the system refuses a
    /// socket or a dump.
    pub fn start(filter: &Filter) -> Result<Self, Error> {
        Self::builder().filter(filter).start()
    }

    /// Mirrors elsewhere or otherwise.
    #[must_use]
    pub fn builder() -> MirrorBuilder {
        MirrorBuilder::new()
    }

    fn over(events: Events, ct: Conntrack, filter: Filter, check: Option<Duration>) -> Result<Self, Error> {
        let buffer = u64::try_from(events.receive_buffer()?).unwrap_or(u64::MAX);
        let reconciler = Reconciler::new(filter.clone(), buffer / u64::from(LEAST_CHARGE) + 1, check);
        let ct = Arc::new(ct);
        Ok(Self { events, is_drained: false, ct, filter, reconciler, dump: None, failure: None })
    }

    /// Whether it has read the whole table once.
    ///
    /// # Errors
    /// It has tried that too often.
    pub(crate) fn is_filled(&mut self) -> Result<bool, Error> {
        let MirrorStats { dumps, failed_dumps, .. } = self.stats();
        match self.failure.take_if(|_| failed_dumps >= FIRST_DUMPS) {
            Some(failure) => Err(failure),
            None => Ok(dumps > failed_dumps),
        }
    }

    /// Waits until there are changes, at most for as long, and takes them. Changes that are not taken come again.
    ///
    /// Also when nothing changes it has work to do: call it again and again.
    ///
    /// # Errors
    /// A socket fails, or the kernel refuses a dump. The mirror remains what it is, and the next call tries again.
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

    /// Takes the changes that can be found out without waiting: at most those of some hundred events and of one part of
    /// a dump.
    ///
    /// This is for event loops: call it when the [descriptor](AsFd) is readable, when [`due`](Self::due) says, and again
    /// until it has none.
    ///
    /// # Errors
    /// A socket fails, or the kernel refuses a dump. The mirror remains what it is, and the next call tries again.
    pub fn try_changes(&mut self) -> Result<Changes<'_>, Error> {
        if self.has_no_changes() {
            self.step()?;
        }
        Ok(self.take_changes())
    }

    /// When there is work to do even if no event comes; `None` is never.
    pub fn due(&mut self) -> Option<Instant> {
        let now = Instant::now();
        match self.reconciler.wanted(now) {
            Wanted::Events { until } if self.is_drained && !self.reconciler.has_suspects() => until,
            _ => Some(now),
        }
    }

    /// The flow with this tuple in either direction, and with this id if the key has one.
    pub fn get(&self, key: &FlowKey) -> Option<&Flow> {
        self.reconciler.get(key)
    }

    /// The flows with this id: none or one, unless two flows' hashes are the same.
    pub fn with_id(&self, id: FlowId) -> impl Iterator<Item = &Flow> {
        self.reconciler.with_id(id)
    }

    /// All flows, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Flow> {
        self.reconciler.iter()
    }

    /// How many flows there are.
    pub fn len(&self) -> usize {
        self.reconciler.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.reconciler.is_empty()
    }

    /// Has the mirror be compared with the kernel's table now, instead of when it is time to. The next calls of
    /// [`wait`](Self::wait) do it.
    pub fn check(&mut self) {
        self.reconciler.check(Instant::now());
    }

    /// Whether, as far as can be known, it is what the kernel's table was at the end of the last [`wait`](Self::wait):
    /// nothing has been lost that was not made good since, and nothing was left to be read.
    pub fn is_synchronised(&self) -> bool {
        self.reconciler.is_synchronised()
    }

    /// What has happened so far.
    pub fn stats(&self) -> MirrorStats {
        self.reconciler.stats()
    }

    /// What its listener has received so far.
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
        Ok(match self.reconciler.wanted(Instant::now()) {
            Wanted::Events { until } if self.is_drained => Work::None(Idle::Until(until)),
            Wanted::Events { .. } => Work::None(Idle::No),
            Wanted::Dump => {
                self.reconciler.dump_started(Instant::now());
                Work::ask(Task::Dump(Arc::clone(&self.ct), self.filter.clone()))
            }
            Wanted::Flow(key) => Work::ask(Task::Flow(Arc::clone(&self.ct), key)),
            Wanted::More => {
                if let Some(dump) = self.dump.take() {
                    self.reconciler.dump_receives();
                    Work::ask(Task::Receive(dump))
                } else {
                    // What was received of it has never arrived here.
                    self.reconciler.dump_ended(Instant::now(), false);
                    Work::None(Idle::No)
                }
            }
        })
    }

    /// What came of a task. No event has been taken since it began.
    pub(crate) fn done(&mut self, done: Done) -> Result<(), Error> {
        match done {
            Done::Dump(Ok(dump)) | Done::Received(dump, Ok(())) => self.take_part(dump),
            Done::Dump(Err(error)) | Done::Received(_, Err(error)) => self.dump_failed(error),
            Done::Flow(key, Ok(flow)) => {
                self.reconciler.answered(&key, flow);
                Ok(())
            }
            Done::Flow(key, Err(Error::Decode(_))) => {
                self.reconciler.answer_undecodable(&key);
                Ok(())
            }
            Done::Flow(key, Err(error)) => {
                self.reconciler.forget(&key);
                self.check();
                Err(error)
            }
        }
    }

    /// Takes some events. Whether that was all.
    fn take_events(&mut self) -> Result<bool, Error> {
        for _ in 0..EVENTS {
            match self.events.try_next() {
                Ok(Some(event)) => self.reconciler.event(event),
                Ok(None) => {
                    self.reconciler.drained();
                    return Ok(true);
                }
                Err(Error::Undecodable(_)) => self.reconciler.undecodable(),
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
                Ok(flow) => self.reconciler.dumped(flow),
                Err(Error::Decode(_)) => self.reconciler.dumped_undecodable(),
                Err(error) => return self.dump_failed(error),
            }
        }
        if dump.is_over() {
            self.failure = None;
            self.reconciler.dump_ended(Instant::now(), true);
        } else {
            self.dump = Some(dump);
        }
        Ok(())
    }

    fn dump_failed(&mut self, error: Error) -> Result<(), Error> {
        self.reconciler.dump_ended(Instant::now(), false);
        match error {
            // Another try may well succeed.
            Error::Interrupted | Error::Overrun | Error::Timeout(_) => {
                self.failure = Some(error);
                Ok(())
            }
            error => Err(error),
        }
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
