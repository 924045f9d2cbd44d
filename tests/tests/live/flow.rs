//! One flow: create, get, update, delete.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;

use conntrack::sandbox::Sandbox;
use conntrack::{
    Changes, Conntrack, Errno, Error, Family, FlowId, FlowKey, HelperName, Labels, Nat, NewFlow, ProtoInfo, Protocol,
    Seconds, Status, TcpState, Tuple, UsageError,
};

use crate::common::{LONG, errno, udp};
use crate::{Outcome, cases, holds, same};

cases! {
    creates_what_was_asked,
    creates_tcp_established,
    creates_every_protocol,
    tuples_without_ports,
    creates_nothing_twice,
    creates_in_zones,
    translates,
    refuses_before_sending,
    names_the_operation_and_the_errno,
    gets_by_either_tuple,
    gets_nothing_where_nothing_is,
    gets_into_a_projection,
    gets_what_traffic_made,
    updates_mark_to_zero,
    updates_bits_of_the_mark,
    updates_timeout_and_status,
    updates_labels_under_a_mask,
    updates_nothing_where_nothing_is,
    upserts,
    deletes_only_the_flow_it_means,
    deletes_once,
    shares_a_connection_between_threads,
}

/// A client and a server, different for each port.
fn ends(port: u16) -> (SocketAddr, SocketAddr) {
    (([10, 0, 0, 1], port).into(), ([10, 0, 0, 2], 53).into())
}

fn ends6(port: u16) -> (SocketAddr, SocketAddr) {
    let net = |last| IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, last]);
    (SocketAddr::new(net(1), port), SocketAddr::new(net(2), 443))
}

fn creates_what_was_asked(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    let flow = udp(1000).timeout(Duration::from_secs(1000)).mark(7).status(Status::SEEN_REPLY | Status::ASSURED);
    ct.create(&flow)?;
    let found = ct.get(&flow.orig.into())?.ok_or("not there")?;
    same!(found.orig, flow.orig);
    same!(found.reply, flow.reply);
    same!(found.mark, Some(7));
    same!(found.status, Status::CONFIRMED | Status::SEEN_REPLY | Status::ASSURED);
    same!(found.zone, None);
    let left = found.timeout.ok_or("no timeout")?;
    holds!((900..=1000).contains(&left.0), "{left:?} is about 1000 seconds");
    Ok(())
}

fn creates_tcp_established(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    let (client, server) = ends6(2000);
    let flow = NewFlow::tcp(client, server);
    ct.create(&flow)?;
    let found = ct.get(&flow.orig.into())?.ok_or("not there")?;
    same!(found.proto_info.as_ref().and_then(ProtoInfo::tcp_state), Some(TcpState::ESTABLISHED));
    same!(found.orig.family(), Some(Family::IPV6));
    holds!(found.status.contains(Status::ASSURED));
    Ok(())
}

fn creates_every_protocol(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    let ((client, server), (client6, server6)) = (ends(3000), ends6(3000));
    let sctp = ProtoInfo::Sctp(conntrack::ProtoInfoSctp {
        state: Some(conntrack::SctpState::ESTABLISHED),
        vtag_original: Some(1),
        vtag_reply: Some(2),
    });
    let flows = [
        NewFlow::udp(client, server),
        NewFlow::tcp(client6, server6),
        NewFlow::new(Tuple::sctp(client, server)).proto_info(sctp),
        NewFlow::new(Tuple::with_ports(Protocol::UDPLITE, client6, server6)),
        NewFlow::new(Tuple::with_ports(Protocol::GRE, client, server)),
        NewFlow::echo(client.ip(), server.ip(), 77),
        NewFlow::echo(client6.ip(), server6.ip(), 78),
        NewFlow::generic(Protocol::ESP, client.ip(), server.ip()),
        NewFlow::generic(Protocol::AH, client6.ip(), server6.ip()),
    ];
    for flow in &flows {
        ct.create(flow).map_err(|error| format!("{:?}: {error}", flow.orig))?;
    }
    for flow in &flows {
        let found = ct.get(&flow.orig.into())?.ok_or("not there")?;
        same!((found.orig, found.reply), (flow.orig, flow.orig.inverse()));
        same!(found.proto_info.is_some(), matches!(flow.orig.protocol(), Protocol::TCP | Protocol::SCTP));
    }
    same!(ct.dump()?.count(), flows.len());
    Ok(())
}

