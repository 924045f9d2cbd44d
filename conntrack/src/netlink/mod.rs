//! Netlink without connection tracking: messages, the exchange of a request for its answers, and the socket for it.
//!
//! [`Messages`] and [`Exchange`] are functions of bytes; nothing but [`Channel`] has a socket. Use them to talk to
//! another netfilter subsystem with structs of your own:
//!
//! ```no_run
//! use conntrack::netlink::{Channel, NLM_F_DUMP, Request};
//! use conntrack::{Decode, Encode, Family};
//!
//! const NFTA_TABLE_NAME: u16 = 1;
//!
//! #[derive(Debug, Encode, Decode)]
//! struct Table {
//!     #[nla(NFTA_TABLE_NAME)]
//!     name: Option<String>,
//! }
//!
//! let mut channel = Channel::open()?;
//! // NFNL_SUBSYS_NFTABLES, NFT_MSG_GETTABLE
//! let request = Request::new("listing tables", 10, 1, &Table { name: None }).family(Family::UNSPEC).flags(NLM_F_DUMP);
//! channel.request(&request, |reply| {
//!     println!("{:?}", reply.decode::<Table>()?);
//!     Ok(())
//! })?;
//! # Ok::<(), conntrack::Error>(())
//! ```

// Received lengths are added and compared here: each sum is checked or saturates.
#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

mod batch;
mod channel;
mod exchange;
mod messages;
mod requests;

pub use conntrack_spec::netlink::*;

pub use batch::BatchExchange;
pub use channel::Channel;
pub(crate) use channel::refusal;
pub use exchange::{Answer, Exchange, Refusal};
pub(crate) use messages::Subject;
pub use messages::{Message, Messages, ProtocolError, Request};
pub(crate) use requests::Requests;
