//! From a value to attributes.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::hex;
use super::node::{Key, Node};
use super::shape::{self, OTHER, Shape};
use crate::codec::{
    self, ByteOrder, Decode, EncodeError, Entry, NLA_F_NESTED, NLA_TYPE_MASK, Name, RawAttribute, RawAttributes,
    Schema, SchemaAttribute, Wire, Writer, integer,
};
use crate::{L4, Labels, TcpFlagBits, TupleProto, names};

/// A value that is not what its place is for. Printed: `orig.src: "10.0.0" is not an IP address`.
#[derive(Debug)]
pub(super) struct Misfit {
    /// Outermost last.
    path: Vec<Key>,
    wrong: String,
}

impl Misfit {
    fn new(node: &Node, expected: impl fmt::Display) -> Self {
        Self::of(format!("{} is not {expected}", node.describe()))
    }

    fn of(wrong: String) -> Self {
        Self { path: Vec::new(), wrong }
    }

    fn within(mut self, key: &Key) -> Self {
        self.path.push(key.clone());
        self
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, key) in self.path.iter().rev().enumerate() {
            write!(f, "{}{key}", if at == 0 { "" } else { "." })?;
        }
        let separator = if self.path.is_empty() { "" } else { ": " };
        write!(f, "{separator}{}", self.wrong)
    }
}

impl From<EncodeError> for Misfit {
    fn from(error: EncodeError) -> Self {
        Self::of(error.to_string())
    }
}

/// The attributes of an object.
pub(super) fn attributes(schema: &'static Schema, node: &Node) -> Result<Vec<u8>, Misfit> {
    let mut object = Object::new(node, "an object")?;
    let mut bytes = Vec::new();
    object.write(schema, &mut bytes)?;
    if schema.keeps_undeclared
        && let Some(node) = object.take(OTHER)
    {
        undeclared(schema, node, &mut bytes).map_err(|misfit| misfit.within(&Key::Borrowed(OTHER)))?;
    }
    object.finish(schema.name)?;
    Ok(bytes)
}

/// Appends the attributes of a list. `schema` may declare none of them, since decoding keeps the last of two; a choice
/// keeps one.
fn undeclared(schema: &'static Schema, node: &Node, bytes: &mut Vec<u8>) -> Result<(), Misfit> {
    let Node::List(attributes) = node else { return Err(Misfit::new(node, "a list")) };
    if schema.choice.is_some() && attributes.len() != 1 {
        return Err(Misfit::of(format!("a list of {} is not a list of one attribute", attributes.len())));
    }
    for attribute in attributes {
        let attribute = raw(attribute)?;
        if let Some(declared) = schema.attribute(attribute.kind & NLA_TYPE_MASK) {
            let kind = Node::Unsigned(attribute.kind.into());
            return Err(Misfit::new(&kind, format_args!("undeclared: it is {}", declared.kernel)));
        }
        append(&attribute, bytes)?;
    }
    Ok(())
}

/// An object, and which of its fields have been taken.
struct Object<'a> {
    fields: Vec<Field<'a>>,
}

struct Field<'a> {
    key: &'a Key,
    node: &'a Node,
    used: bool,
}

impl<'a> Object<'a> {
    fn new(node: &'a Node, expected: &str) -> Result<Self, Misfit> {
        let Node::Map(given) = node else { return Err(Misfit::new(node, expected)) };
        let mut keys = BTreeSet::new();
        if let Some((key, _)) = given.iter().find(|(key, _)| !keys.insert(key)) {
            return Err(Misfit::of(format!("{key:?} is given twice")));
        }
        // Null is absence.
        let present = given.iter().filter(|(_, node)| *node != Node::Null);
        Ok(Self { fields: present.map(|(key, node)| Field { key, node, used: false }).collect() })
    }

    /// All that is in it must have been taken.
    fn finish(self, name: &str) -> Result<(), Misfit> {
        match self.fields.iter().find(|field| !field.used) {
            Some(field) => Err(Misfit::new(&Node::Text(field.key.clone()), format_args!("a field of {name}"))),
            None => Ok(()),
        }
    }

