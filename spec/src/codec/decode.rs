//! The decoding half of the codec: its traits and the loop that drives them.

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

    /// Which of the attributes have come.
    #[doc(hidden)]
    type Seen: Default;

    /// A value to decode into. Nobody sees it before what is required has replaced what it has.
    #[doc(hidden)]
    fn vacant() -> Self;

    /// Takes from `stream` what comes in declaration order.
    #[doc(hidden)]
    fn decode_in_order(value: &mut Self, seen: &mut Self::Seen, stream: &mut Stream<'_>);

    /// Decodes one attribute, in any order; false if it is not declared.
    #[doc(hidden)]
    fn decode_attribute(
        value: &mut Self,
        seen: &mut Self::Seen,
        attribute: Attribute<'_>,
        mode: Mode,
    ) -> Result<bool, DecodeError>;

    /// Whether nothing has come.
    #[doc(hidden)]
    fn is_empty(seen: &Self::Seen) -> bool;

    /// Completes the value, or says what is missing.
    #[doc(hidden)]
    fn finish(value: &mut Self, seen: Self::Seen) -> Result<(), DecodeError>;
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

    /// Any value: see [`Decode::vacant`].
    #[doc(hidden)]
    fn vacant() -> Self;

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

    /// [`decode_next`](Self::decode_next) into `field`, which has no value yet, and has none where this says false.
    ///
    /// A nest is decoded where it will stay. To move it would be to read what is still on its way to memory, and to wait
    /// for it, which takes longer than the decoding.
    #[doc(hidden)]
    #[inline(always)]
    fn decode_next_at<F: DecodeField<Value = Self>>(number: u16, stream: &mut Stream<'_>, field: &mut F) -> bool {
        let Some(value) = Self::decode_next(number, stream) else { return false };
        field.set(value);
        true
    }
}

impl<T: Decode> DecodePayload for T {
    const WIRE: Wire = Wire::Nest(T::SCHEMA);

    #[inline(always)]
    fn vacant() -> Self {
        T::vacant()
    }

    #[inline]
    fn decode_payload(payload: &[u8], mode: Mode) -> Result<Self, DecodeError> {
        decode_with(payload, mode)
    }

    #[inline(always)]
    fn decode_next(number: u16, stream: &mut Stream<'_>) -> Option<Self> {
        let mut value = T::vacant();
        T::decode_next_at(number, stream, &mut value).then_some(value)
    }

    #[inline(always)]
    fn decode_next_at<F: DecodeField<Value = Self>>(number: u16, stream: &mut Stream<'_>, field: &mut F) -> bool {
        let Some((content, length)) = stream.enter(number) else { return false };
        if let Some(rest) = decode_nest(field.fresh(), content, length) {
            *stream = rest;
            return true;
        }
        // The next attempt may be a later attribute of the same number, which need not have all that this one had. The
        // general path does not always come here: what was tried may be behind the end of the nest around it.
        field.clear();
        false
    }
}

/// Decodes a nest of `length` bytes if they come as the kernel sends them, and says what is behind it.
///
/// `content` does not end where the nest does, so that it too runs on constants alone; that it stopped there is compared
/// afterwards.
#[inline]
fn decode_nest<'a, T: Decode>(value: &mut T, mut content: Stream<'a>, length: usize) -> Option<Stream<'a>> {
    let (available, mut seen) = (content.rest().len(), T::Seen::default());
    T::decode_in_order(value, &mut seen, &mut content);
    // In this order: what comes in another one than expected is not there to its end, and no error is made for it.
    let is_whole = available.wrapping_sub(content.rest().len()) == length && T::finish(value, seen).is_ok();
    is_whole.then_some(content)
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

    /// A field that is still to be decoded.
    #[doc(hidden)]
    fn vacant() -> Self;

    /// The place of a value that is to be decoded as a whole.
    #[doc(hidden)]
    fn fresh(&mut self) -> &mut Self::Value;

    /// The place of a value of which some has been decoded, perhaps.
    #[doc(hidden)]
    fn current(&mut self) -> &mut Self::Value;

    /// Gives the field a value.
    #[doc(hidden)]
    fn set(&mut self, value: Self::Value);

    /// Makes the field [vacant](Self::vacant) again: nothing is left of what was decoded into it.
    #[doc(hidden)]
    fn clear(&mut self);
}

impl<T: DecodePayload> DecodeField for T {
    type Value = T;
    const REQUIRED: bool = true;

