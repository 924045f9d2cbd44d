//! One direction of a flow.

use std::fmt;

use super::address::Address;
use crate::{L4, Protocol, Tuple};

impl fmt::Display for Tuple {
    /// `tcp src=10.0.0.1 dst=10.0.0.2 sport=40000 dport=80`, and ` zone=7` if it has a zone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.protocol(), Ends(self))?;
        self.zone.map_or(Ok(()), |zone| write!(f, " zone={zone}"))
    }
}

/// Addresses, and ports or what the protocol has instead. Not the zone.
pub(super) struct Ends<'a>(pub(super) &'a Tuple);

impl fmt::Display for Ends<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        NamedEnds("", self.0).fmt(f)
    }
}

/// The same, with a prefix before the names of the addresses.
pub(super) struct NamedEnds<'a>(pub(super) &'a str, pub(super) &'a Tuple);

impl fmt::Display for NamedEnds<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(prefix, tuple) = self;
        write!(f, "{prefix}src={} {prefix}dst={}", Address(tuple.src()), Address(tuple.dst()))?;
        // conntrack(8) goes by the protocol, and prints 0 for what is not there: DCCP has no ports since Linux 6.17.
        match tuple.protocol() {
            Protocol::ICMP | Protocol::ICMPV6 => {
                let (kind, code, id) = match tuple.proto.l4 {
                    Some(L4::Icmp { id, kind, code } | L4::Icmpv6 { id, kind, code }) => (kind, code, id),
                    _ => (0, 0, 0),
                };
                write!(f, " type={kind} code={code} id={id}")
            }
            Protocol::GRE => {
                let (src, dst) = ports(tuple);
                write!(f, " srckey={src:#x} dstkey={dst:#x}")
            }
            protocol if protocol.has_ports() || protocol == Protocol::DCCP => {
                let (src, dst) = ports(tuple);
                write!(f, " sport={src} dport={dst}")
            }
            _ => Ok(()),
        }
    }
}

fn ports(tuple: &Tuple) -> (u16, u16) {
    (tuple.src_port().unwrap_or_default(), tuple.dst_port().unwrap_or_default())
}
