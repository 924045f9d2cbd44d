//! What the derive says to mistakes: `ui/<topic>/<mistake>.rs` and beside it the message.
//!
//! After a change of a message, `TRYBUILD=overwrite cargo test -p conntrack-tests --test ui` writes it anew; read it
//! before you commit it, as the user will read it.
//!
//! `ui/fits.rs` compiles.

use std::process::{Command, ExitCode};

use libtest_mimic::{Arguments, Trial};

/// The compiler whose words the files hold. Others say the same in other words.
const COMPILER: &str = "rustc 1.95.";

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let compiler = compiler();
    let other = !compiler.starts_with(COMPILER);
    if other {
        eprintln!("SKIPPED: tests/ui holds the messages of {COMPILER}x, and this is {compiler}");
    }
    let trial = Trial::test("mistakes_are_explained", || {
        let cases = trybuild::TestCases::new();
        // With one that compiles, all are built and not only checked: that a struct fits a message is found then.
        cases.pass("ui/fits.rs");
        cases.compile_fail("ui/*/*.rs");
        Ok(())
    });
    libtest_mimic::run(&arguments, vec![trial.with_ignored_flag(other)]).exit_code()
}

fn compiler() -> String {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("--version").output();
    output.map_or_else(|error| error.to_string(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
