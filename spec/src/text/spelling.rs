//! Numbers as words.

use std::fmt;

use crate::{DccpRole, DccpState, Family, Protocol, SctpState, Status, TcpState, names};

impl Family {
    /// conntrack(8)'s word.
    pub(crate) const fn word(self) -> Option<&'static str> {
        match self {
            Self::IPV4 => Some("ipv4"),
            Self::IPV6 => Some("ipv6"),
            _ => None,
        }
    }
}

impl Protocol {
    /// conntrack(8)'s word.
    pub(crate) const fn word(self) -> Option<&'static str> {
        match self {
            Self::ICMP => Some("icmp"),
            Self::TCP => Some("tcp"),
            Self::UDP => Some("udp"),
            Self::DCCP => Some("dccp"),
            Self::GRE => Some("gre"),
            Self::ICMPV6 => Some("icmpv6"),
            Self::SCTP => Some("sctp"),
            Self::UDPLITE => Some("udplite"),
            _ => None,
        }
    }
}

/// Writes the word, or the number if there is none.
fn word_or_number(f: &mut fmt::Formatter<'_>, word: Option<&str>, number: u8) -> fmt::Result {
    match word {
        Some(word) => f.pad(word),
        None => fmt::Display::fmt(&number, f),
    }
}

impl fmt::Display for Family {
    /// `ipv4`, `ipv6`, or the number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        word_or_number(f, self.word(), self.0)
    }
}

impl fmt::Display for Protocol {
    /// conntrack(8)'s word, such as `tcp`, or the number, which its option `-p` takes too.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        word_or_number(f, self.word(), self.0)
    }
}

/// conntrack(8)'s words for states are the kernel's names without what they begin with.
macro_rules! states {
    ($($type:ident)*) => {$(
        impl fmt::Display for $type {
            /// The kernel's name without what all begin with, or the number.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                word_or_number(f, names::code(self.0.into(), Self::NAMES, Self::PREFIX), self.0)
            }
        }
    )*};
}

states! { TcpState SctpState DccpState DccpRole }

impl fmt::Display for Status {
    /// The kernel's names without `IPS_`, separated by commas, as conntrack(8)'s option `-u` takes most of them:
    /// `SEEN_REPLY,ASSURED,CONFIRMED`. Bits without a name are hex, no bits are `0`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        names::write_bits(f, self.bits().into(), Self::NAMES, Self::PREFIX, ",")
    }
}
