//! Events.

use std::time::Duration;

use conntrack::codec::Layout;
use conntrack::header::NlMsgHdr;
use conntrack::netlink::{Channel, NLM_F_CREATE, NLM_F_EXCL, Request};
use conntrack::sandbox::{Namespace, Sandbox};
use conntrack::uapi::{IPCTNL_MSG_EXP_DELETE, IPCTNL_MSG_EXP_NEW, NFNL_SUBSYS_CTNETLINK_EXP};
use conntrack::{
    Capability, Changes, Command, Conntrack, Error, Event, Events, ExpectTuples, Family, Filter, FlowId, Groups,
    NewExpect, NewFlow, Origin, Report, Status, TcpState, Tuple,
};
use conntrack_tests::generate;
use rustix::net::netlink::{NETFILTER, SocketAddrNetlink};
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType};
use rustix::thread::CapabilitySet;

use crate::common::{PATIENCE, udp};
use crate::privilege::without;
use crate::{Outcome, cases, holds, same};

cases! {
    tells_new_update_and_destroy_apart,
    each_group_has_its_own,
    expectations_have_events,
    traffic_has_no_port,
    has_times,
    decodes_projections,
    an_overrun_stands_where_the_gap_is,
    goes_on_after_several_overruns,
    a_hidden_overrun_is_still_counted,
    a_reliable_listener_misses_no_destroy,
    a_buffer_can_be_forced,
    is_of_the_builders_namespace,
    hears_all_namespaces_that_have_an_id,
    drops_what_other_processes_send,
    other_subsystems_are_unknown,
    one_undecodable_message_is_not_the_end,
    a_filter_selects,
    waits_as_long_as_it_is_told,
    says_which_capability_is_missing,
    refuses_to_listen_to_nothing,
}

/// The next event, which must come.
fn next<T: conntrack::Decode>(events: &mut Events<T>) -> Result<Event<T>, Box<dyn std::error::Error + Send + Sync>> {
    events.next_timeout(PATIENCE)?.ok_or_else(|| "no event came".into())
}

/// All that is there.
fn drain(events: &mut Events) -> Result<Vec<Event>, Error> {
    std::iter::from_fn(|| events.try_next().transpose()).collect()
}

fn create(ct: &Conntrack, ports: std::ops::Range<u16>) -> Outcome {
    let count = u64::try_from(ports.len())?;
    same!(ct.batch(ports.map(|port| Command::Create(udp(port)))).run()?.into_result()?, count);
    Ok(())
}

/// The source port of the flow that was created or destroyed.
fn port(event: &Event) -> Option<u16> {
    event.flow().and_then(|flow| flow.orig.src_port())
}

fn tells_new_update_and_destroy_apart(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    let mut events = Events::subscribe(Groups::ALL)?;
    let new = udp(1).mark(7);
    let key = new.orig.into();
    ct.create(&new)?;
    ct.update(&key, &Changes::new().mark(8))?;
    let dumped = ct.get(&key)?.ok_or("no flow")?;
    ct.delete(&key)?;

    let origin = |group| Origin { port: ct.port(), group, nsid: None };
    let Event::New(flow, from) = next(&mut events)? else { return Err("not New".into()) };
    same!((flow.orig, flow.reply, flow.id, flow.mark), (dumped.orig, dumped.reply, dumped.id, Some(7)));
    same!(from, origin(Groups::NEW));
    let Event::Update(flow, from) = next(&mut events)? else { return Err("not Update".into()) };
    same!((flow.orig, flow.id, flow.mark), (dumped.orig, dumped.id, Some(8)));
    same!(from, origin(Groups::UPDATE));
    let Event::Destroy(flow, from) = next(&mut events)? else { return Err("not Destroy".into()) };
    same!((flow.orig, flow.id, flow.mark), (dumped.orig, dumped.id, Some(8)));
    holds!(flow.status.contains(Status::DYING));
    same!(from, origin(Groups::DESTROY));
    same!(events.try_next()?, None);
    same!(events.counters().received, 3);
    Ok(())
}

