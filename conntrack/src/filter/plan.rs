//! The part of a filter that the kernel checks, as far as the kernel does so correctly.

use std::net::IpAddr;

use conntrack_spec::{
    Family, FilterBits, FilterFlags, FilterIp, FilterProto, FilterTuple, FlowFilter, L4, Mark, Protocol, StatusFilter,
};
use ipnet::IpNet;

use super::{Filter, Masked, Ports, Side};
use crate::check::UsageError;
use crate::version::KernelVersion;

/// A dump request that makes the kernel report every flow that a filter selects: [`Filter::plan_dump`] makes it.
///
/// If it is not [exact](Self::is_exact), the kernel reports other flows too: keep those that the filter
/// [matches](Filter::matches).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DumpPlan {
    pub(crate) family: Family,
    pub(crate) criteria: FlowFilter,
    exact: bool,
}

impl DumpPlan {
    /// The family in the message's header.
    #[must_use]
    pub fn family(&self) -> Family {
        self.family
    }

    /// The criteria that the kernel checks.
    #[must_use]
    pub fn criteria(&self) -> &FlowFilter {
        &self.criteria
    }

    /// Whether the kernel reports exactly the flows that the filter selects.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.exact
    }
}

/// A flush request that deletes flows that a filter selects, and no others.
///
/// Only [`Filter::plan_flush`] makes one, and it never makes one that deletes more than the filter selects:
///
/// ```compile_fail
/// let everything = conntrack::FlushPlan { family: conntrack::Family::UNSPEC, criteria: Default::default() };
/// ```
///
/// Send it on the kernel that is running now: another kernel may ignore some of the criteria, and so delete more. A kernel
/// that was built without `CONFIG_NF_CONNTRACK_MARK` ignores the mark, which only a request can find out:
/// [`Conntrack::flush`](crate::Conntrack::flush) makes that request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlushPlan {
    pub(crate) family: Family,
    pub(crate) criteria: FlowFilter,
}

impl FlushPlan {
    /// The family in the message's header.
    #[must_use]
    pub fn family(&self) -> Family {
        self.family
    }

    /// The criteria that the kernel checks.
    #[must_use]
    pub fn criteria(&self) -> &FlowFilter {
        &self.criteria
    }
}

impl Filter {
    /// Plans a dump on a kernel that has the features of version `kernel`.
    ///
    /// `kernel` may be above the [running](KernelVersion::running) kernel's version, for a kernel with features of newer
    /// ones: the request then has the criteria that `kernel` knows, but the plan is exact only if the running version
    /// knows them too. So the selection is right even if `kernel` is wrong. It is assumed that the kernel was built with
    /// `CONFIG_NF_CONNTRACK_MARK`; [`Conntrack::dump_filtered`](crate::Conntrack::dump_filtered) finds out.
    ///
    /// # Errors
    /// The filter contradicts itself: [`UsageError::Contradiction`], `MixedFamilies`, `PortRange` or `NotOfProtocol`.
    pub fn plan_dump(&self, kernel: KernelVersion) -> Result<DumpPlan, UsageError> {
        self.plan_dump_on(kernel, KernelVersion::running())
    }

    fn plan_dump_on(&self, asked: KernelVersion, running: KernelVersion) -> Result<DumpPlan, UsageError> {
        self.check()?;
        let family = self.only_family()?.unwrap_or(Family::UNSPEC);
        let kernels = Kernels { asked, trusted: asked.min(running), tuples: KernelVersion::DUMP_TUPLE_FILTER };
        Ok(self.plan(family, kernels))
    }

    /// Plans the flushes that together delete exactly the flows that this filter selects. `None` if the kernel cannot
    /// select exactly those.
    ///
    /// A kernel ignores the criteria that it does not know, and would delete more. So this relies on nothing that is newer
    /// than `kernel` or newer than the [running](KernelVersion::running) kernel's version: a lower `kernel` counts, a
    /// higher one does not.
    ///
    /// # Errors
    /// [`UsageError::FlushWithoutCriteria`] if the filter has no criteria. Else the filter contradicts itself:
    /// [`UsageError::Contradiction`], `MixedFamilies`, `PortRange` or `NotOfProtocol`.
    pub fn plan_flush(&self, kernel: KernelVersion) -> Result<Option<Vec<FlushPlan>>, UsageError> {
        self.plan_flush_on(kernel, KernelVersion::running())
    }

