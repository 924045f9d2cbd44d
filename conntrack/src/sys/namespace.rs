//! Namespaces: who may create them, and the system calls that do.

use std::ffi::CStr;
use std::fs::{File, read_dir};
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::{SocketAddr, UdpSocket};
use std::num::NonZeroU32;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use conntrack_spec::Protocol;
use rustix::fs::{MemfdFlags, Mode, OFlags};
use rustix::io::{Errno, FdFlags};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, SocketFlags, SocketType,
};
use rustix::thread::{CapabilitySet, LinkNameSpaceType, UnshareFlags};

/// The program that is running, even if its file has been replaced since.
pub(crate) const THIS_PROGRAM: &str = "/proc/self/exe";

/// Whether the calling thread may create network namespaces and set them up: whether it has `CAP_SYS_ADMIN` and
/// `CAP_NET_ADMIN` in its user namespace.
pub(crate) fn is_privileged() -> bool {
    let needed = CapabilitySet::SYS_ADMIN | CapabilitySet::NET_ADMIN;
    rustix::thread::capabilities(None).is_ok_and(|sets| sets.effective.contains(needed))
}

/// Whether the process has threads beside the calling one.
pub(crate) fn is_multi_threaded() -> io::Result<bool> {
    Ok(read_dir("/proc/self/task")?.count() > 1)
}

/// Moves the process, which must have one thread, into a user namespace of its own. If this fails, the process is
/// unchanged.
pub(crate) fn enter_user_namespace() -> Result<(), Denied> {
    let namespace = new_user_namespace()?;
    rustix::thread::move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::User))
        .map_err(|errno| Denied::User(errno.into()))
}

/// Moves the calling thread into a network namespace of its own.
pub(crate) fn unshare_network() -> io::Result<()> {
    Ok(unshare(UnshareFlags::NEWNET)?)
}

/// The calling thread's network namespace.
///
/// Not through `/proc/self`, which is the main thread.
pub(crate) fn current_network() -> io::Result<OwnedFd> {
    Ok(File::open("/proc/thread-self/ns/net")?.into())
}

/// Moves the calling thread into a network namespace.
pub(crate) fn enter_network(namespace: impl AsFd) -> io::Result<()> {
    Ok(rustix::thread::move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?)
}

/// Has `command` run in a user namespace of its own, as root there, with `inherited` still open.
pub(crate) fn run_in_user_namespace(command: &mut Command, inherited: OwnedFd) {
    let maps = IdMaps::caller_as_root();
    let prepare = move || {
        maps.enter_user_namespace()?;
        rustix::io::fcntl_setfd(&inherited, FdFlags::empty())?;
        Ok(())
    };
    // SAFETY: between fork and exec, `prepare` makes system calls and nothing else: it takes no lock and allocates
    // nothing, which another thread of the forked process might have been in the middle of.
    unsafe { command.pre_exec(prepare) };
}

/// A namespace that the system does not let an ordinary user create.
#[derive(Debug)]
pub(crate) enum Denied {
    User(io::Error),
    /// A network namespace inside a new user namespace.
    Network(io::Error),
}

