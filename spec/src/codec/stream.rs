//! A run of attributes, read from the front.

use super::{Attribute, DecodeError, DecodeErrorKind, Layout, NLA_F_NESTED, NLA_HEADER, NLA_TYPE_MASK, NlAttr, align};

/// What is left of a run of attributes.
#[derive(Clone, Copy, Debug)]
pub struct Stream<'a> {
    rest: &'a [u8],
}

impl<'a> Stream<'a> {
    /// A stream over a message's body or a nest's payload.
    #[inline]
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The bytes that are left.
    #[inline]
    #[must_use]
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Takes the next attribute whatever it is. `None` at the end, which fewer than four bytes are too.
    ///
    /// # Errors
    /// The length in the attribute's header is below four or beyond the end; the stream is then at its end.
    #[inline(always)]
    pub fn next_attribute(&mut self) -> Result<Option<Attribute<'a>>, DecodeError> {
        match self.next_whole() {
            Some(attribute) => Ok(Some(attribute)),
            None if self.rest.is_empty() => Ok(None),
            None => {
                let (rest, attribute) = next_unusual(self.rest);
                self.rest = rest;
                attribute
            }
        }
    }

    /// Takes the next attribute if it and its padding are all there: as [`Attribute::split`] does it, in the few
    /// instructions that are left when nothing can be wrong.
    #[inline(always)]
    fn next_whole(&mut self) -> Option<Attribute<'a>> {
        let (length, kind, after) = self.header()?;
        let size = length.checked_sub(NLA_HEADER)?;
        let payload = after.get(..size)?;
        self.rest = after.get(align(size)..)?;
        Some(Attribute::new(kind, payload))
    }

    /// Takes the next attribute if its header is exactly that of attribute `number` with a payload of `N` bytes.
    ///
    /// Both are constants where this is called, so the header is compared as one 32-bit word and the stream advances
    /// by a constant: the processor waits for no length.
    #[inline(always)]
    pub fn expect<const N: usize>(&mut self, number: u16) -> Option<&'a [u8; N]> {
        let (header, after) = self.rest.split_first_chunk::<NLA_HEADER>()?;
        if u32::from_ne_bytes(*header) != header_word::<N>(number) {
            return None;
        }
        let payload = after.first_chunk::<N>()?;
        self.rest = after.get(align(N)..)?;
        Some(payload)
    }

    /// Takes the next attribute if it has this number, whatever the length of its payload.
    #[inline(always)]
    pub fn expect_any_length(&mut self, number: u16) -> Option<&'a [u8]> {
        let (length, kind, after) = self.header()?;
        if kind != number {
            return None;
        }
        let size = length.checked_sub(NLA_HEADER)?;
        let payload = after.get(..size)?;
        self.rest = after.get(align(size)..)?;
        Some(payload)
    }

    /// What is behind the header of the next attribute, and the length it gives, if it is a nest with this number.
    #[doc(hidden)]
    #[inline(always)]
    pub fn enter(&self, number: u16) -> Option<(Self, usize)> {
        let (length, kind, after) = self.header()?;
        (kind == number | NLA_F_NESTED).then_some((Self { rest: after }, length.wrapping_sub(NLA_HEADER)))
    }

    /// Whether the next attribute has this number.
    #[doc(hidden)]
    #[inline(always)]
    #[must_use]
    pub fn next_is(&self, number: u16) -> bool {
        self.header().is_some_and(|(_, kind, _)| kind & NLA_TYPE_MASK == number)
    }

    #[inline(always)]
    fn header(&self) -> Option<(usize, u16, &'a [u8])> {
        let (&[l0, l1, k0, k1], after) = self.rest.split_first_chunk::<NLA_HEADER>()?;
        Some((usize::from(u16::from_ne_bytes([l0, l1])), u16::from_ne_bytes([k0, k1]), after))
    }
}

/// The four header bytes of attribute `number` with `N` bytes of payload, as they are in memory.
#[inline(always)]
pub(super) const fn header_word<const N: usize>(number: u16) -> u32 {
    const { assert!(N <= 0xfff0, "a payload that no attribute can hold") };
    #[expect(clippy::cast_possible_truncation, clippy::arithmetic_side_effects, reason = "asserted above")]
    let [l0, l1] = ((N + NLA_HEADER) as u16).to_ne_bytes();
    let [k0, k1] = number.to_ne_bytes();
    u32::from_ne_bytes([l0, l1, k0, k1])
}

/// The next attribute by its definition, for those that are cut short; and what is left then. A stream that were handed
/// on by reference could not stay in registers.
#[cold]
#[inline(never)]
fn next_unusual(bytes: &[u8]) -> (&[u8], Result<Option<Attribute<'_>>, DecodeError>) {
    if bytes.len() < NLA_HEADER {
        return (bytes, Ok(None));
    }
    if let Ok((rest, attribute)) = Attribute::split(bytes) {
        return (rest, Ok(Some(attribute)));
    }
    let claimed = NlAttr::read(bytes).map_or(0, |header| header.len);
    (&[], Err(DecodeErrorKind::AttributeLength { claimed, available: bytes.len() }.into()))
}
