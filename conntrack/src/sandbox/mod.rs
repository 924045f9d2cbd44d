//! A private network namespace in which connection tracking works, for examples, tests and trying things out: as root or
//! as an ordinary user, with no tool installed. Needs the feature `sandbox`.
//!
//! ```
//! use conntrack::Family;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! conntrack::sandbox::run(|sandbox| {
//!     let connection = sandbox.tcp_connection(Family::IPV4)?;
//!     println!("the kernel tracks {:?}", connection.tuple);
//!     Ok(())
//! })?;
//! # Ok(())
//! # }
//! ```
//!
//! # What is in it
//!
//! Loopback is up, with `127.0.0.1` and `::1`. One nf\_tables rule, which no packet gets to, switches on tracking and
//! labels. `nf_conntrack_events`, `nf_conntrack_acct` and `nf_conntrack_timestamp` are 1, so that every flow has
//! events, counters and timestamps; ICMP sockets are allowed. [`Sandbox`] makes real traffic, and changes the ruleset.
//! Nothing of it is left when the last thread and the last descriptor are gone.
//!
//! The sizes of the kernel's tables (`nf_conntrack_max`, `nf_conntrack_buckets`) are the system's and cannot be set here.
//!
//! # Where it works
//!
//! With `CAP_SYS_ADMIN` and `CAP_NET_ADMIN`, everywhere. An ordinary user needs a user namespace, and a process can enter
//! one only while it has a single thread:
//!
//! * In a program, call [`run`], [`Sandbox::enter`] or [`enter_user_namespace`] before it starts threads: before
//!   `#[tokio::main]` does, for example.
//! * In a `#[test]`, call [`run`] on the test's own thread: it runs the test again in a process of its own, from its
//!   beginning. (It knows a test by the names in its stack; where they are stripped, this is [`Error::MultiThreaded`].)
//! * In a test harness of your own, call [`enter_user_namespace`] first thing in `main`; then every thread can
//!   [`enter`](Sandbox::enter) a sandbox, and [`Sandbox::probe`] says why if it cannot.
//!
//! Some systems forbid user namespaces to ordinary users (`kernel.apparmor_restrict_unprivileged_userns`,
//! `user.max_user_namespaces`, `user.max_net_namespaces`, the filters of container engines): this is
//! [`Error::UserNamespace`], which says why.
//!
//! # Skipping tests
//!
//! Where a sandbox is forbidden, tests fail. To skip them instead, set the environment variable `CONNTRACK_TESTS_SKIP` to
//! `allow`, for example in `.cargo/config.toml`:
//!
//! ```toml
//! [env]
//! CONNTRACK_TESTS_SKIP = "allow"
//! ```
//!
//! On [`Error::UserNamespace`], and on no other error, [`run`] then writes `SKIPPED` and the reason to standard error and
//! returns `Ok` without running its body. [`Sandbox::enter`] writes the same and ends the process with exit code 0, if the
//! process has a single thread: so an example in documentation, whose output rustdoc hides, succeeds. In CI, set the
//! variable to `deny`, so that nothing is skipped.

pub mod nftables;

mod again;
mod datagram;
mod error;
mod limit;
mod link;
mod namespace;
mod nsid;
mod ruleset;
mod skip;
mod sysctl;
mod traffic;

pub use error::{Error, Failure, Step};
pub use namespace::{Namespace, Sandbox};
pub use traffic::{Ping, TcpConnection, UdpExchange};

use crate::sys::namespace as sys;

/// Runs `body` in a new sandbox, on a thread of its own, and waits for it. Its panic is this function's.
///
/// The calling thread's network namespace does not change. As an ordinary user, this moves the process into a user
/// namespace first, as [`enter_user_namespace`] does.
///
/// An ordinary user's `#[test]` cannot do so, since the standard test harness has threads: there, this runs the test
/// again from its beginning, in another process, lets that one run `body`, and prints what it prints. What comes
/// before this call therefore happens twice, and what `body` changes outside of itself is not seen behind this call.
///
/// With `CONNTRACK_TESTS_SKIP=allow` in the environment, this returns `Ok` instead of [`Error::UserNamespace`], with a
/// [message](self#skipping-tests).
///
/// # Errors
/// [`Error::Body`] is what `body` returns, or [`Error::Again`], if another process ran it; [`Error::UserNamespace`] and
/// [`Error::MultiThreaded`], if an ordinary user cannot have a sandbox; [`Error::Step`], if the system refuses one.
pub fn run(body: impl FnOnce(&Sandbox) -> Result<(), Failure> + Send) -> Result<(), Error> {
    skip::test(match enter_user_namespace() {
        Ok(()) => again::reported(|| Namespace::new()?.run(body)),
        Err(Error::MultiThreaded) => match again::current_test() {
            Some(test) => again::run_again(&test),
            None => Err(Error::MultiThreaded),
        },
        Err(error) => Err(error),
    })
}

/// Moves the process into a user namespace of its own, in which it is root, so that each of its threads can enter a
/// sandbox. Does nothing if they can already: as root, or after the first call.
///
/// This cannot be undone. To the rest of the system the process stays what it was; itself, it sees the files and
/// processes of all other users as `nobody`'s.
///
/// # Errors
/// [`Error::MultiThreaded`], if the process has started threads; [`Error::UserNamespace`], if the system forbids a user
/// namespace or a network namespace in it. After an error the process is unchanged: a child process creates the
/// namespaces, and this process enters only what is complete.
pub fn enter_user_namespace() -> Result<(), Error> {
    if sys::is_privileged() {
        return Ok(());
    }
    // The kernel's EINVAL could also mean that it has no user namespaces.
    if sys::is_multi_threaded().unwrap_or(false) {
        return Err(Error::MultiThreaded);
    }
    sys::enter_user_namespace().map_err(Error::denied)
}