    fn take(&mut self, key: &str) -> Option<&'a Node> {
        let field = self.fields.iter_mut().find(|field| field.key == key && !field.used)?;
        field.used = true;
        Some(field.node)
    }

    /// The first field that `entry` declares and the object has.
    fn first_of(&self, entry: &'static Entry) -> Option<Key> {
        let has = |key: &Key| self.fields.iter().any(|field| field.key == key);
        match entry {
            Entry::Attribute(declared) => match declared.wire {
                Wire::Nest(schema) if shape::is_spread(schema) => {
                    schema.entries.iter().find_map(|entry| self.first_of(entry))
                }
                _ => Some(shape::key(declared)).filter(has),
            },
            Entry::Flatten { schema, .. } if shape::is_spread(schema) => {
                schema.entries.iter().find_map(|entry| self.first_of(entry))
            }
            Entry::Flatten { field, .. } => Some(shape::field(field)).filter(has),
        }
    }

    /// Checks that the object has fields of one variant only: decoding would keep one of two and drop the other.
    fn check_choice(&self, schema: &'static Schema) -> Result<(), Misfit> {
        let mut chosen: Option<(&str, Key)> = None;
        for entry in schema.entries {
            let (Some(key), variant) = (self.first_of(entry), shape::variant(entry)) else { continue };
            match &chosen {
                Some((before, first)) if *before != variant => {
                    return Err(Misfit::of(format!("{first:?} and {key:?} exclude each other")));
                }
                Some(_) => {}
                None => chosen = Some((variant, key)),
            }
        }
        match chosen {
            Some((_, first)) if self.fields.iter().any(|field| field.key == OTHER && schema.keeps_undeclared) => {
                Err(Misfit::of(format!("{first:?} and {OTHER:?} exclude each other")))
            }
            _ => Ok(()),
        }
    }

    /// Checks that the ports or identifiers of a tuple are those of its protocol.
    fn check_protocol(&self, bytes: &[u8]) -> Result<(), Misfit> {
        // What cannot be decoded is explained where the whole object is.
        let Ok(TupleProto { num, l4: Some(l4) }) = codec::decode(bytes) else { return Ok(()) };
        let key = L4::SCHEMA.entries.iter().find_map(|entry| self.first_of(entry));
        match key {
            Some(key) if !l4.may_be_of(num) => Err(Misfit::of(format!("{key:?} is not a field of protocol {num}"))),
            _ => Ok(()),
        }
    }

    /// Appends the attributes that `schema` declares and the object has.
    fn write(&mut self, schema: &'static Schema, bytes: &mut Vec<u8>) -> Result<(), Misfit> {
        if schema.choice.is_some() {
            self.check_choice(schema)?;
        }
        self.write_entries(schema, bytes)?;
        if schema.name == TupleProto::SCHEMA.name { self.check_protocol(bytes) } else { Ok(()) }
    }

    fn write_entries(&mut self, schema: &'static Schema, bytes: &mut Vec<u8>) -> Result<(), Misfit> {
        for entry in schema.entries {
            match entry {
                Entry::Attribute(declared) => self.write_attribute(declared, schema, bytes)?,
                Entry::Flatten { schema, .. } if shape::is_spread(schema) => self.write(schema, bytes)?,
                Entry::Flatten { field, schema, required } => {
                    let key = shape::field(field);
                    if let Some(node) = self.take(&key) {
                        let inner = attributes(schema, node).map_err(|misfit| misfit.within(&key))?;
                        if inner.is_empty() && !required {
                            // It would be read as absent.
                            let wrong = format!("an object without fields is not {}", schema.name);
                            return Err(Misfit::of(wrong).within(&key));
                        }
                        bytes.extend(inner);
                    }
                }
            }
        }
        Ok(())
    }

    fn write_attribute(
        &mut self,
        declared: &'static SchemaAttribute,
        of: &'static Schema,
        bytes: &mut Vec<u8>,
    ) -> Result<(), Misfit> {
        if let Wire::Nest(schema) = declared.wire
            && shape::is_spread(schema)
        {
            let mut inner = Vec::new();
            self.write(schema, &mut inner)?;
            if !inner.is_empty() {
                append(&RawAttribute { kind: declared.number | NLA_F_NESTED, payload: inner }, bytes)?;
            }
            return Ok(());
        }
        let key = shape::key(declared);
        if is_one_of_two(declared, of)
            && let Some(field) = self.fields.iter().find(|field| *field.key == key)
        {
            // An address has an attribute for each family.
            let address: IpAddr = address(field.node, "an IP address").map_err(|misfit| misfit.within(&key))?;
            if address.is_ipv4() != matches!(declared.wire, Wire::Ipv4) {
                return Ok(());
            }
        }
        let Some(node) = self.take(&key) else { return Ok(()) };
        let several = declared.repeated || declared.last.is_some();
        let elements = match node {
            Node::List(elements) if several => elements.as_slice(),
            _ if several => return Err(Misfit::new(node, "a list").within(&key)),
            node => std::slice::from_ref(node),
        };
        let selected = of.selected(bytes);
        for (index, element) in elements.iter().enumerate() {
            let index = u16::try_from(index).unwrap_or(u16::MAX);
            let number = if declared.last.is_some() { declared.number.saturating_add(index) } else { declared.number };
            if !declared.holds(number) {
                return Err(Misfit::new(node, "a list of so many elements").within(&key));
            }
            let payload = payload(Shape::of(declared), element, selected).map_err(|misfit| misfit.within(&key))?;
            let nested = matches!(declared.wire, Wire::Nest(_) | Wire::Selected { .. });
            let attribute = RawAttribute { kind: if nested { number | NLA_F_NESTED } else { number }, payload };
            append(&attribute, bytes).map_err(|misfit| misfit.within(&key))?;
        }
        Ok(())
    }
}

