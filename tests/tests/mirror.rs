//! The mirror without its sockets, against a kernel that is a few lines long: whatever happens, in whatever order it is
//! heard of, the mirror ends up with the table, and its changes tell how.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use conntrack::mirror::{Reconciler, Wanted};
use conntrack::{
    Change, Event, Filter, Flow, FlowId, FlowKey, Labels, Origin, ProtoInfo, ProtoInfoTcp, Removal, Status, TcpState,
    Tuple,
};
use conntrack_tests::generate::fixed;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::TestRunner;

/// How often the mirror checks without a reason.
const CHECK: Duration = Duration::from_secs(60);

/// Something that happens, in the kernel or in the process that listens.
#[derive(Clone, Debug)]
enum Step {
    /// A flow is created, if there is none at its place. A silent one has no events.
    Create {
        place: u16,
        id: u8,
        mark: u32,
        silent: bool,
    },
    /// A flow changes.
    Mark {
        place: u16,
        mark: u32,
    },
    State {
        place: u16,
        state: u8,
    },
    Label {
        place: u16,
        label: Option<u8>,
    },
    /// A flow ends.
    Destroy {
        place: u16,
    },
    /// The listener takes so many events, and then does one thing that is wanted.
    Work {
        events: usize,
    },
    /// Time passes.
    Sleep {
        milliseconds: u64,
    },
}

const PLACES: u16 = 7;

fn step() -> impl Strategy<Value = Step> {
    let place = || 0..PLACES;
    prop_oneof![
        6 => (place(), 0..3_u8, 0..3_u32, prop::bool::weighted(0.1))
            .prop_map(|(place, id, mark, silent)| Step::Create { place, id, mark, silent }),
        3 => (place(), 0..3_u32).prop_map(|(place, mark)| Step::Mark { place, mark }),
        2 => (place(), 0..5_u8).prop_map(|(place, state)| Step::State { place, state }),
        1 => (place(), prop::option::of(0..3_u8)).prop_map(|(place, label)| Step::Label { place, label }),
        5 => place().prop_map(|place| Step::Destroy { place }),
        8 => (0..6_usize).prop_map(|events| Step::Work { events }),
        1 => (0..500_u64).prop_map(|milliseconds| Step::Sleep { milliseconds }),
    ]
}

#[derive(Clone, Debug)]
struct History {
    steps: Vec<Step>,
    /// Events that fit the queue.
    capacity: usize,
    /// Flows in a part of a dump.
    part: usize,
    /// Where a part of a dump repeats a flow.
    duplicates: Vec<Index>,
    /// How many events late an overrun is noticed.
    late: usize,
    /// Whether the mirror has a filter: for mark 1, which flows come to have and lose.
    filtered: bool,
}

fn history() -> impl Strategy<Value = History> {
    (vec(step(), 0..120), 1..20_usize, 1..6_usize, vec(any::<Index>(), 0..4), 0..3_usize, prop::bool::weighted(0.3))
        .prop_map(|(steps, capacity, part, duplicates, late, filtered)| History {
            steps,
            capacity,
            part,
            duplicates,
            late,
            filtered,
        })
}

fn tuple(place: u16) -> Tuple {
    Tuple::tcp(([10, 0, 0, 1], place).into(), ([10, 0, 0, 2], 80).into())
}

fn labels(bit: u8) -> Labels {
    let mut labels = Labels::default();
    labels.insert(bit);
    labels
}

/// A flow of the table.
#[derive(Clone, Debug, PartialEq)]
struct Tracked {
    id: u8,
    mark: u32,
    state: u8,
    label: Option<u8>,
    silent: bool,
}

