//! A mirror that is driven by the kernel of this test, and what its changes tell.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use conntrack::mirror::{Reconciler, Wanted};
use conntrack::{Change, Filter, Flow, FlowId, ProtoInfo, Removal, Status};
use proptest::prelude::*;

use crate::history::History;
use crate::kernel::{Kernel, version_of};

/// How often the mirror checks without a reason.
pub(crate) const CHECK: Duration = Duration::from_secs(60);

/// A mirror, and what its changes tell.
pub(crate) struct Listener {
    pub(crate) mirror: Reconciler,
    pub(crate) now: Instant,
    pub(crate) told: BTreeMap<u16, Flow>,
    /// The version of each place that was told last.
    pub(crate) floor: BTreeMap<u16, u32>,
    pub(crate) missed: Vec<(u16, FlowId)>,
    /// The ends that events told: the place and the version.
    pub(crate) ended: Vec<(u16, u32)>,
    /// How often it asked, each time for several flows.
    pub(crate) questions: u64,
}

pub(crate) fn place_of(flow: &Flow) -> u16 {
    flow.orig.src_port().unwrap_or_default()
}

/// What a change is about: all but what a dump adds to an event without it being a change.
pub(crate) fn telling(flow: &Flow) -> Flow {
    Flow { status: Status::empty(), timeout: None, use_count: None, timestamp_event: None, ..flow.clone() }
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
        Self {
            mirror: mirror.reliable_destroy(history.reliable),
            now: Instant::now(),
            told: BTreeMap::new(),
            floor: BTreeMap::new(),
            missed: Vec::new(),
            ended: Vec::new(),
            questions: 0,
        }
    }

    /// Takes at most so many events, and does one thing that is wanted. False if nothing is, for now.
    pub(crate) fn work(&mut self, kernel: &mut Kernel, events: usize) -> Result<bool, TestCaseError> {
        let mut drained = false;
        for _ in 0..events {
            let Some(event) = kernel.take() else {
                self.mirror.on_drained();
                drained = true;
                break;
            };
            self.mirror.on_event(event);
        }
        let wanted = self.mirror.advance(self.now);
        match &wanted {
            Wanted::Dump => {
                // The first part is filled when the dump is asked for, and the second when the first is received.
                let first = kernel.fill(0);
                kernel.dump = Some(first);
                self.mirror.on_dump_start(self.now);
                self.receive(kernel);
            }
            Wanted::DumpPart => {
                self.mirror.on_dump_receive();
                self.receive(kernel);
            }
            Wanted::Flows(keys) => {
                self.questions += 1;
                for key in keys {
                    let place = key.tuple.tuple().src_port().unwrap_or_default();
                    self.mirror.on_answer(key, kernel.table.get(&place).map(|flow| flow.flow(place)));
                }
            }
            Wanted::DyingFlows => self.mirror.on_dying(self.now, kernel.dying().map(Flow::key)),
            _ => {}
        }
        kernel.bury();
        self.replay(kernel)?;
        kernel.redeliver();
        Ok(!drained || !matches!(wanted, Wanted::Events { .. }))
    }

    fn receive(&mut self, kernel: &mut Kernel) {
        let Some(walk) = kernel.dump.take() else { return };
        if walk.part.is_empty() {
            self.mirror.on_dump_end(self.now, true);
            return;
        }
        kernel.dump = Some(kernel.fill(walk.next));
        for flow in walk.part {
            self.mirror.on_dump_row(flow);
        }
    }

    /// Each change fits what was told before, and is not older; what the mirror holds is what was told, or newer.
    fn replay(&mut self, kernel: &Kernel) -> Result<(), TestCaseError> {
        while let Some(change) = self.mirror.next_change() {
            let place = place_of(change.flow().expect("a flow"));
            if let Change::Ended { flow, .. } = &change {
                self.ended.push((place, version_of(flow)));
                continue;
            }
            self.is_newer(place, &change, kernel)?;
            match change {
                Change::Inserted { flow, .. } => {
                    prop_assert!(self.told.insert(place, *flow).is_none(), "inserted twice");
                }
                Change::Changed { before, after, .. } => {
                    prop_assert_ne!(telling(&before), telling(&after));
                    let old = self.told.insert(place, *after);
                    prop_assert_eq!(old.as_ref().map(telling), Some(telling(&before)));
                }
                Change::Removed { flow, how, .. } => {
                    let old = self.told.remove(&place);
                    prop_assert_eq!(old.map(|old| old.id), Some(flow.id));
                    match how {
                        Removal::Missed => self.missed.push((place, flow.id)),
                        Removal::Destroyed => self.ended.push((place, version_of(&flow))),
                        _ => {}
                    }
                }
                _ => prop_assert!(false, "an unknown change"),
            }
        }
        let held: BTreeMap<u16, Flow> = self.mirror.iter().map(|flow| (place_of(flow), telling(flow))).collect();
        let told: BTreeMap<u16, Flow> = self.told.iter().map(|(place, flow)| (*place, telling(flow))).collect();
        prop_assert!(held == told, "holds {:?}, told {:?}", brief(&held), brief(&told));
        for flow in self.mirror.iter() {
            let floor = self.floor.get(&place_of(flow)).copied().unwrap_or_default();
            prop_assert!(version_of(flow) >= floor, "holds version {}, told {floor}", version_of(flow));
        }
        Ok(())
    }

    /// What is told of a place never falls, and is what the kernel had there.
    fn is_newer(&mut self, place: u16, change: &Change, kernel: &Kernel) -> Result<(), TestCaseError> {
        let flow = change.flow().expect("a flow");
        let version = version_of(flow);
        let floor = self.floor.entry(place).or_default();
        let past = kernel.past.get(&place).expect("a place that had a flow");
        let state = past.get(&version).expect("a version of the place");
        match change {
            Change::Inserted { .. } => prop_assert!(version > *floor, "inserted {version} after {floor}"),
            Change::Removed { how: Removal::Destroyed, .. } => {
                prop_assert!(state.is_none() && version > *floor, "destroyed {version} after {floor}");
            }
            _ => prop_assert!(version >= *floor, "told {version} after {floor}"),
        }
        if let Change::Removed { how: Removal::Missed, .. } = change {
            prop_assert!(kernel.has_ended(place, version), "missed a flow that lives on: {place} in version {version}");
            let end = past.range(version..).find(|(_, state)| state.is_none()).map(|(version, _)| *version);
            *floor = end.unwrap_or(version);
        } else {
            *floor = version;
        }
        // Without losses, a flow is never told with parts of two states.
        if let Some(state) = state.as_ref().filter(|_| self.mirror.stats().overruns == 0) {
            let of_kernel = state.flow(place);
            prop_assert_eq!((flow.mark, &flow.proto_info), (of_kernel.mark, &of_kernel.proto_info));
        }
        Ok(())
    }

    /// Works until nothing is wanted before the next check.
    pub(crate) fn settle(&mut self, kernel: &mut Kernel) -> Result<(), TestCaseError> {
        for _ in 0..10_000 {
            if !self.work(kernel, usize::MAX)? {
                match self.mirror.advance(self.now) {
                    Wanted::Events { until: Some(until) } if until < self.now + CHECK / 2 => self.now = until,
                    Wanted::Events { .. } => return Ok(()),
                    _ => {}
                }
            }
        }
        Err(TestCaseError::fail("it does not come to rest"))
    }
}
