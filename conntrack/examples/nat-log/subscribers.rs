//! Subscribers behind a translation, in the sandbox.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use conntrack::sandbox::{Failure, Sandbox};
use conntrack::{Command, Conntrack, FlowKey, Nat, NewFlow, Tuple};

/// Translations that come at once, many more than the listener has room for.
const BURST: u16 = 500;

#[derive(Debug)]
pub(crate) struct Subscribers(JoinHandle<Result<(), Failure>>);

impl Subscribers {
    /// Starts them, on a thread in the sandbox.
    pub(crate) fn start(sandbox: &Sandbox) -> Result<Self, Failure> {
        sandbox.enable_nat()?;
        Ok(Self(thread::Builder::new().spawn(subscribers)?))
    }

    /// Whether all their flows have been deleted.
    pub(crate) fn have_left(&self) -> bool {
        self.0.is_finished()
    }

    pub(crate) fn join(self) -> Result<(), Failure> {
        self.0.join().unwrap_or_else(|_| Err("the subscribers panicked".into()))
    }
}

fn subscribers() -> Result<(), Failure> {
    let ct = Conntrack::open()?;
    // A few who exchange datagrams with a server.
    let server = UdpSocket::bind("127.0.2.9:53")?;
    let mut here = Vec::new();
    for (host, port) in (1..=3).zip(61_000..) {
        let client = UdpSocket::bind(SocketAddr::new([127, 0, 0, host].into(), 5353))?;
        let flow = NewFlow::udp(client.local_addr()?, server.local_addr()?).nat_src(public(5).port(port));
        here.push(flow.orig);
        ct.create(&flow)?;
        client.send_to(b"what is the address of example.org?", server.local_addr()?)?;
        // What the server sees is the translation.
        let (_, from) = server.recv_from(&mut [0; 64])?;
        server.send_to(b"2001:db8::1", from)?;
        client.recv_from(&mut [0; 64])?;
        thread::sleep(Duration::from_millis(100));
    }
    leave(&ct, here)?;

    // And a crowd, which the kernel translates without that a packet is needed.
    let crowd = || (0..BURST).map(|port| Tuple::udp(([10, 0, 0, 1], 1024 + port).into(), ([192, 0, 2, 9], 443).into()));
    let translated = |tuple| NewFlow::new(tuple).nat_src(public(6)).timeout(Duration::from_secs(60));
    ct.batch(crowd().map(translated).map(Command::Create)).run()?.into_result()?;
    thread::sleep(Duration::from_millis(100));
    leave(&ct, crowd())
}

/// The address that subscribers have outside.
fn public(host: u8) -> Nat {
    Nat::to(IpAddr::from([127, 0, 113, host]))
}

fn leave(ct: &Conntrack, tuples: impl IntoIterator<Item = Tuple>) -> Result<(), Failure> {
    ct.batch(tuples.into_iter().map(FlowKey::from).map(Command::Delete)).run()?.into_result()?;
    Ok(())
}
