//! `enum ctattr_counters`.

use conntrack_derive::{Decode, Encode};

/// The traffic of one direction. Reported only for flows created while `nf_conntrack_acct` was 1, in dumps and
/// `DESTROY` events; ignored when sent.
///
/// ```text
/// enum ctattr_counters { CTA_COUNTERS_UNSPEC, CTA_COUNTERS_PACKETS, CTA_COUNTERS_BYTES, …, CTA_COUNTERS_PAD };
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Encode, Decode)]
#[nla(pad(CTA_COUNTERS_PAD))]
pub struct Counters {
    /// Packets.
    #[nla(CTA_COUNTERS_PACKETS)]
    pub packets: u64,
    /// Bytes, network headers included.
    #[nla(CTA_COUNTERS_BYTES)]
    pub bytes: u64,
}
