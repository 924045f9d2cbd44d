//! Filters on sockets.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use super::socket::Socket;
use crate::filter::bpf::Instruction;

impl Socket {
    /// Has the kernel run a program over each message before it is queued here, in place of the one before, if any
    /// (`SO_ATTACH_FILTER`). `EINVAL` if the program is none; `ENOMEM` if it is longer than `net.core.optmem_max` allows.
    pub(crate) fn attach_filter(&self, program: &[Instruction]) -> io::Result<()> {
        let convert = |&Instruction { code, jt, jf, k }: &Instruction| libc::sock_filter { code, jt, jf, k };
        let mut instructions: Vec<_> = program.iter().map(convert).collect();
        let len = libc::c_ushort::try_from(instructions.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        let program = libc::sock_fprog { len, filter: instructions.as_mut_ptr() };
        let size = libc::socklen_t::try_from(size_of_val(&program)).map_err(io::Error::other)?;
        // SAFETY: the pointer is to a live `sock_fprog` of that size, which points to `len` live instructions; the
        // kernel only reads them, and keeps a copy.
        let result = unsafe {
            libc::setsockopt(
                self.as_fd().as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_ATTACH_FILTER,
                (&raw const program).cast(),
                size,
            )
        };
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}
