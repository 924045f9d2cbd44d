//! What is encoded decodes to itself, and the decoder's two paths agree over whatever bytes.
//!
//! The bytes come from each struct's schema: see `conntrack_tests::generate`.

use conntrack::codec::{Decode, Mode, decode, decode_with, encode};
use conntrack_tests::damage::nests_without_one;
use conntrack_tests::every_message;
use conntrack_tests::generate::{careless, fixed, valid, value};
use conntrack_tests::paths::decode_both_ways;
use conntrack_tests::sample::{Nests, Sample};
use conntrack_tests::types;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

macro_rules! round_trips {
    ($($module:ident: $type:ty;)*) => {$(
        mod $module {
            use super::*;

            proptest! {
                #![proptest_config(fixed(400))]

                /// Every declared attribute ends in a field and is written again as it was.
                #[test]
                fn bytes(bytes in valid(<$type>::SCHEMA)) {
                    let value = decode_both_ways::<$type>(&bytes, Mode::Strict)?;
                    prop_assert_eq!(encode(&value)?, bytes);
                }

                /// Values survive, and nothing that is written is undeclared.
                #[test]
                fn values(value in value::<$type>()) {
                    let bytes = encode(&value)?;
                    prop_assert_eq!(&decode::<$type>(&bytes)?, &value);
                    prop_assert_eq!(&decode_with::<$type>(&bytes, Mode::Strict)?, &value);
                }

                #[test]
                fn out_of_order_doubled_missing_unknown(bytes in careless(<$type>::SCHEMA)) {
                    types::check::<$type>(&bytes);
                }

                /// Nothing of a nest that does not decode is left where a later one takes its place.
                #[test]
                fn superseded(first in valid(<$type>::SCHEMA), whole in valid(<$type>::SCHEMA)) {
                    for nest in nests_without_one(<$type>::SCHEMA, &first) {
                        types::check::<$type>(&[&nest[..], &whole].concat());
                    }
                }

                #[test]
                fn truncated(bytes in valid(<$type>::SCHEMA), end in any::<Index>()) {
                    types::check::<$type>(&bytes[..end.index(bytes.len() + 1)]);
                }

                #[test]
                fn flipped(
                    mut bytes in valid(<$type>::SCHEMA),
                    flips in vec((any::<Index>(), 1..=u8::MAX), 1..4),
                ) {
                    for (at, bits) in flips {
                        // There may be no bytes at all.
                        let at = at.index(bytes.len().max(1));
                        bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= bits);
                    }
                    types::check::<$type>(&bytes);
                }

                #[test]
                fn noise(bytes in vec(any::<u8>(), 0..64)) {
                    types::check::<$type>(&bytes);
                }
            }
        }
    )*};
}

// The nests are in the messages.
every_message!(round_trips);
round_trips! {
    sample: Sample;
    nests: Nests;
}
