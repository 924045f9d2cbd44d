//! Flows, expectations, statistics and requests for `serde`: a shape that lasts. Needs the feature `serde`.
//!
//! ```
//! use conntrack_spec::{NewFlow, Tuple};
//!
//! let new: NewFlow = serde_json::from_str(
//!     r#"{
//!         "orig": {"src": "10.0.0.1", "dst": "10.0.0.2", "protocol": "udp", "sport": 5353, "dport": 53},
//!         "reply": {"src": "10.0.0.2", "dst": "10.0.0.1", "protocol": "udp", "sport": 53, "dport": 5353},
//!         "status": ["SEEN_REPLY", "CONFIRMED"],
//!         "timeout": 30,
//!         "mark": {"value": 7},
//!         "zone": 3
//!     }"#,
//! )?;
//! assert_eq!(new.orig, Tuple::udp("10.0.0.1:5353".parse()?, "10.0.0.2:53".parse()?));
//! assert_eq!(serde_json::from_str::<NewFlow>(&serde_json::to_string(&new)?)?, new);
//!
//! let error = serde_json::from_str::<Tuple>(r#"{"src": "10.0.0", "dst": "10.0.0.2", "protocol": "gre"}"#).unwrap_err();
//! assert_eq!(error.to_string(), r#"src: "10.0.0" is not an IP address"#);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The shape
//!
//! It follows from the declarations, so that an attribute which is declared has a place in it at once:
//!
//! * A struct is an object of its fields, named as in Rust. What is absent is absent; `null` reads as absent too.
//! * An enum is an object of its variant, in lower case: `{"tcp": {"state": "ESTABLISHED"}}`.
//! * A [`Tuple`](crate::Tuple) is one object: `src`, `dst`, `protocol`, and `sport` and `dport` (for GRE, the keys), or
//!   `icmp_type`, `icmp_code` and `icmp_id`, or the same with `icmpv6_`, or none of these; and `zone`.
//! * Addresses are text, numbers are numbers: seconds, nanoseconds since 1970 in 64 bits, and the ids, as conntrack(8)
//!   prints them.
//! * A number that has a name is conntrack(8)'s word for it, such as `"tcp"`, `"ipv6"`, `"ESTABLISHED"`, and otherwise
//!   stays a number.
//! * Bits are the list of their names, without what these have in common: `["SEEN_REPLY", "ASSURED"]`. Bits without a
//!   name come last, as one hexadecimal number: `"0x10000"`.
//! * Labels are the list of their numbers.
//! * Texts are text, or the list of their bytes if they are not UTF-8. Other bytes are text in hex.
//! * Attributes that are not declared, where they are kept, are in `other`: `{"type": 9, "payload": "0a0b"}`. Elsewhere
//!   it is a field that nobody declared.
//! * Events, which the crate `conntrack` has, say what they are: `{"event": "new", "flow": …, "origin": …}`. So do the
//!   changes of its mirror: `{"change": "removed", "flow": …, "how": "destroyed"}`.
//! * [`PerCpu`](crate::PerCpu) is the object of its statistics, with `cpu` in it.
//!
//! What is written reads as the same value. The parts have the same forms by themselves, so that a struct of your own
//! which derives `Serialize` can hold them.
//!
//! # Errors
//!
//! Reading drops nothing. It fails, and the error names the word, if a field is unknown or given twice, if an object has
//! fields of two variants (a key with `orig` and `reply`), if a tuple has fields of another protocol, or if a value is
//! not what its place is for. Names longer than the kernel's limit are read, because a newer kernel may have reported
//! them; a kernel that does not know them refuses them with `EINVAL`.

#[doc(hidden)]
pub mod hex;
mod node;
mod read;
mod shape;
mod write;

use serde::de::{Deserialize, Deserializer, Error as _};
use serde::ser::{Error as _, Serialize, Serializer};

use crate::codec::{
    self, BoundedBytes, Decode, DecodeError, DecodeErrorKind, DecodePayload, EncodePayload, Mode, NulString,
    RawAttribute, Schema, Writer,
};
pub(crate) use node::{Key, Node};
use shape::Shape;

