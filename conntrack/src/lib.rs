// Where the README is a file, its link leads to the files of the guide. Of two definitions the first one counts.
#![doc = "[guide]: crate::guide\n"]
#![doc = include_str!("../README.md")]
#![deny(unsafe_code)]

// The derives name the crate that users depend on.
#[allow(unused_extern_crates, reason = "not in the prelude of the 2024 edition")]
extern crate self as conntrack;

mod batch;
mod builder;
mod bulk;
mod check;
mod connection;
mod dump;
mod error;
pub mod events;
mod expectations;
mod filter;
#[cfg(any(doc, doctest))]
pub mod guide;
mod helpers;
pub mod mirror;
mod namespace;
pub mod netlink;
mod parallel;
mod parts;
mod policies;
mod pool;
pub mod request;
#[cfg(feature = "sandbox")]
pub mod sandbox;
mod statistics;
mod sys;
#[cfg(feature = "tokio")]
pub mod tokio;
mod version;
mod zeroing;

#[doc(hidden)]
pub use conntrack_spec::__private;
pub use conntrack_spec::*;

pub use batch::{Batch, Command, Outcome};
pub use builder::Builder;
pub use bulk::{BulkError, BulkReport, Flushed};
pub use check::UsageError;
pub use connection::Conntrack;
pub use dump::Dump;
pub use error::{Capability, Errno, Error, KernelError, MissingCapability, Undecodable};
pub use events::{Event, EventCounters, Events, EventsBuilder, Groups, Origin};
pub use filter::{Filter, Plan, Ports, bpf};
pub use mirror::{Change, Mirror, MirrorBuilder, MirrorStats, Removal};
pub use parallel::ParallelDump;
pub use version::{KernelVersion, NotAVersion};
pub use zeroing::Zeroing;