impl Tracked {
    /// Everything, as a dump tells it.
    fn flow(&self, place: u16) -> Flow {
        let state = Some(TcpState(self.state));
        Flow {
            orig: tuple(place),
            reply: tuple(place).inverse(),
            zone: None,
            status: Status::CONFIRMED,
            mark: Some(self.mark),
            sec_ctx: None,
            id: FlowId([0, 0, 0, self.id]),
            use_count: Some(1),
            master: None,
            timeout: None,
            proto_info: Some(ProtoInfo::Tcp(ProtoInfoTcp { state, ..ProtoInfoTcp::default() })),
            counters_orig: None,
            counters_reply: None,
            timestamp: None,
            help: None,
            labels: self.label.map(labels),
            seq_adj_orig: None,
            seq_adj_reply: None,
            synproxy: None,
            timestamp_event: None,
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
struct Kernel {
    table: BTreeMap<u16, Tracked>,
    queue: VecDeque<Event>,
    capacity: usize,
    congested: bool,
    lost: u32,
    /// An overrun that is not noticed before so many events more.
    overrun: Option<usize>,
    late: usize,
    dump: Option<Walk>,
    part: usize,
    duplicates: Vec<Index>,
}

/// A dump: the part that is filled, and where the next one starts.
struct Walk {
    part: Vec<Flow>,
    next: u16,
}

impl Kernel {
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
    fn take(&mut self) -> Option<Event> {
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

    fn change(&mut self, step: &Step) {
        let origin = Origin::default();
        match *step {
            Step::Create { place, id, mark, silent } if !self.table.contains_key(&place) => {
                let flow = Tracked { id, mark, state: 1, label: None, silent };
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
    fn fill(&mut self, next: u16) -> Walk {
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

/// A mirror, and what its changes tell.
struct Listener {
    mirror: Reconciler,
    now: Instant,
    told: BTreeMap<u16, Flow>,
    missed: Vec<(u16, FlowId)>,
}

fn place_of(flow: &Flow) -> u16 {
    flow.orig.src_port().unwrap_or_default()
}

/// What a change is about: all but what a dump adds to an event without it being a change.
fn telling(flow: &Flow) -> Flow {
    Flow { use_count: None, timestamp_event: None, ..flow.clone() }
}

/// What differs between flows here.
fn brief(flows: &BTreeMap<u16, Flow>) -> Vec<String> {
    let state = |flow: &Flow| flow.proto_info.as_ref().and_then(ProtoInfo::tcp_state);
    let one =
        |place, flow: &Flow| format!("{place}: {:?} mark {:?} {:?} {:?}", flow.id, flow.mark, state(flow), flow.labels);
    flows.iter().map(|(place, flow)| one(place, flow)).collect()
}

impl Listener {
    /// Takes at most so many events, and does one thing that is wanted. False if nothing is, for now.
    fn work(&mut self, kernel: &mut Kernel, events: usize) -> Result<bool, TestCaseError> {
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
                Change::Inserted(flow) => prop_assert!(self.told.insert(place, *flow).is_none(), "inserted twice"),
                Change::Changed { before, after } => {
                    prop_assert_ne!(telling(&before), telling(&after));
                    let old = self.told.insert(place, *after);
                    prop_assert_eq!(old.as_ref().map(telling), Some(telling(&before)));
                }
                Change::Removed { flow, how } => {
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
    fn settle(&mut self, kernel: &mut Kernel) -> Result<(), TestCaseError> {
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

fn run(history: &History) -> Result<(), TestCaseError> {
    let filter = if history.filtered { Filter::new().mark(1) } else { Filter::all() };
    let mirror = Reconciler::new(filter.clone(), history.capacity as u64, Some(CHECK));
    let mut listener = Listener { mirror, now: Instant::now(), told: BTreeMap::new(), missed: Vec::new() };
    let mut kernel = Kernel {
        capacity: history.capacity,
        late: history.late,
        part: history.part,
        duplicates: history.duplicates.clone(),
        ..Kernel::default()
    };
    let mut created = BTreeMap::<u16, usize>::new();
    let mut silent = false;
    for step in &history.steps {
        match step {
            Step::Work { events } => drop(listener.work(&mut kernel, *events)?),
            Step::Sleep { milliseconds } => listener.now += Duration::from_millis(*milliseconds),
            step => {
                if let Step::Create { place, silent: is_silent, .. } = step
                    && !kernel.table.contains_key(place)
                {
                    *created.entry(*place).or_default() += 1;
                    silent |= is_silent;
                }
                kernel.change(step);
            }
        }
    }
    listener.settle(&mut kernel)?;
    prop_assert!(listener.mirror.is_synchronised());
    if silent {
        listener.now += CHECK;
        listener.settle(&mut kernel)?;
    }

    let of_kernel: Vec<Flow> = kernel.table.iter().map(|(place, flow)| telling(&flow.flow(*place))).collect();
    let expected: BTreeMap<u16, Flow> =
        of_kernel.into_iter().filter(|flow| filter.matches(flow)).map(|flow| (place_of(&flow), flow)).collect();
    let found: BTreeMap<u16, Flow> = listener.mirror.iter().map(|flow| (place_of(flow), telling(flow))).collect();
    prop_assert!(found == expected, "found {:?}, expected {:?}", brief(&found), brief(&expected));
    prop_assert_eq!(listener.mirror.len(), expected.len());
    let told: BTreeMap<u16, Flow> = listener.told.iter().map(|(place, flow)| (*place, telling(flow))).collect();
    prop_assert!(told == expected, "told {:?}, expected {:?}", brief(&told), brief(&expected));

    // Both directions and the id find it, and nothing else is found.
    for place in 0..PLACES {
        let flow = expected.get(&place).map(|flow| flow.id);
        for tuple in [tuple(place), tuple(place).inverse()] {
            prop_assert_eq!(listener.mirror.get(&FlowKey::new(tuple)).map(|flow| flow.id), flow);
        }
    }
    let ids: BTreeSet<[u8; 4]> = expected.values().map(|flow| flow.id.0).collect();
    for id in 0..3 {
        let id = FlowId([0, 0, 0, id]);
        let count = expected.values().filter(|flow| flow.id == id).count();
        prop_assert_eq!(listener.mirror.with_id(id).count(), count);
        prop_assert_eq!(ids.contains(&id.0), count > 0);
    }

    // Without losses no end is missed, unless a dump saw the next flow at its place first.
    let stats = listener.mirror.stats();
    if stats.overruns == 0 && !silent {
        for (place, id) in &listener.missed {
            prop_assert!(created.get(place).is_some_and(|times| *times > 1), "missed the end of {place}, {id}");
        }
    }
    prop_assert_eq!(usize::try_from(stats.missed).ok(), Some(listener.missed.len()));
    Ok(())
}

#[test]
fn the_mirror_becomes_the_table_whatever_happens() {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(1000);
    let mut runner = TestRunner::new(fixed(cases));
    runner.run(&history(), |history| run(&history)).unwrap();
}

/// Told apart from the others by being silent: none of these is.
fn created(place: u16, id: u8, mark: u32) -> Step {
    Step::Create { place, id, mark, silent: false }
}

/// Histories that went wrong once, as short as they could be made.
#[test]
fn the_mirror_becomes_the_table_where_it_once_did_not() {
    use Step::{Destroy, Mark, Sleep, Work};

    // A part of the dump is filled; then a flow in it ceases to meet the filter, and that is heard of first.
    let ceases_to_match = [
        created(1, 0, 1),
        created(5, 0, 1),
        Work { events: 3 },
        created(6, 0, 1),
        Work { events: 3 },
        Mark { place: 6, mark: 2 },
    ];
    // A part of the dump is filled; then a flow in it ends. The mirror has another one in its place, and knows neither
    // of that one's end nor of this one's beginning.
    let ends_unknown = [
        Work { events: 2 },
        created(0, 0, 0),
        created(5, 1, 0),
        created(2, 0, 0),
        Destroy { place: 5 },
        Work { events: 0 },
        Sleep { milliseconds: 10 },
        created(3, 0, 0),
        created(5, 0, 0),
        Work { events: 5 },
        Destroy { place: 5 },
    ];
    let histories = [(ceases_to_match.to_vec(), true), (ends_unknown.to_vec(), false)];
    for (steps, filtered) in histories {
        for (capacity, part) in (1..6).flat_map(|capacity| (1..5).map(move |part| (capacity, part))) {
            let steps = steps.clone();
            run(&History { steps, capacity, part, duplicates: Vec::new(), late: 0, filtered }).unwrap();
        }
    }
}

/// A mirror of all, that has looked once and found these.
fn looked(flows: &[Flow]) -> (Reconciler, Instant) {
    let (mut mirror, now) = (Reconciler::new(Filter::all(), 1000, None), Instant::now());
    look(&mut mirror, now, flows);
    (mirror, now)
}

/// A dump, of which no part arrives after an event.
fn look(mirror: &mut Reconciler, now: Instant, flows: &[Flow]) {
    assert_eq!(mirror.wanted(now), Wanted::Dump);
    mirror.dump_started(now);
    for flow in flows {
        mirror.dumped(flow.clone());
    }
    assert_eq!(mirror.wanted(now), Wanted::More);
    mirror.dump_ended(now, true);
}

/// In few words: what happened, and to which id.
fn told(mirror: &mut Reconciler) -> Vec<(&'static str, u8)> {
    let word = |change: &Change| match change {
        Change::Inserted(_) => "inserted",
        Change::Changed { .. } => "changed",
        Change::Removed { how: Removal::Missed, .. } => "missed",
        _ => "removed",
    };
    std::iter::from_fn(|| mirror.next_change()).map(|change| (word(&change), change.flow().id.0[3])).collect()
}

fn at(place: u16, id: u8) -> Flow {
    Tracked { id, mark: 0, state: 1, label: None, silent: false }.flow(place)
}

#[test]
fn old_news_does_not_displace_what_a_dump_has_seen() {
    let origin = Origin::default();
    let (mut mirror, now) = looked(&[at(1, 2)]);
    assert_eq!(told(&mut mirror), [("inserted", 2)]);
    // All of this happened before the dump, and is read after it.
    mirror.event(Event::New(at(1, 1), origin));
    mirror.event(Event::Destroy(at(1, 1), origin));
    mirror.event(Event::New(at(1, 2), origin));
    mirror.drained();
    assert_eq!(told(&mut mirror), []);
    // As one of them could have been new all the same, it makes sure.
    let Wanted::Flow(key) = mirror.wanted(now) else { panic!("no question") };
    mirror.answered(&key, Some(at(1, 2)));
    assert_eq!(told(&mut mirror), []);
    assert!(mirror.is_synchronised());
    // This cannot have happened before.
    mirror.drained();
    mirror.event(Event::New(at(1, 3), origin));
    assert_eq!(told(&mut mirror), [("missed", 2), ("inserted", 3)]);
}

#[test]
fn what_a_later_dump_sees_is_not_gone() {
    let (mut mirror, now) = looked(&[at(1, 1), at(2, 2)]);
    mirror.event(Event::Overrun { lost: 1 });
    let later = now + Duration::from_secs(10);
    look(&mut mirror, later, &[at(2, 2)]);
    // The queue has not been empty yet, so that the end of the missing one may still be in it.
    mirror.event(Event::Overrun { lost: 1 });
    let later = later + Duration::from_secs(10);
    look(&mut mirror, later, &[at(1, 1), at(2, 2)]);
    mirror.drained();
    assert_eq!(mirror.wanted(later), Wanted::Events { until: None });
    assert_eq!(told(&mut mirror), [("inserted", 1), ("inserted", 2)]);
}

#[test]
fn flows_are_missed_only_when_their_end_cannot_come_any_more() {
    let (mut mirror, now) = looked(&[at(1, 1), at(2, 2)]);
    told(&mut mirror);
    mirror.event(Event::Overrun { lost: 1 });
    let later = now + Duration::from_secs(10);
    look(&mut mirror, later, &[]);
    assert_eq!(mirror.wanted(later), Wanted::Events { until: None });
    assert!(!mirror.is_synchronised());
    mirror.event(Event::Destroy(at(1, 1), Origin::default()));
    mirror.drained();
    assert_eq!(mirror.wanted(later), Wanted::Events { until: None });
    assert_eq!(told(&mut mirror), [("removed", 1), ("missed", 2)]);
    assert!(mirror.is_empty() && mirror.is_synchronised());
}

#[test]
fn losses_that_go_on_are_looked_after_less_and_less_often() {
    let (mut mirror, start) = looked(&[]);
    let (mut now, mut waits) = (start, Vec::new());
    for _ in 0..12 {
        mirror.event(Event::Overrun { lost: 1 });
        if let Wanted::Events { until: Some(until) } = mirror.wanted(now) {
            waits.push((until - now).as_millis());
            now = until;
        }
        look(&mut mirror, now, &[]);
    }
    assert_eq!(waits, [10, 20, 40, 80, 160, 320, 640, 1280, 2000, 2000, 2000, 2000]);
    // Once there is calm, the next loss is looked after at once.
    mirror.drained();
    now += Duration::from_secs(3);
    mirror.event(Event::Overrun { lost: 1 });
    assert_eq!(mirror.wanted(now), Wanted::Dump);
}
