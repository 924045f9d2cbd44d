//! Expectations.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use conntrack::sandbox::Sandbox;
use conntrack::{
    Conntrack, Decode, Error, Expect, ExpectFlags, ExpectId, ExpectKey, ExpectTuples, ExpectUpdate, Family,
    FlowDirection, FlowKey, HelperName, NewExpect, NewFlow, Protocol, Seconds, Tuple,
};

use crate::{Outcome, cases, holds, same};

cases! {
    creates_what_was_asked,
    creates_every_protocol,
    dumps_by_master,
    dumps_into_a_projection,
    gets_by_packet_and_by_id,
    updates_the_timeout_only,
    updates_only_the_expectation_it_means,
    deletes_only_the_expectation_it_means,
    deletes_those_of_a_helper,
    flushes,
    too_many_evict_the_oldest,
    restores_what_was_dumped,
}

pub(crate) fn helper(name: &str) -> HelperName {
    name.parse().expect("short enough")
}

/// A client and a server.
pub(crate) fn ends(port: u16) -> (SocketAddr, SocketAddr) {
    (([10, 0, 0, 1], port).into(), ([10, 0, 0, 2], 21).into())
}

/// An FTP control connection: one expectation at a time.
pub(crate) fn ftp(port: u16) -> NewFlow {
    let (client, server) = ends(port);
    NewFlow::tcp(client, server).help(helper("ftp")).timeout(Seconds(300))
}

/// A SIP session: classes 0 with 1, 1 and 2 with 4, 3 with 2 expectations at a time.
pub(crate) fn sip(port: u16) -> NewFlow {
    NewFlow::udp(([10, 0, 0, 1], port).into(), ([10, 0, 0, 2], 5060).into()).help(helper("sip")).timeout(Seconds(300))
}

/// From any port of the server to this port of the client.
pub(crate) fn udp(port: u16) -> Tuple {
    Tuple::udp(([10, 0, 0, 2], 0).into(), ([10, 0, 0, 1], port).into())
}

pub(crate) fn tcp(port: u16) -> Tuple {
    Tuple::tcp(([10, 0, 0, 2], 0).into(), ([10, 0, 0, 1], port).into())
}

/// All expectations, by what tells them apart here.
fn ports(ct: &Conntrack) -> Result<BTreeSet<u16>, Error> {
    ct.expectations()?.map(|expect| expect.map(|expect| expect.tuple.dst_port().unwrap_or_default())).collect()
}

pub(crate) fn only(ct: &Conntrack) -> Result<Expect, Box<dyn std::error::Error + Send + Sync>> {
    let mut all = ct.expectations()?;
    match (all.next().transpose()?, all.next()) {
        (Some(expect), None) => Ok(expect),
        (first, more) => Err(format!("not one expectation: {first:?}, {more:?}").into()),
    }
}

fn creates_what_was_asked(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    let master = ftp(40000);
    ct.create(&master)?;
    let (client, server) = ends(40000);
    let exactly = Tuple::tcp((server.ip(), 20).into(), (client.ip(), 5000).into());
    let saved: SocketAddr = ([192, 0, 2, 9], 99).into();
    let new = NewExpect::exactly(exactly, master.orig)
        .flags(ExpectFlags::PERMANENT | ExpectFlags::INACTIVE)
        .nat(FlowDirection::REPLY, saved)
        .function("nat-follow-master".parse()?)
        .class(helper("ftp"), 0);
    ct.create_expectation(&new)?;

    let found = only(&ct)?;
    same!((found.tuple, found.mask, found.master), (exactly, new.tuples.mask, master.orig));
    same!(found.flags, ExpectFlags::PERMANENT | ExpectFlags::INACTIVE);
    same!(
        found.nat.map(|nat| (nat.direction, nat.tuple.src(), nat.tuple.src_port())),
        Some((FlowDirection::REPLY, saved.ip(), Some(99)))
    );
    same!(found.function, Some("nat-follow-master".parse()?));
    same!((found.class, found.helper), (0, Some(helper("ftp"))));
    holds!((290..=300).contains(&found.timeout.0), "{:?} is what the helper's class says", found.timeout);

    // The master can be named by either of its tuples. What a tuple has beyond its mask is kept, and means nothing.
    ct.flush_expectations()?;
    let mut loose = NewExpect::from_anyone(exactly, master.orig);
    loose.tuples.master = master.reply;
    ct.create_expectation(&loose)?;
    let found = only(&ct)?;
    same!(found.tuple, exactly);
    same!((found.mask.src(), found.mask.src_port()), (Ipv4Addr::UNSPECIFIED.into(), Some(0)));
    let anyone: SocketAddr = ([192, 0, 2, 1], 1).into();
    let packet = Tuple::udp(anyone, (client.ip(), 5000).into());
    same!(ct.get_expectation(&packet.into())?, None, "of another protocol");
    let packet = Tuple::tcp(anyone, (client.ip(), 5000).into());
    same!(ct.get_expectation(&packet.into())?.map(|expect| expect.tuple), Some(exactly), "from anyone");
    same!(found.master, master.orig);
    same!((found.flags, found.nat, found.function), (ExpectFlags::default(), None, None));
    Ok(())
}

