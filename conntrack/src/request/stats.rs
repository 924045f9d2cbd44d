//! What connection tracking counts.

use conntrack_spec::uapi::{
    IPCTNL_MSG_CT_GET_STATS, IPCTNL_MSG_CT_GET_STATS_CPU, IPCTNL_MSG_EXP_GET_STATS_CPU, NFNL_SUBSYS_CTNETLINK,
    NFNL_SUBSYS_CTNETLINK_EXP,
};

use super::NOTHING;
use crate::netlink::{NLM_F_DUMP, Request};

/// Reports what each processor has counted, its number in `res_id`.
#[must_use]
pub fn per_cpu() -> Request<'static> {
    // Without the flag the kernel says that all went well, and nothing else.
    Request::new("reading statistics", NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_GET_STATS_CPU, NOTHING).flags(NLM_F_DUMP)
}

/// Reports how full the table is.
#[must_use]
pub fn global() -> Request<'static> {
    Request::new("reading the table's size", NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_GET_STATS, NOTHING)
}

/// Reports what each processor has counted of expectations, its number in `res_id`. The answers come as those of
/// subsystem 1, message 3.
#[must_use]
pub fn expectations() -> Request<'static> {
    let operation = "reading statistics of expectations";
    Request::new(operation, NFNL_SUBSYS_CTNETLINK_EXP, IPCTNL_MSG_EXP_GET_STATS_CPU, NOTHING).flags(NLM_F_DUMP)
}
