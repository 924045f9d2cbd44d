//! How to open a connection.

use std::os::fd::AsFd;
use std::path::Path;
use std::time::Duration;

use crate::connection::Conntrack;
use crate::error::Error;
use crate::namespace::NetworkNamespace;
use crate::netlink::Channel;
use crate::pool::{Options, Pool};
use crate::version::KernelVersion;

/// How long an answer may take, unless said otherwise. The kernel answers within microseconds; a datagram of a dump takes
/// as long as it needs to find a flow, 0.15 µs for each empty bucket of the table.
const REPLY_TIMEOUT: Duration = Duration::from_secs(5);

/// Says where and how to open a [`Conntrack`].
///
/// ```no_run
/// let ct = conntrack::Conntrack::builder()
///     .netns_path("/run/netns/blue")?
///     .receive_buffer(4 << 20)
///     .open()?;
/// # Ok::<(), conntrack::Error>(())
/// ```
#[derive(Debug)]
pub struct Builder {
    namespace: NetworkNamespace,
    options: Options,
    kernel: Option<KernelVersion>,
}

impl Builder {
    pub(crate) fn new() -> Self {
        let options = Options { timeout: Some(REPLY_TIMEOUT), ..Options::default() };
        Self { namespace: NetworkNamespace::default(), options, kernel: None }
    }

    /// Opens it in this network namespace instead of the calling thread's: a file such as `/proc/1234/ns/net`.
    ///
    /// This needs `CAP_SYS_ADMIN` in the user namespace that owns it and in the caller's own, until
    /// [`open`](Self::open) returns; the connection does not need it afterwards. The calling thread stays in its
    /// namespace. A thread of the connection enters the other one, gives up all capabilities, and opens sockets there
    /// until the connection and its dumps are dropped. Until then the process has several threads, for which the kernel
    /// refuses `unshare(CLONE_NEWUSER)`.
    ///
    /// # Errors
    /// The descriptor cannot be duplicated.
    pub fn netns(mut self, namespace: impl AsFd) -> Result<Self, Error> {
        self.namespace = NetworkNamespace::of(namespace)?;
        Ok(self)
    }

    /// Opens it in the network namespace at this path, such as `/run/netns/blue`, which `ip netns` makes.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn netns_path(mut self, path: impl AsRef<Path>) -> Result<Self, Error> {
        self.namespace = NetworkNamespace::at(path)?;
        Ok(self)
    }

    /// Asks for a receive buffer of this many bytes, beyond `net.core.rmem_max` where the caller may
    /// (`SO_RCVBUFFORCE`, which needs `CAP_NET_ADMIN` in the initial user namespace). What was granted,
    /// [`Conntrack::receive_buffer`] tells.
    ///
    /// Dumps do not need it: the kernel waits with the next part until the last one is read.
    #[must_use]
    pub fn receive_buffer(mut self, bytes: usize) -> Self {
        self.options.receive_buffer = Some(bytes);
        self
    }

    /// Asks for a send buffer of this many bytes, beyond `net.core.wmem_max` where the caller may.
    #[must_use]
    pub fn send_buffer(mut self, bytes: usize) -> Self {
        self.options.send_buffer = Some(bytes);
        self
    }

    /// Sets how long a request waits for the kernel's answers before it fails with [`Error::Timeout`]: 5 seconds by
    /// default. `None` waits for ever. A dump waits as long for each datagram.
    ///
    /// The time runs from when the request was sent, and counts only while nothing is there to be read: answers that have
    /// arrived are always taken, even if the process was stopped meanwhile. It does not bound
    ///
    /// * the time in which the kernel executes a request, because it does so before the send returns: a flush, or the next
    ///   part of a dump, of a very large table can take seconds;
    /// * the time in which a request waits for those of other threads on the same connection.
    ///
    /// With a batch and a zeroing dump it bounds the answers of each send.
    #[must_use]
    pub fn reply_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.options.timeout = timeout.into();
        self
    }

    /// Sets the kernel version that decides which filter criteria are sent to the kernel, instead of the
    /// [running](KernelVersion::running) kernel's.
    ///
    /// Filters select the same flows with every version:
    ///
    /// * With a lower version, the library filters more itself.
    /// * With a higher version, for a kernel with features of newer ones, the kernel gets more criteria and reports fewer
    ///   flows. It may ignore those that it does not know, so the library checks the reported flows again.
    ///
    /// Nothing is deleted on the strength of a higher version. A [flush](Conntrack::flush) by criteria that the running
    /// version does not know deletes flow by flow: Linux 5.4, asked to flush a zone, would delete every flow.
    #[must_use]
    pub fn kernel_version(mut self, version: KernelVersion) -> Self {
        self.kernel = Some(version);
        self
    }

    /// Opens the connection. In the calling thread's namespace this needs no privilege: the kernel checks privileges when
    /// a request is sent.
    ///
    /// The connection keeps its network namespace alive: after `ip netns delete`, the namespace exists and forwards packets
    /// until the connection is dropped.
    ///
    /// # Errors
    /// * [`Error::MissingCapability`] if another namespace needs `CAP_SYS_ADMIN`.
    /// * [`UsageError::NotANetworkNamespace`](crate::UsageError::NotANetworkNamespace) if the file is none.
    /// * [`Error::Io`] if a socket cannot be opened, such as `EMFILE`, or a thread cannot be started, or the reply timeout
    ///   is zero.
    pub fn open(self) -> Result<Conntrack, Error> {
        let home = self.namespace.home()?;
        let (mut requests, mut dumps) = (Channel::over(home.open_first()?), Channel::over(home.open_first()?));
        self.options.apply(&mut requests)?;
        self.options.apply(&mut dumps)?;
        let kernel = self.kernel.unwrap_or_else(KernelVersion::running);
        Ok(Conntrack::new(requests, Pool::new(self.options, home, dumps), kernel))
    }
}
