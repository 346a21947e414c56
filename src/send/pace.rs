//! How many connections an endpoint should have: what has to go, against what one connection carries.
//!
//! A connection has one request in flight, so it carries a full request a round trip. What has to go is what comes in,
//! and the backlog within [`CATCH_UP`]. The figure is the field's own ("desired shards"), and so are its reserves: small
//! differences change nothing, and neither does anything while requests fail or nothing is acknowledged.

use core::time::Duration;

use crate::base::Instant;

/// Between two looks at the counts.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A backlog should be gone in so long.
pub const CATCH_UP: Duration = Duration::from_secs(5);
/// Connections go only when there have been too many for so long.
const LINGER: Duration = Duration::from_secs(10);
/// Nothing changes when nothing has been acknowledged for so long.
const SILENT: Duration = Duration::from_secs(10);
/// Part of a new figure in a smoothed one.
const WEIGHT: f64 = 0.2;
/// Within so much of what there is, what is desired is no reason for a change.
const TOLERANCE: f64 = 0.3;

/// Counts of an endpoint at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Counts {
    pub entered: u64,
    pub pending: u64,
    pub acknowledged: u64,
    /// Samples that needed no request: filtered, too old, given up.
    pub lost: u64,
}

#[derive(Debug)]
pub struct Pace {
    /// Connections that there should be.
    pub wish: usize,
    /// The same, unrounded and without bounds.
    pub desired: f64,
    /// Samples of a full request.
    full: f64,
    /// Seconds from a request to its answer; nothing is known before the first.
    round: Option<f64>,
    /// Samples coming in a second.
    arriving: f64,
    looked: Option<(Instant, u64)>,
    /// Since when there have been too many.
    idle_since: Option<Instant>,
    /// Requests have failed: nothing changes before.
    troubled_until: Instant,
    answered_at: Instant,
}

fn smooth(known: &mut f64, new: f64) {
    *known += WEIGHT * (new - *known);
}

impl Pace {
    pub fn new(connections: usize, samples_max: usize) -> Pace {
        Pace {
            wish: connections,
            desired: connections as f64,
            full: samples_max as f64,
            round: None,
            arriving: 0.0,
            looked: None,
            idle_since: None,
            troubled_until: Instant(0),
            answered_at: Instant(0),
        }
    }

    /// Other bounds are in force.
    pub fn bound(&mut self, min: usize, max: usize, samples_max: usize) {
        self.wish = self.wish.clamp(min, max);
        self.full = self.full.min(samples_max as f64);
    }

    /// A request of so many samples was acknowledged after so long; `full`: there was no room for more.
    pub fn answered(&mut self, now: Instant, took: Duration, samples: u64, full: bool) {
        self.answered_at = now;
        smooth(self.round.get_or_insert(took.as_secs_f64()), took.as_secs_f64());
        if full {
            smooth(&mut self.full, samples as f64);
        }
    }

    /// A request failed, and is tried again after `wait`.
    pub fn troubled(&mut self, now: Instant, wait: Duration) {
        self.troubled_until = self.troubled_until.max(now + wait * 2);
    }

    /// True if it is time for [`Pace::look`].
    pub fn is_due(&self, now: Instant) -> bool {
        self.looked.is_none_or(|(at, _)| now.since(at) >= LOOK_EVERY)
    }

