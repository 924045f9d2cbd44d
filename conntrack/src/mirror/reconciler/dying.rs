//! Ends that the kernel delivers late, to a listener that asked for every one.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use conntrack_spec::FlowKey;

use super::{Place, Reconciler};

/// How long to wait before looking again whether the kernel has delivered an end: as long as the kernel waits before it tries
/// again (`ECACHE_RETRY_JIFFIES`), then longer.
const SHORTEST: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_secs(1);

/// Ends that the kernel has not delivered yet, and when to look for them.
///
/// The kernel delivers an end late if the receive buffer was full. By then another flow may be at the place of the one that
/// has ended, even with its id. So after an overrun, an end tells of a flow of the mirror only if that flow is gone, until it
/// is certain that no end is late any more: none was undelivered in a look, and the queue has been found empty since.
#[derive(Debug, Default)]
pub(super) struct Dying {
    wait: Duration,
    due: Option<Instant>,
    /// An end that is yet to be taken may be late.
    may_be_late: bool,
    /// No end was undelivered in the last look.
    are_delivered: bool,
}

impl Reconciler {
    /// Takes the keys, with their ids, of all flows whose ends the kernel has not delivered yet.
    pub fn on_dying(&mut self, now: Instant, keys: impl IntoIterator<Item = FlowKey>) {
        let keys: HashSet<_> = keys.into_iter().filter_map(|key| Some((Place::from(&key), key.id?))).collect();
        for suspect in &mut self.suspects {
            if !suspect.is_delivered {
                suspect.is_delivered = !keys.contains(&(suspect.place, suspect.id));
                suspect.moment = self.now;
            }
        }
        self.suspects.make_contiguous().sort_by_key(|suspect| !suspect.is_delivered);
        if let Some(dying) = &mut self.dying {
            dying.are_delivered = keys.is_empty();
            dying.wait = if dying.are_delivered { Duration::ZERO } else { (dying.wait * 2).clamp(SHORTEST, LONGEST) };
            dying.due = (!dying.are_delivered).then(|| now + dying.wait);
        }
    }

    /// When to look which ends the kernel has not delivered yet, if that is to be known.
    pub(super) fn dying_due(&self, now: Instant) -> Option<Instant> {
        let dying = self.dying.as_ref()?;
        let is_suspect_waiting =
            self.suspects.front().is_some_and(|suspect| !suspect.is_delivered && !self.is_undrained(suspect));
        let is_lateness_open = self.is_drained && dying.may_be_late && !dying.are_delivered;
        (is_suspect_waiting || is_lateness_open).then_some(dying.due.unwrap_or(now))
    }

    /// Notes an overrun: the kernel will deliver late the ends that found no room.
    pub(super) fn ends_may_be_late(&mut self) {
        if let Some(dying) = &mut self.dying {
            (dying.may_be_late, dying.are_delivered) = (true, false);
        }
    }

    /// Notes that the queue is empty: if all ends were delivered before, the late ones have been taken.
    pub(super) fn ends_are_in_time(&mut self) {
        if let Some(dying) = &mut self.dying {
            dying.may_be_late &= !dying.are_delivered;
        }
    }

    pub(super) fn may_ends_be_late(&self) -> bool {
        self.dying.as_ref().is_some_and(|dying| dying.may_be_late)
    }
}
