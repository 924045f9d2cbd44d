//! The requests.

use std::borrow::Borrow;
use std::panic::resume_unwind;
use std::sync::Arc;

use conntrack_spec::{
    Changes, CpuStats, Decode, Expect, ExpectKey, ExpectMaster, ExpectStats, ExpectUpdate, Flow, FlowKey, GlobalStats,
    HelperName, NewExpect, NewFlow, PerCpu, PolicyName, ProjectionOf, Protocol, TimeoutPolicy, Timeouts, UserHelper,
    UserHelperKey,
};
use tokio::task::{JoinError, spawn_blocking};

use super::Dump;
use super::queue::Queue;
use crate::builder::Builder;
use crate::error::Error;
use crate::filter::Filter;
use crate::parts::Parts;
use crate::{BulkError, BulkReport, Command, Flushed, Outcome};

/// How many operations that are not one request run at a time. They take turns at the connection's socket, so more gain
/// little.
const OPERATIONS: usize = 4;

/// A connection to the connection tracking of one network namespace: [`crate::Conntrack`] with methods to await.
///
/// Clones share the connection. Requests are sent one after another, in the order in which their futures were first
/// polled; those that wait occupy no thread.
#[derive(Clone, Debug)]
pub struct Conntrack {
    ct: Arc<crate::Conntrack>,
    requests: Arc<Queue>,
    /// Those that send several requests, between which others are sent.
    operations: Arc<Queue>,
}

impl From<crate::Conntrack> for Conntrack {
    fn from(ct: crate::Conntrack) -> Self {
        let ct = Arc::new(ct);
        Self { requests: Queue::new(&ct, 1), operations: Queue::new(&ct, OPERATIONS), ct }
    }
}

impl Builder {
    /// Opens the connection, for tokio.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_tokio(self) -> Result<Conntrack, Error> {
        self.open().map(Conntrack::from)
    }
}

/// Methods that are those of the blocking connection on another thread, when it is their turn.
macro_rules! requests {
    ($($name:ident($($argument:ident: $type:ty),*) -> $result:ty, $doc:literal;)*) => {$(
        #[doc = $doc]
        ///
        /// # Errors
        #[doc = concat!("As [`crate::Conntrack::", stringify!($name), "`], which says more.")]
        pub async fn $name(&self, $($argument: &$type),*) -> Result<$result, Error> {
            $(let $argument = $argument.clone();)*
            self.requests.run(move |ct| ct.$name($(&$argument),*)).await
        }
    )*};
}

/// Methods whose blocking form yields one item after another.
macro_rules! dumps {
    ($($name:ident($($argument:ident: $type:ty),*) -> $item:ty, $doc:literal;)*) => {$(
        #[doc = $doc]
        ///
        /// # Errors
        #[doc = concat!("As [`crate::Conntrack::", stringify!($name), "`], which says more.")]
        pub async fn $name(&self, $($argument: &$type),*) -> Result<Dump<$item>, Error> {
            $(let $argument = $argument.clone();)*
            self.dump_with(move |ct| ct.$name($(&$argument),*)).await
        }
    )*};
}

impl Conntrack {
    /// Opens a connection to the calling thread's network namespace.
    ///
    /// # Errors
    /// A socket cannot be opened.
    pub fn open() -> Result<Self, Error> {
        crate::Conntrack::open().map(Self::from)
    }

    /// The connection itself, for what is not offered here.
    #[must_use]
    pub fn blocking(&self) -> &Arc<crate::Conntrack> {
        &self.ct
    }

    /// Runs `operation` on a thread of the runtime's for blocking work. Unlike the other methods, it does not wait for its
    /// turn: each call takes a thread at once.
    ///
    /// # Errors
    /// Those of `operation`.
    ///
    /// # Panics
    /// If `operation` does.
    pub async fn run<T, F>(&self, operation: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&crate::Conntrack) -> Result<T, Error> + Send + 'static,
    {
        let ct = Arc::clone(&self.ct);
        joined(spawn_blocking(move || operation(&ct)).await)?
    }

