//! What flows transfer between one dump and the next.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use conntrack::{Conntrack, Counters, Decode, Error, Filter, FlowId, ProtoInfo, Timestamp, Tuple};
use serde::Serialize;

/// Of a flow, what the table shows. Nothing else is decoded.
#[derive(Debug, Decode)]
struct Sample {
    #[nla(CTA_TUPLE_ORIG)]
    orig: Tuple,
    #[nla(CTA_ID)]
    id: FlowId,
    #[nla(CTA_PROTOINFO)]
    proto_info: Option<ProtoInfo>,
    #[nla(CTA_COUNTERS_ORIG)]
    counters_orig: Option<Counters>,
    #[nla(CTA_COUNTERS_REPLY)]
    counters_reply: Option<Counters>,
    #[nla(CTA_TIMESTAMP)]
    timestamp: Option<Timestamp>,
}

/// A flow, as of the last dump. Both directions together.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) id: FlowId,
    pub(crate) orig: Tuple,
    pub(crate) state: Option<String>,
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
    /// Since the dump before; `None` if there was none yet.
    pub(crate) bytes_per_second: Option<u64>,
    /// When it began: `CTA_TIMESTAMP`, which has only flows that began while `nf_conntrack_timestamp` was 1.
    pub(crate) timestamp: Option<Timestamp>,
}

/// What to sort by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Order {
    #[default]
    Rate,
    Bytes,
    Packets,
}

impl Order {
    pub(crate) fn of_key(key: char) -> Option<Self> {
        Some(match key {
            'r' => Self::Rate,
            'b' => Self::Bytes,
            'p' => Self::Packets,
            _ => return None,
        })
    }
}

/// Dumps, and compares with the dump before.
#[derive(Debug)]
pub(crate) struct Meter {
    order: Order,
    /// When the last dump began, and how long it took.
    dumped: Instant,
    took: Duration,
    /// The flows that have counters, the busiest first.
    rows: Vec<Row>,
    flows: usize,
}

/// A refresh as JSON.
#[derive(Debug, Serialize)]
pub(crate) struct Summary<'a> {
    flows: usize,
    counted: usize,
    bytes_per_second: u64,
    busiest: &'a [Row],
}

impl Meter {
    /// Dumps for the first time.
    pub(crate) fn start(ct: &Conntrack, filter: &Filter, order: Order) -> Result<Self, Error> {
        let mut meter = Self { order, dumped: Instant::now(), took: Duration::ZERO, rows: Vec::new(), flows: 0 };
        meter.read(ct, filter, None)?;
        Ok(meter)
    }

    /// Dumps again.
    pub(crate) fn refresh(&mut self, ct: &Conntrack, filter: &Filter) -> Result<(), Error> {
        let elapsed = self.dumped.elapsed();
        self.dumped = Instant::now();
        self.read(ct, filter, Some(elapsed))
    }

    fn read(&mut self, ct: &Conntrack, filter: &Filter, elapsed: Option<Duration>) -> Result<(), Error> {
        let mut before: HashMap<FlowId, u64> = self.rows.drain(..).map(|row| (row.id, row.bytes)).collect();
        self.flows = 0;
        for sample in ct.dump_filtered_as::<Sample>(filter)? {
            let sample = sample?;
            self.flows += 1;
            let (Some(orig), Some(reply)) = (sample.counters_orig, sample.counters_reply) else { continue };
            let bytes = orig.bytes + reply.bytes;
            // All that a flow has that was not there before is of the time since. Where ids are taken by other flows, or
            // somebody sets counters to 0, less than before is all as well.
            let known = before.remove(&sample.id).filter(|known| *known <= bytes).unwrap_or(0);
            self.rows.push(Row {
                id: sample.id,
                orig: sample.orig,
                state: sample.proto_info.as_ref().and_then(state),
                packets: orig.packets + reply.packets,
                bytes,
                bytes_per_second: elapsed.map(|elapsed| per_second(bytes - known, elapsed)),
                timestamp: sample.timestamp,
            });
        }
        self.took = self.dumped.elapsed();
        self.sort(self.order);
        Ok(())
    }

    pub(crate) fn sort(&mut self, order: Order) {
        self.order = order;
        self.rows.sort_by_key(|row| {
            Reverse(match order {
                Order::Rate => (row.bytes_per_second.unwrap_or(row.bytes), row.bytes),
                Order::Bytes => (row.bytes, row.packets),
                Order::Packets => (row.packets, row.bytes),
            })
        });
    }

    pub(crate) fn order(&self) -> Order {
        self.order
    }

    /// The flows that have counters, the busiest first.
    pub(crate) fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// How many flows there are, with and without counters.
    pub(crate) fn flows(&self) -> usize {
        self.flows
    }

    pub(crate) fn took(&self) -> Duration {
        self.took
    }

    pub(crate) fn bytes_per_second(&self) -> u64 {
        self.rows.iter().filter_map(|row| row.bytes_per_second).sum()
    }

    pub(crate) fn summary(&self, rows: usize) -> Summary<'_> {
        let busiest = self.rows.get(..rows).unwrap_or(&self.rows);
        let bytes_per_second = self.bytes_per_second();
        Summary { flows: self.flows, counted: self.rows.len(), bytes_per_second, busiest }
    }
}

fn state(info: &ProtoInfo) -> Option<String> {
    match info {
        ProtoInfo::Tcp(tcp) => tcp.state.map(|state| state.to_string()),
        ProtoInfo::Sctp(sctp) => sctp.state.map(|state| state.to_string()),
        _ => None,
    }
}

#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "for display")]
fn per_second(bytes: u64, elapsed: Duration) -> u64 {
    (bytes as f64 / elapsed.as_secs_f64()) as u64
}
