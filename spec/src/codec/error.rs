//! What can be wrong with received bytes.

use std::fmt;

/// Received bytes that are not what the struct declares: which attribute, where, and what was expected.
///
/// Printed, it reads `CTA_TUPLE_ORIG.CTA_TUPLE_IP.CTA_IP_V4_SRC: 3 bytes, expected 4 (at byte 8)`.
///
/// It is one pointer wide, so that results stay small; only an error allocates.
#[derive(Clone, PartialEq, Eq)]
pub struct DecodeError(Box<Inner>);

#[derive(Clone, PartialEq, Eq)]
struct Inner {
    kind: DecodeErrorKind,
    offset: usize,
    /// Innermost first, as the error passes outwards.
    path: Vec<&'static str>,
}

/// What is wrong, apart from where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeErrorKind {
    /// The payload has fewer bytes than its type needs.
    #[error("{found} bytes, expected {expected}")]
    TooShort {
        /// Bytes found.
        found: usize,
        /// Bytes needed.
        expected: usize,
    },
    /// The payload has more bytes than the kernel's limit for it.
    #[error("{found} bytes, expected at most {limit}")]
    TooLong {
        /// Bytes found.
        found: usize,
        /// The most there may be.
        limit: usize,
    },
    /// An IP address has four or sixteen bytes.
    #[error("{found} bytes, expected 4 or 16")]
    AddressLength {
        /// Bytes found.
        found: usize,
    },
    /// A string has no terminating NUL.
    #[error("no NUL in {found} bytes, expected a terminated string")]
    Unterminated {
        /// Bytes found.
        found: usize,
    },
    /// The length in an attribute's header is less than the header, or more than there is.
    #[error("attribute length {claimed}, expected 4 to {available}")]
    AttributeLength {
        /// The length its header gives.
        claimed: u16,
        /// The bytes that are left for it.
        available: usize,
    },
    /// An attribute that every kernel sends is not there.
    #[error("missing {0}")]
    Missing(&'static str),
    /// A list of numbered attributes has a gap: this element is not there, and one behind it is.
    #[error("missing {list}[{index}]")]
    MissingElement {
        /// The kernel name of the list's first attribute.
        list: &'static str,
        /// The element, counted from 0.
        index: u16,
    },
    /// Only in [`Mode::Strict`](super::Mode::Strict): an attribute that is not declared.
    #[error("unknown attribute {number} with {length} bytes")]
    UnknownAttribute {
        /// Its number.
        number: u16,
        /// The length of its payload.
        length: usize,
    },
    /// Only in [`Mode::Strict`](super::Mode::Strict): bytes behind the last attribute that are none.
    #[error("{0} bytes behind the last attribute")]
    TrailingBytes(usize),
    /// Bytes that a condition of their fixed layout forbids, such as `#[deku(assert = "…")]`; the type's name.
    #[error("not a valid `{0}`")]
    InvalidLayout(&'static str),
}

impl From<DecodeErrorKind> for DecodeError {
    #[cold]
    fn from(kind: DecodeErrorKind) -> Self {
        Self(Box::new(Inner { kind, offset: 0, path: Vec::new() }))
    }
}

/// For the derive: nothing among the attributes is `name`, which every kernel sends.
#[doc(hidden)]
#[cold]
#[must_use]
pub fn missing(name: &'static str) -> DecodeError {
    DecodeErrorKind::Missing(name).into()
}

impl DecodeError {
    /// What is wrong.
    #[must_use]
    pub fn kind(&self) -> DecodeErrorKind {
        self.0.kind
    }

    /// Where: the byte offset of what is wrong, from the start of the bytes that were decoded.
    ///
    /// For a payload of the wrong length it is the payload's first byte, for a bad header the header's, for something
    /// missing the start of the nest that lacks it.
    ///
    /// In a nest that stands in front of the attribute that tells what is in it, as no kernel sends it, it counts from
    /// the nest's first byte.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.0.offset
    }

    /// The kernel names of the attributes around it, outermost first; empty for the message itself.
    pub fn path(&self) -> impl ExactSizeIterator<Item = &'static str> {
        self.0.path.iter().rev().copied()
    }

    /// The same error, seen from the nest that holds attribute `name` with its payload at `offset`.
    #[cold]
    #[must_use]
    pub fn within(mut self, name: &'static str) -> Self {
        self.0.path.push(name);
        self
    }

    /// The same error, with its offset counted from `bytes` earlier.
    #[cold]
    #[must_use]
    pub fn shifted(mut self, bytes: usize) -> Self {
        self.0.offset = self.0.offset.saturating_add(bytes);
        self
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (depth, name) in self.path().enumerate() {
            write!(f, "{}{name}", if depth == 0 { "" } else { "." })?;
        }
        let colon = if self.0.path.is_empty() { "" } else { ": " };
        write!(f, "{colon}{} (at byte {})", self.0.kind, self.0.offset)
    }
}

impl fmt::Debug for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DecodeError")
            .field("path", &self.path().collect::<Vec<_>>())
            .field("kind", &self.0.kind)
            .field("offset", &self.0.offset)
            .finish()
    }
}

impl std::error::Error for DecodeError {}
