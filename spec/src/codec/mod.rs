//! The codec: what generated code calls. It knows netlink attributes and nothing of any protocol built from them.
//!
//! A *nest* is a run of attributes: the body of a message, or the payload of an attribute that holds others. A struct
//! that derives [`Decode`] or [`Encode`] is a nest; everything else that an attribute may hold is a *payload*
//! ([`DecodePayload`], [`EncodePayload`]), and a nest is a payload too.
//!
//! # What is accepted
//!
//! Decoding follows the kernel's own liberal parser (`lib/nlattr.c`), so that a newer kernel never breaks an older
//! program:
//!
//! * attributes may come in any order; of two with the same number the last one counts, whole, even if the first one is
//!   malformed;
//! * unknown attributes are skipped, unless the struct keeps them with `#[nla(rest)]`;
//! * `NLA_F_NESTED` and `NLA_F_NET_BYTEORDER` are not looked at;
//! * an attribute without payload is padding, and skipped, where the type has no empty payload: a machine that aligns
//!   64-bit values puts some in front of them, with the number of `CTA_STATUS`;
//! * an integer that is longer than its type is read from its first bytes, one that is shorter is an error;
//! * a string or byte array that is longer than its type's limit is kept whole;
//! * fewer than four bytes behind the last attribute are ignored.
//!
//! In one thing it does not: a length that is less than the header's or goes beyond the end is an error, where the kernel
//! ignores it and what follows.
//!
//! [`Mode::Strict`] refuses the unknown attributes and the trailing bytes: tests use it to learn that a kernel sends
//! something that is not declared yet.
//!
//! # Cost
//!
//! Decoding first expects the attributes in the order in which the struct declares them, which is the order in which
//! the kernel sends them, and takes each by comparing its header with a constant. What is left then goes through the
//! general path, up to the next attribute that is declared, and the expectation starts anew: any order decodes, the
//! kernel's own order decodes fast, and what is not declared is passed over fast. Nests are decoded where they will stay,
//! since to move them costs more.
//!
//! Nothing is allocated but for an error, for a field whose type allocates (`Vec`, `String`, [`RawAttribute`]), and for a
//! nest whose meaning an attribute beside it tells, which is kept until both have come.

// Received lengths are added and compared here: each sum is checked, saturates, or is proved to be in range beside it.
#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

mod attribute;
mod bounded;
mod decode;
mod encode;
mod error;
pub(crate) mod integer;
mod layout;
mod list;
mod primitive;
mod raw;
#[expect(clippy::arithmetic_side_effects, clippy::indexing_slicing, reason = "constant functions over constants")]
mod schema;
#[doc(hidden)]
pub mod split;
mod stream;
mod tagged;

pub use attribute::{Attribute, NlAttr};
pub use bounded::{BoundedBytes, NulString, TooLong};
pub use decode::{
    Decode, DecodeField, DecodePayload, Mode, decode, decode_at, decode_with, decode_with_general_path_only,
};
pub use encode::{Choose, Encode, EncodeError, EncodeField, EncodePayload, Writer, any, encode, encode_into};
pub use error::{DecodeError, DecodeErrorKind, missing};
pub use layout::{Layout, NATIVE};
pub use layout::{LayoutFunctions, layout_functions};
pub use list::{List, elements_in_order, replace_element};
pub use primitive::Native;
pub use raw::RawAttribute;
pub(crate) use raw::RawAttributes;
pub use schema::{
    ByteOrder, Choice, Direction, Entry, Name, Schema, SchemaAttribute, Wire, disjoint, distinct, is_never_empty,
};
pub use stream::Stream;
pub use tagged::TaggedSeen;
pub(crate) use tagged::{Content, Tagged};

/// Set in the type of an attribute whose payload is a nest (`include/uapi/linux/netlink.h`).
pub const NLA_F_NESTED: u16 = 1 << 15;
/// Set in the type of an attribute whose payload is in network byte order. The kernel never sets it here.
pub const NLA_F_NET_BYTEORDER: u16 = 1 << 14;
/// The bits of an attribute's type that are its number.
pub const NLA_TYPE_MASK: u16 = !(NLA_F_NESTED | NLA_F_NET_BYTEORDER);
/// Bytes of an attribute's header: its length and its type, 16 bits each, native byte order.
pub const NLA_HEADER: usize = 4;

/// `NLA_ALIGN`: the next multiple of four.
#[inline]
#[must_use]
pub const fn align(length: usize) -> usize {
    length.saturating_add(3) & !3
}
