//! From datagrams to events, without a socket.

use std::ops::Range;

use conntrack_spec::codec::{self, Mode};
use conntrack_spec::header::NlMsgHdr;
use conntrack_spec::message::kind;
use conntrack_spec::uapi::{
    IPCTNL_MSG_CT_DELETE, IPCTNL_MSG_CT_NEW, IPCTNL_MSG_EXP_DELETE, IPCTNL_MSG_EXP_NEW, NFNL_SUBSYS_CTNETLINK,
    NFNL_SUBSYS_CTNETLINK_EXP,
};
use conntrack_spec::{Decode, Flow, ProjectionOf};

use super::{Event, Groups, Origin, UnknownMessage};
use crate::error::{Error, Undecodable};
use crate::filter::{Filter, View};
use crate::netlink::{Message, NLM_F_CREATE, NLM_F_EXCL, ProtocolError};
use crate::sys::datagrams::Datagrams;
pub use crate::sys::listener::Queue;
pub use crate::sys::socket::Received;

/// Room for a datagram: far more than connection tracking ever puts into an event.
const SIZE: usize = 8 * 1024;

/// Less than the kernel charges for any message: `struct sk_buff` and `struct skb_shared_info` take as much where pointers
/// have 64 bits. Where they have 32, both are smaller, but no less than 512 is allocated for a message and the latter.
pub(crate) const LEAST_CHARGE: u32 = 576;

const NEW: u16 = kind(NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_NEW);
const DESTROY: u16 = kind(NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_DELETE);
const EXPECT_NEW: u16 = kind(NFNL_SUBSYS_CTNETLINK_EXP, IPCTNL_MSG_EXP_NEW);
const EXPECT_DESTROY: u16 = kind(NFNL_SUBSYS_CTNETLINK_EXP, IPCTNL_MSG_EXP_DELETE);

