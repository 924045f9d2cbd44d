//! `CTA_ID`.

use conntrack_derive::{Decode, Encode};

/// Identifies a flow for as long as it lives: a hash that only the kernel can compute, opaque, without a byte order.
///
/// It is the same in dumps and events, differs after a reboot, and two flows can in theory have one, so compare the
/// tuple as well. A delete that carries it fails with `ENOENT` if the flow at that tuple has another id; a get does not
/// look at it.
///
/// The hash is of the flow's place in the kernel's memory and of its original tuple, its master and its namespace, and not
/// of its reply tuple (`nf_ct_get_id`, `net/netfilter/nf_conntrack_core.c`). So a later flow with the same original tuple
/// nearly always has another id. It has the same one if it got the same memory, as one may that is created at once.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[nla(transparent)]
pub struct FlowId(pub [u8; 4]);

/// Prints an id.
macro_rules! print_id {
    ($type:ident) => {
        impl std::fmt::Display for $type {
            /// As conntrack(8) prints a flow's: the bytes read as a big-endian number.
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                u32::from_be_bytes(self.0).fmt(f)
            }
        }

        impl std::fmt::Debug for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, concat!(stringify!($type), "({})"), self)
            }
        }
    };
}

print_id!(FlowId);

pub(crate) use print_id;