/// Creates a user namespace in which the caller is root, and in which a network namespace can be created.
///
/// A child process creates both and ends. Between creating a user namespace and being root in it there are steps that can
/// fail, after which a process is in the namespace without any identity; so the caller enters a finished one.
pub(crate) fn new_user_namespace() -> Result<OwnedFd, Denied> {
    let maps = IdMaps::caller_as_root();
    let (ours, childs) = UnixStream::pair().map_err(Denied::User)?;
    let attempt = move || {
        maps.enter_user_namespace()?;
        let namespace = rustix::fs::open(USER_NAMESPACE, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
        send_descriptor(&childs, namespace.as_fd())?;
        unshare(UnshareFlags::NEWNET)?;
        // This ends the child, and tells the parent that all went well.
        Err(Errno::CANCELED.into())
    };
    let mut command = Command::new(THIS_PROGRAM);
    // SAFETY: as in `run_in_user_namespace`.
    unsafe { command.pre_exec(attempt) };
    let failure = command.spawn().err().filter(|error| Errno::from_io_error(error) != Some(Errno::CANCELED));
    match (receive_descriptor(&ours), failure) {
        (Ok(namespace), None) => Ok(namespace),
        (Ok(_), Some(failure)) => Err(Denied::Network(failure)),
        (Err(_), Some(failure)) | (Err(failure), None) => Err(Denied::User(failure)),
    }
}

/// The calling process's user namespace.
const USER_NAMESPACE: &CStr = c"/proc/self/ns/user";

/// Sends a descriptor. Allocates nothing, so that it can run between fork and exec.
fn send_descriptor(socket: &UnixStream, descriptor: BorrowedFd<'_>) -> Result<(), Errno> {
    let descriptors = [descriptor];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
    rustix::net::sendmsg(socket, &[IoSlice::new(b"n")], &mut ancillary, SendFlags::empty()).map(drop)
}

/// Receives a descriptor that has been sent already.
fn receive_descriptor(socket: &UnixStream) -> io::Result<OwnedFd> {
    let mut byte = [0];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
    rustix::net::recvmsg(socket, &mut [IoSliceMut::new(&mut byte)], &mut ancillary, flags)?;
    let descriptors = ancillary.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
        _ => None,
    });
    descriptors.flatten().next().ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

/// Creates a file in memory, which `/proc` shows as `name`.
pub(crate) fn anonymous_file(name: &str) -> io::Result<File> {
    Ok(File::from(rustix::fs::memfd_create(name, MemfdFlags::CLOEXEC)?))
}

/// Opens the file in memory with this name that the process has inherited, for appending; `None` if there is none.
pub(crate) fn inherited_file(name: &str) -> io::Result<Option<File>> {
    let shown = PathBuf::from(format!("/memfd:{name} (deleted)"));
    for entry in read_dir("/proc/self/fd")? {
        let path = entry?.path();
        // Of the descriptors, this listing's own is gone when it is looked at.
        if std::fs::read_link(&path).is_ok_and(|target| target == shown) {
            return File::options().append(true).open(path).map(Some);
        }
    }
    Ok(None)
}

/// The number of the group that the calling thread acts as.
pub(crate) fn effective_group() -> u32 {
    rustix::process::getegid().as_raw()
}

/// A datagram socket of `protocol`, bound to `local`.
///
/// Those of ICMP and ICMPv6 send echo requests and receive the answers to them; their port is the requests' identifier.
pub(crate) fn datagram_socket(protocol: Protocol, local: SocketAddr) -> io::Result<UdpSocket> {
    let family = if local.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let protocol = NonZeroU32::new(protocol.0.into()).map(rustix::net::Protocol::from_raw);
    let socket = rustix::net::socket_with(family, SocketType::DGRAM, SocketFlags::CLOEXEC, protocol)?;
    rustix::net::bind(&socket, &local)?;
    Ok(socket.into())
}

/// What makes the caller root in a user namespace of its own, written out before anything is forked.
struct IdMaps {
    uid: String,
    gid: String,
}

impl IdMaps {
    /// Only root keeps its capabilities across an exec.
    fn caller_as_root() -> Self {
        Self { uid: format!("0 {} 1", rustix::process::geteuid().as_raw()), gid: format!("0 {} 1", effective_group()) }
    }

    /// Makes system calls only, so that it can run between fork and exec.
    fn enter_user_namespace(&self) -> io::Result<()> {
        unshare(UnshareFlags::NEWUSER)?;
        // A group's member must not drop the group, which may be what keeps it from a file (user_namespaces(7)).
        write(c"/proc/self/setgroups", b"deny")?;
        write(c"/proc/self/uid_map", self.uid.as_bytes())?;
        write(c"/proc/self/gid_map", self.gid.as_bytes())?;
        Ok(())
    }
}

/// Writes a file of `/proc`, which takes its content in one piece.
fn write(path: &CStr, content: &[u8]) -> Result<(), Errno> {
    let file = rustix::fs::open(path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    rustix::io::write(&file, content).map(drop)
}

fn unshare(flags: UnshareFlags) -> Result<(), Errno> {
    // SAFETY: no caller passes `FILES`: descriptors mean the same in every thread.
    unsafe { rustix::thread::unshare_unsafe(flags) }
}
