//! Rulesets: the part of nf\_tables that a sandbox needs (`include/uapi/linux/netfilter/nf_tables.h`).
//!
//! These are declarations like those of connection tracking, of another protocol. [`Sandbox::load`](super::Sandbox::load)
//! sends them.

use conntrack_spec::codec::Writer;
use conntrack_spec::header::NfGenMsg;
use conntrack_spec::message::kind;
use conntrack_spec::{Decode, Encode, NoAttributes};

use super::Error;
use super::datagram::Datagram;
use super::error::Step;
use crate::netlink::{NFNL_MSG_BATCH_BEGIN, NFNL_MSG_BATCH_END, NLM_F_ACK, NLM_F_CREATE};
use crate::sys::socket::Protocol;

/// `NFNL_SUBSYS_NFTABLES` (`linux/netfilter/nfnetlink.h`)
const NFNL_SUBSYS_NFTABLES: u8 = 10;
/// `NFPROTO_INET` (`linux/netfilter.h`): IPv4 and IPv6.
const NFPROTO_INET: u8 = 1;

/// `enum nf_tables_msg_types`
const NFT_MSG_NEWTABLE: u8 = 0;
const NFT_MSG_NEWCHAIN: u8 = 3;
const NFT_MSG_NEWRULE: u8 = 6;

/// `enum nft_table_attributes`
const NFTA_TABLE_NAME: u16 = 1;

/// `enum nft_chain_attributes`
const NFTA_CHAIN_TABLE: u16 = 1;
const NFTA_CHAIN_NAME: u16 = 3;
const NFTA_CHAIN_HOOK: u16 = 4;
const NFTA_CHAIN_TYPE: u16 = 7;

/// `enum nft_hook_attributes`
const NFTA_HOOK_HOOKNUM: u16 = 1;
const NFTA_HOOK_PRIORITY: u16 = 2;

/// `enum nft_rule_attributes`
const NFTA_RULE_TABLE: u16 = 1;
const NFTA_RULE_CHAIN: u16 = 2;
const NFTA_RULE_EXPRESSIONS: u16 = 4;

/// `enum nft_list_attributes`
const NFTA_LIST_ELEM: u16 = 1;

/// `enum nft_expr_attributes`
const NFTA_EXPR_NAME: u16 = 1;
const NFTA_EXPR_DATA: u16 = 2;

/// `enum nft_immediate_attributes`
const NFTA_IMMEDIATE_DREG: u16 = 1;
const NFTA_IMMEDIATE_DATA: u16 = 2;

/// `enum nft_data_attributes`
const NFTA_DATA_VALUE: u16 = 1;

/// `enum nft_ct_attributes`
const NFTA_CT_DREG: u16 = 1;
const NFTA_CT_KEY: u16 = 2;
const NFTA_CT_SREG: u16 = 4;

/// `NFT_REG_1`, of `enum nft_registers`: the first of the registers of 16 bytes.
pub const NFT_REG_1: u32 = 1;
/// `NFT_CT_LABELS`, of `enum nft_ct_keys`
pub const NFT_CT_LABELS: u32 = 13;

/// `enum nf_inet_hooks` (`linux/netfilter.h`): packets that came in, before they are routed.
pub const NF_INET_PRE_ROUTING: u32 = 0;
/// `enum nf_inet_hooks` (`linux/netfilter.h`): packets that are about to leave.
pub const NF_INET_POST_ROUTING: u32 = 4;

/// A change of the ruleset. Tables, chains and rules are of the family `inet`, which is IPv4 and IPv6.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// `NFT_MSG_NEWTABLE`: creates a table, if it is not there.
    Table(Table),
    /// `NFT_MSG_NEWCHAIN`: creates a chain, if it is not there.
    Chain(Chain),
    /// `NFT_MSG_NEWRULE`: puts a rule in front of a chain's rules.
    Rule(Rule),
}

/// `enum nft_table_attributes`: what chains are in.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Table {
    /// Its name.
    #[nla(NFTA_TABLE_NAME)]
    pub name: String,
}

/// `enum nft_chain_attributes`: what rules are in.
///
/// A *base chain* has a [`hook`](Self::hook) and a [`kind`](Self::kind), and sees packets. Any other one does not,
/// unless a rule jumps to it; but the kernel has all that its rules need at hand.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Chain {
    /// The table that it is in.
    #[nla(NFTA_CHAIN_TABLE)]
    pub table: String,
    /// Its name.
    #[nla(NFTA_CHAIN_NAME)]
    pub name: String,
    /// Where a base chain sees packets.
    #[nla(NFTA_CHAIN_HOOK)]
    pub hook: Option<Hook>,
    /// What a base chain does: `filter`, `nat` or `route`.
    #[nla(NFTA_CHAIN_TYPE)]
    pub kind: Option<String>,
}

