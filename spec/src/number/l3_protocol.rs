//! The network protocol, as the timeout policies and the helpers in user space have it: in 16 bits.

use crate::Family;
use crate::named::codes;

codes! {
    /// A network protocol's number in 16 bits, in `CTA_TIMEOUT_L3PROTO` and `NFCTH_TUPLE_L3PROTONUM`. In the header of a
    /// message the same number has eight: [`Family`].
    pub struct L3Protocol(u16), "AF_" {
        /// Any.
        UNSPEC = 0, "AF_UNSPEC";
        /// IPv4.
        IPV4 = 2, "AF_INET";
        /// IPv6.
        IPV6 = 10, "AF_INET6";
    }
}

impl From<Family> for L3Protocol {
    fn from(family: Family) -> Self {
        Self(family.0.into())
    }
}
