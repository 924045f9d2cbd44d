//! `enum ctattr_seqadj`.

use conntrack_derive::{Decode, Encode};

/// How TCP sequence numbers of one direction are shifted, where a helper changed the length of a payload. Reported
/// only for flows with [`Status::SEQ_ADJUST`](crate::Status::SEQ_ADJUST).
///
/// ```text
/// enum ctattr_seqadj { CTA_SEQADJ_UNSPEC, CTA_SEQADJ_CORRECTION_POS, CTA_SEQADJ_OFFSET_BEFORE, CTA_SEQADJ_OFFSET_AFTER };
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Encode, Decode)]
pub struct SeqAdj {
    /// The sequence number of the last change.
    #[nla(CTA_SEQADJ_CORRECTION_POS)]
    pub correction_pos: u32,
    /// Bytes to shift numbers before it.
    #[nla(CTA_SEQADJ_OFFSET_BEFORE)]
    pub offset_before: i32,
    /// Bytes to shift numbers behind it.
    #[nla(CTA_SEQADJ_OFFSET_AFTER)]
    pub offset_after: i32,
}