/// Structs of attributes.
macro_rules! objects {
    ($($type:ident)*) => {$(
        impl Serialize for crate::$type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let bytes = codec::encode(self).map_err(S::Error::custom)?;
                read::attributes(Self::SCHEMA, &bytes).serialize(serializer)
            }
        }

        impl<'de> Deserialize<'de> for crate::$type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let node = Node::deserialize(deserializer)?;
                let bytes = write::attributes(Self::SCHEMA, &node).map_err(D::Error::custom)?;
                codec::decode(&bytes).map_err(|error| D::Error::custom(explain(Self::SCHEMA, &error)))
            }
        }
    )*};
}

objects! {
    Flow NewFlow Changes FlowUpdate FlowKey KeyTuple FlowFilter Tuple TupleIp TupleProto L4
    ProtoInfo ProtoInfoTcp ProtoInfoSctp ProtoInfoDccp Counters Timestamp SeqAdj Synproxy SecCtx Help Nat NatPorts
    Mark StatusFilter LabelChange FilterFlags FilterTuple FilterIp FilterProto
    Expect NewExpect ExpectUpdate ExpectTuples ExpectKey ExpectMaster ExpectHelper ExpectNat
    CpuStats GlobalStats ExpectStats
    TimeoutPolicy PolicyKey DefaultTimeouts DefaultTimeoutsKey Timeouts
    TcpTimeouts UdpTimeouts UdpliteTimeouts IcmpTimeouts Icmpv6Timeouts SctpTimeouts DccpTimeouts GreTimeouts
    GenericTimeouts
    UserHelper UserHelperKey HelperTuple HelperPolicy HelperClass
    NoAttributes ExtAck AttributePolicy
}

/// What is wrong with attributes that were made of an object, in the object's words.
fn explain(schema: &'static Schema, error: &DecodeError) -> String {
    let kind = error.kind();
    let field = if let DecodeErrorKind::Missing(kernel) = kind { shape::key_of(schema, kernel) } else { None };
    field.map_or_else(|| kind.to_string(), |field| format!("{field} is missing ({kind})"))
}

fn serialize_payload<T: EncodePayload, S: Serializer>(value: &T, shape: Shape, to: S) -> Result<S::Ok, S::Error> {
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes);
    value.encode_payload(&mut writer);
    writer.finish().map_err(S::Error::custom)?;
    read::payload(shape, &bytes, None).serialize(to)
}

fn deserialize_payload<'de, T: DecodePayload, D: Deserializer<'de>>(shape: Shape, from: D) -> Result<T, D::Error> {
    let bytes = write::payload(shape, &Node::deserialize(from)?, None).map_err(D::Error::custom)?;
    T::decode_payload(&bytes, Mode::Lenient).map_err(D::Error::custom)
}

/// What one attribute holds.
macro_rules! payloads {
    ($([$($generics:tt)*] $type:ty: $shape:expr;)*) => {$(
        impl<$($generics)*> Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serialize_payload(self, $shape, serializer)
            }
        }

        impl<'de, $($generics)*> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserialize_payload($shape, deserializer)
            }
        }
    )*};
    ($($type:ident)*) => {
        payloads! { $([] crate::$type: Shape::Wire(&<crate::$type as DecodePayload>::WIRE);)* }
    };
}

payloads! {
    Seconds Nanoseconds Status Protocol Family L3Protocol FlowDirection TcpState SctpState DccpState DccpRole
    ExpectFlags HelperStatus FilterBits
}

payloads! {
    [] crate::FlowId: Shape::Id;
    [] crate::ExpectId: Shape::Id;
    [] crate::Labels: Shape::Labels;
    [] crate::TcpFlagBits: Shape::TcpFlagBits;
    [] crate::TcpFlags: Shape::TcpFlags;
    [const N: usize] NulString<N>: Shape::Wire(&<NulString<N> as DecodePayload>::WIRE);
    [const N: usize] BoundedBytes<N>: Shape::Wire(&<BoundedBytes<N> as DecodePayload>::WIRE);
}

impl Serialize for RawAttribute {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        read::raw(self.kind, &self.payload).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for RawAttribute {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        write::raw(&Node::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}
