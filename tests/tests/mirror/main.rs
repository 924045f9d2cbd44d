//! The mirror without its sockets, against a kernel that is a few lines long: whatever happens, in whatever order it is
//! heard of, the mirror ends up with the table, and its changes tell how.

mod by_hand;
mod expectations;
mod history;
mod kernel;
mod listener;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use conntrack::{Filter, Flow, FlowId, FlowKey};
use conntrack_tests::generate::fixed;
use history::{History, Step, history};
use kernel::{Kernel, PLACES, REPLIES, reply, tuple};
use listener::{CHECK, Listener, brief, place_of, telling};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

fn run(history: &History) -> Result<(), TestCaseError> {
    let filter = &history.filter;
    let mut listener = Listener::new(filter, history);
    let mut kernel = Kernel::new(history);
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
        let get = |tuple| listener.mirror.get(&FlowKey::new(tuple)).map(|flow| (flow.id, flow.reply));
        let flow = expected.get(&place).map(|flow| (flow.id, flow.reply));
        prop_assert_eq!(get(tuple(place)), flow);
        for reply in (0..REPLIES).map(|number| reply(place, number)) {
            prop_assert_eq!(get(reply), flow.filter(|(_, found)| *found == reply));
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

    // If the kernel delivers every end, each is told once.
    if history.reliable && filter.is_all() {
        let mut told = listener.ended.clone();
        told.sort_unstable();
        kernel.ended.sort_unstable();
        prop_assert_eq!(&told, &kernel.ended);
    }
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
    Step::Create { place, id, reply: 0, mark, silent: false }
}

fn destroyed(place: u16) -> Step {
    Step::Destroy { place, lingers: false }
}

/// Histories that went wrong once, as short as they could be made.
#[test]
fn the_mirror_becomes_the_table_where_it_once_did_not() {
    use Step::{Mark, Sleep, Work};

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
        destroyed(5),
        Work { events: 0 },
        Sleep { milliseconds: 10 },
        created(3, 0, 0),
        created(5, 0, 0),
        Work { events: 5 },
        destroyed(5),
    ];
    let histories = [(ceases_to_match.to_vec(), Filter::new().mark(1)), (ends_unknown.to_vec(), Filter::all())];
    for (steps, filter) in histories {
        for (capacity, part) in (1..6).flat_map(|capacity| (1..5).map(move |part| (capacity, part))) {
            let (steps, filter) = (steps.clone(), filter.clone());
            run(&History { steps, capacity, part, duplicates: Vec::new(), late: 0, filter, reliable: false }).unwrap();
        }
    }
}
