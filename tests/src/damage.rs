//! Takes runs of attributes apart and removes attributes from them.

use conntrack::codec::{Attribute, Schema, Stream};

use crate::generate::bytes;

/// Splits a run of attributes: whole attributes with their padding.
#[must_use]
pub fn split(attributes: &[u8]) -> Vec<&[u8]> {
    let mut stream = Stream::new(attributes);
    let mut parts = Vec::new();
    loop {
        let before = stream.rest();
        if !matches!(stream.next_attribute(), Ok(Some(_))) {
            return parts;
        }
        parts.push(&before[..before.len() - stream.rest().len()]);
    }
}

/// Returns each nest of `attributes` as often as it holds attributes, on all levels: every time one of them is missing.
#[must_use]
pub fn nests_without_one(schema: &'static Schema, attributes: &[u8]) -> Vec<Vec<u8>> {
    let mut nests = Vec::new();
    for part in split(attributes) {
        let Ok((_, attribute)) = Attribute::split(part) else { continue };
        let (number, payload) = (attribute.number(), attribute.payload());
        let Some(declared) = schema.attribute(number) else { continue };
        let Some(inner) = declared.wire.nest(schema.selected(attributes)) else { continue };
        nests.extend(without_one(inner, payload).into_iter().map(|content| bytes(number, true, &content)));
    }
    nests
}

fn without_one(schema: &'static Schema, attributes: &[u8]) -> Vec<Vec<u8>> {
    let parts = split(attributes);
    let mut runs = Vec::new();
    for (at, part) in parts.iter().enumerate() {
        let (before, after) = (parts[..at].concat(), parts[at + 1..].concat());
        runs.push([&before[..], &after].concat());
        let damaged = nests_without_one(schema, part).into_iter();
        runs.extend(damaged.map(|nest| [&before[..], &nest, &after].concat()));
    }
    runs
}
