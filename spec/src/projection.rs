//! Whether a struct of the user's declares the attributes of a message as this crate does.

use std::fmt;
use std::marker::PhantomData;

use crate::codec::{ByteOrder, Decode, Entry, Schema, SchemaAttribute, Wire};
use crate::uapi::ENUMS;

/// A field that declares an attribute differently than the struct of the message: decoding it would give a wrong value
/// without an error.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Mismatch {
    /// The Rust type that the field belongs to.
    pub declared_in: &'static str,
    /// The field, or the variant and its field. Empty for an attribute that is declared as padding.
    pub field: &'static str,
    /// The kernel's name of the attribute that it declares.
    pub kernel: &'static str,
    /// The number of that attribute.
    pub number: u16,
    /// The Rust type that declares the attributes of the message, or of the nest.
    pub message: &'static str,
    /// What differs.
    pub reason: MismatchReason,
}

/// What differs between a field and the attribute of the message.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum MismatchReason {
    /// The number is that of another attribute.
    Number {
        /// The attribute that has the number.
        kernel: &'static str,
    },
    /// The attribute has another number.
    Name {
        /// Its number.
        number: u32,
    },
    /// The attribute belongs to another nest.
    Nest {
        /// The C enum that declares the attribute.
        declares: &'static str,
        /// The C enum that declares the attributes of the message.
        expected: &'static str,
    },
    /// One of them is a list of attributes, the other a single one.
    List,
    /// The payload has another type.
    Wire {
        /// The field's.
        declared: Wire,
        /// The attribute's.
        expected: Wire,
    },
}

impl Schema {
    /// The first field that declares an attribute differently than `message`, if there is one.
    ///
    /// A projection of a message may leave out attributes, and may declare some that this crate does not know: an
    /// attribute of a newer kernel. What both know must have the same number, the same kernel name and the same wire
    /// type, in nests as well. Some types hold whatever the other one does, and are accepted for it: `[u8; N]` for a payload
    /// of `N` bytes, bytes of any length for a payload that can be empty, an `IpAddr` for an address of one family, a
    /// text without a limit, an unsigned number for an opaque id of its size.
    #[must_use]
    pub const fn mismatch(&'static self, message: &'static Self) -> Option<Mismatch> {
        first_mismatch(self, self.entries, message)
    }
}

/// Compares `T` with `Message` when the program is built: [`CHECKED`](Self::CHECKED) does not compile if they differ.
#[doc(hidden)]
#[derive(Debug)]
pub struct ProjectionOf<T, Message>(PhantomData<fn() -> (T, Message)>);

impl<T: Decode, Message: Decode> ProjectionOf<T, Message> {
    /// Every function that decodes a `Message` into a caller's `T` names this constant.
    pub const CHECKED: () = if let Some(mismatch) = T::SCHEMA.mismatch(Message::SCHEMA) {
        panic!("{}", mismatch.text().as_str())
    };
}

const fn first_mismatch(
    declared: &'static Schema,
    entries: &'static [Entry],
    message: &'static Schema,
) -> Option<Mismatch> {
    let mut at = 0;
    while at < entries.len() {
        let mismatch = match &entries[at] {
            Entry::Attribute(attribute) => attribute_mismatch(declared, attribute, message),
            Entry::Flatten { schema, .. } => first_mismatch(schema, schema.entries, message),
        };
        if mismatch.is_some() {
            return mismatch;
        }
        at += 1;
    }
    None
}

const fn attribute_mismatch(
    declared: &'static Schema,
    attribute: &'static SchemaAttribute,
    message: &'static Schema,
) -> Option<Mismatch> {
    let reason = match find(attribute, message, Found::Nothing) {
        Found::Fits => return None,
        Found::Inner(inner) => return Some(inner),
        Found::Differs(reason) => reason,
        Found::Nothing => match place(attribute, message) {
            Some(reason) => reason,
            None => return None,
        },
    };
    Some(Mismatch {
        declared_in: declared.name,
        field: attribute.field,
        kernel: attribute.kernel,
        number: attribute.number,
        message: message.name,
        reason,
    })
}