/// Protocols whose tracker this kernel lacks have flows without ports: they can be created, found, changed, deleted and
/// restored. For the others, the kernel refuses such a tuple.
fn tuples_without_ports(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    let ((client, server), (client6, server6)) = (ends(1), ends6(1));
    for protocol in [Protocol::DCCP, Protocol::GRE, Protocol::SCTP, Protocol::UDPLITE] {
        let is_tracked = ct.default_timeouts(protocol).is_ok();
        for (client, server) in [(client, server), (client6, server6)] {
            let new = NewFlow::generic(protocol, client.ip(), server.ip());
            let key = FlowKey::new(new.orig);
            if is_tracked {
                same!(errno(ct.create(&new)), Some(Errno::INVAL), "{protocol}");
                same!(errno(ct.get(&key)), Some(Errno::INVAL), "{protocol}");
                same!(errno(ct.delete(&key)), Some(Errno::INVAL), "{protocol}");
                continue;
            }
            ct.create(&new)?;
            let flow = ct.dump()?.next().ok_or("not there")??;
            same!((flow.orig, flow.reply), (new.orig, new.orig.inverse()), "{protocol}");
            ct.update(&flow.key(), &Changes::new().mark(7))?;
            same!(ct.get(&flow.key())?.and_then(|flow| flow.mark), Some(7), "{protocol}");
            same!(ct.get_zeroing(&flow.key())?.map(|flow| flow.orig), Some(new.orig), "{protocol}");
            same!(
                ct.dump_zeroing()?.map(|flow| flow.map(|flow| flow.orig)).collect::<Result<Vec<_>, _>>()?,
                vec![new.orig]
            );
            holds!(ct.delete(&flow.key())?, "{protocol}");
            ct.create(&NewFlow::from(&flow))?;
            same!(ct.delete_matching(&conntrack::Filter::all(), |_| true)?.into_result()?, 1, "{protocol}");
        }
    }
    same!(ct.dump()?.count(), 0);
    Ok(())
}

fn creates_nothing_twice(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    ct.create(&udp(1000).mark(1))?;
    let error = ct.create(&udp(1000).mark(2)).err().ok_or("created twice")?;
    holds!(error.is_exists(), "{error}");
    same!(ct.get(&udp(1000).orig.into())?.and_then(|flow| flow.mark), Some(1));
    Ok(())
}

fn creates_in_zones(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    let plain = udp(1000);
    let both = plain.clone().zone(5);
    let one = NewFlow::new(plain.orig.in_zone(6)).reply(plain.orig.inverse());
    for flow in [&plain, &both] {
        ct.create(flow)?;
    }
    // The reply of a flow whose zone covers only the original direction is in the default zone, where that of the
    // plain flow is already.
    holds!(ct.create(&one).is_err_and(|error| error.is_exists()));
    holds!(ct.delete(&plain.orig.into())?);
    ct.create(&one)?;

    let key = FlowKey::new(plain.orig);
    same!(ct.get(&key)?.map(|flow| flow.zone), None);
    same!(ct.get(&key.in_zone(5))?.map(|flow| flow.zone), Some(Some(5)));
    same!(
        ct.get(&FlowKey::new(one.orig))?.map(|flow| (flow.zone, flow.orig.zone, flow.reply.zone)),
        Some((None, Some(6), None))
    );
    for flow in ct.dump()? {
        let key = flow?.key();
        holds!(ct.get(&key)?.is_some(), "a flow's own key finds it");
        holds!(ct.delete(&key)?);
    }
    same!(ct.dump()?.count(), 0);
    Ok(())
}