/// What a listener has come across so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
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
/// [queue](Self::queue) while it [is congested](Self::is_congested), after each single receive.
///
/// If something new is in the queue before it is looked at, it has shrunk by less than a message. That is not seen if
/// the last old message had room in it for the new ones with all their overhead, as the event of a flow has not, for
/// which the kernel charges 1280 bytes. Where it is not seen, new events stand before the overrun, until a later
/// look at the queue tells.
///
/// If the kernel had no memory to make an event, it says `ENOBUFS` and goes on to queue others. Then the gap can be on
/// either side of the overrun, among the events that were queued by then.
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
        self.next = 0;
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

    /// Goes on to the next datagram with something in it. False if there is none.
    #[inline]
    fn next_datagram(&mut self) -> bool {
        while let Some(datagram) = self.datagrams.get(self.next) {
            self.next = self.next.saturating_add(1);
            if !datagram.is_from_kernel() {
                self.counters.spoofed += 1;
                continue;
            }
            self.unread = 0..datagram.length.min(self.datagrams.size());
            self.origin = Origin { port: 0, group: Groups::from_bits_retain(datagram.groups), nsid: datagram.nsid };
            self.truncated = datagram.is_truncated().then_some(datagram.whole);
            // There may be nothing in it.
            if !self.unread.is_empty() {
                return true;
            }
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

    /// While it is congested: the state of the queue after a receive, of one datagram.
    pub fn queue(&mut self, queue: Queue) {
        if let Some(before) = &mut self.congestion {
            // While there is congestion, nothing is added: each receive makes the queue shorter, by a message. If it
            // did not, it has been empty in between.
            if queue.bytes == 0 || before.bytes.saturating_sub(queue.bytes) < LEAST_CHARGE {
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
        const { ProjectionOf::<T, Flow>::CHECKED };
        Some(self.find().transpose()?.and_then(|found| {
            let mut event = found.vacant();
            self.complete(&mut event, &found).map(|()| event)
        }))
    }

    /// Finds the next event. Who wants it makes [room](Found::vacant) for it, and has it [completed](Self::complete).
    #[inline(always)]
    pub(crate) fn find(&mut self) -> Result<Option<Found>, Error> {
        while !self.unread.is_empty() || self.next_datagram() {
            if let Some(found) = self.find_in_message()? {
                return Ok(Some(found));
            }
        }
        let overrun = |lost| Found { what: What::Overrun(lost), origin: Origin::default(), place: 0..0 };
        Ok(self.overrun.take().map(overrun))
    }

    /// The event that the message at the front tells of, if it passes the filter.
    #[inline(always)]
    fn find_in_message(&mut self) -> Result<Option<Found>, Error> {
        self.counters.received += 1;
        if let Some(whole) = self.truncated.take() {
            let reason = ProtocolError::Truncated { whole, buffer: self.datagrams.size() };
            return Err(self.give_up(reason.into(), whole));
        }
        let (message, rest) = match Message::split(self.bytes(&self.unread)) {
            Ok((message, rest)) => (message, rest.len()),
            Err(reason) => return Err(self.give_up(reason.into(), 0)),
        };
        let NlMsgHdr { kind, flags, pid, len, .. } = message.header;
        let start = self.unread.start;
        let found = Found {
            what: match kind {
                DESTROY => What::Destroy,
                // A change has the number of a creation, and none of its flags.
                NEW if flags & (NLM_F_CREATE | NLM_F_EXCL) == 0 => What::Update,
                NEW => What::New,
                EXPECT_NEW => What::ExpectNew,
                EXPECT_DESTROY => What::ExpectDestroy,
                _ => What::Unknown,
            },
            origin: Origin { port: pid, ..self.origin },
            place: start..start.saturating_add(len as usize),
        };
        let passes = match &self.filter {
            Some(filter) if matches!(kind, NEW | DESTROY) => passes(filter, message),
            _ => Ok(true),
        };
        self.unread.start = self.unread.end.saturating_sub(rest);
        self.counters.unknown += u64::from(matches!(found.what, What::Unknown));
        match passes {
            Ok(passes) => {
                self.counters.filtered += u64::from(!passes);
                Ok(passes.then_some(found))
            }
            Err(reason) => Err(self.undecodable(&found, reason)),
        }
    }

    /// Decodes what was found into the room that was made for it.
    pub(crate) fn complete<T: Decode>(&mut self, event: &mut Event<T>, found: &Found) -> Result<(), Error> {
        self.decode(event, found).map_err(|reason| self.undecodable(found, reason))
    }

    fn decode<T: Decode>(&mut self, event: &mut Event<T>, found: &Found) -> Result<(), Error> {
        if let What::Overrun(_) = found.what {
            return Ok(());
        }
        let (message, _) = Message::split(self.bytes(&found.place))?;
        if let Event::New(flow, _) | Event::Update(flow, _) | Event::Destroy(flow, _) = event {
            return Ok(codec::decode_at(flow, message.attributes()?, Mode::Lenient)?);
        }
        *event = match found.what {
            What::ExpectNew => Event::ExpectNew(message.decode()?, found.origin),
            What::ExpectDestroy => Event::ExpectDestroy(message.decode()?, found.origin),
            _ => Event::Unknown(UnknownMessage { header: message.header, body: message.body.to_vec() }, found.origin),
        };
        Ok(())
    }

    /// Part of the datagram that is being read.
    #[inline]
    fn bytes(&self, place: &Range<usize>) -> &[u8] {
        self.datagrams.slot(self.next.saturating_sub(1)).get(place.clone()).unwrap_or_default()
    }

    #[cold]
    fn undecodable(&mut self, found: &Found, reason: Error) -> Error {
        self.counters.undecodable += 1;
        Undecodable { reason, bytes: self.bytes(&found.place).to_vec(), origin: found.origin }.into()
    }

    /// Gives up a datagram: where the next message starts is not known. A later datagram of `needed` bytes will fit.
    #[cold]
    fn give_up(&mut self, reason: Error, needed: usize) -> Error {
        self.counters.undecodable += 1;
        let bytes = self.bytes(&self.unread).to_vec();
        self.unread = 0..0;
        self.wanted = self.wanted.max(needed);
        Undecodable { reason, bytes, origin: self.origin }.into()
    }
}

/// An event that is still to be decoded.
#[derive(Debug)]
pub(crate) struct Found {
    what: What,
    origin: Origin,
    /// Where the message is in its datagram.
    place: Range<usize>,
}

#[derive(Clone, Copy, Debug)]
enum What {
    New,
    Update,
    Destroy,
    ExpectNew,
    ExpectDestroy,
    Unknown,
    Overrun(u32),
}

impl Found {
    /// Room for the event: with a vacant flow if it is about one.
    #[inline(always)]
    pub(crate) fn vacant<T: Decode>(&self) -> Event<T> {
        match self.what {
            What::New => Event::New(T::vacant(), self.origin),
            What::Update => Event::Update(T::vacant(), self.origin),
            What::Destroy => Event::Destroy(T::vacant(), self.origin),
            What::Overrun(lost) => Event::Overrun { lost },
            // In its place.
            What::ExpectNew | What::ExpectDestroy | What::Unknown => Event::Overrun { lost: 0 },
        }
    }
}

fn passes(filter: &Filter, message: Message<'_>) -> Result<bool, Error> {
    Ok(filter.matches_view(&codec::decode::<View>(message.attributes()?)?))
}
