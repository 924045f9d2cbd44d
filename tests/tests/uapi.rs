//! The kernel's headers against what is declared: every constant has the kernel's number, and none is forgotten.

use std::collections::BTreeMap;

use conntrack::codec::{Decode, Name, Schema, Wire};
use conntrack::{SctpState, Status, TcpFlagBits, TcpState, uapi};
use conntrack_tests::header::Header;

/// The messages; what they nest is found from them.
const MESSAGES: &[&Schema] = &[
    conntrack::Flow::SCHEMA,
    conntrack::NewFlow::SCHEMA,
    conntrack::Changes::SCHEMA,
    conntrack::FlowKey::SCHEMA,
    conntrack::FlowUpdate::SCHEMA,
    conntrack::FlowFilter::SCHEMA,
];

/// The headers that the constants come from. All of the first is to be declared.
const HEADERS: &[&str] = &["netfilter/nfnetlink_conntrack.h", "netlink.h"];

/// Enums that number something else than attributes: it is enough that the constants are there.
const MESSAGE_ENUMS: &[&str] = &["cntl_msg_types", "ctnl_exp_msg_types"];

/// What is deliberately not declared, and why. An enum stands for all of its members.
const UNUSED: &[(&str, &str)] = &[
    ("CTA_SECMARK", "obsolete: the kernel neither reads nor sends it, CTA_SECCTX took its place"),
    ("CTA_NAT", "an older name of CTA_NAT_SRC"),
    ("CTA_NAT_MINIP", "an older name of CTA_NAT_V4_MINIP"),
    ("CTA_NAT_MAXIP", "an older name of CTA_NAT_V4_MAXIP"),
    ("CTA_NAT_SEQ_ADJ_ORIG", "an older name of CTA_SEQ_ADJ_ORIG"),
    ("CTA_NAT_SEQ_ADJ_REPLY", "an older name of CTA_SEQ_ADJ_REPLY"),
    ("CTA_COUNTERS32_PACKETS", "the kernel has not sent 32-bit counters since 2.6"),
    ("CTA_COUNTERS32_BYTES", "as above"),
    ("ctattr_natseq", "older names of enum ctattr_seqadj"),
    ("CTNL_TIMEOUT_NAME_MAX", "no constant of the protocol: the length of a name, which the type says"),
    ("NFCTH_POLICY_SET", "another name of NFCTH_POLICY_SET1"),
    ("NFCTH_POLICY_SET2", "declared: between NFCTH_POLICY_SET1 and NFCTH_POLICY_SET4"),
    ("NFCTH_POLICY_SET3", "declared: between NFCTH_POLICY_SET1 and NFCTH_POLICY_SET4"),
    ("NFCTH_POLICY_SET4", "declared: the last of the range that begins with NFCTH_POLICY_SET1"),
    ("NFCT_HELPER_STATUS_DISABLED", "a value: another test compares it"),
    ("NFCT_HELPER_STATUS_ENABLED", "a value: another test compares it"),
];

/// What is declared and newer than the installed header may be.
const NEWER: &[(&str, &str)] = &[("CTA_TIMESTAMP_EVENT", "6.14")];

/// Whether it is no constant of the protocol: zero, or the number behind the last.
fn is_marker(name: &str) -> bool {
    name.ends_with("_UNSPEC") || name.ends_with("_MAX")
}

/// Every attribute of `schema` and of what it nests, by kernel name.
fn collect(schema: &Schema, into: &mut BTreeMap<&'static str, u32>) {
    for attribute in schema.attributes() {
        let number = u32::from(attribute.number);
        let before = into.insert(attribute.kernel, number);
        assert!(before.is_none_or(|before| before == number), "{} is {number} and {before:?}", attribute.kernel);
        if let Wire::Nest(nested) = attribute.wire {
            collect(nested, into);
        }
    }
}

fn declared() -> BTreeMap<&'static str, u32> {
    let mut attributes = BTreeMap::new();
    for schema in MESSAGES {
        collect(schema, &mut attributes);
    }
    attributes
}