fn creates_every_protocol(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    let master = sip(5060);
    ct.create(&master)?;
    let (client, server): (IpAddr, IpAddr) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
    let with_ports = |protocol| Tuple::with_ports(protocol, (server, 7).into(), (client, 8).into());
    // Of another protocol than their master, too. Six of them, four to a class.
    let tuples = [
        (with_ports(Protocol::TCP), 1),
        (with_ports(Protocol::UDP), 1),
        (with_ports(Protocol::SCTP), 1),
        (with_ports(Protocol::GRE), 1),
        (Tuple::echo(server, client, 7), 2),
        (Tuple::generic(Protocol::ESP, server, client), 2),
    ];
    for (tuple, class) in tuples {
        ct.create_expectation(&NewExpect::exactly(tuple, master.orig).class(helper("sip"), class))?;
    }
    let found: Vec<Expect> = ct.expectations()?.collect::<Result<_, _>>()?;
    same!(found.len(), tuples.len());
    for (tuple, class) in tuples {
        let found = found.iter().find(|expect| expect.tuple == tuple).ok_or(format!("no {tuple}"))?;
        same!((found.class, found.mask.protocol(), found.master), (class, tuple.protocol(), master.orig));
    }
    // Both families come in one dump.
    let [client, server] = [1, 2].map(|last| IpAddr::from(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, last)));
    let master6 = NewFlow::tcp((client, 40000).into(), (server, 21).into()).help(helper("ftp"));
    ct.create(&master6)?;
    let data = Tuple::tcp((server, 0).into(), (client, 5000).into());
    ct.create_expectation(&NewExpect::from_any_port(data, master6.orig))?;
    let families: BTreeSet<_> =
        ct.expectations()?.map(|expect| expect.map(|expect| expect.tuple.family())).collect::<Result<_, _>>()?;
    same!(families, BTreeSet::from([Some(Family::IPV4), Some(Family::IPV6)]));
    same!(
        ct.get_expectation(&ExpectKey::new(data))?.map(|expect| expect.mask.src()),
        Some(Ipv6Addr::from(u128::MAX).into())
    );
    Ok(())
}

fn dumps_by_master(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    let (full, empty) = (sip(5060), sip(5061));
    let plain = NewFlow::udp(([10, 0, 0, 1], 1).into(), ([10, 0, 0, 2], 2).into());
    let zoned = sip(5060).zone(7);
    for flow in [&full, &empty, &plain, &zoned] {
        ct.create(flow)?;
    }
    for port in 1..=3 {
        ct.create_expectation(&NewExpect::from_any_port(udp(port), full.orig).class(helper("sip"), 1))?;
    }
    ct.create_expectation(&NewExpect::from_any_port(udp(4), zoned.orig).class(helper("sip"), 1).zone(7))?;

    let of = |master: &FlowKey| -> Result<Vec<u16>, Error> {
        let mut ports: Vec<u16> = ct
            .expectations_of(master)?
            .map(|expect| expect.map(|expect| expect.tuple.dst_port().unwrap_or_default()))
            .collect::<Result<_, _>>()?;
        ports.sort_unstable();
        Ok(ports)
    };
    same!(of(&full.orig.into())?, vec![1, 2, 3]);
    same!(of(&full.reply.into())?, vec![1, 2, 3], "by the reply tuple");
    same!(of(&FlowKey::new(zoned.orig).in_zone(7))?, vec![4]);
    same!(of(&empty.orig.into())?, vec![], "a helper, and no expectations");
    same!(of(&plain.orig.into())?, vec![], "no helper, for which the kernel says nothing");
    let absent = Tuple::udp(([10, 9, 9, 9], 1).into(), ([10, 0, 0, 2], 2).into());
    let error = of(&absent.into()).err().ok_or("the expectations of no flow")?;
    holds!(error.is_not_found(), "{error}");
    // The key of a flow that a dump reported, one whose zone covers one direction included.
    let half = NewFlow::new(sip(5070).orig.in_zone(9)).reply(sip(5070).reply).help(helper("sip"));
    ct.create(&half)?;
    ct.create_expectation(&NewExpect::from_any_port(udp(5), sip(5070).orig).class(helper("sip"), 1).zone(9))?;
    for flow in ct.dump()? {
        let flow = flow?;
        let expected: &[u16] = match (flow.orig.src_port(), flow.zone, flow.orig.zone) {
            (Some(5060), None, None) => &[1, 2, 3],
            (Some(5060), Some(7), None) => &[4],
            (Some(5070), None, Some(9)) => &[5],
            _ => &[],
        };
        same!(of(&flow.key())?, expected);
    }
    // Zone 0 beside the tuple is none, and leaves the one in it.
    same!(of(&FlowKey::new(full.orig).in_zone(0))?, vec![1, 2, 3]);
    let by_half = FlowKey::new(half.orig).in_zone(0);
    same!(ct.get(&by_half)?.map(|flow| flow.orig), Some(half.orig));
    same!(of(&by_half)?, vec![5]);
    // The connection is as good as before.
    same!(ports(&ct)?, BTreeSet::from([1, 2, 3, 4, 5]));
    Ok(())
}

