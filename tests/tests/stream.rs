//! A stream splits bytes exactly as the definition of an attribute says, in whichever way it does it.

use conntrack::codec::{Attribute, NLA_HEADER, Stream};
use conntrack_tests::generate::{careless, fixed};
use conntrack_tests::sample::Sample;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

/// Follows both to the end.
fn compare(mut bytes: &[u8]) -> Result<(), TestCaseError> {
    let mut stream = Stream::new(bytes);
    loop {
        let next = stream.next_attribute();
        if bytes.len() < NLA_HEADER {
            prop_assert!(matches!(next, Ok(None)), "{:?} at the end", next);
            prop_assert_eq!(stream.rest(), bytes);
            return Ok(());
        }
        let Ok((rest, attribute)) = Attribute::split(bytes) else {
            prop_assert!(next.is_err(), "{:?} where there is no attribute", next);
            prop_assert!(stream.rest().is_empty());
            return Ok(());
        };
        prop_assert_eq!(next, Ok(Some(attribute)));
        prop_assert_eq!(stream.rest(), rest);
        bytes = rest;
    }
}

proptest! {
    #![proptest_config(fixed(2000))]

    #[test]
    fn attributes(bytes in careless(<Sample as conntrack::Decode>::SCHEMA), end in any::<Index>()) {
        compare(&bytes)?;
        compare(&bytes[..end.index(bytes.len() + 1)])?;
    }

    #[test]
    fn noise(bytes in vec(prop_oneof![4 => 0..12_u8, 1 => any::<u8>()], 0..64)) {
        compare(&bytes)?;
    }
}
