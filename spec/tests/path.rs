//! From the kernel's offset to the attribute that it means.

use conntrack_spec::codec::{self, Decode, Layout, NlAttr};
use conntrack_spec::{FlowKey, NewFlow, Tuple};

fn key() -> Vec<u8> {
    let tuple = Tuple::udp("10.0.0.1:5353".parse().unwrap(), "10.0.0.2:53".parse().unwrap());
    codec::encode(&FlowKey::new(tuple).in_zone(7)).unwrap()
}

fn path(bytes: &[u8], offset: usize) -> Option<String> {
    FlowKey::SCHEMA.path_at(bytes, offset).map(|path| path.to_string())
}

#[test]
fn the_innermost_attribute_counts() {
    let bytes = key();
    let expected = [
        (0..4, "CTA_TUPLE_ORIG"),
        (4..8, "CTA_TUPLE_ORIG.CTA_TUPLE_IP"),
        (8..16, "CTA_TUPLE_ORIG.CTA_TUPLE_IP.CTA_IP_V4_SRC"),
        (16..24, "CTA_TUPLE_ORIG.CTA_TUPLE_IP.CTA_IP_V4_DST"),
        (24..28, "CTA_TUPLE_ORIG.CTA_TUPLE_PROTO"),
        // Its padding too.
        (28..36, "CTA_TUPLE_ORIG.CTA_TUPLE_PROTO.CTA_PROTO_NUM"),
        (36..44, "CTA_TUPLE_ORIG.CTA_TUPLE_PROTO.CTA_PROTO_SRC_PORT"),
        (44..52, "CTA_TUPLE_ORIG.CTA_TUPLE_PROTO.CTA_PROTO_DST_PORT"),
        (52..60, "CTA_ZONE"),
    ];
    for (offsets, name) in expected {
        for offset in offsets {
            assert_eq!(path(&bytes, offset).as_deref(), Some(name), "at {offset}");
        }
    }
    assert_eq!(path(&bytes, bytes.len()), None);
    assert_eq!(path(&bytes, usize::MAX), None);
    assert_eq!(path(&[], 0), None);
}

#[test]
fn attributes_that_are_not_declared_are_numbers() {
    let mut bytes = key();
    // CTA_TUPLE_IP becomes attribute 99.
    NlAttr::edit(&mut bytes[4..], |header| header.kind = 99).unwrap();
    assert_eq!(path(&bytes, 8).unwrap(), "CTA_TUPLE_ORIG.99");
    let path = FlowKey::SCHEMA.path_at(&bytes, 8).unwrap();
    let names: Vec<_> = path.attributes().map(|name| (name.number, name.declared.map(|it| it.field))).collect();
    assert_eq!(names, [(1, Some("Orig")), (99, None)]);
}

#[test]
fn what_is_malformed_is_the_attribute_around_it() {
    let mut bytes = key();
    // The length of CTA_TUPLE_IP, beyond the end of what is around it.
    NlAttr::edit(&mut bytes[4..], |header| header.len = 200).unwrap();
    assert_eq!(path(&bytes, 8).unwrap(), "CTA_TUPLE_ORIG");
    NlAttr::edit(&mut bytes, |header| header.len = 3).unwrap();
    assert_eq!(path(&bytes, 8), None);
}

#[test]
fn flattened_attributes_are_found() {
    let flow = NewFlow::udp("10.0.0.1:5353".parse().unwrap(), "10.0.0.2:53".parse().unwrap()).mark(7);
    let bytes = codec::encode(&flow).unwrap();
    assert_eq!(NewFlow::SCHEMA.path_at(&bytes, bytes.len() - 1).unwrap().to_string(), "CTA_MARK");
}
