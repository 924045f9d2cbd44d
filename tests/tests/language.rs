//! What can be declared beside plain attributes, one thing a test.

use conntrack::codec::{
    BoundedBytes, DecodeErrorKind, EncodeError, EncodePayload, Entry, Mode, NLA_F_NESTED, Native, NulString,
    RawAttribute, Schema, SchemaAttribute, Wire, Writer, decode, encode,
};
use conntrack::{Decode, Encode, Flow, codec};
use conntrack_tests::generate::bytes;
use conntrack_tests::paths::decode_both_ways;
use conntrack_tests::sample::{Gaps, Kept, Nests, Range, Sample, Target, Wrapped};

fn sample() -> Sample {
    Sample {
        name: NulString::EMPTY,
        count: None,
        elements: Vec::new(),
        indexed: Vec::new(),
        range: None,
        target: Target::Name("x".to_owned()),
        padded: None,
        blob: None,
        address: None,
        rest: Vec::new(),
    }
}

fn nests() -> Nests {
    let name = Wrapped("x".to_owned());
    Nests {
        kept: Kept { name: name.clone(), rest: Vec::new() },
        open: None,
        opens: Vec::new(),
        gaps: None,
        last: name,
        inner: None,
    }
}

/// `sample`, and behind it these attributes.
fn sample_and(more: &[Vec<u8>]) -> Vec<u8> {
    [encode(&sample()).unwrap(), more.concat()].concat()
}

fn decoded(more: &[Vec<u8>]) -> Sample {
    decode_both_ways(&sample_and(more), Mode::Strict).unwrap()
}

#[test]
fn host_order_is_spelled_out() {
    let value = Sample { count: Some(Native(0x0102)), ..sample() };
    let sent = encode(&value).unwrap();
    assert!(sent.windows(6).any(|six| six[2..] == [2, 0, 0x02, 0x01] || six[2..] == [0, 2, 0x01, 0x02]), "{sent:02x?}");
}

mod layouts {
    use conntrack::codec::{DecodeErrorKind, Layout, NATIVE, Stream};
    use deku::{DekuRead, DekuSize, DekuWrite};

    use super::*;

    /// In memory, a compiler may order and align the fields as it likes.
    #[derive(Clone, Debug, Default, PartialEq, DekuRead, DekuWrite, DekuSize, Encode, Decode)]
    #[nla(layout)]
    struct Mixed {
        first: u8,
        #[deku(endian = "big")]
        network: u32,
        second: u8,
        #[deku(endian = "NATIVE")]
        host: u16,
        inner: Inner,
    }

    #[derive(Clone, Debug, Default, PartialEq, DekuRead, DekuWrite, DekuSize)]
    #[deku(endian = "little")]
    struct Inner {
        little: u64,
        name: [u8; 3],
    }

    #[derive(Clone, Debug, Default, PartialEq, DekuRead, DekuWrite, DekuSize, Encode, Decode)]
    #[nla(layout)]
    struct Bounded {
        #[deku(assert = "*level < 8")]
        level: u8,
    }

    #[derive(Clone, Debug, Default, PartialEq, DekuRead, DekuWrite, DekuSize, Encode, Decode)]
    #[nla(layout)]
    struct Long {
        before: [u8; 30],
        #[deku(endian = "big")]
        middle: [[u16; 20]; 10],
        after: u8,
    }

    #[derive(Clone, Debug, PartialEq, Encode, Decode)]
    struct Nest {
        #[nla(SAMPLE_MIXED)]
        mixed: Mixed,
        #[nla(SAMPLE_BOUNDED)]
        bounded: Option<Bounded>,
        #[nla(SAMPLE_LONG)]
        long: Option<Long>,
    }

    const SAMPLE_MIXED: u16 = 1;
    const SAMPLE_BOUNDED: u16 = 2;
    const SAMPLE_LONG: u16 = 3;

    fn mixed() -> Mixed {
        let inner = Inner { little: 0x0102, name: *b"abc" };
        Mixed { first: 7, network: 0x0102_0304, second: 8, host: 0x0506, inner }
    }

