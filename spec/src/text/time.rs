//! Moments.

use std::fmt;

use crate::Nanoseconds;

/// A moment as `ctime` prints it, in UTC: `Thu Jan  1 00:00:00 1970`.
pub(super) struct Utc(pub(super) Nanoseconds);

const NANOSECONDS: u64 = 1_000_000_000;
const SECONDS_A_DAY: u64 = 86_400;
/// Days in 400 years: the calendar repeats after them.
const DAYS_AN_ERA: u64 = 146_097;
/// Days from 0000-03-01 to 1970-01-01.
const DAYS_BEFORE_1970: u64 = 719_468;

/// From the weekday of 1970-01-01 on.
const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
/// From March on: the leap day is then the last of its year.
const MONTHS: [&str; 12] = ["Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec", "Jan", "Feb"];

/// Whole seconds since 1970.
pub(super) const fn seconds(moment: Nanoseconds) -> u64 {
    moment.0 / NANOSECONDS
}

impl fmt::Display for Utc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, second) = (seconds(self.0) / SECONDS_A_DAY, seconds(self.0) % SECONDS_A_DAY);
        let (year, month, day) = date(days);
        let weekday = pick(&WEEKDAYS, days % 7);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(f, "{weekday} {} {day:2} {hour:02}:{minute:02}:{second:02} {year}", pick(&MONTHS, month))
    }
}

/// The date that is `days` after 1970-01-01: year, months since March, day of the month.
///
/// Years are counted from March, so that leap days end them; see Hinnant, `civil_from_days`.
const fn date(days: u64) -> (u64, u64, u64) {
    let days = days + DAYS_BEFORE_1970;
    let (era, day_of_era) = (days / DAYS_AN_ERA, days % DAYS_AN_ERA);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let january_on = if month >= 10 { 1 } else { 0 };
    (era * 400 + year_of_era + january_on, month, day)
}

fn pick<const N: usize>(names: &[&'static str; N], index: u64) -> &'static str {
    usize::try_from(index).ok().and_then(|index| names.get(index)).copied().unwrap_or_default()
}
