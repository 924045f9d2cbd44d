//! What names a flow.

use std::fmt;

use crate::{FlowKey, KeyTuple, Tuple};

impl fmt::Display for KeyTuple {
    /// The tuple, `reply ` before that of the reply direction. A zone of it is conntrack(8)'s `zone-orig=` or
    /// `zone-reply=`, which a key's own is not.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (tuple, before, zone_word) = match self {
            Self::Orig(tuple) => (tuple, "", "zone-orig"),
            Self::Reply(tuple) => (tuple, "reply ", "zone-reply"),
        };
        write!(f, "{before}{}", Tuple { zone: None, ..*tuple })?;
        tuple.zone.map_or(Ok(()), |zone| write!(f, " {zone_word}={zone}"))
    }
}

impl fmt::Display for FlowKey {
    /// The tuple, then the zone of both directions and the id if there are any:
    /// `udp src=10.0.0.1 dst=10.0.0.2 sport=5353 dport=53 zone=7 id=305419896`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_key(f, self.tuple, self.zone, self.id)
    }
}

/// The words of a key.
pub(super) fn write_key(
    f: &mut fmt::Formatter<'_>,
    tuple: impl fmt::Display,
    zone: Option<u16>,
    id: Option<impl fmt::Display>,
) -> fmt::Result {
    write!(f, "{tuple}")?;
    if let Some(zone) = zone {
        write!(f, " zone={zone}")?;
    }
    id.map_or(Ok(()), |id| write!(f, " id={id}"))
}
