//! Exports declarations as YNL specifications, the kernel's own description of netlink protocols. Needs the feature `serde`.
//!
//! The kernel's tree keeps such files in `Documentation/netlink/specs`; its tools (`tools/net/ynl`) and generators in other
//! languages read them. A [`Specification`] implements `serde::Serialize` with the layout of
//! `Documentation/netlink/netlink-raw.yaml`. Write it with any YAML library, or as JSON, which is YAML too:
//!
//! ```
//! use conntrack_spec::ynl::Specification;
//!
//! let conntrack = Specification::all().next().unwrap();
//! assert_eq!(conntrack.name, "conntrack");
//! let text = serde_json::to_string_pretty(&conntrack)?;
//! assert!(text.contains(r#""name": "timestamp-event""#));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What the kernel's file has wrong
//!
//! The kernel's `conntrack.yaml` covers two operations of one subsystem, `get` and `get-stats`. As of Linux 6.18 it also has
//! these mistakes, each of which makes a generated decoder read garbage:
//!
//! | attribute | the kernel's file | the kernel |
//! |---|---|---|
//! | `CTA_TIMESTAMP` | a `u64` | a nest of `CTA_TIMESTAMP_START` and `CTA_TIMESTAMP_STOP` |
//! | `CTA_FILTER` | a nest like a tuple | a nest of two `u32` in host byte order |
//! | `CTA_NAT_V6_MINIP`, `CTA_NAT_V6_MAXIP`, `CTA_NAT_PROTO` | 3, 4, 5 | 4, 5, 3 |
//! | `CTA_ID`, `CTA_EXPECT_ID` | a big-endian number | four opaque bytes |
//! | `CTA_HELP_INFO`, `CTA_TIMESTAMP_PAD`, `CTA_TUPLE_ZONE` of filters | missing | there |
//! | `get-stats` reply | `searched` | not sent since Linux 5.11 |
//!
//! # How declarations map
//!
//! * Structs that number the same attributes share one attribute set: [`Flow`](crate::Flow), [`NewFlow`](crate::NewFlow) and
//!   [`FlowKey`](crate::FlowKey) are `flow-attrs`. A set is named for the first struct that declares one of its attributes.
//! * A name is the kernel's, without the `name-prefix` of its set, in lower case with dashes.
//! * A nest whose struct another attribute selects is a `sub-message`.
//! * Named bits become `flags`. Names of several bits have no place in YNL and are left out.

mod names;
mod sets;
mod specification;

pub use specification::{Group, Specification};
