//! What the tests share.

use std::time::Duration;

use conntrack::{Errno, Error, NewFlow};

/// What flows of a test live, so that none expires while the test waits for a processor.
pub(crate) const LONG: Duration = Duration::from_secs(3600);
/// Nothing takes so long, not even on a busy machine; a test that waits for this has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A flow, another one for each port.
pub(crate) fn udp(port: u16) -> NewFlow {
    NewFlow::udp(([10, 0, 0, 1], port).into(), ([10, 0, 0, 2], 53).into()).timeout(LONG)
}

/// The kernel's reason for a refusal.
pub(crate) fn errno<T>(result: Result<T, Error>) -> Option<Errno> {
    result.err().and_then(|error| error.errno())
}
