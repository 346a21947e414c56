//! The wall clock, and dates as servers write them.

#![expect(clippy::disallowed_methods, reason = "the control plane reads clocks")]

use core::time::Duration;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::base::Timestamp;

pub fn now() -> Timestamp {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX))
}

/// How long it is until then; `None` for what is no date. A date in the past is no time from now.
pub fn good_until(date: &str) -> Option<Duration> {
    let seconds = seconds_of(date)?;
    let left = seconds.saturating_mul(1000).saturating_sub(now().0).max(0);
    Some(Duration::from_millis(left as u64))
}

/// Seconds since 1970 of `2026-11-24T13:00:00Z`; fractions are passed over.
// spec: RFC 3339 §5.6
fn seconds_of(date: &str) -> Option<i64> {
    let (day, time) = date.trim().strip_suffix('Z')?.split_once('T')?;
    let numbers = |text: &str, separator: char| {
        let parts: Option<Vec<i64>> = text.split(separator).map(|part| part.parse().ok()).collect();
        parts
            .filter(|parts| parts.len() == 3 && parts.iter().all(|part| (0..10_000).contains(part)))
    };
    let day = numbers(day, '-')?;
    let time = numbers(time.split('.').next().unwrap_or_default(), ':')?;
    // Counted from the first of March, so that the leap day is a year's last.
    let (year, month) = if day[1] > 2 { (day[0], day[1] - 3) } else { (day[0] - 1, day[1] + 9) };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * month + 2) / 5 + day[2] - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    Some(days * 86_400 + time[0] * 3600 + time[1] * 60 + time[2])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_counted_in_seconds() {
        for (date, wanted) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2015-08-30T12:36:00Z", Some(1_440_938_160)),
            ("2000-02-29T00:00:00.5Z", Some(951_782_400)),
            ("2100-03-01T00:00:00Z", Some(4_107_542_400)),
            ("2015-08-30 12:36:00", None),
            ("2015-08T12:36:00Z", None),
            ("", None),
        ] {
            assert_eq!(seconds_of(date), wanted, "{date}");
        }
    }
}
