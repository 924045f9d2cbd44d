//! Which flows.

pub mod bpf;
mod display;
mod matches;
mod parse;
mod plan;

use std::ops::RangeInclusive;

use conntrack_spec::{Family, Protocol, Status, TcpState};
use ipnet::IpNet;

use crate::check::UsageError;

pub(crate) use matches::View;
pub use plan::Plan;

/// Which flows a dump, a flush, a listener or a mirror is about: those that meet every criterion.
///
/// As much of it as the kernel can do right, the kernel does; the rest is done here. So a filter means what it says on
/// every kernel, whatever that kernel's own filter would make of it: IPv6 addresses (which the kernel compares the wrong
/// way round), ports of SCTP, UDP-Lite and GRE (which it ignores), prefixes, port ranges and TCP states (which it does
/// not know), zones, statuses and tuples on kernels that do not know those yet.
///
/// ```
/// use conntrack::{Filter, Status};
///
/// let unanswered_dns = Filter::new().ipv4().udp().orig_dst_port(53).without_status(Status::SEEN_REPLY);
/// let web_of_a_site = Filter::new().orig_src("2001:db8::/32".parse::<ipnet::IpNet>()?).tcp().orig_dst_port(80..=443);
/// // The same from text, and printed as it.
/// let from_text: Filter = "family=ipv4 proto=udp dport=53 status=!seen_reply".parse()?;
/// assert_eq!(from_text, unanswered_dns);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    family: Option<Family>,
    protocol: Option<Protocol>,
    orig: Side,
    reply: Side,
    mark: Option<Masked<u32>>,
    status: Option<Masked<Status>>,
    zone: Option<u16>,
    tcp_state: Option<TcpState>,
}

/// The criteria for one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Side {
    src: Option<IpNet>,
    dst: Option<IpNet>,
    src_port: Option<Ports>,
    dst_port: Option<Ports>,
    icmp_id: Option<u16>,
    icmp_type: Option<u8>,
    icmp_code: Option<u8>,
}

/// `given & mask == value`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Masked<T> {
    value: T,
    mask: T,
}

impl<T: Default + PartialEq> Masked<T> {
    /// Without a mask and a value, everything meets it, and it is none.
    fn criterion(self) -> Option<Self> {
        Some(self).filter(|masked| *masked != Self::default())
    }
}

/// A port, or a range of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    min: u16,
    max: u16,
}

impl From<u16> for Ports {
    fn from(port: u16) -> Self {
        Self { min: port, max: port }
    }
}

impl From<RangeInclusive<u16>> for Ports {
    fn from(range: RangeInclusive<u16>) -> Self {
        Self { min: *range.start(), max: *range.end() }
    }
}

impl Ports {
    fn contain(self, port: u16) -> bool {
        (self.min..=self.max).contains(&port)
    }

    fn single(self) -> Option<u16> {
        (self.min == self.max).then_some(self.min)
    }
}

impl Filter {
    /// Every flow, until criteria are added.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Every flow. The same as [`new`](Self::new), for where that is what is meant.
    #[must_use]
    pub fn all() -> Self {
        Self::default()
    }

    /// Whether it has no criteria.
    #[must_use]
    pub fn is_all(&self) -> bool {
        *self == Self::default()
    }

    /// Flows of this family.
    #[must_use]
    pub fn family(mut self, family: Family) -> Self {
        self.family = Some(family).filter(|family| *family != Family::UNSPEC);
        self
    }

    /// IPv4 flows.
    #[must_use]
    pub fn ipv4(self) -> Self {
        self.family(Family::IPV4)
    }

    /// IPv6 flows.
    #[must_use]
    pub fn ipv6(self) -> Self {
        self.family(Family::IPV6)
    }

    /// Flows of this transport protocol.
    #[must_use]
    pub fn protocol(mut self, protocol: Protocol) -> Self {
        self.protocol = Some(protocol);
        self
    }

    /// TCP flows.
    #[must_use]
    pub fn tcp(self) -> Self {
        self.protocol(Protocol::TCP)
    }

    /// UDP flows.
    #[must_use]
    pub fn udp(self) -> Self {
        self.protocol(Protocol::UDP)
    }

    /// Flows whose first packet came from here.
    #[must_use]
    pub fn orig_src(mut self, network: impl Into<IpNet>) -> Self {
        self.orig.src = Some(network.into().trunc());
        self
    }

    /// Flows whose first packet went here.
    #[must_use]
    pub fn orig_dst(mut self, network: impl Into<IpNet>) -> Self {
        self.orig.dst = Some(network.into().trunc());
        self
    }

    /// Flows whose answers come from here.
    #[must_use]
    pub fn reply_src(mut self, network: impl Into<IpNet>) -> Self {
        self.reply.src = Some(network.into().trunc());
        self
    }

    /// Flows whose answers go here.
    #[must_use]
    pub fn reply_dst(mut self, network: impl Into<IpNet>) -> Self {
        self.reply.dst = Some(network.into().trunc());
        self
    }

