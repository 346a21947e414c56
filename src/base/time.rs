//! Two clocks and Prometheus durations. The monotonic one orders things here; the wall clock stamps samples and
//! may jump.

use core::fmt;
use core::ops::{Add, Sub};
use core::time::Duration;

/// Nanoseconds of a monotonic clock since an arbitrary start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(pub u64);

/// Milliseconds since the epoch, as samples carry them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

/// Both clocks, read together by whoever may read clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    pub instant: Instant,
    pub timestamp: Timestamp,
}

impl Instant {
    pub const NEVER: Instant = Instant(u64::MAX);

    /// Zero when `earlier` is later.
    pub fn since(self, earlier: Instant) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Instant;
    fn add(self, by: Duration) -> Instant {
        Instant(self.0.saturating_add(by.as_nanos().min(u128::from(u64::MAX)) as u64))
    }
}

impl Sub<Duration> for Instant {
    type Output = Instant;
    fn sub(self, by: Duration) -> Instant {
        Instant(self.0.saturating_sub(by.as_nanos().min(u128::from(u64::MAX)) as u64))
    }
}

/// Why a text is not a Prometheus duration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DurationError(pub String);

impl fmt::Display for DurationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a valid duration string: {:?}", self.0)
    }
}

const UNITS: [(&str, u64); 7] = [
    ("y", 365 * 24 * 3_600_000),
    ("w", 7 * 24 * 3_600_000),
    ("d", 24 * 3_600_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Integers with units in falling order (`1h30m`, `250ms`), or a plain `0`.
// spec: prometheus/common model/time.go, ParseDuration
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let wrong = || DurationError(text.to_owned());
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let (mut rest, mut units, mut total_ms) = (text, &UNITS[..], 0u64);
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number: u64 = rest[..digits].parse().map_err(|_| wrong())?;
        rest = &rest[digits..];
        let letters = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
        let at = units.iter().position(|(name, _)| *name == &rest[..letters]).ok_or_else(wrong)?;
        let ms = number.checked_mul(units[at].1).ok_or_else(wrong)?;
        total_ms = total_ms.checked_add(ms).ok_or_else(wrong)?;
        units = &units[at + 1..];
        rest = &rest[letters..];
    }
    if total_ms > i64::MAX as u64 / 1_000_000 {
        return Err(wrong());
    }
    Ok(Duration::from_millis(total_ms))
}

/// The shortest text that [`parse_duration`] reads back; parts of a millisecond are cut.
pub fn format_duration(duration: Duration) -> String {
    let mut ms = duration.as_millis() as u64;
    if ms == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    for (name, size) in UNITS {
        // Years and weeks only when nothing is left over: `1w1d` is written `8d`, as Prometheus does.
        if matches!(name, "y" | "w") && !ms.is_multiple_of(size) {
            continue;
        }
        if ms >= size {
            text.push_str(&format!("{}{}", ms / size, name));
            ms %= size;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_and_print_as_prometheus_does() {
        for (text, ms) in [
            ("0", 0),
            ("1s", 1000),
            ("1h30m", 5_400_000),
            ("250ms", 250),
            ("1d", 86_400_000),
            ("8d", 691_200_000),
        ] {
            let duration = parse_duration(text).expect(text);
            assert_eq!(duration.as_millis(), ms, "{text}");
            if ms > 0 {
                assert_eq!(format_duration(duration), text);
            }
        }
        for text in ["", "1", "s", "1m1h", "1.5s", "-1s", "1s1s", "99999999999999999y", "1 s"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }
}
