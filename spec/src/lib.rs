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
#[cfg(feature = "serde")]
pub mod json;
pub mod netlink;
pub mod uapi;
#[cfg(feature = "serde")]
pub mod ynl;

mod expect;
mod flow;
mod helper;
mod named;
mod names;
mod number;
mod path;
mod policy;
mod projection;
mod stats;
mod tagged;
mod text;

pub use codec::{Decode, DecodeError, Encode};
pub use conntrack_derive::{Decode, Encode};
pub use dissect::{Dissection, dissect, dissect_message};
pub use expect::{
    Expect, ExpectFlags, ExpectFunction, ExpectHelper, ExpectId, ExpectKey, ExpectMaster, ExpectNat, ExpectTuples,
    ExpectUpdate, NewExpect,
};
#[doc(hidden)]
pub use flow::zone_among;
pub use flow::{
    Changes, Counters, DccpRole, DccpState, Endpoint, FilterBits, FilterFlags, FilterIp, FilterProto, FilterTuple,
    Flow, FlowDirection, FlowFilter, FlowId, FlowKey, FlowUpdate, Help, HelperName, KeyTuple, L4, LabelChange, Labels,
    Mark, Nanoseconds, Nat, NatPorts, NewFlow, NewHelp, ProtoInfo, ProtoInfoDccp, ProtoInfoSctp, ProtoInfoTcp,
    SctpState, SecCtx, Seconds, SeqAdj, Status, StatusFilter, Synproxy, TcpFlagBits, TcpFlags, TcpState, Timestamp,
    Tuple, TupleIp, TupleProto,
};
pub use helper::{HelperClass, HelperPolicy, HelperStatus, HelperTuple, UserHelper, UserHelperKey};
#[doc(hidden)]
pub use netlink::errno;
pub use netlink::{AttributePolicy, ExtAck, NoAttributes, header, message};
pub use number::{Family, L3Protocol, Protocol};
pub use path::{AttributeName, AttributePath};
pub use policy::{
    DccpTimeouts, DefaultTimeouts, DefaultTimeoutsKey, GenericTimeouts, GreTimeouts, IcmpTimeouts, Icmpv6Timeouts,
    PolicyKey, PolicyName, SctpTimeouts, TcpTimeouts, TimeoutPolicy, Timeouts, UdpTimeouts, UdpliteTimeouts,
};
#[doc(hidden)]
pub use projection::ProjectionOf;
pub use projection::{Mismatch, MismatchReason};
pub use stats::{CpuStats, ExpectStats, GlobalStats, PerCpu};
pub use text::{FlowText, LabelNames, TextError, TextErrorKind};
#[doc(hidden)]
pub use text::{Word, Words};

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
