//! Strings and byte arrays of a limited length, held in place: decoding them allocates nothing.

use std::fmt;
use std::ops::Deref;
use std::str::FromStr;

use super::{DecodeError, DecodeErrorKind, DecodePayload, EncodePayload, Mode, Wire, Writer};

/// At most `N` bytes, in place.
#[derive(Clone, Copy)]
pub struct BoundedBytes<const N: usize> {
    length: u8,
    bytes: [u8; N],
}

/// A value that is longer than the kernel's limit for it, or that its terminating NUL would cut short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TooLong {
    /// More bytes than the limit.
    #[error("{length} bytes, at most {limit} fit")]
    Length {
        /// Bytes there are.
        length: usize,
        /// The most there may be.
        limit: usize,
    },
    /// A string with a NUL inside: the kernel would read only what is before it.
    #[error("a NUL at byte {0}, which would end the string there")]
    Nul(usize),
}

impl<const N: usize> BoundedBytes<N> {
    /// No bytes.
    pub const EMPTY: Self = Self { length: 0, bytes: [0; N] };

    /// Copies `bytes`.
    ///
    /// # Errors
    /// There are more than `N`.
    #[inline]
    pub fn new(bytes: &[u8]) -> Result<Self, TooLong> {
        const { assert!(N <= 255, "the length is kept in one byte") };
        let mut held = Self::EMPTY;
        match (held.bytes.get_mut(..bytes.len()), u8::try_from(bytes.len())) {
            (Some(place), Ok(length)) => {
                place.copy_from_slice(bytes);
                held.length = length;
                Ok(held)
            }
            _ => Err(TooLong::Length { length: bytes.len(), limit: N }),
        }
    }

    /// The bytes.
    #[inline]
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.length)).unwrap_or_default()
    }
}

impl<const N: usize> Deref for BoundedBytes<N> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl<const N: usize> TryFrom<&[u8]> for BoundedBytes<N> {
    type Error = TooLong;

    fn try_from(bytes: &[u8]) -> Result<Self, TooLong> {
        Self::new(bytes)
    }
}

impl<const N: usize> Default for BoundedBytes<N> {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl<const N: usize> PartialEq for BoundedBytes<N> {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl<const N: usize> Eq for BoundedBytes<N> {}

impl<const N: usize> std::hash::Hash for BoundedBytes<N> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl<const N: usize> fmt::Debug for BoundedBytes<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.as_bytes()).finish()
    }
}

impl<const N: usize> DecodePayload for BoundedBytes<N> {
    const WIRE: Wire = Wire::Bytes { min: 0, max: Some(N) };

    #[inline(always)]
    fn vacant() -> Self {
        Self::default()
    }

    fn decode_payload(payload: &[u8], _: Mode) -> Result<Self, DecodeError> {
        Self::new(payload).map_err(|_| DecodeErrorKind::TooLong { found: payload.len(), limit: N }.into())
    }
}

impl<const N: usize> EncodePayload for BoundedBytes<N> {
    #[inline]
    fn encode_payload(&self, writer: &mut Writer<'_>) {
        writer.bytes(self.as_bytes());
    }
}

/// A string of at most `N` bytes, in place, which travels with a terminating NUL that `N` does not count.
///
/// Kernel strings are bytes, ASCII in practice; [`to_str`](Self::to_str) and `Display` give text.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct NulString<const N: usize>(BoundedBytes<N>);

impl<const N: usize> NulString<N> {
    /// The empty string.
    pub const EMPTY: Self = Self(BoundedBytes::EMPTY);

    /// Copies `text`.
    ///
    /// # Errors
    /// It is longer than `N` bytes, or has a NUL inside.
    pub fn new(text: impl AsRef<[u8]>) -> Result<Self, TooLong> {
        let bytes = text.as_ref();
        if let Some(at) = bytes.iter().position(|byte| *byte == 0) {
            return Err(TooLong::Nul(at));
        }
        BoundedBytes::new(bytes).map(Self)
    }

    /// The bytes, without the NUL.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// The text.
    ///
    /// # Errors
    /// It is not UTF-8.
    pub fn to_str(&self) -> Result<&str, std::str::Utf8Error> {
        std::str::from_utf8(self.as_bytes())
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.as_bytes().is_empty()
    }
}

impl<const N: usize> FromStr for NulString<N> {
    type Err = TooLong;

    fn from_str(text: &str) -> Result<Self, TooLong> {
        Self::new(text)
    }
}

impl<const N: usize> TryFrom<&str> for NulString<N> {
    type Error = TooLong;

    fn try_from(text: &str) -> Result<Self, TooLong> {
        Self::new(text)
    }
}

impl<const N: usize> PartialEq<str> for NulString<N> {
    fn eq(&self, other: &str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl<const N: usize> PartialEq<&str> for NulString<N> {
    fn eq(&self, other: &&str) -> bool {
        self == *other
    }
}

impl<const N: usize> fmt::Display for NulString<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&String::from_utf8_lossy(self.as_bytes()))
    }
}

impl<const N: usize> fmt::Debug for NulString<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(self.as_bytes()))
    }
}

impl<const N: usize> DecodePayload for NulString<N> {
    const WIRE: Wire = Wire::Text { max: Some(N) };

    #[inline(always)]
    fn vacant() -> Self {
        Self::default()
    }

    fn decode_payload(payload: &[u8], _: Mode) -> Result<Self, DecodeError> {
        let found = payload.len();
        match payload.iter().position(|byte| *byte == 0) {
            Some(end) => BoundedBytes::new(payload.get(..end).unwrap_or_default())
                .map(Self)
                .map_err(|_| DecodeErrorKind::TooLong { found: end, limit: N }.into()),
            None => Err(DecodeErrorKind::Unterminated { found }.into()),
        }
    }
}

impl<const N: usize> EncodePayload for NulString<N> {
    #[inline]
    fn encode_payload(&self, writer: &mut Writer<'_>) {
        writer.bytes(self.as_bytes());
        writer.bytes(&[0]);
    }
}
