//! Real traffic over loopback, each kind with the tuple of its flow.
//!
//! Every function returns when the other end has received what was sent, at which time the kernel has tracked it: there
//! is nothing to wait for afterwards.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use conntrack_spec::{Family, Protocol, Tuple};

use crate::sys::namespace::datagram_socket;

/// How long an answer may take, which is there at once unless a ruleset drops it.
const PATIENCE: Duration = Duration::from_secs(5);

/// An established TCP connection, closed when dropped.
#[derive(Debug)]
pub struct TcpConnection {
    /// The end that connected.
    pub client: TcpStream,
    /// The end that accepted.
    pub server: TcpStream,
    /// The original direction of the flow: from the client to the server.
    pub tuple: Tuple,
}

/// Two sockets that have sent each other a datagram.
#[derive(Debug)]
pub struct UdpExchange {
    /// The one that sent first, connected to the other.
    pub client: UdpSocket,
    /// The one that answered, connected to the other.
    pub server: UdpSocket,
    /// The original direction of the flow: from the client to the server.
    pub tuple: Tuple,
}

/// An echo request that was answered.
#[derive(Debug)]
pub struct Ping {
    /// The socket that sent it: an ICMP datagram socket, connected to the loopback address. What is sent over it must
    /// be an echo request, eight bytes or more, of which the kernel fills in the checksum and the identifier.
    pub socket: UdpSocket,
    /// The original direction of the flow: the request's.
    pub tuple: Tuple,
}

/// The loopback address of `family`, with a port that the kernel picks.
fn loopback(family: Family) -> io::Result<SocketAddr> {
    let address = match family {
        Family::IPV4 => IpAddr::V4(Ipv4Addr::LOCALHOST),
        Family::IPV6 => IpAddr::V6(Ipv6Addr::LOCALHOST),
        _ => return Err(io::ErrorKind::Unsupported.into()),
    };
    Ok(SocketAddr::new(address, 0))
}

/// Connects over TCP.
pub(super) fn tcp_connection(family: Family) -> io::Result<TcpConnection> {
    let listener = TcpListener::bind(loopback(family)?)?;
    let client = TcpStream::connect_timeout(&listener.local_addr()?, PATIENCE)?;
    // That the server has it means that the last segment of the handshake has passed.
    let (server, peer) = listener.accept()?;
    let tuple = Tuple::tcp(peer, client.peer_addr()?);
    Ok(TcpConnection { client, server, tuple })
}

/// Sends a datagram of `protocol`, UDP or UDP-Lite, there and one back.
pub(super) fn datagrams(protocol: Protocol, family: Family) -> io::Result<UdpExchange> {
    let server = datagram_socket(protocol, loopback(family)?)?;
    let client = datagram_socket(protocol, loopback(family)?)?;
    let tuple = Tuple::with_ports(protocol, client.local_addr()?, server.local_addr()?);
    client.connect(server.local_addr()?)?;
    server.connect(client.local_addr()?)?;
    deliver(&client, b"there", &server)?;
    deliver(&server, b"and back", &client)?;
    Ok(UdpExchange { client, server, tuple })
}

/// Sends an echo request, which the kernel answers.
pub(super) fn ping(family: Family) -> io::Result<Ping> {
    let local = loopback(family)?;
    let (protocol, kind) = if local.is_ipv4() { (Protocol::ICMP, 8) } else { (Protocol::ICMPV6, 128) };
    let socket = datagram_socket(protocol, local)?;
    let local = socket.local_addr()?;
    socket.connect(SocketAddr::new(local.ip(), 0))?;
    // Type, code, checksum, identifier, sequence number.
    deliver(&socket, &[kind, 0, 0, 0, 0, 0, 0, 1], &socket)?;
    Ok(Ping { socket, tuple: Tuple::echo(local.ip(), local.ip(), local.port()) })
}

/// Sends `message` and waits until something has arrived at the other end.
fn deliver(from: &UdpSocket, message: &[u8], to: &UdpSocket) -> io::Result<()> {
    to.set_read_timeout(Some(PATIENCE))?;
    from.send(message)?;
    to.recv(&mut [0; 16])?;
    to.set_read_timeout(None)
}
