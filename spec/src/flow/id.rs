//! `CTA_ID`.

use conntrack_derive::{Decode, Encode};

/// Identifies a flow for as long as it lives: an opaque hash that only the kernel can compute, without a byte order.
///
/// Dumps and events report the same id. It differs after a reboot. Two flows can have the same 32 bits by chance, so
/// compare the tuple as well. The kernel compares the id of a delete, and of no other request; `Conntrack::get` and
/// `Conntrack::update` compare it themselves.
///
/// The kernel hashes the flow's address in memory, its original tuple, its master and its namespace, but not its reply
/// tuple (`nf_ct_get_id`, `net/netfilter/nf_conntrack_core.c`). A later flow with the same original tuple therefore has
/// the same id if it got the same memory. On Linux 6.18, a flow deleted and created again had the same id 2000 of 2000
/// times if no other flow was created in between, and 0 of 2000 times if one was. So the id does not protect a flow that
/// begins again at once.
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
