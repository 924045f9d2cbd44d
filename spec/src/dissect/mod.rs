//! Messages as annotated hex: every byte that travels, and what it means.
//!
//! ```
//! use conntrack_spec::{FlowKey, Tuple, codec::{self, Decode}, dissect};
//!
//! let key = FlowKey::new(Tuple::udp("10.0.0.1:5353".parse()?, "10.0.0.2:53".parse()?)).in_zone(7);
//! let bytes = codec::encode(&key)?;
//! let text = "
//! CTA_TUPLE_ORIG                            0034 8001                             nest
//!   CTA_TUPLE_IP                            0014 8001                             nest
//!     CTA_IP_V4_SRC                         0008 0001  0a 00 00 01                10.0.0.1
//!     CTA_IP_V4_DST                         0008 0002  0a 00 00 02                10.0.0.2
//!   CTA_TUPLE_PROTO                         001c 8002                             nest
//!     CTA_PROTO_NUM                         0005 0001  11 (00 00 00)              IPPROTO_UDP
//!     CTA_PROTO_SRC_PORT                    0006 0002  14 e9 (00 00)              5353
//!     CTA_PROTO_DST_PORT                    0006 0003  00 35 (00 00)              53
//! CTA_ZONE                                  0006 0012  00 07 (00 00)              7";
//! assert_eq!(dissect(FlowKey::SCHEMA, &bytes).to_string(), text.trim_start());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # How to read it
//!
//! Behind the name stand the two numbers of an attribute's header, its length and its type, in hex: `8000` in the type
//! is `NLA_F_NESTED`. Then the payload, in parentheses the padding, and what it says.
//!
//! Hex digits with blanks between them are bytes, in the order in which they travel. Hex digits in one piece are a
//! number that travels in the host's byte order: those of headers and of the few attributes that are so declared. So a
//! message reads the same on every host, and a snapshot made on one holds on all.
//!
//! What is not right does not end it: an attribute that nobody declared is an `unknown attribute`, one whose length
//! cannot be is `malformed` and takes what is left, one that is too short says what was expected. Every byte is printed
//! once, in order; with `{:#}` each line begins with its offset, which is the one that
//! [`DecodeError`](crate::codec::DecodeError) speaks of.
//!
//! All it knows are declarations ([`Schema`]) and the table of [messages](crate::message). It goes no deeper than the
//! declarations do, whatever the bytes say: nests that are not declared are bytes.

mod byte_order;
mod datagram;
mod page;
mod tree;
mod value;

use std::fmt;

pub use byte_order::in_host_order;

use crate::codec::Schema;
use page::Page;

/// Bytes, to be displayed as annotated hex: see [the module](self).
#[derive(Clone, Copy)]
#[must_use = "it only prints when it is displayed"]
pub struct Dissection<'a> {
    /// What the attributes are; of whole messages, their headers tell.
    schema: Option<&'static Schema>,
    bytes: &'a [u8],
}

/// Dissects a run of attributes: the body of a message behind its headers, or the payload of a nest.
pub fn dissect<'a>(schema: &'static Schema, bytes: &'a [u8]) -> Dissection<'a> {
    Dissection { schema: Some(schema), bytes }
}

/// Dissects a netlink message of a netfilter socket, or a datagram of several.
///
/// A message with `NLM_F_REQUEST` is one to the kernel, any other one from it. A blank line separates two messages.
/// Bytes that were captured on a machine of the other byte order go through [`in_host_order`] first.
pub fn dissect_message(bytes: &[u8]) -> Dissection<'_> {
    Dissection { schema: None, bytes }
}

impl fmt::Display for Dissection<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut page = Page::new(f);
        match self.schema {
            Some(schema) => tree::attributes(&mut page, Some(schema), self.bytes),
            None => datagram::messages(&mut page, self.bytes),
        }
    }
}

impl fmt::Debug for Dissection<'_> {
    /// The same as `Display`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
