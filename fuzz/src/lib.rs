//! How the bytes of a fuzzer are read as what a target needs.

use conntrack_tests::types::{TYPES, Type};

/// A struct by the first byte, and the attributes behind it.
#[must_use]
pub fn type_and_attributes(input: &[u8]) -> Option<(&'static Type, &[u8])> {
    let (first, attributes) = input.split_first()?;
    let index = usize::from(*first).checked_rem(TYPES.len())?;
    Some((TYPES.get(index)?, attributes))
}

/// The input that [`type_and_attributes`] takes apart again.
///
/// # Panics
/// There are more structs than a byte can tell apart.
#[must_use]
pub fn with_type(of: &Type, attributes: &[u8]) -> Option<Vec<u8>> {
    let index = TYPES.iter().position(|known| known.schema.name == of.schema.name)?;
    Some([&[u8::try_from(index).expect("a byte")], attributes].concat())
}

/// Datagrams, each with its length in front of it, two bytes; the last takes what is left.
pub fn datagrams(input: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = input;
    std::iter::from_fn(move || {
        let (length, after) = rest.split_first_chunk()?;
        let (datagram, after) = after.split_at(usize::from(u16::from_le_bytes(*length)).min(after.len()));
        rest = after;
        Some(datagram)
    })
}

/// The input that [`datagrams`] takes apart again.
#[must_use]
pub fn with_lengths<D: AsRef<[u8]>>(datagrams: impl IntoIterator<Item = D>) -> Vec<u8> {
    let mut input = Vec::new();
    for datagram in datagrams {
        let datagram = datagram.as_ref();
        input.extend(u16::try_from(datagram.len()).unwrap_or(u16::MAX).to_le_bytes());
        input.extend(datagram);
    }
    input
}
