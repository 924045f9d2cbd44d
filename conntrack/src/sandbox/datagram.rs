//! Requests of several messages, and the answers to them.

use std::io;
use std::time::Duration;

use conntrack_spec::codec::{EncodeError, Layout, align};
use conntrack_spec::header::{NlMsgErr, NlMsgHdr};
use conntrack_spec::{Encode, codec};

use super::Error;
use super::error::Step;
use crate::netlink::{Channel, Messages, NLM_F_ACK, NLM_F_REQUEST, NLMSG_ERROR};
use crate::sys::socket::{Protocol, Socket};

/// Messages that travel together.
#[derive(Debug, Default)]
pub(super) struct Datagram {
    bytes: Vec<u8>,
    /// How many messages there are; each has its place as its sequence number.
    count: u32,
    /// How many of them are acknowledged.
    acks: usize,
}

/// The answer to one message.
#[derive(Clone, Copy, Debug)]
struct Ack {
    seq: u32,
    /// 0, or a negative errno.
    error: i32,
}

impl Datagram {
    /// Appends a message: `struct nlmsghdr`, the protocol's own header, attributes.
    pub(super) fn push(
        &mut self,
        kind: u16,
        flags: u16,
        header: &impl Layout,
        attributes: &dyn Encode,
    ) -> Result<(), EncodeError> {
        let mut body = Vec::new();
        header.append_to(&mut body)?;
        let mut writer = codec::Writer::new(&mut body);
        attributes.encode_attributes(&mut writer);
        writer.finish()?;

        let length = NlMsgHdr::SIZE.saturating_add(body.len());
        let len = u32::try_from(length).map_err(|_| EncodeError::MessageTooLong(length))?;
        let header = NlMsgHdr { len, kind, flags: NLM_F_REQUEST | flags, seq: self.count, pid: 0 };
        header.append_to(&mut self.bytes)?;
        self.bytes.extend(body);
        self.bytes.resize(align(self.bytes.len()), 0);
        self.count = self.count.wrapping_add(1);
        self.acks = self.acks.saturating_add(usize::from(flags & NLM_F_ACK != 0));
        Ok(())
    }

    /// Sends it and waits for the acknowledgements. `step` says what failed if the kernel refuses message `seq`.
    pub(super) fn send(&self, protocol: Protocol, step: impl FnOnce(u32) -> Step) -> Result<(), Error> {
        match transact(protocol, &self.bytes, self.acks, PATIENCE) {
            Ok(acks) => match acks.into_iter().find(|ack| ack.error != 0) {
                Some(refused) => {
                    Err(step(refused.seq).failed()(io::Error::from_raw_os_error(refused.error.saturating_neg())))
                }
                None => Ok(()),
            },
            Err(crate::Error::Io { source, .. }) => Err(step(0).failed()(source)),
            Err(error) => Err(step(0).failed()(io::Error::other(error))),
        }
    }
}

/// How long to wait for an answer, which the kernel gives before the send returns.
const PATIENCE: Duration = Duration::from_secs(5);

/// Sends `request` to the kernel and collects its answers: one for each of the `expected` messages that asked for it,
/// or up to the first refusal, behind which there may be none.
fn transact(protocol: Protocol, request: &[u8], expected: usize, patience: Duration) -> Result<Vec<Ack>, crate::Error> {
    let mut channel = Channel::over(Socket::open(protocol).map_err(crate::Error::io("opening a netlink socket"))?);
    channel.set_timeout(Some(patience))?;
    channel.socket().send(request).map_err(crate::Error::io("sending"))?;
    let mut acks = Vec::new();
    while acks.len() < expected && acks.iter().all(|ack: &Ack| ack.error == 0) {
        let length = channel.receive()?;
        acks.extend(answers(channel.incoming(&(0..length))));
    }
    Ok(acks)
}

/// The answers in a datagram.
fn answers(datagram: &[u8]) -> impl Iterator<Item = Ack> + '_ {
    let errors = Messages::new(datagram).map_while(Result::ok).filter(|message| message.header.kind == NLMSG_ERROR);
    errors.filter_map(|message| {
        let answer = NlMsgErr::read(message.body).ok()?;
        Some(Ack { seq: answer.request.seq, error: answer.error })
    })
}

#[cfg(test)]
mod tests {
    use conntrack_spec::NoAttributes;
    use conntrack_spec::header::NfGenMsg;

    use super::*;
    use crate::sys::signals::among_signals;

    #[test]
    fn an_answer_that_never_comes_is_an_error_whatever_signals_do() {
        const TIMEOUT: Duration = Duration::from_millis(250);
        // The kernel overlooks a message that is longer than its datagram.
        let mut request = Datagram::default();
        request.push(0, NLM_F_ACK, &NfGenMsg::default(), &NoAttributes {}).unwrap();
        request.bytes.truncate(NlMsgHdr::SIZE);
        let waited = among_signals(|| transact(Protocol::Route, &request.bytes, request.acks, TIMEOUT));
        assert!(matches!(waited, Err(crate::Error::Timeout(TIMEOUT))), "{waited:?}");
    }
}