fn dumps_into_a_projection(_: &Sandbox) -> Outcome {
    #[derive(Debug, PartialEq, Decode)]
    struct Class {
        #[nla(CTA_EXPECT_CLASS)]
        class: u32,
    }
    let ct = Conntrack::open()?;
    ct.create(&sip(5060))?;
    ct.create_expectation(&NewExpect::from_any_port(udp(1), sip(5060).orig).class(helper("sip"), 2))?;
    let classes: Vec<Class> = ct.expectations_as::<Class>()?.collect::<Result<_, _>>()?;
    same!(classes, vec![Class { class: 2 }]);
    Ok(())
}

fn gets_by_packet_and_by_id(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    ct.create(&ftp(40000))?;
    ct.create(&ftp(40000).zone(3))?;
    ct.create_expectation(&NewExpect::from_any_port(tcp(5000), ftp(40000).orig))?;
    ct.create_expectation(&NewExpect::from_any_port(tcp(6000), ftp(40000).orig).zone(3))?;
    let packet = Tuple::tcp(([10, 0, 0, 2], 1234).into(), ([10, 0, 0, 1], 5000).into());
    let found = ct.get_expectation(&packet.into())?.ok_or("no packet is expected")?;
    same!(found.tuple, tcp(5000));
    // Not the whole of it: its timeout runs.
    same!(ct.get_expectation(&found.key())?.map(|expect| (expect.id, expect.tuple)), Some((found.id, found.tuple)));
    let other = ExpectId(found.id.0.map(|byte| !byte));
    same!(ct.get_expectation(&found.key().with_id(other))?, None, "another one");
    same!(ct.get_expectation(&tcp(5001).into())?, None, "another port");
    same!(ct.get_expectation(&tcp(6000).into())?, None, "another zone");
    same!(ct.get_expectation(&ExpectKey::new(tcp(6000)).in_zone(3))?.map(|expect| expect.tuple), Some(tcp(6000)));
    Ok(())
}

fn updates_the_timeout_only(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    ct.create(&sip(5060))?;
    let new = NewExpect::from_any_port(udp(1), sip(5060).orig).class(helper("sip"), 2).flags(ExpectFlags::PERMANENT);
    ct.create_expectation(&new)?;
    let before = only(&ct)?;
    ct.update_expectation_timeout(&ExpectUpdate::new(new.tuples, Duration::from_secs(1000)))?;
    let after = only(&ct)?;
    holds!((990..=1000).contains(&after.timeout.0), "{:?}", after.timeout);
    same!(Expect { timeout: before.timeout, ..after.clone() }, before);
    // What was reported says enough.
    ct.update_expectation_timeout(&ExpectUpdate::new(ExpectTuples::from(&after), Seconds(50)))?;
    holds!((40..=50).contains(&only(&ct)?.timeout.0));

    let absent = ExpectTuples { tuple: udp(2), ..new.tuples };
    let error = ct.update_expectation_timeout(&ExpectUpdate::new(absent, Seconds(5))).err().ok_or("updated nothing")?;
    holds!(error.is_not_found(), "{error}");
    // The longest that is sure to fit: longer ones the kernel would cut.
    ct.update_expectation_timeout(&ExpectUpdate::new(new.tuples, Seconds(4_294_967)))?;
    holds!((4_294_957..=4_294_967).contains(&only(&ct)?.timeout.0), "{:?}", only(&ct)?.timeout);
    Ok(())
}

