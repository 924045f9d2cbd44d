//! The `nom` parsers that split messages and attributes off the front of bytes.
//!
//! Both are a header, which counts itself in its length, a payload, and padding to a multiple of four bytes.

use nom::{Err, IResult, Parser};

use super::{Layout, align};

/// Parses a fixed layout.
///
/// # Errors
/// There are fewer bytes, or they are not valid for it.
#[inline(always)]
pub fn layout<T: Layout>(input: &[u8]) -> IResult<&[u8], T, ()> {
    match (T::read(input), input.get(T::SIZE..)) {
        (Ok(value), Some(rest)) => Ok((rest, value)),
        _ => Err(Err::Error(())),
    }
}

/// Makes a parser of `size` bytes and the padding behind them, which may be missing at the end.
///
/// `nom`'s `take` says the same, but is not inlined: three calls for each message.
#[inline(always)]
pub fn padded<'a>(size: usize) -> impl Parser<&'a [u8], Output = &'a [u8], Error = ()> {
    move |input: &'a [u8]| match input.get(..size) {
        Some(payload) => Ok((input.get(align(size)..).unwrap_or_default(), payload)),
        None => Err(Err::Error(())),
    }
}
