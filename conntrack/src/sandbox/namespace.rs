//! Network namespaces that are set up for connection tracking, and the threads in them.

use std::marker::PhantomData;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use conntrack_spec::{Family, Protocol};

use super::error::{Failure, Step};
use super::limit::Limit;
use super::nftables::{self, Change};
use super::traffic::{self, Ping, TcpConnection, UdpExchange};
use super::{Error, enter_user_namespace, link, nsid, ruleset, skip, sysctl};
use crate::sys::namespace as sys;
use crate::sys::thread::on_own_thread;

/// A network namespace of its own: loopback is up, flows are tracked, and have counters, timestamps, events and labels.
///
/// It lasts as long as this value, a thread or a socket is in it. Its descriptor is what `setns(2)` takes.
#[derive(Debug)]
pub struct Namespace(OwnedFd);

impl Namespace {
    /// Creates one. No thread of the program moves into it.
    ///
    /// # Errors
    /// [`Error::UserNamespace`] and [`Error::MultiThreaded`], as [`enter_user_namespace`], which this calls; or
    /// [`Error::Step`], if the system refuses one.
    pub fn new() -> Result<Self, Error> {
        enter_user_namespace()?;
        on_own_thread(|| {
            let limited = |error| Limit::NetworkNamespaces.explain(error);
            sys::unshare_network().map_err(limited).map_err(Step::NetworkNamespace.failed())?;
            link::bring_up_loopback()?;
            // The rules before the sysctls: it is they that load the module which has those.
            nftables::load(&ruleset::tracking())?;
            sysctl::set_all()?;
            sys::current_network().map(Self).map_err(Step::NetworkNamespace.failed())
        })
        .map_err(Step::Thread.failed())?
    }

    /// Moves the calling thread in, for good: a thread that is in a user namespace has no way back.
    ///
    /// # Errors
    /// [`Error::Step`], if the system refuses.
    pub fn enter(self) -> Result<Sandbox, Error> {
        sys::enter_network(&self).map_err(Step::NetworkNamespace.failed())?;
        Ok(Sandbox { namespace: self, not_send: PhantomData })
    }

    /// Runs `body` on a thread inside, and waits for it. Its panic is this function's.
    ///
    /// # Errors
    /// [`Error::Body`] is what `body` returns; [`Error::Step`], if the system refuses the thread.
    pub fn run<T: Send>(&self, body: impl FnOnce(&Sandbox) -> Result<T, Failure> + Send) -> Result<T, Error> {
        let namespace = Self(self.0.try_clone().map_err(Step::NetworkNamespace.failed())?);
        on_own_thread(|| body(&namespace.enter()?).map_err(Error::Body)).map_err(Step::Thread.failed())?
    }
}

impl AsFd for Namespace {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// A thread's being in a [`Namespace`]: what it opens, and the threads that it starts, are in there too.
///
/// It does not leave its thread, because its traffic would be made elsewhere.
#[derive(Debug)]
pub struct Sandbox {
    namespace: Namespace,
    not_send: PhantomData<*const ()>,
}

impl Sandbox {
    /// Moves the calling thread into a new namespace, for good.
    ///
    /// As an ordinary user, this moves the process into a user namespace too, unless it is in one; see
    /// [`enter_user_namespace`].
    ///
    /// With `CONNTRACK_TESTS_SKIP=allow` in the environment, this ends the process with exit code 0 instead of returning
    /// [`Error::UserNamespace`], with a [message](super#skipping-tests), if the process has a single thread.
    ///
    /// # Errors
    /// Those of [`Namespace::new`] and [`Namespace::enter`].
    pub fn enter() -> Result<Self, Error> {
        skip::program(Namespace::new())?.enter()
    }

    /// Whether there can be a sandbox: `Ok`, or the reason why not. The program stays as it is.
    ///
    /// With the privilege to create network namespaces, this creates one and sets it up. Without it, a child process
    /// creates the namespaces and does not set them up: whether the kernel has nf\_tables will show later.
    ///
    /// # Errors
    /// [`Error::UserNamespace`], if the system forbids them to ordinary users; [`Error::Step`], if it refuses one.
    pub fn probe() -> Result<(), Error> {
        if sys::is_privileged() {
            Namespace::new().map(drop)
        } else {
            sys::new_user_namespace().map(drop).map_err(Error::denied)
        }
    }

    /// The namespace that the thread is in, for a connection that another thread opens.
    pub fn netns(&self) -> &Namespace {
        &self.namespace
    }

    /// Gives another namespace an id in this one, by which a listener to
    /// [all namespaces](crate::EventsBuilder::all_namespaces) knows it.
    ///
    /// # Errors
    /// [`Error::Step`] with [`Step::NamespaceId`]: it has an id already, or another namespace has this one.
    pub fn assign_id(&self, other: &Namespace, id: u32) -> Result<(), Error> {
        nsid::assign(other.as_fd(), id)
    }

    /// Makes changes to the ruleset, beside the rule that the namespace has from the beginning: all of them or none.
    ///
    /// # Errors
    /// [`Error::Step`] with [`Step::Ruleset`] says which one the kernel refuses; [`Error::Encode`], if one is too long.
    pub fn load(&self, changes: &[Change]) -> Result<(), Error> {
        nftables::load(changes)
    }

    /// Switches on address translation: flows that are created with a NAT binding from now on have their packets
    /// translated.
    ///
    /// # Errors
    /// [`Error::Step`], if the kernel refuses.
    pub fn enable_nat(&self) -> Result<(), Error> {
        self.load(&ruleset::translation())
    }

    /// An established TCP connection between `127.0.0.1` or `::1` and itself.
    ///
    /// # Errors
    /// [`Error::Step`] with [`Step::Tcp`]: there is no such family, or a ruleset drops the packets.
    pub fn tcp_connection(&self, family: Family) -> Result<TcpConnection, Error> {
        traffic::tcp_connection(family).map_err(Step::Tcp.failed())
    }

    /// A UDP datagram from `127.0.0.1` or `::1` to itself, and one back.
    ///
    /// # Errors
    /// [`Error::Step`] with [`Step::Udp`]: there is no such family, or a ruleset drops the packets.
    pub fn udp_exchange(&self, family: Family) -> Result<UdpExchange, Error> {
        traffic::datagrams(Protocol::UDP, family).map_err(Step::Udp.failed())
    }

    /// A UDP-Lite datagram from `127.0.0.1` or `::1` to itself, and one back.
    ///
    /// # Errors
    /// [`Error::Step`] with [`Step::Udp`]: the kernel has no UDP-Lite, there is no such family, or a ruleset drops the
    /// packets.
    pub fn udplite_exchange(&self, family: Family) -> Result<UdpExchange, Error> {
        traffic::datagrams(Protocol::UDPLITE, family).map_err(Step::Udp.failed())
    }

    /// An ICMP or ICMPv6 echo request from `127.0.0.1` or `::1` to itself, and its answer.
    ///
    /// # Errors
    /// [`Error::Step`] with [`Step::Ping`]: there is no such family, or a ruleset drops the packets.
    pub fn ping(&self, family: Family) -> Result<Ping, Error> {
        traffic::ping(family).map_err(Step::Ping.failed())
    }
}
