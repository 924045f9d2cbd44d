//! Helpers in user space.

use conntrack_spec::uapi::{NFNL_MSG_CTHELPER_DEL, NFNL_MSG_CTHELPER_GET, NFNL_MSG_CTHELPER_NEW, NFNL_SUBSYS_CTHELPER};
use conntrack_spec::{Decode, Encode, UserHelper, UserHelperKey};

use super::NOTHING;
use crate::check::{UsageError, check_helper};
use crate::netlink::{NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, Request};

/// Reports all helpers in user space.
#[must_use]
pub fn dump() -> Request<'static> {
    helper("listing helpers", NFNL_MSG_CTHELPER_GET, NOTHING).flags(NLM_F_DUMP)
}

/// Reports a helper.
#[must_use]
pub fn get(key: &UserHelperKey) -> Request<'_> {
    helper("getting a helper", NFNL_MSG_CTHELPER_GET, key)
}

/// Creates a helper that is not there.
///
/// # Errors
/// The helper makes no sense.
pub fn create(new: &UserHelper) -> Result<Request<'_>, UsageError> {
    check_helper(new)?;
    Ok(helper("creating a helper", NFNL_MSG_CTHELPER_NEW, new).flags(NLM_F_CREATE | NLM_F_EXCL))
}

/// Creates a helper, or changes the queue, the status and the classes' limits of the one that is there.
///
/// # Errors
/// The helper makes no sense.
pub fn upsert(new: &UserHelper) -> Result<Request<'_>, UsageError> {
    check_helper(new)?;
    Ok(helper("creating or updating a helper", NFNL_MSG_CTHELPER_NEW, new).flags(NLM_F_CREATE))
}

/// Deletes a helper. If there are no helpers at all, the kernel reports success.
#[must_use]
pub fn delete(key: &UserHelperKey) -> Request<'_> {
    helper("deleting a helper", NFNL_MSG_CTHELPER_DEL, key)
}

/// Deletes every helper in user space that is not in use. The kernel reports success if it deleted any or there were
/// none, and `EBUSY` if all are in use. Newer kernels delete those in use too.
#[must_use]
pub fn delete_all() -> Request<'static> {
    helper("deleting all helpers", NFNL_MSG_CTHELPER_DEL, NOTHING)
}

/// What `EPERM` means: helpers are not a namespace's (`nfnl_cthelper_new`).
const DENIED: &str = "this needs CAP_NET_ADMIN in the initial user namespace: helpers are the whole system's";

fn helper<'a, T: Encode + Decode>(operation: &'static str, number: u8, attributes: &'a T) -> Request<'a> {
    Request::new(operation, NFNL_SUBSYS_CTHELPER, number, attributes).denied(DENIED)
}
