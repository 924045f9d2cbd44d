//! `enum ctattr_type`, as a request selects flows, and `enum ctattr_filter`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use conntrack_derive::{Decode, Encode};

use crate::named::flags;
use crate::{Mark, Protocol, StatusFilter};

/// What a dump or a flush asks the kernel to select, beside the family in the message's header.
///
/// This is the kernel's language with the kernel's mistakes: older kernels ignore what they do not know and select more,
/// the address comparison is inverted for IPv6, ports of other protocols than TCP and UDP are not compared. The filter
/// of the `conntrack` crate knows all this; use it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct FlowFilter {
    /// The values to compare the original direction with.
    #[nla(CTA_TUPLE_ORIG)]
    pub orig: Option<FilterTuple>,
    /// The values to compare the reply direction with.
    #[nla(CTA_TUPLE_REPLY)]
    pub reply: Option<FilterTuple>,
    /// The status.
    #[nla(flatten)]
    pub status: Option<StatusFilter>,
    /// The mark.
    #[nla(flatten)]
    pub mark: Option<Mark>,
    /// The zone, whichever direction it applies to; 0 selects flows of the default zone. Dumps and flushes since 6.8.
    #[nla(CTA_ZONE, since = "6.8")]
    pub zone: Option<u16>,
    /// Which values of the tuples to compare. Dumps since 5.8, flushes since 6.12.
    #[nla(CTA_FILTER, since = "5.8")]
    pub filter: Option<FilterFlags>,
}

/// Which values of the two tuples count. The kernel parses this nest strictly: nothing unknown may be in it.
///
/// ```text
/// enum ctattr_filter { CTA_FILTER_UNSPEC, CTA_FILTER_ORIG_FLAGS, CTA_FILTER_REPLY_FLAGS };
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct FilterFlags {
    /// Of the original direction.
    #[nla(CTA_FILTER_ORIG_FLAGS)]
    pub orig: Option<FilterBits>,
    /// Of the reply direction.
    #[nla(CTA_FILTER_REPLY_FLAGS)]
    pub reply: Option<FilterBits>,
}

flags! {
    /// `CTA_FILTER_F_*` (`net/netfilter/nf_conntrack_netlink.c`; no public header has them). In host byte order, as
    /// nothing else of this protocol is.
    pub struct FilterBits(u32, Native), "CTA_FILTER_F_CTA_" {
        /// The source address. Inverted for IPv6: it selects every other address.
        IP_SRC = 0x001, "CTA_FILTER_F_CTA_IP_SRC";
        /// The destination address. Inverted for IPv6.
        IP_DST = 0x002, "CTA_FILTER_F_CTA_IP_DST";
        /// The zone of the tuple. Has no effect.
        TUPLE_ZONE = 0x004, "CTA_FILTER_F_CTA_TUPLE_ZONE";
        /// The protocol; required with any of the following.
        PROTO_NUM = 0x008, "CTA_FILTER_F_CTA_PROTO_NUM";
        /// The source port, of TCP and UDP.
        SRC_PORT = 0x010, "CTA_FILTER_F_CTA_PROTO_SRC_PORT";
        /// The destination port, of TCP and UDP.
        DST_PORT = 0x020, "CTA_FILTER_F_CTA_PROTO_DST_PORT";
        /// The ICMP type.
        ICMP_TYPE = 0x040, "CTA_FILTER_F_CTA_PROTO_ICMP_TYPE";
        /// The ICMP code.
        ICMP_CODE = 0x080, "CTA_FILTER_F_CTA_PROTO_ICMP_CODE";
        /// The ICMP identifier.
        ICMP_ID = 0x100, "CTA_FILTER_F_CTA_PROTO_ICMP_ID";
        /// The ICMPv6 type.
        ICMPV6_TYPE = 0x200, "CTA_FILTER_F_CTA_PROTO_ICMPV6_TYPE";
        /// The ICMPv6 code.
        ICMPV6_CODE = 0x400, "CTA_FILTER_F_CTA_PROTO_ICMPV6_CODE";
        /// The ICMPv6 identifier.
        ICMPV6_ID = 0x800, "CTA_FILTER_F_CTA_PROTO_ICMPV6_ID";
    }
}

/// A tuple of which only some values are given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct FilterTuple {
    /// The addresses.
    #[nla(CTA_TUPLE_IP)]
    pub ip: Option<FilterIp>,
    /// The protocol and what tells its flows apart.
    #[nla(CTA_TUPLE_PROTO)]
    pub proto: Option<FilterProto>,
}

/// Addresses of which some are given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct FilterIp {
    /// Source address.
    #[nla(CTA_IP_V4_SRC as Ipv4Addr, CTA_IP_V6_SRC as Ipv6Addr)]
    pub src: Option<IpAddr>,
    /// Destination address.
    #[nla(CTA_IP_V4_DST as Ipv4Addr, CTA_IP_V6_DST as Ipv6Addr)]
    pub dst: Option<IpAddr>,
}

/// Transport values of which some are given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct FilterProto {
    /// The protocol.
    #[nla(CTA_PROTO_NUM)]
    pub num: Option<Protocol>,
    /// Source port.
    #[nla(CTA_PROTO_SRC_PORT)]
    pub src_port: Option<u16>,
    /// Destination port.
    #[nla(CTA_PROTO_DST_PORT)]
    pub dst_port: Option<u16>,
    /// ICMP identifier.
    #[nla(CTA_PROTO_ICMP_ID)]
    pub icmp_id: Option<u16>,
    /// ICMP type.
    #[nla(CTA_PROTO_ICMP_TYPE)]
    pub icmp_type: Option<u8>,
    /// ICMP code.
    #[nla(CTA_PROTO_ICMP_CODE)]
    pub icmp_code: Option<u8>,
    /// ICMPv6 identifier.
    #[nla(CTA_PROTO_ICMPV6_ID)]
    pub icmpv6_id: Option<u16>,
    /// ICMPv6 type.
    #[nla(CTA_PROTO_ICMPV6_TYPE)]
    pub icmpv6_type: Option<u8>,
    /// ICMPv6 code.
    #[nla(CTA_PROTO_ICMPV6_CODE)]
    pub icmpv6_code: Option<u8>,
}
