//! Expectations, and real packets that match them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener, TcpStream, UdpSocket};

use conntrack::sandbox::Sandbox;
use conntrack::{Conntrack, Event, Events, ExpectFlags, Groups, NewExpect, NewFlow, Status, Tuple};

use crate::common::PATIENCE;
use crate::expect::{helper, only};
use crate::{Outcome, cases, holds, same};

cases! {
    a_connection_that_matches_is_expected,
    a_datagram_that_matches_is_expected,
    a_permanent_expectation_stays,
    an_inactive_expectation_matches_nothing,
}

/// A master between two ports of a loopback address that nobody uses, with a helper of TCP.
fn loopback_master(address: IpAddr) -> NewFlow {
    NewFlow::tcp((address, 1).into(), (address, 21).into()).help(helper("ftp"))
}

fn a_connection_that_matches_is_expected(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    for address in [IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()] {
        let master = loopback_master(address);
        ct.create(&master)?;
        let listener = TcpListener::bind((address, 0))?;
        let expected = Tuple::tcp((address, 0).into(), listener.local_addr()?);
        ct.create_expectation(&NewExpect::from_any_port(expected, master.orig))?;
        let mut events = Events::subscribe(Groups::NEW | Groups::EXPECT_DESTROY)?;

        let client = TcpStream::connect(listener.local_addr()?)?;
        let (_server, _) = listener.accept()?;

        let child = Tuple::tcp(client.local_addr()?, client.peer_addr()?);
        let flow = ct.get(&child.into())?.ok_or("the connection is not tracked")?;
        holds!(flow.status.contains(Status::EXPECTED), "{}", flow.status);
        same!(flow.master, Some(master.orig));
        same!(ct.expectations()?.count(), 0, "it is used up");

        let (mut arrived, mut used) = (None, None);
        while arrived.is_none() || used.is_none() {
            match events.next_timeout(PATIENCE)?.ok_or("no event")? {
                Event::New(flow, _) if flow.orig == child => arrived = Some(flow),
                Event::ExpectDestroy(expect, origin) => used = Some((expect, origin)),
                _ => {}
            }
        }
        let arrived = arrived.ok_or("did not arrive")?;
        holds!(arrived.status.contains(Status::EXPECTED), "{}", arrived.status);
        same!(arrived.master, Some(master.orig));
        let (used, origin) = used.ok_or("was not used")?;
        same!((used.tuple, used.master, origin.port), (expected, master.orig, 0));

        // Another connection is nobody's.
        let other = TcpStream::connect(listener.local_addr()?)?;
        let flow = ct.get(&Tuple::tcp(other.local_addr()?, other.peer_addr()?).into())?.ok_or("not tracked")?;
        holds!(!flow.status.contains(Status::EXPECTED), "{}", flow.status);
        same!(flow.master, None);
    }
    let created: u32 = ct.expectation_stats()?.iter().map(|cpu| cpu.stats.create).sum();
    let came: u32 = ct.expectation_stats()?.iter().map(|cpu| cpu.stats.new).sum();
    let gone: u32 = ct.expectation_stats()?.iter().map(|cpu| cpu.stats.delete).sum();
    same!((created, came, gone), (2, 2, 2));
    Ok(())
}

/// Sends a datagram over loopback and returns once it has arrived; the flow's original tuple.
fn datagram(to: &UdpSocket) -> Result<Tuple, std::io::Error> {
    to.set_read_timeout(Some(PATIENCE))?;
    let from = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    from.send_to(b"expected", to.local_addr()?)?;
    to.recv(&mut [0; 16])?;
    Ok(Tuple::udp(from.local_addr()?, to.local_addr()?))
}

fn a_datagram_that_matches_is_expected(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    // A UDP expectation under a TCP master, from anyone.
    let master = loopback_master(Ipv4Addr::LOCALHOST.into());
    ct.create(&master)?;
    let receiver = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    let expected = Tuple::udp((Ipv4Addr::UNSPECIFIED, 0).into(), receiver.local_addr()?);
    ct.create_expectation(&NewExpect::from_anyone(expected, master.orig))?;
    let child = datagram(&receiver)?;
    let flow = ct.get(&child.into())?.ok_or("not tracked")?;
    holds!(flow.status.contains(Status::EXPECTED), "{}", flow.status);
    same!((flow.orig, flow.master), (child, Some(master.orig)));
    Ok(())
}

fn a_permanent_expectation_stays(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    let master = loopback_master(Ipv4Addr::LOCALHOST.into());
    ct.create(&master)?;
    let receiver = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    let expected = Tuple::udp((Ipv4Addr::LOCALHOST, 0).into(), receiver.local_addr()?);
    ct.create_expectation(&NewExpect::from_any_port(expected, master.orig).flags(ExpectFlags::PERMANENT))?;
    for _ in 0..3 {
        let flow = ct.get(&datagram(&receiver)?.into())?.ok_or("not tracked")?;
        same!(flow.master, Some(master.orig));
        same!(only(&ct)?.flags, ExpectFlags::PERMANENT);
    }
    // With its master it goes.
    holds!(ct.delete(&master.orig.into())?);
    same!(ct.expectations()?.count(), 0);
    Ok(())
}

fn an_inactive_expectation_matches_nothing(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    let master = loopback_master(Ipv4Addr::LOCALHOST.into());
    ct.create(&master)?;
    let receiver = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    let expected = Tuple::udp((Ipv4Addr::LOCALHOST, 0).into(), receiver.local_addr()?);
    ct.create_expectation(&NewExpect::from_any_port(expected, master.orig).flags(ExpectFlags::INACTIVE))?;
    let flow = ct.get(&datagram(&receiver)?.into())?.ok_or("not tracked")?;
    same!((flow.status.contains(Status::EXPECTED), flow.master), (false, None));
    same!(ct.expectations()?.count(), 1);
    Ok(())
}
