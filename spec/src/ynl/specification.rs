//! A specification, part by part in the order of `netlink-raw.yaml`.

use serde::ser::{Serialize, Serializer};

use super::names::{common_prefix, kebab, kebab_of_type, plain};
use super::sets::{Set, Sets};
use crate::codec::{ByteOrder, Direction, Name, Schema, SchemaAttribute, Wire};
use crate::json::Node;
use crate::message::{MESSAGES, Message};
use crate::uapi::{
    NFNL_SUBSYS_CTHELPER, NFNL_SUBSYS_CTNETLINK, NFNL_SUBSYS_CTNETLINK_EXP, NFNL_SUBSYS_CTNETLINK_TIMEOUT,
};

/// `NETLINK_NETFILTER`
const NETFILTER: u64 = 12;
/// The fixed header of every message.
const HEADER: &str = "nfgenmsg";

/// Describes one netfilter subsystem as YNL when it is serialized.
///
/// The messages can be a user's own: build a table of [`Message`] from schemas that derive [`Decode`](crate::Decode).
#[derive(Clone, Debug)]
pub struct Specification<'a> {
    /// The name of the family, such as `conntrack`.
    pub name: &'a str,
    /// What it is.
    pub doc: &'a str,
    /// Its messages: all of one subsystem.
    pub messages: Vec<&'a Message>,
    /// Its multicast groups.
    pub groups: &'a [Group<'a>],
}

/// A multicast group of a subsystem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its number, for `NETLINK_ADD_MEMBERSHIP`.
    pub number: u32,
    /// The `nlmsg_type` of the events that are sent to it.
    pub kind: u16,
}

const FLOW_GROUPS: &[Group<'_>] = &[
    Group { name: "new", number: 1, kind: 0x0100 },
    Group { name: "update", number: 2, kind: 0x0100 },
    Group { name: "destroy", number: 3, kind: 0x0102 },
];
const EXPECT_GROUPS: &[Group<'_>] =
    &[Group { name: "exp-new", number: 4, kind: 0x0200 }, Group { name: "exp-destroy", number: 6, kind: 0x0202 }];

/// The subsystems that are declared here.
const SUBSYSTEMS: &[(u8, &str, &str, &[Group<'_>])] = &[
    (NFNL_SUBSYS_CTNETLINK, "conntrack", "Connections that the kernel tracks.", FLOW_GROUPS),
    (NFNL_SUBSYS_CTNETLINK_EXP, "conntrack-expect", "Connections that the kernel expects.", EXPECT_GROUPS),
    (NFNL_SUBSYS_CTNETLINK_TIMEOUT, "conntrack-timeout", "Timeout policies of tracked connections.", &[]),
    (NFNL_SUBSYS_CTHELPER, "conntrack-helper", "Helpers in user space.", &[]),
];

impl Specification<'static> {
    /// Returns the specifications of all subsystems that this crate declares.
    pub fn all() -> impl Iterator<Item = Self> {
        SUBSYSTEMS.iter().map(|(subsystem, name, doc, groups)| {
            let messages = MESSAGES.iter().filter(|message| message.subsystem == *subsystem).collect();
            Self { name, doc, messages, groups }
        })
    }
}

impl Serialize for Specification<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.node().serialize(serializer)
    }
}