    #[inline(always)]
    fn vacant() -> Self {
        <T as DecodePayload>::vacant()
    }

    #[inline(always)]
    fn fresh(&mut self) -> &mut T {
        self
    }

    #[inline(always)]
    fn current(&mut self) -> &mut T {
        self
    }

    #[inline(always)]
    fn set(&mut self, value: T) {
        *self = value;
    }

    /// Only the failing path comes here.
    #[cold]
    #[inline(never)]
    fn clear(&mut self) {
        *self = <T as DecodePayload>::vacant();
    }
}

impl<T: DecodePayload> DecodeField for Option<T> {
    type Value = T;
    const REQUIRED: bool = false;

    #[inline(always)]
    fn vacant() -> Self {
        None
    }

    #[inline(always)]
    fn fresh(&mut self) -> &mut T {
        self.insert(<T as DecodePayload>::vacant())
    }

    #[inline(always)]
    fn current(&mut self) -> &mut T {
        self.get_or_insert_with(<T as DecodePayload>::vacant)
    }

    #[inline(always)]
    fn set(&mut self, value: T) {
        *self = Some(value);
    }

    #[inline(always)]
    fn clear(&mut self) {
        *self = None;
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
    let mut value = T::vacant();
    decode_at(&mut value, attributes, mode)?;
    Ok(value)
}

/// [`decode_with`] into a [vacant](Decode::vacant) value, for who knows where it will stay.
#[doc(hidden)]
#[inline(always)]
pub fn decode_at<T: Decode>(value: &mut T, attributes: &[u8], mode: Mode) -> Result<(), DecodeError> {
    let (mut seen, mut stream) = (T::Seen::default(), Stream::new(attributes));
    T::decode_in_order(value, &mut seen, &mut stream);
    // Each turn takes one attribute, so this ends after as many turns as there are attributes.
    while let Some(declared) = decode_one(value, &mut seen, &mut stream, attributes.len(), mode)? {
        // Behind one that is not declared, what was expected before it is still not likely to come.
        if declared {
            T::decode_in_order(value, &mut seen, &mut stream);
        }
    }
    T::finish(value, seen)
}

/// [`decode_with`] that never expects an order: what the fast path is tested against.
///
/// # Errors
/// The same as [`decode_with`], for the same bytes.
pub fn decode_with_general_path_only<T: Decode>(attributes: &[u8], mode: Mode) -> Result<T, DecodeError> {
    let (mut value, mut seen) = (T::vacant(), T::Seen::default());
    let mut stream = Stream::new(attributes);
    while decode_one(&mut value, &mut seen, &mut stream, attributes.len(), mode)?.is_some() {}
    T::finish(&mut value, seen)?;
    Ok(value)
}

/// The general path: one attribute, whichever it is, and whether it is declared. `None` at the end.
#[inline]
fn decode_one<T: Decode>(
    value: &mut T,
    seen: &mut T::Seen,
    stream: &mut Stream<'_>,
    total: usize,
    mode: Mode,
) -> Result<Option<bool>, DecodeError> {
    let offset = total.saturating_sub(stream.rest().len());
    let Some(attribute) = stream.next_attribute().map_err(|error| error.shifted(offset))? else {
        let left = stream.rest().len();
        if left > 0 && mode == Mode::Strict {
            return Err(DecodeError::from(DecodeErrorKind::TrailingBytes(left)).shifted(offset));
        }
        return Ok(None);
    };
    let known = match T::decode_attribute(value, seen, attribute, mode) {
        Ok(known) => known,
        Err(_) if is_replaced(T::SCHEMA, attribute.number(), *stream) => true,
        Err(error) => return Err(error.shifted(offset.saturating_add(NLA_HEADER))),
    };
    if !known && mode == Mode::Strict {
        let (number, length) = (attribute.number(), attribute.payload().len());
        return Err(DecodeError::from(DecodeErrorKind::UnknownAttribute { number, length }).shifted(offset));
    }
    Ok(Some(known))
}

/// Whether a later attribute takes the place of attribute `number`. If this one is malformed, that is then no error.
#[cold]
#[inline(never)]
fn is_replaced(schema: &Schema, number: u16, mut rest: Stream<'_>) -> bool {
    while let Ok(Some(later)) = rest.next_attribute() {
        if schema.is_replaced(number, &later) {
            return true;
        }
    }
    false
}
