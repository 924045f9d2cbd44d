//! A connection to the kernel's connection tracking.

use std::borrow::Borrow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use conntrack_spec::{Changes, Decode, Flow, FlowId, FlowKey, FlowUpdate, NewFlow, ProjectionOf};

use crate::batch::{Batch, Command};
use crate::builder::Builder;
use crate::bulk::{BulkError, BulkReport, Flushed};
use crate::check::check_update;
use crate::dump::Dump;
use crate::error::{Errno, Error, KernelError};
use crate::filter::Filter;
use crate::netlink::{Channel, Message, Request};
use crate::pool::Pool;
use crate::request;
use crate::sys::socket::Socket;
use crate::version::KernelVersion;

/// A connection to the connection tracking of one network namespace.
///
/// It can be shared between threads: requests take turns, and each dump has a socket of its own. Every operation needs
/// `CAP_NET_ADMIN` in the user namespace that owns the network namespace, and fails with an error for which
/// [`Error::is_permission`] holds without it. The [guide](crate::guide::kernels) says which other privileges are needed
/// when.
///
/// # Forks
///
/// A process and its child after `fork(2)` have the same sockets and count their requests from the same number. Each may
/// then take the other's answers for its own, and say that something was done which was not. So a connection must not be
/// used on both sides: open another one in the child, and leave the parent's alone there. The sockets do not survive
/// `execve(2)`.
///
/// ```no_run
/// use conntrack::{Changes, Conntrack, NewFlow};
/// use std::time::Duration;
///
/// let ct = Conntrack::open()?;
/// for flow in ct.dump()? {
///     println!("{}", flow?);
/// }
///
/// let flow = NewFlow::udp("10.0.0.1:5353".parse().unwrap(), "10.0.0.2:53".parse().unwrap());
/// let key = flow.orig.into();
/// ct.create(&flow.timeout(Duration::from_secs(30)).mark(7))?;
/// ct.update(&key, &Changes::new().mark(0))?;
/// ct.delete(&key)?;
/// # Ok::<(), conntrack::Error>(())
/// ```
#[derive(Debug)]
pub struct Conntrack {
    requests: Mutex<Channel>,
    /// The socket of `requests`, for what can be told of it while a request is under way.
    socket: Arc<Socket>,
    dumps: Arc<Pool>,
    pub(crate) kernel: KernelVersion,
}

/// What tells a flow from another one at its tuple.
#[derive(Debug, Decode)]
struct Identity {
    #[nla(CTA_ID)]
    id: FlowId,
}

impl Conntrack {
    /// Opens a connection to the calling thread's network namespace. This needs no privilege; using it does.
    ///
    /// # Errors
    /// A socket cannot be opened.
    pub fn open() -> Result<Self, Error> {
        Self::builder().open()
    }