/// The kernel looks for any expectation that a packet with the update's tuple meets, in the zone, and compares neither the
/// mask nor the master.
fn updates_only_the_expectation_it_means(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    let (master, other) = (ftp(40000), ftp(40001));
    for flow in [&master, &other, &ftp(40000).zone(3)] {
        ct.create(flow)?;
    }
    let new = NewExpect::from_anyone(tcp(5000), master.orig);
    ct.create_expectation(&new)?;
    let before = only(&ct)?.timeout;
    let absent: Tuple = Tuple::tcp(([10, 7, 7, 7], 1).into(), ([10, 7, 7, 8], 2).into());
    let packet = Tuple::tcp(([10, 9, 9, 9], 77).into(), ([10, 0, 0, 1], 5000).into());
    let port = NewExpect::from_any_port(tcp(5000), master.orig);
    for (what, tuples) in [
        ("another source", ExpectTuples { tuple: packet, ..new.tuples }),
        ("another source and mask", NewExpect::exactly(packet, master.orig).tuples),
        ("another mask", port.tuples),
        ("another master", ExpectTuples { master: other.orig, ..new.tuples }),
        ("another master by its reply tuple", ExpectTuples { master: other.reply, ..new.tuples }),
        ("a master that is not there", ExpectTuples { master: absent, ..new.tuples }),
        ("another zone", new.tuples.in_zone(3)),
        ("another port", ExpectTuples { tuple: tcp(5001), ..new.tuples }),
    ] {
        let error = ct.update_expectation_timeout(&ExpectUpdate::new(tuples, Seconds(7))).err().ok_or(what)?;
        holds!(error.is_not_found(), "{what}: {error}");
        holds!(error.to_string().starts_with("updating an expectation: ENOENT"), "{what}: {error}");
        holds!(before.0 - only(&ct)?.timeout.0 <= 5, "{what}: {:?} became {:?}", before, only(&ct)?.timeout);
    }
    // The master by either of its tuples.
    for (tuple, seconds) in [(master.orig, 1000), (master.reply, 2000)] {
        let tuples = ExpectTuples { master: tuple, ..new.tuples };
        ct.update_expectation_timeout(&ExpectUpdate::new(tuples, Seconds(seconds)))?;
        holds!((seconds - 10..=seconds).contains(&only(&ct)?.timeout.0), "{:?}", only(&ct)?.timeout);
    }

    // A master whose zone covers one direction, and a mask of which ICMP reports more than was given.
    for (zone, master) in [
        (8, NewFlow::new(sip(5060).orig.in_zone(8)).reply(sip(5060).reply)),
        (9, NewFlow::new(sip(5061).orig).reply(sip(5061).reply.in_zone(9))),
    ] {
        ct.flush_expectations()?;
        ct.create(&master.clone().help(helper("sip")).timeout(Seconds(300)))?;
        let zoneless = |tuple: Tuple| Tuple { zone: None, ..tuple };
        // The kernel looks for the master in the zone of the expectation, by the direction that is in it.
        let by = if zone == 8 { master.orig } else { master.reply };
        let (client, server) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
        let new = NewExpect::exactly(Tuple::echo(server, client, 7), zoneless(by)).class(helper("sip"), 1).zone(zone);
        ct.create_expectation(&new)?;
        ct.update_expectation_timeout(&ExpectUpdate::new(new.tuples, Seconds(1000)))?;
        holds!((990..=1000).contains(&only(&ct)?.timeout.0), "zone {zone}: {:?}", only(&ct)?.timeout);
        let reported = ExpectTuples::from(&only(&ct)?).in_zone(zone);
        ct.update_expectation_timeout(&ExpectUpdate::new(reported, Seconds(50)))?;
        holds!((40..=50).contains(&only(&ct)?.timeout.0), "zone {zone}: {:?}", only(&ct)?.timeout);
    }
    Ok(())
}