fn each_group_has_its_own(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    for group in [Groups::NEW, Groups::UPDATE, Groups::DESTROY] {
        let mut events = Events::subscribe(group)?;
        ct.create(&udp(1))?;
        ct.update(&udp(1).orig.into(), &Changes::new().mark(8))?;
        ct.delete(&udp(1).orig.into())?;
        let found = drain(&mut events)?;
        same!(found.iter().map(|event| event.origin().map(|origin| origin.group)).collect::<Vec<_>>(), [Some(group)]);
        let variant = match &found[..] {
            [Event::New(..)] => Groups::NEW,
            [Event::Update(..)] => Groups::UPDATE,
            [Event::Destroy(..)] => Groups::DESTROY,
            _ => Groups::empty(),
        };
        same!(variant, group);
    }
    Ok(())
}

fn expectations_have_events(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    let master = NewFlow::tcp(([10, 0, 0, 1], 40000).into(), ([10, 0, 0, 2], 21).into())
        .help("ftp".parse::<conntrack::HelperName>()?);
    ct.create(&master.clone().timeout(Duration::from_secs(300)))?;
    let tuple = Tuple::tcp(([10, 0, 0, 2], 0).into(), ([10, 0, 0, 1], 5000).into());
    let mask = Tuple::tcp(([255, 255, 255, 255], 0).into(), ([255, 255, 255, 255], 0xffff).into());
    let tuples = ExpectTuples::new(tuple, mask, master.orig);
    let new = NewExpect { tuples, nat: None, flags: None, class: None, helper: None, function: None };

    let mut events = Events::subscribe(Groups::EXPECTATIONS)?;
    let mut channel = Channel::open()?;
    let request = |number| Request::new("a test", NFNL_SUBSYS_CTNETLINK_EXP, number, &new).family(Family::IPV4);
    channel.request(&request(IPCTNL_MSG_EXP_NEW).flags(NLM_F_CREATE | NLM_F_EXCL), |_| Ok(()))?;
    channel.request(&request(IPCTNL_MSG_EXP_DELETE), |_| Ok(()))?;

    let Event::ExpectNew(expect, from) = next(&mut events)? else { return Err("not ExpectNew".into()) };
    same!((expect.tuple, expect.master), (tuple, master.orig));
    same!(from.group, Groups::EXPECT_NEW);
    holds!(from.port != 0);
    let Event::ExpectDestroy(gone, from) = next(&mut events)? else { return Err("not ExpectDestroy".into()) };
    same!((gone.tuple, gone.id), (expect.tuple, expect.id));
    same!(from.group, Groups::EXPECT_DESTROY);
    same!(events.try_next()?, None);
    Ok(())
}

fn traffic_has_no_port(sandbox: &Sandbox) -> Outcome {
    let mut events = Events::subscribe(Groups::FLOWS)?;
    let connection = sandbox.tcp_connection(Family::IPV6)?;
    let mut established = false;
    let mut news = 0;
    for event in drain(&mut events)? {
        same!(event.origin().map(|origin| origin.port), Some(0));
        let flow = event.flow().ok_or("no flow")?;
        same!(flow.orig, connection.tuple);
        news += usize::from(matches!(event, Event::New(..)));
        let state = flow.proto_info.as_ref().and_then(conntrack::ProtoInfo::tcp_state);
        established |= state == Some(TcpState::ESTABLISHED);
    }
    same!((news, established), (1, true));
    Ok(())
}

fn has_times(sandbox: &Sandbox) -> Outcome {
    let mut events = Events::subscribe(Groups::NEW)?;
    let before = std::time::SystemTime::now();
    let _exchange = sandbox.udp_exchange(Family::IPV4)?;
    let event = next(&mut events)?;
    if conntrack::KernelVersion::running() >= conntrack::KernelVersion::new(6, 14) {
        let then = event.timestamp().ok_or("no timestamp")?.into();
        holds!((before..=std::time::SystemTime::now()).contains(&then), "{then:?}");
    }
    Ok(())
}

