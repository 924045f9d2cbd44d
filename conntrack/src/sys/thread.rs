//! Threads of their own, for what changes the thread that does it.

use std::io;
use std::panic::resume_unwind;
use std::thread;

/// Does `work` on a thread that ends with it, so that the calling thread stays in its namespaces. Its panic is this
/// function's.
///
/// # Errors
/// The system starts no more threads.
pub(crate) fn on_own_thread<T: Send>(work: impl FnOnce() -> T + Send) -> io::Result<T> {
    let mut builder = thread::Builder::new();
    // The name that a panic's message will have.
    if let Some(name) = thread::current().name() {
        builder = builder.name(name.to_owned());
    }
    thread::scope(|scope| {
        let worker = builder.spawn_scoped(scope, work)?;
        Ok(worker.join().unwrap_or_else(|panic| resume_unwind(panic)))
    })
}
