//! Connection tracking for tokio. Needs the feature `tokio`.
//!
//! ```no_run
//! use conntrack::tokio::Conntrack;
//! use conntrack::{Filter, Tuple};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let ct = Conntrack::open()?;
//! let flow = ct.get(&Tuple::udp("10.0.0.1:5353".parse()?, "10.0.0.2:53".parse()?).into()).await?;
//! println!("{flow:?}");
//!
//! let mut flows = ct.dump_filtered(&Filter::new().tcp()).await?;
//! while let Some(flow) = flows.next().await {
//!     println!("{}", flow?);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Why threads
//!
//! A request over netlink is executed inside the system call that sends it, and a part of a dump is put together inside
//! the one that reads the part before: the answer is there when the call returns, and the call takes as long as the
//! work, 40 ms for a flush of an empty table of the usual size. A socket that is polled for readiness would not make
//! that wait any less on the runtime's thread. So requests run on the runtime's threads for blocking work, where they are
//! the requests of [`crate::Conntrack`]; only events, which really are waited for, are polled.
//!
//! # Many at a time
//!
//! Requests on one connection wait in a queue without a thread each: one thread at a time sends them, in the order in
//! which their futures were first polled. Operations that send several requests ([`batch`](Conntrack::batch),
//! [`flush`](Conntrack::flush), [`delete_matching`](Conntrack::delete_matching)) have a queue of their own, of which four
//! run at a time, so that requests do not wait for their end. A [`Dump`] and a call of [`run`](Conntrack::run) each occupy
//! a thread as long as they last.
//!
//! # Dropped futures
//!
//! A request whose future is dropped in the queue is not sent. One that was sent is executed, and the connection is free
//! when its answer has been read. A dump that is dropped ends at its next part.
//!
//! # Panics
//!
//! If a closure of yours, or the decoding of a struct of yours, panics on another thread, the future that waits for it
//! panics.

mod connection;
mod dump;
mod events;
mod mirror;
mod queue;

pub use connection::Conntrack;
pub use dump::Dump;
pub use events::Events;
pub use mirror::Mirror;
