//! `enum ctattr_synproxy`.

use conntrack_derive::{Decode, Encode};

/// What the SYN proxy keeps of a connection. Every flow created over netlink has it, all zero.
///
/// ```text
/// enum ctattr_synproxy { CTA_SYNPROXY_UNSPEC, CTA_SYNPROXY_ISN, CTA_SYNPROXY_ITS, CTA_SYNPROXY_TSOFF };
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Synproxy {
    /// Initial sequence number.
    #[nla(CTA_SYNPROXY_ISN)]
    pub isn: u32,
    /// Initial timestamp.
    #[nla(CTA_SYNPROXY_ITS)]
    pub its: u32,
    /// Offset of the timestamps.
    #[nla(CTA_SYNPROXY_TSOFF)]
    pub tsoff: u32,
}
