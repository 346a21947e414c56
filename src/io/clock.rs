//! The only reader of clocks on the data path.
#![expect(clippy::disallowed_methods, reason = "this is where the clocks are read")]

use std::time::{SystemTime, UNIX_EPOCH};

use crate::base::{Instant, Now, Timestamp};

/// One monotonic start shared by all cores of the process, so that their instants compare.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: std::time::Instant,
}

impl Clock {
    /// Instants count from here.
    pub fn start() -> Clock {
        Clock { start: std::time::Instant::now() }
    }

    /// Both clocks, read together.
    pub fn now(&self) -> Now {
        // A wall clock before 1970 reads as 0.
        let epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let timestamp = Timestamp(i64::try_from(epoch.as_millis()).unwrap_or(i64::MAX));
        Now { instant: self.instant(), timestamp }
    }

    pub(super) fn instant(&self) -> Instant {
        // 2⁶⁴ ns are 584 years.
        Instant(self.start.elapsed().as_nanos() as u64)
    }
}
