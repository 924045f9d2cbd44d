//! Skipping tests and programs that need a sandbox.

use std::env;
use std::io::{self, Write};
use std::process;
use std::thread;

use super::Error;
use crate::error::Report;
use crate::sys::namespace::is_multi_threaded;

/// The environment variable that allows or denies skipping.
const VARIABLE: &str = "CONNTRACK_TESTS_SKIP";

/// Turns an error that may be skipped into a success, with a message.
pub(super) fn test(result: Result<(), Error>) -> Result<(), Error> {
    match result {
        Err(error) if may_skip(&error) => {
            announce(&error);
            Ok(())
        }
        result => result,
    }
}

/// Ends the process successfully, with a message, on an error that may be skipped. A process with other threads goes on:
/// they may run other tests.
pub(super) fn program<T>(result: Result<T, Error>) -> Result<T, Error> {
    result.inspect_err(|error| {
        if may_skip(error) && !is_multi_threaded().unwrap_or(true) {
            announce(error);
            process::exit(0);
        }
    })
}

fn may_skip(error: &Error) -> bool {
    matches!(error, Error::UserNamespace(_)) && env::var_os(VARIABLE).is_some_and(|value| value == "allow")
}

/// Writes the message. Not with `eprintln!`, whose output a test harness hides.
fn announce(error: &Error) {
    let thread = thread::current();
    let name = thread.name().unwrap_or("a thread");
    // Nobody can be told that standard error is closed.
    let _ = writeln!(io::stderr(), "SKIPPED {name}: {}", Report(error));
}
