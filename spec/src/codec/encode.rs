//! The encoding half of the codec: its traits and the buffer that they write to.

use super::stream::header_word;
use super::{NLA_F_NESTED, NLA_HEADER, align};

/// A nest that can be encoded: a message's body, or attributes inside an attribute. Derive it.
///
/// The derive's page lists what can be declared: [`conntrack_derive::Encode`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a struct of attributes that can be encoded",
    label = "needs `#[derive(Encode)]`"
)]
pub trait Encode {
    /// Appends the attributes, in declaration order.
    fn encode_attributes(&self, writer: &mut Writer<'_>);
}

/// The payload of one attribute that can be encoded.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be encoded as an attribute",
    label = "neither a payload nor a struct that derives `Encode`"
)]
pub trait EncodePayload {
    /// Whether the payload is a nest, which sets `NLA_F_NESTED`.
    const NESTED: bool = false;

    /// Appends the payload, without padding.
    fn encode_payload(&self, writer: &mut Writer<'_>);

    /// Appends the whole attribute.
    #[doc(hidden)]
    #[inline]
    fn encode_attribute(&self, number: u16, writer: &mut Writer<'_>) {
        writer.attribute_of_any_length(number, self);
    }
}

impl<T: Encode> EncodePayload for T {
    const NESTED: bool = true;

    #[inline]
    fn encode_payload(&self, writer: &mut Writer<'_>) {
        self.encode_attributes(writer);
    }
}

/// The type of a field: a payload, which is always written, or an `Option` of one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be encoded as an attribute",
    label = "neither a payload, nor an `Option` of one, nor a struct that derives `Encode`"
)]
pub trait EncodeField {
    /// The payload's type.
    type Value: EncodePayload;
    /// Whether it is always written.
    const REQUIRED: bool;

    /// What is to be written, if anything.
    #[doc(hidden)]
    fn value(&self) -> Option<&Self::Value>;
}

impl<T: EncodePayload> EncodeField for T {
    type Value = T;
    const REQUIRED: bool = true;

    #[inline(always)]
    fn value(&self) -> Option<&T> {
        Some(self)
    }
}

impl<T: EncodePayload> EncodeField for Option<T> {
    type Value = T;
    const REQUIRED: bool = false;

    #[inline(always)]
    fn value(&self) -> Option<&T> {
        self.as_ref()
    }
}

/// One of several payloads that a field declared as `A as X, B as Y` can hold.
///
/// `IpAddr` holds an `Ipv4Addr` or an `Ipv6Addr`. It is the way back of `From<X>`.
pub trait Choose<X>: From<X> {
    /// The value as an `X`, if it is one.
    fn choose(&self) -> Option<X>;
}

/// What an attribute cannot hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// An attribute's length is a 16-bit number that counts its header.
    #[error("attribute {number} has {length} bytes, at most 65531 fit")]
    AttributeTooLong {
        /// The attribute's number.
        number: u16,
        /// Bytes of its payload.
        length: usize,
    },
    /// More elements than there are attribute numbers for them.
    #[error("{count} elements, the attributes {first} to {last} hold {capacity}", capacity = (*first..=*last).len())]
    TooManyElements {
        /// Elements there are.
        count: usize,
        /// The first attribute number.
        first: u16,
        /// The last attribute number.
        last: u16,
    },
    /// A text with a NUL inside: the kernel would read only what is before it.
    #[error("attribute {number} has a NUL at byte {at} of its text, which would end it there")]
    Nul {
        /// The attribute's number; 0 for a text that is encoded without an attribute around it.
        number: u16,
        /// The first NUL, in bytes from the start of the text.
        at: usize,
    },
    /// A message's length is a 32-bit number.
    #[error("a message of {0} bytes, at most 4294967295 fit")]
    MessageTooLong(usize),
    /// A fixed layout of this many bytes is longer than the place for it.
    #[error("no room for a fixed layout of {0} bytes")]
    NoRoom(usize),
    /// A condition of a fixed layout, such as `#[deku(assert = "…")]`, does not hold.
    #[error("a value that its fixed layout does not allow")]
    InvalidLayout,
}

/// Appends attributes to a buffer. What goes wrong is kept and reported by [`finish`](Self::finish), once.
#[derive(Debug)]
pub struct Writer<'a> {
    buffer: &'a mut Vec<u8>,
    error: Option<EncodeError>,
    /// The attribute whose payload began last, for an error about it.
    number: u16,
}

impl<'a> Writer<'a> {
    /// A writer that appends to `buffer`.
    #[inline]
    pub fn new(buffer: &'a mut Vec<u8>) -> Self {
        Self { buffer, error: None, number: 0 }
    }

