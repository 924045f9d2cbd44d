//! Requests that are sent in one datagram.

use conntrack_spec::DecodeError;
use conntrack_spec::codec::Layout;
use conntrack_spec::header::NlMsgHdr;

use super::channel::refusal;
use super::{NLM_F_ACK, Refusal, Request, Subject};
use crate::error::Error;

/// Encoded requests, one behind the other. The kernel is to answer those that it refuses, and the last.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    datagram: Vec<u8>,
    parts: Vec<Part>,
}

/// One of them.
#[derive(Clone, Copy, Debug)]
struct Part {
    start: usize,
    subject: Subject,
}

impl Requests {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.parts.len()
    }

    /// How long the datagram is.
    pub(crate) fn bytes(&self) -> usize {
        self.datagram.len()
    }

    /// Appends a request.
    ///
    /// # Errors
    /// Those of [`Request::encode`]. The request is then not appended.
    pub(crate) fn push(&mut self, request: &Request<'_>) -> Result<(), Error> {
        let start = self.datagram.len();
        request.without_ack().encode(0, &mut self.datagram)?;
        self.parts.push(Part { start, subject: request.subject });
        Ok(())
    }

    /// Removes the last request.
    pub(crate) fn pop(&mut self) {
        if let Some(Part { start, .. }) = self.parts.pop() {
            self.datagram.truncate(start);
        }
    }

    /// Removes all requests.
    pub(crate) fn clear(&mut self) {
        self.datagram.clear();
        self.parts.clear();
    }

    /// Numbers the requests, `first` and those that follow it, and has the last one acknowledged. The result is ready to
    /// be sent.
    pub(super) fn seal(&mut self, first: u32) -> Result<&[u8], DecodeError> {
        // A range without an end would go beyond the last number to tell that there is one.
        for (seq, part) in (first..=u32::MAX).zip(&self.parts) {
            NlMsgHdr::edit(message(&mut self.datagram, *part), |header| header.seq = seq)?;
        }
        if let Some(last) = self.parts.last() {
            NlMsgHdr::edit(message(&mut self.datagram, *last), |header| header.flags |= NLM_F_ACK)?;
        }
        Ok(&self.datagram)
    }

    /// The requests, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Sent<'_>> {
        self.parts.iter().map(|part| Sent { requests: self, part })
    }
}

/// One of the requests of a datagram.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent<'a> {
    requests: &'a Requests,
    part: &'a Part,
}

impl Sent<'_> {
    /// The error that its refusal is.
    pub(crate) fn refusal(self, refused: Refusal) -> Error {
        let message = self.requests.datagram.get(self.part.start..).unwrap_or_default();
        refusal(self.part.subject, message, refused)
    }
}

/// A request of a datagram, and those behind it.
fn message(datagram: &mut [u8], part: Part) -> &mut [u8] {
    datagram.get_mut(part.start..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use conntrack_spec::{FlowKey, Tuple};

    use super::*;
    use crate::netlink::Messages;
    use crate::request;

    #[test]
    fn they_are_numbered_and_the_last_alone_is_acknowledged() {
        let key = FlowKey::new(Tuple::udp(([10, 0, 0, 1], 1).into(), ([10, 0, 0, 2], 53).into()));
        let mut requests = Requests::default();
        for _ in 0..4 {
            requests.push(&request::get(&key).unwrap()).unwrap();
        }
        requests.pop();
        let headers = Messages::new(requests.seal(u32::MAX - 2).unwrap()).map(|message| message.unwrap().header);
        let told: Vec<_> = headers.map(|header| (header.seq, header.flags & NLM_F_ACK != 0)).collect();
        assert_eq!(told, [(u32::MAX - 2, false), (u32::MAX - 1, false), (u32::MAX, true)]);
        requests.clear();
        assert_eq!((requests.len(), requests.bytes(), requests.seal(1)), (0, 0, Ok(&[][..])));
    }
}