fn decodes_projections(_: &Sandbox) -> Outcome {
    #[derive(Debug, PartialEq, conntrack::Decode)]
    struct Marked {
        #[nla(CTA_ID)]
        id: FlowId,
        #[nla(CTA_MARK)]
        mark: Option<u32>,
    }
    let ct = Conntrack::open()?;
    let mut events = Events::subscribe_as::<Marked>(Groups::NEW)?;
    ct.create(&udp(1).mark(7))?;
    ct.create(&udp(2))?;
    let id = |port| ct.get(&udp(port).orig.into()).map(|flow| flow.map(|flow| flow.id));
    same!(next(&mut events)?.flow(), Some(&Marked { id: id(1)?.ok_or("no flow")?, mark: Some(7) }));
    same!(next(&mut events)?.flow(), Some(&Marked { id: id(2)?.ok_or("no flow")?, mark: Some(0) }));
    Ok(())
}

/// A listener with the smallest buffer there is, which holds one event.
fn small(groups: Groups) -> Result<Events, Error> {
    Events::builder().groups(groups).receive_buffer(1).subscribe()
}

fn an_overrun_stands_where_the_gap_is(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    let mut events = Events::builder().groups(Groups::NEW).receive_buffer(10 * 1280).subscribe()?;
    create(&ct, 0..100)?;
    // The first read makes room, but the kernel leaves it unused until all is read.
    let first = events.try_next()?;
    same!(first.as_ref().and_then(port), Some(0));
    create(&ct, 100..200)?;
    let before_the_gap = drain(&mut events)?;
    create(&ct, 200..202)?;
    let after_the_gap = drain(&mut events)?;

    let Some((Event::Overrun { lost }, arrived)) = before_the_gap.split_last() else {
        return Err(format!("the gap is not at the end of {before_the_gap:?}").into());
    };
    let arrived: Vec<_> = first.iter().chain(arrived).map(port).collect();
    let count = u16::try_from(arrived.len())?;
    holds!((2..100).contains(&count), "{count} arrived");
    same!(arrived, (0..count).map(Some).collect::<Vec<_>>());
    same!(*lost, 200 - u32::from(count));
    same!(after_the_gap.iter().map(port).collect::<Vec<_>>(), [Some(200), Some(201)]);
    let counters = events.counters();
    same!((counters.received, counters.overruns, counters.lost), (u64::from(count) + 2, 1, u64::from(*lost)));
    same!(events.lost()?, *lost);
    Ok(())
}

fn goes_on_after_several_overruns(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    let mut events = small(Groups::NEW)?;
    let (mut arrived, mut lost, mut overruns) = (0, 0, 0);
    for round in 0..20 {
        create(&ct, round * 50..round * 50 + 50)?;
        for event in drain(&mut events)? {
            match event {
                Event::Overrun { lost: number } => {
                    overruns += 1;
                    lost += number;
                }
                _ => arrived += 1,
            }
        }
    }
    same!((overruns, arrived + lost), (20, 1000));
    Ok(())
}

fn a_hidden_overrun_is_still_counted(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    let mut events = Events::builder().groups(Groups::NEW).receive_buffer(1).no_enobufs(true).subscribe()?;
    create(&ct, 0..100)?;
    let arrived = drain(&mut events)?;
    holds!(arrived.iter().all(|event| matches!(event, Event::New(..))), "{arrived:?}");
    same!(events.lost()?, 100 - u32::try_from(arrived.len())?);
    same!(events.counters().overruns, 0);
    Ok(())
}

fn a_reliable_listener_misses_no_destroy(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    create(&ct, 0..300)?;
    let mut events = Events::builder().groups(Groups::DESTROY).receive_buffer(1).reliable_destroy(true).subscribe()?;
    ct.flush_all()?;
    same!(ct.dump()?.count(), 0);
    let mut missing: std::collections::BTreeSet<u16> = (0..300).collect();
    let mut overruns = 0;
    while !missing.is_empty() {
        match next(&mut events)? {
            Event::Overrun { .. } => overruns += 1,
            event => holds!(port(&event).is_some_and(|port| missing.remove(&port)), "twice, or not ours: {event:?}"),
        }
    }
    holds!(overruns > 0, "the buffer was large enough for all");
    Ok(())
}

