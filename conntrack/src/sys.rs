//! Everything that talks to the operating system. Only here is `unsafe` allowed, and only here are `rustix` and `libc`
//! named: the rest of the crate works on bytes.

#![allow(unsafe_code, reason = "socket options and ancillary data that rustix lacks; each block says why it is sound")]

pub(crate) mod datagrams;
pub(crate) mod filter;
pub(crate) mod listener;
#[cfg(feature = "sandbox")]
pub(crate) mod namespace;
pub(crate) mod resident;
#[cfg(test)]
pub(crate) mod signals;
pub(crate) mod socket;
pub(crate) mod thread;

/// The running kernel's release, such as `6.18.44-amd64`.
pub(crate) fn kernel_release() -> String {
    rustix::system::uname().release().to_string_lossy().into_owned()
}

/// Error numbers of this architecture.
pub(crate) mod errno {
    pub(crate) use libc::{
        EAGAIN, EBUSY, EEXIST, EINTR, EINVAL, EMFILE, EMSGSIZE, ENOBUFS, ENOENT, ENOMEM, ENOSPC, EOPNOTSUPP, EPERM,
        ERANGE, ETIME,
    };
}
