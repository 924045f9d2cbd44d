//! `enum nfnetlink_groups` (`include/uapi/linux/netfilter/nfnetlink.h`).

bitflags::bitflags! {
    /// Which events to receive.
    ///
    /// Each is a multicast group of the kernel. Groups of other subsystems have no names here and can be joined by
    /// their bits; their messages arrive as [`Event::Unknown`](super::Event::Unknown).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct Groups: u32 {
        /// `NFNLGRP_CONNTRACK_NEW`: a flow was created.
        const NEW = 1 << 0;
        /// `NFNLGRP_CONNTRACK_UPDATE`: a flow has changed. Not when only its counters or its timeout did.
        const UPDATE = 1 << 1;
        /// `NFNLGRP_CONNTRACK_DESTROY`: a flow is gone.
        const DESTROY = 1 << 2;
        /// `NFNLGRP_CONNTRACK_EXP_NEW`: a flow is expected.
        const EXPECT_NEW = 1 << 3;
        /// `NFNLGRP_CONNTRACK_EXP_DESTROY`: it came, or is no longer expected. (The kernel has a group for changes of
        /// expectations too, in which it never sends anything.)
        const EXPECT_DESTROY = 1 << 5;
        /// All of flows.
        const FLOWS = Self::NEW.bits() | Self::UPDATE.bits() | Self::DESTROY.bits();
        /// All of expectations.
        const EXPECTATIONS = Self::EXPECT_NEW.bits() | Self::EXPECT_DESTROY.bits();
        /// All of connection tracking.
        const ALL = Self::FLOWS.bits() | Self::EXPECTATIONS.bits();
        // Groups of other subsystems.
        const _ = !0;
    }
}

impl Groups {
    /// The kernel's numbers of the groups: a group is bit `number - 1`.
    pub(crate) fn numbers(self) -> impl Iterator<Item = u32> {
        (1..=u32::BITS).filter(move |number| self.bits() & (1 << (number - 1)) != 0)
    }
}