/// Whether the address is of one family, and `of` declares another attribute for the other one.
fn is_one_of_two(declared: &'static SchemaAttribute, of: &'static Schema) -> bool {
    matches!(declared.wire, Wire::Ipv4 | Wire::Ipv6)
        && of.attributes().any(|other| other.field == declared.field && other.number != declared.number)
}

fn append(attribute: &RawAttribute, bytes: &mut Vec<u8>) -> Result<(), Misfit> {
    let mut writer = Writer::new(bytes);
    attribute.encode(&mut writer);
    Ok(writer.finish()?)
}

/// An attribute as it came.
pub(super) fn raw(node: &Node) -> Result<RawAttribute, Misfit> {
    let expected = "an object of type and payload";
    let mut object = Object::new(node, expected)?;
    let (Some(Node::Unsigned(kind)), Some(payload)) = (object.take("type"), object.take("payload")) else {
        return Err(Misfit::new(node, expected));
    };
    object.finish("RawAttribute")?;
    let kind = u16::try_from(*kind).map_err(|_| Misfit::new(node, expected))?;
    Ok(RawAttribute { kind, payload: unhex(payload)? })
}

/// The payload of a value; `selected` is what an attribute before it tells to be in it.
pub(super) fn payload(shape: Shape, node: &Node, selected: Option<&'static Schema>) -> Result<Vec<u8>, Misfit> {
    match shape {
        Shape::Id => unsigned(node, 4, ByteOrder::Big),
        Shape::Labels => labels(node),
        Shape::TcpFlagBits => tcp_flags(node).map(|flags| vec![flags]),
        Shape::TcpFlags => {
            let expected = "an object of flags and mask";
            let mut object = Object::new(node, expected)?;
            let (Some(flags), Some(mask)) = (object.take("flags"), object.take("mask")) else {
                return Err(Misfit::new(node, expected));
            };
            object.finish("TcpFlags")?;
            Ok(vec![tcp_flags(flags)?, tcp_flags(mask)?])
        }
        Shape::Wire(wire) => match *wire {
            Wire::Unsigned { size, order } => unsigned(node, size, order),
            Wire::Signed { size, order } => signed(node, size, order),
            Wire::Named { of, type_name, names, prefix, bits } => {
                let (size, order) = of.integer().ok_or_else(|| Misfit::new(node, "a number"))?;
                let number =
                    if bits { bit_value(names, prefix, size, node)? } else { value(type_name, names, prefix, node)? };
                unsigned(&number, size, order)
            }
            Wire::Ipv4 => address::<Ipv4Addr>(node, "an IPv4 address").map(|address| address.octets().to_vec()),
            Wire::Ipv6 => address::<Ipv6Addr>(node, "an IPv6 address").map(|address| address.octets().to_vec()),
            Wire::Ip => address(node, "an IP address").map(|address| match address {
                IpAddr::V4(address) => address.octets().to_vec(),
                IpAddr::V6(address) => address.octets().to_vec(),
            }),
            Wire::Text { .. } => text(node),
            Wire::Nest(schema) => attributes(schema, node),
            Wire::Selected { .. } => attributes(selected.unwrap_or(RawAttributes::SCHEMA), node),
            Wire::Bytes { min, max } if max == Some(min) => unhex_exactly(node, min),
            Wire::Layout { size, .. } => unhex_exactly(node, size),
            Wire::Bytes { .. } | Wire::Padding => unhex(node),
        },
    }
}

fn unsigned(node: &Node, size: usize, order: ByteOrder) -> Result<Vec<u8>, Misfit> {
    let range = || Misfit::new(node, format_args!("a number of {} bits", 8 * size));
    let Node::Unsigned(value) = *node else { return Err(range()) };
    let bytes = value.to_be_bytes();
    let (high, low) = bytes.split_at_checked(bytes.len().saturating_sub(size)).ok_or_else(range)?;
    if high.iter().any(|byte| *byte != 0) {
        return Err(range());
    }
    Ok(ordered(low.to_vec(), order))
}

