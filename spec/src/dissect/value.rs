//! What a payload says.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::codec::{ByteOrder, DecodeErrorKind, DecodePayload, Mode, Name, Wire, integer};
use crate::names;

/// The number in host byte order that a payload starts with, and its size, if it does.
pub(super) fn host_order(wire: &Wire, payload: &[u8]) -> Option<(u64, usize)> {
    let (size, order) = wire.integer().filter(|(_, order)| *order == ByteOrder::Native)?;
    Some((integer::unsigned(payload, size, order)?, size))
}

/// What a payload says, or what is wrong with it.
pub(super) fn meaning(wire: &Wire, payload: &[u8]) -> String {
    match try_meaning(wire, payload) {
        Ok(meaning) => meaning,
        Err(error) => error.to_string(),
    }
}

fn try_meaning(wire: &Wire, payload: &[u8]) -> Result<String, DecodeErrorKind> {
    let found = payload.len();
    match *wire {
        _ if wire.is_padding(payload) => Ok("padding".to_owned()),
        Wire::Unsigned { size, order } => number(payload, size, order).map(|value| with_excess(value, found, size)),
        Wire::Signed { size, order } => {
            number(payload, size, order).map(|value| with_excess(integer::signed(value, size), found, size))
        }
        Wire::Named { of, names, bits, .. } => {
            let Some((size, order)) = of.integer() else { return try_meaning(of, payload) };
            let value = number(payload, size, order)?;
            Ok(with_excess(Named { value, names, bits }, found, size))
        }
        Wire::Ipv4 => address::<Ipv4Addr>(payload).map(|address| with_excess(address, found, 4)),
        Wire::Ipv6 => address::<Ipv6Addr>(payload).map(|address| with_excess(address, found, 16)),
        Wire::Ip => address::<IpAddr>(payload).map(|address| address.to_string()),
        Wire::Bytes { min, .. } if found < min => Err(DecodeErrorKind::TooShort { found, expected: min }),
        Wire::Bytes { min, max: Some(max) } if min == max => Ok(with_excess("", found, max)),
        Wire::Bytes { max: Some(limit), .. } if found > limit => Err(DecodeErrorKind::TooLong { found, limit }),
        Wire::Text { max } => text(payload, max),
        Wire::Layout { size: expected, .. } if found < expected => Err(DecodeErrorKind::TooShort { found, expected }),
        Wire::Layout { name, size } => Ok(with_excess(name, found, size)),
        Wire::Bytes { .. } | Wire::Nest(_) | Wire::Selected { .. } | Wire::Padding => Ok(String::new()),
    }
}

/// The first `size` bytes as a number.
fn number(payload: &[u8], size: usize, order: ByteOrder) -> Result<u64, DecodeErrorKind> {
    let too_short = DecodeErrorKind::TooShort { found: payload.len(), expected: size };
    integer::unsigned(payload, size, order).ok_or(too_short)
}

fn address<T: DecodePayload>(payload: &[u8]) -> Result<T, DecodeErrorKind> {
    T::decode_payload(payload, Mode::Lenient).map_err(|error| error.kind())
}

/// A text in quotes, up to its NUL. Only one with a limit must have a NUL.
fn text(payload: &[u8], limit: Option<usize>) -> Result<String, DecodeErrorKind> {
    let end = payload.iter().position(|byte| *byte == 0);
    let text = payload.get(..end.unwrap_or(payload.len())).unwrap_or_default();
    match limit {
        Some(_) if end.is_none() => Err(DecodeErrorKind::Unterminated { found: payload.len() }),
        Some(limit) if text.len() > limit => {
            let error = DecodeErrorKind::TooLong { found: text.len(), limit };
            Ok(format!("\"{}\" ({error})", text.escape_ascii()))
        }
        _ => Ok(format!("\"{}\"", text.escape_ascii())),
    }
}

/// A value, if there is one to print, and how many bytes behind it do not count.
fn with_excess(value: impl fmt::Display, found: usize, size: usize) -> String {
    match found.saturating_sub(size) {
        0 => value.to_string(),
        excess => format!("{value} (excess bytes: {excess})").trim_start().to_owned(),
    }
}

/// A number by its name, or by the names of its bits.
pub(super) struct Named<'n> {
    pub(super) value: u64,
    pub(super) names: &'n [Name],
    pub(super) bits: bool,
}

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { value, names, bits } = *self;
        match names::code(value, names, "") {
            _ if bits => names::write_bits(f, value, names, "", " | "),
            Some(name) => f.write_str(name),
            None => write!(f, "{value}"),
        }
    }
}
