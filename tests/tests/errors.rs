//! What errors say: which attribute, what is wrong with it, at which byte.

use std::error::Error;
use std::net::SocketAddr;

use conntrack::codec::{DecodeErrorKind, EncodeError, Mode, TooLong, decode, decode_with, encode};
use conntrack::{
    Changes, ExtAck, Filter, Flow, FlowFilter, FlowId, FlowKey, Help, KernelVersion, Report, Seconds, Status,
    TimeoutPolicy, Timeouts, Tuple, UdpTimeouts,
};
use conntrack_tests::generate::{bytes, patch};
use conntrack_tests::paths::decode_both_ways;

fn tuple() -> Tuple {
    let address = |text: &str| text.parse::<SocketAddr>().unwrap();
    Tuple::udp(address("10.0.0.1:1000"), address("10.0.0.2:53"))
}

/// `CTA_TUPLE_ORIG`, `CTA_TUPLE_REPLY`, `CTA_STATUS`, `CTA_ID`: the least there is to a flow.
fn flow() -> Vec<Vec<u8>> {
    let orig = encode(&tuple()).unwrap();
    let reply = encode(&tuple().inverse()).unwrap();
    vec![bytes(1, true, &orig), bytes(2, true, &reply), bytes(3, false, &[0, 0, 0, 8]), bytes(12, false, &[1, 2, 3, 4])]
}

/// The error's text, the same along both paths.
fn error(attributes: &[u8], mode: Mode) -> String {
    decode_both_ways::<Flow>(attributes, mode).unwrap_err().to_string()
}

#[test]
fn a_short_address() {
    // The address's length says 7 and its padding stays, so only this attribute is wrong.
    let mut attributes = flow().concat();
    let at = attributes.windows(4).position(|four| four == [10, 0, 0, 1]).unwrap();
    patch(&mut attributes[at - 4..], |header| header.len = 7);
    let text = error(&attributes, Mode::Lenient);
    assert_eq!(text, format!("CTA_TUPLE_ORIG.CTA_TUPLE_IP.CTA_IP_V4_SRC: 3 bytes, expected 4 (at byte {at})"));
    assert_eq!(at, 12, "two nests and a header of four bytes each are in front");
}

#[test]
fn the_parts_of_an_error() {
    let attributes = [flow().concat(), bytes(8, false, &[0, 7])].concat();
    let error = decode::<Flow>(&attributes).unwrap_err();
    assert_eq!(error.path().collect::<Vec<_>>(), ["CTA_MARK"]);
    assert_eq!(error.kind(), DecodeErrorKind::TooShort { found: 2, expected: 4 });
    assert_eq!(error.offset(), attributes.len() - 4, "the payload's first byte");
}

#[test]
fn debug_names_the_kind() {
    let error = decode::<FlowKey>(&bytes(1, true, &[])).unwrap_err();
    assert_eq!(
        format!("{error:?}"),
        r#"DecodeError { path: ["CTA_TUPLE_ORIG"], kind: Missing("CTA_TUPLE_IP"), offset: 4 }"#
    );
}

/// They print everything themselves, so that there is nothing left for a source.
#[test]
fn errors_of_the_codec_and_of_texts_have_no_source() {
    let errors: [&dyn Error; 6] = [
        &decode::<Flow>(&[]).unwrap_err(),
        &DecodeErrorKind::TrailingBytes(2),
        &EncodeError::Nul { number: 1, at: 3 },
        &TooLong::Nul(3),
        &"proto=nonsense".parse::<Filter>().unwrap_err(),
        &"six".parse::<KernelVersion>().unwrap_err(),
    ];
    for error in errors {
        assert!(error.source().is_none(), "{error:?}");
        assert_eq!(Report(error).to_string(), error.to_string());
    }
}

