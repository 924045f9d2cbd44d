//! The messages of Linux connection tracking over netlink: one annotated struct per kernel structure, and the codec
//! that their derive calls.
//!
//! There are no sockets here: decode captured bytes, the `CT` attribute of NFLOG and NFQUEUE, anything. The crate
//! `conntrack` re-exports all of it and talks to the kernel.
//!
//! ```
//! use conntrack_spec::{Tuple, codec};
//!
//! let tuple = Tuple::udp("10.0.0.1:5353".parse()?, "10.0.0.2:53".parse()?);
//! let bytes = codec::encode(&tuple)?;
//! assert_eq!(codec::decode::<Tuple>(&bytes)?, tuple);
//!
//! let error = codec::decode::<Tuple>(&bytes[..20]).unwrap_err();
//! assert_eq!(error.to_string(), "missing CTA_TUPLE_PROTO (at byte 0)");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Structs can be built field by field, and gain fields when the kernel does: write `..Default::default()` or use the
//! constructors where there are some.

#![forbid(unsafe_code)]

// The derives name the crate that users depend on, which re-exports this one.
extern crate self as conntrack;

pub mod codec;
pub mod dissect;
#[doc(hidden)]
pub mod errno;
pub mod header;
#[cfg(feature = "serde")]
pub mod json;
pub mod message;
pub mod netlink;
pub mod uapi;
#[cfg(feature = "serde")]
pub mod ynl;

mod named;
mod path;
mod projection;
mod tagged;
mod text;
mod words;

mod changes;
mod compare;
mod counters;
mod cthelper;
mod direction;
mod expect;
mod expect_key;
mod expect_nat;
mod ext_ack;
mod family;
mod filter;
mod flow;
mod help;
mod id;
mod key;
mod l3_protocol;
mod labels;
mod mark;
mod nat;
mod new_expect;
mod new_flow;
mod no_attributes;
mod proto_info;
mod protocol;
mod restore;
mod sec_ctx;
mod seq_adj;
mod stats;
mod status;
mod synproxy;
mod timeout_policy;
mod timeouts;
mod timestamp;
mod translation;
mod tuple;

pub use changes::{Changes, FlowUpdate};
pub use codec::{Decode, DecodeError, Encode};
pub use conntrack_derive::{Decode, Encode};
pub use counters::Counters;
pub use cthelper::{HelperClass, HelperPolicy, HelperStatus, HelperTuple, UserHelper, UserHelperKey};
pub use direction::FlowDirection;
pub use dissect::{Dissection, dissect, dissect_message};
pub use expect::{Expect, ExpectFlags, ExpectFunction, ExpectId};
pub use expect_key::{ExpectHelper, ExpectKey, ExpectMaster};
pub use expect_nat::ExpectNat;
pub use ext_ack::{AttributePolicy, ExtAck};
pub use family::Family;
pub use filter::{FilterBits, FilterFlags, FilterIp, FilterProto, FilterTuple, FlowFilter};
pub use flow::Flow;
pub use help::{Help, HelperName, NewHelp};
pub use id::FlowId;
pub use key::{FlowKey, KeyTuple};
pub use l3_protocol::L3Protocol;
pub use labels::Labels;
pub use mark::{LabelChange, Mark, StatusFilter};
pub use nat::{Nat, NatPorts};
pub use new_expect::{ExpectTuples, ExpectUpdate, NewExpect};
pub use new_flow::NewFlow;
pub use no_attributes::NoAttributes;
pub use path::{AttributeName, AttributePath};
#[doc(hidden)]
pub use projection::ProjectionOf;
pub use projection::{Mismatch, MismatchReason};
pub use proto_info::{
    DccpRole, DccpState, ProtoInfo, ProtoInfoDccp, ProtoInfoSctp, ProtoInfoTcp, SctpState, TcpFlagBits, TcpFlags,
    TcpState,
};
pub use protocol::Protocol;
pub use sec_ctx::SecCtx;
pub use seq_adj::SeqAdj;
pub use stats::{CpuStats, ExpectStats, GlobalStats, PerCpu};
pub use status::Status;
pub use synproxy::Synproxy;
pub use text::{FlowText, LabelNames, TextError, TextErrorKind};
#[doc(hidden)]
pub use text::{Word, Words};
pub use timeout_policy::{DefaultTimeouts, DefaultTimeoutsKey, PolicyKey, PolicyName, TimeoutPolicy};
pub use timeouts::{
    DccpTimeouts, GenericTimeouts, GreTimeouts, IcmpTimeouts, Icmpv6Timeouts, SctpTimeouts, TcpTimeouts, Timeouts,
    UdpTimeouts, UdpliteTimeouts,
};
pub use timestamp::{Nanoseconds, Seconds, Timestamp};
pub use translation::Endpoint;
pub use tuple::{L4, Tuple, TupleIp, TupleProto};

/// What generated code names. Not for use by hand.
#[doc(hidden)]
pub mod __private {
    pub use std::borrow::Borrow;
    pub use std::convert::From;
    pub use std::default::Default;
    pub use std::option::Option::{self, None, Some};
    pub use std::result::Result::{self, Err, Ok};
    pub use std::vec::Vec;
    pub use std::{assert, matches, unreachable};

    pub use crate::codec::*;
    pub mod numbers {
        pub use crate::uapi::numbers::*;
    }
    pub use std::mem::size_of;
}
