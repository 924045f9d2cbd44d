//! Dumps: a thread reads, the runtime takes.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::vec;

use futures_core::Stream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::spawn_blocking;

use crate::error::Error;

/// Items that the thread hands over at a time: about as many as a datagram holds.
const BATCH: usize = 128;
/// Batches that may wait to be taken.
const WAITING: usize = 2;

/// What a dump finds, as it arrives: a stream. Some hundred decoded items wait in it at most.
#[derive(Debug)]
pub struct Dump<T> {
    batch: vec::IntoIter<Result<T, Error>>,
    batches: mpsc::Receiver<Vec<Result<T, Error>>>,
}

impl<T: Send + 'static> Dump<T> {
    /// Has a thread start a dump and read it, and waits for it to have started.
    pub(super) async fn start<I, F>(ct: Arc<crate::Conntrack>, start: F) -> Result<Self, Error>
    where
        I: Iterator<Item = Result<T, Error>>,
        F: FnOnce(&crate::Conntrack) -> Result<I, Error> + Send + 'static,
    {
        let (sender, batches) = mpsc::channel(WAITING);
        let (started, has_started) = oneshot::channel();
        spawn_blocking(move || match start(&ct) {
            Ok(items) => {
                // Nobody is waiting any more: then the first batch finds nobody either.
                let _ = started.send(Ok(()));
                send_all(items, &sender);
            }
            Err(error) => drop(started.send(Err(error))),
        });
        has_started.await.map_err(|_| Error::ShutDown)??;
        Ok(Self { batch: Vec::new().into_iter(), batches })
    }
}

/// Reads to the end, or until nobody wants it any more.
fn send_all<T>(mut items: impl Iterator<Item = Result<T, Error>>, sender: &mpsc::Sender<Vec<Result<T, Error>>>) {
    loop {
        let batch: Vec<_> = items.by_ref().take(BATCH).collect();
        let is_last = batch.len() < BATCH;
        if (!batch.is_empty() && sender.blocking_send(batch).is_err()) || is_last {
            return;
        }
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