    fn mixed_bytes() -> Vec<u8> {
        let [high, low] = 0x0506_u16.to_ne_bytes();
        [&[7, 1, 2, 3, 4, 8, high, low][..], &[2, 1, 0, 0, 0, 0, 0, 0], b"abc"].concat()
    }

    #[test]
    fn are_read_and_written_field_by_field() {
        let nest = Nest { mixed: mixed(), bounded: Some(Bounded { level: 7 }), long: None };
        let expected = [bytes(1, false, &mixed_bytes()), bytes(2, false, &[7])].concat();
        assert_eq!(encode(&nest).unwrap(), expected);
        assert_eq!(decode_both_ways::<Nest>(&expected, Mode::Strict), Ok(nest));
        assert_eq!(Mixed::SIZE, 19);
        let wire = Nest::SCHEMA.attribute(SAMPLE_MIXED).unwrap().wire;
        assert!(matches!(wire, Wire::Layout { name: "Mixed", size: 19 }), "{wire:?}");
    }

    #[test]
    fn longer_ones_are_cut_and_shorter_ones_are_errors() {
        let longer = bytes(1, false, &[mixed_bytes(), vec![9; 5]].concat());
        assert_eq!(decode_both_ways::<Nest>(&longer, Mode::Strict).unwrap().mixed, mixed());
        let shorter = bytes(1, false, &mixed_bytes()[..18]);
        let error = decode_both_ways::<Nest>(&shorter, Mode::Lenient).unwrap_err();
        assert_eq!(error.to_string(), "SAMPLE_MIXED: 18 bytes, expected 19 (at byte 4)");
    }

    #[test]
    fn may_be_long() {
        let mut long = Long { after: 9, ..Long::default() };
        long.middle[9][19] = 0x0102;
        let nest = Nest { mixed: mixed(), bounded: None, long: Some(long) };
        let encoded = encode(&nest).unwrap();
        assert!(encoded.ends_with(&[1, 2, 9, 0]), "{encoded:02x?}");
        assert_eq!(decode_both_ways::<Nest>(&encoded, Mode::Strict), Ok(nest));
    }

    #[test]
    fn conditions_are_kept_and_named() {
        let received = [bytes(2, false, &[8]), bytes(1, false, &mixed_bytes())].concat();
        let error = decode_both_ways::<Nest>(&received, Mode::Lenient).unwrap_err();
        assert_eq!(error.path().collect::<Vec<_>>(), ["SAMPLE_BOUNDED"]);
        assert!(matches!(error.kind(), DecodeErrorKind::InvalidLayout(name) if name.ends_with("Bounded")), "{error}");
        // The attribute is still there for what would look at it next.
        let mut stream = Stream::new(&received);
        assert_eq!(<Bounded as codec::DecodePayload>::decode_next(SAMPLE_BOUNDED, &mut stream), None);
        assert_eq!(stream.rest(), received);

        let nest = Nest { mixed: mixed(), bounded: Some(Bounded { level: 8 }), long: None };
        assert_eq!(encode(&nest), Err(EncodeError::InvalidLayout));
        let mut buffer = vec![1];
        assert_eq!(Bounded { level: 8 }.append_to(&mut buffer), Err(EncodeError::InvalidLayout));
        let refused = Bounded::edit(&mut buffer, |bounded| bounded.level = 8).unwrap_err();
        assert!(matches!(refused, DecodeErrorKind::InvalidLayout(_)), "{refused}");
        assert_eq!(buffer, [1]);
    }

    #[test]
    fn are_changed_in_place() {
        let mut buffer = [mixed_bytes(), vec![9; 3]].concat();
        Mixed::edit(&mut buffer, |mixed| mixed.network = 1).unwrap();
        assert_eq!(buffer, [&[7, 0, 0, 0, 1][..], &mixed_bytes()[5..], &[9; 3]].concat());
        let whole = buffer.clone();
        assert_eq!(mixed().write_to(&mut buffer[..18]), Err(EncodeError::NoRoom(19)));
        assert_eq!(
            Mixed::edit(&mut buffer[..18], |mixed| mixed.first = 0),
            Err(DecodeErrorKind::TooShort { found: 18, expected: 19 })
        );
        assert_eq!(buffer, whole);
    }
}

