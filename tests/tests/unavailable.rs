//! The sandbox where an ordinary user cannot have one.
//!
//! Each test starts this program again in a user namespace that makes it an ordinary user, with limits of its own.

use std::path::Path;
use std::process::{Command, ExitCode, Output};

use conntrack::sandbox::{self, Failure, Sandbox};
use libtest_mimic::{Arguments, Failed, Trial};

type Outcome = Result<(), Failure>;
type Case = (&'static str, fn() -> Outcome);

const CASES: &[Case] = &[
    ("an_ordinary_user_can_have_one", an_ordinary_user_can_have_one),
    ("a_failure_leaves_the_process_unchanged", a_failure_leaves_the_process_unchanged),
    ("a_limit_is_named", a_limit_is_named),
    ("roots_limit_is_named", roots_limit_is_named),
    ("is_skipped_only_if_allowed", is_skipped_only_if_allowed),
    ("a_program_with_threads_is_not_ended", a_program_with_threads_is_not_ended),
];

/// Shell commands that take something away, as root of a user namespace.
const NO_USER_NAMESPACES: &str = "echo 0 > /proc/sys/user/max_user_namespaces";
const NO_NETWORK_NAMESPACES: &str = "echo 0 > /proc/sys/user/max_net_namespaces";
/// Nobody can become root in a user namespace: `/proc/self/uid_map` cannot be written.
const NO_ID_MAPS: &str = "mount --bind /proc /proc && mount -o remount,bind,ro /proc";

/// The environment variable by which this program is told to be the ordinary user's program.
const PROGRAM: &str = "CONNTRACK_TESTS_PROGRAM";
const SKIP: &str = "CONNTRACK_TESTS_SKIP";

fn main() -> ExitCode {
    if let Some(program) = std::env::var_os(PROGRAM) {
        return match program.to_str() {
            Some("enter_user_namespace") => enter_user_namespace(),
            Some("enter") => enter(),
            Some("enter_with_threads") => std::thread::spawn(enter).join().unwrap_or(ExitCode::FAILURE),
            Some("run") => finish(sandbox::run(|_| {
                println!("ran");
                Ok(())
            })),
            _ => ExitCode::FAILURE,
        };
    }
    let missing = start("true", "enter_user_namespace", None).err().map(|error| error.to_string());
    let denied = std::env::var_os(SKIP).is_some_and(|value| value == "deny");
    let trial = |(name, body): &Case| {
        let body = *body;
        let ignored = missing.is_some() && !denied;
        if let Some(reason) = missing.as_ref().filter(|_| ignored) {
            eprintln!("SKIPPED {name}: {reason}");
        }
        Trial::test(*name, move || body().map_err(Failed::from)).with_ignored_flag(ignored)
    };
    libtest_mimic::run(&Arguments::from_args(), CASES.iter().map(trial).collect()).exit_code()
}

/// Prints whether it fails, and whether it changes the process.
fn enter_user_namespace() -> ExitCode {
    let state = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let is_identity = |line: &&str| ["Uid:", "Gid:", "Groups:", "Cap"].iter().any(|name| line.starts_with(name));
        let identity = status.lines().filter(is_identity).collect::<Vec<_>>().join("\n");
        (identity, ["user", "net"].map(|kind| std::fs::read_link(Path::new("/proc/self/ns").join(kind)).ok()))
    };
    let before = state();
    let result = sandbox::enter_user_namespace();
    println!("{}", if before == state() { "unchanged" } else { "changed" });
    finish(result)
}

fn enter() -> ExitCode {
    let result = Sandbox::enter();
    println!("went on");
    finish(result)
}

fn finish<T>(result: Result<T, sandbox::Error>) -> ExitCode {
    match result {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}", conntrack::Report(&error));
            ExitCode::FAILURE
        }
    }
}

/// Starts this program as an ordinary user, after `limits`, and with `CONNTRACK_TESTS_SKIP=skip`.
///
/// The user has the number 0, which may not be root in another user namespace without `CAP_SETFCAP` (`verify_root_map`).
fn start(limits: &str, program: &str, skip: Option<&str>) -> Result<Output, Failure> {
    start_as("exec setpriv --bounding-set=-all,+setfcap \"$0\"", limits, program, skip)
}

fn start_as(user: &str, limits: &str, program: &str, skip: Option<&str>) -> Result<Output, Failure> {
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c"]);
    command.arg(format!("{limits} && echo started >&2 && {user}")).arg(std::env::current_exe()?);
    command.env(PROGRAM, program).env_remove(SKIP);
    command.envs(skip.map(|value| (SKIP, value)));
    let output = command.output()?;
    // Otherwise the test says nothing about the library.
    if String::from_utf8_lossy(&output.stderr).contains("started\n") {
        Ok(output)
    } else {
        Err(format!("unshare(1) does not give this user a user namespace: {output:?}").into())
    }
}

fn holds(condition: bool, what: &impl std::fmt::Debug) -> Outcome {
    if condition { Ok(()) } else { Err(format!("does not hold of {what:?}").into()) }
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap_or_default()
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap_or_default()
}

fn an_ordinary_user_can_have_one() -> Outcome {
    let output = start("true", "enter_user_namespace", None)?;
    holds(output.status.success() && stdout(&output) == "changed\n", &output)?;
    let output = start("true", "run", None)?;
    holds(output.status.success() && stdout(&output) == "ran\n", &output)
}

fn a_failure_leaves_the_process_unchanged() -> Outcome {
    for limits in [NO_USER_NAMESPACES, NO_NETWORK_NAMESPACES, NO_ID_MAPS] {
        let output = start(limits, "enter_user_namespace", None)?;
        holds(!output.status.success() && stdout(&output) == "unchanged\n", &(limits, output))?;
    }
    Ok(())
}

fn a_limit_is_named() -> Outcome {
    for (limits, name) in
        [(NO_USER_NAMESPACES, "user.max_user_namespaces is 0"), (NO_NETWORK_NAMESPACES, "user.max_net_namespaces is 0")]
    {
        for program in ["enter_user_namespace", "run", "enter"] {
            let output = start(limits, program, None)?;
            holds(!output.status.success() && stderr(&output).contains(name), &output)?;
        }
    }
    Ok(())
}

/// Root creates network namespaces without a user namespace.
fn roots_limit_is_named() -> Outcome {
    let output = start_as("exec \"$0\"", NO_NETWORK_NAMESPACES, "run", None)?;
    holds(!output.status.success() && stderr(&output).contains("user.max_net_namespaces is 0"), &output)
}

fn is_skipped_only_if_allowed() -> Outcome {
    for program in ["run", "enter"] {
        let output = start(NO_USER_NAMESPACES, program, Some("allow"))?;
        // Neither the body nor what follows is executed.
        holds(output.status.success() && output.stdout.is_empty(), &output)?;
        holds(stderr(&output).contains("SKIPPED main: ") && stderr(&output).contains("is 0"), &output)?;
        for skip in [None, Some("deny")] {
            let output = start(NO_USER_NAMESPACES, program, skip)?;
            holds(!output.status.success() && !stderr(&output).contains("SKIPPED"), &output)?;
        }
        // Nothing is skipped where it can be had.
        let output = start("true", program, Some("allow"))?;
        holds(output.status.success() && !output.stdout.is_empty(), &output)?;
    }
    Ok(())
}

fn a_program_with_threads_is_not_ended() -> Outcome {
    let output = start(NO_USER_NAMESPACES, "enter_with_threads", Some("allow"))?;
    holds(!output.status.success() && stdout(&output) == "went on\n", &output)
}