    /// Opens a connection elsewhere or otherwise.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::new()
    }

    pub(crate) fn new(requests: Channel, dumps: Pool, kernel: KernelVersion) -> Self {
        let socket = Arc::clone(requests.socket());
        Self { requests: Mutex::new(requests), socket, dumps: Arc::new(dumps), kernel }
    }

    /// Returns the size of the receive buffer in bytes, as the kernel counts it: twice what was asked for. It does not
    /// wait for requests of other threads.
    ///
    /// # Errors
    /// [`Error::Io`] if `getsockopt(2)` fails.
    pub fn receive_buffer(&self) -> Result<usize, Error> {
        self.socket.receive_buffer().map_err(Error::io("reading the receive buffer's size"))
    }

    /// Returns the size of the send buffer in bytes, as the kernel counts it: twice what was asked for. It does not wait
    /// for requests of other threads.
    ///
    /// # Errors
    /// [`Error::Io`] if `getsockopt(2)` fails.
    pub fn send_buffer(&self) -> Result<usize, Error> {
        self.socket.send_buffer().map_err(Error::io("reading the send buffer's size"))
    }

    /// Returns the netlink port id that its requests come from. The events that they cause
    /// [carry it](crate::Origin::port). It does not wait for requests of other threads.
    pub fn port(&self) -> u32 {
        self.socket.port()
    }

    /// How many answers have room in the receive buffer if the kernel charges `bytes` for each; at least 1, at most `most`.
    pub(crate) fn room_for_answers(&self, bytes: usize, most: usize) -> Result<usize, Error> {
        Ok(self.receive_buffer()?.checked_div(bytes).unwrap_or(most).clamp(1, most))
    }

    /// How many bytes one send takes (`netlink_sendmsg`, `net/netlink/af_netlink.c`).
    pub(crate) fn longest_send(&self) -> Result<usize, Error> {
        /// Bytes of the send buffer that the kernel keeps for itself.
        const RESERVED: usize = 32;
        Ok(self.send_buffer()?.saturating_sub(RESERVED))
    }

    /// How many requests by key fit into one send and have room for their answers, as
    /// [`room_for_answers`](Self::room_for_answers) says.
    pub(crate) fn room_for_keys(&self, bytes: usize, most: usize) -> Result<usize, Error> {
        /// Bytes of the longest request by a [`FlowKey`]: ICMPv6, with a zone and an id.
        const REQUEST: usize = 128;
        let sendable = self.longest_send()?.checked_div(REQUEST).unwrap_or(most);
        Ok(self.room_for_answers(bytes, most)?.min(sendable.max(1)))
    }

    /// All flows, of both families, as they arrive (`IPCTNL_MSG_CT_GET`).
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn dump(&self) -> Result<Dump, Error> {
        self.dump_as()
    }

    /// All flows, each decoded into a struct of your own, which pays only for what it holds.
    ///
    /// A field that declares an attribute differently than [`Flow`] [does not build](crate::guide::projections).
    ///
    /// ```no_run
    /// use conntrack::{Conntrack, Decode, FlowId};
    ///
    /// #[derive(Debug, Decode)]
    /// struct Marked {
    ///     #[nla(CTA_ID)]
    ///     id: FlowId,
    ///     #[nla(CTA_MARK)]
    ///     mark: Option<u32>,
    /// }
    ///
    /// for flow in Conntrack::open()?.dump_as::<Marked>()? {
    ///     println!("{:?}", flow?);
    /// }
    /// # Ok::<(), conntrack::Error>(())
    /// ```
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn dump_as<T: Decode>(&self) -> Result<Dump<T>, Error> {
        const { ProjectionOf::<T, Flow>::CHECKED };
        self.dump_filtered_as(&Filter::all())
    }

    /// The flows that meet a filter.
    ///
    /// # Errors
    /// The filter contradicts itself, or the kernel refuses.
    pub fn dump_filtered(&self, filter: &Filter) -> Result<Dump, Error> {
        self.dump_filtered_as(filter)
    }

    /// The flows that meet a filter, each decoded into a struct of your own.
    ///
    /// # Errors
    /// The filter contradicts itself, or the kernel refuses.
    pub fn dump_filtered_as<T: Decode>(&self, filter: &Filter) -> Result<Dump<T>, Error> {
        const { ProjectionOf::<T, Flow>::CHECKED };
        let plan = filter.plan_dump(self.kernel)?;
        let is_exact = plan.is_exact() && self.compares_mark_of(filter)?;
        Dump::start(&self.dumps, &request::dump(&plan), (!is_exact).then(|| filter.clone()))
    }

    /// Gets the flow at a tuple (`IPCTNL_MSG_CT_GET`). `None` if there is no flow, or if the key has an id and the flow
    /// has another one.
    ///
    /// # Errors
    /// [`Error::Usage`] if the key is invalid; nothing was sent then. `EPERM` without `CAP_NET_ADMIN`.
    pub fn get(&self, key: &FlowKey) -> Result<Option<Flow>, Error> {
        self.get_as(key)
    }

    /// Gets the flow at a tuple, decoded into a struct of your own, which does not need a field for the id that the key
    /// may have.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn get_as<T: Decode>(&self, key: &FlowKey) -> Result<Option<T>, Error> {
        const { ProjectionOf::<T, Flow>::CHECKED };
        // The kernel does not compare the id.
        self.one_by(&request::get(key)?, |message| match key.id {
            Some(id) if message.decode::<Identity>()?.id != id => Ok(None),
            _ => message.decode().map(Some),
        })
    }

    /// Whether the key has an id and no flow with that id is at its tuple.
    pub(crate) fn is_gone(&self, key: &FlowKey) -> Result<bool, Error> {
        Ok(key.id.is_some() && self.get_as::<Identity>(key)?.is_none())
    }

    /// Creates a flow (`IPCTNL_MSG_CT_NEW` with `NLM_F_CREATE | NLM_F_EXCL`).
    ///
    /// # Errors
    /// [`Error::is_exists`] if there is a flow at one of its tuples. `EINVAL`, `ENOENT`, `EBUSY`, `EOPNOTSUPP` and
    /// others as [`NewFlow`]'s fields say; nothing was created then.
    pub fn create(&self, flow: &NewFlow) -> Result<(), Error> {
        self.execute(&request::create(flow)?)
    }

    /// Creates a flow, or changes the flow that has its original tuple in either direction (`NLM_F_CREATE` alone).
    ///
    /// The kernel finds a flow by both of its tuples. So if the original tuple of `flow` is the reply tuple of an existing
    /// flow, that flow is changed: its mark, timeout and so on become those of `flow`, and its tuples stay as they are. Use
    /// [`create`](Self::create) if this must not happen: it fails with `EEXIST`.
    ///
    /// # Errors
    /// As [`create`](Self::create) where it is created, and as [`update`](Self::update) where it is changed: then a
    /// translation or a master is `EOPNOTSUPP`. [`Error::is_exists`] if another flow has its reply tuple.
    pub fn upsert(&self, flow: &NewFlow) -> Result<(), Error> {
        self.execute(&request::upsert(flow)?)
    }

    /// Changes the flow at a tuple (`IPCTNL_MSG_CT_NEW`).
    ///
    /// The kernel does not compare the id of an update. If the key has one, this gets the flow first and changes nothing
    /// if its id is another one. A flow that takes the tuple between these two requests is changed.
    ///
    /// # Errors
    /// [`Error::is_not_found`] if there is no such flow; others as the fields of [`Changes`] say. The changes before the
    /// one that is refused have been made.
    pub fn update(&self, key: &FlowKey, changes: &Changes) -> Result<(), Error> {
        let family = check_update(key, changes)?;
        let update = FlowUpdate { key: key.without_id(), changes: changes.clone() };
        let request = request::checked_update(&update, family);
        if self.is_gone(key)? {
            return Err(not_found(&request, "no flow with the key's id is at its tuple"));
        }
        self.execute(&request)
    }

    /// Deletes the flow at a tuple (`IPCTNL_MSG_CT_DELETE`). `false` if there is no flow, or if the key has an id and the
    /// flow has another one: the kernel compares it. [`FlowId`](crate::FlowId) says when a later flow has the same id.
    ///
    /// # Errors
    /// [`Error::Usage`] if the key is invalid; nothing was sent then. `EPERM` without `CAP_NET_ADMIN`.
    pub fn delete(&self, key: &FlowKey) -> Result<bool, Error> {
        found(self.execute(&request::delete(key)?))
    }

    /// Deletes every flow of the namespace.
    ///
    /// The kernel walks the whole table before the request returns, which takes about 0.15 µs for each bucket and longer
    /// for each flow. The [reply timeout](crate::Builder::reply_timeout) does not bound that time.
    ///
    /// # Errors
    /// [`Error::is_permission`] without `CAP_NET_ADMIN`.
    pub fn flush_all(&self) -> Result<(), Error> {
        self.execute(&request::flush_all())
    }

    /// Deletes the flows that meet a filter: in one request if the kernel can select exactly these flows, otherwise one by
    /// one, as [`delete_matching`](Self::delete_matching) does. The result says which.
    ///
    /// One request takes as long as [`flush_all`](Self::flush_all).
    ///
    /// # Errors
    /// * [`UsageError::FlushWithoutCriteria`](crate::UsageError::FlushWithoutCriteria) for a filter that selects
    ///   everything, and other [`UsageError`](crate::UsageError)s for a filter that contradicts itself. Nothing was
    ///   deleted.
    /// * Those of [`delete_matching`](Self::delete_matching). If flows were being deleted in one request, the report is
    ///   empty, because the kernel does not count them.
    pub fn flush(&self, filter: &Filter) -> Result<Flushed, BulkError> {
        if let Some(plans) = filter.plan_flush(self.kernel)?
            && self.compares_mark_of(filter)?
        {
            for plan in plans {
                self.execute(&request::flush(&plan))?;
            }
            return Ok(Flushed::AtOnce);
        }
        self.delete_matching(filter, |_| true).map(Flushed::OneByOne)
    }

    /// Deletes the flows that meet a filter and for which `predicate` returns true. A dump finds them; each is deleted by
    /// its tuple and id, many in one send. Memory use does not depend on their number.
    ///
    /// A flow that cannot be decoded, or whose deletion is refused, does not end it: the report counts them and has the
    /// first error.
    ///
    /// A flow that has changed since the dump reported it is deleted even if it no longer meets the filter. A later flow
    /// with its tuple is not deleted, unless it has the [same id](crate::FlowId).
    ///
    /// # Errors
    /// A [`BulkError`], with a report of what was done before:
    /// * [`Error::Usage`] if the filter contradicts itself.
    /// * [`Error::Kernel`] if the kernel refuses the dump, for example with `EPERM` without `CAP_NET_ADMIN`.
    /// * [`Error::Timeout`], [`Error::Overrun`], [`Error::Io`] and others if the connection fails.
    /// * [`Error::Interrupted`] if the dump may lack flows.
    pub fn delete_matching(
        &self,
        filter: &Filter,
        mut predicate: impl FnMut(&Flow) -> bool,
    ) -> Result<BulkReport, BulkError> {
        self.bulk(self.dump_filtered(filter)?, |flow| predicate(flow).then(|| Command::Delete(flow.key())))
    }

    /// Executes many commands in few sends: commands, or references to such.
    ///
    /// ```no_run
    /// use conntrack::{Command, Conntrack, NewFlow};
    ///
    /// let ct = Conntrack::open()?;
    /// let server = "10.0.0.2:53".parse().unwrap();
    /// let flows = (1024..2048).map(|port| NewFlow::udp(([10, 0, 0, 1], port).into(), server));
    /// for result in ct.batch(flows.map(Command::Create)) {
    ///     result?;
    /// }
    /// # Ok::<(), conntrack::Error>(())
    /// ```
    pub fn batch<I: IntoIterator<Item: Borrow<Command>>>(&self, commands: I) -> Batch<'_, I::IntoIter> {
        Batch::new(self, commands.into_iter())
    }

    /// Sends a request that has no other answer than whether it went well.
    pub(crate) fn execute(&self, request: &Request<'_>) -> Result<(), Error> {
        self.requests().request(request, |_| Ok(()))
    }

    /// Sends a request for one thing; `None` if it does not exist.
    pub(crate) fn one<T: Decode>(&self, request: &Request<'_>) -> Result<Option<T>, Error> {
        self.one_by(request, |message| message.decode().map(Some))
    }

    /// Sends a request for one thing, and returns what `decode` makes of the answer; `None` if there is no such thing.
    pub(crate) fn one_by<T>(
        &self,
        request: &Request<'_>,
        decode: impl Fn(Message<'_>) -> Result<Option<T>, Error>,
    ) -> Result<Option<T>, Error> {
        let mut reply = Ok(None);
        let result = self.requests().request(request, |message| {
            match decode(message) {
                Ok(None) => {}
                found => reply = found,
            }
            Ok(())
        });
        match result {
            Err(error) if error.is_not_found() => Ok(None),
            // Only the acknowledgement was lost.
            Err(Error::Overrun | Error::Timeout(_)) if !matches!(reply, Ok(None)) => reply,
            result => result.and(reply),
        }
    }

    /// Sends a request for all there is. Unlike for [`dump_filtered_as`](Self::dump_filtered_as), the kernel's answer is
    /// the whole of it.
    pub(crate) fn all<T: Decode>(&self, request: &Request<'_>) -> Result<Dump<T>, Error> {
        Dump::start(&self.dumps, request, None)
    }

    /// A thread that panicked with the lock held was between two exchanges or lost one's answers, which the next
    /// exchange tells from its own by their number.
    pub(crate) fn requests(&self) -> MutexGuard<'_, Channel> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The error of a request that was not sent, because what it names does not exist.
pub(crate) fn not_found(request: &Request<'_>, hint: &'static str) -> Error {
    let operation = request.subject.operation;
    KernelError { operation, errno: Errno::NOENT, message: None, attribute: None, hint: Some(hint) }.into()
}

/// Whether there was something to delete.
pub(crate) fn found(result: Result<(), Error>) -> Result<bool, Error> {
    match result {
        Ok(()) => Ok(true),
        Err(error) if error.is_not_found() => Ok(false),
        Err(error) => Err(error),
    }
}
