//! A socket and one exchange at a time over it.

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use conntrack_spec::header::HEADERS;

use super::requests::Requests;
use super::{Answer, BatchExchange, Exchange, Message, Messages, ProtocolError, Refusal, Request, Subject};
use crate::error::{Errno, Error, KernelError};
use crate::namespace::NetworkNamespace;
use crate::sys::socket::{Received, Socket};

/// Bytes that are read at a time: the kernel fills up to 32 448 of them in a dump, and never more.
const BUFFER: usize = 32 * 1024;
/// Far more datagrams than a queue holds.
const MOST: usize = 1 << 16;

/// A netfilter netlink socket, with the buffers and the sequence numbers for one exchange after another.
#[derive(Debug)]
pub struct Channel {
    socket: Arc<Socket>,
    seq: u32,
    timeout: Option<Duration>,
    outgoing: Vec<u8>,
    incoming: Box<[u8]>,
    /// An exchange has begun and not ended. What it left in the queue has to be read before the next one begins.
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
        let (socket, incoming) = (Arc::new(socket), vec![0; BUFFER].into());
        Self { socket, seq: 0, timeout: None, outgoing: Vec::new(), incoming, under_way: false }
    }

    /// Sets how long to wait for the kernel's answers to a request, from when it was sent. `None`, the default, waits for
    /// ever.
    ///
    /// This bounds the waiting while nothing is there to be read. Answers that have arrived are always read, however late
    /// the process gets to it, for example after it was stopped. The kernel executes a request before the send returns:
    /// that time does not count.
    ///
    /// # Errors
    /// `EINVAL` for a time of zero.
    pub fn set_timeout(&mut self, timeout: Option<Duration>) -> Result<(), Error> {
        if timeout == Some(Duration::ZERO) {
            return Err(Error::io("setting the reply timeout")(io::Error::from_raw_os_error(Errno::INVAL.0)));
        }
        self.timeout = timeout;
        Ok(())
    }

    pub(crate) fn socket(&self) -> &Arc<Socket> {
        &self.socket
    }

    /// Sends a request and hands each answer to `on_reply`, until the kernel says that it is done.
    ///
    /// If `on_reply` fails, the remaining answers are read and dropped, so that the next exchange starts clean.
    ///
    /// # Errors
    /// * [`Error::Kernel`] if the kernel refuses the request.
    /// * [`Error::Timeout`] or [`Error::Overrun`] if answers are missing. `on_reply` has had those that arrived.
    /// * [`Error::Protocol`] if an answer is malformed.
    /// * [`Error::Interrupted`] if the table changed under a dump.
    /// * The error of `on_reply`.
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

    /// Sends requests in one datagram. Returns the results that are known, in order, `None` for success; and why not all
    /// of them are. Replies with data go to `on_reply`, with the index of their request.
    pub(crate) fn exchange_batch(
        &mut self,
        requests: &mut Requests,
        mut on_reply: impl FnMut(usize, Message<'_>),
    ) -> (Vec<Option<Refusal>>, Result<(), Error>) {
        let first = self.take_numbers(requests.len());
        let mut exchange = BatchExchange::new(first, requests.len(), self.socket.port());
        let result = if exchange.is_done() {
            Ok(())
        } else {
            let sealed = requests.seal(first).map_err(Error::from);
            sealed.and_then(|datagram| self.run_batch(datagram, &mut exchange, &mut on_reply))
        };
        (exchange.finish(), result)
    }

    fn run_batch(
        &mut self,
        datagram: &[u8],
        exchange: &mut BatchExchange,
        on_reply: &mut dyn FnMut(usize, Message<'_>),
    ) -> Result<(), Error> {
        self.clear();
        self.socket.send(datagram).map_err(Error::io("sending a batch"))?;
        self.under_way = true;
        let mut deadline = Deadline::starting_now(self.timeout);
        while !exchange.is_done() {
            let received = if exchange.may_be_all() {
                self.receive_now(&mut deadline)
            } else {
                self.receive_before(&mut deadline).map(Some)
            };
            let taken = received.and_then(|length| {
                let Some(length) = length else {
                    exchange.refuse_all();
                    return Ok(());
                };
                take_batch(exchange, self.incoming(&(0..length)), on_reply)
            });
            if let Err(error @ (Error::Overrun | Error::Protocol(_))) = taken {
                // The other answers are good, and are in the queue already.
                exchange.note_losses();
                self.drain(|datagram| {
                    // The first error is the one to be told.
                    let _ = take_batch(exchange, datagram, on_reply);
                });
                return Err(error);
            }
            taken?;
        }
        self.end();
        Ok(())
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
        if self.under_way {
            self.drain(|_| ());
        }
    }

    /// Reads the queue until it is empty, and hands the kernel's datagrams to `take`. A neighbour that goes on sending
    /// does not keep it here. Errors are skipped: the exchange that failed has reported one.
    fn drain(&mut self, mut take: impl FnMut(&[u8])) {
        for _ in 0..MOST {
            match self.socket.receive_now(&mut self.incoming) {
                Ok(received) if received.is_from_kernel() => take(self.incoming(&(0..received.length))),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return self.end(),
                Ok(_) | Err(_) => {}
            }
        }
    }

    /// The request that was sent last.
    pub(crate) fn sent(&self) -> &[u8] {
        &self.outgoing
    }

    /// Receives the kernel's next datagram and says how long it is. What other processes send is dropped.
    pub(crate) fn receive(&mut self) -> Result<usize, Error> {
        self.receive_before(&mut Deadline::starting_now(self.timeout))
    }

    /// Receives the kernel's next datagram. The deadline counts only while the queue is empty.
    fn receive_before(&mut self, deadline: &mut Deadline) -> Result<usize, Error> {
        loop {
            // The kernel answers before the send returns, so that there is almost never something to wait for.
            if let Some(length) = self.receive_now(deadline)? {
                return Ok(length);
            }
            // The clock is read before the queue is looked at again: an answer that arrived in between is in time.
            let left = deadline.left();
            if !self.socket.wait(left).map_err(failed)? && left == Some(Duration::ZERO) {
                return Err(deadline.passed());
            }
        }
    }

    /// Receives the kernel's next datagram if it is there.
    fn receive_now(&mut self, deadline: &mut Deadline) -> Result<Option<usize>, Error> {
        loop {
            match self.socket.receive_now(&mut self.incoming) {
                Ok(received) if received.is_from_kernel() => return self.whole(received).map(Some),
                // Another process, which may go on for ever.
                Ok(_) => deadline.skip()?,
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
        let mut deadline = Deadline::starting_now(self.timeout);
        loop {
            let length = match self.receive_before(&mut deadline) {
                Ok(length) => length,
                Err(error @ Error::Overrun) => {
                    // What found room before is in the queue already.
                    self.drain(|datagram| take_replies(&mut exchange, datagram, on_reply));
                    return Err(error);
                }
                Err(error) => return Err(error),
            };
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
                    // A dump that was given up may have much to send.
                    Answer::Unrelated => deadline.skip()?,
                }
            }
        }
    }
}

/// Hands the replies in a datagram to `on_reply`, as far as it is well formed.
fn take_replies(exchange: &mut Exchange, datagram: &[u8], on_reply: &mut dyn FnMut(Message<'_>)) {
    for message in Messages::new(datagram).map_while(Result::ok) {
        if let Ok(Answer::Reply(message)) = exchange.take(message) {
            on_reply(message);
        }
    }
}

/// Takes the messages of a datagram into account, and hands the replies to `on_reply`.
fn take_batch(
    exchange: &mut BatchExchange,
    datagram: &[u8],
    on_reply: &mut dyn FnMut(usize, Message<'_>),
) -> Result<(), Error> {
    for message in Messages::new(datagram) {
        let message = message?;
        if let Some(request) = exchange.take(message)? {
            on_reply(request, message);
        }
    }
    Ok(())
}

/// When to give up waiting for an answer. It counts while nothing is there to be read, and limits how much is read that
/// is no answer.
#[derive(Clone, Copy, Debug)]
struct Deadline {
    started: Instant,
    timeout: Option<Duration>,
    /// Messages that were no answers, and were read after the deadline.
    skipped: usize,
}

impl Deadline {
    fn starting_now(timeout: Option<Duration>) -> Self {
        Self { started: Instant::now(), timeout, skipped: 0 }
    }

    /// How long to go on waiting; zero if it has passed, `None` for ever.
    fn left(&self) -> Option<Duration> {
        Some(self.timeout?.saturating_sub(self.started.elapsed()))
    }

    /// Notes that something was read that is no answer. Once the deadline has passed, no more of it is read than fits a
    /// queue: the answer would have come by then.
    fn skip(&mut self) -> Result<(), Error> {
        if self.left() == Some(Duration::ZERO) {
            self.skipped = self.skipped.saturating_add(1);
        }
        if self.skipped > MOST { Err(self.passed()) } else { Ok(()) }
    }

    /// The error that it has passed.
    fn passed(&self) -> Error {
        Error::Timeout(self.timeout.unwrap_or_default())
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
    KernelError { operation: subject.operation, errno, message, attribute, hint }.into()
}

#[cfg(test)]
mod tests {
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

    /// A deadline of an hour that has `left` left.
    fn an_hour_but_for(left: Duration) -> Deadline {
        let started = Instant::now().checked_sub(HOUR.saturating_sub(left)).unwrap();
        Deadline { started, ..Deadline::starting_now(Some(HOUR)) }
    }

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn what_is_waited_for_is_what_is_left() {
        const LEFT: Duration = Duration::from_millis(50);
        let mut deadline = an_hour_but_for(LEFT);
        assert!(deadline.left().is_some_and(|left| left <= LEFT));
        let mut channel = Channel::open().unwrap();
        let waited = channel.receive_before(&mut deadline);
        assert!(matches!(waited, Err(Error::Timeout(HOUR))), "{waited:?}");
        assert_eq!(deadline.left(), Some(Duration::ZERO));
    }

    #[test]
    fn others_are_skipped_for_as_long_as_a_queue_lasts() {
        let mut passed = an_hour_but_for(Duration::ZERO);
        let skipped = (0..=MOST).find_map(|count| passed.skip().err().map(|error| (count, error)));
        assert!(matches!(skipped, Some((MOST, Error::Timeout(HOUR)))), "{skipped:?}");
        for mut deadline in [an_hour_but_for(HOUR), Deadline::starting_now(None)] {
            assert!((0..=MOST).all(|_| deadline.skip().is_ok()), "before the deadline");
        }
    }

    #[test]
    fn numbers_end_where_they_end() {
        let mut channel = Channel::open().unwrap();
        channel.seq = u32::MAX.saturating_sub(3);
        assert_eq!(channel.take_numbers(3), u32::MAX - 2);
        // And begin again behind 0.
        assert_eq!(channel.take_numbers(1), 1);
    }
}
