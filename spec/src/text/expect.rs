//! Expectations, as conntrack(8) prints them.

use std::fmt;

use super::key::write_key;
use super::tuple::NamedEnds;
use crate::{Expect, ExpectFlags, ExpectKey, names};

impl fmt::Display for Expect {
    /// The line of `conntrack -L expect`. It does not say its id, its translation or its function.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ends = [("", &self.tuple), ("mask-", &self.mask), ("master-", &self.master)];
        write!(f, "{} proto={}", self.timeout.0, self.tuple.protocol().0)?;
        for (prefix, tuple) in ends {
            write!(f, " {}", NamedEnds(prefix, tuple))?;
        }
        if !self.flags.is_empty() {
            write!(f, " {}", self.flags)?;
        }
        write!(f, " class={}", self.class)?;
        self.helper.as_ref().map_or(Ok(()), |helper| write!(f, " helper={helper}"))
    }
}

impl fmt::Display for ExpectFlags {
    /// The kernel's names without `NF_CT_EXPECT_`, separated by commas. Bits without a name are hex, no bits are `0`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        names::write_bits(f, self.bits().into(), Self::NAMES, Self::PREFIX, ",")
    }
}

impl fmt::Display for ExpectKey {
    /// The tuple, then the zone and the id if there are any.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_key(f, self.tuple, self.zone, self.id)
    }
}
