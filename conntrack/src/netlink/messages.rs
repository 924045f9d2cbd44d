//! Messages in datagrams.

use conntrack_spec::codec::split::{layout, padded};
use conntrack_spec::codec::{self, EncodeError, Layout, Schema, Writer};
use conntrack_spec::header::{NfGenMsg, NlMsgHdr};
use conntrack_spec::message::{self, Fits, kind};
use conntrack_spec::{Decode, DecodeError, Encode, Family};
use nom::{IResult, Parser};

use super::{NLM_F_ACK, NLM_F_REQUEST};
use crate::check::UsageError;
use crate::error::Error;

/// A message: its header and all that follows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// `struct nlmsghdr`
    pub header: NlMsgHdr,
    /// What follows, without the padding behind it.
    pub body: &'a [u8],
}

/// A datagram that is no run of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// The length in a message's header is less than the header, or more than there is.
    #[error("a message of {claimed} bytes, expected 16 to {available}")]
    MessageLength {
        /// The length its header gives.
        claimed: u32,
        /// The bytes that are left for it.
        available: usize,
    },
    /// A message is too short for what it has to hold.
    #[error("{found} bytes behind the header, expected {expected}")]
    Body {
        /// Bytes found.
        found: usize,
        /// Bytes needed.
        expected: usize,
    },
    /// A datagram did not fit the buffer, and its end is lost.
    #[error("a datagram of {whole} bytes did not fit the buffer of {buffer}")]
    Truncated {
        /// Bytes it had.
        whole: usize,
        /// Bytes the buffer has.
        buffer: usize,
    },
    /// A request that asks for one thing was acknowledged, and nothing came.
    #[error("an acknowledgement and no answer")]
    NoAnswer,
}

impl<'a> Message<'a> {
    /// Splits the first message and its padding off `datagram`.
    ///
    /// # Errors
    /// The datagram does not start with a whole message.
    #[inline]
    pub fn split(datagram: &'a [u8]) -> Result<(Self, &'a [u8]), ProtocolError> {
        match message(datagram) {
            Ok((rest, message)) => Ok((message, rest)),
            Err(_) => Err(malformed(datagram)),
        }
    }

    /// The subsystem, `NFNL_SUBSYS_*`.
    #[must_use]
    pub const fn subsystem(&self) -> u8 {
        self.header.kind.to_be_bytes()[0]
    }

    /// The message's number within the subsystem.
    #[must_use]
    pub const fn number(&self) -> u8 {
        self.header.kind.to_be_bytes()[1]
    }

    /// `struct nfgenmsg`, which starts the body of every netfilter message.
    ///
    /// # Errors
    /// The body is shorter.
    pub fn nfgenmsg(&self) -> Result<NfGenMsg, ProtocolError> {
        NfGenMsg::read(self.body).map_err(|_| self.too_short())
    }

    /// The attributes, which follow `struct nfgenmsg`.
    ///
    /// # Errors
    /// The body is shorter than that header.
    #[inline]
    pub fn attributes(&self) -> Result<&'a [u8], ProtocolError> {
        self.body.get(NfGenMsg::SIZE..).ok_or(self.too_short())
    }

    /// Decodes the attributes.
    ///
    /// # Errors
    /// [`Error::Decode`] if they are not what `T` declares. [`UsageError::Mismatch`] if `T` declares an attribute of a
    /// connection tracking message differently than this crate does.
    pub fn decode<T: Decode>(&self) -> Result<T, Error> {
        let kind = self.header.kind;
        if !Fits::<T>::received(kind) {
            message::check_received(kind, T::SCHEMA).map_err(UsageError::from)?;
        }
        Ok(codec::decode(self.attributes()?)?)
    }

    fn too_short(&self) -> ProtocolError {
        ProtocolError::Body { found: self.body.len(), expected: NfGenMsg::SIZE }
    }
}

/// `struct nlmsghdr`, the body, and its padding.
#[inline(always)]
fn message(input: &[u8]) -> IResult<&[u8], Message<'_>, ()> {
    let (input, header) = layout::<NlMsgHdr>(input)?;
    let size = (header.len as usize).checked_sub(NlMsgHdr::SIZE).ok_or(nom::Err::Error(()))?;
    padded(size).map(|body| Message { header, body }).parse_complete(input)
}

#[cold]
fn malformed(datagram: &[u8]) -> ProtocolError {
    let claimed = NlMsgHdr::read(datagram).map_or(0, |header| header.len);
    ProtocolError::MessageLength { claimed, available: datagram.len() }
}

/// The messages of a datagram, in order. Ends after the first error.
#[derive(Clone, Debug)]
pub struct Messages<'a> {
    rest: &'a [u8],
}

impl<'a> Messages<'a> {
    /// The messages of `datagram`.
    #[must_use]
    pub const fn new(datagram: &'a [u8]) -> Self {
        Self { rest: datagram }
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Result<Message<'a>, ProtocolError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let split = Message::split(self.rest);
        self.rest = split.map_or(&[][..], |(_, rest)| rest);
        Some(split.map(|(message, _)| message))
    }
}

