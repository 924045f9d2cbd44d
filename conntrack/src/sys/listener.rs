//! What a netlink socket needs to listen to multicast groups.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use super::socket::Socket;

/// What the kernel says of a socket's receive queue (`SO_MEMINFO`).
#[derive(Clone, Copy, Debug, Default)]
pub struct Queue {
    /// Bytes in it, with the kernel's overhead: 1280 for an event.
    pub bytes: u32,
    /// Messages that found no room, since the socket was opened. Wraps around.
    pub dropped: u32,
}

/// The inode numbers that name a network namespace and the user namespace that owns it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct NamespaceIds {
    /// As `ls -L -i /proc/self/ns/net` prints it.
    pub(crate) network: Option<u64>,
    /// `None` if the caller cannot see it, being in another user namespace that is none of its ancestors.
    pub(crate) owner: Option<u64>,
}

impl Socket {
    /// Joins a multicast group by its number, 1 to 32. Needs `CAP_NET_ADMIN`.
    pub(crate) fn join(&self, group: u32) -> io::Result<()> {
        let group = libc::c_int::try_from(group).map_err(io::Error::other)?;
        self.set_netlink_option(libc::NETLINK_ADD_MEMBERSHIP, group)
    }

    /// Has the kernel keep a destroyed flow until its event has been queued here (`NETLINK_BROADCAST_ERROR`).
    pub(crate) fn report_failed_broadcasts(&self) -> io::Result<()> {
        self.set_netlink_option(libc::NETLINK_BROADCAST_ERROR, 1)
    }

    /// Has the kernel say nothing of overruns (`NETLINK_NO_ENOBUFS`).
    pub(crate) fn hide_overruns(&self) -> io::Result<()> {
        self.set_netlink_option(libc::NETLINK_NO_ENOBUFS, 1)
    }

    /// Receives the events of all namespaces that have an id in the socket's own (`NETLINK_LISTEN_ALL_NSID`). Needs
    /// `CAP_NET_BROADCAST`.
    pub(crate) fn listen_to_all_namespaces(&self) -> io::Result<()> {
        self.set_netlink_option(libc::NETLINK_LISTEN_ALL_NSID, 1)
    }

    /// How full the receive queue is, and what did not fit.
    pub(crate) fn queue(&self) -> io::Result<Queue> {
        // `enum` in `include/uapi/linux/sock_diag.h`; later kernels may have more.
        const SK_MEMINFO_RMEM_ALLOC: usize = 0;
        const SK_MEMINFO_DROPS: usize = 8;
        let mut values = [0_u32; 9];
        let mut size = libc::socklen_t::try_from(size_of_val(&values)).map_err(io::Error::other)?;
        // SAFETY: the pointers are to live memory of that size, of which the kernel fills a part.
        let result = unsafe {
            libc::getsockopt(
                self.as_fd().as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_MEMINFO,
                values.as_mut_ptr().cast(),
                &raw mut size,
            )
        };
        if result < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Queue { bytes: values[SK_MEMINFO_RMEM_ALLOC], dropped: values[SK_MEMINFO_DROPS] })
    }
}

/// What names a network namespace, the calling thread's if none is given, as far as the caller may know.
pub(crate) fn namespace_ids(namespace: Option<BorrowedFd<'_>>) -> NamespaceIds {
    let own;
    let namespace = match namespace {
        Some(namespace) => namespace,
        None => match File::open("/proc/thread-self/ns/net") {
            Ok(file) => {
                own = file;
                own.as_fd()
            }
            Err(_) => return NamespaceIds::default(),
        },
    };
    NamespaceIds { network: inode(namespace), owner: owner(namespace).and_then(|owner| inode(owner.as_fd())) }
}

fn inode(fd: BorrowedFd<'_>) -> Option<u64> {
    rustix::fs::fstat(fd).ok().map(|stat| stat.st_ino)
}

/// The user namespace that owns a namespace (`ioctl_ns(2)`, `NS_GET_USERNS`).
fn owner(namespace: BorrowedFd<'_>) -> Option<OwnedFd> {
    // SAFETY: this request takes no argument; it returns a new descriptor, owned by nobody else, or -1.
    unsafe {
        let fd = libc::ioctl(namespace.as_raw_fd(), libc::NS_GET_USERNS);
        (fd >= 0).then(|| OwnedFd::from_raw_fd(fd))
    }
}
