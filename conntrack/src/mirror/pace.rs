//! When to look at the kernel's table.

use std::time::{Duration, Instant};

/// The shortest wait after a dump that was followed by another loss.
const SHORTEST: Duration = Duration::from_millis(10);
/// The longest.
const LONGEST: Duration = Duration::from_secs(2);
/// A loss this long after a dump is not taken for a consequence of the load that led to it.
const CALM: Duration = Duration::from_secs(1);
/// Of the time, checks take at most one part in so many.
const SHARE: u32 = 20;

/// Says when a dump is due: soon after a loss, but with longer and longer waits as long as each is followed by another
/// loss; and in any case every so often.
#[derive(Clone, Debug)]
pub(super) struct Pace {
    /// How often to look without a reason.
    interval: Option<Duration>,
    /// Something was lost, and no dump has started since.
    lost: bool,
    /// When the dump for that is due, once that has been decided.
    due: Option<Instant>,
    /// When the next check is due that has no reason.
    check: Option<Instant>,
    wait: Duration,
    started: Option<Instant>,
    last: Option<Last>,
}

/// The last dump.
#[derive(Clone, Copy, Debug)]
struct Last {
    end: Instant,
    took: Duration,
}

impl Pace {
    /// The first dump is due at once.
    pub(super) fn new(interval: Option<Duration>) -> Self {
        Self { interval, lost: true, due: None, check: None, wait: Duration::ZERO, started: None, last: None }
    }

    /// The table and the copy may differ now.
    pub(super) fn lost(&mut self) {
        self.lost = true;
    }

    /// Whether they may differ.
    pub(super) fn is_lost(&self) -> bool {
        self.lost
    }

    /// The next dump is due now.
    pub(super) fn hurry(&mut self, now: Instant) {
        self.lost = true;
        self.due = Some(now);
    }

    /// Fixes when the dump after a loss is due. While a dump is under way, its end decides.
    pub(super) fn schedule(&mut self, now: Instant) {
        if !self.lost || self.due.is_some() || self.started.is_some() {
            return;
        }
        let due = self.last.map_or(now, |Last { end, took }| {
            let calm = CALM.max(took.saturating_mul(SHARE));
            self.wait = if now.saturating_duration_since(end) > calm {
                Duration::ZERO
            } else {
                self.wait.saturating_mul(2).clamp(SHORTEST, LONGEST).max(took)
            };
            now.max(end + self.wait)
        });
        self.due = Some(due);
    }

    /// Returns when the next dump is due; `None` is never. A loss after which nothing was scheduled is due now.
    pub(super) fn due(&self, now: Instant) -> Option<Instant> {
        if self.lost { Some(self.due.unwrap_or(now)) } else { self.check }
    }

    pub(super) fn started(&mut self, now: Instant) {
        (self.lost, self.due, self.check, self.started) = (false, None, None, Some(now));
    }

    pub(super) fn ended(&mut self, now: Instant) {
        let took = self.started.take().map_or(Duration::ZERO, |start| now.saturating_duration_since(start));
        self.last = Some(Last { end: now, took });
        let interval = self.interval.map(|interval| interval.max(took.saturating_mul(SHARE)));
        // A moment too far to tell is never.
        self.check = interval.and_then(|interval| now.checked_add(interval));
        self.schedule(now);
    }
}
