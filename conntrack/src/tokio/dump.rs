//! Dumps: a thread reads, the runtime takes.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::vec;

use futures_core::Stream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::spawn_blocking;

use crate::error::Error;
use crate::parts::{Parts, hand_over};

/// Parts that may wait to be taken.
const WAITING: usize = 2;

/// What a dump finds, as it arrives: a stream. Some hundred decoded items wait in it at most.
///
/// Until it has been read or dropped it occupies a thread of those that the runtime has for blocking work: read one
/// before you start hundreds, and drop it before the runtime, which waits for that thread.
#[derive(Debug)]
pub struct Dump<T> {
    batch: vec::IntoIter<Result<T, Error>>,
    batches: mpsc::Receiver<Vec<Result<T, Error>>>,
}

impl<T: Send + 'static> Dump<T> {
    /// Has a thread start a dump and read it, and waits for it to have started.
    pub(super) async fn start<I, F>(ct: Arc<crate::Conntrack>, start: F) -> Result<Self, Error>
    where
        I: Parts<T>,
        F: FnOnce(&crate::Conntrack) -> Result<I, Error> + Send + 'static,
    {
        let (sender, batches) = mpsc::channel(WAITING);
        let (started, has_started) = oneshot::channel();
        spawn_blocking(move || match start(&ct) {
            Ok(items) => {
                // Nobody is waiting any more: then the first part finds nobody either.
                let _ = started.send(Ok(()));
                hand_over(items, || !sender.is_closed(), |part| sender.blocking_send(part).is_ok());
            }
            Err(error) => drop(started.send(Err(error))),
        });
        has_started.await.map_err(|_| Error::ShutDown)??;
        Ok(Self { batch: Vec::new().into_iter(), batches })
    }
}

impl<T> Dump<T> {
    /// The next item; `None` at the end. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Result<T, Error>> {
        std::future::poll_fn(|context| self.poll(context)).await
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<T, Error>>> {
        loop {
            if let Some(item) = self.batch.next() {
                return Poll::Ready(Some(item));
            }
            match ready!(self.batches.poll_recv(context)) {
                Some(batch) => self.batch = batch.into_iter(),
                None => return Poll::Ready(None),
            }
        }
    }
}

// It is not pinned: there is nothing in it that refers to itself.
impl<T> Unpin for Dump<T> {}

impl<T> Stream for Dump<T> {
    type Item = Result<T, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll(context)
    }
}