#[test]
fn a_length_beyond_the_end() {
    let mut attributes = flow().concat();
    let header = attributes.len() - 8;
    patch(&mut attributes[header..], |header| header.len = 60_000);
    assert_eq!(
        error(&attributes, Mode::Lenient),
        format!("attribute length 60000, expected 4 to 8 (at byte {header})")
    );
    // A message cut in the middle says the same.
    patch(&mut attributes[header..], |header| header.len = 8);
    attributes.truncate(header + 6);
    assert_eq!(error(&attributes, Mode::Lenient), format!("attribute length 8, expected 4 to 6 (at byte {header})"));
}

#[test]
fn a_length_below_the_header() {
    let mut attributes = flow().concat();
    patch(&mut attributes[4..], |header| header.len = 3);
    assert_eq!(error(&attributes, Mode::Lenient), "CTA_TUPLE_ORIG: attribute length 3, expected 4 to 48 (at byte 4)");
}

#[test]
fn something_missing() {
    let attributes = flow();
    let orig = attributes[0].len();
    assert_eq!(error(&attributes[..3].concat(), Mode::Lenient), "missing CTA_ID (at byte 0)");
    assert_eq!(error(&[], Mode::Lenient), "missing CTA_TUPLE_ORIG (at byte 0)");
    // A reply tuple without CTA_TUPLE_PROTO: what is missing is missing from byte `orig + 4` on.
    let ip = &encode(&tuple()).unwrap()[..20];
    let attributes = [&attributes[0], &bytes(2, true, ip), &attributes[2], &attributes[3]].map(Vec::as_slice).concat();
    assert_eq!(
        error(&attributes, Mode::Lenient),
        format!("CTA_TUPLE_REPLY: missing CTA_TUPLE_PROTO (at byte {})", orig + 4)
    );
}

#[test]
fn one_of_several_missing() {
    let empty_ip = [bytes(1, true, &[]), bytes(2, true, &bytes(1, false, &[17]))].concat();
    let attributes = bytes(1, true, &empty_ip);
    assert_eq!(
        error(&attributes, Mode::Lenient),
        "CTA_TUPLE_ORIG.CTA_TUPLE_IP: missing CTA_IP_V4_SRC or CTA_IP_V6_SRC (at byte 8)"
    );
    assert_eq!(
        decode::<FlowKey>(&[]).unwrap_err().to_string(),
        "missing CTA_TUPLE_ORIG or CTA_TUPLE_REPLY (at byte 0)"
    );
}

#[test]
fn longer_integers_are_read_from_their_first_bytes() {
    let attributes = [flow().concat(), bytes(8, false, &[0, 0, 0, 7, 0xff, 0xff])].concat();
    for mode in [Mode::Lenient, Mode::Strict] {
        assert_eq!(decode_both_ways::<Flow>(&attributes, mode).unwrap().mark, Some(7));
    }
}

#[test]
fn the_last_of_two_counts() {
    let attributes = [bytes(8, false, &[0, 0, 0, 7]), flow().concat(), bytes(8, false, &[0, 0, 0, 0])].concat();
    assert_eq!(decode_both_ways::<Flow>(&attributes, Mode::Strict).unwrap().mark, Some(0));
    // A nest counts whole: the first one's zone is gone.
    let other = tuple().in_zone(9);
    let attributes = [bytes(1, true, &encode(&other).unwrap()), flow().concat()].concat();
    assert_eq!(decode_both_ways::<Flow>(&attributes, Mode::Strict).unwrap().orig, tuple());
}

#[test]
fn the_last_of_two_counts_whatever_the_first_is() {
    let good = flow().concat();
    // Too short, an incomplete nest, and a nest with a malformed attribute.
    for first in [
        bytes(3, false, &[0, 7]),
        bytes(12, false, &[7]),
        bytes(1, true, &[]),
        bytes(2, true, &[3, 0, 1, 0]),
        bytes(1, true, &bytes(1, true, &bytes(1, false, &[10]))),
    ] {
        let attributes = [first.clone(), good.clone()].concat();
        assert_eq!(decode_both_ways::<Flow>(&attributes, Mode::Strict), decode(&good), "{first:02x?}");
        // If it is the last one, it counts.
        let attributes = [good.clone(), first].concat();
        let error = decode_both_ways::<Flow>(&attributes, Mode::Lenient).unwrap_err();
        assert!(error.offset() >= good.len(), "{error}");
    }
    // Of two that are malformed, the last one is blamed.
    let attributes = [bytes(8, false, &[7]), good.clone(), bytes(8, false, &[7, 7])].concat();
    assert_eq!(
        error(&attributes, Mode::Lenient),
        format!("CTA_MARK: 2 bytes, expected 4 (at byte {})", good.len() + 12)
    );
}

