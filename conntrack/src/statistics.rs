//! What connection tracking counts, and the lists beside its table.

use conntrack_spec::{CpuStats, Decode, ExpectStats, GlobalStats, PerCpu};

use crate::connection::Conntrack;
use crate::dump::Dump;
use crate::error::Error;
use crate::netlink::{ProtocolError, Request};
use crate::request::{self, stats};

/// # Statistics
impl Conntrack {
    /// What each processor has counted (`IPCTNL_MSG_CT_GET_STATS_CPU`). Printed, each is a line of `conntrack -S`.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn stats_per_cpu(&self) -> Result<Vec<PerCpu<CpuStats>>, Error> {
        self.per_cpu(&stats::per_cpu())
    }

    /// How full the table is (`IPCTNL_MSG_CT_GET_STATS`).
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn stats(&self) -> Result<GlobalStats, Error> {
        self.one(&stats::global())?.ok_or(Error::Protocol(ProtocolError::NoAnswer))
    }

    /// What each processor has counted of expectations (`IPCTNL_MSG_EXP_GET_STATS_CPU`).
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn expectation_stats(&self) -> Result<Vec<PerCpu<ExpectStats>>, Error> {
        self.per_cpu(&stats::expectations())
    }

    /// The flows that have left the table, but not gone: a socket that asked to be told of every flow's end
    /// (`NETLINK_BROADCAST_ERROR`) has yet to be told of theirs (`IPCTNL_MSG_CT_GET_DYING`).
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn dump_dying(&self) -> Result<Dump, Error> {
        self.all(&request::dump_dying())
    }

    /// The flows whose first packet is still on its way through the rules (`IPCTNL_MSG_CT_GET_UNCONFIRMED`). Always none
    /// since Linux 5.19, which keeps no list of them.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn dump_unconfirmed(&self) -> Result<Dump, Error> {
        self.all(&request::dump_unconfirmed())
    }

    fn per_cpu<T: Decode>(&self, request: &Request<'_>) -> Result<Vec<PerCpu<T>>, Error> {
        let mut all = Vec::new();
        self.requests().request(request, |reply| {
            all.push(PerCpu { cpu: reply.nfgenmsg()?.res_id, stats: reply.decode()? });
            Ok(())
        })?;
        Ok(all)
    }
}
