//! Timeout policies, and the timeouts of flows without one.

use std::fs;

use conntrack::sandbox::Sandbox;
use conntrack::{
    Conntrack, DccpTimeouts, Errno, Error, Family, GenericTimeouts, GreTimeouts, IcmpTimeouts, Icmpv6Timeouts,
    L3Protocol, NewFlow, PolicyName, Protocol, SctpTimeouts, Seconds, TcpTimeouts, TimeoutPolicy, Timeouts,
    UdpTimeouts, UdpliteTimeouts, UsageError,
};

use crate::common::errno;
use crate::{Outcome, cases, holds, same};

mod rule;

cases! {
    creates_lists_and_deletes_every_protocol,
    absent_timeouts_are_the_defaults,
    replaces_all_timeouts,
    creation_errors,
    refuses_before_sending,
    deletes_only_what_it_names,
    sets_and_resets_defaults,
    defaults_are_the_sysctls,
    new_flows_have_the_defaults,
    created_flows_have_the_defaults,
    a_policy_in_use_stays_and_counts unless rule::missing,
}

fn name(name: &str) -> PolicyName {
    name.parse().expect("short enough")
}

/// A policy for each protocol, every timeout of which is another one.
fn everything() -> Vec<TimeoutPolicy> {
    let tcp = TcpTimeouts {
        syn_sent: Some(Seconds(1)),
        syn_recv: Some(Seconds(2)),
        established: Some(Seconds(3)),
        fin_wait: Some(Seconds(4)),
        close_wait: Some(Seconds(5)),
        last_ack: Some(Seconds(6)),
        time_wait: Some(Seconds(7)),
        close: Some(Seconds(8)),
        syn_sent2: Some(Seconds(9)),
        retrans: Some(Seconds(10)),
        unack: Some(Seconds(11)),
    };
    let sctp = SctpTimeouts {
        closed: Some(Seconds(31)),
        cookie_wait: Some(Seconds(32)),
        cookie_echoed: Some(Seconds(33)),
        established: Some(Seconds(34)),
        shutdown_sent: Some(Seconds(35)),
        shutdown_recd: Some(Seconds(36)),
        shutdown_ack_sent: Some(Seconds(37)),
        heartbeat_sent: Some(Seconds(38)),
        heartbeat_acked: None,
    };
    let policy = |policy: &str, family, timeouts: Timeouts| TimeoutPolicy::new(name(policy), family, timeouts);
    vec![
        policy("tcp4", Family::IPV4, tcp.into()),
        policy("tcp6", Family::IPV6, tcp.into()),
        policy("udp", Family::IPV4, UdpTimeouts::new().unreplied(Seconds(21)).replied(Seconds(22)).into()),
        policy("udplite", Family::IPV6, UdpliteTimeouts::new().unreplied(Seconds(23)).replied(Seconds(24)).into()),
        policy("icmp", Family::IPV4, IcmpTimeouts::new().timeout(Seconds(25)).into()),
        policy("icmpv6", Family::IPV6, Icmpv6Timeouts::new().timeout(Seconds(26)).into()),
        policy("gre", Family::IPV4, GreTimeouts::new().unreplied(Seconds(27)).replied(Seconds(28)).into()),
        policy("sctp", Family::IPV4, sctp.into()),
        policy("generic", Family::IPV4, GenericTimeouts::new().timeout(Seconds(0)).into()),
        policy("a name of thirty-one characters", Family::IPV4, UdpTimeouts::new().into()),
    ]
}

/// What the kernel reports of a policy that was created so.
fn reported(
    policy: &TimeoutPolicy,
    defaults: impl Fn(Protocol) -> Result<Timeouts, Error>,
) -> Result<TimeoutPolicy, Error> {
    let mut policy = TimeoutPolicy { use_count: Some(1), ..policy.clone() };
    match &mut policy.timeouts {
        // It is not used any more.
        Timeouts::Sctp(sctp) => sctp.heartbeat_acked = Some(Seconds(0)),
        Timeouts::Udp(udp) if *udp == UdpTimeouts::new() => policy.timeouts = defaults(Protocol::UDP)?,
        _ => {}
    }
    Ok(policy)
}

