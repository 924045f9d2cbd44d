//! Reading events that wait in a socket's receive buffer.

use std::hint::black_box;
use std::io::Write as _;

use conntrack::{Event, Events, FlowKey, Groups, NewFlow, request};

use crate::args::Args;
use crate::batch::Encoded;
use crate::measure::{Series, timed};
use crate::raw::{Raw, messages};
use crate::report::{Figures, Table};
use crate::{Outcome, mix, table};

/// The mask of `NFNLGRP_CONNTRACK_NEW`.
const NEW: u32 = 1;
/// What the kernel counts against the receive buffer for an event.
const EVENT: usize = 1280;

/// A subscriber, which is opened before the events happen.
struct Contestant {
    name: &'static str,
    /// Opens it, with a receive buffer of this many bytes, and says how to read that many events.
    open: fn(usize) -> Outcome<Reader>,
}

/// Reads the events that wait, at most the number it is given, and says how many there were.
type Reader = Box<dyn FnMut(u64) -> Outcome<u64>>;

/// The bare loop comes first: the others are compared with it.
const CONTESTANTS: [Contestant; 2] = [
    Contestant { name: "bare recv loop, no decoding", open: bare },
    Contestant { name: "this library: every attribute", open: ours },
];

fn bare(buffer: usize) -> Outcome<Reader> {
    let mut socket = Raw::open(NEW)?;
    let granted = socket.set_receive_buffer(buffer)?;
    if granted < buffer {
        return Err(format!("a receive buffer of {buffer} bytes is not allowed, only {granted}; ask for less").into());
    }
    Ok(Box::new(move |most| {
        let mut events = 0;
        while events < most
            && let Some(datagram) = socket.receive_now()?
        {
            events += messages(datagram).count() as u64;
        }
        Ok(events)
    }))
}

fn ours(buffer: usize) -> Outcome<Reader> {
    let mut subscription = Events::builder().groups(Groups::NEW).receive_buffer(buffer).subscribe()?;
    Ok(Box::new(move |most| {
        let mut events = 0;
        while events < most
            && let Some(event) = subscription.try_next()?
        {
            let Event::New { .. } = black_box(&event) else { return Err("not the event of a new flow".into()) };
            events += 1;
        }
        Ok(events)
    }))
}

/// Measures in an empty table, and leaves it empty.
pub(crate) fn measure(args: &Args, figures: &mut Figures) -> Outcome<()> {
    table::set_events("1")?;
    let flows: Vec<NewFlow> = mix::flows(args.entries).collect();
    let keys: Vec<FlowKey> = flows.iter().map(|flow| flow.orig.into()).collect();
    let creates = Encoded::new(&flows, request::create)?;
    let deletes = Encoded::new(&keys, request::delete)?;
    let mut socket = Raw::open(0)?;
    let mut series = vec![Series::default(); CONTESTANTS.len()];
    for round in 0..args.rounds {
        eprint!("\revents: round {} of {}  ", round + 1, args.rounds);
        std::io::stderr().flush()?;
        for (contestant, series) in CONTESTANTS.iter().zip(&mut series) {
            let mut read = (contestant.open)(args.entries as usize * EVENT)?;
            creates.send(&mut socket)?;
            let (events, time) = timed(|| read(args.entries.into()))?;
            if events != u64::from(args.entries) {
                return Err(format!("{} read {events} of {} events", contestant.name, args.entries).into());
            }
            series.push(time);
            drop(read);
            deletes.send(&mut socket)?;
        }
    }
    eprintln!();
    table::set_events("2")?;
    let heading = format!("{} events of new flows, queued", args.entries);
    let mut table = Table::new(&[&heading, "a second", "times the floor"]);
    for (contestant, times) in CONTESTANTS.iter().zip(&series) {
        table.row([
            contestant.name.to_owned(),
            format!("{:.0}", f64::from(args.entries) / times.wall()),
            series.first().map_or_else(String::new, |floor| format!("{:.3}", times.ratio(floor))),
        ]);
    }
    table.print();
    if let [floor, ours] = &series[..] {
        figures.figure("events_vs_raw", ours.ratio(floor));
        figures.figure("events_per_second", f64::from(args.entries) / ours.wall());
    }
    Ok(())
}
