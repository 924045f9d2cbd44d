//! A declaration as data: what the documentation, the dissector, the error paths and the generators of tests read.

use super::{Attribute, Stream, integer};

/// A struct or an enum of attributes.
#[derive(Debug)]
pub struct Schema {
    /// The Rust type's name.
    pub name: &'static str,
    /// Its documentation.
    pub doc: &'static str,
    /// Its attributes, in declaration order.
    pub entries: &'static [Entry],
    /// With `Some`, one of the entries is there at a time.
    pub choice: Option<Choice>,
    /// Whether it keeps attributes that are not declared: `#[nla(rest)]` or `#[nla(other)]`.
    pub keeps_undeclared: bool,
}

/// Which entry of a choice counts, if a run has several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// The last in the run. The entries before it need not decode.
    LastInRun,
    /// The first in the declaration. All of them have to decode.
    FirstDeclared,
}

/// One line of a declaration.
#[derive(Debug)]
pub enum Entry {
    /// An attribute.
    Attribute(SchemaAttribute),
    /// Attributes of another struct that stand among this one's.
    Flatten {
        /// The field or variant.
        field: &'static str,
        /// Whose attributes.
        schema: &'static Schema,
        /// Whether decoding fails without what it requires.
        required: bool,
    },
}

/// One attribute.
#[derive(Debug)]
pub struct SchemaAttribute {
    /// The kernel's name, such as `CTA_MARK`.
    pub kernel: &'static str,
    /// The kernel's number.
    pub number: u16,
    /// With `Some(last)`, the attributes from `number` to `last` are elements of one list.
    pub last: Option<u16>,
    /// The Rust field or variant.
    pub field: &'static str,
    /// What the payload is.
    pub wire: Wire,
    /// Whether decoding fails without it; where one field is one of several attributes, without any of them.
    pub required: bool,
    /// Whether it may stand there many times.
    pub repeated: bool,
    /// Which way it travels.
    pub direction: Direction,
    /// The kernel that brought it, where that is known: `6.14`.
    pub since: Option<&'static str>,
    /// Its documentation.
    pub doc: &'static str,
}

/// Which way an attribute travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// In the messages that have it, both ways.
    Both,
    /// Only to the kernel.
    Send,
    /// Only from the kernel.
    Receive,
}

/// What the payload of an attribute is.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Wire {
    /// An unsigned integer.
    Unsigned {
        /// Bytes.
        size: usize,
        /// Their order.
        order: ByteOrder,
    },
    /// A two's complement integer.
    Signed {
        /// Bytes.
        size: usize,
        /// Their order.
        order: ByteOrder,
    },
    /// An integer with names: one of them, or bits.
    Named {
        /// The integer.
        of: &'static Wire,
        /// The Rust type.
        type_name: &'static str,
        /// The names it can have.
        names: &'static [Name],
        /// What they begin with.
        prefix: &'static str,
        /// Whether the names are of bits.
        bits: bool,
    },
    /// Four bytes.
    Ipv4,
    /// Sixteen bytes.
    Ipv6,
    /// Four bytes or sixteen.
    Ip,
    /// Bytes without an order.
    Bytes {
        /// The fewest.
        min: usize,
        /// The most. Where that is the fewest too, more are ignored, as behind an integer.
        max: Option<usize>,
    },
    /// A NUL-terminated string.
    Text {
        /// The most bytes, without the NUL.
        max: Option<usize>,
    },
    /// A C struct.
    Layout {
        /// Its name.
        name: &'static str,
        /// Its bytes.
        size: usize,
    },
    /// Attributes.
    Nest(&'static Schema),
    /// Attributes: which, the value of another attribute beside it tells. At most one attribute of a struct is.
    Selected {
        /// The number of the attribute that tells, an integer.
        by: u16,
        /// Its values, and the attributes for each.
        among: &'static [(u64, &'static Schema)],
    },
    /// Nothing of interest: bytes that align the next attribute.
    Padding,
}

/// A name for a number or a bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name {
    /// The value, or the bit's value.
    pub value: u64,
    /// The kernel's name for it.
    pub kernel: &'static str,
}

/// The order of an integer's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByteOrder {
    /// Network byte order.
    Big,
    /// The host's.
    Native,
}

