//! Bytes as snapshots show them.

use std::fmt::Debug;

use conntrack::codec::{Mode, decode_with, encode};
use conntrack::netlink::Request;
use conntrack::{Decode, Encode, dissect, dissect_message};

/// The request's bytes, explained. The kernel's answers carry its number; 1 here.
///
/// # Panics
/// It cannot be encoded.
#[must_use]
pub fn explained(request: &Request<'_>) -> String {
    let mut datagram = Vec::new();
    request.encode(1, &mut datagram).expect("encodes");
    dissect_message(&datagram).to_string()
}

/// The bytes of a structure, explained, from which it can be decoded again.
///
/// # Panics
/// It cannot.
#[must_use]
pub fn structure<T: Encode + Decode + PartialEq + Debug>(value: &T) -> String {
    let bytes = encode(value).expect("encodes");
    assert_eq!(&decode_with::<T>(&bytes, Mode::Strict).expect("decodes"), value);
    dissect(T::SCHEMA, &bytes).to_string()
}
