//! `enum ctattr_expect`, as a request creates or changes an expectation.

use std::net::{IpAddr, SocketAddr};

use conntrack_derive::{Decode, Encode};

use crate::{
    Endpoint, Expect, ExpectFlags, ExpectFunction, ExpectNat, Family, FlowDirection, HelperName, L4, Seconds, Tuple,
};

/// The three tuples of an expectation and the zone that they are in: the kernel requires all of them, to create one and
/// to change one (`ctnetlink_new_expect`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub struct ExpectTuples {
    /// The first packet of the expected flow. Family, protocol and destination must be the packet's; of the source, the
    /// bits in the mask.
    #[nla(CTA_EXPECT_TUPLE)]
    pub tuple: Tuple,
    /// Which bits of the source count, address and port. The kernel requires a destination and looks at no bit of it.
    #[nla(CTA_EXPECT_MASK)]
    pub mask: Tuple,
    /// The flow that announces it, by either of its tuples; `ENOENT` if there is none in the zone, `EOPNOTSUPP` if it
    /// has no helper.
    #[nla(CTA_EXPECT_MASTER)]
    pub master: Tuple,
    /// The master's zone, if it is not 0. The kernel does not report it.
    #[nla(CTA_EXPECT_ZONE)]
    pub zone: Option<u16>,
}

/// An expectation to create.
///
/// What the kernel ignores here is not here: how long it lives, and how many there may be, is for the class of the
/// master's helper to say. If there are too many of the class, the oldest goes, and this one is created all the same.
/// A life of its own can be set once it is there ([`ExpectUpdate`]).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub struct NewExpect {
    /// Its tuples.
    #[nla(flatten)]
    pub tuples: ExpectTuples,
    /// How the expected flow is to be translated.
    #[nla(CTA_EXPECT_NAT)]
    pub nat: Option<ExpectNat>,
    /// What kind it is. `EINVAL` for bits that have no name; older kernels ignore them. The kernel clears
    /// [`ExpectFlags::USERSPACE`].
    #[nla(CTA_EXPECT_FLAGS)]
    pub flags: Option<ExpectFlags>,
    /// The class of the helper: 0 if absent. `EINVAL` if the helper has no such class. A class other than 0 needs
    /// `helper` too, see [`class`](Self::class).
    #[nla(CTA_EXPECT_CLASS)]
    pub class: Option<u32>,
    /// The helper. Some kernels, before 6.18.22, use the class only with it, and give the helper to the expected flow.
    /// `EOPNOTSUPP` there if the kernel has none of that name for the master's family and protocol.
    #[nla(CTA_EXPECT_HELP_NAME)]
    pub helper: Option<HelperName>,
    /// What the kernel calls for the expected flow; `EINVAL` if it has nothing of that name.
    #[nla(CTA_EXPECT_FN)]
    pub function: Option<ExpectFunction>,
}

/// What can be changed of an expectation: what is left of its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub struct ExpectUpdate {
    /// Names the expectation by all of its tuples. The kernel compares the tuple alone, as far as the mask of the expectation
    /// goes; `Conntrack::update_expectation_timeout` compares all of them.
    #[nla(flatten)]
    pub tuples: ExpectTuples,
    /// What is left of its life from now on.
    #[nla(CTA_EXPECT_TIMEOUT)]
    pub timeout: Seconds,
}

impl ExpectTuples {
    /// In the default zone.
    #[must_use]
    pub fn new(tuple: Tuple, mask: Tuple, master: Tuple) -> Self {
        Self { tuple, mask, master, zone: None }
    }

    /// The same in `zone`.
    #[must_use]
    pub fn in_zone(mut self, zone: u16) -> Self {
        self.zone = Some(zone);
        self
    }
}

impl From<&Expect> for ExpectTuples {
    /// The expectation's own, in the default zone: the kernel does not say which one it is in.
    fn from(expect: &Expect) -> Self {
        let Endpoint { address, port } = expect.mask.source();
        Self::new(expect.tuple, expect.tuple.source_mask(address, port.unwrap_or(0)), expect.master)
    }
}

