//! All flows, one after another.

use std::iter::FusedIterator;
use std::marker::PhantomData;
use std::ops::Range;
use std::sync::Arc;

use conntrack_spec::codec::{self, Layout, Mode, align};
use conntrack_spec::header::{HEADERS, NfGenMsg, NlMsgHdr};
use conntrack_spec::{Decode, Flow};

use crate::error::Error;
use crate::filter::{Filter, View};
use crate::netlink::{Answer, Channel, Exchange, Message, ProtocolError, Request, Subject, refusal};
use crate::parts::Parts;
use crate::pool::Pool;

/// The flows of a table, or its expectations, as they arrive: an iterator that holds one datagram at a time, whatever
/// the table's size.
///
/// It has a socket of its own. So other requests, and other dumps, can be made meanwhile, and one that is dropped
/// half-way leaves nothing behind.
///
/// A table that changes during the dump is not a snapshot: flows that come or go may be in it or not, and a flow may
/// come twice, when the one before it vanished between two datagrams. A resize of the table's hash may skip some.
///
/// An item that cannot be decoded is an error, and the next call goes on with the next one; any other error is the end.
#[derive(Debug)]
pub struct Dump<T = Flow> {
    raw: RawDump,
    rest: Option<Filter>,
    decoded: PhantomData<fn() -> T>,
}

impl<T: Decode> Dump<T> {
    /// `rest` is what the kernel did not filter.
    pub(crate) fn start(pool: &Arc<Pool>, request: &Request<'_>, rest: Option<Filter>) -> Result<Self, Error> {
        Ok(Self { raw: RawDump::start(pool, request)?, rest, decoded: PhantomData })
    }

    /// Decodes the next one into a vacant value. False at the end.
    pub(crate) fn next_at(&mut self, value: &mut T) -> Result<bool, Error> {
        self.find_at(value, RawDump::advance)
    }

    /// Decodes the next one that `advance` finds and the filter lets pass.
    #[inline(always)]
    fn find_at(
        &mut self,
        value: &mut T,
        advance: impl Fn(&mut RawDump) -> Result<Option<Range<usize>>, Error>,
    ) -> Result<bool, Error> {
        while let Some(attributes) = advance(&mut self.raw)? {
            let attributes = self.raw.bytes(attributes);
            if let Some(filter) = &self.rest
                && !filter.matches_view(&codec::decode::<View>(attributes)?)
            {
                continue;
            }
            codec::decode_at(value, attributes, Mode::Lenient)?;
            return Ok(true);
        }
        Ok(false)
    }

    /// Whether there is nothing left to be received.
    pub(crate) fn is_over(&self) -> bool {
        self.raw.channel.is_none()
    }

    /// Receives the next datagram, in place of the one before.
    pub(crate) fn receive(&mut self) -> Result<(), Error> {
        self.raw.receive().map(drop)
    }

    /// The next item of the datagram that has been received.
    pub(crate) fn next_received(&mut self) -> Option<Result<T, Error>> {
        item_at(|value| self.find_at(value, RawDump::advance_received))
    }
}

impl<T: Decode> Parts<T> for Dump<T> {
    fn next_part(&mut self, most: usize) -> Option<Vec<Result<T, Error>>> {
        if self.is_over() {
            return None;
        }
        let mut part = Vec::with_capacity(most);
        // What is left of a datagram in which something was found does not count as one.
        let mut is_found = true;
        while part.len() < most {
            // Decoded where it stays.
            part.push(Ok(T::vacant()));
            let Some(Ok(value)) = part.last_mut() else { break };
            let mut result = self.find_at(value, RawDump::advance_received);
            if !matches!(result, Ok(true)) {
                part.pop();
            }
            if let Ok(false) = result {
                if self.is_over() || !is_found {
                    break;
                }
                result = self.receive().map(|()| false);
            }
            is_found = !matches!(result, Ok(false));
            if let Err(error) = result {
                part.push(Err(error));
            }
        }
        Some(part)
    }
}

impl<T: Decode> Iterator for Dump<T> {
    type Item = Result<T, Error>;

    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        item_at(|value| self.next_at(value))
    }
}

/// The item that `decode` makes of a vacant value; none if it says that there is none.
///
/// Inlined, as what returns it has to be, so that a flow is decoded where the caller keeps it: a move would wait for what
/// is still on its way to memory.
#[inline(always)]
pub(crate) fn item_at<T: Decode>(decode: impl FnOnce(&mut T) -> Result<bool, Error>) -> Option<Result<T, Error>> {
    let mut item = Some(Ok(T::vacant()));
    if let Some(Ok(value)) = &mut item {
        match decode(value) {
            Ok(true) => {}
            Ok(false) => item = None,
            Err(error) => item = Some(Err(error)),
        }
    }
    item
}

impl<T: Decode> FusedIterator for Dump<T> {}

/// The messages of a dump, not decoded.
#[derive(Debug)]
struct RawDump {
    pool: Arc<Pool>,
    /// Gone when the dump has ended.
    channel: Option<Channel>,
    exchange: Exchange,
    subject: Subject,
    /// What is left of the datagram in the channel's buffer.
    unread: Range<usize>,
    /// The header of the last reply that was taken apart. All replies of a dump have the same but for the length, so
    /// those after the first are recognised by one comparison.
    usual: NlMsgHdr,
}