    fn plan_flush_on(
        &self,
        asked: KernelVersion,
        running: KernelVersion,
    ) -> Result<Option<Vec<FlushPlan>>, UsageError> {
        self.check()?;
        if self.is_all() {
            return Err(UsageError::FlushWithoutCriteria);
        }
        let trusted = asked.min(running);
        // Older kernels may ignore even the family.
        if trusted < KernelVersion::OLDEST {
            return Ok(None);
        }
        // The kernel compares tuples only if it knows the family. Each flow is of one of the two, so two flushes delete
        // what one of both would.
        let families = match self.only_family()? {
            Some(family) => vec![family],
            None if self.asks_tuple() => vec![Family::IPV4, Family::IPV6],
            None => vec![Family::UNSPEC],
        };
        let kernels = Kernels { asked: trusted, trusted, tuples: KernelVersion::FLUSH_TUPLE_FILTER };
        let plans = families.into_iter().map(|family| {
            let DumpPlan { family, criteria, exact } = self.plan(family, kernels);
            exact.then_some(FlushPlan { family, criteria })
        });
        Ok(plans.collect())
    }

    fn plan(&self, family: Family, kernels: Kernels) -> DumpPlan {
        let mut exact = self.tcp_state.is_none();
        // Kernels of every age compare marks, unless they were built without.
        let mark = self.mark.map(|mark| Mark { value: mark.value, mask: Some(mark.mask) });
        let mut criteria = FlowFilter { mark, ..FlowFilter::default() };
        if let Some(Masked { value, mask }) = self.status {
            let status = StatusFilter { value, mask: Some(mask) };
            criteria.status = kernels.take(status, KernelVersion::STATUS_FILTER, &mut exact);
        }
        if let Some(zone) = self.zone {
            criteria.zone = kernels.take(zone, KernelVersion::ZONE_FILTER, &mut exact);
        }
        if self.asks_tuple() {
            // The kernel refuses to compare tuples of a family that it does not track.
            let has_tuples = matches!(family, Family::IPV4 | Family::IPV6);
            match kernels.take((), kernels.tuples, &mut exact).filter(|()| has_tuples) {
                Some(()) => exact &= self.plan_tuples(&mut criteria),
                None => exact = false,
            }
        }
        DumpPlan { family, criteria, exact }
    }

    /// Whether there are criteria for what tuples hold.
    fn asks_tuple(&self) -> bool {
        self.protocol.is_some() || self.orig != Side::default() || self.reply != Side::default()
    }

    /// Fills in the tuples. False if the kernel does not check all of them.
    fn plan_tuples(&self, criteria: &mut FlowFilter) -> bool {
        let orig = self.orig.plan(self.protocol, true);
        let reply = self.reply.plan(self.protocol, false);
        let flags = FilterFlags { orig: orig.flags(), reply: reply.flags() };
        if flags != FilterFlags::default() {
            criteria.filter = Some(flags);
            criteria.orig = flags.orig.map(|_| orig.tuple());
            criteria.reply = flags.reply.map(|_| reply.tuple());
        }
        orig.exact && reply.exact
    }
}

/// Which criteria to send, and which of them to rely on.
#[derive(Clone, Copy)]
struct Kernels {
    /// The version whose criteria are sent.
    asked: KernelVersion,
    /// The version whose criteria are relied on.
    trusted: KernelVersion,
    /// The first version that compares tuples.
    tuples: KernelVersion,
}

