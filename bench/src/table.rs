//! The table that is measured.

use std::fs;

use conntrack::{Command, Conntrack};

use crate::sums::Sums;
use crate::{Outcome, mix, truth};

/// What the flows of a table have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// What every flow has.
    Plain,
    /// Counters and the time of their creation too.
    Accounted,
}

impl Kind {
    pub(crate) const ALL: [Self; 2] = [Self::Plain, Self::Accounted];

    /// For headings.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Accounted => "with counters and timestamps",
        }
    }

    /// Sets what flows that are created from now on have.
    pub(crate) fn apply(self) -> Outcome<()> {
        let on = if self == Self::Accounted { "1" } else { "0" };
        set("nf_conntrack_acct", on)?;
        set("nf_conntrack_timestamp", on)
    }
}

/// Whether flows that are created from now on have events (1), or only if someone listens (2), which is the default.
pub(crate) fn set_events(mode: &str) -> Outcome<()> {
    set("nf_conntrack_events", mode)
}

fn set(name: &str, value: &str) -> Outcome<()> {
    let path = format!("/proc/sys/net/netfilter/{name}");
    fs::write(&path, value).map_err(|error| format!("setting {path} to {value}: {error}").into())
}

/// Fills the table with `flows` and says what is in it.
pub(crate) fn fill(flows: u32) -> Outcome<Sums> {
    Conntrack::open()?.batch(mix::flows(flows).map(Command::Create)).run()?.into_result()?;
    let truth = truth::of_table()?;
    if truth.flows == u64::from(flows) {
        Ok(truth)
    } else {
        Err(format!("{flows} flows were created, and {} are in the table", truth.flows).into())
    }
}

/// Empties the table.
pub(crate) fn empty() -> Outcome<()> {
    Ok(Conntrack::open()?.flush_all()?)
}
