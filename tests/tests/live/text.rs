//! What is printed is what conntrack(8) prints, byte for byte.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::IpAddr;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant, SystemTime};

use conntrack::sandbox::{Failure, Sandbox};
use conntrack::{
    Changes, Conntrack, Events, ExpectFlags, Family, FlowText, Groups, HelperName, NewExpect, NewFlow, Tuple,
};

use crate::common::PATIENCE;
use crate::differential::{conntrack, fill, no_conntrack};
use crate::{Outcome, cases, holds, same};

cases! {
    lists_flows unless no_conntrack,
    displays_flows_without_the_time_they_lived unless no_conntrack,
    lists_expectations unless no_conntrack,
    prints_statistics unless no_conntrack,
    prints_flow_events unless no_conntrack,
    prints_expectation_events unless no_conntrack,
}

/// How often a comparison may begin again because a second passed meanwhile.
const ATTEMPTS: usize = 100;

/// The lines that `ours` makes and those of conntrack(8) with these arguments, of a moment in which ours are the same
/// before and behind.
fn compare(ours: impl Fn(SystemTime) -> Result<Vec<String>, Failure>, arguments: &[&str]) -> Result<usize, Failure> {
    for _ in 0..ATTEMPTS {
        let before = ours(SystemTime::now())?;
        let theirs = conntrack(arguments)?;
        if ours(SystemTime::now())? != before {
            continue;
        }
        let mut theirs: Vec<_> = theirs.lines().map(str::to_owned).collect();
        theirs.sort_unstable();
        for (theirs, ours) in theirs.iter().zip(&before) {
            same!(theirs, ours, "{arguments:?}");
        }
        same!(theirs.len(), before.len(), "{arguments:?}");
        return Ok(before.len());
    }
    Err("a second passed at every attempt".into())
}

/// What the option `-o` adds.
type Form = for<'a> fn(FlowText<'a>) -> FlowText<'a>;

fn lists_flows(sandbox: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    let (count, _open) = fill(sandbox, &ct)?;
    let forms: [(&str, Form); 5] = [
        ("", |text| text),
        ("extended", |text| text.extended()),
        ("id", |text| text.id()),
        ("extended,id,timestamp", |text| text.extended().id()),
        ("extended,id,ktimestamp", |text| text.extended().id().ktimestamp()),
    ];
    for (option, form) in forms {
        let ours = |now| -> Result<Vec<String>, Failure> {
            let mut lines = Vec::new();
            for flow in ct.dump()? {
                lines.push(form(flow?.display().now(now)).to_string());
            }
            lines.sort_unstable();
            Ok(lines)
        };
        let arguments: &[&str] = if option.is_empty() { &["-L"] } else { &["-L", "-o", option] };
        same!(compare(ours, arguments)?, count, "{option}");
    }
    Ok(())
}

/// `{flow}` is the tool's line without `delta-time=`, which the tool prints where the kernel takes times.
fn displays_flows_without_the_time_they_lived(sandbox: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    let (count, _open) = fill(sandbox, &ct)?;
    let ours = || -> Result<Vec<String>, Failure> {
        let mut lines = ct.dump()?.map(|flow| Ok(flow?.to_string())).collect::<Result<Vec<_>, Failure>>()?;
        lines.sort_unstable();
        Ok(lines)
    };
    for _ in 0..ATTEMPTS {
        let before = ours()?;
        let mut theirs = Vec::new();
        for line in conntrack(&["-L"])?.lines() {
            let (start, rest) = line.split_once(" delta-time=").ok_or_else(|| format!("{line}: no time"))?;
            let (seconds, end) = rest.split_once(' ').ok_or("nothing behind the time")?;
            seconds.parse::<u64>()?;
            theirs.push(format!("{start} {end}"));
        }
        if ours()? != before {
            continue;
        }
        theirs.sort_unstable();
        same!(theirs, before);
        same!(before.len(), count);
        return Ok(());
    }
    Err("a second passed at every attempt".into())
}

/// Two masters of each family, and two expectations of each.
fn expect(ct: &Conntrack) -> Result<usize, Failure> {
    let mut count = 0;
    for (client, server) in [("10.0.0.1", "10.0.0.2"), ("fd00::1", "fd00::2")] {
        for port in [40000_u16, 40001] {
            let (client, server): (IpAddr, IpAddr) = (client.parse()?, server.parse()?);
            let master = NewFlow::tcp((client, port).into(), (server, 5060).into()).help("sip".parse::<HelperName>()?);
            ct.create(&master)?;
            let any = Tuple::udp((server, 0).into(), (client, port).into());
            let flags = ExpectFlags::PERMANENT | ExpectFlags::INACTIVE;
            ct.create_expectation(&NewExpect::from_any_port(any, master.orig).flags(flags).class("sip".parse()?, 1))?;
            let one = Tuple::udp((server, 7).into(), (client, port - 1000).into());
            ct.create_expectation(&NewExpect::exactly(one, master.orig))?;
            count += 2;
        }
    }
    Ok(count)
}

