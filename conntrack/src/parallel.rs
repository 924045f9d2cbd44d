//! One dump over several sockets at once.

use std::iter::FusedIterator;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::thread::{self, JoinHandle};
use std::vec;

use conntrack_spec::{Decode, Family, Flow, ProjectionOf, Status};

use crate::connection::Conntrack;
use crate::dump::{Dump, item_at};
use crate::error::Error;
use crate::filter::Filter;
use crate::parts::{PART, Parts, hand_over};
use crate::version::KernelVersion;

/// Parts that may wait to be taken, for each thread.
const WAITING: usize = 4;
/// The fewest flows of a table that several sockets dump faster than one: of 20,000 two take as long, because each part
/// looks at the whole table, and a thread takes its time to start on another processor. Measured on Linux 6.18.
const WORTH_SPLITTING: u32 = 40_000;

impl Conntrack {
    /// The flows that meet a filter, dumped over several sockets at once: by the kernel on several processors, which
    /// takes a fraction of the time for a large table. In no order.
    ///
    /// The parts are by what never changes in a flow's life, and together are the whole: the family, and on machines
    /// with four processors or more, since Linux 5.15, whether the source is translated, which is settled before the
    /// flow enters the table. So no flow can slip from one part into another while they are dumped. What is said of
    /// [`Dump`] holds for each.
    ///
    /// Each part looks at the whole table. Where there are fewer than some 40,000 flows, or the filter leaves one part
    /// only, this is [`dump_filtered_as`](Self::dump_filtered_as).
    ///
    /// # Errors
    /// The filter contradicts itself, or the kernel refuses.
    pub fn dump_parallel_as<T>(&self, filter: &Filter) -> Result<ParallelDump<T>, Error>
    where
        T: Decode + Send + 'static,
    {
        const { ProjectionOf::<T, Flow>::CHECKED };
        filter.check()?;
        let processors = thread::available_parallelism().map_or(1, usize::from);
        let is_worth_it = self.stats()?.entries >= WORTH_SPLITTING;
        let parts = if is_worth_it { filter.parts(processors, self.kernel) } else { vec![filter.clone()] };
        let mut parts = parts.into_iter().map(|part| self.dump_filtered_as(&part));
        let own = parts.next().transpose()?;
        let others = parts.collect::<Result<Vec<_>, _>>()?;
        ParallelDump::start(own, others)
    }

    /// All flows, dumped over several sockets at once: see [`dump_parallel_as`](Self::dump_parallel_as).
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn dump_parallel(&self) -> Result<ParallelDump, Error> {
        self.dump_parallel_as(&Filter::all())
    }
}

impl Filter {
    /// Filters of which each flow that meets this one meets exactly one, all its life.
    fn parts(&self, processors: usize, kernel: KernelVersion) -> Vec<Self> {
        let mut parts = vec![self.clone()];
        if processors >= 2 && matches!(self.only_family(), Ok(None)) {
            let families = [Family::IPV4, Family::IPV6];
            parts = families.into_iter().map(|family| self.clone().family(family)).collect();
        }
        // A part that the kernel cannot select is a whole dump.
        if processors >= 4 && kernel >= KernelVersion::STATUS_FILTER && !self.asks_status(Status::SRC_NAT) {
            let split = |part: Self| [part.clone().status(Status::SRC_NAT), part.without_status(Status::SRC_NAT)];
            parts = parts.into_iter().flat_map(split).collect();
        }
        parts
    }
}

/// The flows of a table, from several sockets: an iterator.
///
/// One part is dumped by the thread that calls it, each other by a thread of its own, of which some 500 decoded flows wait
/// at most. Dropping it stops the threads, each at its next datagram.
#[derive(Debug)]
pub struct ParallelDump<T = Flow> {
    own: Option<Dump<T>>,
    /// Items from `own` until the others are looked after.
    countdown: usize,
    batch: vec::IntoIter<Result<T, Error>>,
    others: Option<Receiver<Vec<Result<T, Error>>>>,
    is_wanted: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl<T: Decode + Send + 'static> ParallelDump<T> {
    fn start(own: Option<Dump<T>>, others: Vec<Dump<T>>) -> Result<Self, Error> {
        let (sender, receiver) = sync_channel(WAITING * others.len().max(1));
        let is_wanted = Arc::new(AtomicBool::new(true));
        let mut dump = Self {
            own,
            countdown: PART,
            batch: Vec::new().into_iter(),
            others: Some(receiver),
            is_wanted,
            threads: Vec::new(),
        };
        for part in others {
            let (sender, is_wanted) = (sender.clone(), Arc::clone(&dump.is_wanted));
            let work = move || hand_over(part, || is_wanted.load(Ordering::Relaxed), |part| sender.send(part).is_ok());
            let thread = thread::Builder::new().name("conntrack-dump".to_owned());
            let thread = thread.spawn(work).map_err(Error::io("starting a thread for a dump"))?;
            dump.threads.push(thread);
        }
        Ok(dump)
    }
}

