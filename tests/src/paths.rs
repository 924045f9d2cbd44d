//! The two paths of the decoder, which must be one.

use std::fmt::Debug;

use conntrack::codec::{Decode, DecodeError, Mode, decode_with, decode_with_general_path_only};

/// Decodes along the fast and along the general path, and panics if they differ, were it in an error's offset.
///
/// # Errors
/// The one that both agree on.
///
/// # Panics
/// They differ.
pub fn decode_both_ways<T: Decode + PartialEq + Debug>(attributes: &[u8], mode: Mode) -> Result<T, DecodeError> {
    let fast = decode_with::<T>(attributes, mode);
    let general = decode_with_general_path_only::<T>(attributes, mode);
    assert_eq!(fast, general, "the fast path (left) and the general path differ, {mode:?}, over {attributes:02x?}");
    fast
}

/// [`decode_both_ways`] in both modes: all there is to say about bytes that may be anything.
///
/// # Panics
/// The paths differ, or the strict mode accepts something else than the lenient one.
pub fn check<T: Decode + PartialEq + Debug>(attributes: &[u8]) {
    let lenient = decode_both_ways::<T>(attributes, Mode::Lenient);
    let strict = decode_both_ways::<T>(attributes, Mode::Strict);
    assert!(
        strict.is_err() || strict == lenient,
        "what the strict mode accepts is what the lenient one reads: {strict:?}, {lenient:?}"
    );
}
