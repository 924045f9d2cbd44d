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
//! A future that is dropped is no longer waited for. A request that was on its way is executed all the same, and the
//! connection is free when its answer has been read; a dump that is dropped ends at its next part.

mod connection;
mod dump;
mod events;
mod mirror;

pub use connection::Conntrack;
pub use dump::Dump;
pub use events::Events;
pub use mirror::Mirror;