impl<T> ParallelDump<T> {
    /// Waits for the threads, which have ended or will at their next datagram.
    fn join(&mut self) -> thread::Result<()> {
        self.is_wanted.store(false, Ordering::Relaxed);
        self.others = None;
        self.threads.drain(..).map(JoinHandle::join).fold(Ok(()), Result::and)
    }

    /// Makes the next batch of the other threads the current one: if there is one already, or when there is one. False
    /// if there will be none.
    fn receive(&mut self, wait: bool) -> bool {
        let Some(others) = &self.others else { return false };
        let batch = if wait { others.recv().map_err(|_| TryRecvError::Disconnected) } else { others.try_recv() };
        match batch {
            Ok(batch) => self.batch = batch.into_iter(),
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) => {
                if let Err(panic) = self.join() {
                    resume_unwind(panic);
                }
            }
        }
        self.others.is_some()
    }
}

impl<T: Decode> ParallelDump<T> {
    /// The next item, in place of a vacant one. False at the end.
    fn next_at(&mut self, value: &mut T) -> Result<bool, Error> {
        loop {
            if let Some(item) = self.batch.next() {
                *value = item?;
                return Ok(true);
            }
            if self.countdown == 0 {
                self.countdown = PART;
                self.receive(false);
                continue;
            }
            if let Some(own) = &mut self.own {
                self.countdown = self.countdown.saturating_sub(1);
                if own.next_at(value)? {
                    return Ok(true);
                }
                self.own = None;
            }
            if !self.receive(true) {
                return Ok(false);
            }
        }
    }
}

impl<T: Decode> Parts<T> for ParallelDump<T> {
    fn next_part(&mut self, most: usize) -> Option<Vec<Result<T, Error>>> {
        loop {
            self.receive(self.own.is_none());
            let part: Vec<_> = std::mem::take(&mut self.batch).collect();
            if !part.is_empty() {
                return Some(part);
            }
            match &mut self.own {
                Some(own) => match own.next_part(most) {
                    Some(part) => return Some(part),
                    None => self.own = None,
                },
                None => self.others.as_ref().map(drop)?,
            }
        }
    }
}

impl<T: Decode> Iterator for ParallelDump<T> {
    type Item = Result<T, Error>;

    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        item_at(|value| self.next_at(value))
    }
}

impl<T: Decode> FusedIterator for ParallelDump<T> {}

impl<T> Drop for ParallelDump<T> {
    fn drop(&mut self) {
        // A thread that panicked has printed so; there is no iterator left to pass it on.
        let _ = self.join();
    }
}

#[cfg(test)]
mod tests {
    use conntrack_spec::{FlowId, Protocol, Tuple};

    use super::*;

    const NOW: KernelVersion = KernelVersion::new(6, 18);

    fn flows() -> Vec<Flow> {
        let tuples = [
            Tuple::udp(([10, 0, 0, 1], 1).into(), ([10, 0, 0, 2], 2).into()),
            Tuple::generic(Protocol::ESP, "fd00::1".parse().unwrap(), "fd00::2".parse().unwrap()),
        ];
        let flow = |orig: Tuple, status: u32| Flow {
            status: Status::from_bits_retain(status),
            mark: Some(0),
            ..Flow::new(orig, FlowId([0; 4]))
        };
        tuples.iter().flat_map(|orig| (0..0x400).map(|status| flow(*orig, status))).collect()
    }

    #[test]
    fn each_flow_meets_one_part_of_the_filters_that_it_meets() {
        let filters = [
            Filter::all(),
            Filter::new().ipv4(),
            Filter::new().udp(),
            Filter::new().status(Status::SRC_NAT),
            Filter::new().without_status(Status::SRC_NAT | Status::ASSURED),
            Filter::new().status(Status::SEEN_REPLY),
        ];
        for filter in filters {
            for processors in [1, 2, 3, 4, 64] {
                let parts = filter.parts(processors, NOW);
                assert!(parts.len() <= processors);
                for flow in flows() {
                    let met = parts.iter().filter(|part| part.matches(&flow)).count();
                    assert_eq!(met, usize::from(filter.matches(&flow)), "{filter:?} on {processors}: {flow:?}");
                }
            }
        }
    }

    #[test]
    fn splits_where_it_can() {
        let parts = |filter: &Filter, processors| filter.parts(processors, NOW).len();
        assert_eq!([1, 2, 4].map(|processors| parts(&Filter::all(), processors)), [1, 2, 4]);
        assert_eq!([2, 4].map(|processors| parts(&Filter::new().ipv6(), processors)), [1, 2]);
        assert_eq!(parts(&Filter::new().ipv6().status(Status::SRC_NAT), 4), 1);
        assert_eq!(Filter::all().parts(4, KernelVersion::OLDEST).len(), 2);
    }
}
