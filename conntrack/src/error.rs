//! What can go wrong.

use std::fmt;
use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use conntrack_spec::DecodeError;
use conntrack_spec::codec::{EncodeError, Layout};
use conntrack_spec::header::NlMsgHdr;

use crate::check::UsageError;
use crate::events::Origin;
use crate::netlink::{Message, ProtocolError};
use crate::sys::listener::namespace_ids;

#[cfg(test)]
pub(crate) mod tests;

/// The error of an operation on a connection.
///
/// `Display` prints the outermost level only; [`source`](std::error::Error::source) is the next. [`Report`] prints all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused a call on the socket or the namespace.
    #[error("{operation}")]
    Io {
        /// What was being done.
        operation: &'static str,
        /// The system's error.
        source: io::Error,
    },
    /// The kernel refused the request.
    #[error(transparent)]
    Kernel(Box<KernelError>),
    /// The request makes no sense; nothing was sent.
    #[error(transparent)]
    Usage(#[from] UsageError),
    /// The request does not fit into a message; nothing was sent.
    #[error("encoding the request")]
    Encode(#[from] EncodeError),
    /// What the kernel sent is not what is declared.
    #[error("decoding a message")]
    Decode(#[source] DecodeError),
    /// What arrived are no whole netlink messages.
    #[error("reading a datagram")]
    Protocol(#[source] ProtocolError),
    /// A message cannot be decoded, and is kept in the error: an event, which does not end the listener, or a flow whose
    /// counters were set to 0.
    #[error(transparent)]
    Undecodable(Box<Undecodable>),
    /// A privilege is missing to listen, or to enter a network namespace.
    #[error(transparent)]
    MissingCapability(Box<MissingCapability>),
    /// The answer took longer than the connection's reply timeout. It may still come; it will then be ignored.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// The socket's receive buffer was full, and answers are lost.
    #[error("the receive buffer overran and answers were lost")]
    Overrun,
    /// The table changed under the dump in such a way that entries may be missing or come twice.
    #[error("the dump was interrupted: entries may be missing")]
    Interrupted,
    /// The tokio runtime shuts down and starts no more threads for blocking work.
    #[cfg(feature = "tokio")]
    #[error("the runtime shuts down")]
    ShutDown,
}

impl Error {
    /// Makes an I/O error one of `operation`.
    pub(crate) fn io(operation: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { operation, source }
    }

    /// The kernel's error number, if the kernel refused the request or a system call.
    #[must_use]
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Self::Kernel(error) => Some(error.errno),
            Self::Io { source, .. } => source.raw_os_error().map(Errno),
            Self::MissingCapability(_) => Some(Errno::PERM),
            _ => None,
        }
    }

    /// Whether what the request names does not exist (`ENOENT`).
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.errno() == Some(Errno::NOENT)
    }

    /// Whether what was to be created exists already (`EEXIST`).
    #[must_use]
    pub fn is_exists(&self) -> bool {
        self.errno() == Some(Errno::EXIST)
    }

    /// Whether a privilege is missing (`EPERM`): `CAP_NET_ADMIN` in the user namespace that owns the socket's network
    /// namespace, unless [another](Self::MissingCapability) is named. Where a timeout was to be changed, it can be the
    /// flow's, which is fixed ([`Status::FIXED_TIMEOUT`](crate::Status::FIXED_TIMEOUT)).
    #[must_use]
    pub fn is_permission(&self) -> bool {
        self.errno() == Some(Errno::PERM)
    }
}

/// Formats an error and all its sources in one line, separated by `: `.
///
/// An error of this library prints its own level only, and its [`source`](std::error::Error::source) is the next level.
/// `println!("{error}")` therefore leaves out the cause; this prints it.
///
/// ```
/// use conntrack::{Error, Report};
///
/// let source = std::io::Error::other("no such device");
/// let error = Error::Io { operation: "opening a netlink socket", source };
/// assert_eq!(error.to_string(), "opening a netlink socket");
/// assert_eq!(Report(&error).to_string(), "opening a netlink socket: no such device");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Report<'a>(pub &'a (dyn std::error::Error + 'static));

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.0, f)?;
        std::iter::successors(self.0.source(), |error| error.source()).try_for_each(|source| write!(f, ": {source}"))
    }
}

/// The kernel's refusal of a request.
///
/// Printed, it reads `creating a flow: EINVAL (Invalid argument) at CTA_TUPLE_ORIG: …`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KernelError {
    /// What was being done.
    pub operation: &'static str,
    /// The error.
    pub errno: Errno,
    /// The kernel's words, which it has for few errors (`NLMSGERR_ATTR_MSG`).
    pub message: Option<String>,
    /// The attribute that it blames, as a path of kernel names: only for attributes of the wrong size or range, and only
    /// at the outermost level (`NLMSGERR_ATTR_OFFS`).
    pub attribute: Option<String>,
    /// What the error means for this operation, where the number alone would mislead.
    pub hint: Option<&'static str>,
}

