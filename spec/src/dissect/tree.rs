//! Attributes, and attributes in them.

use std::fmt;

use super::page::{Hex, Page};
use super::value::{host_order, meaning};
use crate::codec::{Attribute, DecodeErrorKind, Layout, NLA_HEADER, NLA_TYPE_MASK, NlAttr, Schema, Stream};
use crate::path::AttributeName;

/// Prints a run of attributes. Without a schema, all are unknown.
///
/// It recurses only into declared nests, so no deeper than declarations are nested, which are constants and end.
pub(super) fn attributes(page: &mut Page<'_, '_>, schema: Option<&'static Schema>, bytes: &[u8]) -> fmt::Result {
    let selected = schema.and_then(|schema| schema.selected(bytes));
    let mut stream = Stream::new(bytes);
    loop {
        let before = stream.rest();
        match stream.next_attribute() {
            Ok(Some(attribute)) => {
                let taken = before.len().saturating_sub(stream.rest().len());
                let padding = before.get(NLA_HEADER + attribute.payload().len()..taken).unwrap_or_default();
                let nest = AttributeName::of(schema, attribute.number()).nest(selected);
                self::attribute(page, schema, nest, &attribute, padding)?;
            }
            Ok(None) if before.is_empty() => return Ok(()),
            Ok(None) => return page.field("trailing bytes", &Hex::default().bytes(before), ""),
            Err(error) => return malformed(page, schema, before, error.kind()),
        }
    }
}

/// An attribute of `schema`; `nest` is what is in it, if it is one.
fn attribute(
    page: &mut Page<'_, '_>,
    schema: Option<&'static Schema>,
    nest: Option<&'static Schema>,
    attribute: &Attribute<'_>,
    padding: &[u8],
) -> fmt::Result {
    let (name, payload) = (AttributeName::of(schema, attribute.number()), attribute.payload());
    // It was read from 16 bits.
    let length = u16::try_from(NLA_HEADER + payload.len()).unwrap_or(u16::MAX);
    let header = (length, attribute.kind());
    if let Some(inner) = nest {
        let meaning = match (payload, attribute.is_nested()) {
            ([], true) => "nest, empty",
            ([], false) => "nest, empty, without NLA_F_NESTED",
            (_, true) => "nest",
            (_, false) => "nest, without NLA_F_NESTED",
        };
        page.attribute(Label(&name), header, &Hex::default(), meaning)?;
        page.indented(|page| attributes(page, Some(inner), payload))?;
        // Attributes in it have padding of their own, so there is some only behind a malformed one.
        return match padding {
            [] => Ok(()),
            _ => page.indented(|page| page.field("padding", &Hex::default().padding(padding), "")),
        };
    }
    let wire = name.declared.map(|declared| &declared.wire);
    let hex = match wire.and_then(|wire| host_order(wire, payload)) {
        Some((number, size)) => Hex::default().number(number, size).bytes(payload.get(size..).unwrap_or_default()),
        None => Hex::default().bytes(payload),
    };
    let meaning = wire.map(|wire| meaning(wire, payload)).unwrap_or_default();
    page.attribute(Label(&name), header, &hex.padding(padding), meaning)
}

/// An attribute whose length cannot be: nothing can be said of what follows it.
fn malformed(
    page: &mut Page<'_, '_>,
    schema: Option<&'static Schema>,
    bytes: &[u8],
    error: DecodeErrorKind,
) -> fmt::Result {
    let (Ok(NlAttr { len, kind }), Some(rest)) = (NlAttr::read(bytes), bytes.get(NlAttr::SIZE..)) else {
        return page.field("trailing bytes", &Hex::default().bytes(bytes), "");
    };
    let name = AttributeName::of(schema, kind & NLA_TYPE_MASK);
    page.attribute(Label(&name), (len, kind), &Hex::default().bytes(rest), format_args!("malformed: {error}"))
}

/// The name of a line.
struct Label<'a>(&'a AttributeName);

impl fmt::Display for Label<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unknown = if self.0.declared.is_none() { "unknown attribute " } else { "" };
        write!(f, "{unknown}{}", self.0)
    }
}
