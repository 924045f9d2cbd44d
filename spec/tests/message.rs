//! The table of messages, and what answers them.

use conntrack_spec::codec::{self, Decode, Native};
use conntrack_spec::message::{MESSAGES, Message, Verb};
use conntrack_spec::netlink::NLM_F_DUMP;
use conntrack_spec::{AttributePolicy, ExtAck, Flow, FlowKey};

#[test]
fn every_message_is_found_by_its_type() {
    for message in MESSAGES {
        let found = Message::of(message.kind()).unwrap();
        assert_eq!(found.kernel, message.kernel, "two messages of type {:#06x}", message.kind());
    }
    assert_eq!(Message::of(0x0102).unwrap().kernel, "IPCTNL_MSG_CT_DELETE");
    assert_eq!(Message::of(0x0102).unwrap().verb, Verb::Delete);
    assert!(Message::of(0x0a00).is_none());
}

#[test]
fn answers_come_under_another_number() {
    let get = Message::of(0x0101).unwrap();
    assert_eq!(get.answer, Some(0x0100));
    assert_eq!(get.reply().unwrap().name, Flow::SCHEMA.name);
    // Subsystem 1, message 3, though it was asked of subsystem 2.
    assert_eq!(Message::of(0x0203).unwrap().answer, Some(0x0103));
    assert!(Message::of(0x0100).unwrap().reply().is_none(), "an acknowledgement only");
}

#[test]
fn requests_have_the_attributes_of_each_of_their_declarations() {
    let declares = |kind, flags, number| {
        Message::of(kind).unwrap().request_with(flags).unwrap().attribute(number).map(|attribute| attribute.kernel)
    };
    assert_eq!(declares(0x0100, 0, 6), Some("CTA_NAT_SRC"));
    assert_eq!(declares(0x0100, 0, 12), Some("CTA_ID"));
    // A dump has a filter, and a request for one flow has a key.
    assert_eq!(declares(0x0101, NLM_F_DUMP, 25), Some("CTA_FILTER"));
    assert_eq!(declares(0x0101, NLM_F_DUMP, 12), None);
    assert_eq!(declares(0x0101, 0, 12), Some("CTA_ID"));
    assert_eq!(declares(0x0101, 0, 25), None);
    assert_eq!(declares(0x0102, 0, 25), Some("CTA_FILTER"));
    assert_eq!(declares(0x0102, 0, 12), Some("CTA_ID"));
    assert!(FlowKey::SCHEMA.attribute(25).is_none());
}

#[test]
fn the_kernels_details_are_in_host_byte_order() {
    let details = ExtAck {
        message: Some("Attribute failed policy validation".to_owned()),
        offset: Some(Native(20)),
        policy: Some(AttributePolicy {
            kind: Some(Native(4)),
            max_unsigned: Some(Native(9)),
            ..AttributePolicy::default()
        }),
        ..ExtAck::default()
    };
    let bytes = codec::encode(&details).unwrap();
    assert!(bytes.windows(4).any(|bytes| bytes == 20_u32.to_ne_bytes()));
    assert_eq!(codec::decode::<ExtAck>(&bytes).unwrap(), details);
}
