//! Bytes as text: two hexadecimal digits each. For `#[serde(with = "…")]` too.

use serde::de::{Deserialize, Deserializer, Error};
use serde::ser::Serializer;

/// The digits.
pub(super) fn text(bytes: &[u8]) -> String {
    use std::fmt::Write;
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// The bytes, if these are digits.
pub(super) fn bytes(text: &str) -> Option<Vec<u8>> {
    let byte = |pair: &[u8]| {
        let digits = std::str::from_utf8(pair).ok().filter(|digits| digits.len() == 2 && !digits.starts_with('+'))?;
        u8::from_str_radix(digits, 16).ok()
    };
    text.as_bytes().chunks(2).map(byte).collect()
}

/// Writes bytes.
///
/// # Errors
/// The format's.
pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&text(bytes))
}

/// Reads bytes.
///
/// # Errors
/// The format's, and other text.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(deserializer)?;
    bytes(&text).ok_or_else(|| D::Error::custom(format_args!("{text:?} is not bytes in hex")))
}
