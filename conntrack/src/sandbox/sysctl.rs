//! The settings of the namespace (`Documentation/networking/nf_conntrack-sysctl.rst`, `ip-sysctl.rst`).

use super::Error;
use super::error::Step;
use crate::sys::namespace;

/// What flows have only if it is switched on when they are created.
const FLOW_EXTENSIONS: [&str; 3] = [
    // 1 and not the default of 2, with which flows that are older than the first listener stay silent.
    "net/netfilter/nf_conntrack_events",
    "net/netfilter/nf_conntrack_acct",
    "net/netfilter/nf_conntrack_timestamp",
];
/// The lowest and the highest group whose members may open ICMP sockets without `CAP_NET_RAW`.
const PING_GROUPS: &str = "net/ipv4/ping_group_range";

/// Sets those of the calling thread's network namespace.
pub(super) fn set_all() -> Result<(), Error> {
    for path in FLOW_EXTENSIONS {
        set(path, "1")?;
    }
    // The only group that is sure to exist in the user namespace.
    let group = namespace::effective_group();
    set(PING_GROUPS, &format!("{group} {group}"))
}

/// `/proc/sys/net` shows the namespace of the thread that opens it.
fn set(path: &'static str, value: &str) -> Result<(), Error> {
    std::fs::write(format!("/proc/sys/{path}"), value).map_err(Step::Sysctl(path).failed())
}
