//! Events: what happens to flows and expectations, as it happens.
//!
//! ```no_run
//! use conntrack::{Event, Events, Groups};
//!
//! for event in Events::subscribe(Groups::NEW | Groups::DESTROY)? {
//!     match event? {
//!         Event::New(flow, origin) => println!("new, by {}: {flow}", origin.port),
//!         Event::Destroy(flow, _) => println!("gone: {flow}"),
//!         Event::Overrun { lost } => println!("{lost} events were lost here"),
//!         _ => {}
//!     }
//! }
//! # Ok::<(), conntrack::Error>(())
//! ```
//!
//! # Which flows have events
//!
//! The kernel decides when a flow is created, by the namespace's `net.netfilter.nf_conntrack_events`. With 2, the
//! default, a flow has events only if at that moment somebody in the system listens to some group of connection
//! tracking: flows that are older than the first listener never have any, not even when they end. With 1 every flow
//! has them, with 0 none. What it takes to know of every flow is the subject of the
//! [guide](crate::guide::events); a [`Mirror`](crate::Mirror) does it.
//!
//! When a flow's time is up, its `DESTROY` event comes when the kernel collects it: when a packet or a dump passes by, or
//! after up to a minute.

mod builder;
mod event;
mod groups;
mod inbox;
#[cfg(feature = "serde")]
mod json;
mod text;

use std::io;
use std::iter::FusedIterator;
use std::marker::PhantomData;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use conntrack_spec::{Decode, Flow, ProjectionOf};

use crate::error::{Errno, Error};
use crate::sys::socket::Socket;

pub use builder::EventsBuilder;
pub use event::{Event, Origin, UnknownMessage};
pub use groups::Groups;
use inbox::Found;
pub(crate) use inbox::LEAST_CHARGE;
pub use inbox::{EventCounters, Inbox, Queue, Received};
pub use text::EventText;

/// A listener to events: an iterator that waits for the next one.
///
/// It ends only when the socket fails. A full buffer is an [event](Event::Overrun), after which it goes on, and a
/// message that cannot be decoded is an error in its place, [`Error::Undecodable`], after which it goes on as well.
///
/// For event loops it [has a descriptor](AsFd) that becomes readable: call [`try_next`](Self::try_next) until it
/// returns `None`, then wait for the descriptor again.
#[derive(Debug)]
pub struct Events<T = Flow> {
    socket: Socket,
    inbox: Inbox,
    all_namespaces: bool,
    failed: bool,
    decoded: PhantomData<fn() -> T>,
}

impl Events {
    /// Listens to these events of the calling thread's network namespace.
    ///
    /// # Errors
    /// [`Error::MissingCapability`] without `CAP_NET_ADMIN`;
    /// [`UsageError::NoGroups`](crate::UsageError::NoGroups) without groups; or the system refuses a socket.
    pub fn subscribe(groups: Groups) -> Result<Self, Error> {
        Self::builder().groups(groups).subscribe()
    }

    /// Listens to these events, with flows decoded into a struct of your own, which pays only for what it holds.
    ///
    /// ```no_run
    /// use conntrack::{Decode, Events, FlowId, Groups};
    ///
    /// #[derive(Debug, Decode)]
    /// struct Marked {
    ///     #[nla(CTA_ID)]
    ///     id: FlowId,
    ///     #[nla(CTA_MARK)]
    ///     mark: Option<u32>,
    /// }
    ///
    /// for event in Events::subscribe_as::<Marked>(Groups::UPDATE)? {
    ///     println!("{:?}", event?);
    /// }
    /// # Ok::<(), conntrack::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`subscribe`](Self::subscribe).
    pub fn subscribe_as<T: Decode>(groups: Groups) -> Result<Events<T>, Error> {
        const { ProjectionOf::<T, Flow>::CHECKED };
        Self::builder().groups(groups).subscribe_as()
    }

    /// Listens elsewhere or otherwise.
    #[must_use]
    pub fn builder() -> EventsBuilder {
        EventsBuilder::new()
    }
}

impl<T: Decode> Events<T> {
    fn new(socket: Socket, inbox: Inbox, all_namespaces: bool) -> Self {
        Self { socket, inbox, all_namespaces, failed: false, decoded: PhantomData }
    }

