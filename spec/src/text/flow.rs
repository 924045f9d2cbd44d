//! A flow as conntrack(8) prints it.

use std::fmt;
use std::time::SystemTime;

use super::LabelNames;
use super::line::{Line, Options};
use crate::Flow;

/// A flow as text, with what conntrack(8)'s option `-o` adds. [`Flow::display`] makes one.
///
/// A line is what `conntrack -L` (1.4.7) prints, byte for byte, with these differences:
///
/// * `delta-time=`, the seconds a flow has lived, needs the time, which has to be [given](Self::now) as long as the
///   flow lives; without it, it is left out;
/// * moments are in UTC, there in local time;
/// * a state without a name is a number, there `NONE`.
///
/// The line of `conntrack -E` is that of an event, which the crate `conntrack` has.
#[derive(Clone, Copy, Debug)]
#[must_use = "it only prints when it is displayed"]
pub struct FlowText<'a> {
    flow: &'a Flow,
    options: Options<'a>,
}

impl Flow {
    /// The flow as conntrack(8) prints it. `Display` of the flow itself is this without further options.
    ///
    /// ```
    /// use conntrack_spec::{Flow, codec};
    ///
    /// # fn print(attributes: &[u8]) -> Result<(), codec::DecodeError> {
    /// let flow: Flow = codec::decode(attributes)?;
    /// println!("{}", flow.display().extended().id().now(std::time::SystemTime::now()));
    /// # Ok(())
    /// # }
    /// ```
    pub fn display(&self) -> FlowText<'_> {
        FlowText { flow: self, options: Options::default() }
    }
}

impl<'a> FlowText<'a> {
    /// Begins with the network protocol, as `-o extended` does: `ipv4     2 tcp      6 …`.
    pub fn extended(mut self) -> Self {
        self.options.extended = true;
        self
    }

    /// Adds `id=`, as `-o id` does.
    pub fn id(mut self) -> Self {
        self.options.id = true;
        self
    }

    /// Adds when the flow began and ended, if that is known, as `-o ktimestamp` does: `[start=Thu Jan  1 00:00:00
    /// 1970]`, in UTC. To have local time as there, convert [`Flow::timestamp`] with a crate that knows time zones.
    pub fn ktimestamp(mut self) -> Self {
        self.options.ktimestamp = true;
        self
    }

    /// Says what time it is, for the `delta-time=` of flows that still live.
    pub fn now(mut self, now: SystemTime) -> Self {
        self.options.now = Some(now);
        self
    }

    /// Adds those labels that have a name, as `-o labels` does.
    pub fn labels(mut self, names: &'a LabelNames) -> Self {
        self.options.labels = Some(names);
        self
    }
}

impl fmt::Display for FlowText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Line::from(self.flow).write(f, &self.options)
    }
}

impl fmt::Display for Flow {
    /// The line of `conntrack -L`: see [`FlowText`].
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.display().fmt(f)
    }
}

impl<'a> From<&'a Flow> for Line<'a> {
    fn from(flow: &'a Flow) -> Self {
        Self {
            orig: &flow.orig,
            reply: &flow.reply,
            timeout: flow.timeout,
            proto_info: flow.proto_info.as_ref(),
            counters_orig: flow.counters_orig,
            counters_reply: flow.counters_reply,
            status: Some(flow.status),
            mark: flow.mark,
            sec_ctx: flow.sec_ctx.as_ref(),
            zone: flow.zone,
            timestamp: flow.timestamp,
            helper: flow.help.as_ref().map(|help| &help.name),
            use_count: flow.use_count,
            id: Some(flow.id),
            labels: flow.labels,
        }
    }
}
