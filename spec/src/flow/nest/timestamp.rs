//! `enum ctattr_tstamp`, and times as they travel.

use std::time::{Duration, SystemTime};

use conntrack_derive::{Decode, Encode};

/// When a flow began and ended. Only for flows created while `nf_conntrack_timestamp` was 1.
///
/// ```text
/// enum ctattr_tstamp { CTA_TIMESTAMP_UNSPEC, CTA_TIMESTAMP_START, CTA_TIMESTAMP_STOP, CTA_TIMESTAMP_PAD };
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Encode, Decode)]
#[nla(pad(CTA_TIMESTAMP_PAD))]
pub struct Timestamp {
    /// When its first packet was confirmed.
    #[nla(CTA_TIMESTAMP_START)]
    pub start: Nanoseconds,
    /// When it was destroyed: in `DESTROY` events and for dying flows.
    #[nla(CTA_TIMESTAMP_STOP)]
    pub stop: Option<Nanoseconds>,
}

/// A moment: nanoseconds since 1970 by the wall clock, which may be set meanwhile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[nla(transparent)]
pub struct Nanoseconds(pub u64);

impl From<Nanoseconds> for SystemTime {
    fn from(moment: Nanoseconds) -> Self {
        Self::UNIX_EPOCH + Duration::from_nanos(moment.0)
    }
}

/// A time span: whole seconds.
///
/// A `Duration` becomes the seconds that are not shorter, so that a flow never lives less than asked.
///
/// Of a flow's timeout that is longer than the kernel can hold, it takes the most it can: 2³¹−1 jiffies, which are 99
/// days at 250 a second. Those of policies, defaults and expectations it multiplies by its jiffies a second in 32 bits,
/// and a longer one wraps to a short one; the crate `conntrack` does not send such.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[nla(transparent)]
pub struct Seconds(pub u32);

impl From<Duration> for Seconds {
    fn from(span: Duration) -> Self {
        let whole = span.as_secs().saturating_add(u64::from(span.subsec_nanos() > 0));
        Self(u32::try_from(whole).unwrap_or(u32::MAX))
    }
}

impl From<Seconds> for Duration {
    fn from(span: Seconds) -> Self {
        Self::from_secs(span.0.into())
    }
}
