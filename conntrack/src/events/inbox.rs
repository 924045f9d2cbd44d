//! From datagrams to events, without a socket.

use std::ops::Range;

use conntrack_spec::Decode;
use conntrack_spec::codec;
use conntrack_spec::header::NlMsgHdr;
use conntrack_spec::uapi::{
    IPCTNL_MSG_CT_DELETE, IPCTNL_MSG_CT_NEW, IPCTNL_MSG_EXP_DELETE, IPCTNL_MSG_EXP_NEW, NFNL_SUBSYS_CTNETLINK,
    NFNL_SUBSYS_CTNETLINK_EXP,
};

use super::{Event, Groups, Origin, UnknownMessage};
use crate::error::{Error, Undecodable};
use crate::filter::{Filter, View};
use crate::netlink::{Message, NLM_F_CREATE, NLM_F_EXCL, ProtocolError};
pub use crate::sys::listener::Queue;
pub use crate::sys::socket::Received;

/// Bytes that are read at a time: far more than connection tracking ever puts into an event.
const BUFFER: usize = 16 * 1024;

const NEW: u16 = kind(NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_NEW);
const DESTROY: u16 = kind(NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_DELETE);
const EXPECT_NEW: u16 = kind(NFNL_SUBSYS_CTNETLINK_EXP, IPCTNL_MSG_EXP_NEW);
const EXPECT_DESTROY: u16 = kind(NFNL_SUBSYS_CTNETLINK_EXP, IPCTNL_MSG_EXP_DELETE);

const fn kind(subsystem: u8, number: u8) -> u16 {
    u16::from_be_bytes([subsystem, number])
}

/// What a listener has come across so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventCounters {
    /// Messages that the kernel sent and that arrived.
    pub received: u64,
    /// Overruns: times that messages did not arrive.
    pub overruns: u64,
    /// Messages that did not arrive, as the kernel counts them. With `NETLINK_NO_ENOBUFS` there are no overruns, and
    /// this stays 0; [`Events::lost`](super::Events::lost) tells then.
    pub lost: u64,
    /// Messages that could not be decoded.
    pub undecodable: u64,
    /// Messages that are no events of connection tracking.
    pub unknown: u64,
    /// Events that the filter dropped here, after they had arrived. None in [`Events`](super::Events), whose filter the
    /// kernel applies.
    pub filtered: u64,
    /// Datagrams that other processes sent, posing as the kernel.
    pub spoofed: u64,
}

/// The receiving side of a listener, without its socket: takes datagrams, and gives events.
///
/// [`Events`](super::Events) drives one. Drive another if you receive in a way of your own: receive into
/// [`buffer`](Self::buffer), say what came of it, and then take events [until there are none](Self::take).
///
/// # Where an overrun stands
///
/// The kernel says `ENOBUFS` before it hands out the messages that had been queued when the first one was lost, and
/// until all those are read, it drops everything new. So the gap is where the queue is found empty next, and that is
/// where [`Event::Overrun`] stands. For this the inbox wants to know the state of the
/// [queue](Self::queue) while it [is congested](Self::is_congested).
#[derive(Debug)]
pub struct Inbox {
    buffer: Box<[u8]>,
    /// What is left of the datagram in the buffer.
    unread: Range<usize>,
    /// Of that datagram.
    origin: Origin,
    /// The datagram did not fit: this is its length.
    truncated: Option<usize>,
    filter: Option<Filter>,
    congestion: Option<Queue>,
    /// An overrun to report when the datagram has been read.
    overrun: Option<u32>,
    /// The kernel's number of lost messages that have been reported.
    reported: u32,
    counters: EventCounters,
}

impl Inbox {
    /// An inbox that gives the events of flows that meet `filter`, and all others.
    #[must_use]
    pub fn new(filter: Filter) -> Self {
        Self {
            buffer: vec![0; BUFFER].into(),
            unread: 0..0,
            origin: Origin::default(),
            truncated: None,
            filter: Some(filter).filter(|filter| !filter.is_all()),
            congestion: None,
            overrun: None,
            reported: 0,
            counters: EventCounters::default(),
        }
    }

    /// Where to put the next datagram. What was not taken of the one before is lost.
    #[inline]
    pub fn buffer(&mut self) -> &mut [u8] {
        self.unread = 0..0;
        &mut self.buffer
    }

    /// What has been put into the buffer. A datagram that the kernel did not send is dropped here.
    #[inline]
    pub fn received(&mut self, datagram: &Received) {
        const KERNEL: u32 = 0;
        if datagram.sender != KERNEL {
            self.counters.spoofed += 1;
            return;
        }
        self.unread = 0..datagram.length.min(self.buffer.len());
        self.origin = Origin { port: 0, group: Groups::from_bits_retain(datagram.groups), nsid: datagram.nsid };
        self.truncated = datagram.is_truncated().then_some(datagram.whole);
    }

    /// The receive failed with `ENOBUFS`; the state of the queue right afterwards.
    pub fn congested(&mut self, queue: Queue) {
        // A second time: the first congestion ended unseen, and so the gap is before this one at the latest.
        self.end_congestion(queue);
        self.congestion = Some(queue);
    }

