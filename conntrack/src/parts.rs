//! Dumps that one thread reads and another takes.

use crate::error::Error;

/// What gives items in parts, so that a thread can hand them over.
pub(crate) trait Parts<T> {
    /// The next items, at most so many: fewer, or none, after a datagram in which nothing was found, so that nobody waits
    /// for what is rare. `None` at the end.
    fn next_part(&mut self, most: usize) -> Option<Vec<Result<T, Error>>>;
}

/// The most items of a part: about as many as a datagram holds.
pub(crate) const PART: usize = 128;

/// Hands over all parts, until nobody wants them any more.
pub(crate) fn hand_over<T>(
    mut parts: impl Parts<T>,
    is_wanted: impl Fn() -> bool,
    mut send: impl FnMut(Vec<Result<T, Error>>) -> bool,
) {
    while let Some(part) = parts.next_part(PART) {
        let goes_on = if part.is_empty() { is_wanted() } else { send(part) };
        if !goes_on {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use conntrack_spec::Flow;

    use super::*;

    /// A dump without end, of which no flow is asked for.
    struct Endless;

    impl Parts<Flow> for Endless {
        fn next_part(&mut self, _: usize) -> Option<Vec<Result<Flow, Error>>> {
            Some(Vec::new())
        }
    }

    #[test]
    fn a_dump_in_which_nothing_is_found_ends_when_nobody_wants_it() {
        let asked = Cell::new(0);
        let is_wanted = || {
            asked.set(asked.get() + 1);
            asked.get() < 3
        };
        hand_over(Endless, is_wanted, |_| panic!("nothing to hand over"));
        assert_eq!(asked.get(), 3);
    }
}
