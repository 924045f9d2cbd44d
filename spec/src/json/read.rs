//! From attributes to a value.

use super::node::{Key, Node};
use super::shape::{self, OTHER, Shape};
use crate::codec::{Attribute, Decode, Entry, RawAttributes, Schema, SchemaAttribute, Stream, Wire, integer};
use crate::{Labels, TcpFlagBits, names};

/// The object of a run of attributes.
pub(super) fn attributes(schema: &'static Schema, bytes: &[u8]) -> Node {
    let mut stream = Stream::new(bytes);
    let attributes = std::iter::from_fn(|| stream.next_attribute().ok().flatten()).collect();
    let run = Run { attributes, selected: schema.selected(bytes) };
    let mut fields = Vec::new();
    run.read(schema, &mut fields);
    let undeclared = run.attributes.iter().filter(|attribute| schema.attribute(attribute.number()).is_none());
    let other: Vec<_> = undeclared.map(|attribute| raw(attribute.kind(), attribute.payload())).collect();
    if !other.is_empty() {
        fields.push((Key::Borrowed(OTHER), Node::List(other)));
    }
    Node::Map(fields)
}

struct Run<'a> {
    attributes: Vec<Attribute<'a>>,
    /// What is in the one whose nest another one tells.
    selected: Option<&'static Schema>,
}

impl Run<'_> {
    /// The attributes that `schema` declares.
    fn read(&self, schema: &'static Schema, fields: &mut Vec<(Key, Node)>) {
        for entry in schema.entries {
            match entry {
                Entry::Attribute(declared) => self.read_attribute(declared, fields),
                Entry::Flatten { schema, .. } if shape::is_spread(schema) => self.read(schema, fields),
                Entry::Flatten { field, schema, .. } => {
                    let mut inner = Vec::new();
                    self.read(schema, &mut inner);
                    if !inner.is_empty() {
                        fields.push((shape::field(field), Node::Map(inner)));
                    }
                }
            }
        }
    }

    fn read_attribute(&self, declared: &'static SchemaAttribute, fields: &mut Vec<(Key, Node)>) {
        let mut found = self.attributes.iter().filter(|attribute| declared.holds(attribute.number())).peekable();
        if found.peek().is_none() {
            return;
        }
        if let Wire::Nest(schema) = declared.wire
            && shape::is_spread(schema)
        {
            let nests = found.map(|attribute| attributes(schema, attribute.payload()));
            fields.extend(
                nests.filter_map(|node| if let Node::Map(inner) = node { Some(inner) } else { None }).flatten(),
            );
            return;
        }
        let mut values = found.map(|attribute| payload(Shape::of(declared), attribute.payload(), self.selected));
        let node = if declared.repeated || declared.last.is_some() {
            Node::List(values.collect())
        } else {
            values.next_back().unwrap_or(Node::Null)
        };
        fields.push((shape::key(declared), node));
    }
}

/// The value of a payload; `selected` is what another attribute tells to be in it.
pub(super) fn payload(shape: Shape, payload: &[u8], selected: Option<&'static Schema>) -> Node {
    // What is too short to be one is kept as bytes. Nothing that was encoded is.
    try_payload(shape, payload, selected).unwrap_or_else(|| hex(payload))
}

fn try_payload(shape: Shape, payload: &[u8], selected: Option<&'static Schema>) -> Option<Node> {
    Some(match shape {
        Shape::Id => Node::Unsigned(u32::from_be_bytes(*payload.first_chunk()?).into()),
        Shape::Labels => {
            let labels = Labels::try_from(payload).ok()?;
            Node::List(labels.iter().map(|bit| Node::Unsigned(bit.into())).collect())
        }
        Shape::TcpFlagBits => tcp_flags(*payload.first()?),
        Shape::TcpFlags => {
            let [flags, mask] = *payload.first_chunk()?;
            Node::Map(vec![(Key::Borrowed("flags"), tcp_flags(flags)), (Key::Borrowed("mask"), tcp_flags(mask))])
        }
        Shape::Wire(wire) => match *wire {
            Wire::Unsigned { size, order } => Node::Unsigned(integer::unsigned(payload, size, order)?),
            Wire::Signed { size, order } => {
                let value = integer::signed(integer::unsigned(payload, size, order)?, size);
                u64::try_from(value).map_or(Node::Signed(value), Node::Unsigned)
            }
            Wire::Named { of, type_name, names, prefix, bits } => {
                let (size, order) = of.integer()?;
                let value = integer::unsigned(payload, size, order)?;
                match shape::word(type_name, names, prefix, value) {
                    _ if bits => Node::List(names::bits(value, names, prefix).map(Node::text).collect()),
                    Some(word) => Node::text(word),
                    None => Node::Unsigned(value),
                }
            }
            Wire::Ipv4 | Wire::Ipv6 | Wire::Ip => Node::text(address(payload)?.to_string()),
            Wire::Text { .. } => text(payload),
            Wire::Nest(schema) => attributes(schema, payload),
            Wire::Selected { .. } => attributes(selected.unwrap_or(RawAttributes::SCHEMA), payload),
            Wire::Bytes { .. } | Wire::Layout { .. } | Wire::Padding => hex(payload),
        },
    })
}

/// An attribute as it came.
pub(super) fn raw(kind: u16, payload: &[u8]) -> Node {
    Node::Map(vec![(Key::Borrowed("type"), Node::Unsigned(kind.into())), (Key::Borrowed("payload"), hex(payload))])
}

fn address(payload: &[u8]) -> Option<std::net::IpAddr> {
    match payload.len() {
        4 => payload.first_chunk::<4>().map(|octets| (*octets).into()),
        _ => payload.first_chunk::<16>().map(|octets| (*octets).into()),
    }
}

fn tcp_flags(bits: u8) -> Node {
    let flags = TcpFlagBits::from_bits_retain(bits);
    Node::List(flags.iter_names().map(|(name, _)| Node::text(name)).collect())
}

/// A text up to its NUL; bytes that are no text are numbers.
fn text(payload: &[u8]) -> Node {
    let bytes = payload.split(|byte| *byte == 0).next().unwrap_or_default();
    match std::str::from_utf8(bytes) {
        Ok(text) => Node::text(text.to_owned()),
        Err(_) => Node::List(bytes.iter().map(|byte| Node::Unsigned((*byte).into())).collect()),
    }
}

fn hex(bytes: &[u8]) -> Node {
    Node::text(super::hex::text(bytes))
}
