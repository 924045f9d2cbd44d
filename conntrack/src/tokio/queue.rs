//! Operations that wait for their turn, without a thread each.

use std::any::Any;
use std::collections::VecDeque;
use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::task::{JoinHandle, spawn_blocking};

use super::connection::joined;
use crate::connection::Conntrack;
use crate::error::Error;

/// How many operations a thread runs before it lets go of its turn, so that a runtime that shuts down does not wait for
/// the operations of others without end.
const MOST: usize = 64;

/// Operations on a connection in the order in which they are to begin.
///
/// Each waiting future asks for a turn. The first to get one has a thread run what waits at the front, whoever asked
/// for it: to hand each operation to a thread of its own takes longer than most operations.
pub(super) struct Queue {
    ct: Arc<Conntrack>,
    /// As many permits as operations may run at a time.
    turns: Arc<Semaphore>,
    waiting: Mutex<VecDeque<Job>>,
}

/// An operation that sends its result to the future which waits for it. `false` if that future was dropped: then it
/// has not run.
type Job = Box<dyn FnOnce(&Conntrack) -> bool + Send>;

/// What an operation returned, or what it panicked with.
type Outcome<T> = Result<Result<T, Error>, Box<dyn Any + Send>>;

enum Step<T> {
    Ended(Outcome<T>),
    /// The turn to have a thread serve the queue.
    Turn(OwnedSemaphorePermit),
    /// The thread has let go of the turn, and the operation may still wait behind others.
    Served,
}

impl Queue {
    /// A queue of which `turns` operations run at a time.
    pub(super) fn new(ct: &Arc<Conntrack>, turns: usize) -> Arc<Self> {
        Arc::new(Self { ct: Arc::clone(ct), turns: Arc::new(Semaphore::new(turns)), waiting: Mutex::default() })
    }

    /// Runs `operation` when it is its turn, and waits for its result. If the future is dropped before the operation has
    /// begun, it does not run; if after, it runs to its end.
    pub(super) async fn run<T, F>(self: &Arc<Self>, operation: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Conntrack) -> Result<T, Error> + Send + 'static,
    {
        let (sender, mut ended) = oneshot::channel();
        self.waiting().push_back(Box::new(move |ct| {
            if sender.is_closed() {
                return false;
            }
            // The future may be dropped meanwhile.
            let _ = sender.send(catch_unwind(AssertUnwindSafe(|| operation(ct))));
            true
        }));
        let mut serving = None;
        loop {
            match self.step(&mut ended, serving.as_mut()).await? {
                Step::Ended(outcome) => return outcome.unwrap_or_else(|panic| resume_unwind(panic)),
                Step::Served => serving = None,
                Step::Turn(turn) => {
                    let queue = Arc::clone(self);
                    serving = Some(spawn_blocking(move || queue.serve(turn)));
                }
            }
        }
    }

    /// Waits until the operation has ended, and meanwhile for the thread that serves the queue, or for the turn to start
    /// one.
    async fn step<T>(
        &self,
        ended: &mut oneshot::Receiver<Outcome<T>>,
        mut serving: Option<&mut JoinHandle<()>>,
    ) -> Result<Step<T>, Error> {
        let mut turn = pin!(Arc::clone(&self.turns).acquire_owned());
        poll_fn(|context| {
            if let Poll::Ready(outcome) = Pin::new(&mut *ended).poll(context) {
                return Poll::Ready(outcome.map(Step::Ended).map_err(|_| Error::ShutDown));
            }
            if let Some(serving) = &mut serving {
                return Pin::new(&mut **serving).poll(context).map(|result| joined(result).map(|()| Step::Served));
            }
            turn.as_mut().poll(context).map(|turn| turn.map(Step::Turn).map_err(|_| Error::ShutDown))
        })
        .await
    }

    /// Runs what waits at the front.
    fn serve(&self, _turn: OwnedSemaphorePermit) {
        let mut served = 0;
        while served < MOST {
            let Some(job) = self.waiting().pop_front() else { return };
            served += usize::from(job(&self.ct));
        }
    }

    /// No code that may panic runs with it locked.
    fn waiting(&self) -> MutexGuard<'_, VecDeque<Job>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").field("waiting", &self.waiting().len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    /// Nothing takes so long: a test that waits for this has failed.
    const PATIENCE: Duration = Duration::from_secs(60);

    /// The first future has a thread run the operation of the second, too, and does not wait for that.
    #[test]
    fn a_result_does_not_wait_for_the_operations_behind_it() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let queue = Queue::new(&Arc::new(Conntrack::open().unwrap()), 1);
        let ((both_wait, go), (first_ended, end)) = (mpsc::channel(), mpsc::channel());
        let [first, second] = [Arc::clone(&queue), queue];
        let ended = runtime.block_on(async {
            let first = tokio::spawn(async move { first.run(move |_| Ok(go.recv_timeout(PATIENCE))).await });
            let second = tokio::spawn(async move { second.run(move |_| Ok(end.recv_timeout(PATIENCE))).await });
            // Each is polled once.
            tokio::task::yield_now().await;
            both_wait.send(()).unwrap();
            first.await.unwrap().unwrap().unwrap();
            first_ended.send(()).unwrap();
            second.await.unwrap().unwrap()
        });
        assert_eq!(ended, Ok(()), "the second ended before the first");
    }
}