fn a_buffer_can_be_forced(_: &Sandbox) -> Outcome {
    let limit: usize = std::fs::read_to_string("/proc/sys/net/core/rmem_max")?.trim().parse()?;
    let wanted = limit + 65536;
    let events = Events::builder().receive_buffer(wanted).subscribe()?;
    // Beyond the limit only with a capability in the initial user namespace, which an ordinary user's root lacks.
    let granted = events.receive_buffer()?;
    holds!(granted == 2 * wanted || granted == 2 * limit, "{granted}");
    let default = Events::subscribe(Groups::NEW)?.receive_buffer()?;
    holds!(default < granted, "{default}");
    Ok(())
}

fn is_of_the_builders_namespace(_: &Sandbox) -> Outcome {
    let other = Namespace::new()?;
    let mut here = Events::subscribe(Groups::NEW)?;
    let mut there = Events::builder().netns(&other)?.groups(Groups::NEW).subscribe()?;
    Conntrack::builder().netns(&other)?.open()?.create(&udp(1))?;
    same!(port(&next(&mut there)?), Some(1));
    same!(here.try_next()?, None);
    Ok(())
}

fn hears_all_namespaces_that_have_an_id(sandbox: &Sandbox) -> Outcome {
    let [blue, red, unnamed] = [Namespace::new()?, Namespace::new()?, Namespace::new()?];
    sandbox.assign_id(&blue, 7)?;
    sandbox.assign_id(&red, 8)?;
    let mut events = Events::builder().groups(Groups::NEW).all_namespaces(true).subscribe()?;
    let mut only_here = Events::subscribe(Groups::NEW)?;
    for (port, namespace) in [(1, &unnamed), (2, &blue), (3, &red)] {
        Conntrack::builder().netns(namespace)?.open()?.create(&udp(port))?;
    }
    Conntrack::open()?.create(&udp(4))?;
    let from = |event: &Event| (port(event), event.origin().and_then(|origin| origin.nsid));
    let found: Vec<_> = drain(&mut events)?.iter().map(from).collect();
    same!(found, [(Some(2), Some(7)), (Some(3), Some(8)), (Some(4), None)]);
    let found: Vec<_> = drain(&mut only_here)?.iter().map(from).collect();
    same!(found, [(Some(4), None)]);
    Ok(())
}

fn drops_what_other_processes_send(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    let mut events = Events::subscribe(Groups::NEW)?;
    let spoofer =
        rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, Some(NETFILTER))?;
    // What a new flow looks like, as far as the header goes.
    let message = generate::message(0x0100, 0x600, Family::UNSPEC, &[]);
    ct.create(&udp(1))?;
    rustix::net::sendto(&spoofer, &message, SendFlags::empty(), &SocketAddrNetlink::new(events.port(), 0))?;
    ct.create(&udp(2))?;
    same!(drain(&mut events)?.iter().map(port).collect::<Vec<_>>(), [Some(1), Some(2)]);
    same!((events.counters().received, events.counters().spoofed), (2, 1));
    Ok(())
}

fn other_subsystems_are_unknown(sandbox: &Sandbox) -> Outcome {
    /// `NFNLGRP_NFTABLES`
    const NFTABLES: Groups = Groups::from_bits_retain(1 << 6);
    /// `NFNL_SUBSYS_NFTABLES`
    const SUBSYSTEM: u16 = 10;
    let mut events = Events::subscribe(Groups::NEW | NFTABLES)?;
    sandbox.enable_nat()?;
    Conntrack::open()?.create(&udp(1))?;
    let mut found = drain(&mut events)?;
    same!(found.pop().as_ref().and_then(port), Some(1));
    holds!(!found.is_empty());
    for event in &found {
        let Event::Unknown(message, origin) = event else { return Err(format!("{event:?}").into()) };
        same!(message.header.kind >> 8, SUBSYSTEM);
        same!(origin.group, NFTABLES);
        same!(usize::try_from(message.header.len)?, message.body.len() + 16);
    }
    same!(events.counters().unknown, u64::try_from(found.len())?);
    Ok(())
}

