//! A kernel that is a few lines long: a table, its events, and a queue for them that overruns.

use std::collections::{BTreeMap, VecDeque};

use conntrack::{Event, Flow, FlowId, Labels, Origin, ProtoInfo, ProtoInfoTcp, TcpState, Tuple};
use proptest::sample::Index;

use crate::history::{History, Step};

/// Where flows can be: a port each.
pub(crate) const PLACES: u16 = 7;
/// Ports that each can be translated to.
pub(crate) const REPLIES: u16 = 2;

pub(crate) fn tuple(place: u16) -> Tuple {
    Tuple::tcp(([10, 0, 0, 1], place).into(), ([10, 0, 0, 2], 80).into())
}

/// The answers to a flow at a place, which is translated to one of several ports.
pub(crate) fn reply(place: u16, reply: u16) -> Tuple {
    Tuple::tcp(([10, 0, 0, 2], 80).into(), ([10, 0, 0, 1], place + PLACES * reply).into())
}

fn labels(bit: u8) -> Labels {
    let mut labels = Labels::default();
    labels.insert(bit);
    labels
}

/// A flow of the table.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tracked {
    pub(crate) id: u8,
    /// Which of several replies it expects: flows of one id can differ in it.
    pub(crate) reply: u16,
    pub(crate) mark: u32,
    pub(crate) state: u8,
    pub(crate) label: Option<u8>,
    pub(crate) silent: bool,
}

impl Tracked {
    /// Everything, as a dump tells it.
    pub(crate) fn flow(&self, place: u16) -> Flow {
        let state = Some(TcpState(self.state));
        Flow {
            mark: Some(self.mark),
            use_count: Some(1),
            proto_info: Some(ProtoInfo::Tcp(ProtoInfoTcp { state, ..ProtoInfoTcp::default() })),
            labels: self.label.map(labels),
            reply: reply(place, self.reply),
            ..Flow::new(tuple(place), FlowId([0, 0, 0, self.id]))
        }
    }

    /// What an event tells that is not about these.
    fn event(&self, place: u16, with_state: bool, with_label: bool, with_mark: bool) -> Flow {
        let whole = self.flow(place);
        Flow {
            mark: whole.mark.filter(|mark| *mark != 0 || with_mark),
            use_count: None,
            proto_info: whole.proto_info.filter(|_| with_state),
            labels: whole.labels.filter(|_| with_label),
            ..whole
        }
    }
}

#[derive(Default)]
pub(crate) struct Kernel {
    pub(crate) table: BTreeMap<u16, Tracked>,
    queue: VecDeque<Event>,
    capacity: usize,
    congested: bool,
    lost: u32,
    /// An overrun that is not noticed before so many events more.
    overrun: Option<usize>,
    late: usize,
    pub(crate) dump: Option<Walk>,
    part: usize,
    duplicates: Vec<Index>,
}

/// A dump: the part that is filled, and where the next one starts.
pub(crate) struct Walk {
    pub(crate) part: Vec<Flow>,
    pub(crate) next: u16,
}

impl Kernel {
    pub(crate) fn new(history: &History) -> Self {
        Self {
            capacity: history.capacity,
            late: history.late,
            part: history.part,
            duplicates: history.duplicates.clone(),
            ..Self::default()
        }
    }

    fn tell(&mut self, silent: bool, event: Event) {
        if silent {
            return;
        }
        if self.congested || self.queue.len() >= self.capacity {
            self.congested = true;
            self.lost += 1;
        } else {
            self.queue.push_back(event);
        }
    }

    /// What the listener gets, an overrun where the queue was empty or a little later.
    pub(crate) fn take(&mut self) -> Option<Event> {
        if self.overrun == Some(0) || (self.overrun.is_some() && self.queue.is_empty()) {
            self.overrun = None;
            return Some(Event::Overrun { lost: std::mem::take(&mut self.lost) });
        }
        self.overrun = self.overrun.map(|left| left - 1);
        let event = self.queue.pop_front();
        if self.queue.is_empty() && std::mem::take(&mut self.congested) {
            self.overrun = Some(self.overrun.unwrap_or(self.late));
        }
        event.or_else(|| self.overrun.is_some().then(|| self.take()).flatten())
    }

    pub(crate) fn change(&mut self, step: &Step) {
        let origin = Origin::default();
        match *step {
            Step::Create { place, id, reply, mark, silent } if !self.table.contains_key(&place) => {
                let flow = Tracked { id, reply, mark, state: 1, label: None, silent };
                self.tell(silent, Event::New(flow.event(place, true, false, false), origin));
                self.table.insert(place, flow);
            }
            Step::Destroy { place } => {
                if let Some(flow) = self.table.remove(&place) {
                    self.tell(flow.silent, Event::Destroy(flow.event(place, true, false, false), origin));
                }
            }
            Step::Mark { place, .. } | Step::State { place, .. } | Step::Label { place, .. } => {
                let Some(flow) = self.table.get_mut(&place) else { return };
                let event = match *step {
                    Step::Mark { mark, .. } => {
                        flow.mark = mark;
                        flow.event(place, false, false, true)
                    }
                    Step::State { state, .. } => {
                        flow.state = state;
                        flow.event(place, true, false, false)
                    }
                    Step::Label { label, .. } => {
                        flow.label = label;
                        flow.event(place, false, true, false)
                    }
                    _ => return,
                };
                let silent = flow.silent;
                self.tell(silent, Event::Update(event, origin));
            }
            _ => {}
        }
    }

    /// Fills the next part of a dump; empty at the end.
    pub(crate) fn fill(&mut self, next: u16) -> Walk {
        let mut part = Vec::new();
        let mut end = PLACES;
        for (place, flow) in self.table.range(next..) {
            if part.len() == self.part {
                end = *place;
                break;
            }
            part.push(flow.flow(*place));
        }
        if let Some(index) = self.duplicates.pop().filter(|_| !part.is_empty()) {
            part.push(part[index.index(part.len())].clone());
        }
        Walk { part, next: end }
    }
}
