//! Many requests in one datagram, and the answers to them, without a socket.

use super::exchange::{Answer, Exchange, Refusal};
use super::{Message, ProtocolError};
use crate::error::Errno;

/// Collects the answers to requests that were sent in one datagram with consecutive numbers, the last of them alone with
/// `NLM_F_ACK` (see [`Request::without_ack`](super::Request::without_ack)).
///
/// The kernel executes the requests in order, each independently of the others, and answers those that it refuses and the
/// last one. So an answer says of all requests before it that have none that they succeeded. There is one exception: if
/// the caller lacks the capability, the kernel refuses the first request with `EPERM`, ignores the others, and sends
/// nothing more (`nfnetlink_rcv`, `net/netfilter/nfnetlink.c`).
#[derive(Clone, Debug)]
pub struct BatchExchange {
    first: u32,
    port: u32,
    refused: Vec<Option<Refusal>>,
    /// The results of so many requests, the first ones, are known.
    known: usize,
    is_done: bool,
    has_losses: bool,
}

impl BatchExchange {
    /// Expects the answers to `count` requests from `port`, the first of which has the number `first`.
    #[must_use]
    pub fn new(first: u32, count: usize, port: u32) -> Self {
        Self { first, port, refused: vec![None; count], known: 0, is_done: count == 0, has_losses: false }
    }

    /// Whether the last request has been answered. The kernel then sends nothing more.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        self.is_done
    }

    /// Whether possibly nothing more comes although the last request has not been answered: the first one was refused
    /// with `EPERM`. The kernel answers before the send returns, so what is not in the queue by then never comes.
    #[must_use]
    pub fn may_be_all(&self) -> bool {
        let first = self.refused.first().and_then(Option::as_ref);
        !self.is_done && first.is_some_and(|refusal| refusal.errno == Errno::PERM.0)
    }

    /// Marks every request refused with the first one's error. Call it if [`may_be_all`](Self::may_be_all) holds and the
    /// queue is empty.
    pub fn refuse_all(&mut self) {
        if let Some((Some(first), rest)) = self.refused.split_first_mut() {
            rest.fill(Some(first.clone()));
        }
        self.known = self.refused.len();
        self.is_done = true;
    }

    /// Notes that answers were lost, for example by an overrun. A request without an answer then no longer counts as
    /// successful.
    pub fn note_losses(&mut self) {
        self.has_losses = true;
    }

    /// Takes a message into account. For a reply with data, this returns the index of its request. Acknowledgements and
    /// refusals are kept for [`finish`](Self::finish); a message that answers none of the requests is ignored.
    ///
    /// # Errors
    /// [`ProtocolError::Body`] for an answer that is too short.
    pub fn take(&mut self, message: Message<'_>) -> Result<Option<usize>, ProtocolError> {
        let index = message.header.seq.wrapping_sub(self.first) as usize;
        let after = index.saturating_add(1);
        let is_last = after == self.refused.len();
        let Some(slot) = self.refused.get_mut(index) else { return Ok(None) };
        let mut replied = None;
        match Exchange::new(message.header.seq, self.port).take(message)? {
            Answer::Unrelated => return Ok(None),
            Answer::Reply(_) => replied = Some(index),
            Answer::Done => self.is_done |= is_last,
            Answer::Refused(refusal) => {
                *slot = Some(refusal);
                self.is_done |= is_last;
            }
        }
        if !self.has_losses || index <= self.known {
            self.known = self.known.max(after);
        }
        Ok(replied)
    }

    /// Returns the results that are known, in the order of the requests: `None` for success. These are all of them if the
    /// exchange [is done](Self::is_done) and no answers were lost, otherwise the first ones.
    #[must_use]
    pub fn finish(mut self) -> Vec<Option<Refusal>> {
        self.refused.truncate(self.known);
        self.refused
    }
}
