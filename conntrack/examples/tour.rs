//! A tour of the library on the running kernel, in a private namespace: nothing to install, nothing left behind, no root.
//!
//! `cargo run --release --example tour`

use std::process::ExitCode;
use std::time::Duration;

use conntrack::sandbox::{self, Failure, Sandbox};
use conntrack::{
    Changes, Conntrack, Decode, Family, Filter, FlowId, FlowKey, Mark, NewFlow, Protocol, Report, Seconds, Status,
};

/// What a dump of three fields decodes into: nothing else is looked at.
#[derive(Debug, Decode)]
struct Marked {
    #[nla(CTA_ID)]
    id: FlowId,
    #[nla(CTA_TIMEOUT)]
    timeout: Option<Seconds>,
    #[nla(flatten)]
    mark: Option<Mark>,
}

fn main() -> ExitCode {
    // `run` alone would succeed where the environment allows tests to be skipped.
    match sandbox::enter_user_namespace().and_then(|()| sandbox::run(tour)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}", Report(&error));
            ExitCode::FAILURE
        }
    }
}

fn tour(sandbox: &Sandbox) -> Result<(), Failure> {
    println!("1. Real traffic over loopback: TCP, UDP and ICMP, over IPv4 and IPv6.");
    let mut open = Vec::new();
    for family in [Family::IPV4, Family::IPV6] {
        let traffic = (sandbox.tcp_connection(family)?, sandbox.udp_exchange(family)?, sandbox.ping(family)?);
        for tuple in [traffic.0.tuple, traffic.1.tuple, traffic.2.tuple] {
            println!("   {tuple}");
        }
        open.push(traffic);
    }

    println!("\n2. Its flows, as the kernel reports them.");
    let ct = Conntrack::open()?;
    let mut count = 0;
    for flow in ct.dump()? {
        println!("   {}", flow?);
        count += 1;
    }
    ensure(count == 6, "the dump has the six flows of that traffic")?;

    println!("\n3. Those of TCP over IPv6, selected by a filter.");
    let filter = Filter::new().ipv6().tcp().status(Status::ASSURED);
    let selected = ct.dump_filtered(&filter)?.collect::<Result<Vec<_>, _>>()?;
    for flow in &selected {
        println!("   {flow}");
    }
    ensure(selected.len() == 1 && filter.matches(&selected[0]), "one flow meets the filter")?;

    println!("\n4. One flow, found by its tuple.");
    let udp = ct.get(&open[0].1.tuple.into())?.ok_or("the UDP flow is not in the table")?;
    println!("   {udp}");
    ensure(udp.orig.protocol() == Protocol::UDP && udp.status.contains(Status::SEEN_REPLY), "it has seen a reply")?;

    println!("\n5. A flow of our own: created, marked 7, and marked 0 again.");
    let new = NewFlow::udp("10.0.0.1:5353".parse()?, "10.0.0.2:53".parse()?).timeout(Duration::from_secs(30));
    let key = FlowKey::from(new.orig);
    ct.create(&new)?;
    println!("   {}", ct.get(&key)?.ok_or("the created flow is not in the table")?);
    for mark in [7, 0] {
        ct.update(&key, &Changes::new().mark(mark))?;
        let flow = ct.get(&key)?.ok_or("the created flow is gone")?;
        println!("   {flow}");
        ensure(flow.mark == Some(mark), "the kernel reports the mark that was set")?;
    }

    println!("\n6. Deleted, by tuple and id.");
    let exact = ct.get(&key)?.ok_or("the created flow is gone")?.key();
    ensure(ct.delete(&exact)?, "the flow was there to delete")?;
    ensure(ct.get(&key)?.is_none(), "it is gone")?;
    println!("   {exact}");

    println!("\n7. Every flow once more, decoded into a struct of three fields.");
    let mut count = 0;
    for flow in ct.dump_as::<Marked>()? {
        let Marked { id, timeout, mark } = flow?;
        let (timeout, mark) = (timeout.ok_or("no timeout")?, mark.ok_or("no mark")?);
        println!("   id {id:>10}  expires in {:>6} s  mark {}", timeout.0, mark.value);
        count += 1;
    }
    ensure(count == 6, "the six flows of the traffic are left")
}

/// Stops the tour where the kernel does not do what was said.
fn ensure(holds: bool, what: &str) -> Result<(), Failure> {
    if holds { Ok(()) } else { Err(format!("does not hold: {what}").into()) }
}
