//! Many requests in one datagram, and what becomes of each, without a socket.

use super::exchange::{Answer, Exchange, Refusal};
use super::{Message, ProtocolError};
use crate::error::Errno;

/// The answers to several requests that were sent in one datagram with consecutive numbers, the last of them alone with
/// `NLM_F_ACK`.
///
/// The kernel executes them in order, each for itself, and answers only those that it refuses, and the last. So an
/// acknowledgement of the last one says that those without an answer have succeeded. There is one exception: if the
/// caller lacks the capability, it refuses the first with `EPERM`, looks at no other, and says nothing more
/// (`nfnetlink_rcv`, `net/netfilter/nfnetlink.c`).
#[derive(Clone, Debug)]
pub struct BatchExchange {
    first: u32,
    port: u32,
    refused: Vec<Option<Refusal>>,
    done: bool,
}

impl BatchExchange {
    /// `count` requests from `port`, of which the first has number `first`.
    #[must_use]
    pub fn new(first: u32, count: usize, port: u32) -> Self {
        Self { first, port, refused: vec![None; count], done: count == 0 }
    }

    /// Whether the last request has been answered, and with that all.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        self.done
    }

    /// Whether nothing more may come, although the last request has not been answered: the first was refused for want
    /// of a privilege. As the kernel answers before the send returns, what is not there by then will not come.
    #[must_use]
    pub fn may_be_all(&self) -> bool {
        let first = self.refused.first().and_then(Option::as_ref);
        !self.done && first.is_some_and(|refusal| refusal.errno == Errno::PERM.0)
    }

    /// Takes nothing more to come for what it is: all requests were refused for want of a privilege.
    pub fn refuse_all(&mut self) {
        if let Some((Some(first), rest)) = self.refused.split_first_mut() {
            rest.fill(Some(first.clone()));
        }
        self.done = true;
    }

    /// Takes a message into account. If it is something that a request asked for, and not its success or refusal, this
    /// says which request's; a message that answers none of them changes nothing.
    ///
    /// # Errors
    /// A control message is too short.
    pub fn take(&mut self, message: Message<'_>) -> Result<Option<usize>, ProtocolError> {
        let index = message.header.seq.wrapping_sub(self.first) as usize;
        let last = index.saturating_add(1) == self.refused.len();
        let Some(slot) = self.refused.get_mut(index) else { return Ok(None) };
        match Exchange::new(message.header.seq, self.port).take(message)? {
            Answer::Reply(_) => return Ok(Some(index)),
            Answer::Done => self.done |= last,
            Answer::Refused(refusal) => {
                *slot = Some(refusal);
                self.done |= last;
            }
            Answer::Unrelated => {}
        }
        Ok(None)
    }

    /// What became of each request, in order: `None` has succeeded.
    #[must_use]
    pub fn finish(self) -> Vec<Option<Refusal>> {
        self.refused
    }
}
