//! The requests of connection tracking, as values: what [`Conntrack`](crate::Conntrack) sends, checked and ready to be
//! encoded, for whoever has a socket of their own or wants to see the bytes.

use conntrack_spec::uapi::{
    IPCTNL_MSG_CT_DELETE, IPCTNL_MSG_CT_GET, IPCTNL_MSG_CT_GET_CTRZERO, IPCTNL_MSG_CT_GET_DYING,
    IPCTNL_MSG_CT_GET_UNCONFIRMED, IPCTNL_MSG_CT_NEW, NFNL_SUBSYS_CTNETLINK,
};
use conntrack_spec::{Decode, Encode, Family, FlowFilter, FlowKey, FlowUpdate, NewFlow, NoAttributes};

pub mod expect;
pub mod helper;
pub mod policy;
pub mod stats;

use crate::check::{Check, UsageError};
use crate::filter::{DumpPlan, FlushPlan};
use crate::netlink::{NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, Request};

/// Reports the flow at a tuple. The kernel does not compare the key's id: compare it with the answer's.
///
/// # Errors
/// The key makes no sense.
pub fn get(key: &FlowKey) -> Result<Request<'_>, UsageError> {
    Ok(flow("getting a flow", IPCTNL_MSG_CT_GET, key).family(key.check()?))
}

/// Reports the flow at a tuple and sets its counters to 0, atomically. The kernel does not compare the key's id.
///
/// # Errors
/// The key makes no sense.
pub fn get_zeroing(key: &FlowKey) -> Result<Request<'_>, UsageError> {
    Ok(flow("getting a flow and zeroing its counters", IPCTNL_MSG_CT_GET_CTRZERO, key).family(key.check()?))
}

/// Creates a flow that is not there.
///
/// # Errors
/// The flow makes no sense.
pub fn create(new: &NewFlow) -> Result<Request<'_>, UsageError> {
    let request = flow("creating a flow", IPCTNL_MSG_CT_NEW, new).family(new.check()?);
    Ok(request.flags(NLM_F_CREATE | NLM_F_EXCL))
}

/// Creates a flow, or changes the flow that has its original tuple in either direction.
///
/// # Errors
/// The flow makes no sense.
pub fn upsert(new: &NewFlow) -> Result<Request<'_>, UsageError> {
    let request = flow("creating or updating a flow", IPCTNL_MSG_CT_NEW, new).family(new.check()?);
    Ok(request.flags(NLM_F_CREATE).denied(DENIED_CHANGE))
}

/// Changes the flow at a tuple.
///
/// # Errors
/// The key or a change makes no sense. [`UsageError::UpdateById`] if the key has an id, which the kernel does not
/// compare.
pub fn update(update: &FlowUpdate) -> Result<Request<'_>, UsageError> {
    Ok(checked_update(update, update.check()?))
}

/// Changes the flow at a tuple of `family`. The key has been checked together with its id, which it must not have here.
pub(crate) fn checked_update(update: &FlowUpdate, family: Family) -> Request<'_> {
    flow("updating a flow", IPCTNL_MSG_CT_NEW, update).family(family).denied(DENIED_CHANGE)
}

/// Deletes the flow at a tuple.
///
/// # Errors
/// The key makes no sense.
pub fn delete(key: &FlowKey) -> Result<Request<'_>, UsageError> {
    Ok(flow("deleting a flow", IPCTNL_MSG_CT_DELETE, key).family(key.check()?))
}

/// Reports the flows that a filter selects, and others if its [plan](crate::Filter::plan_dump) is not exact.
#[must_use]
pub fn dump(plan: &DumpPlan) -> Request<'_> {
    flow("dumping flows", IPCTNL_MSG_CT_GET, &plan.criteria).family(plan.family).flags(NLM_F_DUMP)
}

/// Reports the flows that have left the table while a listener who asked for every event has yet to be told.
#[must_use]
pub fn dump_dying() -> Request<'static> {
    flow("dumping dying flows", IPCTNL_MSG_CT_GET_DYING, NOTHING).flags(NLM_F_DUMP)
}

/// Reports the flows whose first packet is still on its way; none, since Linux 5.19.
#[must_use]
pub fn dump_unconfirmed() -> Request<'static> {
    flow("dumping unconfirmed flows", IPCTNL_MSG_CT_GET_UNCONFIRMED, NOTHING).flags(NLM_F_DUMP)
}

/// Deletes the flows that a filter selects, as far as this one of its [flush plans](crate::Filter::plan_flush) goes. A
/// dump's plan is no flush plan:
///
/// ```compile_fail
/// let plan = conntrack::Filter::all().plan_dump(conntrack::KernelVersion::running())?;
/// conntrack::request::flush(&plan);
/// # Ok::<(), conntrack::UsageError>(())
/// ```
#[must_use]
pub fn flush(plan: &FlushPlan) -> Request<'_> {
    // The kernel looks at the family of a flush only if the version in the header is not 0.
    flow("flushing flows", IPCTNL_MSG_CT_DELETE, &plan.criteria).family(plan.family).version(1)
}

/// Deletes every flow.
#[must_use]
pub fn flush_all() -> Request<'static> {
    const EVERYTHING: &FlowFilter =
        &FlowFilter { orig: None, reply: None, status: None, mark: None, zone: None, filter: None };
    flow("flushing all flows", IPCTNL_MSG_CT_DELETE, EVERYTHING).family(Family::UNSPEC)
}

/// What `EPERM` means for a change (`ctnetlink_change_timeout`).
const DENIED_CHANGE: &str = "this needs CAP_NET_ADMIN in the user namespace that owns the network namespace and, with a \
     timeout, a flow whose timeout is not fixed";

/// What a request for all there is has for attributes.
const NOTHING: &NoAttributes = &NoAttributes {};

fn flow<'a, T: Encode + Decode>(operation: &'static str, number: u8, attributes: &'a T) -> Request<'a> {
    Request::new(operation, NFNL_SUBSYS_CTNETLINK, number, attributes)
}