fn signed(node: &Node, size: usize, order: ByteOrder) -> Result<Vec<u8>, Misfit> {
    let range = || Misfit::new(node, format_args!("a signed number of {} bits", 8 * size));
    let value = match *node {
        Node::Signed(value) => value,
        Node::Unsigned(value) => i64::try_from(value).map_err(|_| range())?,
        _ => return Err(range()),
    };
    if integer::signed(value.cast_unsigned(), size) != value {
        return Err(range());
    }
    let bytes = value.to_be_bytes();
    let low = bytes.get(bytes.len().saturating_sub(size)..).unwrap_or_default();
    Ok(ordered(low.to_vec(), order))
}

/// Big-endian bytes, in `order`.
fn ordered(mut bytes: Vec<u8>, order: ByteOrder) -> Vec<u8> {
    if order == ByteOrder::Native && cfg!(target_endian = "little") {
        bytes.reverse();
    }
    bytes
}

/// The number of a word.
fn value(type_name: &str, names: &'static [Name], prefix: &str, node: &Node) -> Result<Node, Misfit> {
    let Node::Text(text) = node else { return Ok(node.clone()) };
    let mut values = names.iter().map(|name| name.value);
    let found = values.find(|value| shape::word(type_name, names, prefix, *value) == Some(text));
    found.map(Node::Unsigned).ok_or_else(|| Misfit::new(node, format_args!("a {type_name}")))
}

/// The bits of a list of words, in `size` bytes.
fn bit_value(names: &'static [Name], prefix: &str, size: usize, node: &Node) -> Result<Node, Misfit> {
    let Node::List(words) = node else { return Err(Misfit::new(node, "a list of names")) };
    let mut all = 0;
    for word in words {
        let known = |text: &str| names.iter().find(|name| names::word(name, prefix) == text).map(|name| name.value);
        let bits = match word {
            Node::Text(text) => known(text).or_else(|| names::hex(text)),
            _ => None,
        };
        let bits = bits.ok_or_else(|| Misfit::new(word, "the name of a bit"))?;
        let width = 8 * size;
        if u32::try_from(width).is_ok_and(|width| bits.checked_shr(width).is_some_and(|above| above != 0)) {
            return Err(Misfit::new(word, format_args!("a bit of {width}")));
        }
        all |= bits;
    }
    Ok(Node::Unsigned(all))
}

fn tcp_flags(node: &Node) -> Result<u8, Misfit> {
    let Node::List(words) = node else { return Err(Misfit::new(node, "a list of names")) };
    let mut flags = TcpFlagBits::empty();
    for word in words {
        let Node::Text(text) = word else { return Err(Misfit::new(word, "the name of a flag")) };
        flags |= TcpFlagBits::from_name(text).ok_or_else(|| Misfit::new(word, "the name of a flag"))?;
    }
    Ok(flags.bits())
}

fn labels(node: &Node) -> Result<Vec<u8>, Misfit> {
    let Node::List(bits) = node else { return Err(Misfit::new(node, "a list of labels")) };
    let mut labels = Labels::default();
    for bit in bits {
        let inserted = match *bit {
            Node::Unsigned(number) => u8::try_from(number).is_ok_and(|number| labels.insert(number)),
            _ => false,
        };
        if !inserted {
            return Err(Misfit::new(bit, "a label, 0 to 127"));
        }
    }
    Ok(labels.0.to_vec())
}

fn address<T: std::str::FromStr>(node: &Node, expected: &'static str) -> Result<T, Misfit> {
    match node {
        Node::Text(text) => text.parse().map_err(|_| Misfit::new(node, expected)),
        _ => Err(Misfit::new(node, expected)),
    }
}

/// A text and its NUL. It may be longer than this library's limit, if a newer kernel sent it.
fn text(node: &Node) -> Result<Vec<u8>, Misfit> {
    let mut bytes = match node {
        Node::Text(text) => text.as_bytes().to_vec(),
        Node::List(bytes) => bytes
            .iter()
            .map(|byte| match *byte {
                Node::Unsigned(number) => u8::try_from(number).ok(),
                _ => None,
            })
            .collect::<Option<_>>()
            .ok_or_else(|| Misfit::new(node, "a list of bytes"))?,
        _ => return Err(Misfit::new(node, "a text")),
    };
    if bytes.contains(&0) {
        return Err(Misfit::new(node, "a text without a NUL"));
    }
    bytes.push(0);
    Ok(bytes)
}

/// Bytes of which decoding would ignore those behind the first `size`.
fn unhex_exactly(node: &Node, size: usize) -> Result<Vec<u8>, Misfit> {
    let bytes = unhex(node)?;
    if bytes.len() == size { Ok(bytes) } else { Err(Misfit::new(node, format_args!("{size} bytes in hex"))) }
}

fn unhex(node: &Node) -> Result<Vec<u8>, Misfit> {
    let Node::Text(text) = node else { return Err(Misfit::new(node, "bytes in hex")) };
    hex::bytes(text).ok_or_else(|| Misfit::new(node, "bytes in hex"))
}
