//! `enum ctattr_tuple`, `ctattr_ip` and `ctattr_l4proto`: one direction of a flow.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use conntrack_derive::{Decode, Encode};

use crate::{Family, Protocol};

/// One direction of a flow: what its packets carry.
///
/// ```text
/// enum ctattr_tuple { CTA_TUPLE_UNSPEC, CTA_TUPLE_IP, CTA_TUPLE_PROTO, CTA_TUPLE_ZONE };
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Tuple {
    /// Network-layer addresses.
    #[nla(CTA_TUPLE_IP)]
    pub ip: TupleIp,
    /// Transport protocol, with its ports or identifiers.
    #[nla(CTA_TUPLE_PROTO)]
    pub proto: TupleProto,
    /// Zone, when it applies to this direction only.
    #[nla(CTA_TUPLE_ZONE)]
    pub zone: Option<u16>,
}

/// The addresses of a direction, both of one family.
///
/// ```text
/// enum ctattr_ip { CTA_IP_UNSPEC, CTA_IP_V4_SRC, CTA_IP_V4_DST, CTA_IP_V6_SRC, CTA_IP_V6_DST };
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub struct TupleIp {
    /// Source address.
    #[nla(CTA_IP_V4_SRC as Ipv4Addr, CTA_IP_V6_SRC as Ipv6Addr)]
    pub src: IpAddr,
    /// Destination address.
    #[nla(CTA_IP_V4_DST as Ipv4Addr, CTA_IP_V6_DST as Ipv6Addr)]
    pub dst: IpAddr,
}

/// The transport part of a direction.
///
/// ```text
/// enum ctattr_l4proto { CTA_PROTO_UNSPEC, CTA_PROTO_NUM, CTA_PROTO_SRC_PORT, CTA_PROTO_DST_PORT, … };
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub struct TupleProto {
    /// The protocol.
    #[nla(CTA_PROTO_NUM)]
    pub num: Protocol,
    /// What tells its flows apart; `None` for generic protocols, such as ESP.
    #[nla(flatten)]
    pub l4: Option<L4>,
}

/// What tells flows between the same two hosts apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub enum L4 {
    /// TCP, UDP, UDP-Lite, SCTP; GRE, whose keys stand here.
    Ports {
        /// Source port.
        #[nla(CTA_PROTO_SRC_PORT)]
        src: u16,
        /// Destination port.
        #[nla(CTA_PROTO_DST_PORT)]
        dst: u16,
    },
    /// ICMP.
    Icmp {
        /// Identifier of the query.
        #[nla(CTA_PROTO_ICMP_ID)]
        id: u16,
        /// Type of the message, such as 8 for an echo request. The reply direction has the type of the answer.
        #[nla(CTA_PROTO_ICMP_TYPE)]
        kind: u8,
        /// Code of the message.
        #[nla(CTA_PROTO_ICMP_CODE)]
        code: u8,
    },
    /// ICMPv6.
    Icmpv6 {
        /// Identifier of the query.
        #[nla(CTA_PROTO_ICMPV6_ID)]
        id: u16,
        /// Type of the message, such as 128 for an echo request. The reply direction has the type of the answer.
        #[nla(CTA_PROTO_ICMPV6_TYPE)]
        kind: u8,
        /// Code of the message.
        #[nla(CTA_PROTO_ICMPV6_CODE)]
        code: u8,
    },
}

/// ICMP queries and their answers (`net/netfilter/nf_conntrack_proto_icmp.c`, `invmap`).
const ICMP_ANSWERS: &[(u8, u8)] = &[(8, 0), (13, 14), (15, 16), (17, 18)];
/// ICMPv6 queries and their answers (`net/netfilter/nf_conntrack_proto_icmpv6.c`, `invmap`).
const ICMPV6_ANSWERS: &[(u8, u8)] = &[(128, 129), (139, 140)];

/// The type that answers `kind`, or that `kind` answers.
fn answer(pairs: &[(u8, u8)], kind: u8) -> Option<u8> {
    pairs.iter().find_map(|&(query, reply)| match kind {
        _ if kind == query => Some(reply),
        _ if kind == reply => Some(query),
        _ => None,
    })
}

impl L4 {
    /// The other direction's: ports swapped, an ICMP query's type replaced by its answer's.
    ///
    /// An ICMP type that the kernel does not track stays as it is, and the kernel will refuse it with `EINVAL`.
    #[must_use]
    pub fn inverse(self) -> Self {
        match self {
            Self::Ports { src, dst } => Self::Ports { src: dst, dst: src },
            Self::Icmp { id, kind, code } => Self::Icmp { id, kind: answer(ICMP_ANSWERS, kind).unwrap_or(kind), code },
            Self::Icmpv6 { id, kind, code } => {
                Self::Icmpv6 { id, kind: answer(ICMPV6_ANSWERS, kind).unwrap_or(kind), code }
            }
        }
    }

