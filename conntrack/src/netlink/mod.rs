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

mod batch;
mod channel;
mod exchange;
mod message;

pub use batch::BatchExchange;
pub use channel::Channel;
pub(crate) use channel::refusal;
pub use exchange::{Answer, Exchange, Refusal};
pub use message::{Message, Messages, ProtocolError, Request};

/// `NLM_F_REQUEST`: the message is to be executed. Every [`Request`] has it.
pub const NLM_F_REQUEST: u16 = 0x1;
/// `NLM_F_MULTI`: part of several messages. Replies of netfilter have it even where no end follows.
pub const NLM_F_MULTI: u16 = 0x2;
/// `NLM_F_ACK`: answer success too.
pub const NLM_F_ACK: u16 = 0x4;
/// `NLM_F_ECHO`: send the requester the event that the request causes.
pub const NLM_F_ECHO: u16 = 0x8;
/// `NLM_F_DUMP_INTR`: the table changed under the dump.
pub const NLM_F_DUMP_INTR: u16 = 0x10;
/// `NLM_F_DUMP`: all of them. One of its two bits is enough to turn a get into a dump.
pub const NLM_F_DUMP: u16 = 0x300;
/// `NLM_F_REPLACE`: replace what is there.
pub const NLM_F_REPLACE: u16 = 0x100;
/// `NLM_F_EXCL`: fail if it is there.
pub const NLM_F_EXCL: u16 = 0x200;
/// `NLM_F_CREATE`: create it if it is not there.
pub const NLM_F_CREATE: u16 = 0x400;
