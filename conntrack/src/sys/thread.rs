//! Threads of their own, for what changes the thread that does it.

use std::fs::File;
use std::io;
use std::os::fd::BorrowedFd;
use std::panic::resume_unwind;
use std::thread;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

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

/// Opens a file in a network namespace, on a thread of its own that enters it.
pub(crate) fn open_file_in(path: &str, namespace: BorrowedFd<'_>) -> io::Result<File> {
    on_own_thread(|| {
        move_into_link_name_space(namespace, Some(LinkNameSpaceType::Network))?;
        File::open(path)
    })?
}