#[test]
fn the_last_of_two_counts_where_one_tells_what_is_in_the_other() {
    let (tag, seconds) = (|protocol| bytes(3, false, &[protocol]), |value: u32| value.to_be_bytes());
    let head = [bytes(1, false, b"p\0"), bytes(2, false, &[0, 2])].concat();
    let short = bytes(4, true, &bytes(1, false, &[0, 0, 1]));
    let good = bytes(4, true, &bytes(1, false, &seconds(7)));
    let udp = Timeouts::Udp(UdpTimeouts::new().unreplied(Seconds(7)));
    let policy = |attributes: &[&[u8]]| {
        decode_both_ways::<TimeoutPolicy>(&[&[head.as_slice()], attributes].concat().concat(), Mode::Strict)
    };
    assert_eq!(policy(&[&tag(17), &short, &good]).unwrap().timeouts, udp);
    assert_eq!(policy(&[&tag(6), &good, &tag(17)]).unwrap().timeouts, udp);
    // What is no list of timeouts of one protocol may be one of another: attribute 11 of TCP is none of UDP.
    let eleventh = bytes(4, true, &bytes(11, false, &seconds(7)));
    assert!(policy(&[&tag(17), &eleventh]).is_err());
    assert!(matches!(policy(&[&tag(17), &eleventh, &tag(6)]).unwrap().timeouts, Timeouts::Tcp(_)));
    assert!(policy(&[&tag(17), &short, &tag(6)]).is_err());
}

#[test]
fn padding_that_looks_like_a_status() {
    // Machines that align 64-bit values put an empty attribute 3 in front of CTA_TIMESTAMP_EVENT.
    let padding = [bytes(3, false, &[]), bytes(27, false, &7_u64.to_be_bytes())].concat();
    let attributes = [flow().concat(), padding].concat();
    let flow = decode_both_ways::<Flow>(&attributes, Mode::Strict).unwrap();
    assert_eq!(flow.status, Status::CONFIRMED);
    assert_eq!(flow.timestamp_event.map(|event| event.0), Some(7));
    assert_eq!(flow.id, FlowId([1, 2, 3, 4]));
    // Who declares it needs no word for that.
    assert_eq!(decode_both_ways::<Changes>(&bytes(3, false, &[]), Mode::Strict).unwrap(), Changes::default());
}

#[test]
fn padding_inside_a_nest() {
    let counters = [
        bytes(5, false, &[]),
        bytes(1, false, &3_u64.to_be_bytes()),
        bytes(5, false, &[]),
        bytes(2, false, &150_u64.to_be_bytes()),
    ]
    .concat();
    let attributes = [flow().concat(), bytes(9, true, &counters)].concat();
    let flow = decode_both_ways::<Flow>(&attributes, Mode::Strict).unwrap();
    assert_eq!(flow.counters_orig.map(|counters| (counters.packets, counters.bytes)), Some((3, 150)));
}

#[test]
fn unknown_attributes() {
    let mut attributes = flow();
    attributes.insert(1, bytes(99, false, &[1, 2, 3]));
    let at = attributes[0].len();
    let attributes = attributes.concat();
    assert!(decode_both_ways::<Flow>(&attributes, Mode::Lenient).is_ok());
    assert_eq!(error(&attributes, Mode::Strict), format!("unknown attribute 99 with 3 bytes (at byte {at})"));

    let inside = [bytes(1, false, b"ftp\0"), bytes(7, false, &[])].concat();
    let text = decode_with::<Changes>(&bytes(5, true, &inside), Mode::Strict).unwrap_err().to_string();
    assert_eq!(text, "CTA_HELP: unknown attribute 7 with 0 bytes (at byte 12)");
}

