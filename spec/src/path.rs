//! From a byte offset to the attribute that is there.

use std::fmt;

use crate::codec::{Attribute, NLA_HEADER, Schema, SchemaAttribute, Stream};

/// Where an attribute is: the kernel's names of the attributes around it, outermost first, and its own.
///
/// Printed, it reads `CTA_TUPLE_ORIG.CTA_TUPLE_PROTO.CTA_PROTO_NUM`. An attribute that is not declared is its number.
#[derive(Clone, Debug)]
pub struct AttributePath(Vec<AttributeName>);

impl AttributePath {
    /// The attributes, outermost first. There is at least one.
    pub fn attributes(&self) -> impl ExactSizeIterator<Item = AttributeName> {
        self.0.iter().copied()
    }
}

impl fmt::Display for AttributePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (depth, name) in self.0.iter().enumerate() {
            write!(f, "{}{name}", if depth == 0 { "" } else { "." })?;
        }
        Ok(())
    }
}

/// One attribute of a path.
#[derive(Clone, Copy, Debug)]
pub struct AttributeName {
    /// Its number.
    pub number: u16,
    /// Its declaration, if it has one.
    pub declared: Option<&'static SchemaAttribute>,
}

impl AttributeName {
    /// Attribute `number` of `schema`.
    pub(crate) fn of(schema: Option<&Schema>, number: u16) -> Self {
        Self { number, declared: schema.and_then(|schema| schema.attribute(number)) }
    }

    /// The declaration of what is in it, if it is a nest: see [`Wire::nest`](crate::codec::Wire::nest).
    pub(crate) fn nest(&self, selected: Option<&'static Schema>) -> Option<&'static Schema> {
        self.declared?.wire.nest(selected)
    }
}

impl fmt::Display for AttributeName {
    /// The kernel's name, with an index behind it in a list of numbered attributes; without a declaration the number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.declared {
            Some(declared) if declared.last.is_some() => {
                write!(f, "{}[{}]", declared.kernel, self.number.saturating_sub(declared.number))
            }
            Some(declared) => f.write_str(declared.kernel),
            None => write!(f, "{}", self.number),
        }
    }
}

impl Schema {
    /// The innermost attribute that the byte at `offset` of `attributes` belongs to, be it of its header, its payload
    /// or its padding. `None` if it belongs to none.
    ///
    /// The kernel says which attribute it refuses by the offset of its header, from the start of the request
    /// ([`ExtAck::offset`](crate::ExtAck::offset)); here it counts from the first attribute, which is 20 bytes less.
    #[must_use]
    pub fn path_at(&self, attributes: &[u8], offset: usize) -> Option<AttributePath> {
        let (mut schema, mut attributes, mut offset) = (self, attributes, offset);
        let mut path = Vec::new();
        // Every turn goes one nest deeper, and schemas are constants: none is inside itself.
        while let Some((attribute, within)) = attribute_at(attributes, offset) {
            let name = AttributeName::of(Some(schema), attribute.number());
            path.push(name);
            match (name.nest(schema.selected(attributes)), within.checked_sub(NLA_HEADER)) {
                (Some(inner), Some(inside)) => (schema, attributes, offset) = (inner, attribute.payload(), inside),
                _ => break,
            }
        }
        (!path.is_empty()).then_some(AttributePath(path))
    }
}

/// The attribute around the byte at `offset`, and where in it the byte is.
fn attribute_at(attributes: &[u8], offset: usize) -> Option<(Attribute<'_>, usize)> {
    let mut stream = Stream::new(attributes);
    loop {
        let start = attributes.len().saturating_sub(stream.rest().len());
        let attribute = stream.next_attribute().ok().flatten()?;
        let end = attributes.len().saturating_sub(stream.rest().len());
        if offset < end {
            return Some((attribute, offset.checked_sub(start)?));
        }
    }
}
