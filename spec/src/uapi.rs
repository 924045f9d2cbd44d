//! The kernel's constants, enum by enum in the order of their headers.
//!
//! A test reads the installed headers and compares every number.

/// Declares the constants of C enums, and lists them for whoever wants to compare them with a header.
macro_rules! enums {
    ($($(#[$doc:meta])* enum $enum:ident: $type:ty { $($name:ident = $value:literal,)* })*) => {
        pub use self::numbers::*;

        /// What generated code has in scope: these constants and nothing else.
        pub(crate) mod numbers {
            $($(
                #[doc = concat!("`enum ", stringify!($enum), "`")]
                pub const $name: $type = $value;
            )*)*
        }

        /// Every constant of this module, under the C enum that it belongs to.
        pub const ENUMS: &[(&str, &[(&str, u32)])] =
            &[$((stringify!($enum), &[$((stringify!($name), $value)),*])),*];
    };
}

// include/uapi/linux/netfilter/nfnetlink_conntrack.h
enums! {
    enum cntl_msg_types: u8 {
        IPCTNL_MSG_CT_NEW = 0,
        IPCTNL_MSG_CT_GET = 1,
        IPCTNL_MSG_CT_DELETE = 2,
        IPCTNL_MSG_CT_GET_CTRZERO = 3,
        IPCTNL_MSG_CT_GET_STATS_CPU = 4,
        IPCTNL_MSG_CT_GET_STATS = 5,
        IPCTNL_MSG_CT_GET_DYING = 6,
        IPCTNL_MSG_CT_GET_UNCONFIRMED = 7,
    }

    enum ctnl_exp_msg_types: u8 {
        IPCTNL_MSG_EXP_NEW = 0,
        IPCTNL_MSG_EXP_GET = 1,
        IPCTNL_MSG_EXP_DELETE = 2,
        IPCTNL_MSG_EXP_GET_STATS_CPU = 3,
    }

    enum ctattr_type: u16 {
        CTA_TUPLE_ORIG = 1,
        CTA_TUPLE_REPLY = 2,
        CTA_STATUS = 3,
        CTA_PROTOINFO = 4,
        CTA_HELP = 5,
        CTA_NAT_SRC = 6,
        CTA_TIMEOUT = 7,
        CTA_MARK = 8,
        CTA_COUNTERS_ORIG = 9,
        CTA_COUNTERS_REPLY = 10,
        CTA_USE = 11,
        CTA_ID = 12,
        CTA_NAT_DST = 13,
        CTA_TUPLE_MASTER = 14,
        CTA_SEQ_ADJ_ORIG = 15,
        CTA_SEQ_ADJ_REPLY = 16,
        CTA_SECMARK = 17,
        CTA_ZONE = 18,
        CTA_SECCTX = 19,
        CTA_TIMESTAMP = 20,
        CTA_MARK_MASK = 21,
        CTA_LABELS = 22,
        CTA_LABELS_MASK = 23,
        CTA_SYNPROXY = 24,
        CTA_FILTER = 25,
        CTA_STATUS_MASK = 26,
        CTA_TIMESTAMP_EVENT = 27,
    }

    enum ctattr_tuple: u16 {
        CTA_TUPLE_IP = 1,
        CTA_TUPLE_PROTO = 2,
        CTA_TUPLE_ZONE = 3,
    }

    enum ctattr_ip: u16 {
        CTA_IP_V4_SRC = 1,
        CTA_IP_V4_DST = 2,
        CTA_IP_V6_SRC = 3,
        CTA_IP_V6_DST = 4,
    }

    enum ctattr_l4proto: u16 {
        CTA_PROTO_NUM = 1,
        CTA_PROTO_SRC_PORT = 2,
        CTA_PROTO_DST_PORT = 3,
        CTA_PROTO_ICMP_ID = 4,
        CTA_PROTO_ICMP_TYPE = 5,
        CTA_PROTO_ICMP_CODE = 6,
        CTA_PROTO_ICMPV6_ID = 7,
        CTA_PROTO_ICMPV6_TYPE = 8,
        CTA_PROTO_ICMPV6_CODE = 9,
    }

    enum ctattr_protoinfo: u16 {
        CTA_PROTOINFO_TCP = 1,
        CTA_PROTOINFO_DCCP = 2,
        CTA_PROTOINFO_SCTP = 3,
    }

    enum ctattr_protoinfo_tcp: u16 {
        CTA_PROTOINFO_TCP_STATE = 1,
        CTA_PROTOINFO_TCP_WSCALE_ORIGINAL = 2,
        CTA_PROTOINFO_TCP_WSCALE_REPLY = 3,
        CTA_PROTOINFO_TCP_FLAGS_ORIGINAL = 4,
        CTA_PROTOINFO_TCP_FLAGS_REPLY = 5,
    }

    enum ctattr_protoinfo_dccp: u16 {
        CTA_PROTOINFO_DCCP_STATE = 1,
        CTA_PROTOINFO_DCCP_ROLE = 2,
        CTA_PROTOINFO_DCCP_HANDSHAKE_SEQ = 3,
        CTA_PROTOINFO_DCCP_PAD = 4,
    }

    enum ctattr_protoinfo_sctp: u16 {
        CTA_PROTOINFO_SCTP_STATE = 1,
        CTA_PROTOINFO_SCTP_VTAG_ORIGINAL = 2,
        CTA_PROTOINFO_SCTP_VTAG_REPLY = 3,
    }

    enum ctattr_counters: u16 {
        CTA_COUNTERS_PACKETS = 1,
        CTA_COUNTERS_BYTES = 2,
        CTA_COUNTERS32_PACKETS = 3,
        CTA_COUNTERS32_BYTES = 4,
        CTA_COUNTERS_PAD = 5,
    }

    enum ctattr_tstamp: u16 {
        CTA_TIMESTAMP_START = 1,
        CTA_TIMESTAMP_STOP = 2,
        CTA_TIMESTAMP_PAD = 3,
    }

    enum ctattr_nat: u16 {
        CTA_NAT_V4_MINIP = 1,
        CTA_NAT_V4_MAXIP = 2,
        CTA_NAT_PROTO = 3,
        CTA_NAT_V6_MINIP = 4,
        CTA_NAT_V6_MAXIP = 5,
    }

    enum ctattr_protonat: u16 {
        CTA_PROTONAT_PORT_MIN = 1,
        CTA_PROTONAT_PORT_MAX = 2,
    }

    enum ctattr_seqadj: u16 {
        CTA_SEQADJ_CORRECTION_POS = 1,
        CTA_SEQADJ_OFFSET_BEFORE = 2,
        CTA_SEQADJ_OFFSET_AFTER = 3,
    }

    enum ctattr_synproxy: u16 {
        CTA_SYNPROXY_ISN = 1,
        CTA_SYNPROXY_ITS = 2,
        CTA_SYNPROXY_TSOFF = 3,
    }

    enum ctattr_expect: u16 {
        CTA_EXPECT_MASTER = 1,
        CTA_EXPECT_TUPLE = 2,
        CTA_EXPECT_MASK = 3,
        CTA_EXPECT_TIMEOUT = 4,
        CTA_EXPECT_ID = 5,
        CTA_EXPECT_HELP_NAME = 6,
        CTA_EXPECT_ZONE = 7,
        CTA_EXPECT_FLAGS = 8,
        CTA_EXPECT_CLASS = 9,
        CTA_EXPECT_NAT = 10,
        CTA_EXPECT_FN = 11,
    }

    enum ctattr_expect_nat: u16 {
        CTA_EXPECT_NAT_DIR = 1,
        CTA_EXPECT_NAT_TUPLE = 2,
    }

    enum ctattr_help: u16 {
        CTA_HELP_NAME = 1,
        CTA_HELP_INFO = 2,
    }

    enum ctattr_secctx: u16 {
        CTA_SECCTX_NAME = 1,
    }

    enum ctattr_stats_cpu: u16 {
        CTA_STATS_SEARCHED = 1,
        CTA_STATS_FOUND = 2,
        CTA_STATS_NEW = 3,
        CTA_STATS_INVALID = 4,
        CTA_STATS_IGNORE = 5,
        CTA_STATS_DELETE = 6,
        CTA_STATS_DELETE_LIST = 7,
        CTA_STATS_INSERT = 8,
        CTA_STATS_INSERT_FAILED = 9,
        CTA_STATS_DROP = 10,
        CTA_STATS_EARLY_DROP = 11,
        CTA_STATS_ERROR = 12,
        CTA_STATS_SEARCH_RESTART = 13,
        CTA_STATS_CLASH_RESOLVE = 14,
        CTA_STATS_CHAIN_TOOLONG = 15,
    }

    enum ctattr_stats_global: u16 {
        CTA_STATS_GLOBAL_ENTRIES = 1,
        CTA_STATS_GLOBAL_MAX_ENTRIES = 2,
    }

    enum ctattr_expect_stats: u16 {
        CTA_STATS_EXP_NEW = 1,
        CTA_STATS_EXP_CREATE = 2,
        CTA_STATS_EXP_DELETE = 3,
    }

    enum ctattr_filter: u16 {
        CTA_FILTER_ORIG_FLAGS = 1,
        CTA_FILTER_REPLY_FLAGS = 2,
    }

    // include/uapi/linux/netfilter/nfnetlink_cttimeout.h
    enum ctnl_timeout_msg_types: u8 {
        IPCTNL_MSG_TIMEOUT_NEW = 0,
        IPCTNL_MSG_TIMEOUT_GET = 1,
        IPCTNL_MSG_TIMEOUT_DELETE = 2,
        IPCTNL_MSG_TIMEOUT_DEFAULT_SET = 3,
        IPCTNL_MSG_TIMEOUT_DEFAULT_GET = 4,
    }

    enum ctattr_timeout: u16 {
        CTA_TIMEOUT_NAME = 1,
        CTA_TIMEOUT_L3PROTO = 2,
        CTA_TIMEOUT_L4PROTO = 3,
        CTA_TIMEOUT_DATA = 4,
        CTA_TIMEOUT_USE = 5,
    }

    enum ctattr_timeout_generic: u16 {
        CTA_TIMEOUT_GENERIC_TIMEOUT = 1,
    }

    enum ctattr_timeout_tcp: u16 {
        CTA_TIMEOUT_TCP_SYN_SENT = 1,
        CTA_TIMEOUT_TCP_SYN_RECV = 2,
        CTA_TIMEOUT_TCP_ESTABLISHED = 3,
        CTA_TIMEOUT_TCP_FIN_WAIT = 4,
        CTA_TIMEOUT_TCP_CLOSE_WAIT = 5,
        CTA_TIMEOUT_TCP_LAST_ACK = 6,
        CTA_TIMEOUT_TCP_TIME_WAIT = 7,
        CTA_TIMEOUT_TCP_CLOSE = 8,
        CTA_TIMEOUT_TCP_SYN_SENT2 = 9,
        CTA_TIMEOUT_TCP_RETRANS = 10,
        CTA_TIMEOUT_TCP_UNACK = 11,
    }

    enum ctattr_timeout_udp: u16 {
        CTA_TIMEOUT_UDP_UNREPLIED = 1,
        CTA_TIMEOUT_UDP_REPLIED = 2,
    }

    enum ctattr_timeout_udplite: u16 {
        CTA_TIMEOUT_UDPLITE_UNREPLIED = 1,
        CTA_TIMEOUT_UDPLITE_REPLIED = 2,
    }

    enum ctattr_timeout_icmp: u16 {
        CTA_TIMEOUT_ICMP_TIMEOUT = 1,
    }

    enum ctattr_timeout_dccp: u16 {
        CTA_TIMEOUT_DCCP_REQUEST = 1,
        CTA_TIMEOUT_DCCP_RESPOND = 2,
        CTA_TIMEOUT_DCCP_PARTOPEN = 3,
        CTA_TIMEOUT_DCCP_OPEN = 4,
        CTA_TIMEOUT_DCCP_CLOSEREQ = 5,
        CTA_TIMEOUT_DCCP_CLOSING = 6,
        CTA_TIMEOUT_DCCP_TIMEWAIT = 7,
    }

    enum ctattr_timeout_sctp: u16 {
        CTA_TIMEOUT_SCTP_CLOSED = 1,
        CTA_TIMEOUT_SCTP_COOKIE_WAIT = 2,
        CTA_TIMEOUT_SCTP_COOKIE_ECHOED = 3,
        CTA_TIMEOUT_SCTP_ESTABLISHED = 4,
        CTA_TIMEOUT_SCTP_SHUTDOWN_SENT = 5,
        CTA_TIMEOUT_SCTP_SHUTDOWN_RECD = 6,
        CTA_TIMEOUT_SCTP_SHUTDOWN_ACK_SENT = 7,
        CTA_TIMEOUT_SCTP_HEARTBEAT_SENT = 8,
        CTA_TIMEOUT_SCTP_HEARTBEAT_ACKED = 9,
    }

    enum ctattr_timeout_icmpv6: u16 {
        CTA_TIMEOUT_ICMPV6_TIMEOUT = 1,
    }

    enum ctattr_timeout_gre: u16 {
        CTA_TIMEOUT_GRE_UNREPLIED = 1,
        CTA_TIMEOUT_GRE_REPLIED = 2,
    }

    // include/uapi/linux/netfilter/nfnetlink_cthelper.h
    enum nfnl_cthelper_msg_types: u8 {
        NFNL_MSG_CTHELPER_NEW = 0,
        NFNL_MSG_CTHELPER_GET = 1,
        NFNL_MSG_CTHELPER_DEL = 2,
    }

    enum nfnl_cthelper_type: u16 {
        NFCTH_NAME = 1,
        NFCTH_TUPLE = 2,
        NFCTH_QUEUE_NUM = 3,
        NFCTH_POLICY = 4,
        NFCTH_PRIV_DATA_LEN = 5,
        NFCTH_STATUS = 6,
    }

    enum nfnl_cthelper_policy_type: u16 {
        NFCTH_POLICY_SET_NUM = 1,
        NFCTH_POLICY_SET1 = 2,
        NFCTH_POLICY_SET2 = 3,
        NFCTH_POLICY_SET3 = 4,
        NFCTH_POLICY_SET4 = 5,
    }

    enum nfnl_cthelper_pol_type: u16 {
        NFCTH_POLICY_NAME = 1,
        NFCTH_POLICY_EXPECT_MAX = 2,
        NFCTH_POLICY_EXPECT_TIMEOUT = 3,
    }

    enum nfnl_cthelper_tuple_type: u16 {
        NFCTH_TUPLE_L3PROTONUM = 1,
        NFCTH_TUPLE_L4PROTONUM = 2,
    }

    // include/uapi/linux/netlink.h
    enum nlmsgerr_attrs: u16 {
        NLMSGERR_ATTR_MSG = 1,
        NLMSGERR_ATTR_OFFS = 2,
        NLMSGERR_ATTR_COOKIE = 3,
        NLMSGERR_ATTR_POLICY = 4,
        NLMSGERR_ATTR_MISS_TYPE = 5,
        NLMSGERR_ATTR_MISS_NEST = 6,
    }

    enum netlink_policy_type_attr: u16 {
        NL_POLICY_TYPE_ATTR_TYPE = 1,
        NL_POLICY_TYPE_ATTR_MIN_VALUE_S = 2,
        NL_POLICY_TYPE_ATTR_MAX_VALUE_S = 3,
        NL_POLICY_TYPE_ATTR_MIN_VALUE_U = 4,
        NL_POLICY_TYPE_ATTR_MAX_VALUE_U = 5,
        NL_POLICY_TYPE_ATTR_MIN_LENGTH = 6,
        NL_POLICY_TYPE_ATTR_MAX_LENGTH = 7,
        NL_POLICY_TYPE_ATTR_POLICY_IDX = 8,
        NL_POLICY_TYPE_ATTR_POLICY_MAXTYPE = 9,
        NL_POLICY_TYPE_ATTR_BITFIELD32_MASK = 10,
        NL_POLICY_TYPE_ATTR_PAD = 11,
        NL_POLICY_TYPE_ATTR_MASK = 12,
    }
}

/// `NFNL_SUBSYS_CTNETLINK` (`include/uapi/linux/netfilter/nfnetlink.h`): flows.
pub const NFNL_SUBSYS_CTNETLINK: u8 = 1;
/// `NFNL_SUBSYS_CTNETLINK_EXP`: expectations.
pub const NFNL_SUBSYS_CTNETLINK_EXP: u8 = 2;
/// `NFNL_SUBSYS_CTNETLINK_TIMEOUT`: timeout policies.
pub const NFNL_SUBSYS_CTNETLINK_TIMEOUT: u8 = 8;
/// `NFNL_SUBSYS_CTHELPER`: helpers in user space.
pub const NFNL_SUBSYS_CTHELPER: u8 = 9;
