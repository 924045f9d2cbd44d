//! `CTA_ID`.

use std::fmt;

use conntrack_derive::{Decode, Encode};

/// Identifies a flow for as long as it lives: a hash that only the kernel can compute, opaque, without a byte order.
///
/// It is the same in dumps and events, differs after a reboot, and two flows can in theory have one, so compare the
/// tuple as well. A delete that carries it fails with `ENOENT` if the flow at that tuple is another one by now; a get
/// does not look at it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[nla(transparent)]
pub struct FlowId(pub [u8; 4]);

impl fmt::Display for FlowId {
    /// As conntrack(8) prints it: the bytes read as a big-endian number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        u32::from_be_bytes(self.0).fmt(f)
    }
}

impl fmt::Debug for FlowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FlowId({self})")
    }
}
