//! The attribute reference, `conntrack::guide::attributes`, from the declarations.

use std::collections::BTreeMap;
use std::fmt::Write;

use conntrack::codec::{ByteOrder, Direction, Entry, Schema, SchemaAttribute, Wire};
use conntrack::message::{MESSAGES, Message};
use conntrack::uapi;

/// Where an attribute is declared.
struct Place {
    schema: &'static Schema,
    attribute: &'static SchemaAttribute,
    sent: bool,
    received: bool,
}

/// The places of each attribute, by the enum that numbers it, its number and its name, in the order in which messages
/// have them.
type Places = BTreeMap<(usize, u16, &'static str), Vec<Place>>;

/// The page.
#[must_use]
pub fn page() -> String {
    let mut places = Places::new();
    for message in MESSAGES {
        let schemas = [(message.received, false), (message.single, true), (message.dump, true)];
        for (schema, to_kernel) in schemas {
            if let Some(schema) = schema {
                collect(schema, to_kernel, &mut places);
            }
        }
    }
    let mut page = INTRODUCTION.to_owned();
    messages(&mut page);
    let mut section = None;
    for ((of, number, kernel), places) in &places {
        if section.replace(of) != Some(of) {
            let _ = write!(page, "\n# `enum {}`\n\n{}", uapi::ENUMS[*of].0, HEAD);
        }
        let _ = writeln!(page, "{}", row(*number, kernel, places));
    }
    page
}

const INTRODUCTION: &str = "\
Every message and every attribute that is declared: what travels, which way, and where it is in Rust. This page is made
from the declarations; a test fails when it is not what they say.

Attributes are grouped by the C enum that numbers them. Their headers, a length and a type of 16 bits each, are in the
host's byte order. A *nest* is attributes in an attribute, which has `NLA_F_NESTED` in its type. Numbers are big-endian but for a few that
are in the host's order. Texts end with a NUL, which their greatest length does not count.

The direction is that of the messages that have the attribute: `→` it is sent to the kernel, `←` it comes from the
kernel, `↔` both. What the kernel takes in which message, the field in Rust says.

";

const HEAD: &str =
    "| # | attribute | payload | order | | since | in Rust | meaning |\n|---|---|---|---|---|---|---|---|\n";

fn messages(page: &mut String) {
    page.push_str("# Messages\n\n| type | message | request | dump | from the kernel |\n|---|---|---|---|---|\n");
    for message @ Message { kernel, single, dump, received, .. } in MESSAGES {
        let types =
            |schema: Option<&'static Schema>| schema.map_or_else(String::new, |schema| type_names(schema).join(", "));
        let [single, dump, received] = [*single, *dump, *received].map(types);
        let _ = writeln!(page, "| {:#06x} | `{kernel}` | {single} | {dump} | {received} |", message.kind());
    }
}

/// The types of a message, each a link.
fn type_names(schema: &'static Schema) -> Vec<String> {
    if schema.doc.is_empty() {
        // A choice that is made for this table.
        schema
            .entries
            .iter()
            .flat_map(|entry| match entry {
                Entry::Flatten { schema, .. } => type_names(schema),
                Entry::Attribute(_) => Vec::new(),
            })
            .collect()
    } else {
        vec![link(schema.name)]
    }
}

fn link(type_name: &str) -> String {
    format!("[`{type_name}`](crate::{type_name})")
}

/// Puts down the attributes of a message and of what it nests.
fn collect(schema: &'static Schema, to_kernel: bool, places: &mut Places) {
    for entry in schema.entries {
        let attribute = match entry {
            Entry::Flatten { schema, .. } => {
                collect(schema, to_kernel, places);
                continue;
            }
            Entry::Attribute(attribute) => attribute,
        };
        let here = places.entry((enum_of(attribute), attribute.number, attribute.kernel)).or_default();
        let known = here.iter().position(|place| std::ptr::eq(place.attribute, attribute));
        let at = known.unwrap_or(here.len());
        if known.is_none() {
            here.push(Place { schema, attribute, sent: false, received: false });
        }
        here[at].sent |= to_kernel && attribute.direction != Direction::Receive;
        here[at].received |= !to_kernel && attribute.direction != Direction::Send;
        match attribute.wire {
            Wire::Nest(nested) => collect(nested, to_kernel, places),
            Wire::Selected { among, .. } => among.iter().for_each(|(_, nested)| collect(nested, to_kernel, places)),
            _ => {}
        }
    }
}

/// The index of the enum that numbers an attribute.
fn enum_of(attribute: &SchemaAttribute) -> usize {
    let has = |(_, members): &(&str, &[(&str, u32)])| members.iter().any(|(name, _)| *name == attribute.kernel);
    uapi::ENUMS.iter().position(has).unwrap_or_else(|| panic!("{} is in no enum", attribute.kernel))
}

fn row(number: u16, kernel: &str, places: &[Place]) -> String {
    let first = places[0].attribute;
    let numbers = first.last.map_or_else(|| number.to_string(), |last| format!("{number}–{last}"));
    let direction = match (places.iter().any(|place| place.sent), places.iter().any(|place| place.received)) {
        (true, true) => "↔",
        (true, false) => "→",
        (false, true) => "←",
        (false, false) => "",
    };
    let dated: Vec<_> = places.iter().filter_map(|place| Some((place.attribute.since?, place.schema.name))).collect();
    let since = match dated.as_slice() {
        [(since, _), ..] if dated.len() == places.len() => (*since).to_owned(),
        // In some messages it came later than in others.
        _ => dated.iter().map(|(since, name)| format!("{since} in {}", link(name))).collect::<Vec<_>>().join(", "),
    };
    let mut fields: Vec<_> = places.iter().map(field).collect();
    fields.dedup();
    let (payload, order, meaning) = (payload(first), order(&first.wire), plain(first.doc));
    let fields = fields.join(", ");
    format!("| {numbers} | `{kernel}` | {payload} | {order} | {direction} | {since} | {fields} | {meaning} |")
}

/// Where an attribute is in Rust, as a link.
fn field(Place { schema, attribute, .. }: &Place) -> String {
    let (name, field) = (schema.name, attribute.field);
    if matches!(attribute.wire, Wire::Padding) {
        return "–".to_owned();
    }
    match field.split_once('.') {
        Some((variant, inner)) => format!("[`{name}::{variant}::{inner}`](crate::{name}::{variant})"),
        None if schema.choice.is_some() => format!("[`{name}::{field}`](crate::{name}::{field})"),
        // One of the two attributes of such an enum tells what is in the other.
        None if schema.entries.iter().any(selects) => link(name),
        None => format!("[`{name}::{field}`](crate::{name}#structfield.{field})"),
    }
}

fn selects(entry: &Entry) -> bool {
    matches!(entry, Entry::Attribute(SchemaAttribute { wire: Wire::Selected { .. }, .. }))
}

fn payload(attribute: &SchemaAttribute) -> String {
    let list = if attribute.repeated { "each " } else { "" };
    format!("{list}{}", wire(&attribute.wire))
}

fn wire(wire: &Wire) -> String {
    match *wire {
        Wire::Unsigned { size, .. } => format!("u{}", 8 * size),
        Wire::Signed { size, .. } => format!("i{}", 8 * size),
        Wire::Named { of, type_name, bits, .. } => {
            format!("{}: {}{}", self::wire(of), if bits { "bits of " } else { "" }, link(type_name))
        }
        Wire::Ipv4 => "IPv4 address".to_owned(),
        Wire::Ipv6 => "IPv6 address".to_owned(),
        Wire::Ip => "IPv4 or IPv6 address".to_owned(),
        Wire::Bytes { min, max: Some(max) } if min == max => format!("{max} bytes"),
        Wire::Bytes { min: 0, max: Some(max) } => format!("at most {max} bytes"),
        Wire::Bytes { .. } => "bytes".to_owned(),
        Wire::Text { max: Some(max) } => format!("text, at most {max} bytes"),
        Wire::Text { max: None } => "text".to_owned(),
        Wire::Layout { name, size } => format!("{}, {size} bytes", link(name)),
        Wire::Nest(schema) => format!("nest: {}", link(schema.name)),
        Wire::Selected { .. } => "nest: by the protocol".to_owned(),
        Wire::Padding => "none".to_owned(),
        _ => "other".to_owned(),
    }
}

/// The order of a payload's bytes, where it has one.
fn order(wire: &Wire) -> &'static str {
    match *wire {
        Wire::Unsigned { size: 1, .. } | Wire::Signed { size: 1, .. } => "",
        Wire::Unsigned { order: ByteOrder::Native, .. } | Wire::Signed { order: ByteOrder::Native, .. } => "**host**",
        Wire::Unsigned { .. } | Wire::Signed { .. } => "big",
        Wire::Named { of, .. } => order(of),
        _ => "",
    }
}

/// Documentation as the text of one cell: without the targets of links, which are those of another place.
fn plain(doc: &str) -> String {
    let mut plain = String::new();
    let mut rest = doc.trim();
    while let Some((before, link)) = rest.split_once('[') {
        plain.push_str(before);
        let Some((text, after)) = link.split_once(']') else {
            rest = link;
            continue;
        };
        plain.push_str(text);
        rest = match after.strip_prefix('(').and_then(|target| target.split_once(')')) {
            Some((_, after)) => after,
            None => after,
        };
    }
    plain.push_str(rest);
    plain.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}
