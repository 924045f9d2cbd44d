//! The fixed layouts in front of the attributes (`include/uapi/linux/netlink.h`, `linux/netfilter/nfnetlink.h`).
//!
//! Each struct declares a C struct of the kernel to `deku`. Use the methods of [`Layout`] to read one from a message, to
//! append it to a message, or to change it there. To read a struct of a machine of the other byte order, give `deku` the
//! byte order as context.

use deku::ctx::Endian;
use deku::{DekuRead, DekuSize, DekuWrite};

use crate::codec::{Layout, NATIVE};

/// `struct nlmsghdr`, in host byte order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, DekuRead, DekuWrite, DekuSize)]
#[deku(endian = "endian", ctx = "endian: Endian", ctx_default = "NATIVE")]
pub struct NlMsgHdr {
    /// Bytes of the whole message, this header included.
    pub len: u32,
    /// What the message is: for netfilter, the subsystem in the high byte and its message in the low one.
    pub kind: u16,
    /// `NLM_F_*`.
    pub flags: u16,
    /// The request's number, repeated in what answers it; 0 in events.
    pub seq: u32,
    /// In a reply, the port id of who asked; in an event, of who caused it, 0 for the kernel itself.
    pub pid: u32,
}

impl NlMsgHdr {
    /// Its length in bytes.
    pub const SIZE: usize = <Self as Layout>::SIZE;
}

/// `struct nfgenmsg`, in network byte order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, DekuRead, DekuWrite, DekuSize)]
#[deku(endian = "big")]
pub struct NfGenMsg {
    /// `nfgen_family`: an address family.
    pub family: u8,
    /// 0 (`NFNETLINK_V0`); for a flush, not 0 makes the kernel look at the family.
    pub version: u8,
    /// 0; in per-CPU statistics, the CPU's number.
    pub res_id: u16,
}

impl NfGenMsg {
    /// Its length in bytes.
    pub const SIZE: usize = <Self as Layout>::SIZE;
}

/// `struct nlmsgerr` without the rest of the request that may follow it, in host byte order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, DekuRead, DekuWrite, DekuSize)]
#[deku(ctx = "endian: Endian", ctx_default = "NATIVE")]
pub struct NlMsgErr {
    /// 0, or a negative errno.
    #[deku(endian = "endian")]
    pub error: i32,
    /// The header of the request that it answers.
    #[deku(ctx = "endian")]
    pub request: NlMsgHdr,
}

impl NlMsgErr {
    /// Its length in bytes.
    pub const SIZE: usize = <Self as Layout>::SIZE;
}

/// Bytes in front of the attributes of a netfilter message: `struct nlmsghdr` and `struct nfgenmsg`.
pub const HEADERS: usize = NlMsgHdr::SIZE + NfGenMsg::SIZE;
