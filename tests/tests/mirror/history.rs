//! What happens: to flows, and in which order it is heard of.

use conntrack::{Filter, TcpState};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::kernel::{PLACES, REPLIES};

/// Something that happens, in the kernel or in the process that listens.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// A flow is created, if there is none at its place. A silent one has no events.
    Create {
        place: u16,
        id: u8,
        reply: u16,
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
    /// A flow ends. One that lingers is in the table a while longer than its event in the queue.
    Destroy {
        place: u16,
        lingers: bool,
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

fn step() -> impl Strategy<Value = Step> {
    let place = || 0..PLACES;
    prop_oneof![
        6 => (place(), 0..3_u8, 0..REPLIES, 0..3_u32, prop::bool::weighted(0.1))
            .prop_map(|(place, id, reply, mark, silent)| Step::Create { place, id, reply, mark, silent }),
        3 => (place(), 0..3_u32).prop_map(|(place, mark)| Step::Mark { place, mark }),
        2 => (place(), 0..5_u8).prop_map(|(place, state)| Step::State { place, state }),
        1 => (place(), prop::option::of(0..3_u8)).prop_map(|(place, label)| Step::Label { place, label }),
        5 => (place(), prop::bool::weighted(0.2)).prop_map(|(place, lingers)| Step::Destroy { place, lingers }),
        8 => (0..6_usize).prop_map(|events| Step::Work { events }),
        1 => (0..500_u64).prop_map(|milliseconds| Step::Sleep { milliseconds }),
    ]
}

#[derive(Clone, Debug)]
pub(crate) struct History {
    pub(crate) steps: Vec<Step>,
    /// Events that fit the queue.
    pub(crate) capacity: usize,
    /// Flows in a part of a dump.
    pub(crate) part: usize,
    /// Where a part of a dump repeats a flow.
    pub(crate) duplicates: Vec<Index>,
    /// How many events late an overrun is noticed.
    pub(crate) late: usize,
    /// The mirror's filter: for a mark or a state, which flows come to have and lose.
    pub(crate) filter: Filter,
    /// Whether the kernel delivers every end, late if need be.
    pub(crate) reliable: bool,
}

pub(crate) fn history() -> impl Strategy<Value = History> {
    let filter = prop_oneof![
        3 => Just(Filter::all()),
        1 => Just(Filter::new().mark(1)),
        1 => Just(Filter::new().tcp_state(TcpState(1))),
    ];
    let options = (filter, prop::bool::weighted(0.3));
    (vec(step(), 0..120), 1..20_usize, 1..6_usize, vec(any::<Index>(), 0..4), 0..3_usize, options).prop_map(
        |(steps, capacity, part, duplicates, late, (filter, reliable))| History {
            steps,
            capacity,
            part,
            duplicates,
            late,
            filter,
            reliable,
        },
    )
}
