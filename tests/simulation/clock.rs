//! The two clocks of the simulated machine, and what is to happen when.

use std::collections::BTreeMap;
use std::time::Duration;

use corelane::base::{Instant, Now, Timestamp};

/// Monotonic time goes on by itself; the wall clock is that plus an offset which may jump.
#[derive(Debug)]
pub struct Clock {
    pub instant: Instant,
    /// Since when wall time is so many milliseconds ahead, oldest first; never empty.
    offsets: Vec<(Instant, i64)>,
    /// The highest wall time ever shown: below it, new samples may be older than appended ones.
    pub highest: Timestamp,
}

impl Clock {
    pub fn new(start_ms: i64) -> Clock {
        Clock {
            instant: Instant(1_000_000),
            offsets: vec![(Instant(0), start_ms)],
            highest: Timestamp(start_ms),
        }
    }

    pub fn now(&self) -> Now {
        Now { instant: self.instant, timestamp: self.wall_at(self.instant) }
    }

    /// What the wall clock showed.
    pub fn wall_at(&self, instant: Instant) -> Timestamp {
        let before = self.offsets.partition_point(|(since, _)| *since <= instant);
        Timestamp((instant.0 / 1_000_000) as i64 + self.offsets[before - 1].1)
    }

    pub fn advance(&mut self, to: Instant) {
        assert!(to >= self.instant, "simulated time went backwards");
        self.highest = self.highest.max(self.now().timestamp);
        self.instant = to;
        self.highest = self.highest.max(self.now().timestamp);
    }

    pub fn jump(&mut self, by_ms: i64) {
        let (_, offset) = self.offsets[self.offsets.len() - 1];
        self.offsets.push((self.instant, offset + by_ms));
    }
}

/// What is to happen, in order of time and, within one moment, of entry.
#[derive(Debug)]
pub struct Agenda<T> {
    entries: BTreeMap<(Instant, u64), T>,
    entered: u64,
}

impl<T> Agenda<T> {
    pub fn new() -> Agenda<T> {
        Agenda { entries: BTreeMap::new(), entered: 0 }
    }

    pub fn at(&mut self, when: Instant, what: T) {
        self.entered += 1;
        self.entries.insert((when, self.entered), what);
    }

    /// The next entry not later than `until`.
    pub fn next(&mut self, until: Instant) -> Option<(Instant, T)> {
        let first = self.entries.first_entry().filter(|entry| entry.key().0 <= until)?;
        let when = first.key().0;
        Some((when, first.remove()))
    }
}

pub fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

pub fn us(n: u64) -> Duration {
    Duration::from_micros(n)
}
