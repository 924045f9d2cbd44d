//! Many requests in few sends.

use std::borrow::Borrow;
use std::collections::VecDeque;
use std::io;
use std::iter::{Fuse, FusedIterator};
use std::mem;

use conntrack_spec::{FlowKey, FlowUpdate, NewFlow};

use crate::bulk::{BulkError, BulkReport};
use crate::connection::Conntrack;
use crate::error::{Errno, Error};
use crate::netlink::{Request, Requests};
use crate::request;

/// Bytes of receive buffer to count on for each answer: the kernel charges 832 for the shortest, more for one with text.
const ANSWER: usize = 1280;
/// More entries in one send gain nothing: the kernel's work for each outweighs the system call from 16 on.
const MOST: usize = 256;

/// One entry of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Command {
    /// Creates a flow that does not exist, as [`Conntrack::create`] does.
    Create(NewFlow),
    /// Creates a flow or changes the existing one, as [`Conntrack::upsert`] does.
    Upsert(NewFlow),
    /// Changes the flow at a tuple, as [`Conntrack::update`] does for a key without an id. A key with an id is
    /// [`UsageError::UpdateById`](crate::UsageError::UpdateById): the kernel does not compare it.
    Update(FlowUpdate),
    /// Deletes a flow, as [`Conntrack::delete`] does. If there is none, the result is [`Outcome::NotFound`].
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

/// The result of a [`Command`] that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The kernel executed the command.
    Done,
    /// There was no flow to [delete](Command::Delete), or it has another id than the key.
    NotFound,
}

/// Executes commands as it is iterated, and yields the result of each, in order.
///
/// It takes some hundred commands at a time and sends them in one datagram. The kernel executes them one after another,
/// each independently: this is no transaction. Memory use does not depend on the number of commands. Commands that were
/// not reached when the iterator is dropped are not executed.
///
/// A command that is invalid, or longer than the [send buffer](Conntrack::send_buffer) (`EMSGSIZE`), is an error in its
/// place and is not sent. If the connection itself fails, for example by [`Error::Overrun`], the results that are known
/// come first; that error takes the place of the first result that is not known, and is the last item.
///
/// If the iterator of the commands panics, the commands taken before are kept: the next call goes on with them.
#[derive(Debug)]
#[must_use = "commands are executed as the iterator is advanced"]
pub struct Batch<'a, I: Iterator> {
    ct: &'a Conntrack,
    commands: Fuse<I>,
    /// The next command: it was encoded once already and did not fit.
    carried: Option<I::Item>,
    /// The commands that are to be sent next, in order. Together with `requests` it is right at any time, so that a panic
    /// of `commands` leaves nothing half done.
    entries: Vec<Entry>,
    requests: Requests,
    results: VecDeque<Result<Outcome, Error>>,
    ended: Ended,
}

/// What is known of a command before the kernel has answered.
#[derive(Debug)]
enum Entry {
    /// It is the next one of the requests.
    Request { deletes: bool },
    /// It is invalid.
    Refused(Error),
}

/// Whether the connection has failed.
#[derive(Debug)]
enum Ended {
    No,
    /// Yes, with this error, which is to be yielded after the results.
    By(Error),
    /// Yes, and the error has been yielded.
    Told,
}

impl<'a, I: Iterator<Item: Borrow<Command>>> Batch<'a, I> {
    pub(crate) fn new(ct: &'a Conntrack, commands: I) -> Self {
        Self {
            ct,
            commands: commands.fuse(),
            carried: None,
            entries: Vec::new(),
            requests: Requests::default(),
            results: VecDeque::new(),
            ended: Ended::No,
        }
    }

    /// Executes all remaining commands and counts their results. A command that fails does not end it.
    ///
    /// ```no_run
    /// # use conntrack::{Command, Conntrack, FlowKey};
    /// # fn delete(ct: &Conntrack, keys: Vec<FlowKey>) -> Result<(), Box<dyn std::error::Error>> {
    /// let report = ct.batch(keys.into_iter().map(Command::Delete)).run()?;
    /// println!("{} deleted, {} did not exist, {} failed", report.done, report.not_found, report.failed);
    /// report.into_result()?; // the first failure
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// A [`BulkError`] if the connection fails, with the results that are known.
    pub fn run(self) -> Result<BulkReport, BulkError> {
        let mut report = BulkReport::default();
        match self.drive(|result| report.note(result)) {
            Ok(()) => Ok(report),
            Err(error) => Err(BulkError { report, error }),
        }
    }

