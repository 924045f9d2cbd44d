//! What operations on many flows report.

use std::cell::RefCell;
use std::fmt;

use conntrack_spec::Flow;

use crate::batch::{Command, Outcome};
use crate::check::UsageError;
use crate::connection::Conntrack;
use crate::error::Error;

/// Counts what became of many commands: the result of [`Batch::run`](crate::Batch::run) and of
/// [`Conntrack::delete_matching`].
///
/// A command that fails does not keep the others from being executed. [`into_result`](Self::into_result) is for callers
/// to whom one failure is a failure of the whole.
#[derive(Debug, Default)]
#[must_use = "some commands may have failed: see `failed`, or call `into_result`"]
#[non_exhaustive]
pub struct BulkReport {
    /// Commands that the kernel executed. For a deletion: flows that were deleted.
    pub done: u64,
    /// Deletions of flows that did not exist. In a deletion by filter these are flows that ended after the dump reported
    /// them, and flows that it reported twice.
    pub not_found: u64,
    /// Commands that were not executed: the kernel or a check refused them. In a deletion by filter this includes flows
    /// that could not be decoded.
    pub failed: u64,
    /// The error of the first command that failed.
    pub first_failure: Option<Error>,
}

impl BulkReport {
    /// Returns how many commands were executed, or the first failure.
    ///
    /// # Errors
    /// [`first_failure`](Self::first_failure), if there is one.
    pub fn into_result(self) -> Result<u64, Error> {
        self.first_failure.map_or(Ok(self.done), Err)
    }

    /// Counts the result of a command.
    pub(crate) fn note(&mut self, result: Result<Outcome, Error>) {
        match result {
            Ok(Outcome::Done) => self.done += 1,
            Ok(Outcome::NotFound) => self.not_found += 1,
            Err(error) => {
                self.failed += 1;
                self.first_failure.get_or_insert(error);
            }
        }
    }
}

/// The error that ended an operation on many flows, and what had been done before.
///
/// Only an error of the whole operation ends it: the filter is invalid, the dump is refused, or the connection fails. `?`
/// converts it into an [`Error`] and drops the report.
#[derive(Debug)]
#[non_exhaustive]
pub struct BulkError {
    /// The results that are known. The last commands sent may have been executed without being counted here.
    pub report: BulkReport,
    /// Why it ended.
    pub error: Error,
}

impl fmt::Display for BulkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { report: BulkReport { done, not_found, failed, .. }, error } = self;
        if done + not_found + failed == 0 {
            return error.fmt(f);
        }
        write!(f, "{error} (after {done} done, {not_found} not found, {failed} failed)")
    }
}

impl std::error::Error for BulkError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        // `Display` includes the error itself.
        self.error.source()
    }
}

impl From<BulkError> for Error {
    fn from(ended: BulkError) -> Self {
        ended.error
    }
}

impl From<Error> for BulkError {
    fn from(error: Error) -> Self {
        Self { report: BulkReport::default(), error }
    }
}

impl From<UsageError> for BulkError {
    fn from(error: UsageError) -> Self {
        Error::from(error).into()
    }
}

/// How [`Conntrack::flush`] deleted the flows.
#[derive(Debug)]
#[must_use = "some deletions may have failed: see `OneByOne`, or call `into_result`"]
pub enum Flushed {
    /// The kernel deleted them in one request; it does not say how many there were.
    AtOnce,
    /// The kernel cannot select exactly these flows, so each was found by a dump and deleted.
    OneByOne(BulkReport),
}

impl Flushed {
    /// Returns how many flows were deleted, `None` if the kernel did not say, or the first failure.
    ///
    /// # Errors
    /// [`BulkReport::first_failure`], if there is one.
    pub fn into_result(self) -> Result<Option<u64>, Error> {
        match self {
            Self::AtOnce => Ok(None),
            Self::OneByOne(report) => report.into_result().map(Some),
        }
    }
}

impl Conntrack {
    /// Executes the command that `command` makes of each flow that `found` yields, if any. A flow that cannot be decoded
    /// and a command that is refused are counted; a flow that has ended meanwhile is not found.
    pub(crate) fn bulk(
        &self,
        mut found: impl Iterator<Item = Result<Flow, Error>>,
        mut command: impl FnMut(&Flow) -> Option<Command>,
    ) -> Result<BulkReport, BulkError> {
        // Flows are found while the batch runs.
        let report = RefCell::new(BulkReport::default());
        let mut ended = None;
        let commands = std::iter::from_fn(|| {
            loop {
                match found.next()? {
                    Ok(flow) => {
                        if let Some(command) = command(&flow) {
                            return Some(command);
                        }
                    }
                    Err(error @ Error::Decode(_)) => report.borrow_mut().note(Err(error)),
                    Err(error) => {
                        ended = Some(error);
                        return None;
                    }
                }
            }
        });
        let run = self.batch(commands).drive(|result| {
            let is_gone = result.as_ref().is_err_and(Error::is_not_found);
            report.borrow_mut().note(if is_gone { Ok(Outcome::NotFound) } else { result });
        });
        let report = report.into_inner();
        match run.err().or(ended) {
            Some(error) => Err(BulkError { report, error }),
            None => Ok(report),
        }
    }
}

#[cfg(test)]
mod tests {
    use conntrack_spec::{FlowId, Tuple, codec};

    use super::*;

    /// Not decoded, because nothing of it is there.
    fn undecodable() -> Result<Flow, Error> {
        Err(codec::decode::<Flow>(&[]).unwrap_err().into())
    }

    /// No key can be made of it, so that its deletion is refused before it is sent.
    fn undeletable() -> Flow {
        let mixed = Tuple::udp(([10, 0, 0, 1], 1).into(), "[::1]:53".parse().unwrap());
        Flow::new(mixed, FlowId([0; 4]))
    }

    /// Deletes what is found; nothing of it reaches the kernel.
    fn delete(found: Vec<Result<Flow, Error>>) -> Result<BulkReport, BulkError> {
        Conntrack::open().unwrap().bulk(found.into_iter(), |flow| Some(Command::Delete(flow.key())))
    }

    #[test]
    fn goes_on_past_flows_that_cannot_be_decoded_or_deleted() {
        let report = delete(vec![undecodable(), Ok(undeletable()), undecodable(), Ok(undeletable())]).unwrap();
        assert_eq!((report.done, report.not_found, report.failed), (0, 0, 4));
        assert!(matches!(report.first_failure, Some(Error::Decode(_))), "{report:?}");
        let report = delete(vec![Ok(undeletable())]).unwrap();
        assert!(matches!(report.into_result(), Err(Error::Usage(UsageError::MixedFamilies(_)))));
    }

    #[test]
    fn ends_with_the_dump_and_tells_what_was_done() {
        let ended =
            delete(vec![undecodable(), Ok(undeletable()), Err(Error::Interrupted), Ok(undeletable())]).unwrap_err();
        assert!(matches!(ended.error, Error::Interrupted), "{ended:?}");
        assert_eq!(ended.report.failed, 2);
        let text = ended.to_string();
        assert_eq!(text, format!("{} (after 0 done, 0 not found, 2 failed)", Error::Interrupted));
        assert_eq!(BulkError::from(Error::Interrupted).to_string(), Error::Interrupted.to_string());
    }
}