    /// Makes up its mind how many connections there should be where there are `present`.
    pub fn look(
        &mut self,
        now: Instant,
        counts: Counts,
        present: usize,
        (min, max): (usize, usize),
    ) {
        let before = self.looked.replace((now, counts.entered));
        let Some((at, entered)) = before else { return };
        let passed = now.since(at).as_secs_f64();
        smooth(&mut self.arriving, counts.entered.saturating_sub(entered) as f64 / passed);
        let Some(round) = self.round else { return };
        let settled = (counts.acknowledged + counts.lost) as f64;
        let kept = if settled > 0.0 { counts.acknowledged as f64 / settled } else { 1.0 };
        let needed = kept * (self.arriving + counts.pending as f64 / CATCH_UP.as_secs_f64());
        self.desired = needed * round / self.full.max(1.0);
        if now < self.troubled_until || now.since(self.answered_at) > SILENT {
            return;
        }
        let (few, many) = (present as f64 * (1.0 - TOLERANCE), present as f64 * (1.0 + TOLERANCE));
        let whole = (self.desired.ceil() as usize).clamp(min, max);
        if self.desired > many {
            self.wish = whole;
        }
        if self.desired >= few {
            self.idle_since = None;
        } else if now.since(*self.idle_since.get_or_insert(now)) >= LINGER {
            self.wish = whole;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks once a second while so many samples arrive and wait; requests take so long.
    struct Link {
        pace: Pace,
        now: Instant,
        entered: u64,
    }

    impl Link {
        fn new() -> Link {
            Link { pace: Pace::new(1, 10_000), now: Instant(1), entered: 0 }
        }

        fn look(&mut self, arriving: u64, pending: u64, present: usize) {
            self.now = self.now + LOOK_EVERY;
            self.entered += arriving;
            assert!(self.pace.is_due(self.now));
            let acknowledged = self.entered - pending.min(self.entered);
            let counts = Counts { entered: self.entered, pending, acknowledged, lost: 0 };
            self.pace.look(self.now, counts, present, (1, 16));
        }

        fn answer(&mut self, ms: u64) {
            self.pace.answered(self.now, Duration::from_millis(ms), 10_000, true);
        }
    }

    #[test]
    fn a_backlog_over_a_long_way_asks_for_as_many_as_carry_it_off_in_time() {
        for (ms, pending, wish) in [(1, 3_000_000, 1), (100, 3_000_000, 6), (100, 60_000, 1)] {
            let mut link = Link::new();
            link.look(0, pending, 1);
            link.answer(ms);
            link.look(0, pending, 1);
            assert_eq!(link.pace.wish, wish, "{ms} ms, {pending} samples");
        }
        let mut link = Link::new();
        link.look(0, 1 << 40, 1);
        link.answer(100);
        link.look(0, 1 << 40, 1);
        assert_eq!(link.pace.wish, 16, "bounded");
        assert!(link.pace.desired > 1e6, "and honest");
    }

    #[test]
    fn connections_go_only_after_a_while_and_a_little_more_or_less_changes_nothing() {
        let mut link = Link::new();
        link.look(0, 0, 8);
        link.answer(100);
        link.pace.wish = 8;
        for second in 0..10 {
            link.answer(100);
            link.look(1000, 0, 8);
            assert_eq!(link.pace.wish, 8, "after {second} s");
        }
        link.answer(100);
        link.look(1000, 0, 8);
        assert_eq!(link.pace.wish, 1);
        for pending in [40_000u64, 62_000] {
            link.answer(100);
            link.pace.arriving = 0.0;
            link.look(0, pending, 1);
            assert_eq!(link.pace.wish, 1, "{pending}");
        }
    }

    #[test]
    fn nothing_changes_while_requests_fail_or_nothing_is_answered() {
        let mut link = Link::new();
        link.look(0, 3_000_000, 1);
        link.answer(100);
        link.pace.troubled(link.now, Duration::from_secs(2));
        for second in 1..=3 {
            link.look(0, 3_000_000, 1);
            assert_eq!(link.pace.wish, 1, "after {second} s of four");
        }
        link.look(0, 3_000_000, 1);
        assert_eq!(link.pace.wish, 6);
        let mut link = Link::new();
        link.answer(100);
        link.now = link.now + SILENT;
        link.look(0, 0, 1);
        link.look(0, 3_000_000, 1);
        assert_eq!(link.pace.wish, 1);
    }

    #[test]
    fn what_needs_no_request_needs_no_connections() {
        let mut pace = Pace::new(1, 100);
        let now = Instant(1);
        pace.answered(now, Duration::from_millis(100), 100, true);
        let counts = Counts { entered: 0, pending: 100_000, acknowledged: 10, lost: 990 };
        pace.look(now, counts, 1, (1, 16));
        pace.look(now + LOOK_EVERY, counts, 1, (1, 16));
        assert!((pace.desired - 0.2).abs() < 1e-9, "{}", pace.desired);
    }
}
