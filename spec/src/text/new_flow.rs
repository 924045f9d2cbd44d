//! A flow to create.

use std::fmt;

use super::line::{Line, Options};
use crate::NewFlow;

impl fmt::Display for NewFlow {
    /// The line of a flow, as far as the request says it, then ` src-nat=` and ` dst-nat=` if it is to be translated.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Line::from(self).write(f, &Options::default())?;
        if let Some(nat) = self.nat_src {
            write!(f, " src-nat={nat}")?;
        }
        self.nat_dst.map_or(Ok(()), |nat| write!(f, " dst-nat={nat}"))
    }
}

impl<'a> From<&'a NewFlow> for Line<'a> {
    fn from(flow: &'a NewFlow) -> Self {
        Self {
            orig: &flow.orig,
            reply: &flow.reply,
            timeout: Some(flow.timeout),
            proto_info: flow.proto_info.as_ref(),
            counters_orig: None,
            counters_reply: None,
            status: flow.status,
            mark: flow.mark.map(|mark| mark.value),
            sec_ctx: None,
            zone: flow.zone,
            timestamp: None,
            helper: flow.help.as_ref().map(|help| &help.name),
            use_count: None,
            id: None,
            labels: flow.labels.map(|labels| labels.value),
        }
    }
}
