//! What can go wrong with a sandbox.

use std::fmt;
use std::io;

use conntrack_spec::codec::EncodeError;

use super::limit::Limit;
use crate::sys::namespace::Denied;

/// What the body of a sandbox fails with: any error, by `?`.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The error of a sandbox.
///
/// `Display` prints the outermost level only; [`Report`](crate::Report) prints all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The system does not let an ordinary user create a user namespace with a network namespace in it. The process is
    /// unchanged.
    #[error(
        "creating a user namespace with a network namespace in it; run as root, or allow both to ordinary users \
         (`sysctl user.max_user_namespaces user.max_net_namespaces kernel.apparmor_restrict_unprivileged_userns`)"
    )]
    UserNamespace(#[source] io::Error),
    /// The process of an ordinary user has several threads, so that the kernel does not let it enter a user namespace.
    #[error(
        "a process with several threads cannot enter a user namespace: run as root, or call \
         `sandbox::enter_user_namespace` before it starts any, or `sandbox::run` if it is a `#[test]`"
    )]
    MultiThreaded,
    /// The system refused one of the steps.
    #[error("{step}")]
    Step {
        /// Which step.
        step: Step,
        /// What the system said.
        source: io::Error,
    },
    /// A rule or a name is too long for a netlink attribute.
    #[error("encoding the ruleset")]
    Encode(#[from] EncodeError),
    /// The test that was run again in a user namespace ended before its call of [`run`](super::run) did. What it
    /// printed is in the output of this test.
    #[error("the test, run again in a user namespace, ended early")]
    EndedEarly,
    /// The body of the sandbox failed in the process that ran the test again in a user namespace; this is the text of
    /// its error.
    #[error("{0}")]
    Again(String),
    /// The body of the sandbox failed.
    #[error(transparent)]
    Body(Failure),
}

impl Error {
    pub(super) fn denied(denied: Denied) -> Self {
        Self::UserNamespace(match denied {
            Denied::User(error) => Limit::UserNamespaces.explain(error),
            Denied::Network(error) => Limit::NetworkNamespaces.explain(error),
        })
    }
}

/// A step on the way to a sandbox, or one that something in it asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// Starting the thread that lives in the namespace.
    Thread,
    /// Creating a network namespace, or entering one.
    NetworkNamespace,
    /// Giving a network namespace an id; `EEXIST` if it has one, or another namespace has this one.
    NamespaceId,
    /// Bringing up the loopback interface.
    Loopback,
    /// Loading a ruleset; `EOPNOTSUPP` and `ENOENT` mean that the kernel lacks nf\_tables or its `ct` expression.
    Ruleset {
        /// Which of the changes was refused, from 0; `None` if all of them were, at once.
        change: Option<usize>,
    },
    /// Setting a sysctl, named as a path below `/proc/sys`.
    Sysctl(&'static str),
    /// Running the test again in a process of its own.
    RunAgain,
    /// Making TCP traffic.
    Tcp,
    /// Making UDP or UDP-Lite traffic.
    Udp,
    /// Making ICMP or ICMPv6 traffic.
    Ping,
}

impl Step {
    /// Makes an I/O error one of this step.
    pub(super) fn failed<E: Into<io::Error>>(self) -> impl FnOnce(E) -> Error {
        move |source| Error::Step { step: self, source: source.into() }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Thread => f.write_str("starting a thread"),
            Self::NetworkNamespace => f.write_str("entering a network namespace"),
            Self::NamespaceId => f.write_str("giving a network namespace an id"),
            Self::Loopback => f.write_str("bringing up loopback"),
            Self::Ruleset { change: None } => f.write_str("loading the ruleset"),
            Self::Ruleset { change: Some(change) } => write!(f, "loading change {change} of the ruleset"),
            Self::Sysctl(path) => write!(f, "setting sysctl {}", path.replace('/', ".")),
            Self::RunAgain => f.write_str("running the test again"),
            Self::Tcp => f.write_str("making TCP traffic"),
            Self::Udp => f.write_str("making UDP traffic"),
            Self::Ping => f.write_str("making ICMP traffic"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::tests::{assert_debug_names, assert_says_nothing_twice};

    #[test]
    fn no_text_is_printed_twice_and_debug_names_the_variant() {
        let io = || io::Error::from_raw_os_error(1);
        let body = || crate::Error::io("opening a netlink socket")(io());
        let all = [
            Error::UserNamespace(io()),
            Error::MultiThreaded,
            Error::Step { step: Step::Loopback, source: io() },
            EncodeError::MessageTooLong(7).into(),
            Error::EndedEarly,
            Error::Again("what the body said".to_owned()),
            Error::Body(body().into()),
        ];
        for error in all {
            // Without a wildcard: a new variant has to be added here, and then to `all`.
            let name = match &error {
                Error::UserNamespace(_) => "UserNamespace",
                Error::MultiThreaded => "MultiThreaded",
                Error::Step { .. } => "Step",
                Error::Encode(_) => "Encode",
                Error::EndedEarly => "EndedEarly",
                Error::Again(_) => "Again",
                Error::Body(_) => "Body",
            };
            assert_says_nothing_twice(&error);
            assert_debug_names(&error, name);
        }
    }
}
