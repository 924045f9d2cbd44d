//! `enum ctattr_expect`, as the kernel sends it.

mod key;
mod nat;
mod new_expect;

pub use key::{ExpectHelper, ExpectKey, ExpectMaster};
pub use nat::ExpectNat;
pub use new_expect::{ExpectTuples, ExpectUpdate, NewExpect};

use conntrack_derive::{Decode, Encode};

use crate::codec::NulString;
use crate::flow::print_id;
use crate::named::flags;
use crate::{HelperName, Seconds, Tuple};

/// The name of a function that the kernel calls for an expected flow: `nat-follow-master`, `sip`, `Q.931`,
/// `callforwarding`.
pub type ExpectFunction = NulString<63>;

/// An expectation: a flow that another one, its master, has announced. The kernel makes a packet that matches it the
/// first of a flow of its own, with [`Status::EXPECTED`](crate::Status::EXPECTED) and [`Flow::master`](crate::Flow::master).
///
/// The fields are in the order in which the kernel sends them (`ctnetlink_exp_dump_expect`,
/// `net/netfilter/nf_conntrack_netlink.c`).
///
/// ```text
/// enum ctattr_expect {
///     CTA_EXPECT_UNSPEC, CTA_EXPECT_MASTER, CTA_EXPECT_TUPLE, CTA_EXPECT_MASK, CTA_EXPECT_TIMEOUT, CTA_EXPECT_ID,
///     CTA_EXPECT_HELP_NAME, CTA_EXPECT_ZONE, CTA_EXPECT_FLAGS, CTA_EXPECT_CLASS, CTA_EXPECT_NAT, CTA_EXPECT_FN
/// };
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Expect {
    /// The first packet of the expected flow, as far as the mask says: of its source, bits outside the mask mean nothing.
    #[nla(CTA_EXPECT_TUPLE)]
    pub tuple: Tuple,
    /// Which bits of the source count, address and port; of the destination, all do. The protocol is the tuple's; for
    /// ICMP, type and code are 255.
    #[nla(CTA_EXPECT_MASK)]
    pub mask: Tuple,
    /// The original direction of the flow that announced it.
    #[nla(CTA_EXPECT_MASTER)]
    pub master: Tuple,
    /// How the expected flow is to be translated.
    #[nla(CTA_EXPECT_NAT)]
    pub nat: Option<ExpectNat>,
    /// What is left of its life. An update can change it.
    #[nla(CTA_EXPECT_TIMEOUT)]
    pub timeout: Seconds,
    /// What identifies it for as long as it lives.
    #[nla(CTA_EXPECT_ID)]
    pub id: ExpectId,
    /// What kind it is.
    #[nla(CTA_EXPECT_FLAGS)]
    pub flags: ExpectFlags,
    /// Its class, which is an index into the master's helper's limits of number and life.
    #[nla(CTA_EXPECT_CLASS)]
    pub class: u32,
    /// The helper that reads the master's payload.
    #[nla(CTA_EXPECT_HELP_NAME)]
    pub helper: Option<HelperName>,
    /// What the kernel calls for the expected flow.
    #[nla(CTA_EXPECT_FN)]
    pub function: Option<ExpectFunction>,
}

/// Identifies an expectation for as long as it lives: opaque like [`FlowId`](crate::FlowId).
///
/// The kernel compares the id of a get and of a delete: they fail with `ENOENT` if the expectation at that tuple has
/// another one. An update has no id. A later expectation with the same tuples has the same id if it got the same memory.
/// On Linux 6.18, one deleted and created again had the same id at most 3 of 2000 times.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[nla(transparent)]
pub struct ExpectId(pub [u8; 4]);

print_id!(ExpectId);

flags! {
    /// What kind of expectation it is, `CTA_EXPECT_FLAGS` (`include/uapi/linux/netfilter/nf_conntrack_common.h`).
    pub struct ExpectFlags(u32), "NF_CT_EXPECT_" {
        /// A packet that matches does not use it up: every one starts a flow.
        PERMANENT = 0x1, "NF_CT_EXPECT_PERMANENT";
        /// No packet matches it.
        INACTIVE = 0x2, "NF_CT_EXPECT_INACTIVE";
        /// A program made it; the kernel clears it in what it is sent.
        USERSPACE = 0x4, "NF_CT_EXPECT_USERSPACE";
    }
}
