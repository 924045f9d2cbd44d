//! A table that was dumped, flushed and restored.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use conntrack::sandbox::Sandbox;
use conntrack::{
    Command, Conntrack, Family, Flow, FlowDirection, Help, HelperName, Labels, Nat, NewFlow, ProtoInfo, ProtoInfoSctp,
    ProtoInfoTcp, Protocol, SctpState, SeqAdj, Status, Synproxy, TcpFlagBits, TcpFlags, TcpState, Tuple,
};

use crate::common::PATIENCE;
use crate::{Outcome, cases, holds, same};

cases! {
    restores_what_can_survive,
    restores_traffic,
    restores_offloaded,
    restored_translation_translates,
}

fn v4(last: u8, port: u16) -> SocketAddr {
    ([10, 0, 0, last], port).into()
}

fn v6(last: u16, port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, last]), port)
}

/// Something of everything, masters first.
pub(crate) fn everything() -> Result<Vec<NewFlow>, Box<dyn std::error::Error + Send + Sync>> {
    let outside: IpAddr = [192, 0, 2, 1].into();
    let scaled = TcpFlags::set(TcpFlagBits::WINDOW_SCALE | TcpFlagBits::SACK_PERM | TcpFlagBits::BE_LIBERAL);
    let scaled = ProtoInfoTcp {
        state: Some(TcpState::CLOSE_WAIT),
        wscale_original: Some(7),
        wscale_reply: Some(9),
        flags_original: Some(scaled),
        flags_reply: Some(scaled),
    };
    let sctp =
        ProtoInfoSctp { state: Some(SctpState::ESTABLISHED), vtag_original: Some(0x0102_0304), vtag_reply: Some(5) };
    let shift = |by| SeqAdj { correction_pos: 1000, offset_before: by, offset_after: by + 1 };
    let master = NewFlow::tcp(v4(1, 40000), v4(2, 21)).help(Help::from(HelperName::new("ftp")?));
    Ok(vec![
        master.clone(),
        NewFlow::tcp(v4(2, 20), v4(1, 40001)).master(master.orig),
        NewFlow::udp(v4(1, 1), v4(2, 53)).mark(7).labels(Labels::from_iter([0, 5, 127])),
        NewFlow::udp(v4(1, 2), v4(2, 53)).status(Status::SEEN_REPLY | Status::FIXED_TIMEOUT),
        NewFlow::udp(v4(1, 3), v4(2, 53)).nat_src(Nat::to(outside).port(4000)),
        NewFlow::udp(v4(1, 4), v4(2, 53)).nat_dst(Nat::to(outside).port(5300)),
        NewFlow::udp(v4(1, 5), v4(2, 53)).nat_src(Nat::to(outside).ports(4001..=4100)).nat_dst(v4(9, 0).ip()),
        NewFlow::udp(v6(1, 3), v6(2, 53)).nat_src(v6(9, 0).ip()).zone(3),
        NewFlow::tcp(v6(1, 4), v6(2, 80)).nat_dst(Nat::to(v6(8, 0).ip()).port(8080)).zone(3),
        NewFlow::echo(v4(1, 0).ip(), v4(2, 0).ip(), 77).nat_src(Nat::to(outside).port(78)),
        NewFlow::echo(v6(1, 0).ip(), v6(2, 0).ip(), 79),
        NewFlow::tcp(v4(1, 6), v4(2, 80)).proto_info(ProtoInfo::Tcp(scaled)).seq_adj(shift(3), shift(-3)),
        NewFlow::tcp(v4(1, 7), v4(2, 80)).zone(9).synproxy(Synproxy { isn: 1, its: 2, tsoff: 3 }),
        NewFlow::new(Tuple::udp(v4(1, 8), v4(2, 53)).in_zone(4)).reply(Tuple::udp(v4(2, 53), v4(1, 8))),
        NewFlow::new(Tuple::udp(v4(1, 9), v4(2, 53))).reply(Tuple::udp(v4(2, 53), v4(1, 9)).in_zone(4)),
        NewFlow::new(Tuple::sctp(v4(1, 10), v4(2, 80)))
            .proto_info(ProtoInfo::Sctp(sctp))
            .timeout(Duration::from_secs(210)),
        NewFlow::new(Tuple::with_ports(Protocol::UDPLITE, v6(1, 11), v6(2, 80))),
        NewFlow::new(Tuple::with_ports(Protocol::GRE, v4(1, 12), v4(2, 13))),
        NewFlow::generic(Protocol::ESP, v4(1, 0).ip(), v4(2, 0).ip()).nat_src(outside),
        NewFlow::generic(Protocol::AH, v6(1, 0).ip(), v6(2, 0).ip()).mark(u32::MAX),
    ])
}

/// The table, by what identifies a flow across its restoration.
fn table(ct: &Conntrack) -> Result<BTreeMap<String, Flow>, conntrack::Error> {
    ct.dump()?.map(|flow| flow.map(|flow| (format!("{:?} {:?}", flow.orig, flow.zone), flow))).collect()
}

/// Masters before those they announce.
fn restore(ct: &Conntrack, flows: impl IntoIterator<Item = Flow>) -> Outcome {
    let (children, others): (Vec<_>, Vec<_>) = flows.into_iter().partition(|flow| flow.master.is_some());
    let commands = others.iter().chain(&children).map(|flow| Command::Create(NewFlow::from(flow)));
    ct.batch(commands).run()?.into_result()?;
    Ok(())
}

/// What survives: all but the id, the moments, the count of references and the seconds that have passed.
fn surviving(flow: &Flow) -> Flow {
    Flow { id: conntrack::FlowId([0; 4]), ..flow.clone() }
}

