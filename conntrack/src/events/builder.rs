//! How to listen.

use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use conntrack_spec::{Decode, Flow, ProjectionOf};

use super::{Events, Groups, Inbox};
use crate::check::UsageError;
use crate::error::{Capability, Errno, Error, MissingCapability};
use crate::filter::Filter;
use crate::namespace::NetworkNamespace;
use crate::sys::socket::Socket;

/// Says what to listen to, where, and how reliably.
///
/// ```no_run
/// use conntrack::{Events, Groups};
///
/// let events = Events::builder()
///     .groups(Groups::DESTROY)
///     .receive_buffer(8 << 20)
///     .reliable_destroy(true)
///     .subscribe()?;
/// println!("room for about {} events", events.receive_buffer()? / 1280);
/// # Ok::<(), conntrack::Error>(())
/// ```
#[derive(Debug)]
pub struct EventsBuilder {
    groups: Groups,
    namespace: NetworkNamespace,
    filter: Filter,
    receive_buffer: Option<usize>,
    reliable_destroy: bool,
    no_enobufs: bool,
    all_namespaces: bool,
}

impl EventsBuilder {
    pub(super) fn new() -> Self {
        Self {
            groups: Groups::FLOWS,
            namespace: NetworkNamespace::default(),
            filter: Filter::all(),
            receive_buffer: None,
            reliable_destroy: false,
            no_enobufs: false,
            all_namespaces: false,
        }
    }

    /// Which events: those of [flows](Groups::FLOWS) by default.
    #[must_use]
    pub fn groups(mut self, groups: Groups) -> Self {
        self.groups = groups;
        self
    }

    /// Listens in this network namespace instead of the calling thread's: a file such as `/proc/1234/ns/net`.
    ///
    /// This needs `CAP_SYS_ADMIN` in the user namespace that owns it and in the caller's own, until
    /// [`subscribe`](Self::subscribe) returns. The calling thread stays in its namespace.
    ///
    /// # Errors
    /// The descriptor cannot be duplicated.
    pub fn netns(mut self, namespace: impl AsFd) -> Result<Self, Error> {
        self.namespace = NetworkNamespace::of(namespace)?;
        Ok(self)
    }

