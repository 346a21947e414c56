//! The three date forms of HTTP.

use crate::base::Timestamp;

const DAY_S: i64 = 86_400;
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Seconds since the epoch. `now` settles the century of a two-digit year. Week days are not checked.
// spec: RFC 9110 §5.6.7
pub(crate) fn http_date(text: &str, now: Timestamp) -> Option<i64> {
    let mut words = text.split_ascii_whitespace();
    let first = words.next()?;
    let (day, month, year, clock, zone) = if first.ends_with(',') {
        let second = words.next()?;
        match second.split_once('-') {
            // Sunday, 06-Nov-94 08:49:37 GMT
            Some((day, rest)) => {
                let (month, year) = rest.split_once('-')?;
                let year = full_year(number(year, 2)?, now);
                (day, month, year, words.next()?, words.next()?)
            }
            // Sun, 06 Nov 1994 08:49:37 GMT
            None => {
                let (month, year) = (words.next()?, number(words.next()?, 4)?);
                (second, month, year, words.next()?, words.next()?)
            }
        }
    } else {
        // Sun Nov  6 08:49:37 1994
        let (month, day, clock) = (words.next()?, words.next()?, words.next()?);
        (day, month, number(words.next()?, 4)?, clock, "GMT")
    };
    if zone != "GMT" || words.next().is_some() {
        return None;
    }
    let month = (1..).zip(MONTHS).find_map(|(index, name)| (name == month).then_some(index))?;
    let day = number(day, 2).filter(|day| (1..=days_in_month(year, month)).contains(day))?;
    days_from_epoch(year, month, day).checked_mul(DAY_S)?.checked_add(seconds_of_day(clock)?)
}

/// `HH:MM:SS`; a leap second is the second after.
fn seconds_of_day(clock: &str) -> Option<i64> {
    let mut parts = clock.split(':');
    let mut part = |bound: i64| number(parts.next()?, 2).filter(|value| *value <= bound);
    let (hours, minutes, seconds) = (part(23)?, part(59)?, part(60)?);
    match parts.next() {
        Some(_) => None,
        None => {
            hours.checked_mul(3600)?.checked_add(minutes.checked_mul(60)?)?.checked_add(seconds)
        }
    }
}

/// At most `digits` digits and nothing else.
fn number(text: &str, digits: usize) -> Option<i64> {
    let plain =
        (1..=digits).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

/// A two-digit year that looks more than 50 years ahead is in the past.
fn full_year(two_digits: i64, now: Timestamp) -> i64 {
    let this_year =
        (now.0 / 1000 / DAY_S).saturating_mul(400).div_euclid(146_097).saturating_add(1970);
    let century = this_year.div_euclid(100).saturating_mul(100);
    let year = century.saturating_add(two_digits);
    if year > this_year.saturating_add(50) { year.saturating_sub(100) } else { year }
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 in the Gregorian calendar; years have at most four digits here, so nothing can overflow.
#[expect(clippy::arithmetic_side_effects, reason = "year ≤ 9999, month ≤ 12, day ≤ 31")]
fn days_from_epoch(year: i64, month: i64, day: i64) -> i64 {
    let before = year - 1;
    let years =
        before * 365 + before.div_euclid(4) - before.div_euclid(100) + before.div_euclid(400);
    let months: i64 = (1..month).map(|month| days_in_month(year, month)).sum();
    // 719,162 days lie between 0001-01-01 and 1970-01-01.
    years + months + day - 1 - 719_162
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_three_forms_name_the_same_moment() {
        let now = Timestamp(1_790_000_000_000);
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
        ] {
            assert_eq!(http_date(text, now), Some(784_111_777), "{text}");
        }
    }

    #[test]
    fn days_are_counted_as_the_calendar_does() {
        let now = Timestamp(0);
        for (text, seconds) in [
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
            ("Wed, 31 Dec 1969 23:59:59 GMT", -1),
            ("Tue, 29 Feb 2000 00:00:00 GMT", 951_782_400),
            ("Wed, 31 Dec 2036 23:59:60 GMT", 2_114_380_800),
            ("Fri, 01 Mar 2024 12:00:00 GMT", 1_709_294_400),
        ] {
            assert_eq!(http_date(text, now), Some(seconds), "{text}");
        }
    }

    #[test]
    fn a_two_digit_year_is_the_nearest_that_is_not_far_ahead() {
        let now = Timestamp(1_790_000_000_000); // 2026
        let year = |text: &str| http_date(&format!("Sunday, 01-Jan-{text} 00:00:00 GMT"), now);
        assert_eq!(year("27"), Some(1_798_761_600));
        assert_eq!(year("76").map(|seconds| seconds > 0), Some(true));
        assert_eq!(year("77"), Some(220_924_800));
    }

    #[test]
    fn what_is_not_a_date_is_none() {
        for text in [
            "",
            "yesterday",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 06 Nov 1994 08:49:37 CET",
            "Sun, 06 Nov 1994 08:49:37 GMT x",
            "Sun, 31 Feb 1994 08:49:37 GMT",
            "Sun, 00 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 24:49:37 GMT",
            "Sun, 06 Nov 1994 08:49 GMT",
            "Sun, 06 Nov 1994 08:49:37:00 GMT",
            "Sun, 06 Foo 1994 08:49:37 GMT",
            "Sun, +6 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 19940 08:49:37 GMT",
        ] {
            assert_eq!(http_date(text, Timestamp(0)), None, "{text}");
        }
    }
}
