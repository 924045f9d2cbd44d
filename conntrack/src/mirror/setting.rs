//! Whether a namespace has events.

use std::fs::File;
use std::os::unix::fs::FileExt;

use crate::namespace::NetworkNamespace;

const PATH: &str = "/proc/sys/net/netfilter/nf_conntrack_events";

/// The sysctl `net.netfilter.nf_conntrack_events` of a network namespace. The open file belongs to the namespace in which
/// it was opened, whichever namespace the reader is in.
#[derive(Debug)]
pub(super) struct EventsSetting(Option<File>);

impl EventsSetting {
    /// Opens the setting of a namespace. Where it cannot be opened, for example without `/proc`, it is not known.
    pub(super) fn of(namespace: &NetworkNamespace) -> Self {
        Self(namespace.open_file(PATH).ok())
    }

    /// Returns whether it is known that new flows have no events.
    pub(super) fn is_off(&self) -> bool {
        let mut value = [0; 2];
        let read = self.0.as_ref().and_then(|file| file.read_at(&mut value, 0).ok());
        read.is_some_and(|length| value.get(..length).is_some_and(|value| value.trim_ascii_end() == b"0"))
    }
}
