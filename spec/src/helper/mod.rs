//! `enum nfnl_cthelper_type` and the nests below it (`include/uapi/linux/netfilter/nfnetlink_cthelper.h`): helpers in
//! user space.

use conntrack_derive::{Decode, Encode};

use crate::named::codes;
use crate::{HelperName, L3Protocol, Protocol, Seconds};

/// A helper in user space: the kernel queues the packets of its flows to a program, which announces the flows that
/// belong to them. Helpers are the whole system's, not of a network namespace; a kernel has them if it was built with
/// `CONFIG_NF_CT_NETLINK_HELPER`.
///
/// The fields are in the order in which the kernel sends them (`nfnl_cthelper_fill_info`,
/// `net/netfilter/nfnetlink_cthelper.c`).
///
/// ```text
/// enum nfnl_cthelper_type {
///    NFCTH_UNSPEC, NFCTH_NAME, NFCTH_TUPLE, NFCTH_QUEUE_NUM, NFCTH_POLICY, NFCTH_PRIV_DATA_LEN, NFCTH_STATUS
/// };
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub struct UserHelper {
    /// Its name, by which rules and flows refer to it.
    #[nla(NFCTH_NAME)]
    pub name: HelperName,
    /// The queue (`nfnetlink_queue`) to which the packets go.
    #[nla(NFCTH_QUEUE_NUM)]
    pub queue: u32,
    /// The flows that it can help.
    #[nla(NFCTH_TUPLE)]
    pub tuple: HelperTuple,
    /// Its classes of expectations. They can be changed, their number and names cannot (`EBUSY`).
    #[nla(NFCTH_POLICY)]
    pub policy: HelperPolicy,
    /// Bytes of private data that each of its flows has ([`Help::info`](crate::Help::info)): at most 32, more is
    /// `ENOMEM`. Cannot be changed.
    #[nla(NFCTH_PRIV_DATA_LEN)]
    pub private_data: u32,
    /// Whether packets are queued. A helper that is created without a status is disabled; one that is changed keeps its.
    #[nla(NFCTH_STATUS)]
    pub status: Option<HelperStatus>,
}

/// The flows that a helper can help.
///
/// ```text
/// enum nfnl_cthelper_tuple_type { NFCTH_TUPLE_UNSPEC, NFCTH_TUPLE_L3PROTONUM, NFCTH_TUPLE_L4PROTONUM };
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub struct HelperTuple {
    /// Their network protocol.
    #[nla(NFCTH_TUPLE_L3PROTONUM)]
    pub l3_protocol: L3Protocol,
    /// Their transport protocol.
    #[nla(NFCTH_TUPLE_L4PROTONUM)]
    pub l4_protocol: Protocol,
}

/// The classes of expectations that a helper has: one to four.
///
/// ```text
/// enum nfnl_cthelper_policy_type {
///    NFCTH_POLICY_SET_UNSPEC, NFCTH_POLICY_SET_NUM, NFCTH_POLICY_SET, NFCTH_POLICY_SET1 = NFCTH_POLICY_SET, …
/// };
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub struct HelperPolicy {
    /// How many there are: as many as in the list, else `EINVAL`. More than four is `EOVERFLOW`.
    #[nla(NFCTH_POLICY_SET_NUM)]
    pub count: u32,
    /// The classes. Their indices are the values of [`Expect::class`](crate::Expect::class).
    #[nla(NFCTH_POLICY_SET1..=NFCTH_POLICY_SET4)]
    pub classes: Vec<HelperClass>,
}

/// A class of expectations.
///
/// ```text
/// enum nfnl_cthelper_pol_type {
///    NFCTH_POLICY_UNSPEC, NFCTH_POLICY_NAME, NFCTH_POLICY_EXPECT_MAX, NFCTH_POLICY_EXPECT_TIMEOUT
/// };
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub struct HelperClass {
    /// Its name.
    #[nla(NFCTH_POLICY_NAME)]
    pub name: HelperName,
    /// The most expectations of this class that a flow may have, at most 255, else `EINVAL`. A helper that is created
    /// with 0 has 255.
    #[nla(NFCTH_POLICY_EXPECT_MAX)]
    pub max: u32,
    /// How long each lives.
    #[nla(NFCTH_POLICY_EXPECT_TIMEOUT)]
    pub timeout: Seconds,
}

/// Names one helper: two of one name can help different flows.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct UserHelperKey {
    /// Its name.
    #[nla(NFCTH_NAME)]
    pub name: HelperName,
    /// The flows that it can help.
    #[nla(NFCTH_TUPLE)]
    pub tuple: HelperTuple,
}

codes! {
    /// Whether a helper's packets are queued, `NFCTH_STATUS`.
    pub struct HelperStatus(u32), "NFCT_HELPER_STATUS_" {
        /// Its packets pass without it.
        DISABLED = 0, "NFCT_HELPER_STATUS_DISABLED";
        /// Its packets are queued.
        ENABLED = 1, "NFCT_HELPER_STATUS_ENABLED";
    }
}

impl UserHelper {
    /// A helper that is enabled, and keeps no private data.
    #[must_use]
    pub fn new(name: HelperName, tuple: HelperTuple, queue: u16, classes: Vec<HelperClass>) -> Self {
        let policy = HelperPolicy::new(classes);
        Self { name, queue: queue.into(), tuple, policy, private_data: 0, status: Some(HelperStatus::ENABLED) }
    }

    /// Names it.
    #[must_use]
    pub fn key(&self) -> UserHelperKey {
        UserHelperKey { name: self.name.clone(), tuple: self.tuple }
    }
}

impl HelperTuple {
    /// Flows of one transport protocol over one network protocol.
    #[must_use]
    pub fn new(l3_protocol: impl Into<L3Protocol>, l4_protocol: Protocol) -> Self {
        Self { l3_protocol: l3_protocol.into(), l4_protocol }
    }
}

impl HelperPolicy {
    /// These classes.
    #[must_use]
    pub fn new(classes: Vec<HelperClass>) -> Self {
        // More than the numbers of four attributes are refused before this counts.
        Self { count: u32::try_from(classes.len()).unwrap_or(u32::MAX), classes }
    }
}

impl HelperClass {
    /// A class.
    #[must_use]
    pub fn new(name: HelperName, max: u8, timeout: impl Into<Seconds>) -> Self {
        Self { name, max: max.into(), timeout: timeout.into() }
    }
}
