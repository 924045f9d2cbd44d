//! The kernel's headers against what is declared: every constant has the kernel's number, and none is forgotten.

use std::collections::BTreeMap;

use conntrack::codec::{Name, Schema, Wire};
use conntrack::message::MESSAGES;
use conntrack::{ExpectFlags, FlowDirection, HelperStatus, SctpState, Status, TcpFlagBits, TcpState, uapi};
use conntrack_tests::header::Header;

/// The headers of the messages: all that is in them is to be declared.
const PROTOCOLS: &[&str] =
    &["netfilter/nfnetlink_conntrack.h", "netfilter/nfnetlink_cttimeout.h", "netfilter/nfnetlink_cthelper.h"];

/// The header of netlink itself, of which some constants are declared.
const NETLINK: &str = "netlink.h";

/// Enums that number messages, not attributes.
const MESSAGE_ENUMS: &[&str] =
    &["cntl_msg_types", "ctnl_exp_msg_types", "ctnl_timeout_msg_types", "nfnl_cthelper_msg_types"];

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
    ("NFCTH_POLICY_SET", "another name of NFCTH_POLICY_SET1"),
    ("NFCT_HELPER_STATUS_DISABLED", "a value: another test compares it"),
    ("NFCT_HELPER_STATUS_ENABLED", "a value: another test compares it"),
];

/// What is declared and newer than the installed header may be.
const NEWER: &[(&str, &str)] = &[("CTA_TIMESTAMP_EVENT", "6.14")];

/// Whether it is no constant of the protocol: zero, or the number behind the last.
fn is_marker(name: &str) -> bool {
    let declared = || uapi::ENUMS.iter().any(|(_, members)| members.iter().any(|(member, _)| *member == name));
    name.ends_with("_UNSPEC") || name.ends_with("_MAX") && !declared()
}

/// Every attribute of `schema` and of what it nests, by kernel name.
fn collect(schema: &Schema, into: &mut BTreeMap<&'static str, u32>) {
    for attribute in schema.attributes() {
        let number = u32::from(attribute.number);
        let before = into.insert(attribute.kernel, number);
        assert!(before.is_none_or(|before| before == number), "{} is {number} and {before:?}", attribute.kernel);
        if let Some(last) = attribute.last {
            let of = uapi::ENUMS.iter().find(|(_, members)| members.iter().any(|(name, _)| *name == attribute.kernel));
            let (_, members) = of.unwrap_or_else(|| panic!("{} is in no enum", attribute.kernel));
            into.extend(members.iter().filter(|(_, value)| (number..=u32::from(last)).contains(value)).copied());
        }
        match attribute.wire {
            Wire::Nest(nested) => collect(nested, into),
            Wire::Selected { among, .. } => among.iter().for_each(|(_, nested)| collect(nested, into)),
            _ => {}
        }
    }
}

fn declared() -> BTreeMap<&'static str, u32> {
    let mut attributes = BTreeMap::new();
    for schema in MESSAGES.iter().flat_map(|message| [message.single, message.dump, message.received]).flatten() {
        collect(schema, &mut attributes);
    }
    attributes
}

#[test]
fn every_member_of_every_enum_is_declared_or_listed() {
    let mut declared = declared();
    for (_, members) in uapi::ENUMS.iter().filter(|(name, _)| MESSAGE_ENUMS.contains(name)) {
        declared.extend(members.iter().copied());
    }
    for header in PROTOCOLS.iter().map(|name| Header::read(name)) {
        let mut wrong = Vec::new();
        for member in header.members().iter().filter(|member| !is_marker(&member.name)) {
            let unused = UNUSED.iter().any(|(name, _)| *name == member.name || *name == member.of);
            match declared.get(member.name.as_str()) {
                Some(number) if *number != member.value => {
                    wrong.push(format!("{} is declared as {number}, and is {}", member.name, member.value));
                }
                Some(_) if unused => wrong.push(format!("{} is listed as unused, and is declared", member.name)),
                None if !unused => {
                    wrong.push(format!("{} ({}) of enum {} is not declared", member.name, member.value, member.of));
                }
                _ => {}
            }
        }
        assert!(wrong.is_empty(), "{header}:\n{}", wrong.join("\n"));
    }
}

#[test]
fn every_message_is_declared() {
    for (of, members) in uapi::ENUMS.iter().filter(|(name, _)| MESSAGE_ENUMS.contains(name)) {
        for (name, number) in *members {
            let message = MESSAGES.iter().find(|message| message.kernel == *name);
            let message = message.unwrap_or_else(|| panic!("{name} of enum {of} is not in the table of messages"));
            assert_eq!(u32::from(message.number), *number, "{name}");
        }
    }
}

#[test]
fn every_declared_attribute_is_in_the_header() {
    let headers: Vec<_> = PROTOCOLS.iter().map(|name| Header::read(name)).collect();
    let newer = |name: &str| NEWER.iter().any(|(newer, _)| *newer == name);
    for name in declared().keys() {
        let known = headers.iter().any(|header| header.value(name).is_some());
        assert!(known || newer(name), "{name} is in none of {PROTOCOLS:?}; if it is newer, list it in NEWER");
    }
}

#[test]
fn every_constant_has_its_number() {
    let headers: Vec<_> = PROTOCOLS.iter().chain([&NETLINK]).map(|name| Header::read(name)).collect();
    for (of, members) in uapi::ENUMS {
        let header = headers.iter().find(|header| header.has_enum(of));
        let header = header.unwrap_or_else(|| panic!("enum {of} is in none of {PROTOCOLS:?} and {NETLINK}"));
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
    let headers: Vec<_> = PROTOCOLS.iter().map(|name| Header::read(name)).collect();
    for (name, reason) in UNUSED {
        assert!(!reason.is_empty());
        let known = headers.iter().any(|header| header.has_enum(name) || header.value(name).is_some());
        assert!(known, "{name} is listed as unused, and is in none of {PROTOCOLS:?}");
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

#[test]
fn expectation_flags() {
    let header = Header::read("netfilter/nf_conntrack_common.h");
    compare(&header, ExpectFlags::NAMES, |name| name.starts_with("NF_CT_EXPECT_"));
}

#[test]
fn directions() {
    let header = Header::read("netfilter/nf_conntrack_tuple_common.h");
    compare(&header, FlowDirection::NAMES, |name| name.starts_with("IP_CT_DIR_"));
}

#[test]
fn helper_status() {
    let header = Header::read("netfilter/nfnetlink_cthelper.h");
    compare(&header, HelperStatus::NAMES, |name| name.starts_with("NFCT_HELPER_STATUS_"));
}
