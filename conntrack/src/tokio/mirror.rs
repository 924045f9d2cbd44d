//! A mirror that is awaited, or polled as a stream.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use futures_core::Stream;
use tokio::io::unix::AsyncFd;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Sleep, sleep_until};

use super::connection::joined;
use super::events::{IN_A_ROW, Polled, register};
use crate::error::Error;
use crate::filter::Filter;
use crate::mirror::{Change, Changes, Done, Idle, MirrorBuilder, Work};

/// A live copy of the kernel's table: [`crate::Mirror`], for tokio. It is a stream of its changes.
///
/// The mirror reads some hundred events at a time and then lets other tasks run. Dumps and queries run on a thread for
/// blocking work. Dropping a future of the mirror loses nothing.
///
/// An error does not end the stream: the mirror remains what it is, and the next poll tries again. It never ends.
///
/// ```no_run
/// use conntrack::Filter;
/// use conntrack::tokio::Mirror;
///
/// # async fn example() -> Result<(), conntrack::Error> {
/// let mut mirror = Mirror::start(&Filter::all()).await?;
/// loop {
///     for change in mirror.changes().await? {
///         println!("{change:?}");
///     }
///     println!("{} flows", mirror.table().len());
/// }
/// # }
/// ```
#[derive(Debug)]
pub struct Mirror {
    polled: AsyncFd<Polled<crate::Mirror>>,
    /// What is being asked. It stays here if the future that waits for it is dropped.
    asking: Option<JoinHandle<Done>>,
    timer: Option<Pin<Box<Sleep>>>,
    /// Changes since other tasks could run.
    in_a_row: u32,
}

impl Mirror {
    /// Subscribes in the calling thread's network namespace, and reads the table. Call it on a thread of the runtime.
    ///
    /// # Errors
    /// As [`crate::Mirror::start`], or the runtime has no I/O driver.
    pub async fn start(filter: &Filter) -> Result<Self, Error> {
        crate::Mirror::builder().filter(filter).start_tokio().await
    }

    /// Returns the mirror, to look flows up: the table as of the last changes.
    #[must_use]
    pub fn table(&self) -> &crate::Mirror {
        &self.polled.get_ref().0
    }

    /// Compares the mirror with the kernel's table now.
    pub fn check(&mut self) {
        self.polled.get_mut().0.check();
    }

    /// Waits until there are changes, and takes them. Changes that are not taken come again.
    ///
    /// The mirror has work to do even if nothing changes: await it again and again.
    ///
    /// # Errors
    /// As [`crate::Mirror::wait`]. The mirror remains what it is, and the next call tries again.
    pub async fn changes(&mut self) -> Result<Changes<'_>, Error> {
        while self.table().has_no_changes() {
            self.step().await?;
        }
        Ok(self.polled.get_mut().0.take_changes())
    }

    /// Waits for the next change. It never returns `None`.
    ///
    /// # Errors
    /// As [`changes`](Self::changes).
    pub async fn next(&mut self) -> Option<Result<Change, Error>> {
        poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }

    /// Works for a moment, or waits until there is work.
    async fn step(&mut self) -> Result<(), Error> {
        poll_fn(|context| self.poll_step(context)).await
    }

    fn poll_step(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if let Some(asking) = &mut self.asking {
            let done = ready!(Pin::new(asking).poll(context));
            self.asking = None;
            return Poll::Ready(self.polled.get_mut().0.done(joined(done)?));
        }
        match self.polled.get_mut().0.work()? {
            Work::Ask(task) => self.asking = Some(spawn_blocking(|| task.run())),
            Work::None(Idle::Until(due)) => return self.poll_ready(due, context),
            Work::None(Idle::No) if self.table().has_no_changes() => {
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            Work::None(Idle::No) => {}
        }
        Poll::Ready(Ok(()))
    }

    /// Is ready when an event comes, or at this moment.
    fn poll_ready(&mut self, due: Option<Instant>, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if let Poll::Ready(ready) = self.polled.poll_read_ready(context) {
            // All that was there has been read. What has come since is read next.
            ready.map_err(Error::io("waiting for events"))?.clear_ready();
            return Poll::Ready(Ok(()));
        }
        let Some(due) = due.map(Into::into) else {
            self.timer = None;
            return Poll::Pending;
        };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(due)));
        if timer.deadline() != due {
            timer.as_mut().reset(due);
        }
        ready!(timer.as_mut().poll(context));
        self.timer = None;
        Poll::Ready(Ok(()))
    }
}

impl Stream for Mirror {
    type Item = Result<Change, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.in_a_row >= IN_A_ROW {
            self.in_a_row = 0;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        loop {
            if let Some(change) = self.polled.get_mut().0.take_changes().next() {
                self.in_a_row += 1;
                return Poll::Ready(Some(Ok(change)));
            }
            match self.poll_step(context) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Some(Err(error))),
                Poll::Pending => {
                    self.in_a_row = 0;
                    return Poll::Pending;
                }
            }
        }
    }
}

impl MirrorBuilder {
    /// Subscribes and reads the table, for tokio. Call it on a thread of the runtime.
    ///
    /// # Errors
    /// As [`start`](Self::start), or the runtime has no I/O driver.
    pub async fn start_tokio(self) -> Result<Mirror, Error> {
        let polled = register(self.open()?)?;
        let mut mirror = Mirror { polled, asking: None, timer: None, in_a_row: 0 };
        while !mirror.polled.get_mut().0.is_filled()? {
            mirror.step().await?;
            mirror.polled.get_mut().0.take_changes().for_each(drop);
        }
        Ok(mirror)
    }
}