fn translates(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    let outside: IpAddr = [192, 0, 2, 1].into();
    let inside: IpAddr = [192, 168, 0, 9].into();
    ct.create(&udp(1000).nat_src(Nat::to(outside).port(4000)))?;
    ct.create(&udp(1001).nat_dst(Nat::to(inside).port(5353)))?;
    let snat = ct.get(&udp(1000).orig.into())?.ok_or("not there")?;
    same!(snat.reply, Tuple::udp(([10, 0, 0, 2], 53).into(), SocketAddr::new(outside, 4000)));
    holds!(snat.status.contains(Status::SRC_NAT) && !snat.status.contains(Status::DST_NAT));
    let dnat = ct.get(&udp(1001).orig.into())?.ok_or("not there")?;
    same!(dnat.reply, Tuple::udp(SocketAddr::new(inside, 5353), ([10, 0, 0, 1], 1001).into()));
    holds!(dnat.status.contains(Status::DST_NAT) && !dnat.status.contains(Status::SRC_NAT));
    Ok(())
}

fn refuses_before_sending(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    let ((client, server), (_, server6)) = (ends(1), ends6(1));
    let range = |from: [u8; 4], to: [u8; 4]| Nat::to_range(from.into()..=to.into());
    let cases: [(NewFlow, UsageError); 9] = [
        (NewFlow::udp(client, server6), UsageError::MixedFamilies("the original direction")),
        (
            udp(1).nat_src(range([10, 0, 0, 9], [10, 0, 0, 1])),
            UsageError::AddressRange { min: [10, 0, 0, 9].into(), max: [10, 0, 0, 1].into() },
        ),
        (udp(1).nat_dst(Nat::default().ports(RangeInclusive::new(9, 1))), UsageError::PortRange { min: 9, max: 1 }),
        (udp(1).nat_dst(server6.ip()), UsageError::MixedFamilies("destination translation")),
        (udp(1).zone(1).reply(udp(1).reply.in_zone(2)), UsageError::TwoZones),
        (udp(1).master(Tuple::udp(server6, server6)), UsageError::MixedFamilies("the master")),
        (udp(1).zone(1).master(udp(2).orig.in_zone(1)), UsageError::TupleZone("the master")),
        (udp(1).status(Status::EXPECTED), UsageError::Status(Status::EXPECTED)),
        (
            NewFlow::new(Tuple::generic(Protocol::TCP, client.ip(), server.ip())),
            UsageError::WrongL4("the original direction"),
        ),
    ];
    for (flow, expected) in cases {
        match ct.create(&flow) {
            Err(Error::Usage(found)) => same!(found, expected),
            other => return Err(format!("{other:?}, expected {expected:?}").into()),
        }
    }
    holds!(HelperName::new("a-name-of-sixteen").is_err());
    holds!(Labels::try_from(&[0; 17][..]).is_err());
    same!(ct.dump()?.count(), 0);
    Ok(())
}

fn names_the_operation_and_the_errno(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    let flow = udp(1000).help(HelperName::new("no-such-helper")?);
    let error = ct.create(&flow).err().ok_or("created")?;
    same!(error.errno(), Some(Errno::OPNOTSUPP));
    same!(error.to_string(), "creating a flow: EOPNOTSUPP (Operation not supported)");
    same!(ct.dump()?.count(), 0);
    Ok(())
}

fn gets_by_either_tuple(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    let flow = udp(1000).nat_src(IpAddr::from([192, 0, 2, 1]));
    ct.create(&flow)?;
    let by_orig = ct.get(&flow.orig.into())?.ok_or("not there by the original tuple")?;
    let by_reply = ct.get(&by_orig.reply.into())?.ok_or("not there by the reply tuple")?;
    let as_reply = ct.get(&FlowKey::by_reply(by_orig.reply))?.ok_or("not there by the reply attribute")?;
    same!(by_orig.id, by_reply.id);
    same!(by_orig.id, as_reply.id);
    Ok(())
}