/// `enum nft_hook_attributes`: where a base chain sees packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Hook {
    /// `enum nf_inet_hooks`, such as [`NF_INET_PRE_ROUTING`].
    #[nla(NFTA_HOOK_HOOKNUM)]
    pub number: u32,
    /// Its place among the chains of that hook, the lowest first. Connection tracking is at -200, source translation at
    /// 100 (`enum nf_ip_hook_priorities`).
    #[nla(NFTA_HOOK_PRIORITY)]
    pub priority: i32,
}

/// `enum nft_rule_attributes`: expressions, evaluated one after the other.
#[derive(Clone, Debug, PartialEq, Eq, Encode)]
pub struct Rule {
    /// The table that its chain is in.
    #[nla(NFTA_RULE_TABLE)]
    pub table: String,
    /// The chain that it is in.
    #[nla(NFTA_RULE_CHAIN)]
    pub chain: String,
    /// What it does.
    #[nla(NFTA_RULE_EXPRESSIONS)]
    pub expressions: Expressions,
}

/// `enum nft_list_attributes`: expressions in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode)]
pub struct Expressions {
    /// The expressions.
    #[nla(NFTA_LIST_ELEM, repeated)]
    pub list: Vec<Expression>,
}

/// `enum nft_expr_attributes`: an expression's name, and attributes that mean what the name says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expression {
    /// `immediate`: loads a register with bytes.
    Immediate(Immediate),
    /// `ct`: reads something of the packet's flow into a register, or sets it.
    Ct(Ct),
}

/// `enum nft_immediate_attributes`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode)]
pub struct Immediate {
    /// The register, such as [`NFT_REG_1`].
    #[nla(NFTA_IMMEDIATE_DREG)]
    pub register: u32,
    /// The bytes.
    #[nla(NFTA_IMMEDIATE_DATA)]
    pub data: Data,
}

/// `enum nft_data_attributes`: bytes for a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode)]
pub struct Data {
    /// The bytes, as many as a register has.
    #[nla(NFTA_DATA_VALUE)]
    pub value: [u8; 16],
}

/// `enum nft_ct_attributes`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode)]
pub struct Ct {
    /// The register to read into.
    #[nla(NFTA_CT_DREG)]
    pub into: Option<u32>,
    /// What to read or set: `enum nft_ct_keys`, such as [`NFT_CT_LABELS`].
    #[nla(NFTA_CT_KEY)]
    pub key: u32,
    /// The register to set it from.
    #[nla(NFTA_CT_SREG)]
    pub from: Option<u32>,
}

impl Encode for Expression {
    /// By hand: that an attribute's meaning hangs on the text of another one is nothing that connection tracking has, or
    /// that a declaration can say.
    fn encode_attributes(&self, writer: &mut Writer<'_>) {
        let mut named = |name: &str, data: &dyn Fn(&mut Writer<'_>)| {
            writer.attribute(NFTA_EXPR_NAME, &name.to_owned());
            data(writer);
        };
        match self {
            Self::Immediate(data) => named("immediate", &|writer| writer.attribute(NFTA_EXPR_DATA, data)),
            Self::Ct(data) => named("ct", &|writer| writer.attribute(NFTA_EXPR_DATA, data)),
        }
    }
}

impl Change {
    fn message(&self) -> (u8, &dyn Encode) {
        match self {
            Self::Table(table) => (NFT_MSG_NEWTABLE, table),
            Self::Chain(chain) => (NFT_MSG_NEWCHAIN, chain),
            Self::Rule(rule) => (NFT_MSG_NEWRULE, rule),
        }
    }
}

/// Makes `changes` to the ruleset of the calling thread's network namespace: all of them or none.
pub(super) fn load(changes: &[Change]) -> Result<(), Error> {
    let edge = NfGenMsg { res_id: NFNL_SUBSYS_NFTABLES.into(), ..NfGenMsg::default() };
    let inet = NfGenMsg { family: NFPROTO_INET, ..NfGenMsg::default() };
    let mut batch = Datagram::default();
    // What is around a batch names the subsystem.
    batch.push(NFNL_MSG_BATCH_BEGIN, 0, &edge, &NoAttributes {})?;
    for change in changes {
        let (number, attributes) = change.message();
        let kind = kind(NFNL_SUBSYS_NFTABLES, number);
        batch.push(kind, NLM_F_ACK | NLM_F_CREATE, &inet, attributes)?;
    }
    batch.push(NFNL_MSG_BATCH_END, 0, &edge, &NoAttributes {})?;
    // The first message is the batch's beginning, the last one its end.
    let nth = |seq: u32| (seq as usize).checked_sub(1).filter(|change| *change < changes.len());
    batch.send(Protocol::Netfilter, |seq| Step::Ruleset { change: nth(seq) })
}
