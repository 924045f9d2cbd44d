//! Linux connection tracking over netlink.

extern crate self as conntrack;

pub use conntrack_spec::*;
#[doc(hidden)]
pub use conntrack_spec::__private;
