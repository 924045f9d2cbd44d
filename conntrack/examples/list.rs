//! The flows of the table, or those of them that were asked for.
//!
//! `cargo run --release --example list -- --sandbox proto=tcp dport=443`

mod common;

use std::process::ExitCode;
use std::time::SystemTime;

use clap::Parser;
use common::traffic::Traffic;
use common::{Common, Output, Selection};
use conntrack::sandbox::{Failure, Sandbox};
use conntrack::{Conntrack, Family};

/// Lists the kernel's flows, one per line as conntrack(8) does
///
/// Flows are printed as they arrive, whatever the size of the table.
#[derive(Debug, Parser)]
#[command(name = "list", after_help = "Example: list proto=udp dport=53 status=!seen_reply src=10.0.0.0/8")]
struct Args {
    #[command(flatten)]
    selection: Selection,
    /// Print ids, times and the network protocol too
    #[arg(long, short)]
    wide: bool,
    /// Print how many there are, and not which
    #[arg(long, short)]
    count: bool,
    /// Stop after this many
    #[arg(long, short = 'n', value_name = "COUNT")]
    first: Option<usize>,
    #[command(flatten)]
    common: Common,
}

fn main() -> ExitCode {
    let args = Args::parse();
    args.common.run(|output, sandbox| list(&args, output, sandbox))
}

fn list(args: &Args, mut output: Output, sandbox: Option<&Sandbox>) -> Result<(), Failure> {
    // Flows outlive an exchange, but a TCP connection's would show its end.
    let _traffic = sandbox.map(make_traffic).transpose()?;
    let filter = args.selection.filter()?;
    let ct = Conntrack::open()?;

    let mut count = 0_u64;
    for flow in ct.dump_filtered(&filter)?.take(args.first.unwrap_or(usize::MAX)) {
        let flow = flow?;
        count += 1;
        match (args.count, args.wide) {
            (true, _) => {}
            (false, false) => output.line(flow.display().now(SystemTime::now()), &flow)?,
            (false, true) => {
                output.line(flow.display().extended().id().ktimestamp().now(SystemTime::now()), &flow)?;
            }
        }
    }
    if args.count {
        output.line(count, &count)?;
    }
    output.flush()?;
    Ok(())
}

/// TCP and UDP to some services, and echo requests.
fn make_traffic(sandbox: &Sandbox) -> Result<Traffic, Failure> {
    for family in [Family::IPV4, Family::IPV6] {
        sandbox.ping(family)?;
    }
    Traffic::start()
}