impl Tuple {
    /// A mask for expectations of this tuple, that has these bits of the source address and of the source port (for
    /// ICMP, the identifier): `u16::MAX` for exactly this port, 0 for any.
    #[must_use]
    pub fn source_mask(&self, address: IpAddr, port: u16) -> Self {
        let l4 = self.proto.l4.map(|l4| match l4 {
            L4::Ports { .. } => L4::Ports { src: port, dst: u16::MAX },
            // The kernel takes only types that it tracks, even here where it does not look at them.
            L4::Icmp { kind, code, .. } => L4::Icmp { id: port, kind, code },
            L4::Icmpv6 { kind, code, .. } => L4::Icmpv6 { id: port, kind, code },
        });
        let [_, all_bits] = Family::extremes(self.src());
        Self::new(address, all_bits, self.protocol(), l4)
    }
}

impl NewExpect {
    /// An expectation of `tuple` under `mask`, which flow `master` announces.
    #[must_use]
    pub fn new(tuple: Tuple, mask: Tuple, master: Tuple) -> Self {
        Self {
            tuples: ExpectTuples::new(tuple, mask, master),
            nat: None,
            flags: None,
            class: None,
            helper: None,
            function: None,
        }
    }

    /// An expectation of exactly `tuple`.
    #[must_use]
    pub fn exactly(tuple: Tuple, master: Tuple) -> Self {
        let [_, all_bits] = Family::extremes(tuple.src());
        Self::new(tuple, tuple.source_mask(all_bits, u16::MAX), master)
    }

    /// An expectation of `tuple` from its source address, but from any port.
    #[must_use]
    pub fn from_any_port(tuple: Tuple, master: Tuple) -> Self {
        let [_, all_bits] = Family::extremes(tuple.src());
        Self::new(tuple, tuple.source_mask(all_bits, 0), master)
    }

    /// An expectation of `tuple` from any address and any port.
    #[must_use]
    pub fn from_anyone(tuple: Tuple, master: Tuple) -> Self {
        let [no_bits, _] = Family::extremes(tuple.src());
        Self::new(tuple, tuple.source_mask(no_bits, 0), master)
    }

    /// Sets the class, one of those of the master's helper, which is named too.
    ///
    /// Linux 5.10 and 6.16 to 6.18.15 use the class only if the helper is named, and otherwise class 0. They then give the
    /// helper to the expected flow as well. Other kernels ignore the name.
    #[must_use]
    pub fn class(mut self, helper: HelperName, class: u32) -> Self {
        self.helper = Some(helper);
        self.class = Some(class);
        self
    }

    /// Sets what kind it is.
    #[must_use]
    pub fn flags(mut self, flags: ExpectFlags) -> Self {
        self.flags = Some(flags);
        self
    }

    /// Sets the address and port that the expected flow had before translation, and the direction of the master that it
    /// goes along with.
    #[must_use]
    pub fn nat(mut self, direction: FlowDirection, saved: SocketAddr) -> Self {
        self.nat = Some(ExpectNat::new(direction, self.tuples.master.protocol(), saved));
        self
    }

    /// Names the helper. Some kernels, before 6.18.22, give it to the expected flow.
    #[must_use]
    pub fn helper(mut self, helper: HelperName) -> Self {
        self.helper = Some(helper);
        self
    }

    /// Sets what the kernel calls for the expected flow.
    #[must_use]
    pub fn function(mut self, function: ExpectFunction) -> Self {
        self.function = Some(function);
        self
    }

    /// Puts it into the zone of its master.
    #[must_use]
    pub fn zone(mut self, zone: u16) -> Self {
        self.tuples.zone = Some(zone);
        self
    }
}

impl From<&Expect> for NewExpect {
    /// Creates it again as it was reported, in the default zone. Its timeout is to be set afterwards.
    fn from(expect: &Expect) -> Self {
        Self {
            tuples: expect.into(),
            nat: expect.nat,
            flags: Some(expect.flags - ExpectFlags::USERSPACE),
            class: Some(expect.class),
            helper: expect.helper.clone(),
            function: expect.function.clone(),
        }
    }
}

impl ExpectUpdate {
    /// Sets what is left of the life of the expectation with these tuples.
    #[must_use]
    pub fn new(tuples: impl Into<ExpectTuples>, timeout: impl Into<Seconds>) -> Self {
        Self { tuples: tuples.into(), timeout: timeout.into() }
    }
}