impl fmt::Display for KernelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.operation, self.errno)?;
        if let Some(attribute) = &self.attribute {
            write!(f, " at {attribute}")?;
        }
        if let Some(message) = &self.message {
            write!(f, ": {message}")?;
        }
        if let Some(hint) = self.hint {
            write!(f, ": {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for KernelError {}

impl From<KernelError> for Error {
    fn from(error: KernelError) -> Self {
        Self::Kernel(Box::new(error))
    }
}

/// Keeps a message that cannot be decoded: an event, or the answer to a request that set counters to 0.
#[derive(Debug, thiserror::Error)]
#[error("an undecodable message of {} bytes", .bytes.len())]
pub struct Undecodable {
    /// What is wrong with it: [`Error::Decode`] or [`Error::Protocol`].
    #[source]
    pub reason: Error,
    /// The message, its header included.
    pub bytes: Vec<u8>,
    /// Where it comes from. The answer to a request has the requesting socket's port and no group.
    pub origin: Origin,
}

impl Undecodable {
    /// Keeps the answer to a request.
    #[cold]
    pub(crate) fn answer(message: Message<'_>, reason: Error) -> Error {
        let mut bytes = Vec::with_capacity(NlMsgHdr::SIZE.saturating_add(message.body.len()));
        if let Err(error) = message.header.append_to(&mut bytes) {
            return error.into();
        }
        bytes.extend_from_slice(message.body);
        let origin = Origin { port: message.header.pid, ..Origin::default() };
        Self { reason, bytes, origin }.into()
    }
}

impl From<Undecodable> for Error {
    fn from(undecodable: Undecodable) -> Self {
        Self::Undecodable(Box::new(undecodable))
    }
}

/// A capability that an operation needs and the caller lacks, and where it would need it.
///
/// Printed, it reads `joining an event group: needs CAP_NET_ADMIN in user:[4026531837], the user namespace that owns
/// net:[4026531840]`: the names are those of the links in `/proc/PID/ns`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub struct MissingCapability {
    /// What was being done.
    pub operation: &'static str,
    /// What it needs.
    pub capability: Capability,
    /// The inode number of the network namespace it is needed for; `None` if the system does not say.
    pub network_namespace: Option<u64>,
    /// The inode number of the user namespace that owns it, and in which the capability is needed. `None` if that is
    /// outside of the caller's user namespace, in which no privilege is of help then.
    pub user_namespace: Option<u64>,
}

/// A privilege (`capabilities(7)`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Capability {
    /// `CAP_NET_ADMIN`
    NetAdmin,
    /// `CAP_NET_BROADCAST`
    NetBroadcast,
    /// `CAP_SYS_ADMIN`, which entering a network namespace needs in two user namespaces: the one that owns it, and the
    /// caller's own.
    SysAdmin,
}

impl MissingCapability {
    pub(crate) fn new(operation: &'static str, capability: Capability, namespace: Option<BorrowedFd<'_>>) -> Self {
        let ids = namespace_ids(namespace);
        Self { operation, capability, network_namespace: ids.network, user_namespace: ids.owner }
    }
}

impl fmt::Display for MissingCapability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: needs {} in ", self.operation, self.capability)?;
        match self.user_namespace {
            Some(id) => write!(f, "user:[{id}], the user namespace that owns ")?,
            None => f.write_str("a user namespace outside of this one, which owns ")?,
        }
        match self.network_namespace {
            Some(id) => write!(f, "net:[{id}]")?,
            None => f.write_str("the network namespace")?,
        }
        if self.capability == Capability::SysAdmin {
            f.write_str(", and in the user namespace of the caller")?;
        }
        Ok(())
    }
}

impl From<MissingCapability> for Error {
    fn from(missing: MissingCapability) -> Self {
        Self::MissingCapability(Box::new(missing))
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NetAdmin => "CAP_NET_ADMIN",
            Self::NetBroadcast => "CAP_NET_BROADCAST",
            Self::SysAdmin => "CAP_SYS_ADMIN",
        })
    }
}

/// An error number of the kernel. Prints its name and its meaning.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Errno(pub i32);

macro_rules! errnos {
    ($($name:ident = $value:ident, $doc:literal;)*) => {
        impl Errno {
            $(
                #[doc = concat!("`", stringify!($value), "`: ", $doc)]
                pub const $name: Self = Self(crate::sys::errno::$value);
            )*

            /// The C name, for those that connection tracking answers with.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                conntrack_spec::errno::name(self.0)
            }
        }

        #[cfg(test)]
        #[test]
        fn errnos_have_their_names() {
            $(assert_eq!(Errno::$name.name(), Some(stringify!($value)));)*
        }
    };
}

errnos! {
    PERM = EPERM, "a privilege is missing, or the flow's timeout is fixed";
    NOENT = ENOENT, "there is no such flow, master, expectation or policy";
    INTR = EINTR, "interrupted";
    AGAIN = EAGAIN, "nothing there now";
    NOMEM = ENOMEM, "the table is full, or translation is not possible";
    BUSY = EBUSY, "in use, or a change that the kernel does not make";
    EXIST = EEXIST, "it exists already, or its reply tuple does";
    INVAL = EINVAL, "something required is missing or makes no sense";
    MFILE = EMFILE, "as many expectations as the system allows";
    MSGSIZE = EMSGSIZE, "the request is longer than the send buffer";
    NOSPC = ENOSPC, "the flow has no room for labels, or its hash chain is full";
    RANGE = ERANGE, "an attribute is too short, or its value out of range";
    TIME = ETIME, "the flow is dying";
    NOBUFS = ENOBUFS, "the receive buffer overran";
    OPNOTSUPP = EOPNOTSUPP, "the kernel cannot do this here, or knows no such helper, family or protocol";
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let meaning = io::Error::from_raw_os_error(self.0).to_string();
        let meaning = meaning.split(" (os error").next().unwrap_or_default();
        match self.name() {
            Some(name) => write!(f, "{name} ({meaning})"),
            None => write!(f, "errno {} ({meaning})", self.0),
        }
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
