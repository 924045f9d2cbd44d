//! `enum ctattr_stats_cpu`, `ctattr_stats_global` and `ctattr_expect_stats`: what connection tracking counts.

use conntrack_derive::{Decode, Encode};

/// What one processor has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct PerCpu<T> {
    /// The processor's number. There is one such value for each processor that the system may ever have.
    pub cpu: u16,
    /// What it has counted.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub stats: T,
}

/// What one processor has counted in this network namespace, since the namespace began. The counters have 32 bits and
/// wrap.
///
/// Which of them there are depends on the kernel (`ctnetlink_ct_stat_cpu_fill_info`,
/// `net/netfilter/nf_conntrack_netlink.c`).
///
/// ```text
/// enum ctattr_stats_cpu {
///     CTA_STATS_UNSPEC, CTA_STATS_SEARCHED, /* no longer used */ CTA_STATS_FOUND, CTA_STATS_NEW, /* no longer used */ …
/// };
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Encode, Decode)]
pub struct CpuStats {
    /// Entries looked at. Not from recent kernels.
    #[nla(CTA_STATS_SEARCHED)]
    pub searched: Option<u32>,
    /// Searches for a flow that found one.
    #[nla(CTA_STATS_FOUND)]
    pub found: Option<u32>,
    /// Flows that were new. Not from recent kernels.
    #[nla(CTA_STATS_NEW)]
    pub new: Option<u32>,
    /// Packets that cannot be tracked.
    #[nla(CTA_STATS_INVALID)]
    pub invalid: Option<u32>,
    /// Packets that were not to be tracked. Not from recent kernels.
    #[nla(CTA_STATS_IGNORE)]
    pub ignore: Option<u32>,
    /// Flows deleted. Not from recent kernels.
    #[nla(CTA_STATS_DELETE)]
    pub delete: Option<u32>,
    /// Flows put on the list of dying ones. Not from recent kernels.
    #[nla(CTA_STATS_DELETE_LIST)]
    pub delete_list: Option<u32>,
    /// Flows put into the table over netlink.
    #[nla(CTA_STATS_INSERT)]
    pub insert: Option<u32>,
    /// Flows that were not put into the table, for another one was there.
    #[nla(CTA_STATS_INSERT_FAILED)]
    pub insert_failed: Option<u32>,
    /// Packets dropped: no memory, or the table was full.
    #[nla(CTA_STATS_DROP)]
    pub drop: Option<u32>,
    /// Flows evicted from a full table for a new one.
    #[nla(CTA_STATS_EARLY_DROP)]
    pub early_drop: Option<u32>,
    /// ICMP errors that do not belong to a flow, and other packets in which an error was found.
    #[nla(CTA_STATS_ERROR)]
    pub error: Option<u32>,
    /// Searches that began again because the table changed.
    #[nla(CTA_STATS_SEARCH_RESTART)]
    pub search_restart: Option<u32>,
    /// Flows that clashed when they were put into the table, and were made one.
    #[nla(CTA_STATS_CLASH_RESOLVE)]
    pub clash_resolve: Option<u32>,
    /// Flows that were not put into the table, for their hash chain was too long.
    #[nla(CTA_STATS_CHAIN_TOOLONG)]
    pub chain_too_long: Option<u32>,
}

/// How full the table is.
///
/// ```text
/// enum ctattr_stats_global { CTA_STATS_GLOBAL_UNSPEC, CTA_STATS_GLOBAL_ENTRIES, CTA_STATS_GLOBAL_MAX_ENTRIES };
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Encode, Decode)]
pub struct GlobalStats {
    /// The flows of this network namespace, with those that have expired or are dying and not gone yet, which no dump
    /// shows.
    #[nla(CTA_STATS_GLOBAL_ENTRIES)]
    pub entries: u32,
    /// The most flows that a network namespace may have: `nf_conntrack_max`, the same for all of them.
    #[nla(CTA_STATS_GLOBAL_MAX_ENTRIES)]
    pub max_entries: Option<u32>,
}

/// What one processor has counted of expectations. The counters have 32 bits and wrap.
///
/// ```text
/// enum ctattr_expect_stats { CTA_STATS_EXP_UNSPEC, CTA_STATS_EXP_NEW, CTA_STATS_EXP_CREATE, CTA_STATS_EXP_DELETE };
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Encode, Decode)]
pub struct ExpectStats {
    /// Flows that came as expected.
    #[nla(CTA_STATS_EXP_NEW)]
    pub new: u32,
    /// Expectations created.
    #[nla(CTA_STATS_EXP_CREATE)]
    pub create: u32,
    /// Expectations deleted, by whatever and whomever.
    #[nla(CTA_STATS_EXP_DELETE)]
    pub delete: u32,
}
