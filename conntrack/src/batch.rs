//! Many requests in few sends.

use std::borrow::Borrow;
use std::collections::VecDeque;
use std::iter::{Fuse, FusedIterator};

use conntrack_spec::{FlowKey, FlowUpdate, NewFlow};

use crate::connection::Conntrack;
use crate::error::Error;
use crate::netlink::{Channel, Request, Subject, refusal};
use crate::request;

/// Bytes of receive buffer to count on for each answer: the kernel charges 832 for the shortest, more for one with text.
const ANSWER: usize = 1280;
/// More entries in one send gain nothing: the kernel's work for each outweighs the system call from 16 on.
const MOST: usize = 256;
/// Bytes of the send buffer that the kernel keeps for itself (`netlink_sendmsg`, `net/netlink/af_netlink.c`).
const RESERVED: usize = 32;

/// One entry of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Command {
    /// Create a flow that is not there, as [`Conntrack::create`] does.
    Create(NewFlow),
    /// Create a flow or change the one that is there, as [`Conntrack::upsert`] does.
    Upsert(NewFlow),
    /// Change a flow, as [`Conntrack::update`] does.
    Update(FlowUpdate),
    /// Delete a flow, as [`Conntrack::delete`] does. One that is not there is an error here, for which
    /// [`Error::is_not_found`] holds.
    Delete(FlowKey),
}

impl Command {
    fn request(&self) -> Result<Request<'_>, Error> {
        Ok(match self {
            Self::Create(flow) => request::create(flow)?,
            Self::Upsert(flow) => request::upsert(flow)?,
            Self::Update(update) => request::update(update)?,
            Self::Delete(key) => request::delete(key)?,
        })
    }
}

/// Executes commands as it is iterated, and yields the result of each, in order.
///
/// Commands are taken from their iterator some hundred at a time, sent in one datagram and executed by the kernel one
/// after another: not a transaction, each succeeds or fails for itself. Memory use does not depend on how many there
/// are. Commands that were not reached when the iterator is dropped are not executed.
///
/// A command that makes no sense is an error in its place and is not sent. If the connection itself fails, by a timeout
/// for example, that error is the last item, and what the remaining commands of that send came to is not known.
#[derive(Debug)]
#[must_use = "commands are executed as the iterator is advanced"]
pub struct Batch<'a, I: Iterator> {
    ct: &'a Conntrack,
    commands: Fuse<I>,
    /// The next command: it was encoded once already and did not fit.
    carried: Option<I::Item>,
    datagram: Vec<u8>,
    starts: Vec<usize>,
    entries: Vec<Entry>,
    results: VecDeque<Result<(), Error>>,
    failed: bool,
}

/// What is known of a command before the kernel has answered.
#[derive(Debug)]
enum Entry {
    /// What an error message says of it.
    Sent { subject: Subject, start: usize },
    /// It makes no sense.
    Refused(Error),
}

impl<'a, I: Iterator<Item: Borrow<Command>>> Batch<'a, I> {
    pub(crate) fn new(ct: &'a Conntrack, commands: I) -> Self {
        Self {
            ct,
            commands: commands.fuse(),
            carried: None,
            datagram: Vec::new(),
            starts: Vec::new(),
            entries: Vec::new(),
            results: VecDeque::new(),
            failed: false,
        }
    }

    /// Executes all that is left; how many succeeded, or the first error, after which no further send is made.
    ///
    /// # Errors
    /// The first error of a command or of the connection.
    pub fn run(self) -> Result<u64, Error> {
        let mut succeeded = 0;
        for result in self {
            result?;
            succeeded += 1;
        }
        Ok(succeeded)
    }

    /// Encodes as many commands as one send takes. The connection is not locked meanwhile: taking a command may well
    /// need it.
    fn fill(&mut self, limits: &Limits) {
        self.datagram.clear();
        self.starts.clear();
        while self.entries.len() < limits.entries {
            let next = if self.carried.is_some() { self.carried.take() } else { self.commands.next() };
            let Some(command) = next else { break };
            let start = self.datagram.len();
            let encoded = command.borrow().request().and_then(|request| {
                request.without_ack().encode(0, &mut self.datagram)?;
                Ok(Entry::Sent { subject: request.subject, start })
            });
            if start > 0 && self.datagram.len() > limits.bytes {
                self.datagram.truncate(start);
                self.carried = Some(command);
                break;
            }
            if encoded.is_ok() {
                self.starts.push(start);
            }
            self.entries.push(encoded.unwrap_or_else(Entry::Refused));
        }
    }

    /// Sends the next commands and notes their results.
    fn advance(&mut self) -> Result<(), Error> {
        let limits = Limits::of(&self.ct.requests())?;
        self.fill(&limits);
        let mut answers = self.ct.requests().exchange_batch(&mut self.datagram, &self.starts, |_, _| {})?;
        let mut answers = answers.iter_mut();
        for entry in self.entries.drain(..) {
            self.results.push_back(match entry {
                Entry::Refused(error) => Err(error),
                // Taken only if it is there: most are not, and to move nothing takes as long as to move something.
                Entry::Sent { subject, start } => match answers.next().filter(|answer| answer.is_some()) {
                    Some(answer) => answer.take().map_or(Ok(()), |refused| {
                        Err(refusal(subject, self.datagram.get(start..).unwrap_or_default(), refused))
                    }),
                    None => Ok(()),
                },
            });
        }
        Ok(())
    }
}

impl<I: Iterator<Item: Borrow<Command>>> Iterator for Batch<'_, I> {
    type Item = Result<(), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.results.is_empty()
            && !self.failed
            && let Err(error) = self.advance()
        {
            self.failed = true;
            return Some(Err(error));
        }
        self.results.pop_front()
    }
}

impl<I: Iterator<Item: Borrow<Command>>> FusedIterator for Batch<'_, I> {}

/// How much goes into one send.
struct Limits {
    entries: usize,
    bytes: usize,
}

impl Limits {
    /// So many that the answers fit the receive buffer even if every entry is refused.
    fn of(channel: &Channel) -> Result<Self, Error> {
        let entries = channel.room_for_answers(ANSWER, MOST)?;
        Ok(Self { entries, bytes: channel.send_buffer()?.saturating_sub(RESERVED) })
    }
}
