//! `enum ctattr_type`, as a request names one flow.

use conntrack_derive::{Decode, Encode};

use crate::codec::{Attribute, Choice, Decode, DecodeError, Mode, Schema, Stream, missing};
use crate::{Flow, FlowId, Tuple};

/// Names one flow: what get, update and delete need.
///
/// Either direction's tuple finds it. There is no key without a tuple: a delete without one would be a flush.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub struct FlowKey {
    /// A tuple of the flow.
    #[nla(flatten)]
    pub tuple: KeyTuple,
    /// The zone, when it is not 0 and applies to both directions.
    #[nla(CTA_ZONE)]
    pub zone: Option<u16>,
    /// The flow's id: a later flow at the tuple is not meant, unless it has [the same id](FlowId).
    ///
    /// In a request the kernel compares it for a delete only. `Conntrack::get` compares it with the answer;
    /// `Conntrack::update` and `Conntrack::get_zeroing` get the flow first.
    #[nla(CTA_ID)]
    pub id: Option<FlowId>,
}

/// The tuple of a key. Both kinds find a flow by either direction; they differ in which direction a zone of the tuple
/// applies to.
///
/// A request with both tuples decodes as [`Orig`](Self::Orig): the kernel looks up that one. Both have to decode,
/// whichever comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode)]
pub enum KeyTuple {
    /// The original direction.
    #[nla(CTA_TUPLE_ORIG)]
    Orig(Tuple),
    /// The reply direction.
    #[nla(CTA_TUPLE_REPLY)]
    Reply(Tuple),
}

/// Both tuples, as far as a request has them: what a [`KeyTuple`] is decoded from.
#[derive(Debug, Default, Decode)]
#[expect(non_snake_case, reason = "in the schema these are the variants of KeyTuple")]
pub struct KeyTuples {
    /// The original direction.
    #[nla(CTA_TUPLE_ORIG)]
    Orig: Option<Tuple>,
    /// The reply direction.
    #[nla(CTA_TUPLE_REPLY)]
    Reply: Option<Tuple>,
}

impl Decode for KeyTuple {
    const SCHEMA: &'static Schema = &Schema {
        name: "KeyTuple",
        doc: "The tuple of a key.",
        entries: KeyTuples::SCHEMA.entries,
        choice: Some(Choice::FirstDeclared),
        keeps_undeclared: false,
    };

    type Seen = (KeyTuples, <KeyTuples as Decode>::Seen);

    fn vacant() -> Self {
        Self::Orig(Tuple::vacant())
    }

    fn decode_in_order(_: &mut Self, (tuples, seen): &mut Self::Seen, stream: &mut Stream<'_>) {
        KeyTuples::decode_in_order(tuples, seen, stream);
    }

    fn decode_attribute(
        _: &mut Self,
        (tuples, seen): &mut Self::Seen,
        attribute: Attribute<'_>,
        mode: Mode,
    ) -> Result<bool, DecodeError> {
        KeyTuples::decode_attribute(tuples, seen, attribute, mode)
    }

    fn is_empty((_, seen): &Self::Seen) -> bool {
        KeyTuples::is_empty(seen)
    }

    fn finish(value: &mut Self, (mut tuples, seen): Self::Seen) -> Result<(), DecodeError> {
        KeyTuples::finish(&mut tuples, seen)?;
        *value = match (tuples.Orig, tuples.Reply) {
            (Some(orig), _) => Self::Orig(orig),
            (None, Some(reply)) => Self::Reply(reply),
            (None, None) => return Err(missing("CTA_TUPLE_ORIG or CTA_TUPLE_REPLY")),
        };
        Ok(())
    }
}

impl KeyTuple {
    /// The tuple, whichever direction's it is.
    #[must_use]
    pub fn tuple(&self) -> &Tuple {
        match self {
            Self::Orig(tuple) | Self::Reply(tuple) => tuple,
        }
    }
}

impl FlowKey {
    /// The flow that has `tuple` in either direction, in the default zone.
    #[must_use]
    pub fn new(tuple: Tuple) -> Self {
        Self { tuple: KeyTuple::Orig(tuple), zone: None, id: None }
    }

    /// The flow whose reply direction is `tuple`. The same as [`new`](Self::new), unless the tuple has a zone.
    #[must_use]
    pub fn by_reply(tuple: Tuple) -> Self {
        Self { tuple: KeyTuple::Reply(tuple), zone: None, id: None }
    }

    /// The same in `zone`.
    #[must_use]
    pub fn in_zone(mut self, zone: u16) -> Self {
        self.zone = Some(zone);
        self
    }

    /// The same, if it is flow `id`.
    #[must_use]
    pub fn with_id(mut self, id: FlowId) -> Self {
        self.id = Some(id);
        self
    }

    /// The same tuple, whichever flow it has.
    #[must_use]
    pub fn without_id(mut self) -> Self {
        self.id = None;
        self
    }
}

impl From<Tuple> for FlowKey {
    fn from(tuple: Tuple) -> Self {
        Self::new(tuple)
    }
}

impl From<&Flow> for FlowKey {
    fn from(flow: &Flow) -> Self {
        flow.key()
    }
}

impl Flow {
    /// Names this flow by its original tuple, its zone and its id. [`FlowId`] says when a later flow has the same id.
    #[must_use]
    pub fn key(&self) -> FlowKey {
        // A zone of the original direction is in its tuple. One of the reply direction does not apply to this tuple.
        FlowKey { tuple: KeyTuple::Orig(self.orig), zone: self.zone, id: Some(self.id) }
    }
}