#[test]
fn repeated_attributes_keep_their_order() {
    let element = |low: u64| bytes(3, true, &bytes(20, false, &low.to_be_bytes()));
    let elements = decoded(&[element(9), bytes(2, false, &[0, 0]), element(7), element(8)]).elements;
    assert_eq!(elements.iter().map(|range| range.low).collect::<Vec<_>>(), [9, 7, 8]);
}

#[test]
fn indexed_attributes_come_in_the_order_of_their_numbers() {
    let element = |number, value: i32| bytes(number, false, &value.to_be_bytes());
    assert_eq!(decoded(&[element(12, 3), element(10, 1), element(12, 5), element(11, -2)]).indexed, [1, -2, 5]);
    let full = Sample { indexed: vec![1, 2, 3, 4], ..sample() };
    assert_eq!(decode::<Sample>(&encode(&full).unwrap()), Ok(full));
    let too_many = Sample { indexed: vec![0; 5], ..sample() };
    let error = encode(&too_many).unwrap_err();
    assert_eq!(error, EncodeError::TooManyElements { count: 5, first: 10, last: 13 });
    assert_eq!(error.to_string(), "5 elements, the attributes 10 to 13 hold 4");
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes);
    writer.indexed(13, 10, &[0_u8]);
    assert_eq!(writer.finish().unwrap_err().to_string(), "1 elements, the attributes 13 to 10 hold 0");
}

#[test]
fn elements_keep_their_numbers() {
    let element = |number, value: u16| bytes(number, false, &value.to_be_bytes());
    let gaps = [element(21, 1), element(23, 3)].concat();
    let list = decode_both_ways::<Gaps>(&gaps, Mode::Strict).unwrap();
    assert_eq!(list.elements, [None, Some(1), None, Some(3)]);
    assert_eq!(encode(&list).unwrap(), gaps);
    let full = decode_both_ways::<Gaps>(&[20, 21, 22, 23].map(|number| element(number, 0)).concat(), Mode::Strict);
    assert_eq!(full.unwrap().elements, [Some(0); 4]);
    let long = Gaps { elements: vec![None; 5] };
    assert_eq!(encode(&long), Err(EncodeError::TooManyElements { count: 5, first: 20, last: 23 }));
    // Elements that cannot be absent: no element changes its number without a word.
    let element = |number, value: i32| bytes(number, false, &value.to_be_bytes());
    for (elements, missing) in [(vec![11], 0), (vec![10, 12], 1), (vec![13, 11, 10], 2)] {
        let elements: Vec<_> = elements.into_iter().map(|number| element(number, 7)).collect();
        let error = decode_both_ways::<Sample>(&sample_and(&elements), Mode::Lenient).unwrap_err();
        assert_eq!(error.kind(), DecodeErrorKind::MissingElement { list: "SAMPLE_FIRST", index: missing });
        assert_eq!(error.to_string(), format!("missing SAMPLE_FIRST[{missing}] (at byte 0)"));
    }
}

#[test]
fn a_flattened_option_is_all_or_nothing() {
    assert_eq!(decoded(&[]).range, None);
    assert_eq!(decoded(&[bytes(20, false, &[0; 8])]).range, Some(Range { low: 0, high: None }));
    let half = sample_and(&[bytes(21, false, &[7])]);
    assert_eq!(decode::<Sample>(&half).unwrap_err().to_string(), "missing SAMPLE_LOW (at byte 0)");
}

#[test]
fn the_last_alternative_counts() {
    let host = bytes(30, false, &[10, 0, 0, 1]);
    assert_eq!(decoded(std::slice::from_ref(&host)).target, Target::Host { address: [10, 0, 0, 1].into() });
    assert_eq!(decoded(&[host, bytes(32, false, b"y\0")]).target, Target::Name("y".to_owned()));
}

