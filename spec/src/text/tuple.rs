//! One direction of a flow.

use std::fmt;

use super::address::Address;
use crate::{L4, Protocol, Tuple};

impl fmt::Display for Tuple {
    /// Prints `tcp src=10.0.0.1 dst=10.0.0.2 sport=40000 dport=80`, and ` zone=7` if the tuple has a zone.
    ///
    /// Ports and identifiers are those that the tuple has. The line of a flow goes by the protocol instead, as
    /// conntrack(8) does, and prints 0 for ports that a DCCP flow does not have since Linux 6.17.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} src={} dst={}", self.protocol(), Address(self.src()), Address(self.dst()))?;
        if let Some(l4) = self.proto.l4 {
            write_l4(f, l4, self.protocol())?;
        }
        self.zone.map_or(Ok(()), |zone| write!(f, " zone={zone}"))
    }
}

/// Prints the addresses and ports of a line as conntrack(8) does. Not the zone.
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
        // conntrack(8) goes by the protocol, and prints 0 for what is not there.
        let protocol = tuple.protocol();
        let l4 = match (protocol, tuple.proto.l4) {
            (Protocol::ICMP | Protocol::ICMPV6, Some(l4 @ (L4::Icmp { .. } | L4::Icmpv6 { .. }))) => l4,
            (Protocol::ICMP | Protocol::ICMPV6, _) => L4::Icmp { id: 0, kind: 0, code: 0 },
            _ if !protocol.has_ports() && protocol != Protocol::DCCP => return Ok(()),
            (_, Some(l4 @ L4::Ports { .. })) => l4,
            (_, _) => L4::Ports { src: 0, dst: 0 },
        };
        write_l4(f, l4, protocol)
    }
}

fn write_l4(f: &mut fmt::Formatter<'_>, l4: L4, protocol: Protocol) -> fmt::Result {
    match l4 {
        L4::Ports { src, dst } if protocol == Protocol::GRE => write!(f, " srckey={src:#x} dstkey={dst:#x}"),
        L4::Ports { src, dst } => write!(f, " sport={src} dport={dst}"),
        L4::Icmp { id, kind, code } | L4::Icmpv6 { id, kind, code } => write!(f, " type={kind} code={code} id={id}"),
    }
}
