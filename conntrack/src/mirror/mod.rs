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
//!             Change::Inserted(flow) => println!("+ {flow}"),
//!             Change::Removed { flow, how } => println!("- {flow} ({how:?})"),
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
//! them, and waits grow to two seconds. What it needs of memory depends on the number of flows alone.
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

use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use conntrack_spec::{Flow, FlowId, FlowKey};

use crate::connection::Conntrack;
use crate::dump::Dump;
use crate::error::Error;
use crate::events::{EventCounters, Events};
use crate::filter::Filter;

pub use builder::MirrorBuilder;
pub use change::{Change, Removal};
pub use reconciler::{Reconciler, Wanted};

/// Events that are taken before the dump that is under way goes on.
const EVENTS: usize = 256;
/// Changes that may be waiting to be told before no more are made.
const CHANGES: usize = 1024;
/// What the kernel charges for a message at least; for an event it is 1280.
const LEAST_CHARGE: usize = 512;

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
    /// Events that could not be decoded, each of which is taken for a loss.
    pub undecodable: u64,
    /// Dumps that were read to their end: the first, those after losses, and checks.
    pub dumps: u64,
    /// Those of them that had to be done again.
    pub failed_dumps: u64,
    /// Flows that were asked for one by one, because what is known of them contradicted itself.
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
    ct: Conntrack,
    filter: Filter,
    reconciler: Reconciler,
    dump: Option<Dump>,
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
        let capacity = events.receive_buffer()? / LEAST_CHARGE + 1;
        let reconciler = Reconciler::new(filter.clone(), u64::try_from(capacity).unwrap_or(u64::MAX), check);
        Ok(Self { events, ct, filter, reconciler, dump: None })
    }

    /// Whether it has read the whole table once.
    pub(crate) fn is_filled(&self) -> bool {
        self.stats().dumps > self.stats().failed_dumps
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
            let idle = self.advance()?;
            let now = Instant::now();
            if self.reconciler.changes() > 0 || deadline.is_some_and(|deadline| deadline <= now) {
                return Ok(self.take_changes());
            }
            if let Idle::Until(due) = idle {
                let until = due.into_iter().chain(deadline).min();
                self.events.wait(until.map(|until| until.saturating_duration_since(now)))?;
            }
        }
    }

    /// Takes the changes that can be found out without waiting.
    ///
    /// This is for event loops: call it when the [descriptor](AsFd) is readable, when [`due`](Self::due) says, and again
    /// until it has none.
    ///
    /// # Errors
    /// A socket fails, or the kernel refuses a dump. The mirror remains what it is, and the next call tries again.
    pub fn try_changes(&mut self) -> Result<Changes<'_>, Error> {
        while self.reconciler.changes() == 0 {
            if let Idle::Until(_) = self.advance()? {
                break;
            }
        }
        Ok(self.take_changes())
    }

    /// When there is work to do even if no event comes; `None` is never.
    pub fn due(&mut self) -> Option<Instant> {
        let now = Instant::now();
        match self.reconciler.wanted(now) {
            Wanted::Events { until } => until,
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
    #[cfg(feature = "tokio")]
    pub(crate) fn has_no_changes(&self) -> bool {
        self.reconciler.changes() == 0
    }

    pub(crate) fn take_changes(&mut self) -> Changes<'_> {
        Changes { reconciler: &mut self.reconciler }
    }

    /// Works until it is time to tell changes or to wait.
    fn advance(&mut self) -> Result<Idle, Error> {
        while self.reconciler.changes() == 0 {
            let idle = self.step()?;
            if let Idle::Until(_) = idle {
                return Ok(idle);
            }
        }
        Ok(Idle::No)
    }

    /// Takes the events that are there, and does one other thing.
    pub(crate) fn step(&mut self) -> Result<Idle, Error> {
        let drained = self.take_events()?;
        match self.reconciler.wanted(Instant::now()) {
            Wanted::Events { until } if drained => return Ok(Idle::Until(until)),
            Wanted::Events { .. } => {}
            Wanted::Dump => {
                self.dump = Some(self.ct.dump_filtered(&self.filter)?);
                self.reconciler.dump_started(Instant::now());
            }
            Wanted::More => self.take_part()?,
            Wanted::Flow(key) => match self.ct.get(&key) {
                Ok(flow) => self.reconciler.answered(&key, flow),
                Err(error) => {
                    self.check();
                    return Err(error);
                }
            },
        }
        Ok(Idle::No)
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

    /// Takes the part of the dump that has been received, or receives the next one.
    fn take_part(&mut self) -> Result<(), Error> {
        let Some(dump) = &mut self.dump else {
            self.reconciler.dump_ended(Instant::now(), false);
            return Ok(());
        };
        if dump.needs_receive() {
            self.reconciler.dump_receives();
        }
        loop {
            let failure = match dump.next() {
                Some(Ok(flow)) => {
                    self.reconciler.dumped(flow);
                    if dump.needs_receive() {
                        return Ok(());
                    }
                    continue;
                }
                None => None,
                Some(Err(error)) => Some(error),
            };
            self.dump = None;
            self.reconciler.dump_ended(Instant::now(), failure.is_none());
            return match failure {
                // Another try may well succeed.
                None | Some(Error::Interrupted | Error::Overrun | Error::Timeout(_)) => Ok(()),
                Some(error) => Err(error),
            };
        }
    }
}

impl AsFd for Mirror {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.events.as_fd()
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