/// What comparing an attribute with those of a message has found so far.
#[derive(Clone, Copy)]
enum Found {
    /// The message has neither its number nor its name.
    Nothing,
    Fits,
    Differs(MismatchReason),
    /// They are nests, and in them something differs.
    Inner(Mismatch),
}

/// Compares with each attribute of the message that has the number or the name. A request may have several: then one has
/// to fit.
const fn find(attribute: &'static SchemaAttribute, message: &'static Schema, mut found: Found) -> Found {
    let mut at = 0;
    while at < message.entries.len() && !matches!(found, Found::Fits) {
        let next = match &message.entries[at] {
            Entry::Attribute(known) => compare(attribute, known),
            Entry::Flatten { schema, .. } => find(attribute, schema, found),
        };
        // The first difference is the one to report.
        if matches!((found, next), (Found::Nothing, _) | (_, Found::Fits)) {
            found = next;
        }
        at += 1;
    }
    found
}

const fn compare(attribute: &'static SchemaAttribute, known: &'static SchemaAttribute) -> Found {
    let (first, last) = (attribute.number, attribute.last_number());
    let has_name = same(attribute.kernel, known.kernel);
    if !has_name && (last < known.number || known.last_number() < first) {
        return Found::Nothing;
    }
    // A list declares only the name of its first element.
    let is_element = known.last.is_some() && known.number < first && last <= known.last_number();
    if !is_element {
        if !has_name {
            return Found::Differs(MismatchReason::Number { kernel: known.kernel });
        }
        if first != known.number {
            return Found::Differs(MismatchReason::Name { number: known.number as u32 });
        }
        let is_too_long = last > known.last_number();
        if attribute.repeated != known.repeated || is_too_long {
            return Found::Differs(MismatchReason::List);
        }
    }
    compare_wire(attribute.wire, known.wire)
}

const fn compare_wire(declared: Wire, expected: Wire) -> Found {
    let fits = match (plain(declared), plain(expected)) {
        (Wire::Padding, expected) => matches!(expected, Wire::Padding),
        (_, Wire::Padding) => false,
        (Wire::Bytes { min, max }, known) => {
            let (least, most) = sizes(known);
            min <= least
                && !takes_padding(declared, expected)
                && match (max, most) {
                    (None, _) => true,
                    (Some(max), Some(most)) => most <= max,
                    (Some(_), None) => false,
                }
        }
        (Wire::Unsigned { size, order }, Wire::Unsigned { size: expected, order: expected_order })
        | (Wire::Signed { size, order }, Wire::Signed { size: expected, order: expected_order }) => {
            size == expected && (size == 1 || is_big(order) == is_big(expected_order))
        }
        (Wire::Unsigned { size, .. } | Wire::Layout { size, .. }, Wire::Bytes { min, max: Some(max) }) => {
            size == min && size == max
        }
        (Wire::Layout { size, .. }, Wire::Layout { size: expected, .. }) => size == expected,
        (Wire::Text { max: Some(max) }, Wire::Text { max: Some(expected) }) => max >= expected,
        (Wire::Text { .. }, Wire::Text { .. })
        | (Wire::Ipv4 | Wire::Ip, Wire::Ipv4)
        | (Wire::Ipv6 | Wire::Ip, Wire::Ipv6)
        | (Wire::Ip, Wire::Ip) => true,
        (Wire::Nest(declared), Wire::Nest(expected)) => match declared.mismatch(expected) {
            Some(inner) => return Found::Inner(inner),
            None => true,
        },
        (Wire::Nest(declared), Wire::Selected { among, .. }) => fits_one(declared, among),
        (Wire::Selected { among: declared, .. }, Wire::Selected { among: expected, .. }) => {
            return compare_selected(declared, expected);
        }
        _ => false,
    };
    if fits { Found::Fits } else { Found::Differs(MismatchReason::Wire { declared, expected }) }
}

