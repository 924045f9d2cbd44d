//! The decoding half of the codec: its traits and the loop that drives them.

use deku::DekuContainerRead;

use super::{Attribute, DecodeError, DecodeErrorKind, NLA_HEADER, Schema, Stream, Wire};

/// What decoding does with bytes that are not declared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Skip them, as every program should.
    #[default]
    Lenient,
    /// Refuse them: for tests that want to learn what a kernel sends.
    Strict,
}

/// A nest that can be decoded: a message's body, or attributes inside an attribute. Derive it.
///
/// The derive's page lists what can be declared: [`conntrack_derive::Decode`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a struct of attributes that can be decoded",
    label = "needs `#[derive(Decode)]`"
)]
pub trait Decode: Sized {
    /// The declaration as data.
    const SCHEMA: &'static Schema;

    /// The attributes decoded so far.
    #[doc(hidden)]
    type Partial: Default;

    /// Takes from `stream` what comes in declaration order.
    #[doc(hidden)]
    fn decode_in_order(partial: &mut Self::Partial, stream: &mut Stream<'_>);

    /// Decodes one attribute, in any order; false if it is not declared.
    #[doc(hidden)]
    fn decode_attribute(
        partial: &mut Self::Partial,
        attribute: Attribute<'_>,
        mode: Mode,
    ) -> Result<bool, DecodeError>;

    /// Whether nothing has been decoded into `partial`.
    #[doc(hidden)]
    fn is_empty(partial: &Self::Partial) -> bool;

    /// The whole value, or what is missing.
    #[doc(hidden)]
    fn finish(partial: Self::Partial) -> Result<Self, DecodeError>;
}

/// The payload of one attribute that can be decoded: an integer, an address, a string, a nest.
///
/// To make one of your own, wrap a payload: `#[derive(Decode)] #[nla(transparent)] struct Mine(u32);`
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be decoded from an attribute",
    label = "neither a payload nor a struct that derives `Decode`"
)]
pub trait DecodePayload: Sized {
    /// What the payload is, as data.
    const WIRE: Wire;

    /// Decodes the payload of one attribute.
    fn decode_payload(payload: &[u8], mode: Mode) -> Result<Self, DecodeError>;

    /// Takes the next attribute of `stream` if it is attribute `number` and looks as the kernel sends it. Where this
    /// says `None`, [`decode_payload`](Self::decode_payload) decides.
    #[doc(hidden)]
    #[inline(always)]
    fn decode_next(number: u16, stream: &mut Stream<'_>) -> Option<Self> {
        let mut ahead = *stream;
        let value = Self::decode_payload(ahead.expect_any_length(number)?, Mode::Strict).ok()?;
        *stream = ahead;
        Some(value)
    }
}

impl<T: Decode> DecodePayload for T {
    const WIRE: Wire = Wire::Nest(T::SCHEMA);

    #[inline]
    fn decode_payload(payload: &[u8], mode: Mode) -> Result<Self, DecodeError> {
        decode_with(payload, mode)
    }

    #[inline(always)]
    fn decode_next(number: u16, stream: &mut Stream<'_>) -> Option<Self> {
        stream.expect_nest(number, |content| {
            let mut partial = T::Partial::default();
            T::decode_in_order(&mut partial, content);
            T::finish(partial).ok()
        })
    }
}

/// The type of a field: a payload, which is then required, or an `Option` of one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be decoded from an attribute",
    label = "neither a payload, nor an `Option` of one, nor a struct that derives `Decode`"
)]
pub trait DecodeField: Sized {
    /// The payload's type.
    type Value: DecodePayload;
    /// Whether decoding fails without it.
    const REQUIRED: bool;

    /// The field's value, if it may have the one in `slot`.
    #[doc(hidden)]
    fn from_slot(slot: Option<Self::Value>) -> Option<Self>;
}

impl<T: DecodePayload> DecodeField for T {
    type Value = T;
    const REQUIRED: bool = true;

    #[inline(always)]
    fn from_slot(slot: Option<T>) -> Option<T> {
        slot
    }
}

impl<T: DecodePayload> DecodeField for Option<T> {
    type Value = T;
    const REQUIRED: bool = false;

    #[inline(always)]
    fn from_slot(slot: Option<T>) -> Option<Self> {
        Some(slot)
    }
}

/// Decodes a run of attributes, skipping what is not declared.
///
/// # Errors
/// The first thing that is wrong, with its place.
#[inline]
pub fn decode<T: Decode>(attributes: &[u8]) -> Result<T, DecodeError> {
    decode_with(attributes, Mode::Lenient)
}

/// Decodes a run of attributes.
///
/// # Errors
/// The first thing that is wrong, with its place.
#[inline]
pub fn decode_with<T: Decode>(attributes: &[u8], mode: Mode) -> Result<T, DecodeError> {
    let mut partial = T::Partial::default();
    let mut stream = Stream::new(attributes);
    T::decode_in_order(&mut partial, &mut stream);
    // Each turn takes one attribute at least, so this ends after as many turns as there are attributes.
    while decode_one::<T>(&mut partial, &mut stream, attributes.len(), mode)? {
        T::decode_in_order(&mut partial, &mut stream);
    }
    T::finish(partial)
}

/// [`decode_with`] that never expects an order: what the fast path is tested against.
///
/// # Errors
/// The same as [`decode_with`], for the same bytes.
pub fn decode_with_general_path_only<T: Decode>(attributes: &[u8], mode: Mode) -> Result<T, DecodeError> {
    let mut partial = T::Partial::default();
    let mut stream = Stream::new(attributes);
    while decode_one::<T>(&mut partial, &mut stream, attributes.len(), mode)? {}
    T::finish(partial)
}

/// The general path: one attribute, whichever it is. False at the end.
#[inline]
fn decode_one<T: Decode>(
    partial: &mut T::Partial,
    stream: &mut Stream<'_>,
    total: usize,
    mode: Mode,
) -> Result<bool, DecodeError> {
    let offset = total.saturating_sub(stream.rest().len());
    let Some(attribute) = stream.next_attribute().map_err(|error| error.shifted(offset))? else {
        let left = stream.rest().len();
        if left > 0 && mode == Mode::Strict {
            return Err(DecodeError::from(DecodeErrorKind::TrailingBytes(left)).shifted(offset));
        }
        return Ok(false);
    };
    let known = T::decode_attribute(partial, attribute, mode)
        .map_err(|error| error.shifted(offset.saturating_add(NLA_HEADER)))?;
    if !known && mode == Mode::Strict {
        let (number, length) = (attribute.number(), attribute.payload().len());
        return Err(DecodeError::from(DecodeErrorKind::UnknownAttribute { number, length }).shifted(offset));
    }
    Ok(true)
}

/// Decodes a fixed layout that `deku` describes; more bytes than it has are ignored, as for integers.
#[doc(hidden)]
#[inline]
pub fn decode_layout<T>(payload: &[u8], name: &'static str, size: usize) -> Result<T, DecodeError>
where
    T: for<'a> DekuContainerRead<'a>,
{
    if payload.len() < size {
        return Err(DecodeErrorKind::TooShort { found: payload.len(), expected: size }.into());
    }
    T::from_bytes((payload, 0)).map(|(_, value)| value).map_err(|_| DecodeErrorKind::Layout(name).into())
}