fn creates_lists_and_deletes_every_protocol(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    same!(ct.timeout_policies()?, vec![]);
    let mut expected = Vec::new();
    for policy in everything() {
        ct.create_timeout_policy(&policy)?;
        let policy = reported(&policy, |protocol| ct.default_timeouts(protocol))?;
        same!(ct.timeout_policy(&policy.name)?.as_ref(), Some(&policy));
        expected.push(policy);
    }
    same!(ct.timeout_policies()?, expected);
    for policy in &expected {
        holds!(ct.delete_timeout_policy(&policy.name)?, "{}", policy.name);
        same!(ct.timeout_policy(&policy.name)?, None);
    }
    same!(ct.timeout_policies()?, vec![]);
    Ok(())
}

fn absent_timeouts_are_the_defaults(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    ct.create_timeout_policy(&TimeoutPolicy::new(name("a"), Family::IPV4, TcpTimeouts::new().close(Seconds(77))))?;
    let Timeouts::Tcp(defaults) = ct.default_timeouts(Protocol::TCP)? else { return Err("not TCP's".into()) };
    let found = ct.timeout_policy(&name("a"))?.ok_or("not there")?;
    same!(found.timeouts, Timeouts::Tcp(TcpTimeouts { close: Some(Seconds(77)), ..defaults }));
    holds!(defaults.established.is_some() && defaults.close != Some(Seconds(77)), "{defaults:?}");
    Ok(())
}

fn replaces_all_timeouts(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    let udp = |timeouts| TimeoutPolicy::new(name("udp"), Family::IPV4, timeouts);
    let Timeouts::Udp(defaults) = ct.default_timeouts(Protocol::UDP)? else { return Err("not UDP's".into()) };
    ct.replace_timeout_policy(&udp(UdpTimeouts::new().unreplied(Seconds(5)).replied(Seconds(6))))?;
    same!(ct.timeout_policies()?.len(), 1, "one that is not there is created");
    ct.replace_timeout_policy(&udp(UdpTimeouts::new().unreplied(Seconds(7))))?;
    let found = ct.timeout_policy(&name("udp"))?.ok_or("not there")?;
    same!(
        found.timeouts,
        Timeouts::Udp(UdpTimeouts { unreplied: Some(Seconds(7)), ..defaults }),
        "the rest is the defaults"
    );
    same!(ct.timeout_policies()?.len(), 1);
    Ok(())
}

fn creation_errors(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    let udp = TimeoutPolicy::new(name("udp"), Family::IPV4, UdpTimeouts::new().replied(Seconds(9)));
    ct.create_timeout_policy(&udp)?;
    let error = ct.create_timeout_policy(&udp).err().ok_or("created twice")?;
    holds!(error.is_exists(), "{error}");
    holds!(error.to_string().starts_with("creating a timeout policy: EEXIST"), "{error}");

    // A policy stays one of its protocols.
    let tcp = TimeoutPolicy::new(name("udp"), Family::IPV4, TcpTimeouts::new());
    same!(errno(ct.replace_timeout_policy(&tcp)), Some(Errno::INVAL));
    let udp6 = TimeoutPolicy { l3_protocol: L3Protocol::IPV6, ..udp.clone() };
    same!(errno(ct.replace_timeout_policy(&udp6)), Some(Errno::INVAL));

    // What is not tracked in detail has the generic policy; DCCP is not, since 6.17.
    let esp = Timeouts::Other { protocol: Protocol::ESP, timeouts: vec![] };
    let esp = TimeoutPolicy::new(name("esp"), Family::IPV4, esp);
    same!(errno(ct.create_timeout_policy(&esp)), Some(Errno::OPNOTSUPP));
    if !matches!(ct.default_timeouts(Protocol::DCCP), Ok(Timeouts::Dccp(_))) {
        let dccp = TimeoutPolicy::new(name("dccp"), Family::IPV4, DccpTimeouts::new());
        same!(errno(ct.create_timeout_policy(&dccp)), Some(Errno::OPNOTSUPP));
        same!(errno(ct.default_timeouts(Protocol::DCCP).map(drop)), Some(Errno::OPNOTSUPP));
        same!(errno(ct.set_default_timeouts(DccpTimeouts::new())), Some(Errno::OPNOTSUPP));
    }

    same!(ct.timeout_policy(&name("absent"))?, None);
    holds!(!ct.delete_timeout_policy(&name("absent"))?);
    same!(ct.timeout_policies()?.len(), 1);
    same!(ct.timeout_policy(&udp.name)?.map(|policy| policy.protocol()), Some(Protocol::UDP));
    Ok(())
}

