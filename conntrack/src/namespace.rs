//! Where sockets are opened.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use crate::check::UsageError;
use crate::error::{Errno, Error};
use crate::sys::socket::{Protocol, Socket};
use crate::sys::thread::open_file_in;

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

    /// Opens a file in it, such as a setting of the namespace in `/proc/sys/net`.
    pub(crate) fn open_file(&self, path: &str) -> io::Result<File> {
        match &self.0 {
            Some(namespace) => open_file_in(path, namespace.as_fd()),
            None => File::open(path),
        }
    }

    /// Opens a netfilter socket in it.
    pub(crate) fn open_socket(&self) -> Result<Socket, Error> {
        let Some(namespace) = &self.0 else {
            return Socket::open(Protocol::Netfilter).map_err(Error::io("opening a netlink socket"));
        };
        Socket::open_in(Protocol::Netfilter, namespace.as_fd()).map_err(|error| match error.raw_os_error() {
            Some(errno) if Errno(errno) == Errno::INVAL => UsageError::NotANetworkNamespace.into(),
            _ => Error::io("entering the network namespace")(error),
        })
    }
}
