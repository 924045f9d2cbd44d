//! A netlink socket and nothing around it: the floor of every measurement.

use std::io;
use std::os::fd::OwnedFd;

use conntrack::codec::Layout;
use conntrack::header::{HEADERS, NfGenMsg, NlMsgErr, NlMsgHdr};
use rustix::net::netlink::{self, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, sockopt};

/// The kernel fills up to 32448 bytes of a receive, so that more gain nothing.
const BUFFER: usize = 32 * 1024;
/// `NLM_F_REQUEST | NLM_F_DUMP`
const DUMP: u16 = 0x301;
/// `NLMSG_ERROR`
const NLMSG_ERROR: u16 = 2;
/// `NLMSG_DONE`
const NLMSG_DONE: u16 = 3;

/// A socket with its buffer.
#[derive(Debug)]
pub(crate) struct Raw {
    fd: OwnedFd,
    buffer: Vec<u8>,
}

impl Raw {
    /// Opens a socket that is a member of the multicast groups of a mask.
    pub(crate) fn open(groups: u32) -> io::Result<Self> {
        let protocol = Some(netlink::NETFILTER);
        let fd = rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, protocol)?;
        rustix::net::bind(&fd, &SocketAddrNetlink::new(0, groups))?;
        Ok(Self { fd, buffer: vec![0; BUFFER] })
    }

    /// Sets the size of the receive buffer, beyond the system's limit, and says what it is then.
    pub(crate) fn set_receive_buffer(&self, bytes: usize) -> io::Result<usize> {
        if sockopt::set_socket_recv_buffer_size_force(&self.fd, bytes).is_err() {
            sockopt::set_socket_recv_buffer_size(&self.fd, bytes)?;
        }
        Ok(sockopt::socket_recv_buffer_size(&self.fd)?)
    }

    pub(crate) fn send(&self, datagram: &[u8]) -> io::Result<()> {
        let sent = rustix::net::sendto(&self.fd, datagram, SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
        if sent == datagram.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
    }

    /// The next datagram.
    pub(crate) fn receive(&mut self) -> io::Result<&[u8]> {
        let (length, _) = rustix::net::recv(&self.fd, &mut self.buffer[..], RecvFlags::empty())?;
        Ok(&self.buffer[..length])
    }

    /// The next datagram, if it is there already.
    pub(crate) fn receive_now(&mut self) -> io::Result<Option<&[u8]>> {
        match rustix::net::recv(&self.fd, &mut self.buffer[..], RecvFlags::DONTWAIT) {
            Ok((length, _)) => Ok(Some(&self.buffer[..length])),
            Err(rustix::io::Errno::AGAIN) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Dumps the flows of a family, 0 for all, and hands each datagram to `on_datagram`, which says whether to go on.
    pub(crate) fn dump(&mut self, family: u8, mut on_datagram: impl FnMut(&[u8]) -> bool) -> io::Result<()> {
        // IPCTNL_MSG_CT_GET of NFNL_SUBSYS_CTNETLINK
        self.send(&message(0x0101, DUMP, family)?)?;
        loop {
            let datagram = self.receive()?;
            // Both come in a datagram of their own.
            match kind(datagram) {
                Some(NLMSG_DONE) => return Ok(()),
                Some(NLMSG_ERROR) | None => return Err(io::Error::other("the kernel refuses the dump")),
                Some(_) => {}
            }
            if !on_datagram(datagram) {
                return Ok(());
            }
        }
    }

    /// Waits for the answer to a datagram of which only the last message asks for one.
    pub(crate) fn acknowledged(&mut self) -> io::Result<()> {
        let answer = self.receive()?;
        match NlMsgErr::read(answer.get(NlMsgHdr::SIZE..).unwrap_or_default()) {
            Ok(NlMsgErr { error: 0, .. }) => Ok(()),
            Ok(NlMsgErr { error, .. }) => Err(io::Error::from_raw_os_error(-error)),
            Err(_) => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

/// A message without attributes.
fn message(kind: u16, flags: u16, family: u8) -> io::Result<Vec<u8>> {
    let mut message = Vec::new();
    let len = u32::try_from(HEADERS).map_err(io::Error::other)?;
    NlMsgHdr { len, kind, flags, seq: 1, pid: 0 }.append_to(&mut message).map_err(io::Error::other)?;
    NfGenMsg { family, ..NfGenMsg::default() }.append_to(&mut message).map_err(io::Error::other)?;
    Ok(message)
}

/// The type of the first message of a datagram.
fn kind(datagram: &[u8]) -> Option<u16> {
    NlMsgHdr::read(datagram).ok().map(|header| header.kind)
}

/// The messages of a datagram, each with its headers. Nothing is checked: it is the kernel's.
pub(crate) fn messages(mut datagram: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let length = NlMsgHdr::read(datagram).ok()?.len as usize;
        let message = datagram.get(..length)?;
        datagram = datagram.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(message)
    })
}
