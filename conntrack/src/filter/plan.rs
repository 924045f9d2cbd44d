//! A filter in the kernel's language, as far as the kernel speaks it right.

use std::net::IpAddr;

use conntrack_spec::{
    Family, FilterBits, FilterFlags, FilterIp, FilterProto, FilterTuple, FlowFilter, Mark, Protocol, StatusFilter,
};
use ipnet::IpNet;

use super::{Filter, Ports, Side};
use crate::check::UsageError;
use crate::version::KernelVersion;

/// A request that selects every flow that the filter selects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The family in the message's header.
    pub family: Family,
    /// The criteria that are the kernel's to check.
    pub request: FlowFilter,
    /// Whether that selects no other flows.
    pub exact: bool,
}

impl Filter {
    /// The kernel's part of a dump.
    ///
    /// # Errors
    /// The filter contradicts itself.
    pub fn plan_dump(&self, kernel: KernelVersion) -> Result<Plan, UsageError> {
        self.check()?;
        let family = self.only_family()?.unwrap_or(Family::UNSPEC);
        Ok(self.plan(family, kernel, KernelVersion::DUMP_TUPLE_FILTER))
    }

    /// The flushes that are exactly this filter, or `None` if the kernel cannot do it.
    ///
    /// # Errors
    /// The filter contradicts itself, or has no criteria.
    pub fn plan_flush(&self, kernel: KernelVersion) -> Result<Option<Vec<Plan>>, UsageError> {
        self.check()?;
        if self.is_all() {
            return Err(UsageError::FlushWithoutCriteria);
        }
        // Kernels older than any that this is written for may ignore even the family.
        if kernel < KernelVersion::OLDEST {
            return Ok(None);
        }
        // The kernel compares tuples only when it knows the family. A flow is of one of the two, so that two flushes
        // are the same as one of both.
        let families = match self.only_family()? {
            Some(family) => vec![family],
            None if self.asks_tuple() => vec![Family::IPV4, Family::IPV6],
            None => vec![Family::UNSPEC],
        };
        let plan = |family| self.plan(family, kernel, KernelVersion::FLUSH_TUPLE_FILTER);
        let plans: Vec<Plan> = families.into_iter().map(plan).collect();
        Ok(plans.iter().all(|plan| plan.exact).then_some(plans))
    }

    fn plan(&self, family: Family, kernel: KernelVersion, tuples_since: KernelVersion) -> Plan {
        let mut exact = self.tcp_state.is_none();
        // Kernels of every age compare marks.
        let mark = self.mark.map(|mark| Mark { value: mark.value, mask: Some(mark.mask) });
        let mut request = FlowFilter { mark, ..FlowFilter::default() };
        if let Some(status) = self.status {
            if kernel >= KernelVersion::STATUS_FILTER {
                request.status = Some(StatusFilter { value: status.value, mask: Some(status.mask) });
            } else {
                exact = false;
            }
        }
        if self.zone.is_some() && kernel >= KernelVersion::ZONE_FILTER {
            request.zone = self.zone;
        } else {
            exact &= self.zone.is_none();
        }
        if self.asks_tuple() {
            if family != Family::UNSPEC && kernel >= tuples_since {
                exact &= self.plan_tuples(&mut request);
            } else {
                exact = false;
            }
        }
        Plan { family, request, exact }
    }

    /// Whether there are criteria for what tuples hold.
    fn asks_tuple(&self) -> bool {
        self.protocol.is_some() || self.orig != Side::default() || self.reply != Side::default()
    }

    /// Fills in the tuples; false if something of them is left to check.
    fn plan_tuples(&self, request: &mut FlowFilter) -> bool {
        let orig = self.orig.plan(self.protocol, true);
        let reply = self.reply.plan(self.protocol, false);
        let flags = FilterFlags { orig: orig.flags(), reply: reply.flags() };
        if flags != FilterFlags::default() {
            request.filter = Some(flags);
            request.orig = flags.orig.map(|_| orig.tuple());
            request.reply = flags.reply.map(|_| reply.tuple());
        }
        orig.exact && reply.exact
    }
}

/// The kernel's part of one direction.
struct PlannedSide {
    bits: FilterBits,
    ip: FilterIp,
    proto: FilterProto,
    exact: bool,
}

impl PlannedSide {
    fn flags(&self) -> Option<FilterBits> {
        Some(self.bits).filter(|bits| !bits.is_empty())
    }

    fn tuple(&self) -> FilterTuple {
        let addresses = FilterBits::IP_SRC | FilterBits::IP_DST;
        FilterTuple {
            ip: Some(self.ip).filter(|_| self.bits.intersects(addresses)),
            proto: Some(self.proto).filter(|_| self.bits.contains(FilterBits::PROTO_NUM)),
        }
    }

    /// Takes a criterion over if the kernel gets it right, else leaves it to check.
    fn take<T, V>(&mut self, asked: Option<T>, kernel: impl FnOnce(T) -> Option<V>, bit: FilterBits) -> Option<V> {
        let value = kernel(asked?);
        match value {
            Some(_) => self.bits |= bit,
            None => self.exact = false,
        }
        value
    }
}

impl Side {
    /// `owns_protocol`: the protocol is the same both ways and asked for once.
    fn plan(&self, protocol: Option<Protocol>, owns_protocol: bool) -> PlannedSide {
        let mut side = PlannedSide {
            bits: FilterBits::empty(),
            ip: FilterIp::default(),
            proto: FilterProto::default(),
            exact: true,
        };
        // The kernel inverts the comparison of IPv6 addresses, and knows no prefixes.
        let address = |net: IpNet| match net {
            IpNet::V4(net) if net.prefix_len() == 32 => Some(IpAddr::V4(net.addr())),
            _ => None,
        };
        side.ip.src = side.take(self.src, address, FilterBits::IP_SRC);
        side.ip.dst = side.take(self.dst, address, FilterBits::IP_DST);

        // It compares ports of these two protocols only, ignores them for others, and knows no ranges.
        let compared = matches!(protocol, Some(Protocol::TCP | Protocol::UDP));
        let port = |ports: Ports| ports.single().filter(|_| compared);
        side.proto.src_port = side.take(self.src_port, port, FilterBits::SRC_PORT);
        side.proto.dst_port = side.take(self.dst_port, port, FilterBits::DST_PORT);

        if protocol == Some(Protocol::ICMPV6) {
            side.proto.icmpv6_id = side.take(self.icmp_id, Some, FilterBits::ICMPV6_ID);
            side.proto.icmpv6_type = side.take(self.icmp_type, Some, FilterBits::ICMPV6_TYPE);
            side.proto.icmpv6_code = side.take(self.icmp_code, Some, FilterBits::ICMPV6_CODE);
        } else {
            // Without the protocol, the kernel refuses them.
            let is_icmp = protocol == Some(Protocol::ICMP);
            side.proto.icmp_id = side.take(self.icmp_id, |id| is_icmp.then_some(id), FilterBits::ICMP_ID);
            side.proto.icmp_type = side.take(self.icmp_type, |kind| is_icmp.then_some(kind), FilterBits::ICMP_TYPE);
            side.proto.icmp_code = side.take(self.icmp_code, |code| is_icmp.then_some(code), FilterBits::ICMP_CODE);
        }

        let transport = side.bits - (FilterBits::IP_SRC | FilterBits::IP_DST);
        if let Some(protocol) = protocol.filter(|_| owns_protocol || !transport.is_empty()) {
            side.proto.num = Some(protocol);
            side.bits |= FilterBits::PROTO_NUM;
        }
        side
    }
}
