//! Who takes part in the dump, one file each.

mod floor;
#[cfg(libnetfilter_conntrack)]
mod libnetfilter;
mod netlink_bindings;
mod nlink;
mod ours;
mod published;

pub(crate) use netlink_bindings::iterate;
pub(crate) use ours::Marked;

use crate::Outcome;
use crate::sums::Sums;

/// One way to read the whole table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Contestant {
    /// What the command line and the figures call it.
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    /// Opens what it needs, reads every flow, decodes all that it can decode, drops it, and says how many there were.
    pub(crate) run: fn() -> Outcome<u64>,
    /// The same with a checksum over what was decoded: for the check, whose time does not count.
    pub(crate) check: fn() -> Outcome<Sums>,
}

/// The floor comes first: the others are compared with it.
pub(crate) const ALL: &[Contestant] = &[
    floor::FLOOR,
    floor::TWO_FLOORS,
    ours::FULL,
    ours::PROJECTION,
    ours::COLLECTED,
    ours::PARALLEL,
    nlink::STREAM,
    netlink_bindings::ITERATE,
    #[cfg(libnetfilter_conntrack)]
    libnetfilter::CALLBACK,
    published::VEC,
];
