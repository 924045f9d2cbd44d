//! `enum ctattr_protoinfo` and the nests below it: what the kernel knows of a flow's connection.

use conntrack_derive::{Decode, Encode};
use deku::{DekuRead, DekuSize, DekuWrite};

use crate::codec::RawAttribute;
use crate::named::{codes, flags};

/// The state of a connection, for the protocols that have one.
///
/// ```text
/// enum ctattr_protoinfo { CTA_PROTOINFO_UNSPEC, CTA_PROTOINFO_TCP, CTA_PROTOINFO_DCCP, CTA_PROTOINFO_SCTP };
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[non_exhaustive]
pub enum ProtoInfo {
    /// TCP.
    #[nla(CTA_PROTOINFO_TCP)]
    Tcp(ProtoInfoTcp),
    /// DCCP, from kernels before 6.17; newer ones ignore it.
    #[nla(CTA_PROTOINFO_DCCP)]
    Dccp(ProtoInfoDccp),
    /// SCTP.
    #[nla(CTA_PROTOINFO_SCTP)]
    Sctp(ProtoInfoSctp),
    /// A protocol that a newer kernel brought. Decoding it allocates.
    #[nla(other)]
    Other(RawAttribute),
}

impl ProtoInfo {
    /// The TCP state, if it is TCP's.
    #[must_use]
    pub fn tcp_state(&self) -> Option<TcpState> {
        match self {
            Self::Tcp(tcp) => tcp.state,
            _ => None,
        }
    }
}

/// A TCP connection. A `DESTROY` event has only the state.
///
/// ```text
/// enum ctattr_protoinfo_tcp { CTA_PROTOINFO_TCP_UNSPEC, CTA_PROTOINFO_TCP_STATE, … };
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct ProtoInfoTcp {
    /// The state, 0 to 9 when sent, else `ERANGE`.
    #[nla(CTA_PROTOINFO_TCP_STATE)]
    pub state: Option<TcpState>,
    /// Window scale of the original direction, 0 to 14. Taken only with the reply's, and only if both directions have
    /// [`TcpFlagBits::WINDOW_SCALE`]; otherwise silently ignored.
    #[nla(CTA_PROTOINFO_TCP_WSCALE_ORIGINAL)]
    pub wscale_original: Option<u8>,
    /// Window scale of the reply direction, 0 to 14.
    #[nla(CTA_PROTOINFO_TCP_WSCALE_REPLY)]
    pub wscale_reply: Option<u8>,
    /// Flags of the original direction.
    #[nla(CTA_PROTOINFO_TCP_FLAGS_ORIGINAL)]
    pub flags_original: Option<TcpFlags>,
    /// Flags of the reply direction.
    #[nla(CTA_PROTOINFO_TCP_FLAGS_REPLY)]
    pub flags_reply: Option<TcpFlags>,
}

codes! {
    /// `enum tcp_conntrack` (`include/uapi/linux/netfilter/nf_conntrack_tcp.h`).
    pub struct TcpState(u8), "TCP_CONNTRACK_" {
        /// No segment seen: a flow created over netlink without a state.
        NONE = 0, "TCP_CONNTRACK_NONE";
        /// A SYN was sent.
        SYN_SENT = 1, "TCP_CONNTRACK_SYN_SENT";
        /// It was answered with SYN and ACK.
        SYN_RECV = 2, "TCP_CONNTRACK_SYN_RECV";
        /// The handshake is complete.
        ESTABLISHED = 3, "TCP_CONNTRACK_ESTABLISHED";
        /// A FIN was sent.
        FIN_WAIT = 4, "TCP_CONNTRACK_FIN_WAIT";
        /// It was acknowledged.
        CLOSE_WAIT = 5, "TCP_CONNTRACK_CLOSE_WAIT";
        /// FINs were sent both ways.
        LAST_ACK = 6, "TCP_CONNTRACK_LAST_ACK";
        /// The last FIN was acknowledged.
        TIME_WAIT = 7, "TCP_CONNTRACK_TIME_WAIT";
        /// Closed, by a reset most often.
        CLOSE = 8, "TCP_CONNTRACK_CLOSE";
        /// SYNs were sent both ways. The same number as the obsolete `TCP_CONNTRACK_LISTEN`.
        SYN_SENT2 = 9, "TCP_CONNTRACK_SYN_SENT2";
    }
}

