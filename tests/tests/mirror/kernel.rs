//! A kernel in a few lines: a table, its events, a queue for them that overruns, and the history of every place.

use std::collections::{BTreeMap, VecDeque};

use conntrack::{Event, Flow, FlowId, Labels, Origin, ProtoInfo, ProtoInfoTcp, Seconds, Status, TcpState, Tuple};
use proptest::sample::Index;

use crate::history::{History, Step};

/// Where flows can be: a port each.
pub(crate) const PLACES: u16 = 7;
/// Ports that each can be translated to.
pub(crate) const REPLIES: u16 = 2;

pub(crate) fn tuple(place: u16) -> Tuple {
    Tuple::tcp(([10, 0, 0, 1], place).into(), ([10, 0, 0, 2], 80).into())
}

/// The reply direction of a flow at a place, which is translated to one of several ports.
pub(crate) fn reply(place: u16, reply: u16) -> Tuple {
    Tuple::tcp(([10, 0, 0, 2], 80).into(), ([10, 0, 0, 1], place + PLACES * reply).into())
}

fn labels(bit: u8) -> Labels {
    let mut labels = Labels::default();
    labels.insert(bit);
    labels
}

/// The version of a state of a place, which every dump row, answer and event carries as its timeout: the mirror keeps
/// timeouts and never looks at them.
pub(crate) fn version_of(flow: &Flow) -> u32 {
    flow.timeout.map_or(0, |timeout| timeout.0)
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
    /// Its `DESTROY` event is queued, and it is still in the table.
    pub(crate) dying: bool,
    pub(crate) version: u32,
}

impl Tracked {
    /// The whole flow, as a dump reports it.
    pub(crate) fn flow(&self, place: u16) -> Flow {
        let state = Some(TcpState(self.state));
        Flow {
            status: if self.dying { Status::DYING } else { Status::empty() },
            timeout: Some(Seconds(self.version)),
            mark: Some(self.mark),
            use_count: Some(1),
            proto_info: Some(ProtoInfo::Tcp(ProtoInfoTcp { state, ..ProtoInfoTcp::default() })),
            labels: self.label.map(labels),
            reply: reply(place, self.reply),
            ..Flow::new(tuple(place), FlowId([0, 0, 0, self.id]))
        }
    }

    /// What an event reports that is not about these.
    fn event(&self, place: u16, with_state: bool, with_label: bool, with_mark: bool) -> Flow {
        let whole = self.flow(place);
        Flow {
            status: Status::empty(),
            mark: whole.mark.filter(|mark| *mark != 0 || with_mark),
            use_count: None,
            proto_info: whole.proto_info.filter(|_| with_state),
            labels: whole.labels.filter(|_| with_label),
            ..whole
        }
    }
}

/// The states of a place, by version: the flow, or nothing.
pub(crate) type Past = BTreeMap<u32, Option<Tracked>>;

