//! Attributes for any struct that derives, made from its [`Schema`]: whatever is declared next is tested too.

use std::fmt::Debug;

use conntrack::codec::{
    Decode, Entry, Layout, NLA_F_NESTED, NLA_F_NET_BYTEORDER, NlAttr, Schema, SchemaAttribute, Wire, align,
};
use conntrack::header::{NfGenMsg, NlMsgHdr};
use conntrack::uapi::{CTA_PROTO_ICMP_CODE, CTA_PROTO_ICMP_ID, CTA_PROTO_ICMPV6_CODE, CTA_PROTO_ICMPV6_ID};
use conntrack::{Family, Protocol};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::strategy::Union;
use proptest::test_runner::{Config, RngSeed};

/// A configuration whose cases are the same in every run: tests must not depend on luck.
#[must_use]
pub fn fixed(cases: u32) -> Config {
    Config { cases, rng_seed: RngSeed::Fixed(1), failure_persistence: None, ..Config::default() }
}

/// Attributes as a kernel would send them: in order, complete, of the right sizes.
pub fn valid(schema: &'static Schema) -> impl Strategy<Value = Vec<u8>> {
    attributes(schema, Manners::Good).prop_map(|attributes| attributes.concat())
}

/// Attributes that are nearly valid: out of order, doubled, missing, unknown, too short, too long, on every level.
pub fn careless(schema: &'static Schema) -> impl Strategy<Value = Vec<u8>> {
    attributes(schema, Manners::Bad).prop_map(|attributes| attributes.concat())
}

/// Values of a struct: what [`valid`] attributes decode to.
///
/// # Panics
/// Valid attributes do not decode.
pub fn value<T: Decode + Debug>() -> impl Strategy<Value = T> {
    valid(T::SCHEMA).prop_map(|bytes| match conntrack::codec::decode(&bytes) {
        Ok(value) => value,
        Err(error) => panic!("{error}, over {bytes:02x?}, which {} declares", T::SCHEMA.name),
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Manners {
    Good,
    Bad,
}

/// Whole attributes, padding included.
type Attributes = Vec<Vec<u8>>;

fn attributes(schema: &'static Schema, manners: Manners) -> BoxedStrategy<Attributes> {
    let well_formed = if schema.choice.is_some() {
        let variant = |entry: &Entry| field(entry).split('.').next();
        let variants = schema.entries.chunk_by(|left, right| variant(left) == variant(right));
        Union::new(variants.map(|entries| match entries {
            // The variant is this attribute.
            [Entry::Attribute(attribute)] if !attribute.field.contains('.') => present(attribute, manners),
            group => nest(group, manners),
        }))
        .boxed()
    } else {
        nest(schema.entries, manners)
    };
    match manners {
        Manners::Good if schema.name == "TupleProto" => well_formed.prop_map(of_its_protocol).boxed(),
        Manners::Good => well_formed,
        Manners::Bad => (well_formed, vec(mischief(), 0..3))
            .prop_map(|(mut attributes, mischiefs)| {
                for mischief in mischiefs {
                    mischief.apply(&mut attributes);
                }
                attributes
            })
            .boxed(),
    }
}

/// Gives ports and identifiers a protocol that has them.
fn of_its_protocol(mut attributes: Attributes) -> Attributes {
    let number = |attribute: &Vec<u8>| u16::from_ne_bytes([attribute[2], attribute[3]]);
    let kind = attributes.get(1).map(number);
    if let Some(protocol) = attributes.first_mut().and_then(|attribute| attribute.get_mut(NlAttr::SIZE)) {
        *protocol = match kind {
            Some(CTA_PROTO_ICMP_ID..=CTA_PROTO_ICMP_CODE) => Protocol::ICMP.0,
            Some(CTA_PROTO_ICMPV6_ID..=CTA_PROTO_ICMPV6_CODE) => Protocol::ICMPV6.0,
            // A protocol that has no ports on any kernel becomes one that has.
            Some(_)
                if matches!(Protocol(*protocol), Protocol::ICMP | Protocol::ICMPV6 | Protocol::ESP | Protocol::AH) =>
            {
                Protocol::TCP.0
            }
            _ => *protocol,
        };
    }
    attributes
}

fn field(entry: &Entry) -> &'static str {
    match entry {
        Entry::Attribute(attribute) => attribute.field,
        Entry::Flatten { field, .. } => field,
    }
}

/// The fields of a struct or of a group. Neighbours with one field are alternatives for it.
fn nest(entries: &'static [Entry], manners: Manners) -> BoxedStrategy<Attributes> {
    if let [Entry::Attribute(teller), Entry::Attribute(nest)] = entries
        && let Wire::Selected { by, among } = nest.wire
    {
        assert_eq!(by, teller.number, "what tells stands in front");
        return selected(teller, nest, among, manners);
    }
    let fields = entries.chunk_by(|left, right| field(left) == field(right));
    let fields: Vec<_> = fields.map(|entries| alternatives(entries, manners)).collect();
    fields.prop_map(|fields| fields.concat()).boxed()
}

fn alternatives(entries: &'static [Entry], manners: Manners) -> BoxedStrategy<Attributes> {
    Union::new(entries.iter().map(|entry| match entry {
        Entry::Attribute(attribute) => occurrences(attribute, manners),
        Entry::Flatten { schema, required, .. } => sometimes(attributes(schema, manners), *required),
    }))
    .boxed()
}

/// A nest of which an attribute in front of it tells what is in it, and that attribute.
fn selected(
    teller: &'static SchemaAttribute,
    nest: &'static SchemaAttribute,
    among: &'static [(u64, &'static Schema)],
    manners: Manners,
) -> BoxedStrategy<Attributes> {
    let size = integer_size(&teller.wire);
    Union::new(among.iter().map(|(value, schema)| {
        let value = value.to_be_bytes()[8 - size..].to_vec();
        attributes(schema, manners).prop_map(move |content| {
            vec![bytes(teller.number, false, &value), bytes(nest.number, true, &content.concat())]
        })
    }))
    .boxed()
}

