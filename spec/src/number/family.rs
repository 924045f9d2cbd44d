//! `nfgen_family`: the network protocol of a message.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::named::codes;

codes! {
    /// An address family, in the header of every message (`struct nfgenmsg`).
    pub struct Family(u8), "AF_" {
        /// Any.
        UNSPEC = 0, "AF_UNSPEC";
        /// IPv4.
        IPV4 = 2, "AF_INET";
        /// IPv6.
        IPV6 = 10, "AF_INET6";
    }
}

impl Family {
    /// The family of an address.
    #[must_use]
    pub const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::IPV4,
            IpAddr::V6(_) => Self::IPV6,
        }
    }

    /// Of the family of `address`, the one without a bit, and the one with all of them.
    pub(crate) const fn extremes(address: IpAddr) -> [IpAddr; 2] {
        match address {
            IpAddr::V4(_) => [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V4(Ipv4Addr::BROADCAST)],
            IpAddr::V6(_) => [IpAddr::V6(Ipv6Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::from_bits(u128::MAX))],
        }
    }
}
