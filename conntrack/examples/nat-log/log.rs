//! The log: its lines, and which changes of the mirror make one.

use std::fmt;
use std::io;
use std::time::{Duration, SystemTime};

use conntrack::{Change, Counters, Flow, FlowId, Nanoseconds, Removal, Status, Tuple};
use serde::Serialize;

use crate::common::lines::Lines;

/// The start or the end of a translation.
#[derive(Debug, Serialize)]
struct Line<'a> {
    /// When it happened, in nanoseconds since 1970. If neither an event nor the kernel's timestamps tell: when the log
    /// learnt of it.
    time: Nanoseconds,
    event: &'static str,
    how: How,
    id: FlowId,
    orig: &'a Tuple,
    reply: &'a Tuple,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration: Option<Duration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    counters_orig: Option<Counters>,
    #[serde(skip_serializing_if = "Option::is_none")]
    counters_reply: Option<Counters>,
}

/// How the log learnt of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum How {
    /// From its event.
    Seen,
    /// From the table.
    Found,
    /// From what came later: a start from the end, an end from the flow's absence.
    Missed,
}

#[derive(Debug)]
pub(crate) struct Log<'a> {
    lines: &'a Lines,
    starts: Count,
    ends: Count,
}

/// How many starts or ends there were.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    all: u64,
    unseen: u64,
}

impl Count {
    fn add(&mut self, how: How) {
        self.all += 1;
        self.unseen += u64::from(how != How::Seen);
    }
}

impl<'a> Log<'a> {
    pub(crate) fn new(lines: &'a Lines) -> Self {
        Self { lines, starts: Count::default(), ends: Count::default() }
    }

    /// Logs a flow that is older than the log. There can be more of them than there is room for lines.
    pub(crate) fn existing(&mut self, flow: &Flow) -> io::Result<()> {
        if !is_translated(flow) {
            return Ok(());
        }
        self.starts.add(How::Found);
        let line = start(flow, How::Found);
        self.lines.line_beyond(&line, &line)
    }

    /// Logs a change of the mirror.
    pub(crate) fn change(&mut self, change: &Change) -> io::Result<()> {
        if !change.flow().is_some_and(is_translated) {
            return Ok(());
        }
        match change {
            Change::Inserted { flow, origin: Some(_) } => self.started(flow, How::Seen),
            Change::Inserted { flow, origin: None } => self.started(flow, How::Found),
            Change::Removed { flow, how: Removal::Destroyed, .. } => self.ended(flow, How::Seen),
            Change::Removed { flow, how: Removal::Missed, .. } => self.ended(flow, How::Missed),
            Change::Ended { flow, .. } => {
                self.started(flow, How::Missed)?;
                self.ended(flow, How::Seen)
            }
            // A translation does not change, and no flow ceases to meet a lasting filter.
            _ => Ok(()),
        }
    }

    fn started(&mut self, flow: &Flow, how: How) -> io::Result<()> {
        self.starts.add(how);
        let line = start(flow, how);
        self.lines.line(&line, &line)
    }

    fn ended(&mut self, flow: &Flow, how: How) -> io::Result<()> {
        self.ends.add(how);
        let line = end(flow, how);
        self.lines.line(&line, &line)
    }

    /// Whether every start has its end.
    pub(crate) fn is_settled(&self) -> bool {
        self.starts.all == self.ends.all
    }

    pub(crate) fn summary(&self) -> String {
        let Self { starts, ends, .. } = self;
        format!("{} starts, {} not seen; {} ends, {} not seen", starts.all, starts.unseen, ends.all, ends.unseen)
    }
}

/// Whether a rule or a request has translated the flow. This is decided before the flow begins.
fn is_translated(flow: &Flow) -> bool {
    flow.status.intersects(Status::NAT)
}

fn start(flow: &Flow, how: How) -> Line<'_> {
    Line {
        // That of a missed start is the end's.
        time: flow
            .timestamp
            .map(|timestamp| timestamp.start)
            .or(flow.timestamp_event.filter(|_| how == How::Seen))
            .unwrap_or_else(now),
        event: "start",
        how,
        id: flow.id,
        orig: &flow.orig,
        reply: &flow.reply,
        duration: None,
        counters_orig: None,
        counters_reply: None,
    }
}

fn end(flow: &Flow, how: How) -> Line<'_> {
    let lived = flow.timestamp.and_then(|timestamp| Some((timestamp.start, timestamp.stop?)));
    let is_seen = how == How::Seen;
    Line {
        time: lived.map(|(_, stop)| stop).or(flow.timestamp_event).filter(|_| is_seen).unwrap_or_else(now),
        event: "end",
        duration: lived.map(|(start, stop)| Duration::from_nanos(stop.0.saturating_sub(start.0))),
        // Without an end they are not the last ones.
        counters_orig: flow.counters_orig.filter(|_| is_seen),
        counters_reply: flow.counters_reply.filter(|_| is_seen),
        ..start(flow, how)
    }
}

fn now() -> Nanoseconds {
    let since = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    Nanoseconds(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

impl fmt::Display for Line<'_> {
    /// `1767225600.123456 end   udp 10.0.0.1:4000 > 192.0.2.9:53 as 203.0.113.5:61000 > 192.0.2.9:53 after 1.203 s, 1/1
    /// packets, 60/120 bytes`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { time, event, orig, reply, .. } = self;
        let (seconds, micros) = (time.0 / 1_000_000_000, time.0 / 1_000 % 1_000_000);
        write!(f, "{seconds}.{micros:06} {event:5} {} {} > {}", orig.protocol(), orig.source(), orig.destination())?;
        write!(f, " as {} > {}", reply.destination(), reply.source())?;
        if let Some(duration) = self.duration {
            write!(f, " after {:.3} s", duration.as_secs_f64())?;
        }
        if let (Some(orig), Some(reply)) = (self.counters_orig, self.counters_reply) {
            write!(f, ", {}/{} packets, {}/{} bytes", orig.packets, reply.packets, orig.bytes, reply.bytes)?;
        }
        match self.how {
            How::Seen => Ok(()),
            How::Found => f.write_str(" (found)"),
            How::Missed => f.write_str(" (missed)"),
        }
    }
}