/// Whether the field would take an empty attribute that only aligns the next one, and has the number of this attribute on
/// some machines, for its value.
const fn takes_padding(declared: Wire, expected: Wire) -> bool {
    declared.can_be_empty() && !expected.can_be_empty()
}

const fn fits_one(declared: &'static Schema, among: &'static [(u64, &'static Schema)]) -> bool {
    let mut at = 0;
    while at < among.len() {
        if declared.mismatch(among[at].1).is_none() {
            return true;
        }
        at += 1;
    }
    among.is_empty()
}

const fn compare_selected(
    declared: &'static [(u64, &'static Schema)],
    expected: &'static [(u64, &'static Schema)],
) -> Found {
    let mut at = 0;
    while at < declared.len() {
        let mut other = 0;
        while other < expected.len() {
            if declared[at].0 == expected[other].0
                && let Some(inner) = declared[at].1.mismatch(expected[other].1)
            {
                return Found::Inner(inner);
            }
            other += 1;
        }
        at += 1;
    }
    Found::Fits
}

/// The type without the names of its values.
const fn plain(wire: Wire) -> Wire {
    match wire {
        Wire::Named { of, .. } => plain(*of),
        other => other,
    }
}

/// The fewest and the most bytes of a payload.
const fn sizes(wire: Wire) -> (usize, Option<usize>) {
    match wire {
        Wire::Unsigned { size, .. } | Wire::Signed { size, .. } | Wire::Layout { size, .. } => (size, Some(size)),
        Wire::Named { of, .. } => sizes(*of),
        Wire::Ipv4 => (4, Some(4)),
        Wire::Ipv6 => (16, Some(16)),
        Wire::Ip => (4, Some(16)),
        Wire::Bytes { min, max } => (min, max),
        Wire::Text { max: Some(max) } => (1, Some(max + 1)),
        Wire::Text { max: None } => (1, None),
        Wire::Nest(_) | Wire::Selected { .. } => (0, None),
        Wire::Padding => (0, Some(0)),
    }
}

const fn is_big(order: ByteOrder) -> bool {
    matches!(order, ByteOrder::Big) || cfg!(target_endian = "big")
}

/// What is wrong with an attribute that the message does not have, if the kernel's header has it elsewhere.
const fn place(attribute: &SchemaAttribute, message: &Schema) -> Option<MismatchReason> {
    let Some((declares, number)) = header(attribute.kernel) else { return None };
    if number != attribute.number as u32 {
        return Some(MismatchReason::Name { number });
    }
    let Some(first) = first_attribute(message.entries) else { return None };
    match header(first.kernel) {
        Some((expected, _)) if !same(declares, expected) => Some(MismatchReason::Nest { declares, expected }),
        _ => None,
    }
}

/// The C enum that declares a constant, and its value.
const fn header(name: &str) -> Option<(&'static str, u32)> {
    let mut at = 0;
    while at < ENUMS.len() {
        let (declares, constants) = ENUMS[at];
        let mut constant = 0;
        while constant < constants.len() {
            if same(constants[constant].0, name) {
                return Some((declares, constants[constant].1));
            }
            constant += 1;
        }
        at += 1;
    }
    None
}

const fn first_attribute(entries: &[Entry]) -> Option<&SchemaAttribute> {
    match entries.first() {
        Some(Entry::Attribute(attribute)) => Some(attribute),
        Some(Entry::Flatten { schema, .. }) => first_attribute(schema.entries),
        None => None,
    }
}

const fn same(left: &str, right: &str) -> bool {
    let (left, right) = (left.as_bytes(), right.as_bytes());
    if left.len() != right.len() {
        return false;
    }
    // Names differ at the end, most often.
    let mut at = left.len();
    while at > 0 {
        at -= 1;
        if left[at] != right[at] {
            return false;
        }
    }
    true
}

