//! A socket and one exchange at a time over it.

use std::io;
use std::ops::Range;
use std::time::{Duration, Instant};

use conntrack_spec::header::HEADERS;

use super::{Answer, BatchExchange, Exchange, Message, Messages, NLM_F_ACK, ProtocolError, Refusal, Request, Subject};
use crate::error::{Errno, Error, KernelError};
use crate::namespace::NetworkNamespace;
use crate::sys::socket::{Received, Socket};

/// Bytes that are read at a time: the kernel fills up to 32 448 of them in a dump, and never more.
const BUFFER: usize = 32 * 1024;

/// A netfilter netlink socket, with the buffers and the sequence numbers for one exchange after another.
#[derive(Debug)]
pub struct Channel {
    socket: Socket,
    seq: u32,
    timeout: Option<Duration>,
    outgoing: Vec<u8>,
    incoming: Box<[u8]>,
    /// An exchange has begun and not ended. Before the next one begins, what this one left in the queue has to go.
    under_way: bool,
}

impl Channel {
    /// Opens a socket in the calling thread's network namespace.
    ///
    /// # Errors
    /// The socket cannot be opened. Privileges are looked at when a request is sent, not here.
    pub fn open() -> Result<Self, Error> {
        NetworkNamespace::default().open_socket().map(Self::over)
    }

    pub(crate) fn over(socket: Socket) -> Self {
        socket.request_extended_acks();
        Self { socket, seq: 0, timeout: None, outgoing: Vec::new(), incoming: vec![0; BUFFER].into(), under_way: false }
    }

    /// How long the answers to a request may take; without a limit, for ever. Initially there is none.
    ///
    /// # Errors
    /// The time is zero.
    pub fn set_timeout(&mut self, timeout: Option<Duration>) -> Result<(), Error> {
        if timeout == Some(Duration::ZERO) {
            return Err(Error::io("setting the reply timeout")(io::Error::from_raw_os_error(Errno::INVAL.0)));
        }
        self.timeout = timeout;
        Ok(())
    }

    pub(crate) fn socket(&self) -> &Socket {
        &self.socket
    }

    /// The size of the receive buffer, as the kernel counts it.
    pub(crate) fn receive_buffer(&self) -> Result<usize, Error> {
        self.socket.receive_buffer().map_err(Error::io("reading the receive buffer's size"))
    }

    /// How many answers have room in the receive buffer if the kernel charges `bytes` for each; at least 1, at most `most`.
    pub(crate) fn room_for_answers(&self, bytes: usize, most: usize) -> Result<usize, Error> {
        Ok(self.receive_buffer()?.checked_div(bytes).unwrap_or(most).clamp(1, most))
    }

    /// The size of the send buffer, as the kernel counts it.
    pub(crate) fn send_buffer(&self) -> Result<usize, Error> {
        self.socket.send_buffer().map_err(Error::io("reading the send buffer's size"))
    }