    /// The next event, if one is there already.
    ///
    /// # Errors
    /// [`Error::Undecodable`] for one message, or the socket fails.
    // Inlined, as the iterator of a dump is, so that an event is decoded where the caller keeps it.
    #[inline(always)]
    pub fn try_next(&mut self) -> Result<Option<Event<T>>, Error> {
        let Some(found) = self.try_find()? else { return Ok(None) };
        let mut next = Ok(Some(found.vacant()));
        if let Ok(Some(event)) = &mut next
            && let Err(error) = self.inbox.complete(event, &found)
        {
            next = Err(error);
        }
        next
    }

    /// Finds the next event that is there already.
    fn try_find(&mut self) -> Result<Option<Found>, Error> {
        loop {
            let found = self.inbox.find()?;
            if found.is_some() {
                return Ok(found);
            }
            if !self.receive()? {
                // That nothing is there can be what an overrun was waiting for.
                return self.inbox.find();
            }
        }
    }

    /// Finds the next event, waiting for it.
    fn find(&mut self) -> Result<Found, Error> {
        loop {
            if let Some(found) = self.try_find()? {
                return Ok(found);
            }
            self.wait(None)?;
        }
    }

    /// The next event; `None` if none has come after this time.
    ///
    /// # Errors
    /// [`Error::Undecodable`] for one message, or the socket fails.
    pub fn next_timeout(&mut self, timeout: Duration) -> Result<Option<Event<T>>, Error> {
        // A moment too far to tell is never.
        let deadline = Instant::now().checked_add(timeout);
        loop {
            if let Some(event) = self.try_next()? {
                return Ok(Some(event));
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            let waited = self.wait(left)?;
            if !waited && left.is_some_and(|left| left.is_zero()) {
                return Ok(None);
            }
        }
    }

    /// Receives what is there. False if nothing is.
    fn receive(&mut self) -> Result<bool, Error> {
        receive(&self.socket, &mut self.inbox, self.all_namespaces).map_err(Error::io("receiving events"))
    }

    /// Waits until something is there to receive, or for as long.
    pub(crate) fn wait(&self, timeout: Option<Duration>) -> Result<bool, Error> {
        self.socket.wait(timeout).map_err(Error::io("waiting for events"))
    }

    /// What has been received so far.
    pub fn counters(&self) -> EventCounters {
        self.inbox.counters()
    }

    /// How many messages found no room in the buffer since the beginning, as the kernel counts them: also with
    /// [`no_enobufs`](EventsBuilder::no_enobufs), and also those whose overrun has not been reached yet. It wraps
    /// around.
    ///
    /// # Errors
    /// The system does not say.
    pub fn lost(&self) -> Result<u32, Error> {
        self.socket.queue().map(|queue| queue.dropped).map_err(Error::io("reading the number of lost events"))
    }

    /// The size of the receive buffer, as the kernel counts it: twice of what was asked for, or of what is allowed.
    ///
    /// # Errors
    /// The system does not say.
    pub fn receive_buffer(&self) -> Result<usize, Error> {
        self.socket.receive_buffer().map_err(Error::io("reading the receive buffer's size"))
    }

    /// The port id of the socket: its address.
    pub fn port(&self) -> u32 {
        self.socket.port()
    }
}

/// Receives what is there, and puts it and what is known of the queue into `inbox`. False if nothing is there.
fn receive(socket: &Socket, inbox: &mut Inbox, all_namespaces: bool) -> io::Result<bool> {
    // After an overrun, the end of the queue has to be seen.
    let one = inbox.is_congested();
    match socket.receive_together(inbox.datagrams(), one, all_namespaces) {
        Ok(()) => {
            if one {
                inbox.queue(socket.queue()?);
            }
            Ok(true)
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            if inbox.is_congested() {
                inbox.drained(socket.queue()?);
            }
            Ok(false)
        }
        Err(error) if error.raw_os_error() == Some(Errno::NOBUFS.0) => {
            inbox.congested(socket.queue()?);
            Ok(true)
        }
        Err(error) => Err(error),
    }
}

impl<T: Decode> Iterator for Events<T> {
    type Item = Result<Event<T>, Error>;

    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let found = match self.find() {
            Ok(found) => found,
            Err(error) => {
                self.failed = matches!(error, Error::Io { .. });
                return Some(Err(error));
            }
        };
        let mut next = Some(Ok(found.vacant()));
        if let Some(Ok(event)) = &mut next
            && let Err(error) = self.inbox.complete(event, &found)
        {
            next = Some(Err(error));
        }
        next
    }
}

impl<T: Decode> FusedIterator for Events<T> {}

impl<T> AsFd for Events<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
