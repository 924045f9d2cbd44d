//! What happens to flows, as it happens.
//!
//! `cargo run --release --example watch -- --sandbox`

mod common;

use std::fmt;
use std::io;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use common::lines::Lines;
use common::{Common, Output, Selection};
use conntrack::sandbox::{Failure, Sandbox};
use conntrack::{Conntrack, Error, Event, Events, Family, Groups, Origin, Report, Undecodable};
use serde::Serialize;

/// Prints events, one per line as `conntrack -E` does
///
/// What could not be received or understood is a line too, and it goes on. If nobody reads the output, lines are dropped
/// and counted: a listener that waits would have the kernel drop events, or with --reliable keep flows.
#[derive(Debug, Parser)]
#[command(name = "watch", after_help = "Example: watch --events new,destroy proto=tcp dport=443")]
struct Args {
    #[command(flatten)]
    selection: Selection,
    /// Which events
    #[arg(long, short, value_enum, value_delimiter = ',', default_value = "new,update,destroy")]
    events: Vec<Kind>,
    /// Print ids, times and the network protocol too
    #[arg(long, short)]
    wide: bool,
    /// Stop after this many lines
    #[arg(long, short = 'n', value_name = "COUNT")]
    first: Option<usize>,
    /// Size of the receive buffer
    #[arg(long, value_name = "BYTES")]
    buffer: Option<usize>,
    /// Have the kernel keep destroyed flows until their events have been received
    #[arg(long)]
    reliable: bool,
    /// Room for lines that wait to be written. If there is none, lines are dropped, and a line says how many
    #[arg(long, value_name = "LINES", default_value_t = 100_000)]
    queue: usize,
    #[command(flatten)]
    common: Common,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    New,
    Update,
    Destroy,
    /// Of expectations
    Expect,
}

impl From<Kind> for Groups {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::New => Self::NEW,
            Kind::Update => Self::UPDATE,
            Kind::Destroy => Self::DESTROY,
            Kind::Expect => Self::EXPECTATIONS,
        }
    }
}

fn main() -> ExitCode {
    let args = Args::parse();
    args.common.run(|output, sandbox| watch(&args, output, sandbox))
}

fn watch(args: &Args, output: Output, sandbox: Option<&Sandbox>) -> Result<(), Failure> {
    let groups = args.events.iter().copied().map(Groups::from).collect();
    let filter = args.selection.filter()?;
    let mut builder = Events::builder().groups(groups).filter(&filter).reliable_destroy(args.reliable);
    if let Some(bytes) = args.buffer {
        builder = builder.receive_buffer(bytes);
    }
    let mut events = builder.subscribe()?;
    if let Some(sandbox) = sandbox {
        make_traffic(sandbox)?;
    }

    let first = args.first.unwrap_or(usize::MAX);
    Lines::run(output, args.queue, move |lines| {
        for _ in 0..first {
            let event = match sandbox {
                None => events.next(),
                // All has happened already.
                Some(_) => events.try_next().transpose(),
            };
            match event {
                None => break,
                Some(Ok(event)) => print(args, lines, &event)?,
                Some(Err(Error::Undecodable(undecodable))) => print_undecodable(lines, &undecodable)?,
                Some(Err(error)) => return Err(error.into()),
            }
        }
        Ok(())
    })
}

/// A line of text, or the event as JSON.
fn print(args: &Args, lines: &Lines, event: &Event) -> io::Result<()> {
    let program = Program(event.origin().map_or(0, |origin| origin.port));
    if args.wide {
        let event_text = event.display_as(|flow| flow.extended().id().ktimestamp());
        lines.line(format_args!("{event_text}{program}"), event)
    } else {
        lines.line(format_args!("{event}{program}"), event)
    }
}

/// The name of the program that caused an event, by its port id.
struct Program(u32);

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The first netlink socket of a process has its process id for a port id.
        match std::fs::read_to_string(format!("/proc/{}/comm", self.0)) {
            Ok(name) => write!(f, " progname={}", name.trim_end()),
            Err(_) => Ok(()),
        }
    }
}

/// A message that is not what is declared, as JSON.
#[derive(Serialize)]
struct Unreadable<'a> {
    event: &'static str,
    reason: String,
    bytes: &'a [u8],
    origin: Origin,
}

fn print_undecodable(lines: &Lines, undecodable: &Undecodable) -> io::Result<()> {
    let Undecodable { reason, bytes, origin } = undecodable;
    let json = Unreadable { event: "undecodable", reason: Report(reason).to_string(), bytes, origin: *origin };
    lines.line(format_args!("[UNDECODABLE] {}", Report(undecodable)), &json)
}

/// Connections, datagrams and echo requests; then the end of all of them.
fn make_traffic(sandbox: &Sandbox) -> Result<(), Failure> {
    for family in [Family::IPV4, Family::IPV6] {
        sandbox.ping(family)?;
        sandbox.udp_exchange(family)?;
        sandbox.tcp_connection(family)?;
    }
    // A connection that was closed goes through its last states in its own time; this can come between.
    std::thread::sleep(Duration::from_millis(20));
    Conntrack::open()?.flush_all()?;
    Ok(())
}
