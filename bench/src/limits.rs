//! The sizes of the system's tables: raised for a run, and restored however it ends.

use std::fs;
use std::sync::{Mutex, PoisonError};

use crate::Outcome;

const MAX: &str = "/proc/sys/net/netfilter/nf_conntrack_max";
const BUCKETS: &str = "/proc/sys/net/netfilter/nf_conntrack_buckets";

/// What was changed, and what it was before, in the order of the changes.
static CHANGED: Mutex<Vec<(&str, u32)>> = Mutex::new(Vec::new());

/// Restores the limits when it is dropped, and so does a signal that ends the program; only `SIGKILL` leaves them.
#[derive(Debug)]
pub(crate) struct Limits(());

impl Limits {
    /// Limits that are as they were.
    pub(crate) fn watch() -> Outcome<Self> {
        ctrlc::set_handler(|| {
            restore();
            std::process::exit(130);
        })?;
        Ok(Self(()))
    }

    /// Makes room for `flows`. Does nothing where there is room.
    #[expect(clippy::unused_self, reason = "whoever changes them holds what restores them")]
    pub(crate) fn make_room(&self, flows: u32) -> Outcome<()> {
        let now = read(MAX)?;
        // 0 is no limit. The kernel evicts a little below the limit.
        let wanted = flows.saturating_add(flows / 16).saturating_add(1024);
        if now == 0 || now >= wanted {
            return Ok(());
        }
        change(MAX, wanted)
            .map_err(|error| format!("{flows} flows do not fit nf_conntrack_max = {now}: {error}").into())
    }

    /// Sets the number of buckets of the hash table.
    #[expect(clippy::unused_self, reason = "whoever changes them holds what restores them")]
    pub(crate) fn set_buckets(&self, buckets: u32) -> Outcome<()> {
        change(BUCKETS, buckets)
    }
}

impl Drop for Limits {
    fn drop(&mut self) {
        restore();
    }
}

/// The number of buckets of the system's hash table, all of which each dump walks.
pub(crate) fn buckets() -> Outcome<u32> {
    read(BUCKETS)
}

fn change(path: &'static str, value: u32) -> Outcome<()> {
    let before = read(path)?;
    let mut changed = CHANGED.lock().unwrap_or_else(PoisonError::into_inner);
    write(path, value)?;
    changed.push((path, before));
    Ok(())
}

fn restore() {
    let mut changed = CHANGED.lock().unwrap_or_else(PoisonError::into_inner);
    for (path, before) in changed.drain(..).rev() {
        if let Err(error) = write(path, before) {
            eprintln!("{error}; it was {before}");
        }
    }
}

fn read(path: &str) -> Outcome<u32> {
    let text = fs::read_to_string(path).map_err(|error| format!("reading {path}: {error}"))?;
    Ok(text.trim().parse()?)
}

fn write(path: &str, value: u32) -> Outcome<()> {
    fs::write(path, value.to_string()).map_err(|error| format!("setting {path} to {value}: {error}").into())
}
