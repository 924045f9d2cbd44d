//! `IPPROTO_*`: the transport protocols.

use crate::named::codes;

codes! {
    /// A transport protocol's number (`include/uapi/linux/in.h`), in `CTA_PROTO_NUM` and `CTA_TIMEOUT_L4PROTO`.
    ///
    /// The kernel tracks TCP, UDP, UDP-Lite, SCTP, GRE, ICMP and ICMPv6 (and DCCP before Linux 6.17) in detail;
    /// every other one, such as ESP, is *generic*: a flow between two addresses, without ports.
    pub struct Protocol(u8), "IPPROTO_" {
        /// Internet control messages, for IPv4.
        ICMP = 1, "IPPROTO_ICMP";
        /// Transmission control.
        TCP = 6, "IPPROTO_TCP";
        /// User datagrams.
        UDP = 17, "IPPROTO_UDP";
        /// Datagram congestion control. Tracked with its states before Linux 6.17, generic since.
        DCCP = 33, "IPPROTO_DCCP";
        /// Generic routing encapsulation: the "ports" are the keys of its PPTP form.
        GRE = 47, "IPPROTO_GRE";
        /// Encrypted payload. Generic.
        ESP = 50, "IPPROTO_ESP";
        /// Authentication header. Generic.
        AH = 51, "IPPROTO_AH";
        /// Internet control messages, for IPv6.
        ICMPV6 = 58, "IPPROTO_ICMPV6";
        /// Stream control transmission.
        SCTP = 132, "IPPROTO_SCTP";
        /// User datagrams with partial checksums.
        UDPLITE = 136, "IPPROTO_UDPLITE";
        /// Any protocol the kernel does not track in detail, where a timeout policy names one.
        GENERIC = 255, "IPPROTO_RAW";
    }
}

impl Protocol {
    /// Whether its tuples have ports (for GRE: keys).
    #[must_use]
    pub const fn has_ports(self) -> bool {
        matches!(self, Self::TCP | Self::UDP | Self::UDPLITE | Self::SCTP | Self::GRE)
    }

    /// Whether its tuples have ports on some kernels and none on others: DCCP, GRE, SCTP and UDP-Lite.
    ///
    /// A kernel that was built without their tracker (`CONFIG_NF_CT_PROTO_*`), or that has none any more (DCCP since Linux
    /// 6.17, UDP-Lite since 7.1), treats them as generic: it reports no ports, and ignores those that it is sent.
    #[must_use]
    pub const fn has_ports_on_some_kernels(self) -> bool {
        matches!(self, Self::DCCP | Self::GRE | Self::SCTP | Self::UDPLITE)
    }
}
