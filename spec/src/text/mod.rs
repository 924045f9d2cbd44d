//! Flows, expectations and statistics as text, in the words of conntrack(8).
//!
//! ```
//! use conntrack_spec::{NewFlow, Tuple};
//!
//! let tuple = Tuple::udp("10.0.0.1:5353".parse()?, "10.0.0.2:53".parse()?);
//! assert_eq!(tuple.to_string(), "udp src=10.0.0.1 dst=10.0.0.2 sport=5353 dport=53");
//! assert_eq!(
//!     NewFlow::new(tuple).mark(7).to_string(),
//!     "udp      17 30 src=10.0.0.1 dst=10.0.0.2 sport=5353 dport=53 \
//!      src=10.0.0.2 dst=10.0.0.1 sport=53 dport=5353 mark=7"
//! );
//! # Ok::<(), std::net::AddrParseError>(())
//! ```
//!
//! Printing allocates nothing. Only the value decides what is printed: no clock, no time zone, no file. So a flow that
//! still lives prints without conntrack(8)'s `delta-time=`, unless [`FlowText::now`] says what time it is.

mod address;
mod expect;
mod flow;
mod key;
mod label_names;
mod line;
mod nat;
mod new_flow;
mod parse;
mod spelling;
mod stats;
mod time;
mod tuple;

pub(crate) use address::Address;
pub use flow::FlowText;
pub use label_names::LabelNames;
pub use parse::{TextError, TextErrorKind, Word, Words};