#[test]
fn the_last_alternative_counts_whatever_the_first_is() {
    let (short_host, text) = (bytes(30, false, &[10, 0, 0]), bytes(32, false, b"y\0"));
    // Of a choice, one that another variant replaces; of a field, the other type of its attribute.
    assert_eq!(decoded(&[short_host.clone(), text]).target, Target::Name("y".to_owned()));
    let v6 = bytes(31, false, &[0; 16]);
    assert_eq!(decoded(&[short_host.clone(), v6]).target, Target::Host { address: [0_u16; 8].into() });
    // Padding replaces nothing, neither does an attribute that is not declared, nor a later element of a list.
    let at = encode(&sample()).unwrap().len() + 4;
    for (first, then) in [
        (short_host.clone(), bytes(30, false, &[])),
        (short_host, bytes(99, false, &[0; 4])),
        (bytes(3, true, &bytes(20, false, &[0; 7])), bytes(3, true, &bytes(20, false, &[0; 8]))),
        (bytes(10, false, &[0; 3]), bytes(11, false, &[0; 4])),
        (bytes(30, false, &[0; 3]), bytes(42, false, &[0; 4])),
    ] {
        let error = decode_both_ways::<Sample>(&sample_and(&[first, then]), Mode::Lenient).unwrap_err();
        assert!(error.offset() == at || error.offset() == at + 4, "{error}");
    }
    // The same element again, a flattened field, a nest.
    assert_eq!(decoded(&[bytes(10, false, &[0; 3]), bytes(10, false, &[0, 0, 0, 9])]).indexed, [9]);
    let range = decoded(&[bytes(20, false, &[0; 7]), bytes(20, false, &[0; 8])]).range;
    assert_eq!(range, Some(Range { low: 0, high: None }));
    let kept = bytes(1, true, &bytes(1, false, b"x\0"));
    let attributes = [bytes(1, true, &[]), kept, encode(&nests()).unwrap()].concat();
    assert_eq!(decode_both_ways(&attributes, Mode::Strict), Ok(nests()));
}

#[test]
fn padding_is_skipped() {
    let value =
        decoded(&[bytes(50, false, &[]), bytes(40, false, &[0, 7]), bytes(40, false, &[]), bytes(50, false, &[])]);
    assert_eq!(value.padded, Some(7), "the empty attribute behind it is padding");
    assert_eq!(decoded(&[bytes(40, false, &[])]).padded, None);
    // Whatever the field is: one of several, an element, a variant.
    let padding = [2, 10, 20, 30, 31, 42].map(|number| bytes(number, false, &[]));
    assert_eq!(decoded(&padding), sample());
    // What can be empty is there.
    assert_eq!(decoded(&[bytes(41, false, &[])]).blob, Some(BoundedBytes::default()));
    // Half a payload is none.
    let error = decode::<Sample>(&sample_and(&[bytes(40, false, &[0])])).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("SAMPLE_PADDED: 1 bytes, expected 2 (at byte {})", encode(&sample()).unwrap().len() + 4)
    );
}

#[test]
fn the_rest_is_kept_as_it_came() {
    let rest = [bytes(60, true, &[1, 2, 3, 4]), bytes(61, false, &[5])];
    let value = decoded(&rest);
    assert_eq!(value.rest.iter().map(|raw| raw.kind).collect::<Vec<_>>(), [NLA_F_NESTED | 0x3c, 0x3d]);
    assert_eq!(value.rest[1].payload, [5]);
    assert_eq!(encode(&value).unwrap(), sample_and(&rest));
}

#[test]
fn a_choice_keeps_what_is_not_declared() {
    let unknown = bytes(9, true, &[1, 2, 3]);
    let attributes = bytes(4, true, &unknown);
    let changes = codec::decode::<conntrack::Changes>(&attributes).unwrap();
    let raw = RawAttribute { kind: NLA_F_NESTED | 9, payload: vec![1, 2, 3] };
    assert_eq!(changes.proto_info, Some(conntrack::ProtoInfo::Other(raw)));
    assert_eq!(encode(&changes).unwrap(), attributes);
    // Where another variant is there it is not kept: then the strict mode refuses it.
    let both = bytes(4, true, &[bytes(1, true, &[]), unknown].concat());
    let changes = decode_both_ways::<conntrack::Changes>(&both, Mode::Lenient).unwrap();
    assert_eq!(changes.proto_info, Some(conntrack::ProtoInfo::Tcp(conntrack::ProtoInfoTcp::default())));
    let error = decode_both_ways::<conntrack::Changes>(&both, Mode::Strict).unwrap_err();
    assert_eq!(error.to_string(), "CTA_PROTOINFO: unknown attribute 9 with 3 bytes (at byte 8)");
}

