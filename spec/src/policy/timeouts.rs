//! `CTA_TIMEOUT_DATA` (`include/uapi/linux/netfilter/nfnetlink_cttimeout.h`): timeouts, by transport protocol.

use conntrack_derive::{Decode, Encode};

use crate::tagged::tagged;
use crate::{Protocol, Seconds};

tagged! {
    /// How long flows of one transport protocol live in each state after their last packet. Timeouts are 32-bit numbers
    /// of seconds, and 0 ends a flow with the packet that brings it there.
    pub enum Timeouts {
        /// The transport protocol; [`Protocol::GENERIC`] stands for those that the kernel does not track in detail.
        protocol: CTA_TIMEOUT_L4PROTO as Protocol;
        /// The timeouts.
        timeouts: CTA_TIMEOUT_DATA;
        /// TCP.
        TCP => Tcp(TcpTimeouts),
        /// UDP.
        UDP => Udp(UdpTimeouts),
        /// UDP-Lite.
        UDPLITE => Udplite(UdpliteTimeouts),
        /// ICMP.
        ICMP => Icmp(IcmpTimeouts),
        /// ICMPv6.
        ICMPV6 => Icmpv6(Icmpv6Timeouts),
        /// SCTP.
        SCTP => Sctp(SctpTimeouts),
        /// DCCP. Kernels before 6.17; later ones answer `EOPNOTSUPP`.
        DCCP => Dccp(DccpTimeouts),
        /// GRE.
        GRE => Gre(GreTimeouts),
        /// Every protocol that the kernel does not track in detail.
        GENERIC => Generic(GenericTimeouts),
    }
}

impl Timeouts {
    /// The transport protocol.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        crate::codec::Tagged::tag(self)
    }
}

/// Declares a nest of timeouts, and lists them.
macro_rules! timeouts {
    ($($(#[$meta:meta])* $struct:ident in $variant:ident {
        $($(#[doc = $doc:literal])* $constant:ident $field:ident,)*
    })*) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Encode, Decode)]
        pub struct $struct {
            $(
                $(#[doc = $doc])*
                #[nla($constant)]
                pub $field: Option<Seconds>,
            )*
        }

        impl $struct {
            /// None of them: they keep their defaults.
            #[must_use]
            pub fn new() -> Self {
                Self::default()
            }

            $(
                $(#[doc = $doc])*
                #[must_use]
                pub fn $field(mut self, timeout: impl Into<Seconds>) -> Self {
                    self.$field = Some(timeout.into());
                    self
                }
            )*

            fn largest(&self) -> Option<Seconds> {
                [$(self.$field),*].into_iter().flatten().max()
            }
        }

        impl From<$struct> for Timeouts {
            fn from(timeouts: $struct) -> Self {
                Self::$variant(timeouts)
            }
        }
    )*

        impl Timeouts {
            /// The longest timeout of those that are there.
            #[must_use]
            pub fn largest(&self) -> Option<Seconds> {
                match self {
                    $(Self::$variant(timeouts) => timeouts.largest(),)*
                    Self::Other { .. } => None,
                }
            }
        }
    };
}

