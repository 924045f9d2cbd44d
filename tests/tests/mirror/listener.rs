//! A mirror that is driven by the kernel of this test, and what its changes tell.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use conntrack::mirror::{Reconciler, Wanted};
use conntrack::{Change, Filter, Flow, FlowId, ProtoInfo, Removal};
use proptest::prelude::*;

use crate::history::History;
use crate::kernel::Kernel;

/// How often the mirror checks without a reason.
pub(crate) const CHECK: Duration = Duration::from_secs(60);

/// A mirror, and what its changes tell.
pub(crate) struct Listener {
    pub(crate) mirror: Reconciler,
    pub(crate) now: Instant,
    pub(crate) told: BTreeMap<u16, Flow>,
    pub(crate) missed: Vec<(u16, FlowId)>,
}

pub(crate) fn place_of(flow: &Flow) -> u16 {
    flow.orig.src_port().unwrap_or_default()
}

/// What a change is about: all but what a dump adds to an event without it being a change.
pub(crate) fn telling(flow: &Flow) -> Flow {
    Flow { use_count: None, timestamp_event: None, ..flow.clone() }
}

/// What differs between flows here.
pub(crate) fn brief(flows: &BTreeMap<u16, Flow>) -> Vec<String> {
    let state = |flow: &Flow| flow.proto_info.as_ref().and_then(ProtoInfo::tcp_state);
    let one =
        |place, flow: &Flow| format!("{place}: {:?} mark {:?} {:?} {:?}", flow.id, flow.mark, state(flow), flow.labels);
    flows.iter().map(|(place, flow)| one(place, flow)).collect()
}

impl Listener {
    pub(crate) fn new(filter: &Filter, history: &History) -> Self {
        let mirror = Reconciler::new(filter.clone(), history.capacity as u64, Some(CHECK));
        Self { mirror, now: Instant::now(), told: BTreeMap::new(), missed: Vec::new() }
    }

    /// Takes at most so many events, and does one thing that is wanted. False if nothing is, for now.
    pub(crate) fn work(&mut self, kernel: &mut Kernel, events: usize) -> Result<bool, TestCaseError> {
        let mut drained = false;
        for _ in 0..events {
            let Some(event) = kernel.take() else {
                self.mirror.drained();
                drained = true;
                break;
            };
            self.mirror.event(event);
        }
        let wanted = self.mirror.wanted(self.now);
        match &wanted {
            Wanted::Dump => {
                // The first part is filled when the dump is asked for, and the second when the first is received.
                let first = kernel.fill(0);
                kernel.dump = Some(first);
                self.mirror.dump_started(self.now);
                self.receive(kernel);
            }
            Wanted::More => {
                self.mirror.dump_receives();
                self.receive(kernel);
            }
            Wanted::Flow(key) => {
                let place = key.tuple.tuple().src_port().unwrap_or_default();
                self.mirror.answered(key, kernel.table.get(&place).map(|flow| flow.flow(place)));
            }
            _ => {}
        }
        self.replay()?;
        Ok(!drained || !matches!(wanted, Wanted::Events { .. }))
    }

    fn receive(&mut self, kernel: &mut Kernel) {
        let Some(walk) = kernel.dump.take() else { return };
        if walk.part.is_empty() {
            self.mirror.dump_ended(self.now, true);
            return;
        }
        kernel.dump = Some(kernel.fill(walk.next));
        for flow in walk.part {
            self.mirror.dumped(flow);
        }
    }

    /// Each change fits what was told before.
    fn replay(&mut self) -> Result<(), TestCaseError> {
        while let Some(change) = self.mirror.next_change() {
            let place = place_of(change.flow());
            match change {
                Change::Inserted { flow, .. } => {
                    prop_assert!(self.told.insert(place, *flow).is_none(), "inserted twice")
                }
                Change::Changed { before, after, .. } => {
                    prop_assert_ne!(telling(&before), telling(&after));
                    let old = self.told.insert(place, *after);
                    prop_assert_eq!(old.as_ref().map(telling), Some(telling(&before)));
                }
                Change::Removed { flow, how, .. } => {
                    let old = self.told.remove(&place);
                    prop_assert_eq!(old.map(|old| old.id), Some(flow.id));
                    if how == Removal::Missed {
                        self.missed.push((place, flow.id));
                    }
                }
                _ => prop_assert!(false, "an unknown change"),
            }
        }
        Ok(())
    }

    /// Works until nothing is wanted before the next check.
    pub(crate) fn settle(&mut self, kernel: &mut Kernel) -> Result<(), TestCaseError> {
        for _ in 0..10_000 {
            if !self.work(kernel, usize::MAX)? {
                match self.mirror.wanted(self.now) {
                    Wanted::Events { until: Some(until) } if until < self.now + CHECK / 2 => self.now = until,
                    Wanted::Events { .. } => return Ok(()),
                    _ => {}
                }
            }
        }
        Err(TestCaseError::fail("it does not come to rest"))
    }
}