    /// Flows whose first packet came from this port, or one of these. Flows without ports do not match.
    #[must_use]
    pub fn orig_src_port(mut self, ports: impl Into<Ports>) -> Self {
        self.orig.src_port = Some(ports.into());
        self
    }

    /// Flows whose first packet went to this port, or one of these. Flows without ports do not match.
    #[must_use]
    pub fn orig_dst_port(mut self, ports: impl Into<Ports>) -> Self {
        self.orig.dst_port = Some(ports.into());
        self
    }

    /// Flows whose answers come from this port, or one of these. Flows without ports do not match.
    #[must_use]
    pub fn reply_src_port(mut self, ports: impl Into<Ports>) -> Self {
        self.reply.src_port = Some(ports.into());
        self
    }

    /// Flows whose answers go to this port, or one of these. Flows without ports do not match.
    #[must_use]
    pub fn reply_dst_port(mut self, ports: impl Into<Ports>) -> Self {
        self.reply.dst_port = Some(ports.into());
        self
    }

    /// ICMP or ICMPv6 flows whose query has this identifier.
    #[must_use]
    pub fn icmp_id(mut self, id: u16) -> Self {
        self.orig.icmp_id = Some(id);
        self
    }

    /// ICMP or ICMPv6 flows whose query has this type.
    #[must_use]
    pub fn icmp_type(mut self, kind: u8) -> Self {
        self.orig.icmp_type = Some(kind);
        self
    }

    /// ICMP or ICMPv6 flows whose query has this code.
    #[must_use]
    pub fn icmp_code(mut self, code: u8) -> Self {
        self.orig.icmp_code = Some(code);
        self
    }

    /// Flows with exactly this mark.
    #[must_use]
    pub fn mark(self, mark: u32) -> Self {
        self.mark_masked(mark, u32::MAX)
    }

    /// Flows whose `mark & mask == value`: all of them, with two zeros, which are no criterion.
    #[must_use]
    pub fn mark_masked(mut self, value: u32, mask: u32) -> Self {
        self.mark = Masked { value, mask }.criterion();
        self
    }

    /// Flows that have all these status bits; more can be asked for in the same way. No bits are no criterion.
    #[must_use]
    pub fn status(self, bits: Status) -> Self {
        self.add_status(bits, bits)
    }

    /// Flows that have none of these status bits; more can be asked for in the same way. No bits are no criterion.
    #[must_use]
    pub fn without_status(self, bits: Status) -> Self {
        self.add_status(Status::empty(), bits)
    }

    fn add_status(mut self, value: Status, mask: Status) -> Self {
        let so_far = self.status.unwrap_or_default();
        self.status = Masked { value: (so_far.value - mask) | value, mask: so_far.mask | mask }.criterion();
        self
    }

    /// Flows in this zone, with both directions or one of them; 0 is the default zone.
    #[must_use]
    pub fn zone(mut self, zone: u16) -> Self {
        self.zone = Some(zone);
        self
    }

    /// TCP flows in this state.
    #[must_use]
    pub fn tcp_state(mut self, state: TcpState) -> Self {
        self.tcp_state = Some(state);
        self
    }

    /// The one family that flows can have, if the criteria leave only one.
    pub(crate) fn only_family(&self) -> Result<Option<Family>, UsageError> {
        let of_net = |net: IpNet| Family::of(net.addr());
        let mut only = None;
        let nets = [self.orig.src, self.orig.dst, self.reply.src, self.reply.dst].map(|net| net.map(of_net));
        for family in [self.family].into_iter().chain(nets).flatten() {
            if only.is_some_and(|only| only != family) {
                return Err(UsageError::MixedFamilies("the filter"));
            }
            only = Some(family);
        }
        Ok(only)
    }

    /// Whether the filter decides on these status bits.
    pub(crate) fn asks_status(&self, bits: Status) -> bool {
        self.status.is_some_and(|status| status.mask.intersects(bits))
    }

    /// Refuses what no flow can be.
    pub(crate) fn check(&self) -> Result<(), UsageError> {
        self.only_family()?;
        let sides = [&self.orig, &self.reply];
        for ports in sides.iter().flat_map(|side| [side.src_port, side.dst_port]).flatten() {
            if ports.min > ports.max {
                return Err(UsageError::PortRange { min: ports.min, max: ports.max });
            }
        }
        if let Some(protocol) = self.protocol {
            let asks_ports = sides.iter().any(|side| side.src_port.is_some() || side.dst_port.is_some());
            let asks_icmp = sides.iter().any(|side| side.asks_icmp());
            let is_icmp = matches!(protocol, Protocol::ICMP | Protocol::ICMPV6);
            // Kernels before 6.17 report ports of DCCP too.
            let no_ports = asks_ports && !protocol.has_ports() && protocol != Protocol::DCCP;
            let no_state = self.tcp_state.is_some() && protocol != Protocol::TCP;
            if no_ports || no_state || (asks_icmp && !is_icmp) {
                return Err(UsageError::NotOfProtocol(protocol));
            }
        }
        Ok(())
    }
}

impl Side {
    fn asks_icmp(&self) -> bool {
        self.icmp_id.is_some() || self.icmp_type.is_some() || self.icmp_code.is_some()
    }
}
