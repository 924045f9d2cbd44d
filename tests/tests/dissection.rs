//! The dissector shows every byte once and in order, whatever the bytes are.

use std::borrow::Cow;

use conntrack::codec::{Decode, Native, encode};
use conntrack::dissect::in_host_order;
use conntrack::{
    ExtAck, Family, FilterBits, FilterFlags, FlowFilter, Seconds, TimeoutPolicy, UdpTimeouts, dissect, dissect_message,
};
use conntrack_tests::captures;
use conntrack_tests::dissection::{bytes_in_other_order, check};
use conntrack_tests::generate::{careless, fixed, message, patch};
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

proptest! {
    #![proptest_config(fixed(2_000))]

    /// What a machine of the other byte order sent is read as what this one would have sent, were it cut.
    #[test]
    fn other_byte_order(of in select(captures::all()), end in any::<Index>(), cut in any::<bool>()) {
        let mut bytes: Vec<u8> = of.messages.into_iter().flat_map(|message| message.bytes).collect();
        prop_assert!(matches!(in_host_order(&bytes), Cow::Borrowed(_)));
        let mut theirs = bytes_in_other_order(&dissect_message(&bytes).to_string());
        prop_assert_ne!(&theirs, &bytes);
        prop_assert_eq!(in_host_order(&theirs), &*bytes);
        if cut {
            let end = 4 + end.index(bytes.len() - 3);
            theirs.truncate(end);
            bytes.truncate(end);
            // Up to what is cut: of that, nobody knows which bytes are numbers.
            let lines = |bytes: &[u8]| -> Vec<String> {
                let text = dissect_message(bytes).to_string();
                let whole = |line: &&str| !["malformed", "truncated", "trailing", "body"].iter().any(|word| line.contains(word));
                text.lines().take_while(whole).map(str::to_owned).collect()
            };
            prop_assert_eq!(lines(&in_host_order(&theirs)), lines(&bytes));
        }
    }

    #[test]
    fn other_byte_order_of_anything(bytes in vec(any::<u8>(), 0..80), length in 0..100_u32) {
        let _ = in_host_order(&bytes);
        let mut message = bytes;
        if let Some(place) = message.first_chunk_mut() {
            *place = length.swap_bytes().to_ne_bytes();
        }
        check(&dissect_message(&in_host_order(&message)).to_string(), &in_host_order(&message));
    }
}

/// Attributes in host byte order, and a nest that another attribute tells of.
#[test]
fn other_byte_order_of_what_is_native() {
    let filter = FilterFlags { orig: Some(FilterBits::IP_SRC), reply: Some(FilterBits::ICMP_ID) };
    let dump = encode(&FlowFilter { filter: Some(filter), ..FlowFilter::default() }).unwrap();
    let policy = TimeoutPolicy::new("slow".parse().unwrap(), Family::IPV4, UdpTimeouts::new().replied(Seconds(9)));
    let ext_ack = ExtAck { message: Some("no".to_owned()), offset: Some(Native(20)), ..ExtAck::default() };
    let mut error = (-34_i32).to_ne_bytes().to_vec();
    error.extend(message(0x0101, 0x305, Family::IPV4, &[]).get(..16).unwrap());
    error.extend(encode(&ext_ack).unwrap());
    let header = [
        u32::try_from(16 + error.len()).unwrap().to_ne_bytes().to_vec(),
        [2_u16.to_ne_bytes(), 0x300_u16.to_ne_bytes()].concat(),
        vec![0; 8],
    ];
    let datagrams = [
        message(0x0101, 0x305, Family::IPV4, &dump),
        message(0x0800, 0x5, Family::IPV4, &encode(&policy).unwrap()),
        [header.concat(), error].concat(),
    ];
    for bytes in datagrams.iter().chain([&datagrams.concat()]) {
        let text = dissect_message(bytes).to_string();
        assert!(!text.contains("unknown") && !text.contains("malformed"), "{text}");
        assert_eq!(dissect_message(&in_host_order(&bytes_in_other_order(&text))).to_string(), text);
    }
}

/// A number in one piece is wider than a byte: it used to push what followed it out of its column.
#[test]
fn bytes_behind_a_number() {
    let mut bytes = encode(&ExtAck { offset: Some(Native(4)), ..ExtAck::default() }).unwrap();
    bytes.extend(1..=16);
    patch(&mut bytes, |header| header.len = 24);
    let text = dissect(ExtAck::SCHEMA, &bytes).to_string();
    check(&text, &bytes);
    let expected = "
NLMSGERR_ATTR_OFFS                        0018 0002  00000004 01 02 03 04 05    4 (excess bytes: 16)
                                                     06 07 08 09 0a 0b 0c 0d
                                                     0e 0f 10";
    assert_eq!(text, expected.trim_start());
}
