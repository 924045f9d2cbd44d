//! Which translation a flow has, and its directions.

use std::fmt;
use std::net::IpAddr;

use crate::text::Address;
use crate::{Counters, Flow, FlowDirection, L4, SeqAdj, Status, Tuple};

/// One end of a flow's direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct Endpoint {
    /// The address.
    pub address: IpAddr,
    /// The port; for ICMP the identifier, for GRE the key, which are translated in its place. `None` for protocols
    /// without any.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub port: Option<u16>,
}

impl fmt::Display for Endpoint {
    /// Prints `192.0.2.1:4000`, `[2001:db8::1]:4000`, or the address alone. Addresses are printed as in a flow's line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = Address(self.address);
        match (self.address, self.port) {
            (_, None) => write!(f, "{address}"),
            (IpAddr::V4(_), Some(port)) => write!(f, "{address}:{port}"),
            (IpAddr::V6(_), Some(port)) => write!(f, "[{address}]:{port}"),
        }
    }
}

impl Tuple {
    /// Where packets of this direction come from.
    #[must_use]
    pub fn source(&self) -> Endpoint {
        let port = match self.proto.l4 {
            Some(L4::Ports { src, .. }) => Some(src),
            Some(L4::Icmp { id, .. } | L4::Icmpv6 { id, .. }) => Some(id),
            None => None,
        };
        Endpoint { address: self.ip.src, port }
    }

    /// Where packets of this direction go.
    #[must_use]
    pub fn destination(&self) -> Endpoint {
        let port = match self.proto.l4 {
            Some(L4::Ports { dst, .. }) => Some(dst),
            Some(L4::Icmp { id, .. } | L4::Icmpv6 { id, .. }) => Some(id),
            None => None,
        };
        Endpoint { address: self.ip.dst, port }
    }
}

impl Flow {
    /// What the source of the original direction is translated to, if it is: the source that the server sees.
    #[must_use]
    pub fn translated_source(&self) -> Option<Endpoint> {
        self.status.contains(Status::SRC_NAT).then(|| self.reply.destination())
    }

    /// What the destination of the original direction is translated to, if it is: the server that answers.
    #[must_use]
    pub fn translated_destination(&self) -> Option<Endpoint> {
        self.status.contains(Status::DST_NAT).then(|| self.reply.source())
    }

    /// The tuple of a direction.
    #[must_use]
    pub fn tuple(&self, direction: FlowDirection) -> &Tuple {
        if direction == FlowDirection::REPLY { &self.reply } else { &self.orig }
    }

    /// The direction that `tuple` is of, if it is one of the flow's.
    ///
    /// A flow over loopback with the same port at both ends has one tuple for both: that counts as the original
    /// direction.
    #[must_use]
    pub fn direction_of(&self, tuple: &Tuple) -> Option<FlowDirection> {
        let directions = [FlowDirection::ORIGINAL, FlowDirection::REPLY];
        directions.into_iter().find(|direction| self.tuple(*direction) == tuple)
    }

    /// The traffic of a direction, if it was counted and the message has it.
    #[must_use]
    pub fn counters(&self, direction: FlowDirection) -> Option<Counters> {
        if direction == FlowDirection::REPLY { self.counters_reply } else { self.counters_orig }
    }

    /// How a direction's sequence numbers are shifted.
    #[must_use]
    pub fn seq_adj(&self, direction: FlowDirection) -> Option<SeqAdj> {
        if direction == FlowDirection::REPLY { self.seq_adj_reply } else { self.seq_adj_orig }
    }

    /// The zone, whichever direction it applies to; 0 is the default zone.
    #[must_use]
    pub fn zone_id(&self) -> u16 {
        zone_among([self.zone, self.orig.zone, self.reply.zone])
    }
}

/// The zone among those beside and in the tuples of a flow. Zone 0 is the default zone, as if none were given.
#[doc(hidden)]
#[inline]
#[must_use]
pub fn zone_among<const N: usize>(zones: [Option<u16>; N]) -> u16 {
    zones.into_iter().flatten().find(|zone| *zone != 0).unwrap_or(0)
}
