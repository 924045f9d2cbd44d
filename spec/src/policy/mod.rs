//! `enum ctattr_timeout` (`include/uapi/linux/netfilter/nfnetlink_cttimeout.h`): timeout policies.

mod timeouts;

pub use timeouts::{
    DccpTimeouts, GenericTimeouts, GreTimeouts, IcmpTimeouts, Icmpv6Timeouts, SctpTimeouts, TcpTimeouts, Timeouts,
    UdpTimeouts, UdpliteTimeouts,
};

use conntrack_derive::{Decode, Encode};

use crate::codec::NulString;
use crate::{L3Protocol, Protocol};

/// The name of a timeout policy: at most 31 bytes (`CTNL_TIMEOUT_NAME_MAX`).
pub type PolicyName = NulString<31>;

/// A timeout policy: how long flows live, for those that a rule gives it to by its name. Policies are of one network
/// namespace.
///
/// In the kernel it is `struct ctnl_timeout` (`ctnl_timeout_fill_info`, `net/netfilter/nfnetlink_cttimeout.c`).
///
/// ```text
/// enum ctattr_timeout {
///     CTA_TIMEOUT_UNSPEC, CTA_TIMEOUT_NAME, CTA_TIMEOUT_L3PROTO, CTA_TIMEOUT_L4PROTO, CTA_TIMEOUT_DATA, CTA_TIMEOUT_USE
/// };
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct TimeoutPolicy {
    /// Its name.
    #[nla(CTA_TIMEOUT_NAME)]
    pub name: PolicyName,
    /// The network protocol of the flows that it is for.
    #[nla(CTA_TIMEOUT_L3PROTO)]
    pub l3_protocol: L3Protocol,
    /// Their transport protocol, and the timeouts. What is absent becomes the namespace's default of that moment; the
    /// kernel reports all of them.
    #[nla(flatten)]
    pub timeouts: Timeouts,
    /// The number of rules that use it, plus one: 1 is a policy that nobody uses. The kernel reports it, between protocol
    /// and timeouts, and ignores it in a request.
    #[nla(CTA_TIMEOUT_USE)]
    pub use_count: Option<u32>,
}

/// Names a timeout policy.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct PolicyKey {
    /// Its name.
    #[nla(CTA_TIMEOUT_NAME)]
    pub name: PolicyName,
}

/// The timeouts of flows that no policy was given to: the sysctls `net.netfilter.nf_conntrack_*_timeout*` of the network
/// namespace.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct DefaultTimeouts {
    /// The network protocol. The kernel repeats the one that it was asked for, and keeps the same timeouts for all; to
    /// set them, only older kernels want one.
    #[nla(CTA_TIMEOUT_L3PROTO)]
    pub l3_protocol: L3Protocol,
    /// The transport protocol, and the timeouts. What is absent stays as it is.
    #[nla(flatten)]
    pub timeouts: Timeouts,
}

/// Asks for the [`DefaultTimeouts`] of a protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct DefaultTimeoutsKey {
    /// The network protocol. The kernel wants one, and keeps the same timeouts for all.
    #[nla(CTA_TIMEOUT_L3PROTO)]
    pub l3_protocol: L3Protocol,
    /// The transport protocol; [`Protocol::GENERIC`] for those that the kernel does not track in detail. `EOPNOTSUPP`
    /// for a protocol that it does not know.
    #[nla(CTA_TIMEOUT_L4PROTO)]
    pub l4_protocol: Protocol,
}

impl TimeoutPolicy {
    /// A policy for flows over `l3_protocol`.
    #[must_use]
    pub fn new(name: PolicyName, l3_protocol: impl Into<L3Protocol>, timeouts: impl Into<Timeouts>) -> Self {
        Self { name, l3_protocol: l3_protocol.into(), timeouts: timeouts.into(), use_count: None }
    }

    /// Its transport protocol.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.timeouts.protocol()
    }
}
