//! Namespaces: who may create them, and the system calls that do.

use std::fs::{File, read_dir};
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::num::NonZeroU32;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use conntrack_spec::Protocol;
use rustix::fs::{MemfdFlags, Mode, OFlags};
use rustix::io::{Errno, FdFlags};
use rustix::net::{AddressFamily, SocketFlags, SocketType};
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

/// Moves the process, which must have one thread, into a user namespace of its own.
pub(crate) fn enter_user_namespace() -> io::Result<()> {
    IdMaps::caller_as_root().enter_user_namespace()
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

/// Whether an ordinary user may create user namespaces, and network namespaces in them: tried out in a child process.
pub(crate) fn probe_user_namespace() -> io::Result<()> {
    let maps = IdMaps::caller_as_root();
    let attempt = move || {
        maps.enter_user_namespace()?;
        unshare(UnshareFlags::NEWNET)?;
        // All went well: now the child is not to become a program.
        Err(Errno::CANCELED.into())
    };
    let mut command = Command::new(THIS_PROGRAM);
    // SAFETY: as in `run_in_user_namespace`.
    unsafe { command.pre_exec(attempt) };
    match command.spawn() {
        Err(error) if Errno::from_io_error(&error) == Some(Errno::CANCELED) => Ok(()),
        Err(error) => Err(error),
        Ok(mut child) => child.wait().map(drop),
    }
}

/// A file in memory, without a name.
pub(crate) fn anonymous_file() -> io::Result<File> {
    Ok(File::from(rustix::fs::memfd_create(c"conntrack-sandbox", MemfdFlags::CLOEXEC)?))
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
fn write(path: &std::ffi::CStr, content: &[u8]) -> Result<(), Errno> {
    let file = rustix::fs::open(path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    rustix::io::write(&file, content).map(drop)
}

fn unshare(flags: UnshareFlags) -> Result<(), Errno> {
    // SAFETY: no caller passes `FILES`: descriptors mean the same in every thread.
    unsafe { rustix::thread::unshare_unsafe(flags) }
}