#[derive(Default)]
pub(crate) struct Kernel {
    pub(crate) table: BTreeMap<u16, Tracked>,
    pub(crate) past: BTreeMap<u16, Past>,
    queue: VecDeque<Event>,
    capacity: usize,
    congested: bool,
    lost: u32,
    /// An overrun that is noticed only after so many more events.
    overrun: Option<usize>,
    late: usize,
    /// Whether an end that finds no room is delivered later.
    reliable: bool,
    /// Ends that have found no room yet.
    undelivered: VecDeque<Event>,
    /// Ends that the listener has received.
    pub(crate) delivered: Vec<(u16, u32)>,
    /// Flows with events that have ended.
    pub(crate) ended: Vec<(u16, u32)>,
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
            reliable: history.reliable,
            part: history.part,
            duplicates: history.duplicates.clone(),
            ..Self::default()
        }
    }

    fn tell(&mut self, silent: bool, event: Event) {
        if silent {
            return;
        }
        if !self.congested && self.queue.len() < self.capacity {
            return self.queue.push_back(event);
        }
        self.congested = true;
        self.lost += 1;
        if self.reliable && matches!(event, Event::Destroy(..)) {
            self.undelivered.push_back(event);
        }
    }

    /// The kernel tries again to deliver ends.
    pub(crate) fn redeliver(&mut self) {
        for _ in 0..self.undelivered.len() {
            if let Some(event) = self.undelivered.pop_front() {
                self.tell(false, event);
            }
        }
    }

    /// The flows whose ends are yet to be delivered.
    pub(crate) fn dying(&self) -> impl Iterator<Item = &Flow> {
        self.undelivered.iter().filter_map(Event::flow)
    }

    /// What the listener receives: an overrun where the queue was empty or a little later.
    pub(crate) fn take(&mut self) -> Option<Event> {
        let event = self.next();
        if let Some(Event::Destroy(flow, _)) = &event {
            self.delivered.push((flow.orig.src_port().unwrap_or_default(), version_of(flow)));
        }
        event
    }

    fn next(&mut self) -> Option<Event> {
        if self.overrun == Some(0) || (self.overrun.is_some() && self.queue.is_empty()) {
            self.overrun = None;
            return Some(Event::Overrun { lost: std::mem::take(&mut self.lost) });
        }
        self.overrun = self.overrun.map(|left| left - 1);
        let event = self.queue.pop_front();
        if self.queue.is_empty() && std::mem::take(&mut self.congested) {
            self.overrun = Some(self.overrun.unwrap_or(self.late));
        }
        event.or_else(|| self.overrun.is_some().then(|| self.next()).flatten())
    }

    /// Removes the flows whose end has been announced.
    pub(crate) fn bury(&mut self) {
        self.table.retain(|_, flow| !flow.dying);
    }

    /// The next version of a place, from now on in this state.
    fn version(&mut self, place: u16, flow: Option<&Tracked>) -> u32 {
        let past = self.past.entry(place).or_default();
        let version = past.last_key_value().map_or(1, |(version, _)| version + 1);
        past.insert(version, flow.map(|flow| Tracked { version, ..flow.clone() }));
        version
    }

    /// Whether the flow that a version is of has ended.
    pub(crate) fn has_ended(&self, place: u16, version: u32) -> bool {
        self.past.get(&place).is_some_and(|past| past.range(version..).any(|(_, flow)| flow.is_none()))
    }

    pub(crate) fn change(&mut self, step: &Step) {
        let origin = Origin::default();
        match *step {
            Step::Create { place, id, reply, mark, silent } if !self.table.contains_key(&place) => {
                let mut flow = Tracked { id, reply, mark, state: 1, label: None, silent, dying: false, version: 0 };
                flow.version = self.version(place, Some(&flow));
                self.tell(silent, Event::New(flow.event(place, true, false, false), origin));
                self.table.insert(place, flow);
            }
            Step::Destroy { place, lingers } => {
                let Some(mut flow) = self.table.remove(&place).filter(|flow| !flow.dying) else { return };
                flow.version = self.version(place, None);
                if !flow.silent {
                    self.ended.push((place, flow.version));
                }
                self.tell(flow.silent, Event::Destroy(flow.event(place, true, false, false), origin));
                if lingers {
                    self.table.insert(place, Tracked { dying: true, ..flow });
                }
            }
            Step::Mark { place, .. } | Step::State { place, .. } | Step::Label { place, .. } => {
                let Some(mut flow) = self.table.remove(&place) else { return };
                if !flow.dying {
                    let (with_state, with_label, with_mark) = match *step {
                        Step::Mark { mark, .. } => {
                            flow.mark = mark;
                            (false, false, true)
                        }
                        Step::State { state, .. } => {
                            flow.state = state;
                            (true, false, false)
                        }
                        Step::Label { label, .. } => {
                            flow.label = label;
                            (false, true, false)
                        }
                        _ => (false, false, false),
                    };
                    flow.version = self.version(place, Some(&flow));
                    let event = flow.event(place, with_state, with_label, with_mark);
                    self.tell(flow.silent, Event::Update(event, origin));
                }
                self.table.insert(place, flow);
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
