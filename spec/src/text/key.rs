//! What names a flow.

use std::fmt;

use crate::{FlowKey, KeyTuple};

impl fmt::Display for KeyTuple {
    /// The tuple; `reply ` before that of the reply direction.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Orig(tuple) => write!(f, "{tuple}"),
            Self::Reply(tuple) => write!(f, "reply {tuple}"),
        }
    }
}

impl fmt::Display for FlowKey {
    /// The tuple, then the zone of both directions and the id if there are any:
    /// `udp src=10.0.0.1 dst=10.0.0.2 sport=5353 dport=53 zone=7 id=305419896`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.tuple)?;
        if let Some(zone) = self.zone {
            write!(f, " zone={zone}")?;
        }
        self.id.map_or(Ok(()), |id| write!(f, " id={id}"))
    }
}
