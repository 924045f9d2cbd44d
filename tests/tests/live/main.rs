//! Tests on the running kernel, each in a network namespace of its own, as root or as an ordinary user.
//!
//! Where there can be no namespace, every test is reported as ignored, with the reason. With
//! `CONNTRACK_TESTS_SKIP=deny`, as in CI, that is a failure; excepted are those tests of what the kernel was built
//! without that are [named](MAY_BE_MISSING).

mod answers;
mod batch;
mod bpf;
mod builder;
mod common;
mod differential;
mod dump;
mod events;
mod expect;
mod expect_refused;
mod expect_traffic;
mod filter;
mod flow;
mod helper;
mod hostile;
mod mirror;
mod parallel;
mod paused;
mod policy;
mod privilege;
mod refused;
mod restore;
mod soak;
mod stats;
mod text;
mod threads;
mod tokio;

use std::fmt::Display;
use std::process::ExitCode;

use conntrack::sandbox::{self, Failure, Namespace, Sandbox};
use libtest_mimic::{Arguments, Trial};

type Outcome = Result<(), Failure>;

/// A test.
struct Case {
    name: &'static str,
    body: fn(&Sandbox) -> Outcome,
    /// Why this kernel cannot run it, if it cannot.
    missing: fn(&Sandbox) -> Option<&'static str>,
}

/// The tests of a module: its functions, by name. Behind `unless`, what says why the kernel cannot run one.
macro_rules! cases {
    ($($body:ident $(unless $missing:path)?),* $(,)?) => {
        pub(crate) const CASES: &[$crate::Case] = &[$($crate::Case {
            name: concat!(module_path!(), "::", stringify!($body)),
            body: $body,
            missing: cases!(@missing $($missing)?),
        }),*];
    };
    (@missing) => { |_| None };
    (@missing $missing:path) => { $missing };
}
pub(crate) use cases;

/// Fails with both values unless they are equal.
macro_rules! same {
    ($found:expr, $expected:expr) => {
        same!($found, $expected, "{}", stringify!($found))
    };
    ($found:expr, $expected:expr, $($what:tt)+) => {{
        // A `match`, because temporaries live as long as that.
        match (&$found, &$expected) {
            (found, expected) if found == expected => {}
            (found, expected) => {
                let what = format_args!($($what)+);
                return Err(format!("{what}: found {found:?}, expected {expected:?}").into());
            }
        }
    }};
}
pub(crate) use same;

/// Fails unless it holds.
macro_rules! holds {
    ($condition:expr) => {
        holds!($condition, "{}", stringify!($condition))
    };
    ($condition:expr, $($what:tt)+) => {
        if !$condition {
            return Err(format!("does not hold: {}", format_args!($($what)+)).into());
        }
    };
}
pub(crate) use holds;

fn main() -> ExitCode {
    if let Some(code) = paused::worker() {
        return code;
    }
    let arguments = Arguments::from_args();
    let available = sandbox::enter_user_namespace().and_then(|()| Sandbox::probe());
    let denied = std::env::var_os("CONNTRACK_TESTS_SKIP").is_some_and(|value| value == "deny");
    let modules = [
        answers::CASES,
        batch::CASES,
        bpf::CASES,
        builder::CASES,
        differential::CASES,
        dump::CASES,
        events::CASES,
        expect::CASES,
        expect_refused::CASES,
        expect_traffic::CASES,
        filter::CASES,
        flow::CASES,
        helper::CASES,
        hostile::CASES,
        mirror::CASES,
        parallel::CASES,
        paused::CASES,
        policy::CASES,
        privilege::CASES,
        refused::CASES,
        restore::CASES,
        soak::CASES,
        stats::CASES,
        text::CASES,
        threads::CASES,
        tokio::CASES,
    ];
    let trials = modules.into_iter().flatten().map(|case| trial(case, &available, denied)).collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// The tests that the kernel of CI cannot run.
const MAY_BE_MISSING: &[&str] = &["helper::creates_lists_changes_and_deletes"];

fn trial(case: &'static Case, available: &Result<(), sandbox::Error>, denied: bool) -> Trial {
    let name = case.name.trim_start_matches("live::");
    let missing = match available {
        Err(error) => Some(error.to_string()),
        // What is asked in a namespace of the test's kind is answered for all of them.
        Ok(()) => missing(case).map(str::to_owned),
    };
    if let Some(reason) = &missing {
        if denied && (available.is_err() || !MAY_BE_MISSING.contains(&name)) {
            let reason = format!("skipped, which is not allowed here: {reason}");
            return Trial::test(name, move || Err(reason.into()));
        }
        announce_skip(name, reason);
    }
    let run = move || Namespace::new()?.run(|sandbox| (case.body)(sandbox));
    Trial::test(name, move || run().map_err(|error| format!("{error}").into())).with_ignored_flag(missing.is_some())
}

fn missing(case: &Case) -> Option<&'static str> {
    Namespace::new().and_then(|namespace| namespace.run(|sandbox| Ok((case.missing)(sandbox)))).ok().flatten()
}

#[expect(clippy::print_stderr, reason = "a skipped test says so loudly")]
fn announce_skip(name: &str, reason: impl Display) {
    eprintln!("SKIPPED {name}: {reason}");
}
