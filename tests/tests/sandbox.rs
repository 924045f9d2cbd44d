//! The sandbox in the standard test harness, as its users have it: threads, and as an ordinary user too.

use std::env;
use std::fs::Permissions;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use conntrack::sandbox;
use conntrack::{Conntrack, Family};

/// The environment variable that allows or denies to skip.
const SKIP: &str = "CONNTRACK_TESTS_SKIP";
/// The ordinary user as whom root runs this program again.
const NOBODY: u32 = 65534;

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[test]
fn tracks_traffic() {
    sandbox::run(|sandbox| {
        let connection = sandbox.tcp_connection(Family::IPV6)?;
        let ct = Conntrack::open()?;
        let flow = ct.get(&connection.tuple.into())?.ok_or("the connection is not tracked")?;
        assert_eq!(flow.orig, connection.tuple);
        assert_eq!(ct.dump()?.count(), 1);
        Ok(())
    })
    .unwrap();
}

#[test]
fn is_private() {
    sandbox::run(|sandbox| {
        let _ping = sandbox.ping(Family::IPV4)?;
        let other = sandbox::Namespace::new()?;
        assert_eq!(other.run(|_| Ok(Conntrack::open()?.dump()?.count()))?, 0);
        assert_eq!(Conntrack::open()?.dump()?.count(), 1);
        Ok(())
    })
    .unwrap();
}

#[test]
fn hands_errors_and_panics_on() {
    let mut ran = false;
    let result = sandbox::run(|_| {
        ran = true;
        Err("as expected".into())
    });
    match result {
        Err(error) => assert_eq!(error.to_string(), "as expected"),
        // An ordinary user's test is run in another process, or skipped, with a message, if that is allowed.
        Ok(()) => assert!(!ran && env::var_os(SKIP).is_some_and(|value| value == "allow"), "the failure was lost"),
    }
}

/// Runs this program again as `user` with an environment variable, all of it but these two tests.
fn run_again(program: &Path, user: Option<u32>, (name, value): (&str, &str)) {
    let mut command = Command::new(program);
    command.args(["--skip", "is_the_same", "--skip", "takes_no_file"]).env(name, value);
    if let Some(user) = user {
        command.uid(user).gid(user);
    }
    let output = command.output().unwrap();
    let [stdout, stderr] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    assert!(output.status.success(), "{stdout}\n{stderr}");
    // The harness would hide what `eprintln!` writes.
    let skipped = stderr.lines().filter(|line| line.starts_with("SKIPPED")).collect::<Vec<_>>().join("\n");
    io::stderr().write_all(skipped.as_bytes()).unwrap();
}

/// A copy of this program in a directory that every user can read, removed when dropped.
struct Copy(PathBuf);

impl Copy {
    fn new(name: &str) -> Self {
        let directory = env::temp_dir().join(format!("conntrack-sandbox-{name}-{}", std::process::id()));
        std::fs::create_dir(&directory).unwrap();
        std::fs::set_permissions(&directory, Permissions::from_mode(0o755)).unwrap();
        // Not by this process: what it writes may still be open for writing in what another test starts.
        let copied = Command::new("cp").arg(env::current_exe().unwrap()).arg(directory.join("program")).status();
        let copy = Self(directory);
        assert!(copied.unwrap().success());
        copy
    }

    fn program(&self) -> PathBuf {
        self.0.join("program")
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn is_the_same_for_an_ordinary_user() {
    if is_root() {
        run_again(&Copy::new("user").program(), Some(NOBODY), ("UNRELATED", ""));
    }
}

#[test]
fn takes_no_file_that_the_environment_names() {
    let copy = Copy::new("environment");
    let victim = copy.0.join("victim");
    std::fs::write(&victim, "as it was").unwrap();
    std::fs::set_permissions(&victim, Permissions::from_mode(0o666)).unwrap();
    let absolute = victim.to_str().unwrap();
    for value in [absolute.to_owned(), format!("../../..{absolute}"), "1".to_owned(), String::new()] {
        for user in [None, is_root().then_some(NOBODY)].into_iter().skip(usize::from(!is_root())) {
            run_again(&copy.program(), user, ("CONNTRACK_SANDBOX_REPORT", &value));
            assert_eq!(std::fs::read_to_string(&victim).unwrap(), "as it was", "{value} {user:?}");
        }
    }
}

/// A program that the body of a test starts does not report in the test's place.
#[test]
fn is_not_mistaken_for_a_program_that_it_starts() {
    const INNER: &str = "CONNTRACK_TESTS_INNER";
    let result = sandbox::run(|_| {
        if env::var_os(INNER).is_some() {
            return Err("of the inner program".into());
        }
        let mut command = Command::new(env::current_exe()?);
        command.args(["is_not_mistaken_for_a_program_that_it_starts", "--exact"]).env(INNER, "");
        assert!(!command.output()?.status.success());
        Ok(())
    });
    result.unwrap();
}
