//! What an answer means. The only place that knows.

use core::time::Duration;

use crate::model::{StatusAction, StatusPolicy};

/// What happens to the samples of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Acknowledge,
    /// The same request again, after a backoff or what the endpoint asks for.
    Retry {
        after: Option<Duration>,
    },
    /// The endpoint will not have us now (credentials, routing, a redirect that we do not follow): keep everything,
    /// ask rarely.
    Hold,
    /// Too large: send less at once, and remember.
    Halve,
    /// Something in it is refused: find out what.
    Isolate,
    /// Refused for good.
    Drop,
}

/// What an answer with this status means. `policy` goes before all but a 2xx.
///
/// `acquainted`: the endpoint has acknowledged something before, in this run or, by its cursor, in an earlier one.
// spec: remote-write 1.0 and 2.0, retries: 5xx are retried, 4xx are not but for 429; RW-30…RW-33. Beyond them, on
// evidence: 408, 401/403/404/407 and 413 are survivable, and a 400 from an endpoint that knows us is about single
// samples (duplicates after a resend among them).
pub fn verdict(
    status: u16,
    policy: &StatusPolicy,
    retry_429: bool,
    after: Option<Duration>,
    acquainted: bool,
) -> Verdict {
    if let Some(action) = policy.action(status) {
        return match action {
            StatusAction::Drop => Verdict::Drop,
            StatusAction::Hold => Verdict::Hold,
            StatusAction::Isolate => Verdict::Isolate,
            StatusAction::Retry => Verdict::Retry { after },
        };
    }
    match status {
        200..=299 => Verdict::Acknowledge,
        408 | 500..=599 => Verdict::Retry { after },
        429 if retry_429 => Verdict::Retry { after },
        300..=399 | 401 | 403 | 404 | 407 => Verdict::Hold,
        413 => Verdict::Halve,
        400 | 409 | 422 if acquainted => Verdict::Isolate,
        _ => Verdict::Drop,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_of_status_has_its_verdict() {
        let retry = Verdict::Retry { after: None };
        let usual = StatusPolicy::default();
        for (status, wanted) in [
            (200, Verdict::Acknowledge),
            (204, Verdict::Acknowledge),
            (299, Verdict::Acknowledge),
            (301, Verdict::Hold),
            (400, Verdict::Isolate),
            (401, Verdict::Hold),
            (403, Verdict::Hold),
            (404, Verdict::Hold),
            (407, Verdict::Hold),
            (408, retry),
            (409, Verdict::Isolate),
            (413, Verdict::Halve),
            (415, Verdict::Drop),
            (422, Verdict::Isolate),
            (429, retry),
            (500, retry),
            (503, retry),
            (599, retry),
            (999, Verdict::Drop),
        ] {
            assert_eq!(verdict(status, &usual, true, None, true), wanted, "{status}");
        }
        for status in [400, 409, 422] {
            assert_eq!(verdict(status, &usual, true, None, false), Verdict::Drop);
        }
        assert_eq!(verdict(429, &usual, false, None, true), Verdict::Drop);
        let after = Some(Duration::from_secs(7));
        assert_eq!(verdict(503, &usual, true, after, true), Verdict::Retry { after });
    }

    #[test]
    fn what_is_configured_goes_before_what_is_usual() {
        let after = Some(Duration::from_secs(7));
        for (action, wanted) in [
            (StatusAction::Drop, Verdict::Drop),
            (StatusAction::Hold, Verdict::Hold),
            (StatusAction::Isolate, Verdict::Isolate),
            (StatusAction::Retry, Verdict::Retry { after }),
        ] {
            for status in [301, 400, 404, 413, 429, 503] {
                let policy = StatusPolicy(vec![(status, action)]);
                assert_eq!(verdict(status, &policy, false, after, false), wanted, "{status}");
                let other = verdict(status + 1, &policy, false, after, false);
                let usual = StatusPolicy::default();
                assert_eq!(other, verdict(status + 1, &usual, false, after, false));
            }
        }
    }
}
