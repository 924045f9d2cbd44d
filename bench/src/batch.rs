//! Creating and deleting many flows.

use conntrack::netlink::Request;
use conntrack::{Command, Conntrack, FlowKey, NewFlow, UsageError, request};

use crate::args::Args;
use crate::measure::{Series, timed};
use crate::raw::Raw;
use crate::report::{Figures, Table};
use crate::sums::Sums;
use crate::{Outcome, mix, truth};

/// Requests that are encoded already, as many in a datagram as the library sends.
#[derive(Debug)]
pub(crate) struct Encoded(Vec<Vec<u8>>);

impl Encoded {
    /// Encodes a request for each value.
    pub(crate) fn new<'a, T>(
        values: &'a [T],
        request: impl Fn(&'a T) -> Result<Request<'a>, UsageError>,
    ) -> Outcome<Self> {
        // So that the answers fit the receive buffer even if all are refused.
        let each = (Conntrack::open()?.receive_buffer()? / 1280).clamp(1, 256);
        let mut datagrams = Vec::new();
        for values in values.chunks(each) {
            let mut datagram = Vec::new();
            for (index, value) in values.iter().enumerate() {
                let request = request(value)?;
                let last = index + 1 == values.len();
                let request = if last { request } else { request.without_ack() };
                request.encode(1, &mut datagram)?;
            }
            datagrams.push(datagram);
        }
        Ok(Self(datagrams))
    }

    /// Sends them, each datagram when the one before it is acknowledged.
    pub(crate) fn send(&self, socket: &mut Raw) -> Outcome<()> {
        for datagram in &self.0 {
            socket.send(datagram)?;
            socket.acknowledged()?;
        }
        Ok(())
    }
}

/// Measures in an empty table, and leaves it empty.
pub(crate) fn measure(args: &Args, figures: &mut Figures) -> Outcome<()> {
    let flows: Vec<NewFlow> = mix::flows(args.entries).collect();
    let keys: Vec<FlowKey> = flows.iter().map(|flow| flow.orig.into()).collect();
    let commands: Vec<Command> = flows.iter().cloned().map(Command::Create).collect();
    let deletions: Vec<Command> = keys.iter().copied().map(Command::Delete).collect();
    let creates = Encoded::new(&flows, request::create)?;
    let deletes = Encoded::new(&keys, request::delete)?;
    let (mut socket, ct) = (Raw::open(0)?, Conntrack::open()?);
    let [mut raw_create, mut raw_delete, mut create, mut delete] = std::array::from_fn(|_| Series::default());
    for _ in 0..args.rounds {
        push(&mut raw_create, || creates.send(&mut socket))?;
        let expected = truth::of_table()?;
        push(&mut raw_delete, || deletes.send(&mut socket))?;
        must_be_empty()?;
        push(&mut create, || Ok(ct.batch(&commands).run()?.into_result().map(drop)?))?;
        if truth::of_table()? != expected {
            return Err("the library and the raw requests do not create the same flows".into());
        }
        push(&mut delete, || Ok(ct.batch(&deletions).run()?.into_result().map(drop)?))?;
        must_be_empty()?;
    }
    let heading = format!("{} flows, {}", args.entries, mix::DESCRIPTION);
    let mut table = Table::new(&[&heading, "a second", "times raw"]);
    for (name, ours, raw) in [("creating", &create, &raw_create), ("deleting", &delete, &raw_delete)] {
        table.row([format!("{name}, requests encoded before, one socket"), per_second(args, raw), "1.000".to_owned()]);
        table.row([format!("{name}, this library's batch"), per_second(args, ours), format!("{:.3}", ours.ratio(raw))]);
    }
    table.print();
    figures.figure("create_batch_vs_raw", create.ratio(&raw_create));
    figures.figure("create_batch_per_second", f64::from(args.entries) / create.wall());
    figures.figure("delete_batch_vs_raw", delete.ratio(&raw_delete));
    Ok(())
}

fn push(series: &mut Series, work: impl FnOnce() -> Outcome<()>) -> Outcome<()> {
    series.push(timed(work)?.1);
    Ok(())
}

fn per_second(args: &Args, series: &Series) -> String {
    format!("{:.0}", f64::from(args.entries) / series.wall())
}

fn must_be_empty() -> Outcome<()> {
    if truth::of_table()? == Sums::default() { Ok(()) } else { Err("not every flow was deleted".into()) }
}