impl Mismatch {
    /// The error message, made by code that the compiler can run.
    const fn text(&self) -> Text {
        let mut text = Text::new();
        text.quoted(self.declared_in).add(" does not fit ").quoted(self.message).add(": ");
        if self.field.is_empty() {
            text.add("it declares ");
        } else {
            text.quoted(self.field).add(" declares ");
        }
        text.add(self.kernel);
        match self.reason {
            MismatchReason::Number { kernel } => {
                text.add(" as attribute ").number(self.number as usize).add(", which is ").add(kernel);
            }
            MismatchReason::Name { number } => {
                text.add(" as attribute ").number(self.number as usize);
                text.add(", and it is attribute ").number(number as usize);
            }
            MismatchReason::Nest { declares, expected } => {
                text.add(", which is of `enum ").add(declares);
                text.add("`, and the attributes here are of `enum ").add(expected).add("`");
            }
            MismatchReason::List => {
                text.add("; one of the two is a list of attributes and the other a single one");
            }
            MismatchReason::Wire { declared, expected } => {
                text.add(" as ").wire(declared).add(", and it is ").wire(expected);
                if matches!(declared, Wire::Bytes { .. }) && takes_padding(declared, expected) {
                    text.add("; an empty attribute of this number is padding: declare `[u8; N]`");
                }
            }
        }
        text
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text().as_str())
    }
}

impl std::error::Error for Mismatch {}

impl PartialEq for Mismatch {
    fn eq(&self, other: &Self) -> bool {
        self.text().as_str() == other.text().as_str()
    }
}

impl Eq for Mismatch {}

/// Text that the compiler can put together. What has no room is cut.
struct Text {
    bytes: [u8; 512],
    length: usize,
}

impl Text {
    const fn new() -> Self {
        Self { bytes: [0; 512], length: 0 }
    }

    const fn as_str(&self) -> &str {
        match std::str::from_utf8(self.bytes.split_at(self.length).0) {
            Ok(text) => text,
            // Cut within a character.
            Err(_) => "two declarations of an attribute differ",
        }
    }

    const fn add(&mut self, text: &str) -> &mut Self {
        let text = text.as_bytes();
        let mut at = 0;
        while at < text.len() && self.length < self.bytes.len() {
            self.bytes[self.length] = text[at];
            self.length += 1;
            at += 1;
        }
        self
    }

    const fn quoted(&mut self, text: &str) -> &mut Self {
        self.add("`").add(text).add("`")
    }

    const fn number(&mut self, number: usize) -> &mut Self {
        if number >= 10 {
            self.number(number / 10);
        }
        let digits = "0123456789".split_at(number % 10).1;
        self.add(digits.split_at(1).0)
    }

    const fn wire(&mut self, wire: Wire) -> &mut Self {
        match wire {
            Wire::Unsigned { size, order } => self.integer("u", size, order),
            Wire::Signed { size, order } => self.integer("i", size, order),
            Wire::Named { of, type_name, .. } => self.quoted(type_name).add(", a ").wire(*of),
            Wire::Ipv4 => self.add("`Ipv4Addr`"),
            Wire::Ipv6 => self.add("`Ipv6Addr`"),
            Wire::Ip => self.add("`IpAddr`"),
            Wire::Bytes { min, max: Some(max) } if min == max => self.number(max).add(" bytes"),
            Wire::Bytes { max: Some(max), .. } => self.add("at most ").number(max).add(" bytes"),
            Wire::Bytes { max: None, .. } => self.add("bytes"),
            Wire::Text { max: Some(max) } => self.add("a text of at most ").number(max).add(" bytes"),
            Wire::Text { max: None } => self.add("a text"),
            Wire::Layout { name, size } => self.quoted(name).add(", a C struct of ").number(size).add(" bytes"),
            Wire::Nest(schema) => self.quoted(schema.name).add(", a nest"),
            Wire::Selected { .. } => self.add("a nest that another attribute selects"),
            Wire::Padding => self.add("padding"),
        }
    }

    const fn integer(&mut self, sign: &str, size: usize, order: ByteOrder) -> &mut Self {
        let is_native = size > 1 && matches!(order, ByteOrder::Native);
        self.add(if is_native { "`Native<" } else { "`" }).add(sign).number(size * 8);
        self.add(if is_native { ">`" } else { "`" })
    }
}
