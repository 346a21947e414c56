//! The public suite's cases about answers, rebuilt: a scrape a second, a receiver that always answers the same, and how
//! many requests come when.

use super::*;

/// Begins of requests in the first so many seconds, in milliseconds, from an endpoint that has never acknowledged
/// anything.
fn begins(message: RemoteMessage, seconds: u64, status: u16, after: &'static str) -> Vec<u64> {
    let mut bench = Bench::new(10);
    let plan = EndpointPlan { message, retry_429: false, ..plan() };
    bench.with(|endpoint, outlook| endpoint.set_plan(plan, false, outlook.dialer));
    bench.after = after;
    let mut begins = Vec::new();
    for second in 0..seconds {
        bench.commit(second as i64 * 1000, 0..10);
        let end = Instant(0) + Duration::from_secs(second + 1);
        while bench.endpoint.wake(bench.now) < end {
            bench.run(1, |_, bench| {
                begins.push(bench.now.since(Instant(0)).as_millis() as u64);
                Answer(status, false)
            });
        }
        bench.now = bench.now.max(end);
    }
    bench.balances();
    begins.retain(|at| *at < seconds * 1000);
    begins
}

// spec: remote-write 1.0 and 2.0: MUST NOT retry on 4xx other than 429; conformance 1.2, retry
#[test]
fn a_request_refused_for_good_is_not_hammered_in() {
    for message in RemoteMessage::ALL {
        for status in [400, 401, 403, 404, 409, 413, 422, 429, 451] {
            let begins = begins(message, 8, status, "");
            assert!((1..=2).contains(&begins.len()), "{message:?} {status}: {begins:?}");
        }
    }
}

// spec: remote-write 1.0 and 2.0: MUST retry on 5xx, MUST back off; conformance 1.2, backoff
#[test]
fn what_may_pass_is_tried_again_at_growing_intervals() {
    for message in RemoteMessage::ALL {
        for status in [500, 502, 503, 504] {
            let begins = begins(message, 20, status, "");
            assert!(begins.len() >= 3, "{message:?} {status}: {begins:?}");
            let gaps: Vec<u64> = begins.windows(2).map(|pair| pair[1] - pair[0]).collect();
            assert!(gaps.iter().all(|gap| (1..=60_000).contains(gap)), "{gaps:?}");
            let grows = |pair: &[u64]| pair[1] * 10 >= pair[0] * 8;
            assert!(gaps.windows(2).all(grows), "{gaps:?}");
        }
    }
}

// spec: remote-write 2.0: a sender SHOULD honour Retry-After; RW-33
#[test]
fn a_receiver_that_says_when_is_asked_then() {
    let begins = begins(RemoteMessage::V2, 20, 503, "Retry-After: 3\r\n");
    let gaps: Vec<u64> = begins.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(gaps.len() >= 5 && gaps.iter().all(|gap| *gap >= 3000), "{gaps:?}");
}
