//! Netlink sockets.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::net::netlink::{self, SocketAddrNetlink};
use rustix::net::sockopt;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use rustix::thread::LinkNameSpaceType;

use super::thread::on_own_thread;

/// A netlink protocol (`include/uapi/linux/netlink.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// `NETLINK_NETFILTER`
    Netfilter,
    /// `NETLINK_ROUTE`
    #[cfg(feature = "sandbox")]
    Route,
}

/// A bound netlink socket.
#[derive(Debug)]
pub(crate) struct Socket {
    fd: OwnedFd,
    port: u32,
}

/// What one receive brought.
#[derive(Clone, Copy, Debug, Default)]
pub struct Received {
    /// Bytes in the buffer.
    pub length: usize,
    /// Bytes the datagram had.
    pub whole: usize,
    /// The port id of who sent it: 0 is the kernel.
    pub sender: u32,
    /// The multicast groups it was sent to, as a mask; 0 for a reply.
    pub groups: u32,
    /// The id of the namespace it is about, where that was asked for and is not the socket's own.
    pub nsid: Option<u32>,
}

impl Received {
    /// Whether the kernel sent it, and no other process.
    pub(crate) const fn is_from_kernel(&self) -> bool {
        self.sender == 0
    }

    /// Whether the datagram did not fit.
    pub const fn is_truncated(&self) -> bool {
        self.whole > self.length
    }
}

