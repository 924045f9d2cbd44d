//! Expectations.

use conntrack_spec::uapi::{IPCTNL_MSG_EXP_DELETE, IPCTNL_MSG_EXP_GET, IPCTNL_MSG_EXP_NEW, NFNL_SUBSYS_CTNETLINK_EXP};
use conntrack_spec::{Decode, Encode, ExpectHelper, ExpectKey, ExpectMaster, ExpectUpdate, Family, NewExpect};

use super::NOTHING;
use crate::check::{Check, UsageError};
use crate::netlink::{NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, Request};

/// Reports all expectations.
#[must_use]
pub fn dump() -> Request<'static> {
    expectation("dumping expectations", IPCTNL_MSG_EXP_GET, NOTHING).family(Family::UNSPEC).flags(NLM_F_DUMP)
}

/// Reports the expectations of a flow.
///
/// If the flow has no helper, the kernel starts no dump and answers with an acknowledgement alone.
///
/// # Errors
/// [`UsageError::MixedFamilies`] or [`UsageError::TupleZone`]. The ports or identifiers are not checked, because the tuple may
/// be as a kernel reported it.
pub fn dump_of(master: &ExpectMaster) -> Result<Request<'_>, UsageError> {
    let request = expectation("dumping the expectations of a flow", IPCTNL_MSG_EXP_GET, master);
    Ok(request.family(master.check()?).flags(NLM_F_DUMP))
}

/// Reports an expectation.
///
/// # Errors
/// The key makes no sense.
pub fn get(key: &ExpectKey) -> Result<Request<'_>, UsageError> {
    Ok(expectation("getting an expectation", IPCTNL_MSG_EXP_GET, key).family(key.check()?))
}

/// Creates an expectation that is not there.
///
/// # Errors
/// The expectation makes no sense.
pub fn create(new: &NewExpect) -> Result<Request<'_>, UsageError> {
    let request = expectation("creating an expectation", IPCTNL_MSG_EXP_NEW, new).family(new.check()?);
    Ok(request.flags(NLM_F_CREATE | NLM_F_EXCL))
}

/// Sets the timeout of an expectation that exists. The kernel changes any expectation of the zone that a packet with the
/// tuple meets; of the mask and the master it only checks that they are tuples. Get the expectation and compare it first, as
/// [`Conntrack::update_expectation_timeout`](crate::Conntrack::update_expectation_timeout) does.
///
/// # Errors
/// The tuples or the time make no sense.
pub fn update(update: &ExpectUpdate) -> Result<Request<'_>, UsageError> {
    Ok(expectation("updating an expectation", IPCTNL_MSG_EXP_NEW, update).family(update.check()?))
}

/// Deletes an expectation.
///
/// # Errors
/// The key makes no sense.
pub fn delete(key: &ExpectKey) -> Result<Request<'_>, UsageError> {
    Ok(expectation("deleting an expectation", IPCTNL_MSG_EXP_DELETE, key).family(key.check()?))
}

/// Deletes the expectations of all flows with a helper. The kernel does not say whether there were any.
#[must_use]
pub fn delete_of_helper(helper: &ExpectHelper) -> Request<'_> {
    expectation("deleting a helper's expectations", IPCTNL_MSG_EXP_DELETE, helper)
}

/// Deletes every expectation.
#[must_use]
pub fn flush() -> Request<'static> {
    expectation("flushing expectations", IPCTNL_MSG_EXP_DELETE, NOTHING)
}

fn expectation<'a, T: Encode + Decode>(operation: &'static str, number: u8, attributes: &'a T) -> Request<'a> {
    Request::new(operation, NFNL_SUBSYS_CTNETLINK_EXP, number, attributes)
}