fn deletes_only_the_expectation_it_means(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    ct.create(&sip(5060))?;
    for port in 1..=3 {
        ct.create_expectation(&NewExpect::from_any_port(udp(port), sip(5060).orig).class(helper("sip"), 1))?;
    }
    let first = ct.get_expectation(&udp(1).into())?.ok_or("not there")?;
    let wrong = ExpectId(first.id.0.map(|byte| !byte));
    holds!(!ct.delete_expectation(&first.key().with_id(wrong))?, "another id");
    holds!(!ct.delete_expectation(&udp(9).into())?, "another tuple");
    holds!(!ct.delete_expectation(&first.key().in_zone(4))?, "another zone");
    // Naming the master deletes nothing: its tuple is not expected.
    holds!(!ct.delete_expectation(&first.master.into())?);
    same!(ports(&ct)?, BTreeSet::from([1, 2, 3]));
    holds!(ct.delete_expectation(&first.key())?);
    holds!(!ct.delete_expectation(&first.key())?, "a second time");
    holds!(ct.delete_expectation(&udp(2).into())?);
    same!(ports(&ct)?, BTreeSet::from([3]));
    Ok(())
}

fn deletes_those_of_a_helper(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    for master in [sip(5060), sip(5061), ftp(40000)] {
        ct.create(&master)?;
    }
    ct.create_expectation(&NewExpect::from_any_port(udp(1), sip(5060).orig).class(helper("sip"), 1))?;
    ct.create_expectation(&NewExpect::from_any_port(udp(2), sip(5061).orig).class(helper("sip"), 1))?;
    ct.create_expectation(&NewExpect::from_any_port(tcp(3), ftp(40000).orig))?;
    for absent in ["irc", "", "si", "no-such-helper"] {
        ct.delete_expectations_of_helper(&helper(absent))?;
        same!(ports(&ct)?, BTreeSet::from([1, 2, 3]), "{absent:?}");
    }
    ct.delete_expectations_of_helper(&helper("sip"))?;
    same!(ports(&ct)?, BTreeSet::from([3]));
    Ok(())
}

fn flushes(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    ct.flush_expectations()?;
    ct.create(&sip(5060))?;
    ct.create(&ftp(40000).zone(3))?;
    ct.create_expectation(&NewExpect::from_any_port(udp(1), sip(5060).orig).class(helper("sip"), 1))?;
    ct.create_expectation(&NewExpect::from_any_port(tcp(2), ftp(40000).orig).zone(3))?;
    same!(ports(&ct)?, BTreeSet::from([1, 2]));
    ct.flush_expectations()?;
    same!(ct.expectations()?.count(), 0);
    same!(ct.dump()?.count(), 2, "their masters stay");
    Ok(())
}

fn too_many_evict_the_oldest(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    ct.create(&sip(5060))?;
    for port in 1..=6 {
        ct.create_expectation(&NewExpect::from_any_port(udp(port), sip(5060).orig).class(helper("sip"), 1))?;
    }
    same!(ports(&ct)?, BTreeSet::from([3, 4, 5, 6]), "four of the class");
    ct.create_expectation(&NewExpect::from_any_port(udp(7), sip(5060).orig).class(helper("sip"), 2))?;
    same!(ports(&ct)?, BTreeSet::from([3, 4, 5, 6, 7]), "another class");
    Ok(())
}

fn restores_what_was_dumped(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    ct.create(&sip(5060))?;
    let master = sip(5060).orig;
    let (client, server): (IpAddr, IpAddr) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
    for new in [
        NewExpect::from_any_port(udp(1), master).class(helper("sip"), 1).flags(ExpectFlags::PERMANENT),
        NewExpect::from_anyone(udp(2), master).class(helper("sip"), 2).nat(FlowDirection::REPLY, (client, 99).into()),
        NewExpect::exactly(Tuple::echo(server, client, 7), master).class(helper("sip"), 3).function("sip".parse()?),
        NewExpect::exactly(Tuple::generic(Protocol::ESP, server, client), master).class(helper("sip"), 1),
    ] {
        ct.create_expectation(&new)?;
    }
    let sorted = || -> Result<Vec<Expect>, Error> {
        let mut all: Vec<Expect> = ct.expectations()?.collect::<Result<_, _>>()?;
        all.sort_by_key(|expect| expect.tuple.to_string());
        Ok(all)
    };
    let before = sorted()?;
    same!(before.len(), 4);
    ct.flush_expectations()?;
    for expect in &before {
        ct.create_expectation(&NewExpect::from(expect))?;
        ct.update_expectation_timeout(&ExpectUpdate::new(ExpectTuples::from(expect), expect.timeout))?;
    }
    for (before, after) in before.iter().zip(sorted()?) {
        holds!(before.timeout.0.abs_diff(after.timeout.0) <= 5, "{:?}, {:?}", before.timeout, after.timeout);
        same!(Expect { id: before.id, timeout: before.timeout, ..after }, *before);
    }
    Ok(())
}
