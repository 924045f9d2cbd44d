//! Where sockets are opened.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use crate::check::UsageError;
use crate::error::{Capability, Errno, Error, MissingCapability};
use crate::sys::resident::Resident;
use crate::sys::socket::{Protocol, Socket};

/// The network namespace to open sockets in: the calling thread's, if not said otherwise.
#[derive(Debug, Default)]
pub(crate) struct NetworkNamespace(Option<OwnedFd>);

impl NetworkNamespace {
    /// That of a descriptor, which is duplicated.
    pub(crate) fn of(namespace: impl AsFd) -> Result<Self, Error> {
        let fd = namespace.as_fd().try_clone_to_owned().map_err(Error::io("keeping the network namespace"))?;
        Ok(Self(Some(fd)))
    }

    /// That at a path.
    pub(crate) fn at(path: impl AsRef<Path>) -> Result<Self, Error> {
        let file = File::open(path).map_err(Error::io("opening the network namespace"))?;
        Ok(Self(Some(file.into())))
    }

    /// Its descriptor, if it is not the calling thread's.
    pub(crate) fn fd(&self) -> Option<&OwnedFd> {
        self.0.as_ref()
    }

    /// Opens a netfilter socket in it.
    pub(crate) fn open_socket(&self) -> Result<Socket, Error> {
        match &self.0 {
            None => open_here(),
            Some(namespace) => Socket::open_in(Protocol::Netfilter, namespace.as_fd()).map_err(not_entered(namespace)),
        }
    }

    /// Prepares to open any number of sockets in it, whatever privileges the caller gives up later.
    pub(crate) fn home(&self) -> Result<Home, Error> {
        let Some(namespace) = &self.0 else { return Ok(Home { socket: open_here()?, resident: None }) };
        let resident = namespace.try_clone().and_then(Resident::enter).map_err(not_entered(namespace))?;
        Ok(Home { socket: resident.open().map_err(Error::io(OPENING))?, resident: Some(resident) })
    }
}

/// The network namespace of a connection.
#[derive(Debug)]
pub(crate) struct Home {
    /// Never sent on: it tells which namespace it is.
    socket: Socket,
    /// Opens sockets there, if it was not the namespace of the thread that opened the connection.
    resident: Option<Resident>,
}

impl Home {
    /// Opens a netfilter socket, on the thread that called [`home`](NetworkNamespace::home), just after that.
    pub(crate) fn open_first(&self) -> Result<Socket, Error> {
        match &self.resident {
            None => open_here(),
            Some(resident) => resident.open().map_err(Error::io(OPENING)),
        }
    }

    /// Opens a netfilter socket, on any thread: it may be in another namespace.
    pub(crate) fn open_socket(&self) -> Result<Socket, Error> {
        if let Some(resident) = self.resident.as_ref().filter(|resident| resident.is_here()) {
            return resident.open().map_err(Error::io(OPENING));
        }
        let socket = open_here()?;
        let namespace = self.socket.network_namespace().map_err(Error::io(FINDING))?;
        if socket.is_in(&namespace).map_err(Error::io(FINDING))? {
            return Ok(socket);
        }
        NetworkNamespace(Some(namespace)).open_socket()
    }
}

const OPENING: &str = "opening a netlink socket";
const FINDING: &str = "finding the connection's network namespace, which needs CAP_NET_ADMIN in the user namespace that \
     owns it";

fn open_here() -> Result<Socket, Error> {
    Socket::open(Protocol::Netfilter).map_err(Error::io(OPENING))
}

/// The error that it is if a thread could not enter `namespace`.
fn not_entered(namespace: &OwnedFd) -> impl FnOnce(io::Error) -> Error {
    const ENTERING: &str = "entering the network namespace";
    |error| match error.raw_os_error().map(Errno) {
        Some(Errno::INVAL) => UsageError::NotANetworkNamespace.into(),
        Some(Errno::PERM) => MissingCapability::new(ENTERING, Capability::SysAdmin, Some(namespace.as_fd())).into(),
        _ => Error::io(ENTERING)(error),
    }
}
