//! Datagrams that are received together, in one system call.

use std::fmt;
use std::io;
use std::mem::zeroed;
use std::os::fd::{AsFd, AsRawFd};

use super::socket::{Received, Socket, retry};

/// Datagrams that are received at most in one call. More gain nothing.
pub(crate) const MOST: usize = 32;

/// Added to each slot, so that the datagrams in them, which are short, do not compete for the same lines of a cache.
const SPREAD: usize = 320;

/// Room for the one integer of ancillary data that can be asked for, aligned as headers are.
type Control = [usize; 4];

/// Datagrams, each in a slot of its own, and what is known of them.
pub(crate) struct Datagrams {
    bytes: Box<[u8]>,
    slot: usize,
    received: [Received; MOST],
    count: usize,
}

impl Datagrams {
    /// Room for datagrams of `size` bytes. What is never used is never touched, and so takes no memory.
    pub(crate) fn new(size: usize) -> Self {
        let slot = size.saturating_add(SPREAD);
        let bytes = vec![0; slot.saturating_mul(MOST)].into();
        Self { bytes, slot, received: [Received::default(); MOST], count: 0 }
    }

    /// The length of a datagram for which there is room.
    pub(crate) const fn size(&self) -> usize {
        self.slot
    }

    /// Where to put one datagram that is received in another way.
    pub(crate) fn first_mut(&mut self) -> &mut [u8] {
        self.count = 0;
        self.bytes.get_mut(..self.slot).unwrap_or_default()
    }

    /// What has been put there.
    pub(crate) fn set_first(&mut self, received: Received) {
        self.received[0] = received;
        self.count = 1;
    }

    /// What is known of datagram `index`, if so many have been received.
    #[inline]
    pub(crate) fn get(&self, index: usize) -> Option<&Received> {
        self.received.get(..self.count)?.get(index)
    }

    /// The slot of datagram `index`.
    #[inline]
    pub(crate) fn slot(&self, index: usize) -> &[u8] {
        let start = self.slot.saturating_mul(index);
        self.bytes.get(start..start.saturating_add(self.slot)).unwrap_or_default()
    }
}

impl fmt::Debug for Datagrams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Datagrams").field("received", &self.received.get(..self.count)).finish_non_exhaustive()
    }
}

impl Socket {
    /// Receives datagrams that are there already, one only or as many as there is room for, in place of those before.
    /// `namespaces` also asks which namespace each is about. `WouldBlock` if none is there.
    ///
    /// An error that comes behind the first datagram is kept by the kernel for the next call.
    pub(crate) fn receive_together(&self, into: &mut Datagrams, one: bool, namespaces: bool) -> io::Result<()> {
        // SAFETY: all are C structs of integers and pointers, for which zero is a value.
        let (mut addresses, mut slices, mut messages) = unsafe {
            (zeroed::<[libc::sockaddr_nl; MOST]>(), zeroed::<[libc::iovec; MOST]>(), zeroed::<[libc::mmsghdr; MOST]>())
        };
        let mut controls = [Control::default(); MOST];
        let address_size = libc::socklen_t::try_from(size_of::<libc::sockaddr_nl>()).map_err(io::Error::other)?;
        let most = if one { 1 } else { MOST };
        let vector = libc::c_uint::try_from(most).map_err(io::Error::other)?;
        into.count = 0;

        let slots = into.bytes.chunks_exact_mut(into.slot);
        let parts = addresses.iter_mut().zip(&mut slices).zip(&mut controls).zip(slots);
        for (message, (((address, slice), control), slot)) in messages.iter_mut().take(most).zip(parts) {
            slice.iov_base = slot.as_mut_ptr().cast();
            slice.iov_len = slot.len();
            let header = &mut message.msg_hdr;
            header.msg_name = (&raw mut *address).cast();
            header.msg_namelen = address_size;
            header.msg_iov = slice;
            header.msg_iovlen = 1;
            if namespaces {
                header.msg_control = control.as_mut_ptr().cast();
                header.msg_controllen = size_of::<Control>();
            }
        }
        let count = retry(|| {
            // SAFETY: there are `most` messages, and everything that they point to is alive, written by nobody else,
            // and as long as they say.
            let result = unsafe {
                libc::recvmmsg(
                    self.as_fd().as_raw_fd(),
                    messages.as_mut_ptr(),
                    vector,
                    libc::MSG_TRUNC | libc::MSG_DONTWAIT,
                    std::ptr::null_mut(),
                )
            };
            usize::try_from(result).map_err(|_| {
                let error = io::Error::last_os_error();
                rustix::io::Errno::from_io_error(&error).unwrap_or(rustix::io::Errno::IO)
            })
        })?;
        for ((received, message), address) in into.received.iter_mut().zip(&messages).zip(&addresses).take(count) {
            let whole = message.msg_len as usize;
            // SAFETY: the kernel has filled in the control data and its length.
            let nsid = if namespaces { unsafe { namespace_id(&message.msg_hdr) } } else { None };
            let (sender, groups) = (address.nl_pid, address.nl_groups);
            *received = Received { length: whole.min(into.slot), whole, sender, groups, nsid };
        }
        into.count = count;
        Ok(())
    }
}

/// The integer of type `NETLINK_LISTEN_ALL_NSID` in the control data.
///
/// # Safety
/// `msg_control` must point to `msg_controllen` bytes as `recvmsg(2)` leaves them.
unsafe fn namespace_id(message: &libc::msghdr) -> Option<u32> {
    // SAFETY: the macros stay within what `message` says, by the promise above; the data of a header of this type is
    // an integer, which need not be aligned.
    unsafe {
        let mut header = libc::CMSG_FIRSTHDR(message);
        while let Some(this) = header.as_ref() {
            if (this.cmsg_level, this.cmsg_type) == (libc::SOL_NETLINK, libc::NETLINK_LISTEN_ALL_NSID) {
                let id = libc::CMSG_DATA(this).cast::<libc::c_int>().read_unaligned();
                return u32::try_from(id).ok();
            }
            header = libc::CMSG_NXTHDR(message, this);
        }
    }
    None
}
