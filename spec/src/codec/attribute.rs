//! One attribute, split off a run of them.

use deku::ctx::Endian;
use deku::{DekuRead, DekuSize, DekuWrite};
use nom::combinator::map_opt;
use nom::{IResult, Parser};

use super::split::{layout, padded};
use super::{Layout, NATIVE, NLA_F_NESTED, NLA_TYPE_MASK};

/// `struct nlattr`, in host byte order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, DekuRead, DekuWrite, DekuSize)]
#[deku(endian = "endian", ctx = "endian: Endian", ctx_default = "NATIVE")]
pub struct NlAttr {
    /// Bytes of the attribute, this header included, without the padding.
    pub len: u16,
    /// The attribute's number, with `NLA_F_*`.
    pub kind: u16,
}

/// A netlink attribute as it stands in a message, its payload borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attribute<'a> {
    kind: u16,
    payload: &'a [u8],
}

impl<'a> Attribute<'a> {
    #[inline(always)]
    pub(super) const fn new(kind: u16, payload: &'a [u8]) -> Self {
        Self { kind, payload }
    }

    /// Splits the first attribute and its padding off `input`.
    ///
    /// `struct nlattr`: a length that counts the header, a type, the payload, zero to three bytes of padding. The
    /// padding of the last attribute may be missing, as `nla_next` allows.
    #[doc(hidden)]
    #[inline]
    pub fn split(input: &'a [u8]) -> IResult<&'a [u8], Self, ()> {
        let (input, (size, kind)) =
            map_opt(layout::<NlAttr>, |header| Some((usize::from(header.len).checked_sub(NlAttr::SIZE)?, header.kind)))
                .parse_complete(input)?;
        let (input, payload) = padded(size).parse_complete(input)?;
        Ok((input, Self { kind, payload }))
    }

    /// The attribute's number, without the two flag bits.
    #[inline]
    #[must_use]
    pub const fn number(&self) -> u16 {
        self.kind & NLA_TYPE_MASK
    }

    /// The whole type field: number and flag bits.
    #[inline]
    #[must_use]
    pub const fn kind(&self) -> u16 {
        self.kind
    }

    /// Whether the sender set `NLA_F_NESTED`. Decoding does not depend on it.
    #[inline]
    #[must_use]
    pub const fn is_nested(&self) -> bool {
        self.kind & NLA_F_NESTED != 0
    }

    /// The payload, without padding.
    #[inline]
    #[must_use]
    pub const fn payload(&self) -> &'a [u8] {
        self.payload
    }
}
