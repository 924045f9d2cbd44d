//! The line that conntrack(8) prints for a flow.

use std::fmt;
use std::time::SystemTime;

use super::LabelNames;
use super::time::{Utc, seconds};
use super::tuple::Ends;
use crate::{
    Counters, Family, FlowId, HelperName, Labels, Nanoseconds, ProtoInfo, SecCtx, Seconds, Status, Timestamp, Tuple,
};

/// What a line can say of a flow, whether the flow exists or is to be created.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line<'a> {
    pub(super) orig: &'a Tuple,
    pub(super) reply: &'a Tuple,
    pub(super) timeout: Option<Seconds>,
    pub(super) proto_info: Option<&'a ProtoInfo>,
    pub(super) counters_orig: Option<Counters>,
    pub(super) counters_reply: Option<Counters>,
    pub(super) status: Option<Status>,
    pub(super) mark: Option<u32>,
    pub(super) sec_ctx: Option<&'a SecCtx>,
    pub(super) zone: Option<u16>,
    pub(super) timestamp: Option<Timestamp>,
    pub(super) helper: Option<&'a HelperName>,
    pub(super) use_count: Option<u32>,
    pub(super) id: Option<FlowId>,
    pub(super) labels: Option<Labels>,
}

/// What it is asked to say.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Options<'a> {
    pub(super) extended: bool,
    pub(super) id: bool,
    pub(super) ktimestamp: bool,
    pub(super) now: Option<SystemTime>,
    pub(super) labels: Option<&'a LabelNames>,
}

impl Line<'_> {
    pub(super) fn write(&self, f: &mut fmt::Formatter<'_>, options: &Options<'_>) -> fmt::Result {
        self.write_protocols(f, options)?;
        self.write_directions(f)?;
        if let Some(mark) = self.mark {
            write!(f, " mark={mark}")?;
        }
        if let Some(sec_ctx) = self.sec_ctx {
            write!(f, " secctx={}", sec_ctx.name)?;
        }
        if let Some(zone) = self.zone {
            write!(f, " zone={zone}")?;
        }
        self.write_times(f, options)?;
        if let Some(helper) = self.helper {
            write!(f, " helper={helper}")?;
        }
        if let Some(count) = self.use_count {
            write!(f, " use={count}")?;
        }
        if let Some(id) = self.id.filter(|_| options.id) {
            write!(f, " id={id}")?;
        }
        match (self.labels, options.labels) {
            (Some(labels), Some(names)) => write_labels(f, labels, names),
            _ => Ok(()),
        }
    }

    /// Protocols, timeout and state.
    fn write_protocols(&self, f: &mut fmt::Formatter<'_>, options: &Options<'_>) -> fmt::Result {
        if options.extended {
            let family = Family::of(self.orig.src());
            write!(f, "{:<8} {} ", family.word().unwrap_or("unknown"), family.0)?;
        }
        let protocol = self.orig.protocol();
        write!(f, "{:<8} {}", protocol.word().unwrap_or("unknown"), protocol.0)?;
        if let Some(timeout) = self.timeout {
            write!(f, " {}", timeout.0)?;
        }
        match self.proto_info {
            Some(ProtoInfo::Tcp(tcp)) => write_state(f, tcp.state),
            Some(ProtoInfo::Sctp(sctp)) => write_state(f, sctp.state),
            Some(ProtoInfo::Dccp(dccp)) => write_state(f, dccp.state),
            Some(ProtoInfo::Other(_)) | None => Ok(()),
        }
    }

    fn write_directions(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_direction(f, self.orig, "orig", self.counters_orig)?;
        if self.status.is_some_and(|status| !status.contains(Status::SEEN_REPLY)) {
            f.write_str(" [UNREPLIED]")?;
        }
        write_direction(f, self.reply, "reply", self.counters_reply)?;
        // The first of these that holds hides the others.
        let marks =
            [(Status::HW_OFFLOAD, " [HW_OFFLOAD]"), (Status::OFFLOAD, " [OFFLOAD]"), (Status::ASSURED, " [ASSURED]")];
        let status = self.status.unwrap_or_default();
        let mark = marks.iter().find(|(bit, _)| status.contains(*bit));
        mark.map_or(Ok(()), |(_, mark)| f.write_str(mark))
    }

    fn write_times(&self, f: &mut fmt::Formatter<'_>, options: &Options<'_>) -> fmt::Result {
        let Some(Timestamp { start, stop }) = self.timestamp else { return Ok(()) };
        let stopped = stop.filter(|stop| *stop != Nanoseconds(0)).map(seconds);
        let now = || options.now?.duration_since(SystemTime::UNIX_EPOCH).ok().map(|since| since.as_secs());
        if let Some(end) = stopped.or_else(now) {
            // A clock that was set back makes a huge number, as there.
            write!(f, " delta-time={}", end.wrapping_sub(seconds(start)))?;
        }
        if options.ktimestamp {
            write!(f, " [start={}]", Utc(start))?;
            if let Some(stop) = stop {
                write!(f, " [stop={}]", Utc(stop))?;
            }
        }
        Ok(())
    }
}

fn write_state(f: &mut fmt::Formatter<'_>, state: Option<impl fmt::Display>) -> fmt::Result {
    state.map_or(Ok(()), |state| write!(f, " {state}"))
}

fn write_direction(
    f: &mut fmt::Formatter<'_>,
    tuple: &Tuple,
    direction: &str,
    counters: Option<Counters>,
) -> fmt::Result {
    write!(f, " {}", Ends(tuple))?;
    if let Some(zone) = tuple.zone {
        write!(f, " zone-{direction}={zone}")?;
    }
    counters.map_or(Ok(()), |Counters { packets, bytes }| write!(f, " packets={packets} bytes={bytes}"))
}

/// The labels that have names. If none has, conntrack(8) cuts off the `=` with what it takes for the last separator.
fn write_labels(f: &mut fmt::Formatter<'_>, labels: Labels, names: &LabelNames) -> fmt::Result {
    f.write_str(" labels")?;
    let mut separator = "=";
    for name in labels.iter().filter_map(|bit| names.get(bit)) {
        write!(f, "{separator}{name}")?;
        separator = ",";
    }
    Ok(())
}