/// What an error message says of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject {
    /// What it does: `creating a flow`.
    pub(crate) operation: &'static str,
    /// What it is made of.
    pub(crate) schema: &'static Schema,
    /// What `EPERM` means for it.
    pub(crate) denied: &'static str,
}

/// What `EPERM` means for most requests.
const DENIED: &str = "this needs CAP_NET_ADMIN in the user namespace that owns the network namespace";

/// A request to a netfilter subsystem.
///
/// Every request has `NLM_F_ACK`, so the kernel always says when it is done: with an acknowledgement, a refusal, or the
/// end of a dump. The kernel does not acknowledge a dump that it starts, but some requests for a dump start none.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    pub(crate) subject: Subject,
    kind: u16,
    flags: u16,
    nfgenmsg: NfGenMsg,
    attributes: &'a dyn Encode,
    /// Whether the attributes are declared as those of the message are.
    fits: bool,
}

impl std::fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Request")
            .field("operation", &self.subject.operation)
            .field("kind", &self.kind)
            .field("flags", &self.flags)
            .field("nfgenmsg", &self.nfgenmsg)
            .finish_non_exhaustive()
    }
}

impl<'a> Request<'a> {
    /// Makes a request of message `number` of `subsystem` with these attributes, `NLM_F_REQUEST` and `NLM_F_ACK`. Error
    /// messages begin with `operation`: words such as `listing tables`.
    #[inline]
    #[must_use]
    pub fn new<T: Encode + Decode>(operation: &'static str, subsystem: u8, number: u8, attributes: &'a T) -> Self {
        let kind = kind(subsystem, number);
        Self {
            subject: Subject { operation, schema: T::SCHEMA, denied: DENIED },
            kind,
            flags: NLM_F_REQUEST | NLM_F_ACK,
            nfgenmsg: NfGenMsg::default(),
            attributes,
            fits: Fits::<T>::request(kind),
        }
    }

    /// Says what `EPERM` means for this request, in the words of an error message, if it is not only that `CAP_NET_ADMIN`
    /// is missing.
    #[must_use]
    pub const fn denied(mut self, meaning: &'static str) -> Self {
        self.subject.denied = meaning;
        self
    }

    /// Adds `NLM_F_*` flags.
    #[must_use]
    pub const fn flags(mut self, flags: u16) -> Self {
        self.flags |= flags;
        self
    }

    /// Removes `NLM_F_ACK`: the kernel then answers only with what was asked for, or with a refusal. For all requests of a
    /// datagram but the last, see [`BatchExchange`](super::BatchExchange).
    #[must_use]
    pub const fn without_ack(mut self) -> Self {
        self.flags &= !NLM_F_ACK;
        self
    }

    /// Sets `nfgen_family`.
    #[must_use]
    pub const fn family(mut self, family: Family) -> Self {
        self.nfgenmsg.family = family.0;
        self
    }

    /// Sets the version in `struct nfgenmsg`, 0 by default.
    #[must_use]
    pub const fn version(mut self, version: u8) -> Self {
        self.nfgenmsg.version = version;
        self
    }

    /// Sets `res_id`, 0 by default.
    #[must_use]
    pub const fn res_id(mut self, res_id: u16) -> Self {
        self.nfgenmsg.res_id = res_id;
        self
    }

    /// Whether it asks for all there is.
    #[must_use]
    pub const fn is_dump(&self) -> bool {
        self.flags & super::NLM_F_DUMP != 0
    }

    /// Appends the message to a datagram.
    ///
    /// # Errors
    /// [`Error::Encode`] if an attribute cannot be encoded. [`UsageError::Mismatch`] if the attributes declare one of a
    /// connection tracking request differently than this crate does. `datagram` is then as it was.
    pub fn encode(&self, seq: u32, datagram: &mut Vec<u8>) -> Result<(), Error> {
        if !self.fits {
            message::check_request(self.kind, self.subject.schema).map_err(UsageError::from)?;
        }
        let start = datagram.len();
        self.append(seq, datagram).inspect_err(|_| datagram.truncate(start)).map_err(Error::Encode)
    }

    fn append(&self, seq: u32, datagram: &mut Vec<u8>) -> Result<(), EncodeError> {
        let start = datagram.len();
        // The header follows when the length is known.
        datagram.extend_from_slice(&[0; NlMsgHdr::SIZE]);
        self.nfgenmsg.append_to(datagram)?;
        let mut writer = Writer::new(datagram);
        self.attributes.encode_attributes(&mut writer);
        writer.finish()?;
        let message = datagram.get_mut(start..).unwrap_or_default();
        let len = u32::try_from(message.len()).map_err(|_| EncodeError::MessageTooLong(message.len()))?;
        NlMsgHdr { len, kind: self.kind, flags: self.flags, seq, pid: 0 }.write_to(message)
    }
}

impl From<ProtocolError> for Error {
    fn from(error: ProtocolError) -> Self {
        Self::Protocol(error)
    }
}

impl From<DecodeError> for Error {
    fn from(error: DecodeError) -> Self {
        Self::Decode(error)
    }
}
