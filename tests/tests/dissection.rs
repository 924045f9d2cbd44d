//! The dissector shows every byte once and in order, whatever the bytes are.

use conntrack::codec::{Decode, Native, encode};
use conntrack::{ExtAck, dissect, dissect_message};
use conntrack_tests::captures;
use conntrack_tests::dissection::check;
use conntrack_tests::generate::{careless, fixed};
use conntrack_tests::types::TYPES;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

proptest! {
    #![proptest_config(fixed(2_000))]

    #[test]
    fn attributes(
        (schema, bytes) in select(TYPES).prop_flat_map(|of| (Just(of.schema), careless(of.schema))),
    ) {
        check(&dissect(schema, &bytes).to_string(), &bytes);
    }

    /// What is right is shown right, and then what is wrong in some bytes, and what is cut.
    #[test]
    fn messages(
        of in select(captures::all()),
        flips in vec((any::<Index>(), any::<u8>()), 0..8),
        end in any::<Index>(),
        cut in any::<bool>(),
    ) {
        let mut bytes: Vec<u8> = of.messages.into_iter().flat_map(|message| message.bytes).collect();
        for (at, value) in flips {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if cut {
            bytes.truncate(end.index(bytes.len()));
        }
        check(&dissect_message(&bytes).to_string(), &bytes);
    }
}

/// A number in one piece is wider than a byte: it used to push what followed it out of its column.
#[test]
fn bytes_behind_a_number() {
    let mut bytes = encode(&ExtAck { offset: Some(Native(4)), ..ExtAck::default() }).unwrap();
    bytes.extend(1..=16);
    bytes[..2].copy_from_slice(&24_u16.to_ne_bytes());
    let text = dissect(ExtAck::SCHEMA, &bytes).to_string();
    check(&text, &bytes);
    let expected = "
NLMSGERR_ATTR_OFFS                        0018 0002  00000004 01 02 03 04 05    4 (excess bytes: 16)
                                                     06 07 08 09 0a 0b 0c 0d
                                                     0e 0f 10";
    assert_eq!(text, expected.trim_start());
}
