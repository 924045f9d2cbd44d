//! A flow as conntrack(8) prints it.

use std::fmt;
use std::time::SystemTime;

use super::LabelNames;
use super::line::{Line, Options};
use crate::Flow;

/// Prints a flow, with what conntrack(8)'s option `-o` adds. [`Flow::display`] makes one.
///
/// A line is what `conntrack -L` (1.4.7) prints, byte for byte, with these differences:
///
/// * The tool prints `delta-time=`, the seconds since the flow began, if the kernel takes times
///   (`nf_conntrack_timestamp`). Here a flow that still lives has it only if [`now`](Self::now) says what time it is: a
///   flow may be printed long after it was read. A `DESTROY` event has both times, and always prints it.
/// * Moments are in UTC. The tool prints local time.
/// * A state without a name is a number. The tool prints `NONE`.
///
/// `conntrack -E` prints events, which are types of the crate `conntrack`.
#[derive(Clone, Copy, Debug)]
#[must_use = "it only prints when it is displayed"]
pub struct FlowText<'a> {
    flow: &'a Flow,
    options: Options<'a>,
}

impl Flow {
    /// Prints the flow as conntrack(8) does, apart from [three differences](FlowText). `Display` of the flow itself is
    /// this without further options, and so without the `delta-time=` of a flow that still lives.
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

    /// Says what time it is: adds `delta-time=` to a flow that still lives, if the kernel took its time.
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
    /// Prints the line of `conntrack -L` without `delta-time=`, unless the flow has ended: see [`FlowText`].
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
