//! Ends that the kernel delivers late, to a listener that asked for every one.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use conntrack_spec::FlowKey;

use super::{Place, Reconciler};

/// How long to wait before looking again whether the kernel has delivered an end: as long as the kernel waits before it tries
/// again (`ECACHE_RETRY_JIFFIES`), then longer.
const SHORTEST: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_secs(1);

/// When to look which ends the kernel has not delivered yet.
#[derive(Debug, Default)]
pub(super) struct Dying {
    wait: Duration,
    due: Option<Instant>,
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
        let is_any_left = self.suspects.iter().any(|suspect| !suspect.is_delivered);
        if let Some(dying) = &mut self.dying {
            dying.wait = if is_any_left { (dying.wait * 2).clamp(SHORTEST, LONGEST) } else { Duration::ZERO };
            dying.due = is_any_left.then(|| now + dying.wait);
        }
    }

    /// When to look which ends the kernel has not delivered yet, if there is a flow to look for: `Some(None)` is now.
    pub(super) fn dying_due(&self) -> Option<Option<Instant>> {
        let (dying, suspect) = (self.dying.as_ref()?, self.suspects.front()?);
        (!suspect.is_delivered && !self.is_undrained(suspect)).then_some(dying.due)
    }
}
