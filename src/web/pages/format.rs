//! Figures as people read them.

use core::time::Duration;

use crate::base::Timestamp;
use crate::model::Shortage;

/// `12 345 678`, with narrow spaces that do not break.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    out
}

/// `1.5 MiB`
pub(super) fn bytes(number: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let (mut value, mut unit) = (number as f64, 0);
    while value >= 1024.0 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    let digits = if unit == 0 || value >= 100.0 { 0 } else { 1 };
    format!("{value:.digits$} {}", units[unit])
}

/// `1.2 k/s`
pub(super) fn rate(per_second: f64) -> String {
    let units = ["", "k", "M", "G"];
    let (mut value, mut unit) = (per_second, 0);
    while value >= 1000.0 && unit + 1 < units.len() {
        value /= 1000.0;
        unit += 1;
    }
    let digits = if value >= 100.0 || value == 0.0 { 0 } else { 1 };
    format!("{value:.digits$} {}/s", units[unit])
}

/// `350 µs`, `12 ms`, `3.4 s`, `5 min 20 s`, `2 h 5 min`, `3 d 4 h`
pub(super) fn duration(length: Duration) -> String {
    let seconds = length.as_secs();
    match seconds {
        0 if length.is_zero() => "0 s".to_owned(),
        0 if length.as_micros() < 1000 => format!("{} µs", length.as_micros()),
        0 => format!("{:.0} ms", length.as_secs_f64() * 1000.0),
        1..60 => format!("{:.1} s", length.as_secs_f64()),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds / 3600 % 24),
    }
}

/// How long ago; a dash for never.
pub(super) fn ago(at: Timestamp, now: Timestamp) -> String {
    match at {
        Timestamp(0) => "–".to_owned(),
        at => format!("{} ago", duration(since(at, now))),
    }
}

pub(super) fn shortage(why: Shortage) -> &'static str {
    match why {
        Shortage::Budget => "the disk budget is spent",
        Shortage::Failing => "the disk fails",
        Shortage::Full => "the filesystem is full",
        Shortage::Late => "the disk is late",
        Shortage::ReadOnly => "the filesystem is read-only",
    }
}

/// Zero where the clocks disagree.
pub(super) fn since(at: Timestamp, now: Timestamp) -> Duration {
    Duration::from_millis(u64::try_from(now.0.saturating_sub(at.0)).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short() {
        for (number, wanted) in [(0, "0"), (999, "999"), (1000, "1\u{202f}000")] {
            assert_eq!(count(number), wanted);
        }
        for (number, wanted) in
            [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (u64::MAX, "16.0 EiB")]
        {
            assert_eq!(bytes(number), wanted);
        }
        for (per_second, wanted) in [(0.0, "0 /s"), (1.5, "1.5 /s"), (12_345.0, "12.3 k/s")] {
            assert_eq!(rate(per_second), wanted);
        }
        for (ms, wanted) in [
            (0, "0 s"),
            (12, "12 ms"),
            (3400, "3.4 s"),
            (320_000, "5 min 20 s"),
            (7_500_000, "2 h 5 min"),
            (273_600_000, "3 d 4 h"),
        ] {
            assert_eq!(duration(Duration::from_millis(ms)), wanted);
        }
        assert_eq!(duration(Duration::from_micros(350)), "350 µs");
        assert_eq!(ago(Timestamp(0), Timestamp(5)), "–");
        assert_eq!(ago(Timestamp(9000), Timestamp(5000)), "0 s ago");
    }
}