    /// Appends bytes of a payload.
    #[inline(always)]
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The buffer that it appends to.
    #[inline(always)]
    pub(super) fn buffer(&mut self) -> &mut Vec<u8> {
        self.buffer
    }

    /// Appends one attribute: its header, its payload, its padding.
    #[inline(always)]
    pub fn attribute<T: EncodePayload + ?Sized>(&mut self, number: u16, payload: &T) {
        payload.encode_attribute(number, self);
    }

    /// Appends an attribute of a fixed size in one piece. `SPACE` is what it takes with header and padding.
    #[doc(hidden)]
    #[inline(always)]
    pub fn attribute_of_size<const SIZE: usize, const SPACE: usize>(
        &mut self,
        number: u16,
        write: impl FnOnce(&mut [u8]) -> Result<(), EncodeError>,
    ) {
        let mut attribute = [0; SPACE];
        if let Some((header, payload)) = attribute.split_first_chunk_mut::<NLA_HEADER>() {
            *header = header_word::<SIZE>(number).to_ne_bytes();
            match write(payload) {
                Ok(()) => self.bytes(&attribute),
                Err(error) => self.fail(error),
            }
        }
    }

    /// [`attribute`](Self::attribute) whose length is known when its payload has been written.
    #[inline]
    fn attribute_of_any_length<T: EncodePayload + ?Sized>(&mut self, number: u16, payload: &T) {
        let start = self.buffer.len();
        let kind = if T::NESTED { number | NLA_F_NESTED } else { number };
        let [k0, k1] = kind.to_ne_bytes();
        self.buffer.extend_from_slice(&[0, 0, k0, k1]);
        self.number = number;
        payload.encode_payload(self);
        let length = self.buffer.len().saturating_sub(start);
        match u16::try_from(length) {
            Ok(short) => {
                if let Some(field) = self.buffer.get_mut(start..).and_then(<[u8]>::first_chunk_mut) {
                    *field = short.to_ne_bytes();
                }
                // Most end aligned, as every nest does.
                if length != align(length) {
                    self.buffer.resize(start.saturating_add(align(length)), 0);
                }
            }
            Err(_) => self.fail(EncodeError::AttributeTooLong { number, length: length.saturating_sub(NLA_HEADER) }),
        }
    }

    /// Appends `elements` as the attributes `first`, `first + 1` … `last`. `None` leaves its number out.
    pub fn indexed<T: EncodeField>(&mut self, first: u16, last: u16, elements: &[T]) {
        for (number, element) in (first..=last).zip(elements) {
            if let Some(value) = element.value() {
                self.attribute(number, value);
            }
        }
        if elements.len() > (first..=last).len() {
            self.fail(EncodeError::TooManyElements { count: elements.len(), first, last });
        }
    }

    /// Keeps the error that the text being written has a NUL at byte `at`.
    #[cold]
    pub(super) fn fail_at_nul(&mut self, at: usize) {
        self.fail(EncodeError::Nul { number: self.number, at });
    }

    /// Keeps the first error.
    #[cold]
    pub fn fail(&mut self, error: EncodeError) {
        self.error.get_or_insert(error);
    }

    /// What went wrong, if anything.
    ///
    /// # Errors
    /// The first thing that could not be encoded; the buffer's content is then of no use.
    #[inline]
    pub fn finish(self) -> Result<(), EncodeError> {
        self.error.map_or(Ok(()), Err)
    }
}

/// Encodes a struct's attributes into a buffer of their own.
///
/// # Errors
/// [`EncodeError::AttributeTooLong`], [`EncodeError::TooManyElements`] or [`EncodeError::Nul`], which tell the attribute.
pub fn encode<T: Encode>(value: &T) -> Result<Vec<u8>, EncodeError> {
    let mut buffer = Vec::new();
    encode_into(value, &mut buffer).map(|()| buffer)
}

/// Appends a struct's attributes to `buffer`.
///
/// # Errors
/// Those of [`encode`]; `buffer` is then as it was.
#[inline]
pub fn encode_into<T: Encode>(value: &T, buffer: &mut Vec<u8>) -> Result<(), EncodeError> {
    let start = buffer.len();
    let mut writer = Writer::new(buffer);
    value.encode_attributes(&mut writer);
    writer.finish().inspect_err(|_| buffer.truncate(start))
}

/// Whether one of them is true. For the derive.
#[doc(hidden)]
#[must_use]
pub const fn any(conditions: &[bool]) -> bool {
    let mut rest = conditions;
    while let [first, others @ ..] = rest {
        if *first {
            return true;
        }
        rest = others;
    }
    false
}