    /// Whether tuples of `protocol` may have it: ICMP's identifiers are only ICMP's; ports are those of any protocol but
    /// ICMP, ICMPv6, ESP and AH, since which of the others have ports depends on the kernel.
    #[must_use]
    pub(crate) fn may_be_of(self, protocol: Protocol) -> bool {
        match self {
            Self::Ports { .. } => !matches!(protocol, Protocol::ICMP | Protocol::ICMPV6 | Protocol::ESP | Protocol::AH),
            Self::Icmp { .. } => protocol == Protocol::ICMP,
            Self::Icmpv6 { .. } => protocol == Protocol::ICMPV6,
        }
    }

    /// Whether the kernel tracks it: every port, but only ICMP types that are queries or answers.
    #[must_use]
    pub fn is_tracked(self) -> bool {
        match self {
            Self::Ports { .. } => true,
            Self::Icmp { kind, .. } => answer(ICMP_ANSWERS, kind).is_some(),
            Self::Icmpv6 { kind, .. } => answer(ICMPV6_ANSWERS, kind).is_some(),
        }
    }
}

impl Tuple {
    /// Packets from `src` to `dst` of a protocol with ports.
    ///
    /// The addresses must be of one family; whatever is sent to the kernel is checked for that.
    #[must_use]
    pub fn with_ports(protocol: Protocol, src: SocketAddr, dst: SocketAddr) -> Self {
        let l4 = L4::Ports { src: src.port(), dst: dst.port() };
        Self::new(src.ip(), dst.ip(), protocol, Some(l4))
    }

    /// TCP segments from `src` to `dst`.
    #[must_use]
    pub fn tcp(src: SocketAddr, dst: SocketAddr) -> Self {
        Self::with_ports(Protocol::TCP, src, dst)
    }

    /// UDP datagrams from `src` to `dst`.
    #[must_use]
    pub fn udp(src: SocketAddr, dst: SocketAddr) -> Self {
        Self::with_ports(Protocol::UDP, src, dst)
    }

    /// SCTP packets from `src` to `dst`.
    #[must_use]
    pub fn sctp(src: SocketAddr, dst: SocketAddr) -> Self {
        Self::with_ports(Protocol::SCTP, src, dst)
    }

    /// ICMP or ICMPv6 echo requests from `src` to `dst`, by the family of `src`.
    #[must_use]
    pub fn echo(src: IpAddr, dst: IpAddr, id: u16) -> Self {
        match src {
            IpAddr::V4(_) => Self::new(src, dst, Protocol::ICMP, Some(L4::Icmp { id, kind: 8, code: 0 })),
            IpAddr::V6(_) => Self::new(src, dst, Protocol::ICMPV6, Some(L4::Icmpv6 { id, kind: 128, code: 0 })),
        }
    }

    /// Packets of a protocol without ports, such as ESP.
    #[must_use]
    pub fn generic(protocol: Protocol, src: IpAddr, dst: IpAddr) -> Self {
        Self::new(src, dst, protocol, None)
    }

    /// Any tuple.
    #[must_use]
    pub fn new(src: IpAddr, dst: IpAddr, protocol: Protocol, l4: Option<L4>) -> Self {
        Self { ip: TupleIp { src, dst }, proto: TupleProto { num: protocol, l4 }, zone: None }
    }

    /// The tuple of the answers: addresses and ports swapped, an ICMP type replaced by its answer's.
    ///
    /// Without translation, this is a flow's reply direction. The zone does not come along: one that applies to one
    /// direction does not apply to the other.
    #[must_use]
    pub fn inverse(&self) -> Self {
        Self::new(self.ip.dst, self.ip.src, self.proto.num, self.proto.l4.map(L4::inverse))
    }

    /// The same in `zone`, for this direction only.
    #[must_use]
    pub fn in_zone(mut self, zone: u16) -> Self {
        self.zone = Some(zone);
        self
    }

    /// The family of the addresses, `None` if they are of two.
    #[must_use]
    pub fn family(&self) -> Option<Family> {
        let family = Family::of(self.ip.src);
        (family == Family::of(self.ip.dst)).then_some(family)
    }

    /// The transport protocol.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.proto.num
    }

    /// The source address.
    #[must_use]
    pub fn src(&self) -> IpAddr {
        self.ip.src
    }

    /// The destination address.
    #[must_use]
    pub fn dst(&self) -> IpAddr {
        self.ip.dst
    }

    /// The source port, for protocols that have ports.
    #[must_use]
    pub fn src_port(&self) -> Option<u16> {
        match self.proto.l4 {
            Some(L4::Ports { src, .. }) => Some(src),
            _ => None,
        }
    }

    /// The destination port, for protocols that have ports.
    #[must_use]
    pub fn dst_port(&self) -> Option<u16> {
        match self.proto.l4 {
            Some(L4::Ports { dst, .. }) => Some(dst),
            _ => None,
        }
    }
}