fn lists_expectations(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    let count = expect(&ct)?;
    let mut compared = 0;
    for (family, word) in [(Family::IPV4, "ipv4"), (Family::IPV6, "ipv6")] {
        let ours = |_| -> Result<Vec<String>, Failure> {
            let expectations = ct.expectations()?.collect::<Result<Vec<_>, _>>()?;
            let mut lines: Vec<_> = expectations
                .iter()
                .filter(|expect| expect.tuple.family() == Some(family))
                .map(ToString::to_string)
                .collect();
            lines.sort_unstable();
            Ok(lines)
        };
        compared += compare(ours, &["-L", "expect", "-f", word])?;
    }
    same!(compared, count);
    Ok(())
}

fn prints_statistics(_: &Sandbox) -> Outcome {
    let ct = Conntrack::open()?;
    // Something to count.
    let flow = NewFlow::udp(([10, 0, 0, 1], 1).into(), ([10, 0, 0, 2], 2).into());
    ct.create(&flow)?;
    let per_cpu = |_| -> Result<Vec<String>, Failure> {
        let mut lines: Vec<_> = ct.stats_per_cpu()?.iter().map(ToString::to_string).collect();
        lines.sort_unstable();
        Ok(lines)
    };
    let lines = compare(per_cpu, &["-S"])?;
    holds!(lines > 0 && per_cpu(SystemTime::now())?.iter().any(|line| !line.contains("insert=0")));
    same!(conntrack(&["-C"])?, format!("{}\n", ct.stats()?.entries));
    Ok(())
}

/// conntrack(8) listening, until it is dropped.
struct Listener {
    child: Child,
    lines: Receiver<String>,
}

impl Listener {
    /// When it returns, events arrive. `other` listens already.
    fn start(arguments: &[&str], other: &Events) -> Result<Self, Failure> {
        let mut child = Command::new("conntrack")
            .arg("-E")
            .args(arguments)
            .env("TZ", "UTC")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let output = BufReader::new(child.stdout.take().ok_or("no output")?);
        let (sender, lines) = mpsc::channel();
        // It ends with the child, or with the listener.
        std::thread::spawn(move || output.lines().map_while(Result::ok).all(|line| sender.send(line).is_ok()));
        let listener = Self { child, lines };
        let deadline = Instant::now() + PATIENCE;
        while !has_joined(other.port())? {
            holds!(Instant::now() < deadline, "conntrack -E does not listen");
            std::thread::yield_now();
        }
        Ok(listener)
    }

    fn lines(&mut self, count: usize) -> Result<Vec<String>, Failure> {
        (0..count).map(|_| Ok(self.lines.recv_timeout(PATIENCE)?)).collect()
    }
}

/// Whether another socket than that at `port` is in a group, as the kernel tells of this thread's namespace.
fn has_joined(port: u32) -> Result<bool, Failure> {
    const NETLINK_NETFILTER: &str = "12";
    let port = port.to_string();
    let sockets = fs::read_to_string("/proc/thread-self/net/netlink")?;
    Ok(sockets.lines().any(|line| {
        let columns: Vec<_> = line.split_whitespace().skip(1).take(3).collect();
        let [protocol, of, groups] = columns[..] else { return false };
        protocol == NETLINK_NETFILTER && of != port && groups.bytes().any(|digit| digit != b'0')
    }))
}

impl Drop for Listener {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The lines of the events that are there.
fn ours(events: &mut Events) -> Result<Vec<String>, Failure> {
    let mut lines = Vec::new();
    while let Some(event) = events.next_timeout(Duration::ZERO)? {
        lines.push(event.display_as(|flow| flow.extended().id()).to_string());
    }
    Ok(lines)
}

fn kinds(lines: &[String]) -> BTreeSet<&str> {
    lines.iter().filter_map(|line| line.split_whitespace().next()).collect()
}

fn prints_flow_events(sandbox: &Sandbox) -> Outcome {
    let mut events = Events::builder().groups(Groups::FLOWS).receive_buffer(1 << 20).subscribe()?;
    let mut listener = Listener::start(&["-b", "1048576", "-o", "extended,id"], &events)?;
    let ct = Conntrack::open()?;
    let (_, open) = fill(sandbox, &ct)?;
    for flow in ct.dump()? {
        ct.update(&flow?.key(), &Changes::new().mark(9))?;
    }
    drop(open);
    ct.flush_all()?;
    let ours = ours(&mut events)?;
    let mut theirs = listener.lines(ours.len())?;
    // It looks for the program in /proc, and mostly finds it.
    for line in &mut theirs {
        line.truncate(line.find(" progname=").unwrap_or(line.len()));
    }
    for (theirs, ours) in theirs.iter().zip(&ours) {
        same!(theirs, ours);
    }
    same!((theirs.len(), kinds(&theirs).len()), (ours.len(), 3));
    Ok(())
}

fn prints_expectation_events(_: &Sandbox) -> Outcome {
    let mut events = Events::builder().groups(Groups::EXPECTATIONS).subscribe()?;
    let mut listener = Listener::start(&["expect"], &events)?;
    let ct = Conntrack::open()?;
    let count = expect(&ct)?;
    ct.flush_expectations()?;
    let ours = ours(&mut events)?;
    let theirs = listener.lines(ours.len())?;
    same!(theirs, ours);
    same!((ours.len(), kinds(&ours).len()), (2 * count, 2));
    Ok(())
}