fn gets_nothing_where_nothing_is(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    same!(ct.get(&udp(1).orig.into())?, None);
    Ok(())
}

fn gets_into_a_projection(_: &Sandbox) -> Outcome {
    #[derive(Debug, PartialEq, conntrack::Decode)]
    struct Marked {
        #[nla(CTA_MARK)]
        mark: Option<u32>,
        #[nla(CTA_TIMEOUT)]
        timeout: Option<Seconds>,
    }
    let ct = Conntrack::open()?;
    ct.create(&udp(1).mark(9))?;
    let found: Marked = ct.get_as(&udp(1).orig.into())?.ok_or("not there")?;
    same!(found.mark, Some(9));
    holds!(found.timeout.is_some());
    Ok(())
}

fn gets_what_traffic_made(sandbox: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    for family in [Family::IPV4, Family::IPV6] {
        let (tcp, udp, ping) = (sandbox.tcp_connection(family)?, sandbox.udp_exchange(family)?, sandbox.ping(family)?);
        let flow = ct.get(&tcp.tuple.into())?.ok_or("no TCP flow")?;
        same!(flow.proto_info.as_ref().and_then(ProtoInfo::tcp_state), Some(TcpState::ESTABLISHED));
        holds!(flow.status.contains(Status::SEEN_REPLY | Status::ASSURED | Status::CONFIRMED));
        holds!(flow.counters_orig.is_some_and(|counters| counters.packets >= 2 && counters.bytes >= 80));
        holds!(flow.timestamp.is_some_and(|timestamp| timestamp.start.0 > 0 && timestamp.stop.is_none()));
        for tuple in [udp.tuple, ping.tuple] {
            let flow = ct.get(&tuple.into())?.ok_or("no flow")?;
            same!((flow.orig, flow.reply), (tuple, tuple.inverse()));
            holds!(flow.status.contains(Status::SEEN_REPLY));
        }
    }
    Ok(())
}

fn updates_mark_to_zero(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    let key = udp(1).orig.into();
    ct.create(&udp(1).mark(7))?;
    ct.update(&key, &Changes::new().mark(0))?;
    same!(ct.get(&key)?.and_then(|flow| flow.mark), Some(0));
    Ok(())
}

fn updates_bits_of_the_mark(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    let key = udp(1).orig.into();
    ct.create(&udp(1).mark(0xff00_ff00))?;
    ct.update(&key, &Changes::new().mark_bits(0xffff_ffff, 0x0000_00ff))?;
    same!(ct.get(&key)?.and_then(|flow| flow.mark), Some(0xff00_ffff));
    ct.update(&key, &Changes::new().mark_bits(0, 0xff00_0000))?;
    same!(ct.get(&key)?.and_then(|flow| flow.mark), Some(0x0000_ffff));
    Ok(())
}

fn updates_timeout_and_status(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    let key = udp(1).orig.into();
    ct.create(&udp(1).timeout(Duration::from_secs(1000)))?;
    let before = ct.get(&key)?.ok_or("not there")?;
    let changes =
        Changes::new().timeout(Duration::from_secs(5000)).status(before.status | Status::ASSURED | Status::SEEN_REPLY);
    ct.update(&key, &changes)?;
    let after = ct.get(&key)?.ok_or("not there")?;
    same!(after.status, before.status | Status::ASSURED | Status::SEEN_REPLY);
    holds!(after.timeout.is_some_and(|timeout| timeout.0 > 4000));
    same!(
        ct.update(&key, &Changes::new().status(before.status)).err().and_then(|error| error.errno()),
        Some(Errno::BUSY)
    );
    Ok(())
}

