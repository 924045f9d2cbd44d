//! Strings and byte arrays with a limit. Up to the limit they are held in place: decoding them allocates nothing.

use std::fmt;
use std::ops::Deref;
use std::str::FromStr;

use super::{DecodeError, DecodeErrorKind, DecodePayload, EncodePayload, Mode, Wire, Writer};

/// Bytes that the kernel limits to `N`.
///
/// [`new`](Self::new) refuses more than `N` bytes. Decoding keeps more, so that a newer kernel with a higher limit does
/// not break an older program: only then does decoding allocate.
#[derive(Clone)]
pub struct BoundedBytes<const N: usize>(Held<N>);

#[derive(Clone)]
enum Held<const N: usize> {
    InPlace {
        length: u8,
        bytes: [u8; N],
    },
    /// Received, and longer than `N`.
    Long(Box<[u8]>),
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
    pub const EMPTY: Self = Self(Held::InPlace { length: 0, bytes: [0; N] });

    /// Copies `bytes`.
    ///
    /// # Errors
    /// [`TooLong::Length`]: there are more than `N`.
    #[inline]
    pub fn new(bytes: &[u8]) -> Result<Self, TooLong> {
        const { assert!(N <= 255, "the length is kept in one byte") };
        let mut held = [0; N];
        match (held.get_mut(..bytes.len()), u8::try_from(bytes.len())) {
            (Some(place), Ok(length)) => {
                place.copy_from_slice(bytes);
                Ok(Self(Held::InPlace { length, bytes: held }))
            }
            _ => Err(TooLong::Length { length: bytes.len(), limit: N }),
        }
    }

    /// Keeps received bytes, however many they are.
    fn received(bytes: &[u8]) -> Self {
        Self::new(bytes).unwrap_or_else(|_| Self(Held::Long(bytes.into())))
    }

    /// The bytes.
    #[inline]
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Held::InPlace { length, bytes } => bytes.get(..usize::from(*length)).unwrap_or_default(),
            Held::Long(bytes) => bytes,
        }
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
        Ok(Self::received(payload))
    }
}

impl<const N: usize> EncodePayload for BoundedBytes<N> {
    #[inline]
    fn encode_payload(&self, writer: &mut Writer<'_>) {
        writer.bytes(self.as_bytes());
    }
}

/// A string that the kernel limits to `N` bytes. It travels with a terminating NUL, which `N` does not count.
///
/// [`new`](Self::new) and parsing refuse more than `N` bytes. Decoding keeps a longer name that a newer kernel sends, and
/// allocates only for it.
///
/// Kernel strings are bytes, ASCII in practice; [`to_str`](Self::to_str) and `Display` give text.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
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
        match payload.iter().position(|byte| *byte == 0) {
            Some(end) => Ok(Self(BoundedBytes::received(payload.get(..end).unwrap_or_default()))),
            None => Err(DecodeErrorKind::Unterminated { found: payload.len() }.into()),
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