fn restores_what_can_survive(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    for flow in everything()? {
        let flow = flow.timeout(Duration::from_secs(5000));
        ct.create(&flow).map_err(|error| format!("{:?}: {error}", flow.orig))?;
    }
    let before = table(&ct)?;
    same!(before.len(), everything()?.len());
    ct.flush_all()?;
    same!(ct.dump()?.count(), 0);
    restore(&ct, before.values().cloned())?;
    let after = table(&ct)?;
    same!(after.len(), before.len());
    for (key, before) in &before {
        let after = after.get(key).ok_or_else(|| format!("{key} was not restored"))?;
        holds!(surviving(before).has_same_state(&surviving(after)), "{before:#?} is as {after:#?}");
        let left = after.timeout.ok_or("no timeout")?;
        holds!(left.0 > 4000, "{key} lives on: {left:?}");
    }
    let children = after.values().filter(|flow| flow.status.contains(Status::EXPECTED) && flow.master.is_some());
    same!(children.count(), 1);
    Ok(())
}

fn restores_traffic(sandbox: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    let mut open = Vec::new();
    for family in [Family::IPV4, Family::IPV6] {
        open.push((sandbox.tcp_connection(family)?, sandbox.udp_exchange(family)?, sandbox.ping(family)?));
    }
    let before = table(&ct)?;
    ct.flush_all()?;
    restore(&ct, before.values().cloned())?;
    let after = table(&ct)?;
    same!(after.keys().collect::<Vec<_>>(), before.keys().collect::<Vec<_>>());
    for (key, before) in &before {
        let after = after.get(key).ok_or("not restored")?;
        same!((after.status, after.mark), (before.status, before.mark), "{key}");
        let state = |flow: &Flow| flow.proto_info.as_ref().and_then(ProtoInfo::tcp_state);
        same!(state(after), state(before), "{key}");
    }
    // The connections go on over the restored flows: their packets are counted there.
    for (tcp, udp, _) in &open {
        std::io::Write::write_all(&mut &tcp.client, b"still here")?;
        std::io::Read::read_exact(&mut &tcp.server, &mut [0; 10])?;
        udp.client.send(b"still here")?;
        udp.server.recv(&mut [0; 10])?;
        for tuple in [tcp.tuple, udp.tuple] {
            let flow = ct.get(&tuple.into())?.ok_or("gone")?;
            holds!(flow.counters(FlowDirection::ORIGINAL).is_some_and(|counters| counters.packets >= 1), "{flow:?}");
        }
    }
    same!(ct.dump()?.count(), before.len());
    Ok(())
}

/// No flow table is needed: what the kernel does not report of a flow in it is taken away here.
fn restores_offloaded(sandbox: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    let tcp = sandbox.tcp_connection(Family::IPV4)?;
    let udp = sandbox.udp_exchange(Family::IPV4)?;
    let before = table(&ct)?;
    ct.flush_all()?;
    let offloaded = before.values().cloned().map(|flow| Flow {
        status: flow.status | Status::OFFLOAD,
        timeout: None,
        proto_info: None,
        ..flow
    });
    restore(&ct, offloaded)?;
    let established = ct.get(&tcp.tuple.into())?.ok_or("not restored")?;
    same!(established.proto_info.as_ref().and_then(ProtoInfo::tcp_state), Some(TcpState::ESTABLISHED));
    holds!(established.timeout.is_some_and(|left| left.0 > 400_000), "{established:?}");
    let other = ct.get(&udp.tuple.into())?.ok_or("not restored")?;
    holds!(other.timeout.is_some_and(|left| left.0 <= 30), "{other:?}");

    std::io::Write::write_all(&mut &tcp.client, b"still here")?;
    std::io::Read::read_exact(&mut &tcp.server, &mut [0; 10])?;
    let after = ct.get(&tcp.tuple.into())?.ok_or("gone")?;
    same!(after.id, established.id);
    holds!(after.counters(FlowDirection::ORIGINAL).is_some_and(|counters| counters.packets >= 1), "{after:?}");
    Ok(())
}

fn restored_translation_translates(sandbox: &Sandbox) -> Outcome {
    sandbox.enable_nat()?;
    let ct = Conntrack::open()?;
    let server = std::net::UdpSocket::bind(("127.0.0.1", 0))?;
    let client = std::net::UdpSocket::bind(("127.0.0.1", 0))?;
    server.set_read_timeout(Some(PATIENCE))?;
    client.set_read_timeout(Some(PATIENCE))?;
    // A virtual address, behind which is the server.
    let address: SocketAddr = ([127, 0, 0, 99], 53).into();
    let flow = NewFlow::udp(client.local_addr()?, address)
        .nat_dst(Nat::to(server.local_addr()?.ip()).port(server.local_addr()?.port()));
    ct.create(&flow)?;
    let reported = ct.get(&flow.orig.into())?.ok_or("not there")?;
    same!(
        reported.translated_destination().map(|end| (end.address, end.port)),
        Some((server.local_addr()?.ip(), Some(server.local_addr()?.port())))
    );
    same!(reported.translated_source(), None);
    ct.flush_all()?;
    restore(&ct, [reported])?;

    client.send_to(b"ping", address)?;
    let mut buffer = [0; 4];
    let (_, from) = server.recv_from(&mut buffer)?;
    same!((from, &buffer), (client.local_addr()?, b"ping"));
    server.send_to(b"pong", from)?;
    let (_, from) = client.recv_from(&mut buffer)?;
    same!((from, &buffer), (address, b"pong"));
    Ok(())
}
