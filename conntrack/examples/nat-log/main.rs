//! A line for the start and the end of each translation: what a carrier has to keep.
//!
//! `cargo run --release --example nat-log -- --sandbox`

#[path = "../common/mod.rs"]
mod common;
mod log;
mod subscribers;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use common::{Common, Output, Selection, note};
use conntrack::sandbox::{Failure, Sandbox};
use conntrack::{Conntrack, Error, Event, Events, Groups, Report};
use log::Log;
use subscribers::Subscribers;

/// How long to wait for events before looking whether there is something else to do.
const IDLE: Duration = Duration::from_millis(200);

/// Logs when address translations start and end, one line each, with both tuples and the duration
///
/// Every start has its end, whatever is lost on the way. Ends are delivered reliably: the kernel keeps a flow until its
/// end has arrived. After an overrun of the buffer, and every so often without a reason, the log is compared with the
/// table: (found) marks a start that was learned from the table and not when it happened, (missed) one that only the end
/// told of, and an end that nothing told of but the table.
#[derive(Debug, Parser)]
#[command(name = "nat-log")]
struct Args {
    #[command(flatten)]
    selection: Selection,
    /// Room for events, 1280 bytes each; the kernel doubles it
    #[arg(long, value_name = "BYTES", default_value_t = 8 << 20)]
    receive_buffer: usize,
    /// Seconds between comparisons with the table
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    check: u64,
    #[command(flatten)]
    common: Common,
}

fn main() -> ExitCode {
    let args = Args::parse();
    args.common.run(|output, sandbox| nat_log(&args, output, sandbox))
}

fn nat_log(args: &Args, output: Output, sandbox: Option<&Sandbox>) -> Result<(), Failure> {
    let filter = args.selection.filter()?;
    let ct = Conntrack::open()?;
    // In the sandbox hardly any room, to see it overrun.
    let room = if sandbox.is_some() { 16 << 10 } else { args.receive_buffer };
    let mut events = Events::builder()
        .groups(Groups::NEW | Groups::DESTROY)
        .filter(&filter)
        .receive_buffer(room)
        .reliable_destroy(true)
        .subscribe()?;
    let subscribers = sandbox.map(Subscribers::start).transpose()?;

    let mut log = Log::new(output);
    // Whether all that has happened is in the log, as far as can be known; and whether all events that are there are.
    let (mut complete, mut caught_up) = (false, false);
    let mut check = Instant::now();
    loop {
        match events.next_timeout(if caught_up { IDLE } else { Duration::ZERO }) {
            Ok(None) if !complete || check <= Instant::now() => {
                // At first, it is the translations that were there before that are missing.
                log.compare(&ct, &filter)?;
                (complete, caught_up) = (true, false);
                check = Instant::now() + Duration::from_secs(args.check);
                continue;
            }
            Ok(None) => {
                log.catch_up()?;
                caught_up = true;
                if log.is_settled() && subscribers.as_ref().is_some_and(Subscribers::have_left) {
                    break;
                }
                continue;
            }
            Ok(Some(Event::New(flow, _))) => log.started(&flow)?,
            Ok(Some(Event::Destroy(flow, _))) => log.ended(&flow)?,
            Ok(Some(Event::Overrun { lost })) => {
                note(format_args!("overrun: {lost} events were lost"));
                complete = false;
            }
            Ok(Some(_)) => {}
            Err(error @ Error::Undecodable(_)) => {
                note(Report(&error));
                complete = false;
            }
            Err(error) => return Err(error.into()),
        }
        caught_up = false;
    }
    note(log.summary());
    subscribers.map_or(Ok(()), Subscribers::join)
}