#[test]
fn an_attribute_has_sixteen_bits_of_length() {
    let long = |length| Sample { target: Target::Name("x".repeat(length)), ..sample() };
    // Header and NUL count too.
    let most = 65_535 - 4 - 1;
    assert_eq!(decode::<Sample>(&encode(&long(most)).unwrap()), Ok(long(most)));
    let error = encode(&long(most + 1)).unwrap_err();
    assert_eq!(error.to_string(), "attribute 32 has 65532 bytes, at most 65531 fit");
    let mut buffer = vec![1, 2, 3];
    assert!(codec::encode_into(&long(most + 1), &mut buffer).is_err());
    assert_eq!(buffer, [1, 2, 3], "a buffer that could not be written is as it was");
}

#[test]
fn texts() {
    let text = |name: &str| Sample { target: Target::Name(name.to_owned()), ..sample() };
    assert_eq!(encode(&text("\0")), Err(EncodeError::Nul { number: 32, at: 0 }));
    assert_eq!(
        encode(&text("a\0b")).unwrap_err().to_string(),
        "attribute 32 has a NUL at byte 1 of its text, which would end it there"
    );
    // Inside a nest, and behind one: the attribute that has it.
    let kept = Kept { name: Wrapped("\0".to_owned()), rest: Vec::new() };
    assert_eq!(encode(&Nests { kept, ..nests() }), Err(EncodeError::Nul { number: 1, at: 0 }));
    let last = Wrapped("abc\0".to_owned());
    assert_eq!(encode(&Nests { last, ..nests() }), Err(EncodeError::Nul { number: 5, at: 3 }));
    let mut buffer = Vec::new();
    let mut writer = Writer::new(&mut buffer);
    EncodePayload::encode_payload(&"\0".to_owned(), &mut writer);
    assert_eq!(writer.finish(), Err(EncodeError::Nul { number: 0, at: 0 }));
    // What is received is read, whatever it is, and can be sent again.
    assert_eq!(decoded(&[bytes(32, false, b"a\xff\xffb\xc3\0c")]).target, Target::Name("a??b?".to_owned()));
    let longest = decoded(&[bytes(32, false, &vec![0xff; 65_530])]);
    assert_eq!(decode::<Sample>(&encode(&longest).unwrap()), Ok(longest));
}

const ONE_WAY_BOTH: u16 = 1;
const ONE_WAY_SENT: u16 = 2;
const ONE_WAY_RECEIVED: u16 = 3;

#[derive(Debug, PartialEq, Encode, Decode)]
struct OneWay {
    #[nla(ONE_WAY_BOTH)]
    r#type: u8,
    #[nla(ONE_WAY_SENT, send_only)]
    sent: Option<u8>,
    #[nla(ONE_WAY_RECEIVED, receive_only, since = "6.14")]
    received: Option<u8>,
}

#[test]
fn one_way_attributes() {
    let value = OneWay { r#type: 1, sent: Some(2), received: Some(3) };
    let (both, sent, received) = (bytes(1, false, &[1]), bytes(2, false, &[2]), bytes(3, false, &[3]));
    assert_eq!(encode(&value).unwrap(), [both.clone(), sent.clone()].concat());
    let back = decode_both_ways::<OneWay>(&[both.clone(), received].concat(), Mode::Strict).unwrap();
    assert_eq!(back, OneWay { sent: None, ..value });
    // What is only sent counts as not declared when it is received.
    let error = decode_both_ways::<OneWay>(&[both, sent].concat(), Mode::Strict).unwrap_err();
    assert_eq!(error.to_string(), "unknown attribute 2 with 1 bytes (at byte 8)");
}

fn entry<'a>(schema: &'a Schema, kernel: &str) -> &'a SchemaAttribute {
    schema.attributes().find(|attribute| attribute.kernel == kernel).unwrap()
}

