//! Sockets for dumps. The kernel runs one dump at a time on a socket, so each dump gets one of its own.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::error::Error;
use crate::namespace::Home;
use crate::netlink::Channel;

/// Sockets that are kept for the next dump; more are closed.
const KEPT: usize = 4;

/// What every socket of a connection is set to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Options {
    pub(crate) receive_buffer: Option<usize>,
    pub(crate) send_buffer: Option<usize>,
    pub(crate) timeout: Option<Duration>,
}

impl Options {
    pub(crate) fn apply(&self, channel: &mut Channel) -> Result<(), Error> {
        if let Some(bytes) = self.receive_buffer {
            channel.socket().set_receive_buffer(bytes).map_err(Error::io("setting the receive buffer"))?;
        }
        if let Some(bytes) = self.send_buffer {
            channel.socket().set_send_buffer(bytes).map_err(Error::io("setting the send buffer"))?;
        }
        channel.set_timeout(self.timeout)
    }
}

/// The idle sockets of a connection.
#[derive(Debug)]
pub(crate) struct Pool {
    options: Options,
    home: Home,
    idle: Mutex<Vec<Channel>>,
}

impl Pool {
    pub(crate) fn new(options: Options, home: Home, first: Channel) -> Self {
        Self { options, home, idle: Mutex::new(vec![first]) }
    }

    /// A socket in the connection's namespace, whichever namespace the calling thread is in.
    pub(crate) fn take(&self) -> Result<Channel, Error> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        if let Some(channel) = idle {
            return Ok(channel);
        }
        let mut channel = Channel::over(self.home.open_socket()?);
        self.options.apply(&mut channel)?;
        Ok(channel)
    }

    /// Takes back a socket on which nothing is under way.
    pub(crate) fn put(&self, channel: Channel) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < KEPT {
            idle.push(channel);
        }
    }
}