impl Schema {
    /// The attributes, those of flattened structs included, in order.
    pub fn attributes(&self) -> impl Iterator<Item = &'static SchemaAttribute> {
        let mut stack = vec![self.entries.iter()];
        std::iter::from_fn(move || {
            loop {
                match stack.last_mut()?.next() {
                    Some(Entry::Attribute(attribute)) => return Some(attribute),
                    Some(Entry::Flatten { schema, .. }) => stack.push(schema.entries.iter()),
                    None => {
                        stack.pop();
                    }
                }
            }
        })
    }

    /// The attribute with this number.
    #[must_use]
    pub fn attribute(&self, number: u16) -> Option<&'static SchemaAttribute> {
        self.attributes().find(|attribute| attribute.holds(number))
    }

    /// What is in the attribute of `run` whose nest another one tells ([`Wire::Selected`]), if there is one and it is
    /// known what it tells.
    #[must_use]
    pub fn selected(&self, run: &[u8]) -> Option<&'static Self> {
        let (by, among) = self.attributes().find_map(|attribute| match attribute.wire {
            Wire::Selected { by, among } => Some((by, among)),
            _ => None,
        })?;
        let wire = &self.attribute(by)?.wire;
        let (size, order) = wire.integer()?;
        let mut stream = Stream::new(run);
        let attributes = std::iter::from_fn(|| stream.next_attribute().ok().flatten());
        let is_tag = |attribute: &Attribute<'_>| attribute.number() == by && !wire.is_padding(attribute.payload());
        let tag = attributes.filter(is_tag).last()?;
        let value = integer::unsigned(tag.payload(), size, order)?;
        among.iter().find(|(of, _)| *of == value).map(|(_, schema)| *schema)
    }

    /// How many attributes deep it goes: 1 if none of them is a nest. Nothing that decodes recurses further, whatever the
    /// bytes say, and no declaration holds itself: that does not compile.
    #[must_use]
    pub fn depth(&self) -> usize {
        let inside = |attribute: &SchemaAttribute| match attribute.wire {
            Wire::Nest(schema) => schema.depth(),
            Wire::Selected { among, .. } => among.iter().map(|(_, schema)| schema.depth()).max().unwrap_or(0),
            _ => 0,
        };
        self.attributes().map(|attribute| 1_usize.saturating_add(inside(attribute))).max().unwrap_or(0)
    }

    /// Whether `later`, which stands behind attribute `number` in the same run, takes its place: of one field the last
    /// attribute counts, and of a choice the last variant, if it is declared so ([`Choice::LastInRun`]).
    pub(super) fn is_replaced(&self, number: u16, later: &Attribute<'_>) -> bool {
        let replaces = |earlier: &SchemaAttribute, other: &SchemaAttribute| {
            let variant = |attribute: &SchemaAttribute| attribute.field.split('.').next();
            if !other.holds(later.number()) || other.direction == Direction::Send {
                return false;
            }
            if other.wire.is_padding(later.payload()) {
                return false;
            }
            if self.choice == Some(Choice::LastInRun) && variant(earlier) != variant(other) {
                return true;
            }
            match earlier.wire {
                // What is in it is known when this one is.
                Wire::Selected { by, .. } if by == other.number => true,
                _ if earlier.repeated => false,
                _ if earlier.last.is_some() => number == later.number(),
                _ => earlier.field == other.field,
            }
        };
        self.entries.iter().any(|entry| match entry {
            Entry::Flatten { schema, .. } => schema.is_replaced(number, later),
            Entry::Attribute(earlier) if earlier.holds(number) => self.entries.iter().any(|other| match other {
                Entry::Attribute(other) => replaces(earlier, other),
                Entry::Flatten { .. } => false,
            }),
            Entry::Attribute(_) => false,
        })
    }

    /// Whether it or a flattened struct declares one of the attributes `first` to `last`.
    const fn declares(&self, first: u16, last: u16) -> bool {
        let mut at = 0;
        while at < self.entries.len() {
            let found = match &self.entries[at] {
                Entry::Attribute(attribute) => first <= attribute.last_number() && attribute.number <= last,
                Entry::Flatten { schema, .. } => schema.declares(first, last),
            };
            if found {
                return true;
            }
            at += 1;
        }
        false
    }

    /// Whether both declare some attribute.
    const fn overlaps(&self, other: &Self) -> bool {
        let mut at = 0;
        while at < self.entries.len() {
            let found = match &self.entries[at] {
                Entry::Attribute(attribute) => other.declares(attribute.number, attribute.last_number()),
                Entry::Flatten { schema, .. } => schema.overlaps(other),
            };
            if found {
                return true;
            }
            at += 1;
        }
        false
    }
}

