//! Timeout policies, and the timeouts of flows without one.

use conntrack_spec::{
    DefaultTimeouts, DefaultTimeoutsKey, Family, PolicyKey, PolicyName, Protocol, TimeoutPolicy, Timeouts,
};

use crate::connection::{Conntrack, found};
use crate::error::Error;
use crate::netlink::ProtocolError;
use crate::request::policy as request;
use crate::unused::count_deleted;

/// # Timeout policies
///
/// ```no_run
/// use conntrack::{Conntrack, Family, Seconds, TcpTimeouts, TimeoutPolicy};
///
/// let ct = Conntrack::open()?;
/// let patient = TcpTimeouts::new().established(Seconds(86_400)).close(Seconds(5));
/// ct.create_timeout_policy(&TimeoutPolicy::new("patient".parse().unwrap(), Family::IPV4, patient))?;
/// for policy in ct.timeout_policies()? {
///     println!("{policy:?}");
/// }
/// # Ok::<(), conntrack::Error>(())
/// ```
///
/// The kernel needs `CONFIG_NF_CONNTRACK_TIMEOUT`, else everything here is `EINVAL`.
impl Conntrack {
    /// All timeout policies of the namespace (`IPCTNL_MSG_TIMEOUT_GET`).
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn timeout_policies(&self) -> Result<Vec<TimeoutPolicy>, Error> {
        self.all(&request::dump())?.collect()
    }

    /// A timeout policy, if there is one of this name.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn timeout_policy(&self, name: &PolicyName) -> Result<Option<TimeoutPolicy>, Error> {
        self.one(&request::get(&PolicyKey { name: name.clone() }))
    }

    /// Creates a timeout policy (`IPCTNL_MSG_TIMEOUT_NEW` with `NLM_F_CREATE | NLM_F_EXCL`).
    ///
    /// # Errors
    /// [`Error::is_exists`] if there is one of that name; `EOPNOTSUPP` if the kernel does not track the transport
    /// protocol in detail; the name is empty, or a timeout is too long.
    pub fn create_timeout_policy(&self, policy: &TimeoutPolicy) -> Result<(), Error> {
        self.execute(&request::create(policy)?)
    }

    /// Creates a timeout policy, or gives the one of that name new timeouts, for flows that have it too
    /// (`NLM_F_REPLACE`). Those that are absent become the defaults of now, not what they were.
    ///
    /// # Errors
    /// `EINVAL` if it is there for other protocols; else as [`create_timeout_policy`](Self::create_timeout_policy).
    pub fn replace_timeout_policy(&self, policy: &TimeoutPolicy) -> Result<(), Error> {
        self.execute(&request::replace(policy)?)
    }

    /// Deletes a timeout policy (`IPCTNL_MSG_TIMEOUT_DELETE`). Returns whether it was there.
    ///
    /// # Errors
    /// `EBUSY` if a rule uses it, on Linux 5.10 and 6.16 to 6.18. Linux 6.1, 6.12, 7.2 and 7.3 delete it all the same; to
    /// spare a policy in use there, check its [`use_count`](TimeoutPolicy::use_count) first.
    pub fn delete_timeout_policy(&self, name: &PolicyName) -> Result<bool, Error> {
        found(self.execute(&request::delete(&PolicyKey { name: name.clone() })))
    }

    /// Deletes every timeout policy that no rule uses, and returns how many that were.
    ///
    /// It [lists](Self::timeout_policies) the policies and [deletes](Self::delete_timeout_policy) by name those whose
    /// [`use_count`](TimeoutPolicy::use_count) is 1. The kernel's own
    /// [request](crate::request::policy::delete_unused) for this deletes policies in use too on some kernels.
    ///
    /// If a rule begins to use a policy between the two requests, the policy stays on kernels that answer `EBUSY`, and is
    /// deleted on the others.
    ///
    /// # Errors
    /// Those of [`timeout_policies`](Self::timeout_policies) and of
    /// [`delete_timeout_policy`](Self::delete_timeout_policy), except `EBUSY`. Some policies may be deleted then.
    pub fn delete_unused_timeout_policies(&self) -> Result<u64, Error> {
        let policies = self.timeout_policies()?;
        let unused = policies.iter().filter(|policy| policy.use_count == Some(1));
        count_deleted(unused.map(|policy| self.delete_timeout_policy(&policy.name)))
    }

    /// The timeouts of flows without a policy (`IPCTNL_MSG_TIMEOUT_DEFAULT_GET`); with [`Protocol::GENERIC`], of those
    /// whose protocol the kernel does not track in detail.
    ///
    /// # Errors
    /// `EOPNOTSUPP` if the kernel has none for this protocol.
    pub fn default_timeouts(&self, protocol: Protocol) -> Result<Timeouts, Error> {
        let key = DefaultTimeoutsKey { l3_protocol: l3_protocol_of(protocol), l4_protocol: protocol };
        let defaults = self.one::<DefaultTimeouts>(&request::get_defaults(&key))?;
        defaults.map(|defaults| defaults.timeouts).ok_or(Error::Protocol(ProtocolError::NoAnswer))
    }

    /// Sets timeouts of flows without a policy (`IPCTNL_MSG_TIMEOUT_DEFAULT_SET`), from their next packet on: the sysctls
    /// `net.netfilter.nf_conntrack_*_timeout*` of the namespace. Those that are absent stay as they are.
    ///
    /// # Errors
    /// `EOPNOTSUPP` if the kernel has none for this protocol; or a timeout is too long.
    pub fn set_default_timeouts(&self, timeouts: impl Into<Timeouts>) -> Result<(), Error> {
        let timeouts = timeouts.into();
        let defaults = DefaultTimeouts { l3_protocol: l3_protocol_of(timeouts.protocol()), timeouts };
        self.execute(&request::set_defaults(&defaults)?)
    }
}

/// The kernel wants one, and tells with it only which ICMP is meant, which the transport protocol says already.
fn l3_protocol_of(protocol: Protocol) -> conntrack_spec::L3Protocol {
    if protocol == Protocol::ICMPV6 { Family::IPV6.into() } else { Family::IPV4.into() }
}
