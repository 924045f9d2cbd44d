//! `CTA_MARK` and `CTA_STATUS` with their masks.

use conntrack_derive::{Decode, Encode};

use super::nest::labels::LabelMask;
use crate::{Labels, Status};

/// A mark, or what to do with one.
///
/// In an update the kernel computes `new = (old & ~mask) ^ value`; without a mask, `new = value`. So bits of the value
/// outside the mask flip, and a mask of 0 flips and changes nothing else. In a filter, flows match whose
/// `mark & mask == value`; bits of the value outside the mask then never match.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Mark {
    /// The value.
    #[nla(CTA_MARK)]
    pub value: u32,
    /// The mask; all bits, if absent. The kernel ignores a mask without a value, so there is none here.
    #[nla(CTA_MARK_MASK)]
    pub mask: Option<u32>,
}

/// Which status bits a flow must have: `status & mask == value`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Encode, Decode)]
pub struct StatusFilter {
    /// The value.
    #[nla(CTA_STATUS)]
    pub value: Status,
    /// The mask; the value, if absent. A mask of 0 is `EINVAL`.
    #[nla(CTA_STATUS_MASK, since = "5.15")]
    pub mask: Option<Status>,
}

/// Labels to set: for each of the four 32-bit words, `new = (old & ~mask) ^ value`; without a mask, `new = value`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Encode, Decode)]
pub struct LabelChange {
    /// The value.
    #[nla(CTA_LABELS)]
    pub value: Labels,
    /// The mask; all bits, if absent.
    #[nla(CTA_LABELS_MASK as LabelMask)]
    pub mask: Option<Labels>,
}