timeouts! {
    /// TCP's timeouts.
    ///
    /// ```text
    /// enum ctattr_timeout_tcp { CTA_TIMEOUT_TCP_UNSPEC, CTA_TIMEOUT_TCP_SYN_SENT, CTA_TIMEOUT_TCP_SYN_RECV, … };
    /// ```
    TcpTimeouts in Tcp {
        /// A SYN was sent.
        CTA_TIMEOUT_TCP_SYN_SENT syn_sent,
        /// It was answered with a SYN.
        CTA_TIMEOUT_TCP_SYN_RECV syn_recv,
        /// The connection is established.
        CTA_TIMEOUT_TCP_ESTABLISHED established,
        /// One end has sent a FIN.
        CTA_TIMEOUT_TCP_FIN_WAIT fin_wait,
        /// The FIN was acknowledged.
        CTA_TIMEOUT_TCP_CLOSE_WAIT close_wait,
        /// Both ends have sent a FIN.
        CTA_TIMEOUT_TCP_LAST_ACK last_ack,
        /// Both were acknowledged.
        CTA_TIMEOUT_TCP_TIME_WAIT time_wait,
        /// The connection was reset.
        CTA_TIMEOUT_TCP_CLOSE close,
        /// Both ends have sent a SYN at once.
        CTA_TIMEOUT_TCP_SYN_SENT2 syn_sent2,
        /// At most this, once segments have been sent again too often.
        CTA_TIMEOUT_TCP_RETRANS retrans,
        /// At most this, while data is not acknowledged.
        CTA_TIMEOUT_TCP_UNACK unack,
    }

    /// UDP's timeouts.
    ///
    /// ```text
    /// enum ctattr_timeout_udp { CTA_TIMEOUT_UDP_UNSPEC, CTA_TIMEOUT_UDP_UNREPLIED, CTA_TIMEOUT_UDP_REPLIED };
    /// ```
    UdpTimeouts in Udp {
        /// No answer was seen.
        CTA_TIMEOUT_UDP_UNREPLIED unreplied,
        /// There was one, and more than two seconds of traffic.
        CTA_TIMEOUT_UDP_REPLIED replied,
    }

    /// UDP-Lite's timeouts. The namespace has one default for both it and UDP.
    ///
    /// ```text
    /// enum ctattr_timeout_udplite { CTA_TIMEOUT_UDPLITE_UNSPEC, CTA_TIMEOUT_UDPLITE_UNREPLIED, … };
    /// ```
    UdpliteTimeouts in Udplite {
        /// No answer was seen.
        CTA_TIMEOUT_UDPLITE_UNREPLIED unreplied,
        /// There was one.
        CTA_TIMEOUT_UDPLITE_REPLIED replied,
    }

    /// ICMP's timeout.
    ///
    /// ```text
    /// enum ctattr_timeout_icmp { CTA_TIMEOUT_ICMP_UNSPEC, CTA_TIMEOUT_ICMP_TIMEOUT };
    /// ```
    IcmpTimeouts in Icmp {
        /// After a query or its answer.
        CTA_TIMEOUT_ICMP_TIMEOUT timeout,
    }

    /// ICMPv6's timeout.
    ///
    /// ```text
    /// enum ctattr_timeout_icmpv6 { CTA_TIMEOUT_ICMPV6_UNSPEC, CTA_TIMEOUT_ICMPV6_TIMEOUT };
    /// ```
    Icmpv6Timeouts in Icmpv6 {
        /// After a query or its answer.
        CTA_TIMEOUT_ICMPV6_TIMEOUT timeout,
    }

    /// SCTP's timeouts.
    ///
    /// ```text
    /// enum ctattr_timeout_sctp { CTA_TIMEOUT_SCTP_UNSPEC, CTA_TIMEOUT_SCTP_CLOSED, CTA_TIMEOUT_SCTP_COOKIE_WAIT, … };
    /// ```
    SctpTimeouts in Sctp {
        /// The association was shut down or aborted.
        CTA_TIMEOUT_SCTP_CLOSED closed,
        /// An INIT was sent.
        CTA_TIMEOUT_SCTP_COOKIE_WAIT cookie_wait,
        /// The cookie was sent back.
        CTA_TIMEOUT_SCTP_COOKIE_ECHOED cookie_echoed,
        /// The association is established.
        CTA_TIMEOUT_SCTP_ESTABLISHED established,
        /// One end has sent a SHUTDOWN.
        CTA_TIMEOUT_SCTP_SHUTDOWN_SENT shutdown_sent,
        /// The other end has.
        CTA_TIMEOUT_SCTP_SHUTDOWN_RECD shutdown_recd,
        /// The SHUTDOWN was acknowledged.
        CTA_TIMEOUT_SCTP_SHUTDOWN_ACK_SENT shutdown_ack_sent,
        /// Of an association that was there before it was tracked, a heartbeat was seen.
        CTA_TIMEOUT_SCTP_HEARTBEAT_SENT heartbeat_sent,
        /// It was answered. No longer used: reported as 0.
        CTA_TIMEOUT_SCTP_HEARTBEAT_ACKED heartbeat_acked,
    }

    /// DCCP's timeouts, in kernels before 6.17.
    ///
    /// ```text
    /// enum ctattr_timeout_dccp { CTA_TIMEOUT_DCCP_UNSPEC, CTA_TIMEOUT_DCCP_REQUEST, CTA_TIMEOUT_DCCP_RESPOND, … };
    /// ```
    DccpTimeouts in Dccp {
        /// A Request was sent.
        CTA_TIMEOUT_DCCP_REQUEST request,
        /// It was answered.
        CTA_TIMEOUT_DCCP_RESPOND respond,
        /// The answer was acknowledged.
        CTA_TIMEOUT_DCCP_PARTOPEN partopen,
        /// The connection is established.
        CTA_TIMEOUT_DCCP_OPEN open,
        /// The server wants to close it.
        CTA_TIMEOUT_DCCP_CLOSEREQ closereq,
        /// One end has closed it.
        CTA_TIMEOUT_DCCP_CLOSING closing,
        /// Both have.
        CTA_TIMEOUT_DCCP_TIMEWAIT timewait,
    }

    /// GRE's timeouts.
    ///
    /// ```text
    /// enum ctattr_timeout_gre { CTA_TIMEOUT_GRE_UNSPEC, CTA_TIMEOUT_GRE_UNREPLIED, CTA_TIMEOUT_GRE_REPLIED };
    /// ```
    GreTimeouts in Gre {
        /// No answer was seen.
        CTA_TIMEOUT_GRE_UNREPLIED unreplied,
        /// There was one.
        CTA_TIMEOUT_GRE_REPLIED replied,
    }

    /// The timeout of protocols that the kernel does not track in detail.
    ///
    /// ```text
    /// enum ctattr_timeout_generic { CTA_TIMEOUT_GENERIC_UNSPEC, CTA_TIMEOUT_GENERIC_TIMEOUT };
    /// ```
    GenericTimeouts in Generic {
        /// After a packet.
        CTA_TIMEOUT_GENERIC_TIMEOUT timeout,
    }
}
