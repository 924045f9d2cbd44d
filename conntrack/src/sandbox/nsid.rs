//! Ids of network namespaces (`include/uapi/linux/net_namespace.h`).

use std::os::fd::{AsRawFd, BorrowedFd};

use conntrack_spec::Encode;
use conntrack_spec::codec::Native;
use deku::{DekuRead, DekuSize, DekuWrite};

use super::Error;
use super::datagram::Datagram;
use super::error::Step;
use crate::netlink::NLM_F_ACK;
use crate::sys::socket::Protocol;

/// `RTM_NEWNSID`
const RTM_NEWNSID: u16 = 88;
/// `NETNSA_NSID`
const NETNSA_NSID: u16 = 1;
/// `NETNSA_FD`
const NETNSA_FD: u16 = 3;

/// `struct rtgenmsg`, padded.
#[derive(Clone, Copy, Debug, Default, DekuRead, DekuWrite, DekuSize)]
struct RtGenMsg {
    family: u8,
    padding: [u8; 3],
}

#[derive(Debug, Encode)]
struct Assignment {
    #[nla(NETNSA_NSID)]
    id: Native<u32>,
    #[nla(NETNSA_FD)]
    namespace: Native<i32>,
}

/// Gives `namespace` an id in the calling thread's network namespace.
pub(super) fn assign(namespace: BorrowedFd<'_>, id: u32) -> Result<(), Error> {
    let assignment = Assignment { id: Native(id), namespace: Native(namespace.as_raw_fd()) };
    let mut datagram = Datagram::default();
    datagram.push(RTM_NEWNSID, NLM_F_ACK, &RtGenMsg::default(), &assignment)?;
    datagram.send(Protocol::Route, |_| Step::NamespaceId)
}
