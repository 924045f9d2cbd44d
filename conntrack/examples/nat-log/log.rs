//! The log: which translations are open, and the lines.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::io;
use std::time::{Duration, SystemTime};

use conntrack::{Conntrack, Counters, Error, Filter, Flow, FlowId, FlowKey, Nanoseconds, Status, Tuple};
use serde::Serialize;

use crate::common::Output;

/// What is to be said of a translation.
#[derive(Debug, Serialize)]
struct Line<'a> {
    /// When it happened. If it was not seen to happen and the kernel takes no times: when it was found out.
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

/// How something is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum How {
    /// By its event.
    Seen,
    /// By what is in the table.
    Found,
    /// By what came later.
    Missed,
}

/// A translation that has started and not ended.
#[derive(Debug)]
struct Open {
    orig: Tuple,
    reply: Tuple,
    started: Nanoseconds,
    how: How,
    /// It is not in the table any more. Unless its end is on the way, it was missed.
    absent: bool,
}

#[derive(Debug)]
pub(crate) struct Log {
    out: Output,
    open: HashMap<FlowKey, Open>,
    /// Starts, and how many of them were not seen.
    starts: [u64; 2],
    /// Ends, and how many of them were not seen.
    ends: [u64; 2],
}

impl Log {
    pub(crate) fn new(out: Output) -> Self {
        Self { out, open: HashMap::new(), starts: [0; 2], ends: [0; 2] }
    }

    /// A flow has begun.
    pub(crate) fn started(&mut self, flow: &Flow) -> io::Result<()> {
        self.start(flow, How::Seen, flow.timestamp_event)
    }

    fn start(&mut self, flow: &Flow, how: How, time: Option<Nanoseconds>) -> io::Result<()> {
        if !flow.status.intersects(Status::NAT) {
            return Ok(());
        }
        // The event of a flow that was found before comes as well.
        let Entry::Vacant(place) = self.open.entry(flow.key()) else { return Ok(()) };
        let time = time.unwrap_or_else(now);
        place.insert(Open { orig: flow.orig, reply: flow.reply, started: time, how, absent: false });
        count(&mut self.starts, how);
        self.out.write(&Line {
            time,
            event: "start",
            how,
            id: flow.id,
            orig: &flow.orig,
            reply: &flow.reply,
            duration: None,
            counters_orig: None,
            counters_reply: None,
        })
    }

    /// A flow has ended.
    pub(crate) fn ended(&mut self, flow: &Flow) -> io::Result<()> {
        self.start(flow, How::Missed, flow.timestamp.map(|timestamp| timestamp.start))?;
        let Some(open) = self.open.remove(&flow.key()) else { return Ok(()) };
        count(&mut self.ends, How::Seen);
        let lived = flow.timestamp.and_then(|timestamp| Some((timestamp.start, timestamp.stop?)));
        let time = lived.map(|(_, stop)| stop).or(flow.timestamp_event).unwrap_or_else(now);
        let began = lived.map(|(start, _)| start).or((open.how == How::Seen).then_some(open.started));
        self.out.write(&Line {
            time,
            event: "end",
            how: How::Seen,
            id: flow.id,
            orig: &open.orig,
            reply: &open.reply,
            duration: began.map(|began| Duration::from_nanos(time.0.saturating_sub(began.0))),
            counters_orig: flow.counters_orig,
            counters_reply: flow.counters_reply,
        })
    }

    /// Compares with the table: starts that are not in the log are found, and of ends that are not it is noted that they
    /// are to come.
    pub(crate) fn compare(&mut self, ct: &Conntrack, filter: &Filter) -> Result<(), Error> {
        let failed = |source| Error::Io { operation: "writing the log", source };
        self.open.values_mut().for_each(|open| open.absent = true);
        for flow in ct.dump_filtered(filter)? {
            let flow = flow?;
            self.start(&flow, How::Found, flow.timestamp.map(|timestamp| timestamp.start)).map_err(failed)?;
            self.still_there(&flow);
        }
        // These have left the table, and the kernel has yet to deliver their ends.
        for flow in ct.dump_dying()? {
            self.still_there(&flow?);
        }
        Ok(())
    }

    fn still_there(&mut self, flow: &Flow) {
        if let Some(open) = self.open.get_mut(&flow.key()) {
            open.absent = false;
        }
    }

    /// All events that there were have been taken. What was not in the table before, and has not ended by one of them,
    /// has ended without.
    pub(crate) fn catch_up(&mut self) -> io::Result<()> {
        for (key, open) in self.open.extract_if(|_, open| open.absent) {
            count(&mut self.ends, How::Missed);
            self.out.write(&Line {
                time: now(),
                event: "end",
                how: How::Missed,
                id: key.id.unwrap_or(FlowId([0; 4])),
                orig: &open.orig,
                reply: &open.reply,
                duration: None,
                counters_orig: None,
                counters_reply: None,
            })?;
        }
        self.out.flush()
    }

    /// Whether every start has its end.
    pub(crate) fn is_settled(&self) -> bool {
        self.open.is_empty()
    }

    pub(crate) fn summary(&self) -> String {
        let Self { starts: [starts, found], ends: [ends, missed], open, .. } = self;
        format!("{starts} starts, {found} not seen; {ends} ends, {missed} not seen; {} open", open.len())
    }
}

fn count([all, unseen]: &mut [u64; 2], how: How) {
    *all += 1;
    *unseen += u64::from(how != How::Seen);
}

fn now() -> Nanoseconds {
    let since = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    Nanoseconds(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

impl Output {
    fn write(&mut self, line: &Line<'_>) -> io::Result<()> {
        self.line(line, line)
    }
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