#[test]
fn the_declaration_is_data() {
    let schema = OneWay::SCHEMA;
    assert_eq!((schema.name, schema.choice), ("OneWay", None));
    assert_eq!(entry(schema, "ONE_WAY_BOTH").field, "type");
    assert!(entry(schema, "ONE_WAY_BOTH").required);
    assert_eq!(entry(schema, "ONE_WAY_SENT").direction, codec::Direction::Send);
    assert_eq!(entry(schema, "ONE_WAY_RECEIVED").since, Some("6.14"));

    let schema = Sample::SCHEMA;
    assert!(schema.doc.starts_with("All of it"), "{}", schema.doc);
    assert_eq!(entry(schema, "SAMPLE_COUNT").doc, "A word of the host's.");
    assert!(entry(schema, "SAMPLE_ELEMENT").repeated);
    assert_eq!(schema.attribute(12).map(|attribute| (attribute.number, attribute.last)), Some((10, Some(13))));
    assert_eq!(schema.attribute(14).map(|attribute| attribute.kernel), None);
    // The field of a group's attribute names the variant.
    assert_eq!(entry(schema, "SAMPLE_V6").field, "Host.address");
    assert!(entry(schema, "SAMPLE_V6").required, "one of SAMPLE_V4 and SAMPLE_V6 is");
    assert!(matches!(entry(schema, "SAMPLE_PAD").wire, Wire::Padding));
    let required = |name| {
        schema.entries.iter().find_map(|entry| match entry {
            Entry::Flatten { field, required, .. } if *field == name => Some(*required),
            _ => None,
        })
    };
    assert_eq!((required("range"), required("target")), (Some(false), Some(true)));
    assert!(matches!(entry(Flow::SCHEMA, "CTA_TUPLE_ORIG").wire, Wire::Nest(tuple) if tuple.name == "Tuple"));
}

#[test]
fn values_that_the_kernel_would_refuse_cannot_be_made() {
    assert_eq!(NulString::<15>::new("sixteen-letters!").unwrap_err().to_string(), "16 bytes, at most 15 fit");
    assert_eq!(
        NulString::<15>::new("a\0b").unwrap_err().to_string(),
        "a NUL at byte 1, which would end the string there"
    );
    assert_eq!(BoundedBytes::<32>::new(&[0; 33]).unwrap_err().to_string(), "33 bytes, at most 32 fit");
    assert_eq!(conntrack::Labels::try_from([0; 17].as_slice()).unwrap_err().to_string(), "17 bytes, at most 16 fit");
}

mod own {
    //! Names that the library has too, and names that are keywords.

    use super::{Decode, Encode};

    pub(super) const CTA_MARK: u16 = 300;
    pub(super) const ENUMS: usize = 3;
    #[expect(non_upper_case_globals, reason = "a keyword is lower case")]
    pub(super) const r#type: u16 = 301;

    #[derive(Debug, PartialEq, Encode, Decode)]
    #[expect(non_camel_case_types, reason = "a keyword is lower case")]
    pub(super) struct r#struct {
        #[nla(self::CTA_MARK)]
        pub(super) own: u8,
        #[nla(CTA_MARK)]
        pub(super) theirs: u8,
        #[nla(self::r#type)]
        pub(super) array: [u8; ENUMS],
    }
}

#[test]
fn names_that_others_have_too() {
    let value = own::r#struct { own: 1, theirs: 2, array: [3; own::ENUMS] };
    let expected = [bytes(own::CTA_MARK, false, &[1]), bytes(8, false, &[2]), bytes(own::r#type, false, &[3; 3])];
    assert_eq!(encode(&value).unwrap(), expected.concat());
    assert_eq!(decode_both_ways(&expected.concat(), Mode::Strict), Ok(value));
    assert_eq!(own::r#struct::SCHEMA.name, "struct");
    assert_eq!(entry(own::r#struct::SCHEMA, "type").field, "array");
}
