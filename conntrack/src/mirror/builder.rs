//! The options of a mirror.

use std::os::fd::AsFd;
use std::path::Path;
use std::time::Duration;

use super::setting::EventsSetting;
use super::{Idle, Mirror, Reconciler};
use crate::builder::Builder;
use crate::connection::Conntrack;
use crate::error::Error;
use crate::events::{Events, Groups};
use crate::filter::Filter;
use crate::namespace::NetworkNamespace;
use crate::version::KernelVersion;

/// Room for 6500 events, as the kernel doubles it.
const RECEIVE_BUFFER: usize = 4 << 20;
/// How often to compare the copy with the table without a reason.
const CHECK: Duration = Duration::from_secs(60);

/// Says what to mirror, and where.
///
/// ```no_run
/// use conntrack::{Filter, Mirror};
///
/// let mirror = Mirror::builder().filter(&Filter::new().ipv4()).receive_buffer(16 << 20).start()?;
/// println!("{} flows", mirror.len());
/// # Ok::<(), conntrack::Error>(())
/// ```
#[derive(Debug)]
pub struct MirrorBuilder {
    filter: Filter,
    namespace: NetworkNamespace,
    receive_buffer: usize,
    reliable_destroy: bool,
    expectations: bool,
    requests: Builder,
    check: Option<Duration>,
}

impl MirrorBuilder {
    pub(super) fn new() -> Self {
        Self {
            filter: Filter::all(),
            namespace: NetworkNamespace::default(),
            receive_buffer: RECEIVE_BUFFER,
            reliable_destroy: false,
            expectations: false,
            requests: Conntrack::builder(),
            check: Some(CHECK),
        }
    }

    /// Mirrors only the flows that meet this filter. A flow that starts to meet it is inserted then, and one that no
    /// longer does is removed, as [`Removal::Unmatched`](super::Removal::Unmatched).
    #[must_use]
    pub fn filter(mut self, filter: &Filter) -> Self {
        self.filter = filter.clone();
        self
    }

    /// Mirrors this network namespace instead of the calling thread's: a file such as `/proc/1234/ns/net`.
    ///
    /// This needs `CAP_SYS_ADMIN` in the user namespace that owns it and in the caller's own, until
    /// [`start`](Self::start) returns. The calling thread stays in its namespace.
    ///
    /// # Errors
    /// The descriptor cannot be duplicated.
    pub fn netns(mut self, namespace: impl AsFd) -> Result<Self, Error> {
        self.namespace = NetworkNamespace::of(namespace)?;
        Ok(self)
    }

    /// Mirrors the network namespace at this path, such as `/run/netns/blue`, which `ip netns` makes.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn netns_path(mut self, path: impl AsRef<Path>) -> Result<Self, Error> {
        self.namespace = NetworkNamespace::at(path)?;
        Ok(self)
    }

    /// Asks for a receive buffer of this many bytes for the events: 4 MiB by default, in which about 6500 fit. A smaller
    /// one overruns sooner, after which the mirror has to look at the whole table again.
    #[must_use]
    pub fn receive_buffer(mut self, bytes: usize) -> Self {
        self.receive_buffer = bytes;
        self
    }

    /// Has the kernel keep each destroyed flow until its `DESTROY` event is in this mirror's receive buffer, as
    /// [`EventsBuilder::reliable_destroy`](crate::EventsBuilder::reliable_destroy) does. Then every end is reported with
    /// its final counters, however small the buffer: as [`Removal::Destroyed`](super::Removal::Destroyed), or as
    /// [`Change::Ended`](super::Change::Ended) for a flow that is not in the mirror, such as one that ended before the mirror
    /// learnt of it. A flow that another one replaced is removed as [`Removal::Missed`](super::Removal::Missed), and
    /// its `Ended` follows. Flows without events still end silently. If the system has a second listener like this one,
    /// the kernel may deliver an end twice.
    ///
    /// The kernel counts undelivered flows against `nf_conntrack_max`: a mirror that nobody drives can fill the table, and
    /// the kernel then drops new connections. Drive it on a thread of its own.
    #[must_use]
    pub fn reliable_destroy(mut self, on: bool) -> Self {
        self.reliable_destroy = on;
        self
    }

    /// Mirrors the expectations of the namespace as well, of all flows: [`Mirror::expectations`] returns them, and their
    /// changes come in order with those of the flows.
    ///
    /// An update of an expectation has no event, and changes only its timeout; the next check finds that.
    #[must_use]
    pub fn expectations(mut self, on: bool) -> Self {
        self.expectations = on;
        self
    }

    /// Limits how long the kernel may take for each answer to the mirror's dumps and queries, as
    /// [`Builder::reply_timeout`](crate::Builder::reply_timeout) does: 5 seconds by default. `None` waits for ever.
    #[must_use]
    pub fn reply_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.requests = self.requests.reply_timeout(timeout);
        self
    }

    /// Uses only what this kernel version can do in dumps, as
    /// [`Builder::kernel_version`](crate::Builder::kernel_version) does.
    #[must_use]
    pub fn kernel_version(mut self, version: KernelVersion) -> Self {
        self.requests = self.requests.kernel_version(version);
        self
    }

    /// Compares the mirror with the kernel's table this often: every minute by default, and less often if that would take
    /// more than a twentieth of the time. `None` compares only after losses.
    ///
    /// A check finds flows that ended without an event, and updates counters and timeouts. It costs a dump, about 1.3 µs of
    /// processor time for each flow of the kernel's table, and a query for each flow that the dump lacks.
    #[must_use]
    pub fn check_every(mut self, interval: impl Into<Option<Duration>>) -> Self {
        self.check = interval.into();
        self
    }

    /// Starts listening, reads the table, and returns when the mirror has all of it. A dump that fails and may well
    /// succeed another time is tried ten times.
    ///
    /// The mirror keeps its network namespace alive: after `ip netns delete`, the namespace exists and forwards packets
    /// until the mirror is dropped.
    ///
    /// # Errors
    /// [`Error::MissingCapability`] without `CAP_NET_ADMIN`, the filter contradicts itself, the system refuses a socket
    /// or a dump, or all dumps fail.
    pub fn start(self) -> Result<Mirror, Error> {
        let mut mirror = self.open()?;
        while !mirror.is_filled()? {
            if let Idle::Until(until) = mirror.step()? {
                mirror.rest(until)?;
            }
            mirror.take_changes().for_each(drop);
        }
        Ok(mirror)
    }

    /// Starts listening. The table is yet to be read.
    pub(crate) fn open(self) -> Result<Mirror, Error> {
        // A criterion that a flow can cease to meet is not the listener's: it would not hear of that.
        let mut events = Events::builder()
            .groups(if self.expectations { Groups::ALL } else { Groups::FLOWS })
            .filter(&self.filter.lasting())
            .receive_buffer(self.receive_buffer)
            .reliable_destroy(self.reliable_destroy);
        let mut requests = self.requests;
        if let Some(namespace) = self.namespace.fd() {
            events = events.netns(namespace)?;
            requests = requests.netns(namespace)?;
        }
        let filter = self.filter.clone();
        let reconcile = |capacity| {
            let reconciler = Reconciler::new(filter, capacity, self.check).reliable_destroy(self.reliable_destroy);
            reconciler.expectations(self.expectations)
        };
        let setting = EventsSetting::of(&self.namespace);
        Mirror::over(events.subscribe()?, requests.open()?, setting, reconcile, self.filter)
    }
}