/// Bytes of an integer.
fn integer_size(wire: &Wire) -> usize {
    match wire {
        Wire::Unsigned { size, .. } => *size,
        Wire::Named { of, .. } => integer_size(of),
        other => panic!("{other:?} tells of another attribute"),
    }
}

fn sometimes(attributes: BoxedStrategy<Attributes>, required: bool) -> BoxedStrategy<Attributes> {
    if required { attributes } else { of(attributes).prop_map(Option::unwrap_or_default).boxed() }
}

fn occurrences(attribute: &'static SchemaAttribute, manners: Manners) -> BoxedStrategy<Attributes> {
    if matches!(attribute.wire, Wire::Padding) && manners == Manners::Good {
        // Only some machines need it, and who encodes never does.
        return Just(Attributes::new()).boxed();
    }
    let several = attribute.repeated || attribute.last.is_some();
    sometimes(present(attribute, manners), several || attribute.required)
}

fn present(attribute: &'static SchemaAttribute, manners: Manners) -> BoxedStrategy<Attributes> {
    let first = attribute.number;
    let nested = matches!(attribute.wire, Wire::Nest(_));
    let (counts, step) = match attribute.last {
        Some(last) => (0..=usize::from(last - first) + 1, 1),
        None if attribute.repeated => (0..=3, 0),
        None => (1..=1, 0),
    };
    let one = match attribute.kernel {
        // Fewer can be received, but are never sent.
        "CTA_LABELS" | "CTA_LABELS_MASK" if manners == Manners::Good => sized(16, 16),
        _ => payload(&attribute.wire, manners),
    };
    vec(one, counts)
        .prop_map(move |payloads| {
            let numbers = (0..).map(|index| first + index * step);
            numbers.zip(payloads).map(|(number, one)| bytes(number, nested, &one)).collect()
        })
        .boxed()
}

fn payload(wire: &'static Wire, manners: Manners) -> BoxedStrategy<Vec<u8>> {
    let right = match wire {
        Wire::Unsigned { size, .. } | Wire::Signed { size, .. } | Wire::Layout { size, .. } => sized(*size, *size),
        Wire::Named { of, .. } => payload(of, Manners::Good),
        Wire::Ipv4 => sized(4, 4),
        Wire::Ipv6 => sized(16, 16),
        Wire::Ip => prop_oneof![sized(4, 4), sized(16, 16)].boxed(),
        Wire::Bytes { min, max } => sized(*min, max.unwrap_or(40)),
        Wire::Text { max } => vec(b'a'..=b'z', 0..=max.unwrap_or(40))
            .prop_map(|mut text| {
                text.push(0);
                text
            })
            .boxed(),
        Wire::Nest(schema) => attributes(schema, manners).prop_map(|attributes| attributes.concat()).boxed(),
        // `Padding`, and what the codec learns next: until this file does too, its round trips fail.
        _ => sized(0, 0),
    };
    match manners {
        Manners::Good => right,
        Manners::Bad => prop_oneof![12 => right, 1 => sized(0, 20)].boxed(),
    }
}