fn updates_labels_under_a_mask(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    let key = udp(1).orig.into();
    let labels = |bits: &[u8]| bits.iter().copied().collect::<Labels>();
    ct.create(&udp(1).labels(labels(&[1, 64, 127])))?;
    same!(ct.get(&key)?.and_then(|flow| flow.labels), Some(labels(&[1, 64, 127])));
    ct.update(&key, &Changes::new().labels_masked(labels(&[2, 3]), labels(&[1, 2])))?;
    same!(ct.get(&key)?.and_then(|flow| flow.labels), Some(labels(&[2, 64, 127])));
    ct.update(&key, &Changes::new().labels(Labels::default()))?;
    same!(ct.get(&key)?.and_then(|flow| flow.labels), None);
    Ok(())
}

fn updates_nothing_where_nothing_is(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    let error = ct.update(&udp(1).orig.into(), &Changes::new().mark(1)).err().ok_or("updated")?;
    holds!(error.is_not_found(), "{error}");
    same!(ct.dump()?.count(), 0);
    Ok(())
}

fn upserts(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    let key = udp(1).orig.into();
    ct.upsert(&udp(1).mark(1))?;
    let created = ct.get(&key)?.ok_or("not there")?;
    ct.upsert(&udp(1).mark(2))?;
    let updated = ct.get(&key)?.ok_or("not there")?;
    same!((created.mark, updated.mark), (Some(1), Some(2)));
    same!(created.id, updated.id);
    // A flow is found by its reply tuple too.
    let reversed = NewFlow::new(udp(1).orig.inverse()).mark(3).timeout(LONG);
    ct.upsert(&reversed)?;
    let updated = ct.get(&key)?.ok_or("not there")?;
    same!((updated.id, updated.orig, updated.mark), (created.id, udp(1).orig, Some(3)));
    holds!(ct.create(&reversed).is_err_and(|error| error.is_exists()));
    same!(ct.dump()?.count(), 1);
    Ok(())
}

fn deletes_only_the_flow_it_means(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    ct.create(&udp(1))?;
    ct.create(&udp(2))?;
    let first = ct.get(&udp(1).orig.into())?.ok_or("not there")?;
    let old = first.key();
    same!(old.id, Some(first.id));
    holds!(ct.delete(&old)?);
    ct.create(&udp(1))?;
    let new = ct.get(&udp(1).orig.into())?.ok_or("not there")?.key();
    // The kernel may give the memory of the old flow to the new one, and with it the id.
    if new.id != old.id {
        holds!(!ct.delete(&old)?, "a key with another flow's id deletes nothing");
    }
    holds!(!ct.delete(&new.with_id(FlowId([0xff; 4])))?);
    same!(ct.dump()?.count(), 2);
    holds!(ct.delete(&new)?);
    same!(ct.dump()?.count(), 1);
    Ok(())
}

fn deletes_once(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    ct.create(&udp(1))?;
    holds!(ct.delete(&udp(1).orig.into())?);
    holds!(!ct.delete(&udp(1).orig.into())?);
    Ok(())
}

fn shares_a_connection_between_threads(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    let failures = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4u16)
            .map(|thread| {
                let ct = &ct;
                scope.spawn(move || {
                    for port in thread * 100..thread * 100 + 100 {
                        ct.create(&udp(port).mark(port.into()))?;
                        ct.get(&udp(port).orig.into())?;
                    }
                    Ok::<(), Error>(())
                })
            })
            .collect();
        threads
            .into_iter()
            .map(std::thread::ScopedJoinHandle::join)
            .filter(|result| !matches!(result, Ok(Ok(()))))
            .count()
    });
    same!(failures, 0);
    for port in 0..400u16 {
        same!(ct.get(&udp(port).orig.into())?.and_then(|flow| flow.mark), Some(port.into()));
    }
    Ok(())
}
