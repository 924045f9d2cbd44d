//! Events as a stream.

use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use conntrack_spec::{Decode, Flow};
use futures_core::Stream;
use tokio::io::unix::AsyncFd;

use crate::error::Error;
use crate::events::{Event, EventsBuilder, Groups};

/// What the runtime polls: something with a descriptor.
#[derive(Debug)]
pub(super) struct Polled<T>(pub(super) T);

impl<T: AsFd> AsRawFd for Polled<T> {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

/// Registers a descriptor with the runtime.
#[allow(
    deprecated,
    reason = "recent versions have an unsafe one beside it; ours keeps its descriptor as long as it lives"
)]
pub(super) fn register<T: AsFd>(source: T) -> Result<AsyncFd<Polled<T>>, Error> {
    // Only readable: a socket in error is that too.
    let interest = tokio::io::Interest::READABLE;
    AsyncFd::with_interest(Polled(source), interest).map_err(Error::io("registering the socket with the runtime"))
}

/// A listener to events: [`crate::Events`] as a stream.
///
/// It ends only when the socket fails; an overrun is an event, and an undecodable message an error after which it goes
/// on. Dropping a future of it loses no event.
///
/// ```no_run
/// use conntrack::Groups;
/// use conntrack::tokio::Events;
///
/// # async fn example() -> Result<(), conntrack::Error> {
/// let mut events = Events::subscribe(Groups::FLOWS)?;
/// while let Some(event) = events.next().await {
///     println!("{:?}", event?);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Events<T = Flow> {
    listener: AsyncFd<Polled<crate::Events<T>>>,
    /// Events since other tasks could run.
    in_a_row: u32,
    failed: bool,
}

/// The most events that are given before other tasks run.
pub(super) const IN_A_ROW: u32 = 128;

impl Events {
    /// Listens to these events of the calling thread's network namespace. To be called on a thread of the runtime.
    ///
    /// # Errors
    /// As [`crate::Events::subscribe`], or the runtime has no I/O driver.
    pub fn subscribe(groups: Groups) -> Result<Self, Error> {
        Self::over(crate::Events::subscribe(groups)?)
    }
}

impl<T> Events<T> {
    /// Takes over a listener, however it was built. To be called on a thread of the runtime.
    ///
    /// # Errors
    /// The runtime has no I/O driver.
    pub fn over(events: crate::Events<T>) -> Result<Self, Error> {
        Ok(Self { listener: register(events)?, in_a_row: 0, failed: false })
    }

    /// The listener, for its counters and sizes.
    #[must_use]
    pub fn listener(&self) -> &crate::Events<T> {
        &self.listener.get_ref().0
    }
}

impl<T: Decode> Events<T> {
    /// The next event; `None` when the socket has failed. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Result<Event<T>, Error>> {
        std::future::poll_fn(|context| self.poll(context)).await
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Event<T>, Error>>> {
        if self.failed {
            return Poll::Ready(None);
        }
        if self.in_a_row >= IN_A_ROW {
            self.in_a_row = 0;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        loop {
            self.in_a_row += 1;
            match self.listener.get_mut().0.try_next() {
                Ok(Some(event)) => return Poll::Ready(Some(Ok(event))),
                Ok(None) => {}
                Err(error) => {
                    self.failed = !matches!(error, Error::Undecodable(_));
                    return Poll::Ready(Some(Err(error)));
                }
            }
            // Nothing is there. If the runtime thinks otherwise, it is told so, and what has come since is looked for.
            self.in_a_row = 0;
            match ready!(self.listener.poll_read_ready(context)) {
                Ok(mut ready) => ready.clear_ready(),
                Err(error) => {
                    self.failed = true;
                    return Poll::Ready(Some(Err(Error::io("waiting for events")(error))));
                }
            }
        }
    }
}

impl<T: Decode> Stream for Events<T> {
    type Item = Result<Event<T>, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll(context)
    }
}

// It is not pinned: there is nothing in it that refers to itself.
impl<T> Unpin for Events<T> {}

impl EventsBuilder {
    /// Starts listening, for tokio. To be called on a thread of the runtime.
    ///
    /// # Errors
    /// As [`subscribe`](Self::subscribe), or the runtime has no I/O driver.
    pub fn subscribe_tokio(self) -> Result<Events, Error> {
        Events::over(self.subscribe()?)
    }
}
