//! `enum ctattr_expect_nat`: how an expected flow is to be translated.

use std::net::{IpAddr, SocketAddr};

use conntrack_derive::{Decode, Encode};

use crate::{Family, FlowDirection, Protocol, Tuple};

/// What an expectation's function needs to know to translate the flow that comes: the address and port that the helper
/// saw before it was translated. The kernel itself translates nothing by it; `nat-follow-master`
/// ([`NewExpect::function`](crate::NewExpect::function)) does.
///
/// ```text
/// enum ctattr_expect_nat { CTA_EXPECT_NAT_UNSPEC, CTA_EXPECT_NAT_DIR, CTA_EXPECT_NAT_TUPLE };
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub struct ExpectNat {
    /// Which direction of the master the expected flow's first packet goes along with; other than 0 and 1 is `ERANGE`.
    #[nla(CTA_EXPECT_NAT_DIR)]
    pub direction: FlowDirection,
    /// The address and port before translation, as the source of a tuple. The kernel requires all of the tuple, keeps
    /// its source, and reports zeros for the rest, and the master's protocol.
    #[nla(CTA_EXPECT_NAT_TUPLE)]
    pub tuple: Tuple,
}

impl ExpectNat {
    /// With this address and port before translation. `protocol`, one with ports, is the master's.
    #[must_use]
    pub fn new(direction: FlowDirection, protocol: Protocol, saved: SocketAddr) -> Self {
        let [unspecified, _] = Family::extremes(saved.ip());
        Self { direction, tuple: Tuple::with_ports(protocol, saved, (unspecified, 0).into()) }
    }

    /// The address before translation.
    #[must_use]
    pub fn saved(&self) -> IpAddr {
        self.tuple.src()
    }
}