/// Flags of one direction and which of them to change.
///
/// ```text
/// struct nf_ct_tcp_flags { __u8 flags; __u8 mask; };
/// ```
///
/// When sent, the kernel computes `new = (old & ~mask) | (flags & mask)`. When received, the mask is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, DekuRead, DekuWrite, DekuSize, Encode, Decode)]
#[nla(layout)]
pub struct TcpFlags {
    /// The flags, as [`TcpFlagBits`].
    pub flags: u8,
    /// Which of them count.
    pub mask: u8,
}

impl TcpFlags {
    /// Sets exactly `flags`, clearing all others.
    #[must_use]
    pub const fn exactly(flags: TcpFlagBits) -> Self {
        Self { flags: flags.bits(), mask: 0xff }
    }

    /// Sets `flags` and leaves the others as they are.
    #[must_use]
    pub const fn set(flags: TcpFlagBits) -> Self {
        Self { flags: flags.bits(), mask: flags.bits() }
    }

    /// The flags.
    #[must_use]
    pub const fn bits(self) -> TcpFlagBits {
        TcpFlagBits::from_bits_retain(self.flags)
    }
}

flags! {
    /// `IP_CT_TCP_FLAG_*` (`include/uapi/linux/netfilter/nf_conntrack_tcp.h`).
    pub struct TcpFlagBits(u8), "IP_CT_" {
        /// The sender scales its window.
        WINDOW_SCALE = 0x01, "IP_CT_TCP_FLAG_WINDOW_SCALE";
        /// The sender permits selective acknowledgements.
        SACK_PERM = 0x02, "IP_CT_TCP_FLAG_SACK_PERM";
        /// The sender was the first to send a FIN.
        CLOSE_INIT = 0x04, "IP_CT_TCP_FLAG_CLOSE_INIT";
        /// Segments outside the window are accepted: for flows restored in the middle.
        BE_LIBERAL = 0x08, "IP_CT_TCP_FLAG_BE_LIBERAL";
        /// Data is not acknowledged yet.
        DATA_UNACKNOWLEDGED = 0x10, "IP_CT_TCP_FLAG_DATA_UNACKNOWLEDGED";
        /// The highest acknowledgement is known.
        MAXACK_SET = 0x20, "IP_CT_TCP_FLAG_MAXACK_SET";
        /// A challenge ACK (RFC 5961) may come.
        EXP_CHALLENGE_ACK = 0x40, "IP_CT_EXP_CHALLENGE_ACK";
        /// Both sides opened at once.
        SIMULTANEOUS_OPEN = 0x80, "IP_CT_TCP_SIMULTANEOUS_OPEN";
    }
}

/// An SCTP association. All three are required when sent, else `EINVAL`; a `DESTROY` event has only the state.
///
/// ```text
/// enum ctattr_protoinfo_sctp { CTA_PROTOINFO_SCTP_UNSPEC, CTA_PROTOINFO_SCTP_STATE, … };
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct ProtoInfoSctp {
    /// The state, 0 to 8 when sent, else `ERANGE`.
    #[nla(CTA_PROTOINFO_SCTP_STATE)]
    pub state: Option<SctpState>,
    /// Verification tag of the original direction.
    #[nla(CTA_PROTOINFO_SCTP_VTAG_ORIGINAL)]
    pub vtag_original: Option<u32>,
    /// Verification tag of the reply direction.
    #[nla(CTA_PROTOINFO_SCTP_VTAG_REPLY)]
    pub vtag_reply: Option<u32>,
}

