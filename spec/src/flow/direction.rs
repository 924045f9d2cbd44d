//! `enum ip_conntrack_dir` (`include/uapi/linux/netfilter/nf_conntrack_tuple_common.h`).

use crate::named::codes;

codes! {
    /// One of the two directions of a flow, in `CTA_EXPECT_NAT_DIR`.
    pub struct FlowDirection(u32), "IP_CT_DIR_" {
        /// The direction of the first packet.
        ORIGINAL = 0, "IP_CT_DIR_ORIGINAL";
        /// The direction of the answers.
        REPLY = 1, "IP_CT_DIR_REPLY";
    }
}