impl Kernels {
    /// `criterion`, if it is to be sent. Clears `exact` unless it can be relied on.
    fn take<T>(self, criterion: T, since: KernelVersion, exact: &mut bool) -> Option<T> {
        *exact &= self.trusted >= since;
        (self.asked >= since).then_some(criterion)
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

        // It refuses types that it does not track, and all of these without the protocol.
        if protocol == Some(Protocol::ICMPV6) {
            let tracked = |kind| L4::Icmpv6 { id: 0, kind, code: 0 }.is_tracked().then_some(kind);
            side.proto.icmpv6_id = side.take(self.icmp_id, Some, FilterBits::ICMPV6_ID);
            side.proto.icmpv6_type = side.take(self.icmp_type, tracked, FilterBits::ICMPV6_TYPE);
            side.proto.icmpv6_code = side.take(self.icmp_code, Some, FilterBits::ICMPV6_CODE);
        } else {
            let is_icmp = protocol == Some(Protocol::ICMP);
            let tracked = |kind| (is_icmp && L4::Icmp { id: 0, kind, code: 0 }.is_tracked()).then_some(kind);
            side.proto.icmp_id = side.take(self.icmp_id, |id| is_icmp.then_some(id), FilterBits::ICMP_ID);
            side.proto.icmp_type = side.take(self.icmp_type, tracked, FilterBits::ICMP_TYPE);
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

#[cfg(test)]
mod tests {
    use conntrack_spec::Status;

    use super::*;

    const NEW: KernelVersion = KernelVersion::new(9, 0);

    /// A filter for each feature, and the first version whose flushes have it.
    fn features() -> [(Filter, KernelVersion); 5] {
        [
            (Filter::new().ipv4(), KernelVersion::OLDEST),
            (Filter::new().mark(7), KernelVersion::OLDEST),
            (Filter::new().status(Status::ASSURED), KernelVersion::new(5, 15)),
            (Filter::new().zone(1), KernelVersion::new(6, 8)),
            (Filter::new().ipv4().udp(), KernelVersion::new(6, 12)),
        ]
    }

    fn before(version: KernelVersion) -> KernelVersion {
        KernelVersion::new(version.major, version.minor - 1)
    }

    #[test]
    fn a_flush_relies_on_nothing_newer_than_the_running_kernel() {
        for (filter, since) in features() {
            let planned = |asked, running| filter.plan_flush_on(asked, running).unwrap().is_some();
            assert!(planned(NEW, since), "{filter} on {since}");
            assert!(!planned(NEW, before(since)), "{filter}: {NEW} was said, {} is running", before(since));
            assert!(planned(since, NEW), "{filter} as on {since}");
            assert!(!planned(before(since), NEW), "{filter} as on {}", before(since));
        }
    }

    /// `setarch --uname-2.6` makes Linux 6.18 call itself 2.6.78, and a release may be no version at all.
    #[test]
    fn a_release_that_tells_nothing_leaves_nothing_to_the_kernel() {
        for release in ["2.6.78", "custom", ""] {
            let running = KernelVersion::of_release(release);
            for (filter, _) in features() {
                assert_eq!(filter.plan_flush_on(NEW, running), Ok(None), "{filter} on {release:?}");
            }
        }
    }

    #[test]
    fn a_dump_sends_what_was_said_and_relies_on_what_is_running() {
        let since = [
            (Filter::new().mark(7), KernelVersion::new(0, 1)),
            (Filter::new().status(Status::ASSURED), KernelVersion::new(5, 15)),
            (Filter::new().zone(1), KernelVersion::new(6, 8)),
            (Filter::new().ipv4().udp(), KernelVersion::new(5, 8)),
        ];
        for (filter, since) in since {
            let on = |asked, running| filter.plan_dump_on(asked, running).unwrap();
            let whole = on(NEW, NEW);
            assert!(whole.exact, "{filter}");
            assert_eq!(on(since, NEW), whole, "{filter} as on {since}");
            assert_eq!(on(NEW, since), whole, "{filter} on {since}");
            let needs_a_version = since.major > 0;
            let checked_again = on(NEW, before(since));
            assert_eq!((checked_again.criteria, checked_again.exact), (whole.criteria, !needs_a_version), "{filter}");
            assert_eq!(on(before(since), NEW).exact, !needs_a_version, "{filter}");
        }
    }
}
