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
pub use plan::{DumpPlan, FlushPlan};

/// Selects flows for a dump, a flush, a listener or a mirror: those that meet every criterion.
///
/// The library leaves to the kernel what the kernel filters correctly, and filters the rest itself. So a filter selects
/// the same flows on every kernel. The library itself compares IPv6 addresses (the kernel inverts that comparison), ports
/// of SCTP, UDP-Lite and GRE (the kernel ignores them), ICMP types that the kernel does not track (it refuses them),
/// prefixes, port ranges and TCP states (it does not know them), and zones, statuses and tuples on kernels that are too
/// old for them.
///
/// Give each criterion once. If a criterion gets a second, different value, no flow can meet both: the filter then
/// [matches](Self::matches) nothing, and every dump, flush, plan, listener and mirror refuses it with
/// [`UsageError::Contradiction`]. The same value twice is no contradiction. Status bits add up, unless one is both wanted
/// and unwanted.
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
    /// The name of the first criterion that was given two different values.
    contradiction: Option<&'static str>,
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
    /// `None` if both are zero: every flow meets that.
    fn criterion(self) -> Option<Self> {
        Some(self).filter(|masked| *masked != Self::default())
    }
}

impl Masked<Status> {
    /// Both criteria in one; `None` if one wants a bit that the other does not want.
    fn and(self, other: Self) -> Option<Self> {
        let common = self.mask & other.mask;
        let agree = self.value & common == other.value & common;
        agree.then_some(Self { value: self.value | other.value, mask: self.mask | other.mask })
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

    /// Whether it has no criteria, and so selects every flow.
    #[must_use]
    pub fn is_all(&self) -> bool {
        *self == Self::default()
    }

    /// Sets a criterion. If it has another value already, that value stays and the contradiction is noted.
    fn set<T: Copy + PartialEq>(
        mut self,
        name: &'static str,
        criterion: impl FnOnce(&mut Self) -> &mut Option<T>,
        value: T,
    ) -> Self {
        if *criterion(&mut self).get_or_insert(value) != value {
            self.contradiction.get_or_insert(name);
        }
        self
    }

    /// Selects flows of this family. [`Family::UNSPEC`] adds no criterion.
    #[must_use]
    pub fn family(self, family: Family) -> Self {
        if family == Family::UNSPEC { self } else { self.set("family", |filter| &mut filter.family, family) }
    }

    /// Selects IPv4 flows.
    #[must_use]
    pub fn ipv4(self) -> Self {
        self.family(Family::IPV4)
    }

    /// Selects IPv6 flows.
    #[must_use]
    pub fn ipv6(self) -> Self {
        self.family(Family::IPV6)
    }

    /// Selects flows of this transport protocol.
    #[must_use]
    pub fn protocol(self, protocol: Protocol) -> Self {
        self.set("protocol", |filter| &mut filter.protocol, protocol)
    }

    /// Selects TCP flows.
    #[must_use]
    pub fn tcp(self) -> Self {
        self.protocol(Protocol::TCP)
    }

    /// Selects UDP flows.
    #[must_use]
    pub fn udp(self) -> Self {
        self.protocol(Protocol::UDP)
    }

    /// Selects flows whose first packet came from this network or address.
    #[must_use]
    pub fn orig_src(self, network: impl Into<IpNet>) -> Self {
        self.set("orig_src", |filter| &mut filter.orig.src, network.into().trunc())
    }

    /// Selects flows whose first packet went to this network or address.
    #[must_use]
    pub fn orig_dst(self, network: impl Into<IpNet>) -> Self {
        self.set("orig_dst", |filter| &mut filter.orig.dst, network.into().trunc())
    }

    /// Selects flows whose answers come from this network or address.
    #[must_use]
    pub fn reply_src(self, network: impl Into<IpNet>) -> Self {
        self.set("reply_src", |filter| &mut filter.reply.src, network.into().trunc())
    }

    /// Selects flows whose answers go to this network or address.
    #[must_use]
    pub fn reply_dst(self, network: impl Into<IpNet>) -> Self {
        self.set("reply_dst", |filter| &mut filter.reply.dst, network.into().trunc())
    }

    /// Selects flows whose first packet came from this port, or from one of these. Flows without ports do not match.
    #[must_use]
    pub fn orig_src_port(self, ports: impl Into<Ports>) -> Self {
        self.set("orig_src_port", |filter| &mut filter.orig.src_port, ports.into())
    }

    /// Selects flows whose first packet went to this port, or to one of these. Flows without ports do not match.
    #[must_use]
    pub fn orig_dst_port(self, ports: impl Into<Ports>) -> Self {
        self.set("orig_dst_port", |filter| &mut filter.orig.dst_port, ports.into())
    }

    /// Selects flows whose answers come from this port, or from one of these. Flows without ports do not match.
    #[must_use]
    pub fn reply_src_port(self, ports: impl Into<Ports>) -> Self {
        self.set("reply_src_port", |filter| &mut filter.reply.src_port, ports.into())
    }

    /// Selects flows whose answers go to this port, or to one of these. Flows without ports do not match.
    #[must_use]
    pub fn reply_dst_port(self, ports: impl Into<Ports>) -> Self {
        self.set("reply_dst_port", |filter| &mut filter.reply.dst_port, ports.into())
    }

    /// Selects ICMP or ICMPv6 flows whose query has this identifier.
    #[must_use]
    pub fn icmp_id(self, id: u16) -> Self {
        self.set("icmp_id", |filter| &mut filter.orig.icmp_id, id)
    }

    /// Selects ICMP or ICMPv6 flows whose query has this type. The kernel tracks queries and their answers only, so a
    /// filter by another type, such as 3, selects nothing.
    #[must_use]
    pub fn icmp_type(self, kind: u8) -> Self {
        self.set("icmp_type", |filter| &mut filter.orig.icmp_type, kind)
    }

    /// Selects ICMP or ICMPv6 flows whose query has this code.
    #[must_use]
    pub fn icmp_code(self, code: u8) -> Self {
        self.set("icmp_code", |filter| &mut filter.orig.icmp_code, code)
    }

    /// Selects flows with exactly this mark.
    #[must_use]
    pub fn mark(self, mark: u32) -> Self {
        self.mark_masked(mark, u32::MAX)
    }

    /// Selects flows whose `mark & mask == value`. `(0, 0)` adds no criterion: every flow meets it.
    #[must_use]
    pub fn mark_masked(self, value: u32, mask: u32) -> Self {
        match (Masked { value, mask }).criterion() {
            Some(criterion) => self.set("mark", |filter| &mut filter.mark, criterion),
            None => self,
        }
    }

    /// Selects flows that have all these status bits. Further calls add further bits; no bits add no criterion.
    #[must_use]
    pub fn status(self, bits: Status) -> Self {
        self.add_status(bits, bits)
    }

    /// Selects flows that have none of these status bits. Further calls add further bits; no bits add no criterion.
    #[must_use]
    pub fn without_status(self, bits: Status) -> Self {
        self.add_status(Status::empty(), bits)
    }

    fn add_status(mut self, value: Status, mask: Status) -> Self {
        match self.status.unwrap_or_default().and(Masked { value, mask }) {
            Some(status) => self.status = status.criterion(),
            None => _ = self.contradiction.get_or_insert("status"),
        }
        self
    }

    /// Selects flows in this zone, whether it applies to both directions or to one. 0 is the default zone.
    #[must_use]
    pub fn zone(self, zone: u16) -> Self {
        self.set("zone", |filter| &mut filter.zone, zone)
    }

    /// Selects TCP flows in this state.
    #[must_use]
    pub fn tcp_state(self, state: TcpState) -> Self {
        self.set("tcp_state", |filter| &mut filter.tcp_state, state)
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

    /// Whether the filter decides on the mark.
    pub(crate) fn asks_mark(&self) -> bool {
        self.mark.is_some()
    }

    /// Whether the filter decides on these status bits.
    pub(crate) fn asks_status(&self, bits: Status) -> bool {
        self.status.is_some_and(|status| status.mask.intersects(bits))
    }

    /// Refuses criteria that no flow can meet together.
    pub(crate) fn check(&self) -> Result<(), UsageError> {
        if let Some(criterion) = self.contradiction {
            return Err(UsageError::Contradiction(criterion));
        }
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
            let no_ports = asks_ports && !protocol.has_ports() && !protocol.has_ports_on_some_kernels();
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
