//! A rule that gives flows a policy: target `CT` of `x_tables`, which `nf_tables` takes in its compatibility layer
//! (`include/uapi/linux/netfilter/nf_tables_compat.h`, `xt_CT.h`), declared as a program would declare it.

use conntrack::codec::{Layout, NATIVE};
use conntrack::header::NlMsgErr;
use conntrack::netlink::{Messages, NLM_F_CREATE, Request};
use conntrack::sandbox::nftables::{Chain, Hook, Table};
use conntrack::sandbox::{Failure, Sandbox};
use conntrack::{Decode, Encode, Errno, Family, NoAttributes, Protocol};
use deku::{DekuRead, DekuSize, DekuWrite};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink};

const NFNL_SUBSYS_NFTABLES: u8 = 10;
const NFNL_MSG_BATCH_BEGIN: u8 = 16;
const NFNL_MSG_BATCH_END: u8 = 17;
const NFT_MSG_NEWTABLE: u8 = 0;
const NFT_MSG_NEWCHAIN: u8 = 3;
const NFT_MSG_NEWRULE: u8 = 6;
const NFTA_RULE_TABLE: u16 = 1;
const NFTA_RULE_CHAIN: u16 = 2;
const NFTA_RULE_EXPRESSIONS: u16 = 4;
const NFTA_RULE_COMPAT: u16 = 5;
const NFTA_RULE_COMPAT_PROTO: u16 = 1;
const NFTA_RULE_COMPAT_FLAGS: u16 = 2;
const NFTA_LIST_ELEM: u16 = 1;
const NFTA_EXPR_NAME: u16 = 1;
const NFTA_EXPR_DATA: u16 = 2;
const NFTA_TARGET_NAME: u16 = 1;
const NFTA_TARGET_REV: u16 = 2;
const NFTA_TARGET_INFO: u16 = 3;

#[derive(Encode, Decode)]
struct Rule {
    #[nla(NFTA_RULE_TABLE)]
    table: String,
    #[nla(NFTA_RULE_CHAIN)]
    chain: String,
    #[nla(NFTA_RULE_EXPRESSIONS)]
    expressions: Expressions,
    #[nla(NFTA_RULE_COMPAT)]
    compat: Compat,
}

#[derive(Encode, Decode)]
struct Expressions {
    #[nla(NFTA_LIST_ELEM, repeated)]
    list: Vec<Expression>,
}

#[derive(Encode, Decode)]
struct Expression {
    #[nla(NFTA_EXPR_NAME)]
    name: String,
    #[nla(NFTA_EXPR_DATA)]
    target: Target,
}

#[derive(Encode, Decode)]
struct Target {
    #[nla(NFTA_TARGET_NAME)]
    name: String,
    #[nla(NFTA_TARGET_REV)]
    revision: u32,
    #[nla(NFTA_TARGET_INFO)]
    info: TargetInfo,
}

/// The protocol that the rule is for, which the target wants to know.
#[derive(Encode, Decode)]
struct Compat {
    #[nla(NFTA_RULE_COMPAT_PROTO)]
    protocol: u32,
    #[nla(NFTA_RULE_COMPAT_FLAGS)]
    flags: u32,
}

/// `struct xt_ct_target_info_v1`
#[derive(Debug, Default, PartialEq, DekuRead, DekuWrite, DekuSize, Encode, Decode)]
#[nla(layout)]
#[deku(endian = "NATIVE")]
struct TargetInfo {
    flags: u16,
    zone: u16,
    ct_events: u32,
    exp_events: u32,
    helper: [u8; 16],
    timeout: [u8; 32],
    padding: u32,
    /// A pointer of the kernel's own.
    ct: u64,
}

impl TargetInfo {
    /// Nothing but the name of a policy.
    fn of_policy(name: &str) -> Self {
        let mut timeout = [0; 32];
        timeout[..name.len()].copy_from_slice(name.as_bytes());
        Self { timeout, ..Self::default() }
    }
}

/// Why there can be no such rule, if so: asked with a policy that does not exist.
pub(super) fn missing(_: &Sandbox) -> Option<&'static str> {
    match load("absent") {
        // `ENOENT` is the policy's, and the target's, if the kernel has none.
        Ok(Errno::INVAL | Errno::OPNOTSUPP) => {
            Some("this kernel was built without CONFIG_NFT_COMPAT or CONFIG_NETFILTER_XT_TARGET_CT")
        }
        _ => None,
    }
}

/// Gives UDP over IPv4 a policy, from the next packet that leaves on.
pub(super) fn give(policy: &str) -> Result<(), Failure> {
    match load(policy)? {
        Errno(0) => Ok(()),
        errno => Err(format!("the rule is refused: {errno}").into()),
    }
}

/// A request to create something for IPv4.
fn new<'a, T: Encode + Decode>(what: &'static str, number: u8, attributes: &'a T) -> Request<'a> {
    let request = Request::new(what, NFNL_SUBSYS_NFTABLES, number, attributes);
    request.family(Family::IPV4).flags(NLM_F_CREATE)
}

fn load(policy: &str) -> Result<Errno, Failure> {
    /// `NF_INET_LOCAL_OUT`: packets that are made here, before connection tracking sees them.
    const OUTPUT: Hook = Hook { number: 3, priority: -300 };
    // The target wants a table of this name.
    let (table, chain) = (|| "raw".to_owned(), || "give".to_owned());
    let target = Target { name: "CT".to_owned(), revision: 2, info: TargetInfo::of_policy(policy) };
    let expressions = Expressions { list: vec![Expression { name: "target".to_owned(), target }] };
    let new_table = Table { name: table() };
    let new_chain = Chain { table: table(), name: chain(), hook: Some(OUTPUT), kind: Some("filter".to_owned()) };
    let compat = Compat { protocol: Protocol::UDP.0.into(), flags: 0 };
    let new_rule = Rule { table: table(), chain: chain(), expressions, compat };
    let edge = |number| {
        let request = Request::new("a batch", 0, number, &NoAttributes {}).res_id(NFNL_SUBSYS_NFTABLES.into());
        // Some kernels acknowledge the edges, too.
        request.without_ack()
    };
    let mut datagram = Vec::new();
    let requests = [
        edge(NFNL_MSG_BATCH_BEGIN),
        new("a table", NFT_MSG_NEWTABLE, &new_table),
        new("a chain", NFT_MSG_NEWCHAIN, &new_chain),
        new("a rule", NFT_MSG_NEWRULE, &new_rule),
        edge(NFNL_MSG_BATCH_END),
    ];
    for (seq, request) in (1..).zip(&requests) {
        request.encode(seq, &mut datagram)?;
    }
    let socket = rustix::net::socket_with(
        AddressFamily::NETLINK,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        Some(netlink::NETFILTER),
    )?;
    rustix::net::send(&socket, &datagram, SendFlags::empty())?;
    // An answer to each of the three, or the first refusal.
    let mut buffer = [0; 8192];
    for _ in 0..3 {
        let (read, _) = rustix::net::recv(&socket, &mut buffer, RecvFlags::empty())?;
        let answer = Messages::new(&buffer[..read]).next().ok_or("an empty answer")??;
        let error = NlMsgErr::read(answer.body)?.error;
        if error != 0 {
            return Ok(Errno(-error));
        }
    }
    Ok(Errno(0))
}
