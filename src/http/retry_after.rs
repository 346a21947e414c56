//! When a remote wants to be asked again.

use core::time::Duration;

use crate::base::Timestamp;
use crate::http::date::http_date;

/// What a `Retry-After` value asks to wait from `now` on; zero for a date that has passed, `None` if it is neither
/// seconds nor a date. The caller bounds it.
// spec: RFC 9110 §10.2.3, RW-33
pub fn retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim_ascii();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        return value.parse().ok().map(Duration::from_secs);
    }
    let wait_ms = http_date(value, now)?.checked_mul(1000)?.saturating_sub(now.0);
    Some(Duration::from_millis(u64::try_from(wait_ms).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_dates_are_waits_from_now() {
        let now = Timestamp(784_111_777_250);
        for (value, wanted) in [
            ("0", Some(Duration::ZERO)),
            (" 120 ", Some(Duration::from_secs(120))),
            ("Sun, 06 Nov 1994 08:49:40 GMT", Some(Duration::from_millis(2750))),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(Duration::ZERO)),
            ("-1", None),
            ("1.5", None),
            ("", None),
            ("soon", None),
            ("99999999999999999999999", None),
        ] {
            assert_eq!(retry_after(value, now), wanted, "{value:?}");
        }
        assert_eq!(
            retry_after("Fri, 31 Dec 9999 23:59:59 GMT", Timestamp(i64::MIN)),
            Some(Duration::from_millis(i64::MAX as u64))
        );
    }
}