fn refuses_before_sending(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    let usage = |result: Result<(), Error>| match result {
        Err(Error::Usage(error)) => Some(error),
        _ => None,
    };
    let long = |timeout| UdpTimeouts::new().unreplied(Seconds(1)).replied(Seconds(timeout));
    let policy = |policy: &str, timeout| TimeoutPolicy::new(name(policy), Family::IPV4, long(timeout));
    same!(usage(ct.create_timeout_policy(&policy("", 1))), Some(UsageError::NoName));
    let too_long = Some(UsageError::TimeoutTooLong(Seconds(4_294_968)));
    same!(usage(ct.create_timeout_policy(&policy("a", 4_294_968))), too_long);
    same!(usage(ct.replace_timeout_policy(&policy("a", 4_294_968))), too_long);
    same!(usage(ct.set_default_timeouts(long(4_294_968))), too_long);
    same!(ct.timeout_policies()?, vec![]);
    // The longest arrives as it is.
    ct.create_timeout_policy(&policy("a", 4_294_967))?;
    let found = ct.timeout_policy(&name("a"))?.ok_or("not there")?;
    same!(found.timeouts, long(4_294_967).into());
    Ok(())
}

fn deletes_only_what_it_names(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    for policy in everything() {
        ct.create_timeout_policy(&policy)?;
    }
    // Neither a name that is the beginning of others, nor none, deletes more.
    for absent in ["tcp", ""] {
        holds!(!ct.delete_timeout_policy(&name(absent))?, "{absent:?}");
    }
    same!(ct.timeout_policies()?.len(), everything().len());
    holds!(ct.delete_timeout_policy(&name("tcp4"))?);
    same!(ct.timeout_policies()?.len(), everything().len() - 1);
    let left = everything().len() as u64 - 1;
    same!(ct.delete_unused_timeout_policies()?, left);
    same!(ct.timeout_policies()?, vec![]);
    same!(ct.delete_unused_timeout_policies()?, 0, "there are none");
    Ok(())
}

fn sets_and_resets_defaults(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    for policy in everything() {
        let protocol = policy.protocol();
        let before = ct.default_timeouts(protocol)?;
        same!(before.protocol(), protocol);
        ct.set_default_timeouts(policy.timeouts.clone())?;
        let after = reported(&policy, |_| Ok(before.clone()))?;
        same!(ct.default_timeouts(protocol)?, after.timeouts, "{protocol}");
        ct.set_default_timeouts(before.clone())?;
        same!(ct.default_timeouts(protocol)?, before, "{protocol}");
    }
    // What is not named stays.
    ct.set_default_timeouts(TcpTimeouts::new().established(Seconds(100)))?;
    ct.set_default_timeouts(TcpTimeouts::new().close(Seconds(200)))?;
    let Timeouts::Tcp(found) = ct.default_timeouts(Protocol::TCP)? else { return Err("not TCP's".into()) };
    same!((found.established, found.close), (Some(Seconds(100)), Some(Seconds(200))));
    Ok(())
}

fn defaults_are_the_sysctls(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    ct.set_default_timeouts(UdpTimeouts::new().unreplied(Seconds(17)).replied(Seconds(18)))?;
    let read = |name: &str| -> std::io::Result<String> {
        Ok(fs::read_to_string(format!("/proc/sys/net/netfilter/{name}"))?.trim().to_owned())
    };
    same!(read("nf_conntrack_udp_timeout")?, "17");
    same!(read("nf_conntrack_udp_timeout_stream")?, "18");
    fs::write("/proc/sys/net/netfilter/nf_conntrack_udp_timeout", "19")?;
    let Timeouts::Udp(found) = ct.default_timeouts(Protocol::UDP)? else { return Err("not UDP's".into()) };
    same!(found, UdpTimeouts { unreplied: Some(Seconds(19)), replied: Some(Seconds(18)) });
    // UDP-Lite's are the same ones.
    let Timeouts::Udplite(found) = ct.default_timeouts(Protocol::UDPLITE)? else { return Err("not UDP-Lite's".into()) };
    same!(found, UdpliteTimeouts { unreplied: Some(Seconds(19)), replied: Some(Seconds(18)) });
    Ok(())
}

