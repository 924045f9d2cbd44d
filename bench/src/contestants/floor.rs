//! A bare receive loop, which decodes nothing.

use std::thread;

use super::Contestant;
use crate::Outcome;
use crate::raw::{Raw, messages};
use crate::sums::Sums;

pub(super) const FLOOR: Contestant = Contestant {
    id: "floor",
    name: "bare recv loop, no decoding",
    run: || drain(AF_UNSPEC),
    check: || count(&[AF_UNSPEC]),
};

/// Two loops on two sockets, one for each family: the floor of a dump in parallel.
pub(super) const TWO_FLOORS: Contestant = Contestant {
    id: "floor-parallel",
    name: "two bare recv loops, one for each family",
    run: drain_both,
    check: || count(&[AF_INET, AF_INET6]),
};

const AF_UNSPEC: u8 = 0;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;

/// The number of datagrams, for want of decoding.
fn drain(family: u8) -> Outcome<u64> {
    let mut datagrams = 0;
    Raw::open(0)?.dump(family, |_| {
        datagrams += 1;
        true
    })?;
    Ok(datagrams)
}

fn drain_both() -> Outcome<u64> {
    thread::scope(|scope| {
        let other = scope.spawn(|| drain(AF_INET6));
        let one = drain(AF_INET)?;
        let other = other.join().map_err(|_| "the other loop panicked")??;
        Ok(one + other)
    })
}

fn count(families: &[u8]) -> Outcome<Sums> {
    let mut sums = Sums::default();
    for family in families {
        Raw::open(0)?.dump(*family, |datagram| {
            messages(datagram).for_each(|_| sums.add_flow());
            true
        })?;
    }
    Ok(sums)
}