    /// Listens in the network namespace at this path, such as `/run/netns/blue`, which `ip netns` makes.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn netns_path(mut self, path: impl AsRef<Path>) -> Result<Self, Error> {
        self.namespace = NetworkNamespace::at(path)?;
        Ok(self)
    }

    /// Only the events of flows that meet this filter. Events of expectations are not filtered.
    ///
    /// The kernel drops the others before they are queued, by a [program](crate::bpf) that the filter is compiled to:
    /// they take no room in the buffer, and do not wake the listener.
    ///
    /// It is the event that is compared, so that a criterion which a flow meets only for a time selects the events of
    /// that time. A criterion about what the event does not say is not met: a `DESTROY` event has of
    /// the [connection's state](conntrack_spec::Flow::proto_info) only the state, an update has it only if it changed.
    #[must_use]
    pub fn filter(mut self, filter: &Filter) -> Self {
        self.filter = filter.clone();
        self
    }

    /// Asks for a receive buffer of this many bytes, beyond `net.core.rmem_max` where the caller may
    /// (`SO_RCVBUFFORCE`, which needs `CAP_NET_ADMIN` in the initial user namespace). The kernel doubles it; what was
    /// granted, [`Events::receive_buffer`] tells.
    ///
    /// Each queued event takes 1280 bytes of what was granted, whatever its size: without this, in most systems, 166
    /// events fit. A larger buffer costs kernel memory, but only while it is in use, and makes a late reader later.
    #[must_use]
    pub fn receive_buffer(mut self, bytes: usize) -> Self {
        self.receive_buffer = Some(bytes);
        self
    }

    /// Has the kernel keep each destroyed flow until its `DESTROY` event is in this listener's buffer
    /// (`NETLINK_BROADCAST_ERROR`), so that none is lost, however small the buffer.
    ///
    /// What it costs: undelivered flows take memory and count against `nf_conntrack_max` until they are delivered, and
    /// the kernel tries again and again. So a listener that does not read can fill the table, and new connections are
    /// then dropped. Other events, of creations and changes, still get lost, and every loss is still an
    /// [overrun](super::Event::Overrun); of a flow that lost one, the next event tells all.
    #[must_use]
    pub fn reliable_destroy(mut self, on: bool) -> Self {
        self.reliable_destroy = on;
        self
    }

    /// Has the kernel say nothing when events are lost (`NETLINK_NO_ENOBUFS`).
    ///
    /// **This hides the loss; it does not prevent it.** There will be no [`Event::Overrun`](super::Event::Overrun), and
    /// nothing tells where the gaps are; only [`Events::lost`] still counts what is missing. What it gains: the kernel
    /// goes on filling the buffer as soon as there is room, instead of dropping everything until it has been read
    /// empty. For samplers, which do not mind gaps.
    #[must_use]
    pub fn no_enobufs(mut self, on: bool) -> Self {
        self.no_enobufs = on;
        self
    }

    /// Listens to all network namespaces that have an id in this one (`ip netns set NAME ID`), beside this one itself
    /// (`NETLINK_LISTEN_ALL_NSID`). [`Origin::nsid`](super::Origin::nsid) tells them apart; flows of different
    /// namespaces can have the same tuples.
    ///
    /// This needs `CAP_NET_BROADCAST` over this namespace, and over each of the others: the events of those where it is
    /// missing do not arrive. Namespaces without an id are not heard, and nothing says so. One system call more is
    /// spent on control data for each event, and all namespaces share one buffer.
    #[must_use]
    pub fn all_namespaces(mut self, on: bool) -> Self {
        self.all_namespaces = on;
        self
    }

    /// Starts listening.
    ///
    /// The listener keeps its network namespace alive: after `ip netns delete`, the namespace exists and forwards packets
    /// until the listener is dropped.
    ///
    /// # Errors
    /// [`Error::MissingCapability`] without `CAP_NET_ADMIN`, `CAP_SYS_ADMIN` for another namespace, or
    /// `CAP_NET_BROADCAST` for all namespaces;
    /// [`UsageError::NoGroups`] without groups, or the filter contradicts itself; or the system refuses a socket.
    pub fn subscribe(self) -> Result<Events<Flow>, Error> {
        self.subscribe_as()
    }

    /// Starts listening, with flows decoded into a struct of your own.
    ///
    /// # Errors
    /// As [`subscribe`](Self::subscribe).
    pub fn subscribe_as<T: Decode>(self) -> Result<Events<T>, Error> {
        const { ProjectionOf::<T, Flow>::CHECKED };
        if self.groups.is_empty() {
            return Err(UsageError::NoGroups.into());
        }
        let program = self.filter.compile()?;
        let socket = self.namespace.open_socket()?;
        // Everything is set before the first group is joined: what arrives from then on is what was asked for.
        if let Some(bytes) = self.receive_buffer {
            socket.set_receive_buffer(bytes).map_err(Error::io("setting the receive buffer"))?;
        }
        if self.reliable_destroy {
            socket.report_failed_broadcasts().map_err(Error::io("asking for reliable DESTROY events"))?;
        }
        if self.no_enobufs {
            socket.hide_overruns().map_err(Error::io("asking not to be told of overruns"))?;
        }
        if self.all_namespaces {
            let failed = self.refused("listening to all namespaces", Capability::NetBroadcast);
            socket.listen_to_all_namespaces().map_err(failed)?;
        }
        if !self.filter.is_all() {
            socket.attach_filter(program.instructions()).map_err(Error::io("attaching the filter"))?;
        }
        self.join(&socket)?;
        // What arrives has passed the filter.
        Ok(Events::new(socket, Inbox::new(Filter::all()), self.all_namespaces))
    }

    fn join(&self, socket: &Socket) -> Result<(), Error> {
        for group in self.groups.numbers() {
            socket.join(group).map_err(self.refused("joining an event group", Capability::NetAdmin))?;
        }
        Ok(())
    }

    /// The error that a refusal of the system is, if `needed` is what is missing when it says `EPERM`.
    fn refused(&self, operation: &'static str, needed: Capability) -> impl FnOnce(io::Error) -> Error {
        let namespace = self.namespace.fd().map(AsFd::as_fd);
        move |error| match error.raw_os_error() {
            Some(errno) if Errno(errno) == Errno::PERM => MissingCapability::new(operation, needed, namespace).into(),
            _ => Error::io(operation)(error),
        }
    }
}