    /// Whether events have been lost and the queue has not been empty since.
    #[inline]
    #[must_use]
    pub const fn is_congested(&self) -> bool {
        self.congestion.is_some()
    }

    /// While it is congested: the state of the queue after a receive.
    pub fn queue(&mut self, queue: Queue) {
        if let Some(before) = &mut self.congestion {
            // While there is congestion, nothing is added: each receive makes the queue shorter. If it did not, it
            // has been empty in between.
            if queue.bytes == 0 || queue.bytes >= before.bytes {
                self.end_congestion(queue);
            } else {
                *before = queue;
            }
        }
    }

    /// While it is congested: nothing was there to receive.
    pub fn drained(&mut self, queue: Queue) {
        self.end_congestion(queue);
    }

    fn end_congestion(&mut self, queue: Queue) {
        if self.congestion.take().is_some() {
            let lost = queue.dropped.wrapping_sub(self.reported);
            self.reported = queue.dropped;
            self.counters.overruns += 1;
            self.counters.lost += u64::from(lost);
            self.overrun = Some(self.overrun.unwrap_or(0).saturating_add(lost));
        }
    }

    /// What has been received so far.
    #[must_use]
    pub const fn counters(&self) -> EventCounters {
        self.counters
    }

    /// The next event, until all that was received has been taken.
    ///
    /// # Errors
    /// [`Error::Undecodable`]; the next call goes on with the next message.
    #[inline]
    pub fn take<T: Decode>(&mut self) -> Option<Result<Event<T>, Error>> {
        while !self.unread.is_empty() {
            match self.take_message() {
                Ok(Some(event)) => return Some(Ok(event)),
                Ok(None) => {}
                Err(error) => return Some(Err(error)),
            }
        }
        self.overrun.take().map(|lost| Ok(Event::Overrun { lost }))
    }

    /// The event in the message at the front, if it passes the filter.
    #[inline]
    fn take_message<T: Decode>(&mut self) -> Result<Option<Event<T>>, Error> {
        self.counters.received += 1;
        let Self { buffer, unread, origin, filter, counters, .. } = self;
        let datagram = buffer.get(unread.clone()).unwrap_or_default();
        let message = match (self.truncated.take(), Message::split(datagram)) {
            (None, Ok((message, rest))) => {
                unread.start = unread.end.saturating_sub(rest.len());
                message
            }
            (Some(whole), _) => {
                let reason = ProtocolError::Truncated { whole, buffer: buffer.len() };
                return Err(self.give_up(reason.into(), whole));
            }
            (None, Err(reason)) => return Err(self.give_up(reason.into(), 0)),
        };
        let origin = Origin { port: message.header.pid, ..*origin };
        let event = match decode(message, origin, filter.as_ref()) {
            Ok(Decoded::Event(event)) => event,
            Ok(Decoded::Filtered) => {
                counters.filtered += 1;
                return Ok(None);
            }
            Err(reason) => {
                counters.undecodable += 1;
                let bytes = datagram.get(..message.header.len as usize).unwrap_or_default().to_vec();
                return Err(Undecodable { reason, bytes, origin }.into());
            }
        };
        if matches!(event, Event::Unknown(..)) {
            counters.unknown += 1;
        }
        Ok(Some(event))
    }

    /// Gives up a datagram: where the next message starts is not known. The next datagram of `needed` bytes will fit.
    #[cold]
    fn give_up(&mut self, reason: Error, needed: usize) -> Error {
        self.counters.undecodable += 1;
        let bytes = self.buffer.get(self.unread.clone()).unwrap_or_default().to_vec();
        self.unread = 0..0;
        if needed > self.buffer.len() {
            self.buffer = vec![0; needed].into();
        }
        Undecodable { reason, bytes, origin: self.origin }.into()
    }
}

/// What becomes of a message.
#[expect(clippy::large_enum_variant, reason = "returned and taken apart at once")]
enum Decoded<T> {
    Event(Event<T>),
    Filtered,
}

#[inline]
fn decode<T: Decode>(message: Message<'_>, origin: Origin, filter: Option<&Filter>) -> Result<Decoded<T>, Error> {
    let event = match message.header.kind {
        NEW | DESTROY => {
            let attributes = message.attributes()?;
            if let Some(filter) = filter
                && !filter.matches_view(&codec::decode::<View>(attributes)?)
            {
                return Ok(Decoded::Filtered);
            }
            let flow = codec::decode(attributes)?;
            match message.header {
                NlMsgHdr { kind: DESTROY, .. } => Event::Destroy(flow, origin),
                // A change has the number of a creation, and none of its flags.
                NlMsgHdr { flags, .. } if flags & (NLM_F_CREATE | NLM_F_EXCL) == 0 => Event::Update(flow, origin),
                _ => Event::New(flow, origin),
            }
        }
        EXPECT_NEW => Event::ExpectNew(message.decode()?, origin),
        EXPECT_DESTROY => Event::ExpectDestroy(message.decode()?, origin),
        _ => Event::Unknown(UnknownMessage { header: message.header, body: message.body.to_vec() }, origin),
    };
    Ok(Decoded::Event(event))
}
