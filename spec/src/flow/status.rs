//! `enum ip_conntrack_status` (`include/uapi/linux/netfilter/nf_conntrack_common.h`).

use crate::named::flags;

flags! {
    /// What a flow has been through, `CTA_STATUS`.
    pub struct Status(u32), "IPS_" {
        /// Some other flow, its master, announced it. Never changes.
        EXPECTED = 1 << 0, "IPS_EXPECTED";
        /// Packets were seen both ways. Can be set, not cleared.
        SEEN_REPLY = 1 << 1, "IPS_SEEN_REPLY";
        /// Not evicted early when the table is full.
        ASSURED = 1 << 2, "IPS_ASSURED";
        /// In the table: its first packet has left. Required when a flow is created with a status.
        CONFIRMED = 1 << 3, "IPS_CONFIRMED";
        /// Its source is translated. Never changes.
        SRC_NAT = 1 << 4, "IPS_SRC_NAT";
        /// Its destination is translated. Never changes.
        DST_NAT = 1 << 5, "IPS_DST_NAT";
        /// Its TCP sequence numbers are adjusted.
        SEQ_ADJUST = 1 << 6, "IPS_SEQ_ADJUST";
        /// Source translation was decided on, if only to do none.
        SRC_NAT_DONE = 1 << 7, "IPS_SRC_NAT_DONE";
        /// Destination translation was decided on, if only to do none.
        DST_NAT_DONE = 1 << 8, "IPS_DST_NAT_DONE";
        /// Out of the table. Cannot be cleared.
        DYING = 1 << 9, "IPS_DYING";
        /// Traffic does not refresh its timeout, and neither does an update.
        FIXED_TIMEOUT = 1 << 10, "IPS_FIXED_TIMEOUT";
        /// A template of the ruleset, never a flow of the table.
        TEMPLATE = 1 << 11, "IPS_TEMPLATE";
        /// Obsolete; inside newer kernels, a flow that clashed and was resolved.
        UNTRACKED = 1 << 12, "IPS_UNTRACKED";
        /// A helper was attached explicitly, by the ruleset or over netlink.
        HELPER = 1 << 13, "IPS_HELPER";
        /// Its packets take the flow table's fast path: no timeout and no protocol info are reported.
        OFFLOAD = 1 << 14, "IPS_OFFLOAD";
        /// Its packets are forwarded by hardware.
        HW_OFFLOAD = 1 << 15, "IPS_HW_OFFLOAD";
    }
}

impl Status {
    /// `IPS_UNCHANGEABLE_MASK`: what user space cannot set.
    pub const UNCHANGEABLE: Self = Self::from_bits_retain(0xdbf9);
    /// Either translation.
    pub const NAT: Self = Self::SRC_NAT.union(Self::DST_NAT);
}