    /// Sends a request and hands each answer to `on_reply`, until the kernel says that it is done.
    ///
    /// If `on_reply` fails, the remaining answers are read and dropped, so that the next exchange starts clean.
    ///
    /// # Errors
    /// The kernel refuses, the answers take too long or cannot be understood, or `on_reply` fails.
    pub fn request(
        &mut self,
        request: &Request<'_>,
        mut on_reply: impl FnMut(Message<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let exchange = self.send(request)?;
        let mut result = Ok(());
        self.finish(exchange, request, &mut |message| {
            if result.is_ok() {
                result = on_reply(message);
            }
        })?;
        result
    }

    /// Sends a request.
    pub(crate) fn send(&mut self, request: &Request<'_>) -> Result<Exchange, Error> {
        self.clear();
        let seq = self.take_numbers(1);
        self.outgoing.clear();
        request.encode(seq, &mut self.outgoing)?;
        self.socket.send(&self.outgoing).map_err(Error::io(request.subject.operation))?;
        self.under_way = true;
        Ok(Exchange::new(seq, self.socket.port()))
    }

    /// Sends requests that were encoded one behind the other, and says what became of each: `None` has succeeded.
    /// `starts` is where each begins; their numbers and `NLM_F_ACK` are filled in here. What is answered beside that goes
    /// to `on_reply`, with the index of its request.
    pub(crate) fn exchange_batch(
        &mut self,
        datagram: &mut [u8],
        starts: &[usize],
        mut on_reply: impl FnMut(usize, Message<'_>),
    ) -> Result<Vec<Option<Refusal>>, Error> {
        let first = self.take_numbers(starts.len());
        number(datagram, starts, first);
        let mut exchange = BatchExchange::new(first, starts.len(), self.socket.port());
        let Some(last) = starts.last() else { return Ok(exchange.finish()) };
        self.clear();
        set_ack(datagram.get_mut(*last..));
        self.socket.send(datagram).map_err(Error::io("sending a batch"))?;
        self.under_way = true;
        let deadline = Deadline::starting_now(self.timeout);
        while !exchange.is_done() {
            let may_be_all = exchange.may_be_all();
            let received =
                if may_be_all { self.receive_now(&deadline)? } else { Some(self.receive_before(&deadline)?) };
            let Some(length) = received else {
                exchange.refuse_all();
                break;
            };
            for message in Messages::new(self.incoming(&(0..length))) {
                let message = message?;
                if let Some(request) = exchange.take(message)? {
                    on_reply(request, message);
                }
            }
            if !exchange.is_done() {
                deadline.left()?;
            }
        }
        self.end();
        Ok(exchange.finish())
    }

    /// Notes that the exchange has ended: nothing more will come for it.
    pub(crate) fn end(&mut self) {
        self.under_way = false;
    }

    /// The first of `count` consecutive request numbers. 0 is the number of events and of what the kernel sends unasked.
    fn take_numbers(&mut self, count: usize) -> u32 {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        if self.seq.checked_add(count).is_none() {
            self.seq = 0;
        }
        let first = self.seq.saturating_add(1);
        self.seq = self.seq.saturating_add(count);
        first
    }

    /// Reads and drops what an exchange that failed has left: after an overrun, the queue is still full, and the next
    /// answer would find no room either.
    fn clear(&mut self) {
        /// Far more than a queue holds: a neighbour that goes on sending does not keep us here.
        const MOST: usize = 1 << 16;
        let mut read = 0..MOST;
        while self.under_way && read.next().is_some() {
            // Any other error has been told already, by the exchange that failed.
            if self.socket.receive_now(&mut self.incoming).is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
            {
                self.end();
            }
        }
    }

    /// The request that was sent last.
    pub(crate) fn sent(&self) -> &[u8] {
        &self.outgoing
    }

    /// Receives the kernel's next datagram and says how long it is. What other processes send is dropped.
    pub(crate) fn receive(&mut self) -> Result<usize, Error> {
        self.receive_before(&Deadline::starting_now(self.timeout))
    }

    fn receive_before(&mut self, deadline: &Deadline) -> Result<usize, Error> {
        loop {
            // The kernel answers before the send returns: there is hardly ever something to wait for.
            if let Some(length) = self.receive_now(deadline)? {
                return Ok(length);
            }
            self.socket.wait(deadline.left()?).map_err(failed)?;
        }
    }

    /// Receives the kernel's next datagram if it is there.
    fn receive_now(&mut self, deadline: &Deadline) -> Result<Option<usize>, Error> {
        loop {
            match self.socket.receive_now(&mut self.incoming) {
                Ok(received) if received.is_from_kernel() => return self.whole(received).map(Some),
                // Another process, which may go on for ever.
                Ok(_) => {
                    deadline.left()?;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(failed(error)),
            }
        }
    }

    fn whole(&self, received: Received) -> Result<usize, Error> {
        if received.is_truncated() {
            let (whole, buffer) = (received.whole, self.incoming.len());
            return Err(ProtocolError::Truncated { whole, buffer }.into());
        }
        Ok(received.length)
    }

    /// Part of the datagram that was received last.
    #[inline]
    pub(crate) fn incoming(&self, range: &Range<usize>) -> &[u8] {
        self.incoming.get(range.clone()).unwrap_or_default()
    }

    fn finish(
        &mut self,
        mut exchange: Exchange,
        request: &Request<'_>,
        on_reply: &mut dyn FnMut(Message<'_>),
    ) -> Result<(), Error> {
        let deadline = Deadline::starting_now(self.timeout);
        loop {
            let length = self.receive_before(&deadline)?;
            for message in Messages::new(self.incoming(&(0..length))) {
                match exchange.take(message?)? {
                    Answer::Reply(message) => on_reply(message),
                    Answer::Done => {
                        self.end();
                        return if exchange.is_interrupted() { Err(Error::Interrupted) } else { Ok(()) };
                    }
                    Answer::Refused(refused) => {
                        let error = refusal(request.subject, &self.outgoing, refused);
                        // A dump that found no room for its beginning is refused, and runs all the same.
                        if !matches!(error, Error::Overrun) {
                            self.end();
                        }
                        return Err(error);
                    }
                    Answer::Unrelated => {
                        deadline.left()?;
                    }
                }
            }
        }
    }
}

/// Fills in the numbers of messages, `first` and those that follow it.
fn number(datagram: &mut [u8], starts: &[usize], first: u32) {
    // A range without an end would go beyond the last number to tell that there is one.
    for (seq, start) in (first..=u32::MAX).zip(starts) {
        set_seq(datagram.get_mut(*start..), seq);
    }
}

/// Fills in a message's number: `struct nlmsghdr` has it at byte 8.
fn set_seq(message: Option<&mut [u8]>, seq: u32) {
    if let Some(field) = message.and_then(|message| message.get_mut(8..)).and_then(<[u8]>::first_chunk_mut) {
        *field = seq.to_ne_bytes();
    }
}

/// Asks for an answer to a message in any case: `struct nlmsghdr` has its flags at byte 6.
fn set_ack(message: Option<&mut [u8]>) {
    if let Some(flags) = message.and_then(|message| message.get_mut(6..)).and_then(<[u8]>::first_chunk_mut) {
        *flags = (u16::from_ne_bytes(*flags) | NLM_F_ACK).to_ne_bytes();
    }
}

/// When an exchange has taken too long, whatever comes meanwhile that is not its answer.
#[derive(Clone, Copy, Debug)]
struct Deadline {
    started: Instant,
    timeout: Option<Duration>,
}

impl Deadline {
    fn starting_now(timeout: Option<Duration>) -> Self {
        Self { started: Instant::now(), timeout }
    }

    /// How long it may still take; `None` is for ever.
    fn left(&self) -> Result<Option<Duration>, Error> {
        let Some(timeout) = self.timeout else { return Ok(None) };
        match timeout.saturating_sub(self.started.elapsed()) {
            Duration::ZERO => Err(Error::Timeout(timeout)),
            left => Ok(Some(left)),
        }
    }
}

/// The error of a receive.
fn failed(error: io::Error) -> Error {
    if error.raw_os_error() == Some(Errno::NOBUFS.0) {
        return Error::Overrun;
    }
    Error::Io { operation: "receiving from netlink", source: error }
}

/// The error that a refusal is of the request in `sent`.
pub(crate) fn refusal(subject: Subject, sent: &[u8], refused: Refusal) -> Error {
    // The kernel's word for a receive buffer with no room for the answer, as for the beginning of a dump.
    if Errno(refused.errno) == Errno::NOBUFS {
        return Error::Overrun;
    }
    let attribute = refused.details.offset.and_then(|offset| {
        // The kernel's offset counts the headers too.
        let offset = (offset.0 as usize).checked_sub(HEADERS)?;
        Some(subject.schema.path_at(sent.get(HEADERS..)?, offset)?.to_string())
    });
    let (errno, message) = (Errno(refused.errno), refused.details.message);
    let hint = (errno == Errno::PERM).then_some(subject.denied);
    Error::Kernel(Box::new(KernelError { operation: subject.operation, errno, message, attribute, hint }))
}

#[cfg(test)]
mod tests {
    use conntrack_spec::codec;
    use conntrack_spec::header::NlMsgHdr;

    use super::*;
    use crate::sys::signals::among_signals;

    #[test]
    fn signals_do_not_move_the_deadline() {
        const TIMEOUT: Duration = Duration::from_millis(250);
        // Nothing was sent, so that nothing comes.
        let mut channel = Channel::open().unwrap();
        let came = among_signals(|| channel.socket().wait(None));
        assert!(!came.unwrap(), "a signal ended the wait");

        channel.set_timeout(Some(TIMEOUT)).unwrap();
        let started = Instant::now();
        let waited = among_signals(|| channel.receive());
        assert!(matches!(waited, Err(Error::Timeout(TIMEOUT))), "{waited:?}");
        assert!(started.elapsed() >= TIMEOUT, "{:?}", started.elapsed());
    }

    #[test]
    fn what_is_waited_for_is_what_is_left() {
        const TIMEOUT: Duration = Duration::from_secs(3600);
        const LEFT: Duration = Duration::from_millis(50);
        let started = Instant::now().checked_sub(TIMEOUT.saturating_sub(LEFT)).unwrap();
        let deadline = Deadline { started, timeout: Some(TIMEOUT) };
        assert!(deadline.left().map_or(true, |left| left.is_some_and(|left| left <= LEFT)));
        // It would be for an hour.
        let mut channel = Channel::open().unwrap();
        channel.set_timeout(Some(TIMEOUT)).unwrap();
        let waited = channel.receive_before(&deadline);
        assert!(matches!(waited, Err(Error::Timeout(TIMEOUT))), "{waited:?}");
        assert!(matches!(deadline.left(), Err(Error::Timeout(TIMEOUT))));
    }

    #[test]
    fn numbers_end_where_they_end() {
        let mut channel = Channel::open().unwrap();
        channel.seq = u32::MAX.saturating_sub(3);
        let first = channel.take_numbers(3);
        let mut datagram = [0; 3 * NlMsgHdr::SIZE];
        number(&mut datagram, &[0, NlMsgHdr::SIZE, 2 * NlMsgHdr::SIZE], first);
        let headers = datagram.chunks(NlMsgHdr::SIZE).map(|header| codec::decode_layout(header).unwrap());
        let numbers: Vec<_> = headers.map(|header: NlMsgHdr| header.seq).collect();
        assert_eq!(numbers, [u32::MAX - 2, u32::MAX - 1, u32::MAX]);
        // And begin again behind 0.
        assert_eq!(channel.take_numbers(1), 1);
    }
}
