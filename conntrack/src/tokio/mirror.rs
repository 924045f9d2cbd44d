//! A mirror that is awaited.

use std::time::Instant;

use tokio::io::unix::AsyncFd;
use tokio::task::{JoinHandle, spawn_blocking, yield_now};
use tokio::time::timeout_at;

use super::connection::joined;
use super::events::{Polled, register};
use crate::error::Error;
use crate::filter::Filter;
use crate::mirror::{Changes, Done, Idle, MirrorBuilder, Work};

/// A live copy of the kernel's table: [`crate::Mirror`], for tokio.
///
/// It reads some hundred events at a time, and then lets other tasks run; what it has to ask the kernel, such as the parts
/// of a dump, a thread for blocking work asks. Dropping a future of it loses nothing.
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
/// }
/// # }
/// ```
#[derive(Debug)]
pub struct Mirror {
    mirror: AsyncFd<Polled<crate::Mirror>>,
    /// What is being asked. It stays here if the future that waits for it is dropped.
    asking: Option<JoinHandle<Done>>,
}

impl Mirror {
    /// Starts listening in the calling thread's network namespace, and reads the table. To be called on a thread of the
    /// runtime.
    ///
    /// # Errors
    /// As [`crate::Mirror::start`], or the runtime has no I/O driver.
    pub async fn start(filter: &Filter) -> Result<Self, Error> {
        crate::Mirror::builder().filter(filter).start_tokio().await
    }

    /// The mirror, to look things up in: the table as of the changes that were awaited last.
    #[must_use]
    pub fn table(&self) -> &crate::Mirror {
        &self.mirror.get_ref().0
    }

    /// Has the mirror be compared with the kernel's table now.
    pub fn check(&mut self) {
        self.mirror.get_mut().0.check();
    }

    /// Waits until there are changes, and takes them. Changes that are not taken come again.
    ///
    /// Also when nothing changes it has work to do: await it again and again.
    ///
    /// # Errors
    /// As [`crate::Mirror::wait`]. The mirror remains what it is, and the next call tries again.
    pub async fn changes(&mut self) -> Result<Changes<'_>, Error> {
        while self.mirror.get_ref().0.has_no_changes() {
            self.step().await?;
        }
        Ok(self.mirror.get_mut().0.take_changes())
    }

    /// Works for a moment, or waits until there is work.
    async fn step(&mut self) -> Result<(), Error> {
        if let Some(asking) = &mut self.asking {
            let done = asking.await;
            self.asking = None;
            return self.mirror.get_mut().0.done(joined(done)?);
        }
        match self.mirror.get_mut().0.work()? {
            Work::Ask(task) => self.asking = Some(spawn_blocking(|| task.run())),
            Work::None(Idle::Until(due)) if self.mirror.get_ref().0.has_no_changes() => self.ready(due).await?,
            Work::None(_) => yield_now().await,
        }
        Ok(())
    }

    /// Waits for an event, or for this moment.
    async fn ready(&mut self, due: Option<Instant>) -> Result<(), Error> {
        let readable = self.mirror.readable_mut();
        let ready = match due {
            Some(due) => match timeout_at(due.into(), readable).await {
                Ok(ready) => ready,
                Err(_) => return Ok(()),
            },
            None => readable.await,
        };
        // All that was there has been read. What has come since is read next.
        ready.map_err(Error::io("waiting for events"))?.clear_ready();
        Ok(())
    }
}

impl MirrorBuilder {
    /// Starts listening and reads the table, for tokio. To be called on a thread of the runtime.
    ///
    /// # Errors
    /// As [`start`](Self::start), or the runtime has no I/O driver.
    pub async fn start_tokio(self) -> Result<Mirror, Error> {
        let mut mirror = Mirror { mirror: register(self.open()?)?, asking: None };
        while !mirror.mirror.get_mut().0.is_filled()? {
            mirror.step().await?;
            mirror.mirror.get_mut().0.take_changes().for_each(drop);
        }
        Ok(mirror)
    }
}
