//! What becomes of events, dumps and losses: the mirror without its sockets.

mod news;

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::{Duration, Instant};

use conntrack_spec::{Flow, FlowId, FlowKey, Status};

use super::merge;
use super::pace::Pace;
use super::table::{Moment, Place, Table};
use super::{Change, MirrorStats};
use crate::events::Event;
use crate::filter::Filter;

/// The most flows to ask for one by one; if there are more, a dump asks for all.
const MOST_QUESTIONS: usize = 4096;
/// So many changes are made at a time that need no input; as many may be waiting to be told.
const BATCH: usize = 1024;

/// A mirror without sockets: it is told what events and dumps say, and says what it needs to know and what has changed.
///
/// [`Mirror`](super::Mirror) drives one. To drive another, do what it [wants](Self::wanted), and between any two receives
/// of a dump take the events that are there. All questions must be answered before another event is taken.
///
/// # How old news is told from new
///
/// Events and dumps arrive on different sockets, and nothing says which is older. These are the rules; each follows from
/// how the kernel works, not from time:
///
/// * Events are in order. An event is about what happened before it was received; a question is answered with what is so
///   after it was asked. So an answer is newer than every event that was taken before the question.
/// * The kernel fills one part of a dump while the part before it is received. So a part is newer than every event
///   taken before the receive before. An event taken since may be newer or older: if the two contradict each other, the
///   flow is asked for alone.
/// * The end of a flow is final. As long as a part may be older, a flow in it that has ended since is a ghost; so is one that
///   has ceased to meet the filter.
/// * What a dump lacks did not exist when it passed by, or did not meet the filter, or was passed over because the table
///   was resized: so it is asked for. If it does not exist, its end may still be in the queue of events and have more to
///   say: it is believed to be gone only when that queue has been empty.
/// * An id may come again at its place, with another flow. What tells two flows apart is what never changes in a flow's
///   life: the reply direction, the master, and the time of its beginning.
/// * The beginning of a flow where a dump has seen another one is old news, as long as the queue has not been empty
///   since.
#[derive(Debug)]
pub struct Reconciler {
    filter: Filter,
    table: Table,
    changes: VecDeque<Change>,
    now: Moment,
    /// The queue was empty after the last event.
    is_drained: bool,
    /// So many events may be in the queue at most.
    capacity: u64,
    dump: Option<Dump>,
    /// A flow that the kernel reported could not be decoded, and there was no dump since in which all could.
    is_incomplete: bool,
    /// Dumps and answers so far.
    looks: u64,
    /// Places of flows that are not in the mirror by the last event about them: they have ended, or do not meet the
    /// filter. With the number of that event; only those while a dump is under way.
    absent: HashMap<Place, u64>,
    /// Places to ask for.
    questions: VecDeque<Place>,
    asked: HashSet<Place>,
    /// Flows to remove when the queue has been empty.
    suspects: VecDeque<Suspect>,
    pace: Pace,
    stats: MirrorStats,
}

/// A dump that is under way. Times are numbers of events.
#[derive(Clone, Copy, Debug)]
struct Dump {
    start: u64,
    /// The last receive.
    receive: u64,
    /// The one before: what is in the part that came with the last one is not older.
    before: u64,
    /// Some of it could not be decoded.
    is_incomplete: bool,
}

/// A flow that is probably gone.
#[derive(Clone, Copy, Debug)]
struct Suspect {
    place: Place,
    id: FlowId,
    /// The look that did not find it, and when that was.
    look: u64,
    moment: Moment,
}

/// What a [`Reconciler`] wants to be told next.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Wanted {
    /// Events, until then; `None` is for ever.
    Events {
        /// When to ask again what is wanted, if no event comes.
        until: Option<Instant>,
    },
    /// That a dump [has been started](Reconciler::dump_started).
    Dump,
    /// More of the dump: one [receive](Reconciler::dump_receives), and [what came](Reconciler::dumped) with it.
    More,
    /// The flow at this key, as an [answer](Reconciler::answered).
    Flow(FlowKey),
}

