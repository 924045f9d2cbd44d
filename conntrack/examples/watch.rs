//! What happens to flows, as it happens.
//!
//! `cargo run --release --example watch -- --sandbox`

mod common;

use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use common::{Common, Output, Selection};
use conntrack::sandbox::{Failure, Sandbox};
use conntrack::{Conntrack, Error, Event, Events, Family, Groups, Origin, Undecodable};
use serde::Serialize;

/// Prints events, one per line as `conntrack -E` does
///
/// What could not be received or understood is a line too, and it goes on.
#[derive(Debug, Parser)]
#[command(name = "watch", after_help = "Example: watch --events new,destroy proto=tcp dport=443")]
struct Args {
    #[command(flatten)]
    selection: Selection,
    /// Which events
    #[arg(long, short, value_enum, value_delimiter = ',', default_value = "new,update,destroy")]
    events: Vec<Kind>,
    /// Print ids, times, the network protocol, and the port id of whoever caused it too
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

fn watch(args: &Args, mut output: Output, sandbox: Option<&Sandbox>) -> Result<(), Failure> {
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

    for _ in 0..args.first.unwrap_or(usize::MAX) {
        let event = match sandbox {
            None => events.next(),
            // All has happened already.
            Some(_) => events.try_next().transpose(),
        };
        match event {
            None => break,
            Some(Ok(event)) => print(args, &mut output, &event)?,
            Some(Err(Error::Undecodable(undecodable))) => print_undecodable(&mut output, &undecodable)?,
            Some(Err(error)) => return Err(error.into()),
        }
        output.flush()?;
    }
    Ok(())
}

/// An event as JSON.
#[derive(Debug, Serialize)]
struct Line<'a, T> {
    event: &'a str,
    /// Who caused it; 0 is the kernel.
    port: u32,
    #[serde(flatten)]
    about: T,
}

/// `{"flow": …}`
#[derive(Debug, Serialize)]
#[serde(rename_all = "lowercase")]
enum About<'a> {
    Flow(&'a conntrack::Flow),
    Expectation(&'a conntrack::Expect),
    Lost(u32),
    Message { kind: u16, bytes: &'a [u8] },
    Undecodable { reason: String, bytes: &'a [u8] },
}

fn print(args: &Args, output: &mut Output, event: &Event) -> Result<(), Failure> {
    let flow = |output: &mut Output, name, flow: &conntrack::Flow, origin: &Origin| {
        let json = Line { event: name, port: origin.port, about: About::Flow(flow) };
        let name = format!("[{}]", name.to_uppercase());
        if args.wide {
            output.line(format_args!("{name:>9} {} by={}", flow.display().extended().id().ktimestamp(), origin.port), &json)
        } else {
            output.line(format_args!("{name:>9} {flow}"), &json)
        }
    };
    let expectation = |output: &mut Output, name, expect: &conntrack::Expect, origin: &Origin| {
        let json = Line { event: name, port: origin.port, about: About::Expectation(expect) };
        output.line(format_args!("{:>9} {expect}", format!("[{}]", name.to_uppercase())), &json)
    };
    match event {
        Event::New(new, origin) => flow(output, "new", new, origin)?,
        Event::Update(changed, origin) => flow(output, "update", changed, origin)?,
        Event::Destroy(gone, origin) => flow(output, "destroy", gone, origin)?,
        Event::ExpectNew(new, origin) => expectation(output, "new", new, origin)?,
        Event::ExpectDestroy(gone, origin) => expectation(output, "destroy", gone, origin)?,
        Event::Overrun { lost } => {
            let json = Line { event: "overrun", port: 0, about: About::Lost(*lost) };
            output.line(format_args!("# {lost} events were lost here: the receive buffer was full"), &json)?;
        }
        Event::Unknown(message, origin) => {
            let about = About::Message { kind: message.header.kind, bytes: &message.body };
            let json = Line { event: "unknown", port: origin.port, about };
            let (kind, length) = (message.header.kind, message.body.len());
            output.line(format_args!("# a message of type {kind:#06x}, {length} bytes"), &json)?;
        }
        // What a later version may tell.
        _ => {}
    }
    Ok(())
}

fn print_undecodable(output: &mut Output, undecodable: &Undecodable) -> Result<(), Failure> {
    let about = About::Undecodable { reason: undecodable.reason.to_string(), bytes: &undecodable.bytes };
    let json = Line { event: "undecodable", port: undecodable.origin.port, about };
    output.line(format_args!("# {undecodable}"), &json)?;
    Ok(())
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
