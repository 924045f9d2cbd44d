//! What makes no sense is refused before anything is sent: the kernel would refuse it with a bare number at best, and
//! do something else at worst.

use std::net::IpAddr;

use conntrack_spec::codec::TooLong;
use conntrack_spec::{
    Changes, DccpRole, DccpState, Family, FlowKey, FlowUpdate, L4, Mismatch, Nat, NewFlow, ProtoInfo, ProtoInfoDccp,
    ProtoInfoSctp, ProtoInfoTcp, Protocol, Seconds, Status, Tuple,
};

mod expect;
mod helper;
mod policy;

pub(crate) use helper::check_helper;
use policy::LONGEST_TIMEOUT;
pub(crate) use policy::{check_policy, check_timeouts};

/// A request that makes no sense. Nothing was sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UsageError {
    /// IPv4 and IPv6 in one flow or filter.
    #[error("{0}: IPv4 and IPv6 are mixed")]
    MixedFamilies(&'static str),
    /// The two directions have different protocols, which the kernel refuses.
    #[error("the original direction is {orig:?}, the reply direction {reply:?}")]
    MixedProtocols {
        /// Of the original direction.
        orig: Protocol,
        /// Of the reply direction.
        reply: Protocol,
    },
    /// A tuple lacks the ports or identifiers of its protocol, or has those of another one: the kernel would refuse it or
    /// ignore them. A key with an id is not checked for this, because a kernel has reported it.
    #[error("{0}: the ports or identifiers are not those of its protocol")]
    WrongL4(&'static str),
    /// The kernel tracks ICMP queries and their answers only. A key with an id is not checked for this.
    #[error("{0}: the kernel does not track this type of ICMP message")]
    UntrackedIcmp(&'static str),
    /// A flow is in one zone: of both directions or of one of them.
    #[error("more than one zone is given")]
    TwoZones,
    /// The lower end of a range is above its upper end; the kernel would translate to something outside.
    #[error("a range from {min} to {max}")]
    AddressRange {
        /// The lower end.
        min: IpAddr,
        /// The upper end.
        max: IpAddr,
    },
    /// An upper end without a lower one; the kernel would ignore it.
    #[error("an upper address without a lower one")]
    NoLowerAddress,
    /// The lower end of a range is above its upper end.
    #[error("ports from {min} to {max}")]
    PortRange {
        /// The lower end.
        min: u16,
        /// The upper end.
        max: u16,
    },
    /// A created flow cannot have these bits.
    #[error("a flow cannot be created with {0:?}: give it a master, or let it live")]
    Status(Status),
    /// One window scale without the other, or one above 14.
    #[error("window scales are 0 to 14, and given for both directions or none")]
    WindowScale,
    /// A state that the kernel does not take.
    #[error("no state that can be set")]
    State,
    /// SCTP's state and verification tags go together.
    #[error("an SCTP state needs both verification tags, and the tags a state")]
    IncompleteSctp,
    /// A DCCP state without a role or a role without a state, or one that the kernel does not take. Kernels before 6.17,
    /// which track DCCP, would refuse it.
    #[error("a DCCP state is 0 to 7, and goes with a role, 0 or 1")]
    Dccp,
    /// The protocol information is another protocol's; the kernel would ignore it.
    #[error("the protocol information is not that of {0:?}")]
    ProtoInfo(Protocol),
    /// A criterion of a filter was given two different values. The name is that of the [`Filter`](crate::Filter) method
    /// which sets it: call it once.
    #[error("the filter has two contradicting values for {0}")]
    Contradiction(&'static str),
    /// Ports without a protocol that has some, or another criterion that its protocol does not have.
    #[error("the filter asks {0:?} for something it does not have")]
    NotOfProtocol(Protocol),
    /// A flush without criteria: a flush of everything has a method of its own.
    #[error("the filter has no criteria: to flush everything, call flush_all")]
    FlushWithoutCriteria,
    /// A name or a value that is longer than the kernel takes.
    #[error(transparent)]
    TooLong(#[from] TooLong),
    /// A listener to nothing.
    #[error("no groups to listen to")]
    NoGroups,
    /// The mask of an expectation is for another protocol than its tuple.
    #[error("the expectation is of {tuple:?}, its mask of {mask:?}")]
    MaskProtocol {
        /// Of the tuple.
        tuple: Protocol,
        /// Of the mask.
        mask: Protocol,
    },
    /// A class of expectations other than 0, without the helper's name. Linux 5.10 and 6.16 to 6.18.15 would use class 0
    /// without a word: name the helper, as [`NewExpect::class`](crate::NewExpect::class) does.
    #[error("class {0} without its helper: some kernels would use class 0")]
    ClassWithoutHelper(u32),
    /// A zone in a tuple, where the kernel takes none: an expectation has its master's, and a flow's master the flow's,
    /// beside the tuples.
    #[error("{0}: it has a zone of its own, which belongs beside it")]
    TupleZone(&'static str),
    /// A timeout that the kernel would count in less than 32 bits of jiffies, and so make a short one of it.
    #[error("a timeout of {} seconds, at most {} are sure to fit", .0.0, LONGEST_TIMEOUT.0)]
    TimeoutTooLong(Seconds),
    /// A policy or a helper without a name.
    #[error("the name is empty")]
    NoName,
    /// The number of a helper's classes of expectations.
    #[error("a helper has one to four classes, this one has {given} and says {said}")]
    Classes {
        /// How many there are.
        given: usize,
        /// How many it says there are.
        said: u32,
    },
    /// An update whose key has an id, which the kernel does not compare: another flow at the tuple would be changed.
    /// Remove the id ([`FlowKey::without_id`]), or call [`Conntrack::update`](crate::Conntrack::update), which compares
    /// it first.
    #[error("the kernel does not compare the id of an update: remove it, or call Conntrack::update")]
    UpdateById,
    /// A file that is no network namespace.
    #[error("not a network namespace")]
    NotANetworkNamespace,
    /// A struct declares an attribute of a message differently than this crate does.
    #[error(transparent)]
    Mismatch(#[from] Box<Mismatch>),
}

/// What goes into the header of the message, if the request makes sense.
pub(crate) trait Check {
    /// The family of its tuples.
    fn check(&self) -> Result<Family, UsageError>;
}

impl Check for FlowKey {
    fn check(&self) -> Result<Family, UsageError> {
        let tuple = self.tuple.tuple();
        one_zone(&[self.zone, tuple.zone])?;
        check_key("the key", tuple, self.id.is_some())
    }
}

impl Check for NewFlow {
    fn check(&self) -> Result<Family, UsageError> {
        let family = check_tuple("the original direction", &self.orig)?;
        same_family("the reply direction", family, check_tuple("the reply direction", &self.reply)?)?;
        if self.orig.protocol() != self.reply.protocol() {
            return Err(UsageError::MixedProtocols { orig: self.orig.protocol(), reply: self.reply.protocol() });
        }
        if let Some(master) = &self.master {
            same_family("the master", family, check_zoneless("the master", master)?)?;
        }
        one_zone(&[self.zone, self.orig.zone, self.reply.zone])?;
        let unsettable = Status::EXPECTED | Status::DYING;
        if let Some(status) = self.status.filter(|status| status.intersects(unsettable)) {
            return Err(UsageError::Status(status & unsettable));
        }
        for (what, nat) in [("source translation", &self.nat_src), ("destination translation", &self.nat_dst)] {
            if let Some(nat) = nat {
                check_nat(what, family, nat)?;
            }
        }
        if let Some(info) = &self.proto_info {
            check_proto_info(info)?;
            let protocol = match info {
                ProtoInfo::Tcp(_) => Protocol::TCP,
                ProtoInfo::Sctp(_) => Protocol::SCTP,
                ProtoInfo::Dccp(_) => Protocol::DCCP,
                _ => self.orig.protocol(),
            };
            if protocol != self.orig.protocol() {
                return Err(UsageError::ProtoInfo(self.orig.protocol()));
            }
        }
        Ok(family)
    }
}

impl Check for FlowUpdate {
    /// Of a change only what needs no flow to look at can be checked.
    fn check(&self) -> Result<Family, UsageError> {
        if self.key.id.is_some() {
            return Err(UsageError::UpdateById);
        }
        check_update(&self.key, &self.changes)
    }
}

/// Checks a change of the flow with a key, which may have an id: the caller compares it.
pub(crate) fn check_update(key: &FlowKey, changes: &Changes) -> Result<Family, UsageError> {
    changes.proto_info.as_ref().map_or(Ok(()), check_proto_info)?;
    key.check()
}

/// Checks the tuple of a key, and returns its family.
///
/// Only reports have ids. The tuple of a key with an id is therefore as some kernel reported it, perhaps one that tracks a
/// protocol in another way than the kernels known here: it is for the kernel to take or to refuse.
fn check_key(what: &'static str, tuple: &Tuple, is_reported: bool) -> Result<Family, UsageError> {
    if is_reported { family_of(what, tuple) } else { check_tuple(what, tuple) }
}

/// Checks that packets can have a tuple, and returns its family.
fn check_tuple(what: &'static str, tuple: &Tuple) -> Result<Family, UsageError> {
    let family = family_of(what, tuple)?;
    let protocol = tuple.protocol();
    let fits = match tuple.proto.l4 {
        Some(L4::Ports { .. }) => protocol.has_ports() || protocol.has_ports_on_some_kernels(),
        Some(L4::Icmp { .. }) => protocol == Protocol::ICMP,
        Some(L4::Icmpv6 { .. }) => protocol == Protocol::ICMPV6,
        None => !matches!(protocol, Protocol::TCP | Protocol::UDP | Protocol::ICMP | Protocol::ICMPV6),
    };
    if !fits {
        return Err(UsageError::WrongL4(what));
    }
    match tuple.proto.l4 {
        Some(l4) if !l4.is_tracked() => Err(UsageError::UntrackedIcmp(what)),
        _ => Ok(family),
    }
}

fn family_of(what: &'static str, tuple: &Tuple) -> Result<Family, UsageError> {
    tuple.family().ok_or(UsageError::MixedFamilies(what))
}

/// Checks a tuple for which the kernel takes no zone.
fn check_zoneless(what: &'static str, tuple: &Tuple) -> Result<Family, UsageError> {
    check_no_zone(what, tuple)?;
    check_tuple(what, tuple)
}

fn check_no_zone(what: &'static str, tuple: &Tuple) -> Result<(), UsageError> {
    if tuple.zone.is_some() { Err(UsageError::TupleZone(what)) } else { Ok(()) }
}

fn same_family(what: &'static str, expected: Family, found: Family) -> Result<(), UsageError> {
    if expected == found { Ok(()) } else { Err(UsageError::MixedFamilies(what)) }
}

/// Zone 0 is the default zone, which every tuple without one is in.
fn one_zone(zones: &[Option<u16>]) -> Result<(), UsageError> {
    let given = zones.iter().flatten().filter(|zone| **zone != 0).count();
    if given > 1 { Err(UsageError::TwoZones) } else { Ok(()) }
}

fn check_nat(what: &'static str, family: Family, nat: &Nat) -> Result<(), UsageError> {
    match (nat.min, nat.max) {
        (None, Some(_)) => return Err(UsageError::NoLowerAddress),
        (Some(min), Some(max)) if Family::of(min) != Family::of(max) => return Err(UsageError::MixedFamilies(what)),
        (Some(min), Some(max)) if min > max => return Err(UsageError::AddressRange { min, max }),
        (Some(min), _) => same_family(what, family, Family::of(min))?,
        (None, None) => {}
    }
    match nat.ports.and_then(|ports| ports.min.zip(ports.max)) {
        Some((min, max)) if min > max => Err(UsageError::PortRange { min, max }),
        _ => Ok(()),
    }
}

fn check_proto_info(info: &ProtoInfo) -> Result<(), UsageError> {
    /// `TCP_CONNTRACK_SYN_SENT2`, the last state of `net/netfilter/nf_conntrack_proto_tcp.c`'s policy.
    const LAST_TCP_STATE: u8 = 9;
    /// `SCTP_CONNTRACK_HEARTBEAT_SENT`
    const LAST_SCTP_STATE: u8 = 8;
    /// `TCP_MAX_WSCALE`
    const MAX_WSCALE: u8 = 14;

    match info {
        ProtoInfo::Tcp(ProtoInfoTcp { state, wscale_original, wscale_reply, .. }) => {
            if state.is_some_and(|state| state.0 > LAST_TCP_STATE) {
                return Err(UsageError::State);
            }
            let fits = match (wscale_original, wscale_reply) {
                (Some(original), Some(reply)) => *original <= MAX_WSCALE && *reply <= MAX_WSCALE,
                (None, None) => true,
                _ => false,
            };
            if fits { Ok(()) } else { Err(UsageError::WindowScale) }
        }
        ProtoInfo::Sctp(ProtoInfoSctp { state, vtag_original, vtag_reply }) => match (state, vtag_original, vtag_reply)
        {
            (Some(state), Some(_), Some(_)) if state.0 <= LAST_SCTP_STATE => Ok(()),
            (Some(_), Some(_), Some(_)) => Err(UsageError::State),
            _ => Err(UsageError::IncompleteSctp),
        },
        ProtoInfo::Dccp(ProtoInfoDccp { state, role, .. }) => match (state, role) {
            (Some(state), Some(role)) if *state < DccpState::IGNORE && *role <= DccpRole::SERVER => Ok(()),
            _ => Err(UsageError::Dccp),
        },
        _ => Ok(()),
    }
}
