//! The flows of a run: half IPv4, half IPv6; 60% TCP, 35% UDP, 5% ICMP.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use conntrack::{NewFlow, ProtoInfo, ProtoInfoTcp, Status, TcpState};

/// The mix, in words.
pub(crate) const DESCRIPTION: &str = "half IPv4, half IPv6; 60% TCP, 35% UDP, 5% ICMP";

/// Longer than any run: flows must not expire while they are counted.
const LIFE: Duration = Duration::from_secs(86_400);

/// The flows `0..count`. Each has a client of its own.
pub(crate) fn flows(count: u32) -> impl Iterator<Item = NewFlow> + Clone {
    (0..count).map(flow)
}

/// Flow `index`. What comes next to what in a dump is the kernel's hash function's choice.
pub(crate) fn flow(index: u32) -> NewFlow {
    let (client, server) = if (index / 20).is_multiple_of(2) {
        (IpAddr::from(Ipv4Addr::from(0x0a00_0000 | index)), IpAddr::from(Ipv4Addr::from(0xac10_0000 | (index & 0xfff))))
    } else {
        let near = |host: u32| IpAddr::from(Ipv6Addr::from((0xfd00_u128 << 112) | u128::from(host)));
        (near(0x1000_0000 | index), near(index & 0xfff))
    };
    let [_, _, high, low] = index.to_be_bytes();
    let port = u16::from_be_bytes([high, low]) | 0x8000;
    let flow = match index % 20 {
        0..12 => tcp(SocketAddr::new(client, port), SocketAddr::new(server, 443), index),
        12..19 => udp(SocketAddr::new(client, port), SocketAddr::new(server, 53), index),
        _ => NewFlow::echo(client, server, port),
    };
    flow.timeout(LIFE).mark(index % 1000)
}

/// Three of four established, the others in all other states.
fn tcp(client: SocketAddr, server: SocketAddr, index: u32) -> NewFlow {
    let state = if index.is_multiple_of(4) {
        TcpState(u8::try_from(index / 4 % 9 + 1).unwrap_or(0))
    } else {
        TcpState::ESTABLISHED
    };
    let flow = NewFlow::tcp(client, server);
    flow.proto_info(ProtoInfo::Tcp(ProtoInfoTcp { state: Some(state), ..ProtoInfoTcp::default() }))
}

/// Two of three answered.
fn udp(client: SocketAddr, server: SocketAddr, index: u32) -> NewFlow {
    let flow = NewFlow::udp(client, server);
    if index.is_multiple_of(3) { flow } else { flow.status(Status::SEEN_REPLY | Status::ASSURED) }
}
