//! The limits on the number of namespaces (`namespaces(7)`).

use std::fmt;
use std::io::{self, ErrorKind};

/// A limit on the number of namespaces, for which the kernel says `ENOSPC`.
#[derive(Clone, Copy, Debug)]
pub(super) enum Limit {
    UserNamespaces,
    NetworkNamespaces,
}

impl Limit {
    fn name(self) -> &'static str {
        match self {
            Self::UserNamespaces => "max_user_namespaces",
            Self::NetworkNamespaces => "max_net_namespaces",
        }
    }

    /// Names the limit in an error that says it is reached; returns any other error as it is.
    pub(super) fn explain(self, error: io::Error) -> io::Error {
        if error.kind() != ErrorKind::StorageFull {
            return error;
        }
        let value = std::fs::read_to_string(format!("/proc/sys/user/{}", self.name())).ok();
        io::Error::new(
            ErrorKind::QuotaExceeded,
            Reached { limit: self, value: value.map(|text| text.trim().to_owned()) },
        )
    }
}

/// A limit that is reached, and its value if it can be read.
#[derive(Debug)]
struct Reached {
    limit: Limit,
    value: Option<String>,
}

impl fmt::Display for Reached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.limit.name();
        match self.value.as_deref() {
            Some("0") => write!(f, "user.{name} is 0"),
            Some(value) => write!(f, "no more namespaces are allowed (user.{name} is {value})"),
            None => write!(f, "no more namespaces are allowed (user.{name})"),
        }
    }
}

impl std::error::Error for Reached {}
