//! A thread that stays in a network namespace.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;

use rustix::thread::{CapabilitySet, CapabilitySets, LinkNameSpaceType};

use super::socket::{Protocol, Socket};

/// A socket is opened with few bytes on the stack; a panic is printed with some more.
const STACK: usize = 128 << 10;

/// Who is told what came of it.
type Reply<T> = SyncSender<io::Result<T>>;

/// A thread that stays in a network namespace and opens sockets there: to enter a namespace takes `CAP_SYS_ADMIN`, to open
/// a socket takes no privilege.
///
/// It gives up its capabilities when it is there and blocks all signals, so that nothing else is ever done by it. It ends
/// when this is dropped.
#[derive(Debug)]
pub(crate) struct Resident {
    requests: Sender<Reply<Socket>>,
    /// The process that has the thread. A child process after `fork(2)` has a copy of this, and not the thread.
    process: u32,
}

impl Resident {
    /// Starts a thread and has it enter `namespace`.
    ///
    /// Needs `CAP_SYS_ADMIN` there and in the caller's own user namespace. `EINVAL` if it is no network namespace.
    pub(crate) fn enter(namespace: OwnedFd) -> io::Result<Self> {
        let (requests, received) = channel();
        let (reply, entered) = sync_channel(1);
        let builder = thread::Builder::new().name("conntrack-netns".to_owned()).stack_size(STACK);
        builder.spawn(move || reside(namespace, &reply, &received))?;
        entered.recv().map_err(io::Error::other)??;
        Ok(Self { requests, process: process::id() })
    }

    /// Whether the thread is one of this process.
    pub(crate) fn is_here(&self) -> bool {
        self.process == process::id()
    }

    /// Opens a netfilter socket in the namespace.
    pub(crate) fn open(&self) -> io::Result<Socket> {
        let (reply, opened) = sync_channel(1);
        self.requests.send(reply).map_err(io::Error::other)?;
        opened.recv().map_err(io::Error::other)?
    }
}

/// What the thread does.
fn reside(namespace: OwnedFd, entered: &Reply<()>, requests: &Receiver<Reply<Socket>>) {
    let result = enter(namespace.as_fd());
    // From here on the thread keeps the namespace alive.
    drop(namespace);
    let is_there = result.is_ok();
    // Each request has somebody who waits for the answer.
    let _ = entered.send(result);
    if is_there {
        for reply in requests {
            let _ = reply.send(Socket::open(Protocol::Netfilter));
        }
    }
}

fn enter(namespace: BorrowedFd<'_>) -> io::Result<()> {
    block_signals()?;
    rustix::thread::move_into_link_name_space(namespace, Some(LinkNameSpaceType::Network))?;
    let none = CapabilitySet::empty();
    rustix::thread::set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })?;
    Ok(())
}

/// Blocks all signals that can be blocked. A program that waits for signals blocks them in its own threads.
fn block_signals() -> io::Result<()> {
    // SAFETY: a set of signals is integers, for which zero is a value, and `sigfillset` initialises it; the pointers are
    // to that live set, or null where the former mask is not asked for.
    let result = unsafe {
        let mut all: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&raw mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, std::ptr::null_mut())
    };
    if result == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(result)) }
}

#[cfg(test)]
mod tests {
    use rustix::process::{Pid, WaitOptions, waitpid};

    use super::*;

    /// It has a copy of the handle: to wait for the thread's answer would be to wait for ever.
    #[test]
    fn a_forked_child_does_not_have_the_thread() {
        let (requests, _received) = channel();
        let resident = Resident { requests, process: process::id() };
        assert!(resident.is_here());
        // SAFETY: the child makes system calls and nothing else: it takes no lock and allocates nothing.
        let child = unsafe {
            let child = libc::fork();
            if child == 0 {
                libc::_exit(if resident.is_here() { 1 } else { 42 });
            }
            child
        };
        let (_, status) = waitpid(Pid::from_raw(child), WaitOptions::empty()).unwrap().unwrap();
        assert_eq!(status.exit_status(), Some(42));
    }
}