fn new_flows_have_the_defaults(sandbox: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    ct.set_default_timeouts(UdpTimeouts::new().unreplied(Seconds(3000)).replied(Seconds(4000)))?;
    ct.set_default_timeouts(TcpTimeouts::new().established(Seconds(5000)))?;
    let exchange = sandbox.udp_exchange(Family::IPV4)?;
    let connection = sandbox.tcp_connection(Family::IPV6)?;
    let left = |tuple: conntrack::Tuple| -> Result<u32, Box<dyn std::error::Error + Send + Sync>> {
        Ok(ct.get(&tuple.into())?.and_then(|flow| flow.timeout).ok_or("no timeout")?.0)
    };
    let (udp, tcp) = (left(exchange.tuple)?, left(connection.tuple)?);
    holds!((2990..=3000).contains(&udp), "{udp}");
    holds!((4990..=5000).contains(&tcp), "{tcp}");
    Ok(())
}

fn created_flows_have_the_defaults(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    for policy in everything() {
        let protocol = policy.protocol();
        let default = match ct.default_timeouts(protocol)? {
            Timeouts::Tcp(tcp) => tcp.syn_sent,
            Timeouts::Udp(udp) => udp.unreplied,
            Timeouts::Udplite(udplite) => udplite.unreplied,
            Timeouts::Icmp(icmp) => icmp.timeout,
            Timeouts::Icmpv6(icmpv6) => icmpv6.timeout,
            Timeouts::Sctp(sctp) => sctp.cookie_wait,
            Timeouts::Gre(gre) => gre.unreplied,
            Timeouts::Generic(generic) => generic.timeout,
            other => return Err(format!("{other:?} of nobody").into()),
        };
        let ends = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
        same!(Some(NewFlow::generic(protocol, ends.0, ends.1).timeout), default, "{protocol}");
    }
    let Timeouts::Tcp(tcp) = ct.default_timeouts(Protocol::TCP)? else { return Err("not TCP's".into()) };
    let connection = NewFlow::tcp(([10, 0, 0, 1], 1).into(), ([10, 0, 0, 2], 2).into());
    same!(Some(connection.timeout), tcp.established);
    Ok(())
}

fn a_policy_in_use_stays_and_counts(sandbox: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    let policy = |policy: &str, timeouts: UdpTimeouts| TimeoutPolicy::new(name(policy), Family::IPV4, timeouts);
    let used = policy("used", UdpTimeouts::new().unreplied(Seconds(3000)).replied(Seconds(4000)));
    ct.create_timeout_policy(&used)?;
    ct.create_timeout_policy(&policy("unused", UdpTimeouts::new()))?;
    rule::give("used")?;

    let found = ct.timeout_policy(&used.name)?.ok_or("not there")?;
    holds!(found.use_count > Some(1), "{found:?}");
    let exchange = sandbox.udp_exchange(Family::IPV4)?;
    let left = ct.get(&exchange.tuple.into())?.and_then(|flow| flow.timeout).ok_or("no timeout")?;
    // Which of the two, depends on whether the exchange has taken two seconds; the defaults are below 200.
    holds!((1000..=4000).contains(&left.0), "{left:?} is the policy's");

    same!(ct.delete_unused_timeout_policies()?, 1, "the one that no rule uses");
    let left: Vec<_> = ct.timeout_policies()?.iter().map(|policy| policy.name.clone()).collect();
    same!(left, vec![used.name.clone()]);
    // One that is in use can be replaced, and the flows that have it have the new timeouts.
    ct.replace_timeout_policy(&policy("used", UdpTimeouts::new().unreplied(Seconds(5000)).replied(Seconds(6000))))?;
    exchange.client.send(b"more")?;
    exchange.server.recv(&mut [0; 16])?;
    let left = ct.get(&exchange.tuple.into())?.and_then(|flow| flow.timeout).ok_or("no timeout")?;
    holds!((4001..=6000).contains(&left.0), "{left:?} is the new one");
    // By name, some kernels refuse to delete it and others do it.
    match ct.delete_timeout_policy(&used.name) {
        Ok(found) => same!((found, ct.timeout_policy(&used.name)?), (true, None)),
        error => {
            same!(errno(error), Some(Errno::BUSY));
            holds!(ct.timeout_policy(&used.name)?.is_some());
        }
    }
    Ok(())
}