impl Specification<'_> {
    fn node(&self) -> Node {
        let mut sets = Sets::default();
        for message in &self.messages {
            // What the kernel sends first: its structs have the plainest names.
            for schema in [message.reply(), message.single, message.dump].into_iter().flatten() {
                sets.add(schema);
            }
        }
        for kind in self.groups.iter().map(|group| group.kind) {
            sets.add_all(self.messages.iter().filter(|message| message.kind() == kind).filter_map(|it| it.received));
        }
        Fields::default()
            .with("name", self.name)
            .with("protocol", "netlink-raw")
            .with("protonum", NETFILTER)
            .with("doc", self.doc)
            .with("definitions", definitions(&sets))
            .with("attribute-sets", sets.iter().map(|set| attribute_set(set, &sets)).collect::<Vec<_>>())
            .with_some("sub-messages", sub_messages(&sets))
            .with("operations", self.operations(&sets))
            .with_some("mcast-groups", self.multicast_groups())
            .node()
    }

    fn operations(&self, sets: &Sets) -> Node {
        let prefix = common_prefix(self.messages.iter().map(|message| message.kernel));
        let name = |message: &Message| kebab(message.kernel.strip_prefix(prefix).unwrap_or(message.kernel));
        let mut list: Vec<Node> = Vec::new();
        for message in &self.messages {
            let reply = message.answer.and_then(|kind| Some((kind, message.reply()?)));
            let exchange = |request: Option<&'static Schema>| {
                request.map(|request| {
                    let reply = reply.map(|(kind, schema)| payload(kind, schema, Direction::Send, sets));
                    Fields::default()
                        .with("request", payload(message.kind(), request, Direction::Receive, sets))
                        .with_some("reply", reply)
                        .node()
                })
            };
            let attributes = [message.single, message.dump, reply.map(|(_, schema)| schema)];
            let set = attributes.into_iter().flatten().find_map(|schema| sets.of(schema));
            list.push(
                Fields::default()
                    .with("name", name(message))
                    .with("doc", message.kernel)
                    .with_some("attribute-set", set.map(Set::name))
                    .with("fixed-header", HEADER)
                    .with_some("do", exchange(message.single))
                    .with_some("dump", exchange(message.dump))
                    .node(),
            );
        }
        for group in self.groups {
            // An event has the attributes of some reply, which is what YNL calls a notification.
            let of =
                self.messages.iter().find(|message| message.answer == Some(group.kind) || message.single.is_some());
            let get = self.messages.iter().find(|message| message.kernel.ends_with("_GET")).or(of);
            list.push(
                Fields::default()
                    .with("name", format!("{}-ntf", group.name))
                    .with("doc", format!("An event of the group {}.", group.name))
                    .with("value", u64::from(group.kind))
                    .with_some("notify", get.map(|message| name(message)))
                    .with("mcgrp", group.name)
                    .node(),
            );
        }
        Fields::default().with("enum-model", "directional").with("name-prefix", kebab(prefix)).with("list", list).node()
    }

    fn multicast_groups(&self) -> Option<Node> {
        let group = |group: &Group<'_>| {
            Fields::default().with("name", group.name).with("value", u64::from(group.number)).node()
        };
        let list: Vec<_> = self.groups.iter().map(group).collect();
        (!list.is_empty()).then(|| Fields::default().with("list", list).node())
    }
}

/// The number and the attributes of a message; `not` is the direction of attributes that it cannot have.
fn payload(kind: u16, schema: &'static Schema, not: Direction, sets: &Sets) -> Node {
    let set = sets.of(schema);
    let declared = schema.attributes().filter(|attribute| attribute.direction != not);
    let mut names: Vec<String> =
        declared.flat_map(elements).filter_map(|(kernel, _, _)| Some(set?.word(&kernel))).collect();
    names.dedup();
    let attributes = (!names.is_empty()).then(|| names.into_iter().map(Node::text).collect::<Vec<_>>());
    Fields::default().with("value", u64::from(kind)).with_some("attributes", attributes).node()
}

fn attribute_set(set: &Set, sets: &Sets) -> Node {
    let attributes = set.attributes.iter().flat_map(|declared| elements(declared));
    let attributes: Vec<Node> =
        attributes.map(|(kernel, number, declared)| attribute(&kernel, number, declared, set, sets)).collect();
    Fields::default()
        .with("name", set.name())
        .with("name-prefix", kebab(set.prefix()))
        .with("attributes", attributes)
        .node()
}

/// The attributes that a declaration stands for: one, or all of a list.
fn elements(declared: &'static SchemaAttribute) -> impl Iterator<Item = (String, u16, &'static SchemaAttribute)> {
    let (first, last) = (declared.number, declared.last.unwrap_or(declared.number));
    // The elements of a list are numbered from one: NFCTH_POLICY_SET1 to NFCTH_POLICY_SET4.
    let base = declared.kernel.trim_end_matches(|digit: char| digit.is_ascii_digit());
    (first..=last).zip(1_u16..).map(move |(number, at)| {
        let kernel = if declared.last.is_some() { format!("{base}{at}") } else { declared.kernel.to_owned() };
        (kernel, number, declared)
    })
}

