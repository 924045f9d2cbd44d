//! From one request to the end of its answers, without a socket.

use conntrack_spec::ExtAck;
use conntrack_spec::codec::{self, Layout, align};
use conntrack_spec::header::{NlMsgErr, NlMsgHdr};

use super::{
    Message, NLM_F_ACK_TLVS, NLM_F_CAPPED, NLM_F_DUMP_INTR, NLMSG_DONE, NLMSG_ERROR, NLMSG_NOOP, NLMSG_OVERRUN,
    ProtocolError,
};

/// `NLMSG_MIN_TYPE`: below are the control messages.
const NLMSG_MIN_TYPE: u16 = 16;

/// What a received message means for an exchange.
#[derive(Clone, Debug)]
pub enum Answer<'a> {
    /// One of the answers.
    Reply(Message<'a>),
    /// The end: acknowledged, or all of a dump sent.
    Done,
    /// The end: refused.
    Refused(Refusal),
    /// An answer to something else, most likely to a request that was given up: its sequence number is not this one's.
    Unrelated,
}

/// What the kernel says when it refuses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusal {
    /// The error, positive.
    pub errno: i32,
    /// What it said beside the number; empty from kernels that say nothing.
    pub details: ExtAck,
}

/// The state of one exchange.
///
/// An exchange ends with an acknowledgement, a refusal, or the end of a dump (`net/netlink/af_netlink.c`,
/// `net/netfilter/nfnetlink.c`). The kernel acknowledges only requests with `NLM_F_ACK`, which every
/// [`Request`](super::Request) has. `NLM_F_MULTI` does not tell whether more follows: netfilter sets it on single replies,
/// too.
#[derive(Clone, Copy, Debug)]
pub struct Exchange {
    seq: u32,
    port: u32,
    interrupted: bool,
}

impl Exchange {
    /// The exchange that a request with number `seq`, sent from `port`, starts.
    #[must_use]
    pub const fn new(seq: u32, port: u32) -> Self {
        Self { seq, port, interrupted: false }
    }

    /// The request's number.
    #[must_use]
    pub const fn seq(&self) -> u32 {
        self.seq
    }

    /// Whether the kernel said that the table changed under the dump (`NLM_F_DUMP_INTR`), so that parts may be missing.
    #[must_use]
    pub const fn is_interrupted(&self) -> bool {
        self.interrupted
    }

    /// What `message` means here. The caller has made sure that the kernel sent it.
    ///
    /// # Errors
    /// A control message is too short.
    #[inline]
    pub fn take<'a>(&mut self, message: Message<'a>) -> Result<Answer<'a>, ProtocolError> {
        if message.header.seq != self.seq || message.header.pid != self.port {
            return Ok(Answer::Unrelated);
        }
        self.interrupted |= message.header.flags & NLM_F_DUMP_INTR != 0;
        match message.header.kind {
            NLMSG_NOOP => Ok(Answer::Unrelated),
            NLMSG_ERROR => error(message),
            NLMSG_DONE => Ok(done(message)),
            NLMSG_OVERRUN => Ok(Answer::Refused(Refusal { errno: crate::Errno::NOBUFS.0, ..Refusal::default() })),
            kind if kind < NLMSG_MIN_TYPE => Ok(Answer::Unrelated),
            _ => Ok(Answer::Reply(message)),
        }
    }
}

/// `struct nlmsgerr`, perhaps the rest of the request, perhaps attributes.
fn error(message: Message<'_>) -> Result<Answer<'_>, ProtocolError> {
    let too_short = ProtocolError::Body { found: message.body.len(), expected: NlMsgErr::SIZE };
    let err = NlMsgErr::read(message.body).map_err(|_| too_short)?;
    if err.error == 0 {
        return Ok(Answer::Done);
    }
    // The length of the request counts its header, which is there in any case.
    let whole = if message.header.flags & NLM_F_CAPPED == 0 { err.request.len as usize } else { 0 };
    let attributes = align(NlMsgErr::SIZE.saturating_add(whole.saturating_sub(NlMsgHdr::SIZE)));
    Ok(Answer::Refused(refusal(err.error, message, attributes)))
}

/// The result of a dump, in four bytes; perhaps attributes.
fn done(message: Message<'_>) -> Answer<'_> {
    // Absent in the NLMSG_DONE of very old kernels, which means success.
    match message.body.first_chunk().map_or(0, |bytes| i32::from_ne_bytes(*bytes)) {
        0 => Answer::Done,
        errno => Answer::Refused(refusal(errno, message, size_of::<i32>())),
    }
}

fn refusal(errno: i32, message: Message<'_>, attributes: usize) -> Refusal {
    let told = message.header.flags & NLM_F_ACK_TLVS != 0;
    let details = message.body.get(attributes..).filter(|_| told).and_then(|bytes| codec::decode(bytes).ok());
    Refusal { errno: errno.saturating_neg().max(1), details: details.unwrap_or_default() }
}