fn sized(min: usize, max: usize) -> BoxedStrategy<Vec<u8>> {
    vec(any::<u8>(), min..=max).boxed()
}

/// One attribute: header, payload, padding.
#[must_use]
pub fn bytes(number: u16, nested: bool, payload: &[u8]) -> Vec<u8> {
    let length = NlAttr::SIZE + payload.len();
    let kind = if nested { number | NLA_F_NESTED } else { number };
    let short = u16::try_from(length).unwrap_or(u16::MAX);
    let mut attribute = layout(&NlAttr { len: short, kind });
    attribute.extend_from_slice(payload);
    attribute.resize(align(length), 0);
    attribute
}

/// The bytes of a header.
///
/// # Panics
/// It has a value that its declaration does not allow.
#[must_use]
pub fn layout(header: &impl Layout) -> Vec<u8> {
    let mut bytes = Vec::new();
    header.append_to(&mut bytes).unwrap();
    bytes
}

/// A message: the header, whose length is filled in, and the body.
///
/// # Panics
/// It is longer than a message can be.
#[must_use]
pub fn netlink_message(header: NlMsgHdr, body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(NlMsgHdr::SIZE + body.len()).unwrap();
    [&layout(&NlMsgHdr { len, ..header }), body].concat()
}

/// A message about flows of this family, with number and port 0.
///
/// # Panics
/// It is longer than a message can be.
#[must_use]
pub fn message(kind: u16, flags: u16, family: Family, attributes: &[u8]) -> Vec<u8> {
    let header = NlMsgHdr { kind, flags, ..NlMsgHdr::default() };
    let body = layout(&NfGenMsg { family: family.0, ..NfGenMsg::default() });
    netlink_message(header, &[&body, attributes].concat())
}

/// What can happen to a run of attributes.
#[derive(Clone, Debug)]
enum Mischief {
    Swap(Index, Index),
    Copy(Index, Index),
    Drop(Index),
    Unknown(Index, u16, Vec<u8>),
    Flag(Index, u16),
    Length(Index, u16),
    CutPadding,
}

fn mischief() -> impl Strategy<Value = Mischief> {
    let index = any::<Index>;
    prop_oneof![
        4 => (index(), index()).prop_map(|(one, other)| Mischief::Swap(one, other)),
        2 => (index(), index()).prop_map(|(from, to)| Mischief::Copy(from, to)),
        1 => index().prop_map(Mischief::Drop),
        2 => (index(), 0..200_u16, vec(any::<u8>(), 0..12)).prop_map(|(at, number, one)| Mischief::Unknown(at, number, one)),
        2 => (index(), prop_oneof![Just(NLA_F_NESTED), Just(NLA_F_NET_BYTEORDER)]).prop_map(|(at, flag)| Mischief::Flag(at, flag)),
        1 => (index(), prop_oneof![0..40_u16, any::<u16>()]).prop_map(|(at, length)| Mischief::Length(at, length)),
        1 => Just(Mischief::CutPadding),
    ]
}

impl Mischief {
    fn apply(self, attributes: &mut Attributes) {
        let count = attributes.len();
        match self {
            Self::Unknown(at, number, payload) => {
                attributes.insert(at.index(count + 1), bytes(number, false, &payload));
            }
            _ if count == 0 => {}
            Self::Swap(one, other) => attributes.swap(one.index(count), other.index(count)),
            Self::Copy(from, to) => attributes.insert(to.index(count + 1), attributes[from.index(count)].clone()),
            Self::Drop(at) => drop(attributes.remove(at.index(count))),
            Self::Flag(at, flag) => patch(&mut attributes[at.index(count)], |header| header.kind ^= flag),
            Self::Length(at, length) => patch(&mut attributes[at.index(count)], |header| header.len = length),
            Self::CutPadding => {
                if let Some([.., last]) = attributes.get_mut(..) {
                    let length = NlAttr::read(last).map_or(0, |header| usize::from(header.len));
                    last.truncate(length);
                }
            }
        }
    }
}

/// Changes the header of the attribute at the front of `attribute`.
///
/// # Panics
/// There are fewer bytes than a header has.
pub fn patch(attribute: &mut [u8], change: impl FnOnce(&mut NlAttr)) {
    NlAttr::edit(attribute, change).unwrap();
}
