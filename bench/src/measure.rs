//! Times and what is made of them.

use std::time::Instant;

use rustix::time::{ClockId, clock_gettime};

use crate::Outcome;

/// How long something took, in seconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Time {
    pub(crate) wall: f64,
    /// Of the whole process, in the program and in the kernel.
    pub(crate) cpu: f64,
}

/// Does `work` and says how long it took.
pub(crate) fn timed<T>(work: impl FnOnce() -> Outcome<T>) -> Outcome<(T, Time)> {
    let (started, cpu) = (Instant::now(), cpu());
    let result = work()?;
    Ok((result, Time { wall: started.elapsed().as_secs_f64(), cpu: self::cpu() - cpu }))
}

fn cpu() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// The times of one contestant, round by round.
#[derive(Clone, Debug, Default)]
pub(crate) struct Series(Vec<Time>);

impl Series {
    pub(crate) fn push(&mut self, time: Time) {
        self.0.push(time);
    }

    pub(crate) fn wall(&self) -> f64 {
        median(self.0.iter().map(|time| time.wall))
    }

    pub(crate) fn cpu(&self) -> f64 {
        median(self.0.iter().map(|time| time.cpu))
    }

    /// The median of the ratios of each round, so that what disturbs a whole round counts for both.
    pub(crate) fn ratio(&self, other: &Self) -> f64 {
        median(self.0.iter().zip(&other.0).map(|(one, other)| one.wall / other.wall))
    }

    /// The same of processor time, for work that waits for nothing.
    pub(crate) fn cpu_ratio(&self, other: &Self) -> f64 {
        median(self.0.iter().zip(&other.0).map(|(one, other)| one.cpu / other.cpu))
    }
}

/// The median; not a number for no values.
pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match (values.get(middle.wrapping_sub(1)), values.get(middle)) {
        (Some(low), Some(high)) if values.len().is_multiple_of(2) => f64::midpoint(*low, *high),
        (_, Some(value)) => *value,
        _ => f64::NAN,
    }
}