fn one_undecodable_message_is_not_the_end(_: &Sandbox) -> Outcome {
    /// Of a flow without a zone the kernel does not send any.
    #[derive(Debug, conntrack::Decode)]
    struct Zoned {
        #[nla(CTA_ZONE)]
        zone: u16,
    }
    let ct = Conntrack::open()?;
    let mut events = Events::subscribe_as::<Zoned>(Groups::NEW)?;
    ct.create(&udp(1))?;
    ct.create(&udp(2).zone(9))?;
    let Some(Err(Error::Undecodable(undecodable))) = events.next() else { return Err("decoded".into()) };
    same!(Report(&undecodable.reason).to_string(), "decoding a message: missing CTA_ZONE (at byte 0)");
    let length = NlMsgHdr::read(&undecodable.bytes)?.len;
    same!(usize::try_from(length)?, undecodable.bytes.len());
    same!(undecodable.origin.port, ct.port());
    holds!(matches!(next(&mut events)?, Event::New(Zoned { zone: 9 }, _)));
    same!((events.counters().received, events.counters().undecodable), (2, 1));
    Ok(())
}

fn a_filter_selects(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    let filter = Filter::new().udp().orig_src_port(2..=3).mark(5);
    let mut events = Events::builder().filter(&filter).subscribe()?;
    for port in 1..5 {
        ct.create(&udp(port).mark(5))?;
    }
    ct.update(&udp(2).orig.into(), &Changes::new().mark(6))?;
    ct.delete(&udp(3).orig.into())?;
    let found = drain(&mut events)?;
    let found: Vec<_> = found.iter().map(|event| (port(event), matches!(event, Event::Destroy(..)))).collect();
    same!(found, [(Some(2), false), (Some(3), false), (Some(3), true)]);
    Ok(())
}

fn waits_as_long_as_it_is_told(_: &Sandbox) -> Outcome {
    let mut events = Events::subscribe(Groups::NEW)?;
    let started = std::time::Instant::now();
    same!(events.next_timeout(Duration::from_millis(20))?, None);
    holds!(started.elapsed() >= Duration::from_millis(20));
    std::thread::scope(|scope| {
        let (sender, receiver) = std::sync::mpsc::channel();
        scope.spawn(move || sender.send(next(&mut events).map(|event| port(&event))));
        Conntrack::open()?.create(&udp(1))?;
        same!(receiver.recv_timeout(PATIENCE)??, Some(1));
        Ok(())
    })
}

fn says_which_capability_is_missing(sandbox: &Sandbox) -> Outcome {
    use std::os::fd::AsFd;
    let network =
        std::fs::metadata(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&sandbox.netns().as_fd())))?;
    let network = std::os::unix::fs::MetadataExt::ino(&network);
    let owner = std::os::unix::fs::MetadataExt::ino(&std::fs::metadata("/proc/thread-self/ns/user")?);
    let missing = |result: Result<Events, Error>| match result {
        Err(Error::MissingCapability(missing)) => Ok(*missing),
        other => Err(format!("{other:?}")),
    };
    without(CapabilitySet::NET_ADMIN, || {
        let error = Events::subscribe(Groups::NEW).err().ok_or("allowed")?;
        holds!(error.is_permission());
        same!(
            error.to_string(),
            format!(
                "joining an event group: needs CAP_NET_ADMIN in user:[{owner}], the user namespace that owns net:[{network}]"
            )
        );
        let missing = missing(Err(error))?;
        same!(missing.capability, Capability::NetAdmin);
        same!((missing.network_namespace, missing.user_namespace), (Some(network), Some(owner)));
        Ok(())
    })?;
    without(CapabilitySet::NET_BROADCAST, || {
        Events::subscribe(Groups::NEW)?;
        let missing = missing(Events::builder().all_namespaces(true).subscribe())?;
        same!(missing.capability, Capability::NetBroadcast);
        Ok(())
    })
}

fn refuses_to_listen_to_nothing(_: &Sandbox) -> Outcome {
    let error = Events::subscribe(Groups::empty()).err().ok_or("allowed")?;
    holds!(matches!(error, Error::Usage(conntrack::UsageError::NoGroups)), "{error}");
    Ok(())
}