impl Reconciler {
    /// An empty mirror of the flows that meet `filter`.
    ///
    /// `capacity` is the most events that fit the receive buffer: by then the queue is taken to have been read once
    /// around, even if it is never found empty. `check` is the time between dumps without a reason, if there are to
    /// be any.
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
            absent: HashMap::new(),
            questions: VecDeque::new(),
            asked: HashSet::new(),
            suspects: VecDeque::new(),
            pace: Pace::new(check),
            stats: MirrorStats::default(),
        }
    }

    /// An event.
    pub fn event(&mut self, event: Event) {
        self.now.events += 1;
        self.is_drained = false;
        match event {
            // The loser of a race between two packets for one place. It lives a second and is in no dump.
            Event::New(flow, _) | Event::Update(flow, _) if flow.status.contains(Status::UNTRACKED) => {}
            Event::New(flow, origin) => self.about(flow, |mirror, place, flow| mirror.told(place, flow, true, origin)),
            Event::Update(flow, origin) => {
                self.about(flow, |mirror, place, flow| mirror.told(place, flow, false, origin));
            }
            Event::Destroy(flow, origin) => self.about(flow, |mirror, place, flow| mirror.ended(place, flow, origin)),
            Event::Overrun { lost } => {
                self.stats.overruns += 1;
                self.stats.lost += u64::from(lost);
                self.pace.lost();
            }
            _ => {}
        }
    }

    /// An event that could not be decoded: it may have been about any flow.
    pub fn undecodable(&mut self) {
        self.now.events += 1;
        self.stats.undecodable += 1;
        self.pace.lost();
    }

    /// No event is there. Whatever happened before this has been told, or an overrun will be.
    pub fn drained(&mut self) {
        self.now.drains += 1;
        self.is_drained = true;
    }

    /// A dump is being started, and its first part received, after the last event that was taken.
    pub fn dump_started(&mut self, now: Instant) {
        self.pace.started(now);
        self.looks += 1;
        let now = self.now.events;
        self.dump = Some(Dump { start: now, receive: now, before: now, is_incomplete: false });
    }

    /// The next part of the dump will be received.
    pub fn dump_receives(&mut self) {
        if let Some(dump) = &mut self.dump {
            (dump.before, dump.receive) = (dump.receive, self.now.events);
            let before = dump.before;
            self.absent.retain(|_, event| *event > before);
        }
    }

    /// A flow of the dump.
    pub fn dumped(&mut self, flow: Flow) {
        let Some(dump) = self.dump else { return };
        if !self.filter.matches(&flow) {
            return;
        }
        let place = Place::of_orig(&flow);
        if self.absent.contains_key(&place) {
            return self.ask(place);
        }
        match self.table.at_mut(&place) {
            Some(entry) if entry.known.event > dump.before => {
                if merge::is_same(&entry.flow, &flow) && !merge::differs(&entry.flow, &flow) {
                    // All that the event did not tell.
                    entry.flow = merge::updated(&flow, entry.flow.clone());
                    entry.known.is_partial = false;
                } else {
                    self.ask(place);
                }
            }
            _ => self.seen(flow),
        }
    }

    /// A flow of the dump that could not be decoded. It may be any of those that are missing in the end.
    pub fn dumped_undecodable(&mut self) {
        self.stats.undecodable += 1;
        if let Some(dump) = &mut self.dump {
            dump.is_incomplete = true;
        }
    }

    /// The dump is over. If it is not `complete`, nothing follows from what it lacks.
    pub fn dump_ended(&mut self, now: Instant, complete: bool) {
        let Some(dump) = self.dump.take() else { return };
        self.pace.ended(now);
        self.absent.clear();
        self.stats.dumps += 1;
        if !complete {
            self.stats.failed_dumps += 1;
            self.pace.lost();
            return;
        }
        self.is_incomplete = dump.is_incomplete;
        let (look, moment) = (self.looks, self.now);
        let missing = self.table.iter().filter(|entry| entry.known.look.is_none_or(|(seen, _)| seen < look));
        let (mut gone, mut unclear) = (Vec::new(), Vec::new());
        for entry in missing {
            let place = Place::of_orig(&entry.flow);
            if entry.known.event <= dump.start {
                gone.push(Suspect { place, id: entry.flow.id, look, moment });
            } else if entry.known.is_partial {
                unclear.push(place);
            }
        }
        // It may have been left out because it does not meet the filter any more, or because the table was resized. If
        // there are too many to ask for, they are taken to be gone.
        if self.questions.len().saturating_add(gone.len()).saturating_add(unclear.len()) <= MOST_QUESTIONS {
            unclear.extend(gone.iter().map(|suspect| suspect.place));
        } else if !dump.is_incomplete {
            self.suspects.extend(gone);
        }
        for place in unclear {
            self.ask(place);
        }
    }

    /// The answer to a question for the flow at `key`.
    pub fn answered(&mut self, key: &FlowKey, flow: Option<Flow>) {
        let place = self.answer(key);
        // The kernel also finds a flow by its other direction: that is not the one that was asked for.
        match flow.filter(|flow| Place::of_orig(flow) == place) {
            Some(flow) if self.filter.matches(&flow) => self.seen(flow),
            Some(flow) if self.table.at(&place).is_some_and(|entry| merge::is_same(&entry.flow, &flow)) => {
                self.replace(&place, flow, None);
            }
            _ => self.suspect(place),
        }
    }

    /// The answer to a question, which could not be decoded. What was known stays.
    pub fn answer_undecodable(&mut self, key: &FlowKey) {
        self.answer(key);
        self.stats.undecodable += 1;
        self.is_incomplete = true;
    }

    /// A question that has been answered, and so is none any more.
    fn answer(&mut self, key: &FlowKey) -> Place {
        self.stats.questions += 1;
        self.looks += 1;
        self.forget(key)
    }

    /// Takes a question back. What it was about is open, until the next dump.
    pub(super) fn forget(&mut self, key: &FlowKey) -> Place {
        let place = Place::from(key);
        if self.asked.remove(&place)
            && let Some(index) = self.questions.iter().position(|asked| *asked == place)
        {
            self.questions.remove(index);
        }
        place
    }

    /// What to find out next. Until it is said, take events, and ask again when there are none: by then, a flow may be
    /// known to be gone.
    pub fn wanted(&mut self, now: Instant) -> Wanted {
        self.settle();
        if self.dump.is_some() {
            return Wanted::More;
        }
        let due = self.pace.due(now);
        if due.is_some_and(|due| due <= now) {
            return Wanted::Dump;
        }
        self.questions.front().map_or(Wanted::Events { until: due }, |place| Wanted::Flow(place.key()))
    }

    /// Whether some flows are believed to be gone, and the queue has to be found empty before that is certain.
    pub(crate) fn has_suspects(&self) -> bool {
        !self.suspects.is_empty()
    }

    /// Has the next dump be wanted at once.
    pub fn check(&mut self, now: Instant) {
        self.pace.hurry(now);
    }

    /// Whether, as far as can be known, the copy is what the table was when the queue of events was last found empty: no
    /// event has been lost since the last dump began, none has been taken since, and nothing is left to be found out.
    #[must_use]
    pub fn is_synchronised(&self) -> bool {
        let all_asked = self.dump.is_none() && self.questions.is_empty() && self.suspects.is_empty();
        self.is_drained && all_asked && !self.is_incomplete && !self.pace.is_lost()
    }

    /// The next change, until all are told.
    pub fn next_change(&mut self) -> Option<Change> {
        self.changes.pop_front()
    }

    /// How many changes are waiting to be told.
    #[must_use]
    pub fn changes(&self) -> usize {
        self.changes.len()
    }

    /// What has happened so far.
    #[must_use]
    pub fn stats(&self) -> MirrorStats {
        self.stats
    }

    /// The flow with this tuple, in either direction, and with this id if the key has one.
    #[must_use]
    pub fn get(&self, key: &FlowKey) -> Option<&Flow> {
        self.table.find(&Place::from(key)).filter(|flow| key.id.is_none_or(|id| id == flow.id))
    }

    /// The flows with this id: as good as always none or one.
    pub fn with_id(&self, id: FlowId) -> impl Iterator<Item = &Flow> {
        self.table.with_id(id)
    }

    /// All flows, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Flow> {
        self.table.iter().map(|entry| &entry.flow)
    }

    /// How many flows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
