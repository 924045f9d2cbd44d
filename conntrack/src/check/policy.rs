//! Timeouts, and policies of them.

use conntrack_spec::{Seconds, TimeoutPolicy, Timeouts};

use super::UsageError;

/// The kernel multiplies by its jiffies a second, in 32 bits, and does not see what is lost. They are 1000 at most.
pub(super) const LONGEST_TIMEOUT: Seconds = Seconds(u32::MAX / 1000);

pub(super) fn check_timeout(timeout: Seconds) -> Result<(), UsageError> {
    if timeout > LONGEST_TIMEOUT { Err(UsageError::TimeoutTooLong(timeout)) } else { Ok(()) }
}

pub(crate) fn check_timeouts(timeouts: &Timeouts) -> Result<(), UsageError> {
    timeouts.largest().map_or(Ok(()), check_timeout)
}

pub(crate) fn check_policy(policy: &TimeoutPolicy) -> Result<(), UsageError> {
    if policy.name.is_empty() {
        return Err(UsageError::NoName);
    }
    check_timeouts(&policy.timeouts)
}
