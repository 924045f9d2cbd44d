//! What differs from the rule, which is that the declaration says it all.

use std::borrow::Cow;

use super::node::Key;
use crate::codec::{Entry, Name, Schema, SchemaAttribute, Wire};
use crate::{Family, Protocol, names};

/// The field of attributes that are not declared.
pub(super) const OTHER: &str = "other";

/// How the payload of an attribute reads.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shape {
    /// As its declaration says.
    Wire(&'static Wire),
    /// Four opaque bytes: the number that conntrack(8) prints.
    Id,
    /// Bits: the list of their numbers.
    Labels,
    /// The flags of TCP: the list of their names, which have less in common than others.
    TcpFlagBits,
    /// `struct nf_ct_tcp_flags`: two sets of them.
    TcpFlags,
}

impl Shape {
    pub(super) fn of(attribute: &'static SchemaAttribute) -> Self {
        match (attribute.kernel, attribute.wire) {
            ("CTA_ID" | "CTA_EXPECT_ID", _) => Self::Id,
            ("CTA_LABELS" | "CTA_LABELS_MASK", _) => Self::Labels,
            (_, Wire::Layout { name: "TcpFlags", .. }) => Self::TcpFlags,
            _ => Self::Wire(&attribute.wire),
        }
    }
}

/// The field of an attribute: that of the declaration, in lower case where it is a variant, except in tuples, where it is
/// conntrack(8)'s word or close to it.
pub(super) fn key(attribute: &'static SchemaAttribute) -> Key {
    Cow::Borrowed(match attribute.kernel {
        "CTA_PROTO_NUM" => "protocol",
        "CTA_PROTO_SRC_PORT" => "sport",
        "CTA_PROTO_DST_PORT" => "dport",
        "CTA_PROTO_ICMP_ID" => "icmp_id",
        "CTA_PROTO_ICMP_TYPE" => "icmp_type",
        "CTA_PROTO_ICMP_CODE" => "icmp_code",
        "CTA_PROTO_ICMPV6_ID" => "icmpv6_id",
        "CTA_PROTO_ICMPV6_TYPE" => "icmpv6_type",
        "CTA_PROTO_ICMPV6_CODE" => "icmpv6_code",
        _ => return field(attribute.field),
    })
}

/// The field of a declaration.
pub(super) fn field(name: &'static str) -> Key {
    if name.bytes().any(|byte| byte.is_ascii_uppercase() || byte == b'.') {
        Cow::Owned(name.to_ascii_lowercase().replace('.', "_"))
    } else {
        Cow::Borrowed(name)
    }
}

/// The variant of a choice that an entry is of: `Ports` for `Ports.src`.
pub(super) fn variant(entry: &Entry) -> &'static str {
    let field = match entry {
        Entry::Attribute(attribute) => attribute.field,
        Entry::Flatten { field, .. } => field,
    };
    field.split('.').next().unwrap_or_default()
}

/// The field of the attribute with this name, in `schema` or below it.
pub(super) fn key_of(schema: &'static Schema, kernel: &str) -> Option<Key> {
    schema.entries.iter().find_map(|entry| match entry {
        Entry::Attribute(attribute) if attribute.kernel == kernel => Some(key(attribute)),
        Entry::Attribute(SchemaAttribute { wire: Wire::Nest(schema), .. }) | Entry::Flatten { schema, .. } => {
            key_of(schema, kernel)
        }
        Entry::Attribute(_) => None,
    })
}

/// Whether the fields of a nest stand in the object above it. Only where the nest is always there, or is never empty.
pub(super) fn is_spread(schema: &Schema) -> bool {
    matches!(schema.name, "TupleIp" | "TupleProto" | "L4")
}

/// The word for a number, if there is one: conntrack(8)'s, which for most is the kernel's name without its prefix.
pub(super) fn word(type_name: &str, names: &'static [Name], prefix: &str, value: u64) -> Option<&'static str> {
    let narrow = u8::try_from(value).ok();
    match type_name {
        "Protocol" => narrow.and_then(|number| Protocol(number).word()),
        "Family" | "L3Protocol" => narrow.and_then(|number| Family(number).word()),
        _ => names::code(value, names, prefix),
    }
}
