//! Network interfaces (`include/uapi/linux/rtnetlink.h`, `if_link.h`).

use conntrack_spec::Encode;
use conntrack_spec::codec::{NATIVE, NulString};
use deku::{DekuRead, DekuSize, DekuWrite};

use super::Error;
use super::datagram::Datagram;
use super::error::Step;
use crate::netlink::NLM_F_ACK;
use crate::sys::socket::Protocol;

/// `RTM_NEWLINK`: create an interface, or change one that is there.
const RTM_NEWLINK: u16 = 16;
/// `IFLA_IFNAME`
const IFLA_IFNAME: u16 = 3;
/// `enum net_device_flags`: `IFF_UP`
const IFF_UP: u32 = 1;

/// `struct ifinfomsg`, in host byte order.
#[derive(Clone, Copy, Debug, Default, DekuRead, DekuWrite, DekuSize)]
#[deku(endian = "NATIVE")]
struct IfInfoMsg {
    family: u8,
    padding: u8,
    kind: u16,
    /// 0: the name says which.
    index: i32,
    flags: u32,
    /// Which of the flags to change.
    change: u32,
}

/// The attributes of an interface, as far as they are needed.
#[derive(Debug, Encode)]
struct Link {
    #[nla(IFLA_IFNAME)]
    name: NulString<15>,
}

/// Brings up the loopback interface of the calling thread's network namespace.
///
/// The kernel gives it `127.0.0.1` and `::1` before it answers, and does not look for duplicates of them: both can be
/// used at once.
pub(super) fn bring_up_loopback() -> Result<(), Error> {
    let header = IfInfoMsg { flags: IFF_UP, change: IFF_UP, ..IfInfoMsg::default() };
    let link = Link { name: "lo".parse().unwrap_or_default() };
    let mut datagram = Datagram::default();
    datagram.push(RTM_NEWLINK, NLM_F_ACK, &header, &link)?;
    datagram.send(Protocol::Route, |_| Step::Loopback)
}
