//! Timeout policies, and the timeouts of flows without one.

use conntrack_spec::uapi::{
    IPCTNL_MSG_TIMEOUT_DEFAULT_GET, IPCTNL_MSG_TIMEOUT_DEFAULT_SET, IPCTNL_MSG_TIMEOUT_DELETE, IPCTNL_MSG_TIMEOUT_GET,
    IPCTNL_MSG_TIMEOUT_NEW, NFNL_SUBSYS_CTNETLINK_TIMEOUT,
};
use conntrack_spec::{Decode, DefaultTimeouts, DefaultTimeoutsKey, Encode, PolicyKey, TimeoutPolicy};

use super::NOTHING;
use crate::check::{UsageError, check_policy, check_timeouts};
use crate::netlink::{NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, NLM_F_REPLACE, Request};

/// Reports all policies.
#[must_use]
pub fn dump() -> Request<'static> {
    policy("listing timeout policies", IPCTNL_MSG_TIMEOUT_GET, NOTHING).flags(NLM_F_DUMP)
}

/// Reports a policy.
#[must_use]
pub fn get(key: &PolicyKey) -> Request<'_> {
    policy("getting a timeout policy", IPCTNL_MSG_TIMEOUT_GET, key)
}

/// Creates a policy that is not there.
///
/// # Errors
/// The policy makes no sense.
pub fn create(new: &TimeoutPolicy) -> Result<Request<'_>, UsageError> {
    check_policy(new)?;
    Ok(policy("creating a timeout policy", IPCTNL_MSG_TIMEOUT_NEW, new).flags(NLM_F_CREATE | NLM_F_EXCL))
}

/// Creates a policy, or gives new timeouts to the one that is there.
///
/// # Errors
/// The policy makes no sense.
pub fn replace(new: &TimeoutPolicy) -> Result<Request<'_>, UsageError> {
    check_policy(new)?;
    Ok(policy("replacing a timeout policy", IPCTNL_MSG_TIMEOUT_NEW, new).flags(NLM_F_CREATE | NLM_F_REPLACE))
}

/// Deletes a policy. If a rule uses it, Linux 5.10 and 6.16 to 6.18 refuse (`EBUSY`); Linux 6.1, 6.12, 7.2 and 7.3 delete
/// it all the same.
#[must_use]
pub fn delete(key: &PolicyKey) -> Request<'_> {
    policy("deleting a timeout policy", IPCTNL_MSG_TIMEOUT_DELETE, key)
}

/// Deletes every policy that no rule uses, on Linux 5.10 and 6.16 to 6.18. **Linux 6.1, 6.12, 7.2 and 7.3 delete policies
/// in use too**, so [`Conntrack::delete_unused_timeout_policies`](crate::Conntrack::delete_unused_timeout_policies) does not
/// send this. The kernel reports success whether there were any or not.
#[must_use]
pub fn delete_unused() -> Request<'static> {
    policy("deleting unused timeout policies", IPCTNL_MSG_TIMEOUT_DELETE, NOTHING)
}

/// Reports the timeouts of flows without a policy.
#[must_use]
pub fn get_defaults(key: &DefaultTimeoutsKey) -> Request<'_> {
    policy("getting default timeouts", IPCTNL_MSG_TIMEOUT_DEFAULT_GET, key)
}

/// Sets the timeouts of flows without a policy.
///
/// # Errors
/// A timeout is too long.
pub fn set_defaults(timeouts: &DefaultTimeouts) -> Result<Request<'_>, UsageError> {
    check_timeouts(&timeouts.timeouts)?;
    Ok(policy("setting default timeouts", IPCTNL_MSG_TIMEOUT_DEFAULT_SET, timeouts))
}

fn policy<'a, T: Encode + Decode>(operation: &'static str, number: u8, attributes: &'a T) -> Request<'a> {
    Request::new(operation, NFNL_SUBSYS_CTNETLINK_TIMEOUT, number, attributes)
}