fn attribute(kernel: &str, number: u16, declared: &'static SchemaAttribute, set: &Set, sets: &Sets) -> Node {
    let mut fields = Fields::default().with("name", set.word(kernel));
    fields = match declared.wire {
        Wire::Selected { by, .. } => fields
            .with("type", "sub-message")
            .with("value", u64::from(number))
            .with("sub-message", sub_message_name(set, kernel))
            .with_some("selector", set.attributes.iter().find(|it| it.number == by).map(|it| set.word(it.kernel))),
        ref wire => scalar(fields, wire, number, sets),
    };
    if declared.repeated {
        fields = fields.with("multi-attr", true);
    }
    let doc = plain(declared.doc);
    fields.with_some("doc", (!doc.is_empty()).then_some(doc)).node()
}

/// The type of an attribute, and what goes with it.
fn scalar(fields: Fields, wire: &Wire, number: u16, sets: &Sets) -> Fields {
    if let Wire::Named { of, type_name, bits, names, .. } = *wire {
        let fields = scalar(fields, of, number, sets);
        let fields = fields.with_some("enum", (!names.is_empty()).then(|| kebab_of_type(type_name)));
        return if bits { fields.with("enum-as-flags", true) } else { fields };
    }
    let typed = |name: &str| fields.with("type", name.to_owned()).with("value", u64::from(number));
    let length = |name: &'static str, bytes: usize| {
        Fields::default().with(name, u64::try_from(bytes).unwrap_or(u64::MAX)).node()
    };
    match *wire {
        Wire::Unsigned { size, order } => ordered(typed(&integer("u", size)), size, order),
        Wire::Signed { size, order } => ordered(typed(&integer("s", size)), size, order),
        Wire::Ipv4 => typed("u32").with("byte-order", "big-endian").with("display-hint", "ipv4"),
        Wire::Ipv6 => typed("binary").with("checks", length("exact-len", 16)).with("display-hint", "ipv6"),
        Wire::Bytes { min, max: Some(max) } if min == max => typed("binary").with("checks", length("exact-len", max)),
        Wire::Bytes { max: Some(max), .. } => typed("binary").with("checks", length("max-len", max)),
        Wire::Ip | Wire::Bytes { .. } => typed("binary"),
        Wire::Text { max } => typed("string").with_some("checks", max.map(|max| length("max-len", max))),
        Wire::Layout { size, .. } => typed("binary").with("checks", length("exact-len", size)),
        Wire::Nest(schema) => match sets.of(schema) {
            Some(nested) => typed("nest").with("nested-attributes", nested.name()),
            None => typed("nest"),
        },
        Wire::Named { .. } | Wire::Selected { .. } | Wire::Padding => typed("pad"),
    }
}

fn integer(kind: &str, size: usize) -> String {
    format!("{kind}{}", size.saturating_mul(8))
}

/// Host byte order is YNL's default.
fn ordered(fields: Fields, size: usize, order: ByteOrder) -> Fields {
    if size > 1 && order == ByteOrder::Big { fields.with("byte-order", "big-endian") } else { fields }
}

fn sub_message_name(set: &Set, kernel: &str) -> String {
    format!("{}-{}", set.base(), set.word(kernel))
}

fn sub_messages(sets: &Sets) -> Option<Vec<Node>> {
    let mut nodes = Vec::new();
    for set in sets.iter() {
        for declared in &set.attributes {
            let Wire::Selected { by, among } = declared.wire else { continue };
            let names = set.attributes.iter().find(|it| it.number == by).and_then(|it| names_of(&it.wire));
            let formats: Vec<Node> = among
                .iter()
                .filter_map(|(value, schema)| {
                    let word = names.and_then(|(names, prefix)| entry_name(*value, names, prefix));
                    let value = word.unwrap_or_else(|| value.to_string());
                    Some(Fields::default().with("value", value).with("attribute-set", sets.of(schema)?.name()).node())
                })
                .collect();
            nodes.push(
                Fields::default().with("name", sub_message_name(set, declared.kernel)).with("formats", formats).node(),
            );
        }
    }
    (!nodes.is_empty()).then_some(nodes)
}

