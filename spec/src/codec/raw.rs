//! Attributes that are kept as they came.

use conntrack_derive::{Decode, Encode};

use super::Attribute;

/// An attribute nobody declared, kept by `#[nla(rest)]` or `#[nla(other)]`: it is written again as it was read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RawAttribute {
    /// The type field: number and the bits `NLA_F_NESTED` and `NLA_F_NET_BYTEORDER`.
    pub kind: u16,
    /// The payload, without padding.
    pub payload: Vec<u8>,
}

impl From<Attribute<'_>> for RawAttribute {
    fn from(attribute: Attribute<'_>) -> Self {
        Self { kind: attribute.kind(), payload: attribute.payload().to_vec() }
    }
}

impl RawAttribute {
    /// Any one: see [`Decode::vacant`](super::Decode::vacant).
    #[doc(hidden)]
    #[must_use]
    pub const fn vacant() -> Self {
        Self { kind: 0, payload: Vec::new() }
    }

    /// Appends it, flags included.
    #[doc(hidden)]
    pub fn encode(&self, writer: &mut super::Writer<'_>) {
        writer.attribute(self.kind, &self.payload);
    }
}

/// Attributes of which none is declared.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub(crate) struct RawAttributes {
    /// All of them.
    #[nla(rest)]
    pub(crate) attributes: Vec<RawAttribute>,
}
