//! Deletes stale UDP flows to a destination.
//!
//! `cargo run --release --example purge -- --sandbox`

mod common;

use std::net::{IpAddr, SocketAddr};
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use common::{Common, Output, note};
use conntrack::sandbox::Failure;
use conntrack::{BulkReport, Command, Conntrack, Decode, Filter, Flow, NewFlow, Protocol, Seconds, Status, Timeouts};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

/// Deletes stale UDP flows to a destination, in batches
///
/// UDP has no end that the kernel could see: as long as a client goes on sending, its flow keeps a translation to a
/// server that is long gone. This finds the flows to the destination and deletes each by its tuple and its id, which a
/// later flow hardly ever has.
#[derive(Debug, Parser)]
#[command(name = "purge", after_help = "Example: purge 10.96.0.10:53 --backend 10.1.2.3")]
struct Args {
    /// Where the flows' first packets went: ADDRESS, or ADDRESS:PORT
    #[arg(value_parser = destination, required_unless_present = "sandbox")]
    destination: Option<Destination>,
    /// Only those that are translated to this server
    #[arg(long, value_name = "ADDRESS")]
    backend: Option<IpAddr>,
    /// Only those that were never answered
    #[arg(long)]
    unanswered: bool,
    /// Only those without a packet for so long, as far as timeouts tell: they are taken to be the namespace's defaults
    #[arg(long, value_name = "SECONDS")]
    idle: Option<u32>,
    /// Tell how many there are, and delete none
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    common: Common,
}

#[derive(Clone, Copy, Debug)]
struct Destination {
    address: IpAddr,
    port: Option<u16>,
}

/// In the sandbox.
const DESTINATION: Destination =
    Destination { address: IpAddr::V4(std::net::Ipv4Addr::new(10, 96, 0, 10)), port: Some(53) };

fn destination(text: &str) -> Result<Destination, String> {
    let with_port = text.parse().map(|end: SocketAddr| Destination { address: end.ip(), port: Some(end.port()) });
    let without = || text.parse().map(|address| Destination { address, port: None });
    with_port.or_else(|_| without()).map_err(|_| "expected ADDRESS or ADDRESS:PORT".to_owned())
}

#[derive(Debug, Serialize)]
struct Report {
    found: u64,
    deleted: u64,
    /// Flows whose deletion was refused.
    failed: u64,
    /// Flows of the namespace that are left.
    left: u32,
    seconds: f64,
}

fn main() -> ExitCode {
    let args = Args::parse();
    args.common.run(|output, sandbox| purge(&args, output, sandbox.is_some()))
}

fn purge(args: &Args, mut output: Output, in_sandbox: bool) -> Result<(), Failure> {
    let ct = Conntrack::open()?;
    if in_sandbox {
        make_flows(&ct)?;
    }
    let Destination { address, port } = args.destination.unwrap_or(DESTINATION);
    let mut filter = Filter::new().udp().orig_dst(address);
    filter = port.map_or(filter.clone(), |port| filter.orig_dst_port(port));
    filter = args.backend.map_or(filter.clone(), |backend| filter.reply_src(backend));
    if args.unanswered {
        filter = filter.without_status(Status::SEEN_REPLY);
    }
    let stale = Stale::new(&ct, args.idle)?;

    // Counting first costs a second dump, and holds none of the flows in memory.
    let started = Instant::now();
    let spinner = ProgressBar::new_spinner().with_message("looking for flows");
    let mut found = 0;
    for life in ct.dump_filtered_as::<Life>(&filter)? {
        found += u64::from(stale.holds(&life?));
        spinner.inc(1);
    }
    spinner.finish_and_clear();

    let mut outcome = BulkReport::default();
    if !args.dry_run {
        let template = ProgressStyle::with_template("{bar:40} {human_pos} of {human_len} flows, {eta} left")?;
        let bar = ProgressBar::new(found).with_style(template);
        outcome = ct.delete_matching(&filter, |flow| {
            let delete = stale.holds(&Life::from(flow));
            bar.inc(u64::from(delete));
            delete
        })?;
        bar.finish_and_clear();
    }
    let BulkReport { done: deleted, failed, .. } = outcome;
    let left = ct.stats()?.entries;
    let report = Report { found, deleted, failed, left, seconds: started.elapsed().as_secs_f64() };
    let Report { seconds, .. } = &report;
    let text = format!("{found} found, {deleted} deleted, {failed} refused, {left} flows left, {seconds:.2} s");
    output.line(format_args!("{text}"), &report)?;
    output.flush()?;
    outcome.into_result()?;
    Ok(())
}

/// Of a flow, what tells how long it has been idle.
#[derive(Debug, Decode)]
struct Life {
    #[nla(CTA_STATUS)]
    status: Status,
    #[nla(CTA_TIMEOUT)]
    left: Option<Seconds>,
}

impl From<&Flow> for Life {
    fn from(flow: &Flow) -> Self {
        Self { status: flow.status, left: flow.timeout }
    }
}

/// Which flows are stale: those that have at most so much left of their lives. There is one limit for flows that are not
/// assured and one for those that are; without one, none of that kind lives long enough to be stale.
#[derive(Debug)]
struct Stale(Option<[Option<Seconds>; 2]>);

impl Stale {
    fn new(ct: &Conntrack, idle: Option<u32>) -> Result<Self, Failure> {
        let Some(idle) = idle else { return Ok(Self(None)) };
        let Timeouts::Udp(timeouts) = ct.default_timeouts(Protocol::UDP)? else { return Err("no UDP timeouts".into()) };
        let (Some(unreplied), Some(replied)) = (timeouts.unreplied, timeouts.replied) else {
            return Err("the kernel does not tell UDP timeouts".into());
        };
        if idle > unreplied.0.max(replied.0) {
            return Err(format!("no flow is idle for longer than {} s", unreplied.0.max(replied.0)).into());
        }
        Ok(Self(Some([unreplied, replied].map(|timeout| timeout.0.checked_sub(idle).map(Seconds)))))
    }

    fn holds(&self, life: &Life) -> bool {
        let Some([unreplied, replied]) = self.0 else { return true };
        let most = if life.status.contains(Status::ASSURED) { replied } else { unreplied };
        most.is_some_and(|most| life.left.is_some_and(|left| left <= most))
    }
}

/// Many flows to the destination, and some to another one.
fn make_flows(ct: &Conntrack) -> Result<(), Failure> {
    let [there, elsewhere]: [SocketAddr; 2] = [([10, 96, 0, 10], 53).into(), ([10, 96, 0, 11], 53).into()];
    let many = (0..50_000_u32).map(|n| (n, if n % 10 == 0 { elsewhere } else { there }));
    let flows = many.map(|(n, server)| {
        let client = SocketAddr::new(IpAddr::from((0x0a01_0000 + (n >> 12)).to_be_bytes()), 1024 + (n & 0xfff) as u16);
        // Half of them have been idle for a minute.
        let left = Seconds(if n % 2 == 0 { 60 } else { 120 });
        NewFlow::udp(client, server).status(Status::SEEN_REPLY | Status::ASSURED).timeout(left)
    });
    let made = ct.batch(flows.map(Command::Create)).run()?.into_result()?;
    note(format_args!("made {made} flows, a tenth of them to another destination, half of them idle for a minute"));
    Ok(())
}