impl Socket {
    /// Opens a socket in the calling thread's network namespace. This needs no privilege.
    pub(crate) fn open(protocol: Protocol) -> io::Result<Self> {
        let protocol = match protocol {
            Protocol::Netfilter => Some(netlink::NETFILTER),
            #[cfg(feature = "sandbox")]
            Protocol::Route => None,
        };
        let fd = rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, protocol)?;
        rustix::net::bind(&fd, &SocketAddrNetlink::new(0, 0))?;
        let port = SocketAddrNetlink::try_from(rustix::net::getsockname(&fd)?)?.pid();
        Ok(Self { fd, port })
    }

    /// Opens a socket in another network namespace, on a thread of its own that enters it.
    ///
    /// Needs `CAP_SYS_ADMIN` there and in the caller's own user namespace. `EINVAL` if it is no network namespace.
    pub(crate) fn open_in(protocol: Protocol, namespace: BorrowedFd<'_>) -> io::Result<Self> {
        let open = || {
            rustix::thread::move_into_link_name_space(namespace, Some(LinkNameSpaceType::Network))?;
            Self::open(protocol)
        };
        on_own_thread(open)?
    }

    /// Whether the socket is in this network namespace, for which the caller has `CAP_NET_ADMIN`.
    pub(crate) fn is_in(&self, namespace: &OwnedFd) -> io::Result<bool> {
        match self.network_namespace() {
            Ok(own) => is_same_file(&own, namespace),
            // The caller may not ask about the socket's namespace: then it is another one.
            Err(_) => Ok(false),
        }
    }

    /// The port id that the kernel gave the socket: its address.
    pub(crate) const fn port(&self) -> u32 {
        self.port
    }

    /// Sends one datagram to the kernel.
    ///
    /// With an explicit address, so that only the sender needs the capability, and not also who opened the socket.
    pub(crate) fn send(&self, datagram: &[u8]) -> io::Result<()> {
        let kernel = SocketAddrNetlink::new(0, 0);
        let sent = retry(|| rustix::net::sendto(&self.fd, datagram, SendFlags::empty(), &kernel))?;
        if sent == datagram.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
    }

    /// Receives one datagram that is there already; `WouldBlock` if none is.
    pub(crate) fn receive_now(&self, buffer: &mut [u8]) -> io::Result<Received> {
        let flags = RecvFlags::TRUNC | RecvFlags::DONTWAIT;
        let (length, whole, sender) = retry(|| rustix::net::recvfrom(&self.fd, &mut *buffer, flags))?;
        let sender = sender.map(SocketAddrNetlink::try_from).transpose()?;
        Ok(Received {
            length: length.min(whole),
            whole,
            sender: sender.map_or(0, |address| address.pid()),
            groups: sender.map_or(0, |address| address.groups()),
            nsid: None,
        })
    }

    /// Waits until a receive would not block, or for as long. False if nothing is there by then; it can also be false
    /// too early, after a signal.
    pub(crate) fn wait(&self, timeout: Option<Duration>) -> io::Result<bool> {
        // Times too long for the kernel are for ever, or nearly so.
        let timeout = timeout
            .map(|timeout| Timespec::try_from(timeout).unwrap_or(Timespec { tv_sec: i64::from(u32::MAX), tv_nsec: 0 }));
        let mut fds = [PollFd::new(self, PollFlags::IN)];
        match rustix::event::poll(&mut fds, timeout.as_ref()) {
            Ok(ready) => Ok(ready > 0),
            Err(rustix::io::Errno::INTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Asks for `bytes` of receive buffer, beyond the system's limit where that is allowed; says what it is then.
    ///
    /// The kernel doubles the number and counts its own overhead against it, 832 bytes for an acknowledgement.
    pub(crate) fn set_receive_buffer(&self, bytes: usize) -> io::Result<usize> {
        if sockopt::set_socket_recv_buffer_size_force(&self.fd, bytes).is_err() {
            sockopt::set_socket_recv_buffer_size(&self.fd, bytes)?;
        }
        self.receive_buffer()
    }

    /// The size of the receive buffer, as the kernel counts it.
    pub(crate) fn receive_buffer(&self) -> io::Result<usize> {
        Ok(sockopt::socket_recv_buffer_size(&self.fd)?)
    }

    /// Asks for `bytes` of send buffer, beyond the system's limit where that is allowed; says what it is then.
    pub(crate) fn set_send_buffer(&self, bytes: usize) -> io::Result<usize> {
        if sockopt::set_socket_send_buffer_size_force(&self.fd, bytes).is_err() {
            sockopt::set_socket_send_buffer_size(&self.fd, bytes)?;
        }
        self.send_buffer()
    }

    /// The size of the send buffer: no datagram is longer than this less 32.
    pub(crate) fn send_buffer(&self) -> io::Result<usize> {
        Ok(sockopt::socket_send_buffer_size(&self.fd)?)
    }

    /// Asks for error messages that say more than a number (`NETLINK_EXT_ACK`), without the request copied into them
    /// (`NETLINK_CAP_ACK`). Both are a convenience: kernels that lack them answer without.
    pub(crate) fn request_extended_acks(&self) {
        let _ = self.set_netlink_option(libc::NETLINK_EXT_ACK, 1);
        let _ = self.set_netlink_option(libc::NETLINK_CAP_ACK, 1);
    }

    /// The network namespace that the socket is in (`SIOCGSKNS`). Needs `CAP_NET_ADMIN` there.
    pub(crate) fn network_namespace(&self) -> io::Result<OwnedFd> {
        // SAFETY: SIOCGSKNS takes no argument; it returns a new descriptor, owned by nobody else, or -1.
        unsafe {
            let fd = libc::ioctl(self.fd.as_raw_fd(), libc::SIOCGSKNS);
            if fd < 0 { Err(io::Error::last_os_error()) } else { Ok(OwnedFd::from_raw_fd(fd)) }
        }
    }

    pub(super) fn set_netlink_option(&self, option: libc::c_int, value: libc::c_int) -> io::Result<()> {
        let size = libc::socklen_t::try_from(size_of::<libc::c_int>()).map_err(io::Error::other)?;
        // SAFETY: the pointer is to a live `c_int`, and `size` is its size.
        let result = unsafe {
            libc::setsockopt(self.fd.as_raw_fd(), libc::SOL_NETLINK, option, (&raw const value).cast(), size)
        };
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Whether two descriptors are of one file: namespaces are told apart by that.
fn is_same_file(a: &OwnedFd, b: &OwnedFd) -> io::Result<bool> {
    let (a, b) = (rustix::fs::fstat(a)?, rustix::fs::fstat(b)?);
    Ok((a.st_dev, a.st_ino) == (b.st_dev, b.st_ino))
}

/// Calls again what a signal interrupted.
pub(super) fn retry<T>(call: impl FnMut() -> rustix::io::Result<T>) -> io::Result<T> {
    Ok(rustix::io::retry_on_intr(call)?)
}

#[cfg(test)]
mod tests {
    use std::env;
    use std::fs::File;
    use std::process::Command;

    use super::*;

    /// Makes the stacks of threads as large as it says.
    const STACK: &str = "RUST_MIN_STACK";

    #[test]
    fn a_thread_that_cannot_be_started_is_an_error() {
        let test = concat!(module_path!(), "::a_thread_that_cannot_be_started_is_an_error");
        let (_, test) = test.split_once("::").unwrap();
        if env::var_os(STACK).is_none() {
            // Again, on the one thread of a process of its own: no machine has room for the stack of another.
            let mut again = Command::new(env::current_exe().unwrap());
            again.args([test, "--exact", "--test-threads=1"]).env(STACK, (usize::MAX / 2).to_string());
            let output = again.output().unwrap();
            let printed = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success() && printed.contains("1 passed"), "{printed}");
            return;
        }
        let namespace = File::open("/proc/thread-self/ns/net").unwrap();
        let error = Socket::open_in(Protocol::Netfilter, namespace.as_fd()).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EAGAIN), "{error}");
    }
}
