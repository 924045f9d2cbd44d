//! Where in an event things are: in which attribute of which nest.

use conntrack_spec::uapi::{
    CTA_PROTOINFO, CTA_PROTOINFO_TCP, CTA_TUPLE_IP, CTA_TUPLE_ORIG, CTA_TUPLE_PROTO, CTA_TUPLE_REPLY,
};

/// A nest that holds something a filter looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Nest {
    Orig,
    OrigIp,
    OrigProto,
    Reply,
    ReplyIp,
    ReplyProto,
    ProtoInfo,
    ProtoInfoTcp,
}

impl Nest {
    /// The nest around it, `None` for the message itself.
    pub(super) const fn parent(self) -> Option<Self> {
        match self {
            Self::Orig | Self::Reply | Self::ProtoInfo => None,
            Self::OrigIp | Self::OrigProto => Some(Self::Orig),
            Self::ReplyIp | Self::ReplyProto => Some(Self::Reply),
            Self::ProtoInfoTcp => Some(Self::ProtoInfo),
        }
    }

    /// Its number.
    pub(super) const fn attribute(self) -> u16 {
        match self {
            Self::Orig => CTA_TUPLE_ORIG,
            Self::Reply => CTA_TUPLE_REPLY,
            Self::OrigIp | Self::ReplyIp => CTA_TUPLE_IP,
            Self::OrigProto | Self::ReplyProto => CTA_TUPLE_PROTO,
            Self::ProtoInfo => CTA_PROTOINFO,
            Self::ProtoInfoTcp => CTA_PROTOINFO_TCP,
        }
    }

    /// Whether a message without it is no flow.
    pub(super) const fn is_required(self) -> bool {
        !matches!(self, Self::ProtoInfo | Self::ProtoInfoTcp)
    }

    /// The scratch word that is its own.
    pub(super) const fn slot(self) -> u8 {
        self as u8
    }
}

/// The nests of one direction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Direction {
    pub(super) ip: Nest,
    pub(super) proto: Nest,
}

impl Direction {
    pub(super) const ORIG: Self = Self { ip: Nest::OrigIp, proto: Nest::OrigProto };
    pub(super) const REPLY: Self = Self { ip: Nest::ReplyIp, proto: Nest::ReplyProto };
}

/// An attribute with a value: its nest, `None` for the message itself, and its number.
pub(super) type Place = (Option<Nest>, u16);
