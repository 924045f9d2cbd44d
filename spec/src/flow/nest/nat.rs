//! `enum ctattr_nat` and `ctattr_protonat`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;

use conntrack_derive::{Decode, Encode};

/// What to translate one end of a flow to, when it is created. The kernel never reports it: a translated flow shows in
/// its reply tuple and its [`Status`](crate::Status).
///
/// ```text
/// enum ctattr_nat { CTA_NAT_UNSPEC, CTA_NAT_V4_MINIP, CTA_NAT_V4_MAXIP, CTA_NAT_PROTO, CTA_NAT_V6_MINIP, CTA_NAT_V6_MAXIP };
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Nat {
    /// The lowest address. Without it only the port is translated.
    #[nla(CTA_NAT_V4_MINIP as Ipv4Addr, CTA_NAT_V6_MINIP as Ipv6Addr)]
    pub min: Option<IpAddr>,
    /// The highest address; the lowest if absent. The kernel does not check that it is not below the lowest and would
    /// take an address from outside, so this library does.
    #[nla(CTA_NAT_V4_MAXIP as Ipv4Addr, CTA_NAT_V6_MAXIP as Ipv6Addr)]
    pub max: Option<IpAddr>,
    /// The ports. Without ports in it, the nest translates none: conntrack(8) sends it empty.
    #[nla(CTA_NAT_PROTO)]
    pub ports: Option<NatPorts>,
}

/// A range of ports, of which the kernel picks one that is free. A single port that is taken is `EEXIST`.
///
/// ```text
/// enum ctattr_protonat { CTA_PROTONAT_UNSPEC, CTA_PROTONAT_PORT_MIN, CTA_PROTONAT_PORT_MAX };
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Encode, Decode)]
pub struct NatPorts {
    /// The lowest port; 0 if absent and there is a highest one.
    #[nla(CTA_PROTONAT_PORT_MIN)]
    pub min: Option<u16>,
    /// The highest port; the lowest if absent.
    #[nla(CTA_PROTONAT_PORT_MAX)]
    pub max: Option<u16>,
}

impl Nat {
    /// To this address, keeping the port if it is free.
    #[must_use]
    pub fn to(address: IpAddr) -> Self {
        Self { min: Some(address), max: None, ports: None }
    }

    /// To one of these addresses.
    #[must_use]
    pub fn to_range(addresses: RangeInclusive<IpAddr>) -> Self {
        Self { min: Some(*addresses.start()), max: Some(*addresses.end()), ports: None }
    }

    /// The port is to be this one.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.ports = Some(NatPorts { min: Some(port), max: None });
        self
    }

    /// The port is to be one of these.
    #[must_use]
    pub fn ports(mut self, ports: RangeInclusive<u16>) -> Self {
        self.ports = Some(NatPorts { min: Some(*ports.start()), max: Some(*ports.end()) });
        self
    }
}

impl From<IpAddr> for Nat {
    fn from(address: IpAddr) -> Self {
        Self::to(address)
    }
}