impl SchemaAttribute {
    /// Whether `number` is this attribute's, or one of its elements'.
    #[must_use]
    pub const fn holds(&self, number: u16) -> bool {
        self.number <= number && number <= self.last_number()
    }

    pub(crate) const fn last_number(&self) -> u16 {
        match self.last {
            Some(last) => last,
            None => self.number,
        }
    }
}

impl Wire {
    /// Whether an attribute that is declared as this, and has this payload, only aligns the next one.
    ///
    /// On machines that align 64-bit values, the kernel puts an attribute without payload in front of some
    /// (`nla_align_64bit`, `lib/nlattr.c`). Its number has a meaning of its own at times: that of `CTA_STATUS`.
    #[must_use]
    pub const fn is_padding(&self, payload: &[u8]) -> bool {
        matches!(self, Self::Padding) || payload.is_empty() && !self.can_be_empty()
    }

    /// Whether a payload of no bytes is one.
    pub(crate) const fn can_be_empty(&self) -> bool {
        match self {
            Self::Unsigned { size, .. } | Self::Signed { size, .. } | Self::Layout { size, .. } => *size == 0,
            Self::Named { of, .. } => of.can_be_empty(),
            Self::Ipv4 | Self::Ipv6 | Self::Ip => false,
            Self::Bytes { min, .. } => *min == 0,
            Self::Text { .. } | Self::Nest(_) | Self::Selected { .. } | Self::Padding => true,
        }
    }

    /// The attributes in it, if it is a nest; `selected` is what [`Schema::selected`] says of the run that it stands in.
    #[must_use]
    pub const fn nest(&self, selected: Option<&'static Schema>) -> Option<&'static Schema> {
        match *self {
            Self::Nest(schema) => Some(schema),
            Self::Selected { .. } => selected,
            _ => None,
        }
    }

    /// The size and the order of an integer, with names or without.
    pub(crate) const fn integer(&self) -> Option<(usize, ByteOrder)> {
        match *self {
            Self::Unsigned { size, order } | Self::Signed { size, order } => Some((size, order)),
            Self::Named { of, .. } => of.integer(),
            _ => None,
        }
    }
}

/// False if one of the attributes `first` to `last` is among those before it, or in a flattened struct: the derive
/// asserts it, and names the field.
#[doc(hidden)]
#[must_use]
pub const fn distinct(first: u16, last: u16, before: &[(u16, u16)], flattened: &[&Schema]) -> bool {
    let mut at = 0;
    while at < before.len() {
        if first <= before[at].1 && before[at].0 <= last {
            return false;
        }
        at += 1;
    }
    let mut at = 0;
    while at < flattened.len() {
        if flattened[at].declares(first, last) {
            return false;
        }
        at += 1;
    }
    true
}

/// Whether some attribute of `schema` is there whenever it is. For the derive.
#[doc(hidden)]
#[must_use]
pub const fn is_never_empty(schema: &Schema) -> bool {
    let mut at = 0;
    while at < schema.entries.len() {
        let is_there = match &schema.entries[at] {
            Entry::Attribute(attribute) => {
                let is_list = attribute.repeated || attribute.last.is_some();
                attribute.required && !is_list && !matches!(attribute.direction, Direction::Send)
            }
            Entry::Flatten { schema, required, .. } => *required && is_never_empty(schema),
        };
        if is_there {
            return true;
        }
        at += 1;
    }
    schema.choice.is_some()
}

/// False if one of the flattened structs before it declares an attribute of `schema`. For the derive.
#[doc(hidden)]
#[must_use]
pub const fn disjoint(schema: &Schema, before: &[&Schema]) -> bool {
    let mut at = 0;
    while at < before.len() {
        if schema.overlaps(before[at]) {
            return false;
        }
        at += 1;
    }
    true
}