    async fn dump_with<T, I, F>(&self, start: F) -> Result<Dump<T>, Error>
    where
        T: Send + 'static,
        I: Parts<T>,
        F: FnOnce(&crate::Conntrack) -> Result<I, Error> + Send + 'static,
    {
        Dump::start(Arc::clone(&self.ct), start).await
    }

    requests! {
        get(key: FlowKey) -> Option<Flow>, "The flow at a tuple, if there is one.";
        get_zeroing(key: FlowKey) -> Option<Flow>, "The flow at a tuple, if there is one, and sets its counters to 0.";
        create(flow: NewFlow) -> (), "Creates a flow.";
        upsert(flow: NewFlow) -> (), "Creates a flow, or changes the flow that has its original tuple in either direction.";
        update(key: FlowKey, changes: Changes) -> (), "Changes the flow at a tuple.";
        delete(key: FlowKey) -> bool, "Deletes the flow at a tuple; false if there is none.";
        flush_all() -> (), "Deletes every flow of the namespace.";
        stats() -> GlobalStats, "How full the table is.";
        stats_per_cpu() -> Vec<PerCpu<CpuStats>>, "What each processor has counted.";
        expectation_stats() -> Vec<PerCpu<ExpectStats>>, "What each processor has counted of expectations.";
        get_expectation(key: ExpectKey) -> Option<Expect>, "The expectation at a tuple, if there is one.";
        create_expectation(expect: NewExpect) -> (), "Creates an expectation.";
        update_expectation_timeout(update: ExpectUpdate) -> (), "Changes how long an expectation lives.";
        delete_expectation(key: ExpectKey) -> bool, "Deletes the expectation at a tuple; false if there is none.";
        delete_expectations_of_helper(helper: HelperName) -> (), "Deletes the expectations of a helper.";
        flush_expectations() -> (), "Deletes every expectation of the namespace.";
        timeout_policies() -> Vec<TimeoutPolicy>, "The timeout policies.";
        timeout_policy(name: PolicyName) -> Option<TimeoutPolicy>, "A timeout policy, if there is one of that name.";
        create_timeout_policy(policy: TimeoutPolicy) -> (), "Creates a timeout policy.";
        replace_timeout_policy(policy: TimeoutPolicy) -> (), "Replaces a timeout policy.";
        delete_timeout_policy(name: PolicyName) -> bool, "Deletes a timeout policy; false if there is none of that name.";
        delete_unused_timeout_policies() -> u64, "Deletes the timeout policies that no rule uses; how many.";
        helpers() -> Vec<UserHelper>, "The helpers in user space.";
        helper(key: UserHelperKey) -> Option<UserHelper>, "A helper in user space, if there is one.";
        create_helper(helper: UserHelper) -> (), "Creates a helper in user space.";
        upsert_helper(helper: UserHelper) -> (), "Creates a helper in user space, or changes the one that is there.";
        delete_helper(key: UserHelperKey) -> bool, "Deletes a helper in user space; false if there is none.";
        delete_all_helpers() -> u64, "Deletes the helpers in user space; how many.";
    }

    dumps! {
        dump() -> Flow, "All flows.";
        dump_filtered(filter: Filter) -> Flow, "The flows that meet a filter.";
        dump_parallel() -> Flow, "All flows, dumped over several sockets at once.";
        dump_dying() -> Flow, "The flows that have left the table, but not gone.";
        dump_unconfirmed() -> Flow, "The flows whose first packet is on its way: none since Linux 5.19.";
        expectations() -> Expect, "All expectations.";
    }

