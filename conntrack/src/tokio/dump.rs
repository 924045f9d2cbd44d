//! Dumps: a thread reads, the runtime takes.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::vec;

use futures_core::Stream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, spawn_blocking};

use super::connection::joined;
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
    /// What fills `batches`; gone when it has ended.
    reader: Option<JoinHandle<()>>,
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
        let reader = spawn_blocking(move || match start(&ct) {
            Ok(items) => {
                // Nobody is waiting any more: then the first part finds nobody either.
                let _ = started.send(Ok(()));
                hand_over(items, || !sender.is_closed(), |part| sender.blocking_send(part).is_ok());
            }
            Err(error) => drop(started.send(Err(error))),
        });
        match has_started.await {
            Ok(result) => result?,
            // It panicked, or never ran.
            Err(_) => return Err(joined(reader.await).err().unwrap_or(Error::ShutDown)),
        }
        Ok(Self { batch: Vec::new().into_iter(), batches, reader: Some(reader) })
    }
}

impl<T> Dump<T> {
    /// Waits for the next item; `None` at the end. Dropping the future loses nothing.
    ///
    /// # Panics
    /// If decoding an item did.
    pub async fn next(&mut self) -> Option<Result<T, Error>> {
        std::future::poll_fn(|context| self.poll(context)).await
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<T, Error>>> {
        loop {
            if let Some(item) = self.batch.next() {
                return Poll::Ready(Some(item));
            }
            if let Some(batch) = ready!(self.batches.poll_recv(context)) {
                self.batch = batch.into_iter();
                continue;
            }
            // All was read, unless the reader says otherwise.
            let Some(reader) = &mut self.reader else { return Poll::Ready(None) };
            let result = ready!(Pin::new(reader).poll(context));
            self.reader = None;
            return Poll::Ready(joined(result).err().map(Err));
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
