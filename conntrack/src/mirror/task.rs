//! What a mirror has to ask the kernel: the part of its work that waits for system calls, so that it can be done by
//! another thread.

use std::sync::Arc;

use conntrack_spec::{Flow, FlowKey};

use crate::connection::Conntrack;
use crate::dump::Dump;
use crate::error::Error;
use crate::filter::Filter;

/// Something to ask the kernel.
#[derive(Debug)]
pub(crate) enum Task {
    /// For a dump, and the first part of it.
    Dump(Arc<Conntrack>, Filter),
    /// For the next part of a dump.
    Receive(Dump),
    /// For a flow.
    Flow(Arc<Conntrack>, FlowKey),
}

/// What the kernel has answered.
#[derive(Debug)]
pub(crate) enum Done {
    Dump(Result<Dump, Error>),
    Received(Dump, Result<(), Error>),
    Flow(FlowKey, Result<Option<Flow>, Error>),
}

impl Task {
    /// Asks, and waits for the answer.
    pub(crate) fn run(self) -> Done {
        match self {
            Self::Dump(ct, filter) => Done::Dump(ct.dump_filtered(&filter)),
            Self::Receive(mut dump) => {
                let result = dump.receive();
                Done::Received(dump, result)
            }
            Self::Flow(ct, key) => {
                let answer = ct.get(&key);
                Done::Flow(key, answer)
            }
        }
    }
}