#[test]
fn every_member_of_every_enum_is_declared_or_listed() {
    let header = Header::read(HEADERS[0]);
    let mut declared = declared();
    for (name, members) in uapi::ENUMS.iter().filter(|(name, _)| MESSAGE_ENUMS.contains(name)) {
        assert!(header.has_enum(name), "enum {name} is not in {header}");
        declared.extend(members.iter().copied());
    }
    let mut wrong = Vec::new();
    for member in header.members().iter().filter(|member| !is_marker(&member.name)) {
        let unused = UNUSED.iter().any(|(name, _)| *name == member.name || *name == member.of);
        match declared.get(member.name.as_str()) {
            Some(number) if *number != member.value => {
                wrong.push(format!("{} is declared as {number}, and is {}", member.name, member.value));
            }
            Some(_) if unused => wrong.push(format!("{} is listed as unused, and is declared", member.name)),
            None if !unused => {
                wrong.push(format!("{} ({}) of enum {} is not declared", member.name, member.value, member.of))
            }
            _ => {}
        }
    }
    assert!(wrong.is_empty(), "{header}:\n{}", wrong.join("\n"));
}

#[test]
fn every_declared_attribute_is_in_the_header() {
    let header = Header::read(HEADERS[0]);
    let known: BTreeMap<_, _> = header.members().iter().map(|member| (member.name.as_str(), member.value)).collect();
    let newer = |name: &str| NEWER.iter().any(|(newer, _)| *newer == name);
    for name in declared().keys() {
        assert!(known.contains_key(name) || newer(name), "{name} is not in {header}; if it is newer, list it in NEWER");
    }
}

#[test]
fn every_constant_has_its_number() {
    let headers: Vec<_> = HEADERS.iter().map(|name| Header::read(name)).collect();
    for (of, members) in uapi::ENUMS {
        let header = headers.iter().find(|header| header.has_enum(of));
        let header = header.unwrap_or_else(|| panic!("enum {of} is in none of {HEADERS:?}"));
        for (name, value) in *members {
            match header.members().iter().find(|member| member.name == *name) {
                Some(member) => assert_eq!((member.of.as_str(), member.value), (*of, *value), "{name}"),
                None => assert!(NEWER.iter().any(|(newer, _)| newer == name), "{name} is not in {header}"),
            }
        }
    }
}

#[test]
fn every_listed_name_exists() {
    let header = Header::read(HEADERS[0]);
    for (name, reason) in UNUSED {
        assert!(!reason.is_empty());
        let known = header.has_enum(name) || header.members().iter().any(|member| member.name == *name);
        assert!(known, "{name} is listed as unused, and is not in {header}");
    }
}

/// Compares a table of names with what the header says, both ways.
fn compare(header: &Header, names: &[Name], belongs: impl Fn(&str) -> bool) {
    let value = |name: &str| header.value(name).map(u64::from);
    for name in names {
        assert_eq!(value(name.kernel), Some(name.value), "{} in {header}", name.kernel);
    }
    for member in header.members().iter().filter(|member| belongs(&member.name) && !is_marker(&member.name)) {
        let known = names.iter().any(|name| name.value == u64::from(member.value));
        assert!(known, "{} ({}) of {header} has no name", member.name, member.value);
    }
}

#[test]
fn status_bits() {
    let header = Header::read("netfilter/nf_conntrack_common.h");
    let single = |name: &str| name.starts_with("IPS_") && !name.ends_with("_BIT") && !name.ends_with("_MASK");
    compare(&header, Status::NAMES, single);
    assert_eq!(header.value("IPS_NAT_MASK"), Some(Status::NAT.bits()));
    assert_eq!(header.value("IPS_UNCHANGEABLE_MASK"), Some(Status::UNCHANGEABLE.bits()));
}

#[test]
fn tcp_states_and_flags() {
    let header = Header::read("netfilter/nf_conntrack_tcp.h");
    // Behind TCP_CONNTRACK_MAX are numbers that never leave the kernel.
    let most = header.value("TCP_CONNTRACK_MAX").unwrap();
    compare(&header, TcpState::NAMES, |name| header.value(name) < Some(most) && name.starts_with("TCP_CONNTRACK_"));
    compare(&header, TcpFlagBits::NAMES, |name| name.starts_with("IP_CT_"));
}

#[test]
fn sctp_states() {
    compare(&Header::read("netfilter/nf_conntrack_sctp.h"), SctpState::NAMES, |name| {
        name.starts_with("SCTP_CONNTRACK_")
    });
}
