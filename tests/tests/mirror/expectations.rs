//! The expectations of a mirror, against a kernel of a few lines.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use conntrack::mirror::{Reconciler, Wanted};
use conntrack::{Change, Event, Expect, ExpectFlags, ExpectId, Filter, Origin, Removal, Seconds, Tuple};
use conntrack_tests::generate::fixed;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

const PLACES: u16 = 4;

/// An expectation at a place; its timeout is the version of the place.
fn expect(place: u16, id: u8, version: u32) -> Expect {
    let tuple = |port| Tuple::tcp(([10, 0, 0, 1], 0).into(), ([10, 0, 0, 2], port).into());
    Expect {
        tuple: tuple(place),
        mask: tuple(u16::MAX),
        master: tuple(21),
        nat: None,
        timeout: Seconds(version),
        id: ExpectId([0, 0, 0, id]),
        flags: ExpectFlags::default(),
        class: 0,
        helper: None,
        function: None,
    }
}

fn place_of(expect: &Expect) -> u16 {
    expect.tuple.dst_port().unwrap_or_default()
}

#[derive(Clone, Debug)]
enum Step {
    Create { place: u16, id: u8 },
    Delete { place: u16 },
    Work { events: usize },
    Check,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..PLACES, 0..2_u8).prop_map(|(place, id)| Step::Create { place, id }),
        3 => (0..PLACES).prop_map(|place| Step::Delete { place }),
        5 => (0..5_usize).prop_map(|events| Step::Work { events }),
        1 => Just(Step::Check),
    ]
}

struct Model {
    mirror: Reconciler,
    now: Instant,
    capacity: usize,
    table: BTreeMap<u16, Expect>,
    versions: BTreeMap<u16, u32>,
    queue: VecDeque<Event>,
    congested: bool,
    told: BTreeMap<(u16, ExpectId), u32>,
    floor: BTreeMap<u16, u32>,
}

impl Model {
    fn tell(&mut self, event: Event) {
        self.congested |= self.queue.len() >= self.capacity;
        if !self.congested {
            self.queue.push_back(event);
        }
    }

    fn version(&mut self, place: u16) -> u32 {
        let version = self.versions.entry(place).or_default();
        *version += 1;
        *version
    }

    fn step(&mut self, step: &Step) -> Result<(), TestCaseError> {
        match *step {
            Step::Create { place, id } if !self.table.contains_key(&place) => {
                let expect = expect(place, id, self.version(place));
                self.table.insert(place, expect.clone());
                self.tell(Event::ExpectNew(expect, Origin::default()));
            }
            Step::Create { .. } => {}
            Step::Delete { place } => {
                if let Some(expect) = self.table.remove(&place) {
                    let expect = Expect { timeout: Seconds(self.version(place)), ..expect };
                    self.tell(Event::ExpectDestroy(expect, Origin::default()));
                }
            }
            Step::Work { events } => drop(self.work(events)?),
            Step::Check => self.mirror.check(self.now),
        }
        Ok(())
    }

    /// Takes so many events and does one thing. Whether there may be more to do.
    fn work(&mut self, events: usize) -> Result<bool, TestCaseError> {
        let mut drained = false;
        for _ in 0..events {
            let event = self.queue.pop_front();
            if event.is_none() && !std::mem::take(&mut self.congested) {
                self.mirror.on_drained();
                drained = true;
                break;
            }
            self.mirror.on_event(event.unwrap_or(Event::Overrun { lost: 1 }));
        }
        let wanted = self.mirror.advance(self.now);
        match wanted {
            Wanted::Dump => self.mirror.on_dump_start(self.now),
            Wanted::DumpPart => self.mirror.on_dump_end(self.now, true),
            Wanted::Expectations => self.mirror.on_expectations(self.table.values().cloned().collect(), true),
            _ => {}
        }
        while let Some(change) = self.mirror.next_change() {
            self.told(&change)?;
        }
        Ok(!drained || !matches!(wanted, Wanted::Events { .. }))
    }

    /// Each change fits what was told before, and is not older.
    fn told(&mut self, change: &Change) -> Result<(), TestCaseError> {
        let expect = change.expectation().expect("a change of an expectation");
        let (place, version) = (place_of(expect), expect.timeout.0);
        let floor = self.floor.entry(place).or_default();
        match change {
            Change::ExpectationInserted { .. } => {
                prop_assert!(version > *floor, "inserted {version} after {floor}");
                prop_assert!(self.told.insert((place, expect.id), version).is_none(), "inserted twice");
            }
            Change::ExpectationRemoved { how, .. } => {
                prop_assert!(version > *floor || *how == Removal::Missed, "removed {version} after {floor}");
                prop_assert!(self.told.remove(&(place, expect.id)).is_some(), "removed and not inserted");
            }
            _ => prop_assert!(false, "{change:?}"),
        }
        *floor = version.max(*floor);
        Ok(())
    }
}

#[test]
fn the_mirror_has_the_expectations_whatever_happens() {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(1000);
    let mut runner = TestRunner::new(fixed(cases));
    let histories = (vec(step(), 0..80), 1..10_usize);
    let run = |(steps, capacity): (Vec<Step>, usize)| {
        let mut model = Model {
            mirror: Reconciler::new(Filter::all(), capacity as u64, None).expectations(true),
            now: Instant::now(),
            capacity,
            table: BTreeMap::new(),
            versions: BTreeMap::new(),
            queue: VecDeque::new(),
            congested: false,
            told: BTreeMap::new(),
            floor: BTreeMap::new(),
        };
        for step in &steps {
            model.step(step)?;
        }
        for _ in 0..1000 {
            model.now += Duration::from_secs(10);
            if !model.work(usize::MAX)? {
                break;
            }
        }
        prop_assert!(model.mirror.is_synchronised());
        let ids = |expect: &Expect| (place_of(expect), expect.id);
        let mut held: Vec<_> = model.mirror.iter_expectations().map(ids).collect();
        held.sort_unstable();
        prop_assert_eq!(&held, &model.table.values().map(ids).collect::<Vec<_>>());
        prop_assert_eq!(&held, &model.told.keys().copied().collect::<Vec<_>>());
        Ok(())
    };
    runner.run(&histories, run).unwrap();
}