#[test]
fn bytes_behind_the_last_attribute() {
    let attributes = [flow().concat(), vec![0, 0]].concat();
    assert!(decode_both_ways::<Flow>(&attributes, Mode::Lenient).is_ok());
    let at = attributes.len() - 2;
    assert_eq!(error(&attributes, Mode::Strict), format!("2 bytes behind the last attribute (at byte {at})"));
}

#[test]
fn strings() {
    let help = |name: &[u8]| {
        let attributes = bytes(5, true, &bytes(1, false, name));
        decode_both_ways::<Changes>(&attributes, Mode::Lenient).map(|changes| changes.help)
    };
    let text = |name: &[u8]| help(name).unwrap_err().to_string();
    assert_eq!(text(b"ftp"), "CTA_HELP.CTA_HELP_NAME: no NUL in 3 bytes, expected a terminated string (at byte 8)");
    assert_eq!(text(b""), "CTA_HELP.CTA_HELP_NAME: no NUL in 0 bytes, expected a terminated string (at byte 8)");
    assert_eq!(help(b"\0").unwrap(), Some(Help::default()));
    assert_eq!(help(b"ftp\0garbage").unwrap().unwrap().name, "ftp");
}

/// Neither a flow nor what the kernel says of an error is lost for a byte that is not UTF-8.
#[test]
fn texts_are_never_refused() {
    let attributes = [flow().concat(), bytes(19, true, &bytes(1, false, b"x\xff:s0\0"))].concat();
    let flow = decode_both_ways::<Flow>(&attributes, Mode::Strict).unwrap();
    assert_eq!(flow.sec_ctx.map(|context| context.name).as_deref(), Some("x?:s0"));
    let answer = decode_both_ways::<ExtAck>(&bytes(1, false, b"caf\xe9 is closed\0"), Mode::Strict).unwrap();
    assert_eq!(answer.message.as_deref(), Some("caf? is closed"));
}

#[test]
fn bytes_without_an_order() {
    let labels = bytes(22, false, &[7; 20]);
    assert_eq!(
        decode::<Changes>(&labels).unwrap_err().to_string(),
        "CTA_LABELS: 20 bytes, expected at most 16 (at byte 4)"
    );
    let labels = bytes(22, false, &[7; 15]);
    assert_eq!(decode::<Changes>(&labels).unwrap_err().to_string(), "CTA_LABELS: 15 bytes, expected 16 (at byte 4)");
    let flags = bytes(4, true, &bytes(1, true, &bytes(4, false, &[7])));
    assert_eq!(
        decode::<Changes>(&flags).unwrap_err().to_string(),
        "CTA_PROTOINFO.CTA_PROTOINFO_TCP.CTA_PROTOINFO_TCP_FLAGS_ORIGINAL: 1 bytes, expected 2 (at byte 12)"
    );
}

#[test]
fn a_mask_needs_its_value() {
    // A lone mask means nothing to the kernel, so nothing here can hold one.
    let error = decode::<FlowFilter>(&bytes(21, false, &[0xff; 4])).unwrap_err();
    assert_eq!(error.to_string(), "missing CTA_MARK (at byte 0)");
}

#[test]
fn deep_nests_end() {
    // Attribute 1 in attribute 1, ten thousand deep: only what is declared is followed.
    let nest = (0..10_000).fold(Vec::new(), |inside, _| bytes(1, true, &inside));
    assert_eq!(
        error(&nest, Mode::Lenient),
        "CTA_TUPLE_ORIG.CTA_TUPLE_IP: missing CTA_IP_V4_DST or CTA_IP_V6_DST (at byte 8)"
    );
}
