//! From datagrams to events, without a socket.

use std::ops::Range;

use conntrack_spec::Decode;
use conntrack_spec::codec::{self, Mode};
use conntrack_spec::header::NlMsgHdr;
use conntrack_spec::uapi::{
    IPCTNL_MSG_CT_DELETE, IPCTNL_MSG_CT_NEW, IPCTNL_MSG_EXP_DELETE, IPCTNL_MSG_EXP_NEW, NFNL_SUBSYS_CTNETLINK,
    NFNL_SUBSYS_CTNETLINK_EXP,
};

use super::{Event, Groups, Origin, UnknownMessage};
use crate::error::{Error, Undecodable};
use crate::filter::{Filter, View};
use crate::netlink::{Message, NLM_F_CREATE, NLM_F_EXCL, ProtocolError};
use crate::sys::datagrams::Datagrams;
pub use crate::sys::listener::Queue;
pub use crate::sys::socket::Received;

/// Room for a datagram: far more than connection tracking ever puts into an event.
const SIZE: usize = 8 * 1024;

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
    datagrams: Datagrams,
    /// The one after that which is being read.
    next: usize,
    /// What is left of the one that is being read.
    unread: Range<usize>,
    /// Of that datagram.
    origin: Origin,
    /// It did not fit: this is its length.
    truncated: Option<usize>,
    /// The room that a datagram should have had.
    wanted: usize,
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
            datagrams: Datagrams::new(SIZE),
            next: 0,
            unread: 0..0,
            origin: Origin::default(),
            truncated: None,
            wanted: 0,
            filter: Some(filter).filter(|filter| !filter.is_all()),
            congestion: None,
            overrun: None,
            reported: 0,
            counters: EventCounters::default(),
        }
    }

    /// Where to put the next datagram. What was not taken of the one before is lost.
    pub fn buffer(&mut self) -> &mut [u8] {
        self.datagrams().first_mut()
    }

    /// What has been put into the buffer. A datagram that the kernel did not send is dropped here.
    pub fn received(&mut self, datagram: &Received) {
        self.datagrams.set_first(*datagram);
    }

    /// Where to put the next datagrams, several at once. What was not taken of those before is lost.
    pub(crate) fn datagrams(&mut self) -> &mut Datagrams {
        (self.next, self.unread) = (0, 0..0);
        if self.wanted > self.datagrams.size() {
            self.datagrams = Datagrams::new(self.wanted);
        }
        &mut self.datagrams
    }

    /// Goes on to the next datagram. False if there is none.
    #[inline]
    fn next_datagram(&mut self) -> bool {
        const KERNEL: u32 = 0;
        while let Some(datagram) = self.datagrams.get(self.next) {
            self.next = self.next.saturating_add(1);
            if datagram.sender == KERNEL {
                self.unread = 0..datagram.length;
                self.origin = Origin { port: 0, group: Groups::from_bits_retain(datagram.groups), nsid: datagram.nsid };
                self.truncated = datagram.is_truncated().then_some(datagram.whole);
                return true;
            }
            self.counters.spoofed += 1;
        }
        false
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
    pub fn take<T: Decode>(&mut self) -> Option<Result<Event<T>, Error>> {
        let mut event = Event::VACANT;
        self.take_at(&mut event).map(|is_one| is_one.then_some(event)).transpose()
    }

    /// The next event, in place of `event`. False if all that was received has been taken.
    #[inline]
    pub(crate) fn take_at<T: Decode>(&mut self, event: &mut Event<T>) -> Result<bool, Error> {
        while !self.unread.is_empty() || self.next_datagram() {
            if self.take_message(event)? {
                return Ok(true);
            }
        }
        let overrun = self.overrun.take();
        if let Some(lost) = overrun {
            *event = Event::Overrun { lost };
        }
        Ok(overrun.is_some())
    }

    /// The event in the message at the front, in place of `event`. False if there is none that passes the filter.
    #[inline]
    fn take_message<T: Decode>(&mut self, event: &mut Event<T>) -> Result<bool, Error> {
        self.counters.received += 1;
        let Self { datagrams, next, unread, origin, filter, counters, .. } = self;
        let datagram = datagrams.slot(next.saturating_sub(1)).get(unread.clone()).unwrap_or_default();
        let message = match (self.truncated.take(), Message::split(datagram)) {
            (None, Ok((message, rest))) => {
                unread.start = unread.end.saturating_sub(rest.len());
                message
            }
            (Some(whole), _) => {
                let reason = ProtocolError::Truncated { whole, buffer: datagrams.size() };
                return Err(self.give_up(reason.into(), whole));
            }
            (None, Err(reason)) => return Err(self.give_up(reason.into(), 0)),
        };
        let origin = Origin { port: message.header.pid, ..*origin };
        match decode_at(event, message, origin, filter.as_ref()) {
            Ok(passes) => {
                counters.filtered += u64::from(!passes);
                counters.unknown += u64::from(matches!(event, Event::Unknown(..)));
                Ok(passes)
            }
            Err(reason) => {
                counters.undecodable += 1;
                let bytes = datagram.get(..message.header.len as usize).unwrap_or_default().to_vec();
                Err(Undecodable { reason, bytes, origin }.into())
            }
        }
    }

    /// Gives up a datagram: where the next message starts is not known. A later datagram of `needed` bytes will fit.
    #[cold]
    fn give_up(&mut self, reason: Error, needed: usize) -> Error {
        self.counters.undecodable += 1;
        let slot = self.datagrams.slot(self.next.saturating_sub(1));
        let bytes = slot.get(self.unread.clone()).unwrap_or_default().to_vec();
        self.unread = 0..0;
        self.wanted = self.wanted.max(needed);
        Undecodable { reason, bytes, origin: self.origin }.into()
    }
}

/// Puts the event that a message tells of in the place of `event`. False if it does not pass the filter.
#[inline]
fn decode_at<T: Decode>(
    event: &mut Event<T>,
    message: Message<'_>,
    origin: Origin,
    filter: Option<&Filter>,
) -> Result<bool, Error> {
    *event = match message.header.kind {
        NEW | DESTROY => {
            let attributes = message.attributes()?;
            if let Some(filter) = filter
                && !filter.matches_view(&codec::decode::<View>(attributes)?)
            {
                return Ok(false);
            }
            *event = match message.header {
                NlMsgHdr { kind: DESTROY, .. } => Event::Destroy(T::vacant(), origin),
                // A change has the number of a creation, and none of its flags.
                NlMsgHdr { flags, .. } if flags & (NLM_F_CREATE | NLM_F_EXCL) == 0 => {
                    Event::Update(T::vacant(), origin)
                }
                _ => Event::New(T::vacant(), origin),
            };
            if let Event::New(flow, _) | Event::Update(flow, _) | Event::Destroy(flow, _) = event {
                codec::decode_at(flow, attributes, Mode::Lenient)?;
            }
            return Ok(true);
        }
        EXPECT_NEW => Event::ExpectNew(message.decode()?, origin),
        EXPECT_DESTROY => Event::ExpectDestroy(message.decode()?, origin),
        _ => Event::Unknown(UnknownMessage { header: message.header, body: message.body.to_vec() }, origin),
    };
    Ok(true)
}