impl RawDump {
    /// Sends the request and reads the first datagram, in which a refusal would be.
    fn start(pool: &Arc<Pool>, request: &Request<'_>) -> Result<Self, Error> {
        let mut channel = pool.take()?;
        let exchange = channel.send(request)?;
        let unread = 0..channel.receive()?;
        let mut raw = Self {
            pool: Arc::clone(pool),
            channel: Some(channel),
            exchange,
            subject: request.subject,
            unread,
            usual: NlMsgHdr::default(),
        };
        if let Some(first) = raw.classify()? {
            raw.usual = first;
        }
        Ok(raw)
    }

    /// The attributes of the next flow, as a range of the buffer; `None` at the end.
    #[inline]
    fn advance(&mut self) -> Result<Option<Range<usize>>, Error> {
        loop {
            if let Some(found) = self.advance_received()? {
                return Ok(Some(found));
            }
            if !self.receive()? {
                return Ok(None);
            }
        }
    }

    /// The attributes of the next flow of the datagram that has been received.
    #[inline]
    fn advance_received(&mut self) -> Result<Option<Range<usize>>, Error> {
        loop {
            let Some(channel) = &self.channel else { return Ok(None) };
            let left = channel.incoming(&self.unread);
            match NlMsgHdr::read(left) {
                Ok(header) if header == (NlMsgHdr { len: header.len, ..self.usual }) => {
                    // One that is longer than what is there would be read without its end.
                    if (HEADERS..=left.len()).contains(&(header.len as usize)) {
                        return Ok(Some(self.consume(header.len)));
                    }
                    self.advance_malformed(header.len)?;
                }
                _ if left.is_empty() => return Ok(None),
                _ => self.advance_unusual()?,
            }
        }
    }

    /// Receives the next datagram. False if the dump is over.
    #[cold]
    fn receive(&mut self) -> Result<bool, Error> {
        let Some(channel) = &mut self.channel else { return Ok(false) };
        match channel.receive() {
            Ok(length) => {
                self.unread = 0..length;
                Ok(true)
            }
            Err(error) => {
                self.channel = None;
                Err(error)
            }
        }
    }

    /// Ends the dump at a reply whose length cannot be: where the next one starts is not known.
    #[cold]
    fn advance_malformed(&mut self, length: u32) -> Result<(), Error> {
        self.channel = None;
        let available = self.unread.len();
        let error = match length as usize {
            length if (NlMsgHdr::SIZE..=available).contains(&length) => {
                ProtocolError::Body { found: length.saturating_sub(NlMsgHdr::SIZE), expected: NfGenMsg::SIZE }
            }
            _ => ProtocolError::MessageLength { claimed: length, available },
        };
        Err(error.into())
    }

    /// Moves past the message at the front, and tells where its attributes are.
    #[inline]
    fn consume(&mut self, length: u32) -> Range<usize> {
        let start = self.unread.start;
        let length = length as usize;
        self.unread.start = start.saturating_add(align(length)).min(self.unread.end);
        start.saturating_add(HEADERS)..start.saturating_add(length).min(self.unread.end)
    }

    /// Deals with a message that is not the next reply: the end of the dump, something unrelated.
    #[cold]
    fn advance_unusual(&mut self) -> Result<(), Error> {
        match self.classify() {
            Ok(Some(usual)) => self.usual = usual,
            Ok(None) => {}
            Err(error) => {
                // Whatever else is under way on the socket ends with it.
                self.channel = None;
                return Err(error);
            }
        }
        Ok(())
    }

    /// Looks at the message at the front. A reply stays there, and what marks it is returned; anything else is dealt
    /// with.
    fn classify(&mut self) -> Result<Option<NlMsgHdr>, Error> {
        let Some(channel) = &self.channel else { return Ok(None) };
        let bytes = channel.incoming(&self.unread);
        if bytes.is_empty() {
            return Ok(None);
        }
        let (message, _) = Message::split(bytes)?;
        match self.exchange.take(message)? {
            Answer::Reply(reply) => Ok(Some(reply.header)),
            Answer::Unrelated => {
                self.consume(message.header.len);
                Ok(None)
            }
            Answer::Done => {
                self.release();
                if self.exchange.is_interrupted() { Err(Error::Interrupted) } else { Ok(None) }
            }
            Answer::Refused(refused) => {
                let error = refusal(self.subject, channel.sent(), refused);
                if matches!(error, Error::Overrun) {
                    // The kernel says so, and runs the dump all the same: the socket would be busy.
                    self.channel = None;
                } else {
                    self.release();
                }
                Err(error)
            }
        }
    }

    /// Gives the socket back: the exchange has ended.
    fn release(&mut self) {
        if let Some(mut channel) = self.channel.take() {
            channel.end();
            self.pool.put(channel);
        }
    }

    fn bytes(&self, range: Range<usize>) -> &[u8] {
        self.channel.as_ref().map_or(&[], |channel| channel.incoming(&range))
    }
}