codes! {
    /// `enum sctp_conntrack` (`include/uapi/linux/netfilter/nf_conntrack_sctp.h`).
    pub struct SctpState(u8), "SCTP_CONNTRACK_" {
        /// No packet seen.
        NONE = 0, "SCTP_CONNTRACK_NONE";
        /// Closed.
        CLOSED = 1, "SCTP_CONNTRACK_CLOSED";
        /// An INIT was sent.
        COOKIE_WAIT = 2, "SCTP_CONNTRACK_COOKIE_WAIT";
        /// A COOKIE ECHO was sent.
        COOKIE_ECHOED = 3, "SCTP_CONNTRACK_COOKIE_ECHOED";
        /// The handshake is complete.
        ESTABLISHED = 4, "SCTP_CONNTRACK_ESTABLISHED";
        /// A SHUTDOWN was sent.
        SHUTDOWN_SENT = 5, "SCTP_CONNTRACK_SHUTDOWN_SENT";
        /// It was answered.
        SHUTDOWN_RECD = 6, "SCTP_CONNTRACK_SHUTDOWN_RECD";
        /// The answer was acknowledged.
        SHUTDOWN_ACK_SENT = 7, "SCTP_CONNTRACK_SHUTDOWN_ACK_SENT";
        /// A HEARTBEAT was sent on a path without an association.
        HEARTBEAT_SENT = 8, "SCTP_CONNTRACK_HEARTBEAT_SENT";
        /// No longer used, and refused when sent.
        HEARTBEAT_ACKED = 9, "SCTP_CONNTRACK_HEARTBEAT_ACKED";
    }
}

/// A DCCP connection, from kernels before 6.17.
///
/// ```text
/// enum ctattr_protoinfo_dccp { CTA_PROTOINFO_DCCP_UNSPEC, CTA_PROTOINFO_DCCP_STATE, … };
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[nla(pad(CTA_PROTOINFO_DCCP_PAD))]
pub struct ProtoInfoDccp {
    /// The state.
    #[nla(CTA_PROTOINFO_DCCP_STATE)]
    pub state: Option<DccpState>,
    /// Which end the original direction comes from.
    #[nla(CTA_PROTOINFO_DCCP_ROLE)]
    pub role: Option<DccpRole>,
    /// Sequence number of the handshake.
    #[nla(CTA_PROTOINFO_DCCP_HANDSHAKE_SEQ)]
    pub handshake_seq: Option<u64>,
}

codes! {
    /// `enum ct_dccp_states` (`include/linux/netfilter/nf_conntrack_dccp.h`, before Linux 6.17).
    pub struct DccpState(u8), "CT_DCCP_" {
        /// No packet seen.
        NONE = 0, "CT_DCCP_NONE";
        /// A request was sent.
        REQUEST = 1, "CT_DCCP_REQUEST";
        /// It was answered.
        RESPOND = 2, "CT_DCCP_RESPOND";
        /// The client acknowledged the answer.
        PARTOPEN = 3, "CT_DCCP_PARTOPEN";
        /// Data flows.
        OPEN = 4, "CT_DCCP_OPEN";
        /// The server asked to close.
        CLOSEREQ = 5, "CT_DCCP_CLOSEREQ";
        /// Closing.
        CLOSING = 6, "CT_DCCP_CLOSING";
        /// Closed, waiting.
        TIMEWAIT = 7, "CT_DCCP_TIMEWAIT";
        /// Internal to the kernel.
        IGNORE = 8, "CT_DCCP_IGNORE";
        /// Internal to the kernel.
        INVALID = 9, "CT_DCCP_INVALID";
    }
}

codes! {
    /// `enum ct_dccp_roles` (`include/linux/netfilter/nf_conntrack_dccp.h`, before Linux 6.17).
    pub struct DccpRole(u8), "CT_DCCP_ROLE_" {
        /// The original direction comes from the client.
        CLIENT = 0, "CT_DCCP_ROLE_CLIENT";
        /// The original direction comes from the server.
        SERVER = 1, "CT_DCCP_ROLE_SERVER";
    }
}
