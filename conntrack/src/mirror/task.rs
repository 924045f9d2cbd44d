//! What a mirror asks the kernel: the part of its work that waits for system calls, so that another thread can do it.

use std::sync::Arc;

use conntrack_spec::{Expect, Flow, FlowKey};

use super::query;
use crate::connection::Conntrack;
use crate::dump::Dump;
use crate::error::Error;
use crate::filter::Filter;

/// Something to ask the kernel.
#[derive(Debug)]
pub(crate) enum Task {
    /// A dump, and its first part.
    Dump(Arc<Conntrack>, Filter),
    /// The next part of a dump.
    Receive(Dump),
    /// Some flows.
    Flows(Arc<Conntrack>, Vec<FlowKey>),
    /// The flows whose ends have not been delivered.
    DyingFlows(Arc<Conntrack>),
    /// All expectations.
    Expectations(Arc<Conntrack>),
}

/// What the kernel has answered.
#[derive(Debug)]
pub(crate) enum Done {
    Dump(Result<Dump, Error>),
    Received(Dump, Result<(), Error>),
    /// The keys, and the answers that came, in order.
    Flows(Vec<FlowKey>, Vec<Result<Option<Flow>, Error>>, Result<(), Error>),
    DyingFlows(Result<Vec<FlowKey>, Error>),
    /// The expectations, and whether all could be decoded.
    Expectations(Result<(Vec<Expect>, bool), Error>),
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
            Self::Flows(ct, keys) => {
                let mut answers = Vec::with_capacity(keys.len());
                let result = query::get_each(&ct, &keys, &mut answers);
                Done::Flows(keys, answers, result)
            }
            Self::DyingFlows(ct) => Done::DyingFlows(query::dying(&ct)),
            Self::Expectations(ct) => Done::Expectations(query::expectations(&ct)),
        }
    }
}