/// The names of an integer's values, and what they begin with.
fn names_of(wire: &Wire) -> Option<(&'static [Name], &'static str)> {
    match *wire {
        Wire::Named { names, prefix, .. } => Some((names, prefix)),
        _ => None,
    }
}

fn entry_name(value: u64, names: &[Name], prefix: &str) -> Option<String> {
    names
        .iter()
        .find(|name| name.value == value)
        .map(|name| kebab(name.kernel.strip_prefix(prefix).unwrap_or(name.kernel)))
}

/// The fixed header, and each enumeration that an attribute uses, once.
fn definitions(sets: &Sets) -> Vec<Node> {
    let member = |name: &str, kind: &str, big: bool| {
        Fields::default()
            .with("name", name.to_owned())
            .with("type", kind.to_owned())
            .with_some("byte-order", big.then_some("big-endian"))
            .node()
    };
    let members =
        vec![member("nfgen-family", "u8", false), member("version", "u8", false), member("res-id", "u16", true)];
    let mut nodes = vec![Fields::default().with("name", HEADER).with("type", "struct").with("members", members).node()];
    let mut known = Vec::new();
    for attribute in sets.iter().flat_map(|set| &set.attributes) {
        let Wire::Named { type_name, names, prefix, bits, .. } = attribute.wire else { continue };
        if names.is_empty() || known.contains(&type_name) {
            continue;
        }
        known.push(type_name);
        let entry = |name: &Name| {
            // A flag is the position of its bit.
            let value = if bits { u64::from(name.value.trailing_zeros()) } else { name.value };
            let word = kebab(name.kernel.strip_prefix(prefix).unwrap_or(name.kernel));
            Fields::default().with("name", word).with("value", value).node()
        };
        let single = names.iter().filter(|name| !bits || name.value.is_power_of_two());
        nodes.push(
            Fields::default()
                .with("name", kebab_of_type(type_name))
                .with("type", if bits { "flags" } else { "enum" })
                .with("name-prefix", kebab(prefix))
                .with("entries", single.map(entry).collect::<Vec<_>>())
                .node(),
        );
    }
    nodes
}

impl Set {
    /// What the names of its attributes begin with.
    fn prefix(&self) -> &'static str {
        common_prefix(self.attributes.iter().map(|attribute| attribute.kernel))
    }

    /// An attribute's name without the prefix.
    fn word(&self, kernel: &str) -> String {
        kebab(kernel.strip_prefix(self.prefix()).unwrap_or(kernel))
    }

    fn base(&self) -> String {
        kebab_of_type(self.first.name)
    }

    fn name(&self) -> String {
        format!("{}-attrs", self.base())
    }
}

/// The fields of a map, in order.
#[derive(Debug, Default)]
struct Fields(Vec<(crate::json::Key, Node)>);

impl Fields {
    fn with(mut self, key: &'static str, value: impl Into<Node>) -> Self {
        self.0.push((key.into(), value.into()));
        self
    }

    fn with_some(self, key: &'static str, value: Option<impl Into<Node>>) -> Self {
        match value {
            Some(value) => self.with(key, value),
            None => self,
        }
    }

    fn node(self) -> Node {
        Node::Map(self.0)
    }
}

impl From<&str> for Node {
    fn from(text: &str) -> Self {
        Self::text(text.to_owned())
    }
}

impl From<String> for Node {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

impl From<u64> for Node {
    fn from(value: u64) -> Self {
        Self::Unsigned(value)
    }
}

impl From<bool> for Node {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<Vec<Node>> for Node {
    fn from(nodes: Vec<Node>) -> Self {
        Self::List(nodes)
    }
}