    /// Executes all remaining commands and hands on their results.
    ///
    /// # Errors
    /// The connection fails.
    pub(crate) fn drive(mut self, mut on_result: impl FnMut(Result<Outcome, Error>)) -> Result<(), Error> {
        loop {
            self.results.drain(..).for_each(&mut on_result);
            if let Some(error) = self.ended.take() {
                return Err(error);
            }
            if !self.advance() {
                return Ok(());
            }
        }
    }

    /// Encodes as many commands as one send takes. The connection is not locked meanwhile: taking a command may well
    /// need it.
    fn fill(&mut self, limits: &Limits) {
        while self.entries.len() < limits.entries {
            let next = if self.carried.is_some() { self.carried.take() } else { self.commands.next() };
            let Some(command) = next else { break };
            let command_ref = command.borrow();
            let pushed = command_ref
                .request()
                .and_then(|request| self.requests.push(&request).map(|()| request.subject.operation));
            let entry = match pushed {
                Err(error) => Entry::Refused(error),
                Ok(operation) if self.requests.bytes() > limits.bytes => {
                    self.requests.pop();
                    if self.requests.len() > 0 {
                        self.carried = Some(command);
                        break;
                    }
                    // Not even alone.
                    Entry::Refused(Error::io(operation)(io::Error::from_raw_os_error(Errno::MSGSIZE.0)))
                }
                Ok(_) => Entry::Request { deletes: matches!(command_ref, Command::Delete(_)) },
            };
            self.entries.push(entry);
        }
    }

    /// Sends the next commands and notes their results. False if there are none, or if the connection has failed before.
    fn advance(&mut self) -> bool {
        if !matches!(self.ended, Ended::No) {
            return false;
        }
        let limits = match Limits::of(self.ct) {
            Ok(limits) => limits,
            Err(error) => {
                self.ended = Ended::By(error);
                return true;
            }
        };
        self.fill(&limits);
        let (mut refused, outcome) = self.ct.requests().exchange_batch(&mut self.requests, |_, _| {});
        let mut answers = self.requests.iter().zip(&mut refused);
        let is_some = !self.entries.is_empty();
        for entry in self.entries.drain(..) {
            self.results.push_back(match entry {
                Entry::Refused(error) => Err(error),
                Entry::Request { deletes } => match answers.next() {
                    Some((_, None)) => Ok(Outcome::Done),
                    Some((_, Some(refused))) if deletes && Errno(refused.errno) == Errno::NOENT => {
                        Ok(Outcome::NotFound)
                    }
                    Some((sent, Some(refused))) => Err(sent.refusal(mem::take(refused))),
                    // Not known, nor is any behind it.
                    None => break,
                },
            });
        }
        drop(answers);
        self.requests.clear();
        if let Err(error) = outcome {
            self.ended = Ended::By(error);
        }
        is_some
    }
}

impl Ended {
    /// The error, if it has not been yielded yet.
    fn take(&mut self) -> Option<Error> {
        match mem::replace(self, Self::Told) {
            Self::By(error) => Some(error),
            before => {
                *self = before;
                None
            }
        }
    }
}

impl<I: Iterator<Item: Borrow<Command>>> Iterator for Batch<'_, I> {
    type Item = Result<Outcome, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(result) = self.results.pop_front() {
                return Some(result);
            }
            if let Some(error) = self.ended.take() {
                return Some(Err(error));
            }
            if !self.advance() {
                return None;
            }
        }
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
    fn of(ct: &Conntrack) -> Result<Self, Error> {
        let entries = ct.room_for_answers(ANSWER, MOST)?;
        Ok(Self { entries, bytes: ct.longest_send()? })
    }
}