    /// All flows, each decoded into a struct of your own.
    ///
    /// # Errors
    /// As [`crate::Conntrack::dump_as`], which says more.
    pub async fn dump_as<T: Decode + Send + 'static>(&self) -> Result<Dump<T>, Error> {
        const { ProjectionOf::<T, Flow>::CHECKED };
        self.dump_with(crate::Conntrack::dump_as).await
    }

    /// The flows that meet a filter, each decoded into a struct of your own.
    ///
    /// # Errors
    /// As [`crate::Conntrack::dump_filtered_as`], which says more.
    pub async fn dump_filtered_as<T: Decode + Send + 'static>(&self, filter: &Filter) -> Result<Dump<T>, Error> {
        const { ProjectionOf::<T, Flow>::CHECKED };
        let filter = filter.clone();
        self.dump_with(move |ct| ct.dump_filtered_as(&filter)).await
    }

    /// The flows that meet a filter, dumped over several sockets at once.
    ///
    /// # Errors
    /// As [`crate::Conntrack::dump_parallel_as`], which says more.
    pub async fn dump_parallel_as<T: Decode + Send + 'static>(&self, filter: &Filter) -> Result<Dump<T>, Error> {
        const { ProjectionOf::<T, Flow>::CHECKED };
        let filter = filter.clone();
        self.dump_with(move |ct| ct.dump_parallel_as(&filter)).await
    }

    /// The expectations of a flow.
    ///
    /// # Errors
    /// As [`crate::Conntrack::expectations_of`], which says more.
    pub async fn expectations_of(&self, master: impl Into<ExpectMaster>) -> Result<Dump<Expect>, Error> {
        let master = master.into();
        self.dump_with(move |ct| ct.expectations_of(master)).await
    }

    /// A protocol's timeouts where no policy says otherwise.
    ///
    /// # Errors
    /// As [`crate::Conntrack::default_timeouts`], which says more.
    pub async fn default_timeouts(&self, protocol: Protocol) -> Result<Timeouts, Error> {
        self.requests.run(move |ct| ct.default_timeouts(protocol)).await
    }

    /// Sets a protocol's timeouts where no policy says otherwise.
    ///
    /// # Errors
    /// As [`crate::Conntrack::set_default_timeouts`], which says more.
    pub async fn set_default_timeouts(&self, timeouts: impl Into<Timeouts>) -> Result<(), Error> {
        let timeouts = timeouts.into();
        self.requests.run(move |ct| ct.set_default_timeouts(timeouts)).await
    }

    /// Deletes the flows that meet a filter.
    ///
    /// # Errors
    /// As [`crate::Conntrack::flush`], which says more.
    pub async fn flush(&self, filter: &Filter) -> Result<Flushed, BulkError> {
        let filter = filter.clone();
        self.operations.run(move |ct| Ok(ct.flush(&filter))).await?
    }

    /// Deletes the flows that meet a filter and for which `predicate` returns true.
    ///
    /// # Errors
    /// As [`crate::Conntrack::delete_matching`], which says more.
    pub async fn delete_matching(
        &self,
        filter: &Filter,
        predicate: impl FnMut(&Flow) -> bool + Send + 'static,
    ) -> Result<BulkReport, BulkError> {
        let filter = filter.clone();
        self.operations.run(move |ct| Ok(ct.delete_matching(&filter, predicate))).await?
    }

    /// Executes many commands in few sends, and returns the result of each, in order. If the connection fails, its error
    /// is the last item: see [`Batch`](crate::Batch).
    ///
    /// # Errors
    /// [`Error::ShutDown`] if the runtime shuts down.
    pub async fn batch<I>(&self, commands: I) -> Result<Vec<Result<Outcome, Error>>, Error>
    where
        I: IntoIterator<Item: Borrow<Command>> + Send + 'static,
    {
        self.operations.run(move |ct| Ok(ct.batch(commands).collect())).await
    }
}

/// What came of blocking work. If that panicked, so does this.
pub(super) fn joined<T>(result: Result<T, JoinError>) -> Result<T, Error> {
    result.map_err(|error| match error.try_into_panic() {
        Ok(panic) => resume_unwind(panic),
        Err(_) => Error::ShutDown,
    })
}
