//! What a sandbox loads into nf\_tables.

use super::nftables::{
    Chain, Change, Ct, Data, Expression, Expressions, Hook, Immediate, NF_INET_POST_ROUTING, NFT_CT_LABELS, NFT_REG_1,
    Rule, Table,
};

/// The table that the sandbox's chains are in.
const TABLE: &str = "conntrack-sandbox";
/// The chain whose rule keeps connection tracking switched on.
const TRACK: &str = "track";
/// `NF_IP_PRI_NAT_SRC` (`linux/netfilter_ipv4.h`)
const NF_IP_PRI_NAT_SRC: i32 = 100;

/// Switches on tracking, and the extension that holds a flow's labels.
///
/// The kernel tracks in a namespace as long as there is a rule that needs it, and makes room for labels as long as there
/// is one that sets some (`nft_ct_set_init`). That no packet ever gets to the rule does not matter.
pub(super) fn tracking() -> Vec<Change> {
    let labels = Immediate { register: NFT_REG_1, data: Data { value: [0; 16] } };
    let set_labels = Ct { key: NFT_CT_LABELS, from: Some(NFT_REG_1), ..Ct::default() };
    let expressions = Expressions { list: vec![Expression::Immediate(labels), Expression::Ct(set_labels)] };
    vec![
        Change::Table(Table { name: TABLE.to_owned() }),
        Change::Chain(Chain { table: TABLE.to_owned(), name: TRACK.to_owned(), ..Chain::default() }),
        Change::Rule(Rule { table: TABLE.to_owned(), chain: TRACK.to_owned(), expressions }),
    ]
}

/// Switches on address translation.
///
/// The first chain of this type brings the kernel's translation to every hook (`nf_nat_register_fn`), where it looks at
/// the flow and not at the chain; so one chain without rules will do.
pub(super) fn translation() -> Vec<Change> {
    vec![Change::Chain(Chain {
        table: TABLE.to_owned(),
        name: "translate".to_owned(),
        hook: Some(Hook { number: NF_INET_POST_ROUTING, priority: NF_IP_PRI_NAT_SRC }),
        kind: Some("nat".to_owned()),
    })]
}
