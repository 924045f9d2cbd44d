//! A test, run again by its own program in a user namespace.
//!
//! The standard test harness runs every test on a thread, and the kernel does not let a process with several threads
//! into a user namespace. So the program is started again, in a user namespace from its first instruction, with
//! arguments that have it run this one test; there, [`run`](super::run) finds that it may create network namespaces,
//! runs its body, and reports what came of it.

use std::any::Any;
use std::backtrace::Backtrace;
use std::cell::Cell;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::process::{CommandExt, parent_id};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::{self, Command};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::Error;
use super::error::Step;
use crate::error::Report;
use crate::sys::namespace::{self, Denied};

/// Ends a report.
const END: char = '\0';

/// Whether a call of `run` is under way that will report. Another one is inside its body then, and none of the test's.
static REPORTING: AtomicBool = AtomicBool::new(false);

thread_local! {
    /// How many calls of `run` the test has made so far. Their reports come in the same order.
    static CALLS: Cell<usize> = const { Cell::new(0) };
}

/// What came of one call of `run`.
enum Outcome {
    Done,
    /// With the text of the error.
    Failed(String),
    /// With the text of the panic.
    Panicked(String),
}

impl Outcome {
    fn to_report(&self) -> String {
        match self {
            Self::Done => format!("d{END}"),
            Self::Failed(text) => format!("f{}{END}", text.replace(END, "")),
            Self::Panicked(text) => format!("p{}{END}", text.replace(END, "")),
        }
    }

    fn from_report(report: &str) -> Option<Self> {
        match report.split_at_checked(1)? {
            ("d", _) => Some(Self::Done),
            ("f", text) => Some(Self::Failed(text.to_owned())),
            ("p", text) => Some(Self::Panicked(text.to_owned())),
            _ => None,
        }
    }
}

/// The name of the test that the calling thread runs for the standard test harness.
///
/// The harness names the thread after the test, but every thread may have a name, and a program that is no test must not
/// be started again with the arguments of one. So the harness has to be there in the thread's stack, which takes a
/// program that has its symbols.
pub(super) fn current_test() -> Option<String> {
    let name = thread::current().name()?.to_owned();
    Backtrace::force_capture().to_string().contains("test::run_test").then_some(name)
}

/// The name of the file in memory for the reports of the tests that process `parent` runs again.
///
/// A program that such a test starts inherits the file too, but is not a child of `parent`.
fn reports_name(parent: u32) -> String {
    format!("conntrack-sandbox-reports-to-{parent}")
}

/// Opens the file for this process's reports; `None` unless it runs a test again.
fn inherited_reports() -> Result<Option<File>, Error> {
    namespace::inherited_file(&reports_name(parent_id())).map_err(Step::RunAgain.failed())
}

/// Runs this program's test `name` again, in a user namespace, and does as its call of `run` did.
pub(super) fn run_again(name: &str) -> Result<(), Error> {
    if inherited_reports()?.is_some() {
        // It has been, and still may not create network namespaces.
        return Err(Error::denied(Denied::Network(io::ErrorKind::PermissionDenied.into())));
    }
    let step = Step::RunAgain;
    let call = CALLS.replace(CALLS.get().saturating_add(1));
    let mut reports = namespace::anonymous_file(&reports_name(process::id())).map_err(step.failed())?;
    let inherited = reports.try_clone().map_err(step.failed())?;

    let mut command = Command::new(namespace::THIS_PROGRAM);
    command.arg0(std::env::args_os().next().unwrap_or_default());
    command.args([name, "--exact", "--include-ignored", "--nocapture"]);
    namespace::run_in_user_namespace(&mut command, inherited.into());
    let output = command.output().map_err(|error| Error::denied(Denied::User(error)))?;
    // The harness captures what these macros print, and shows it if the test fails.
    print!("{}", String::from_utf8_lossy(&output.stdout));
    eprint!("{}", String::from_utf8_lossy(&output.stderr));

    let mut text = String::new();
    reports.read_to_string(&mut text).map_err(step.failed())?;
    match text.split_terminator(END).nth(call).and_then(Outcome::from_report) {
        Some(Outcome::Done) => Ok(()),
        Some(Outcome::Failed(text)) => Err(Error::Again(text)),
        Some(Outcome::Panicked(text)) => resume_unwind(Box::new(text)),
        None => Err(Error::EndedEarly),
    }
}

/// Does `work`, and reports what came of it if this is the process that runs a test again.
pub(super) fn reported(work: impl FnOnce() -> Result<(), Error>) -> Result<(), Error> {
    let Some(mut reports) = inherited_reports()? else { return work() };
    if REPORTING.swap(true, Ordering::Relaxed) {
        return work();
    }
    let result = catch_unwind(AssertUnwindSafe(work));
    REPORTING.store(false, Ordering::Relaxed);
    let outcome = match &result {
        Ok(Ok(())) => Outcome::Done,
        Ok(Err(error)) => Outcome::Failed(Report(error).to_string()),
        Err(panic) => Outcome::Panicked(panic_text(panic.as_ref())),
    };
    reports.write_all(outcome.to_report().as_bytes()).map_err(Step::RunAgain.failed())?;
    result.unwrap_or_else(|panic| resume_unwind(panic))
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => (*text).to_owned(),
        (_, Some(text)) => text.clone(),
        _ => String::new(),
    }
}
