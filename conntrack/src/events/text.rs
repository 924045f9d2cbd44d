//! Events as conntrack(8) prints them.

use std::fmt;

use conntrack_spec::{Flow, FlowText};

use super::{Event, Origin};

/// An event as text. [`Event::display_as`] makes one.
#[derive(Clone, Copy, Debug)]
#[must_use = "it only prints when it is displayed"]
pub struct EventText<'e, F> {
    event: &'e Event,
    form: F,
}

impl Event {
    /// The event as conntrack(8) prints it, its flow in this form: what the tool's option `-o` says.
    ///
    /// ```no_run
    /// use conntrack::{Events, Groups};
    ///
    /// for event in Events::subscribe(Groups::ALL)? {
    ///     println!("{}", event?.display_as(|flow| flow.extended().id())); // conntrack -E -o extended,id
    /// }
    /// # Ok::<(), conntrack::Error>(())
    /// ```
    pub fn display_as<'e, F: Fn(FlowText<'e>) -> FlowText<'e>>(&'e self, form: F) -> EventText<'e, F> {
        EventText { event: self, form }
    }
}

impl fmt::Display for Event {
    /// The line of `conntrack -E`, or of `conntrack -E expect`, byte for byte, but for `progname=`: whose the port is that
    /// caused an event, the tool finds out by reading `/proc`. What it does not print is `[OVERRUN] lost=12` and
    /// `[UNKNOWN] type=0x0a00`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.display_as(|flow| flow).fmt(f)
    }
}

impl<'e, F: Fn(FlowText<'e>) -> FlowText<'e>> fmt::Display for EventText<'e, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flow = |f: &mut fmt::Formatter<'_>, kind, flow: &'e Flow, origin| {
            write!(f, "{kind:>9} {}", (self.form)(flow.display()))?;
            write_origin(f, origin)
        };
        match self.event {
            Event::New(new, origin) => flow(f, "[NEW]", new, origin),
            Event::Update(changed, origin) => flow(f, "[UPDATE]", changed, origin),
            Event::Destroy(gone, origin) => flow(f, "[DESTROY]", gone, origin),
            Event::ExpectNew(new, _) => write!(f, "{:>9} {new}", "[NEW]"),
            Event::ExpectDestroy(gone, _) => write!(f, "{:>9} {gone}", "[DESTROY]"),
            Event::Overrun { lost } => write!(f, "{:>9} lost={lost}", "[OVERRUN]"),
            Event::Unknown(message, origin) => {
                write!(f, "{:>9} type={:#06x}", "[UNKNOWN]", message.header.kind)?;
                write_origin(f, origin)
            }
        }
    }
}

/// Who caused it, if it was not the kernel by itself.
fn write_origin(f: &mut fmt::Formatter<'_>, origin: &Origin) -> fmt::Result {
    match origin.port {
        0 => Ok(()),
        port => write!(f, " [USERSPACE] portid={port}"),
    }
}
