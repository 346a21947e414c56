//! What is remembered of each series that is pushed: its last sample, so that one that comes again is known, and when that
//! was, so that it is not forgotten between two pushes.

use crate::base::Instant;
use crate::model::SeriesRef;

/// By ref: columns.
#[derive(Debug, Default)]
pub(super) struct Known {
    last: Vec<(i64, u64)>,
    /// Seconds since the start, and one; 0: never.
    touched: Vec<u32>,
}

/// A series is kept so long after a push, whatever the log still holds of it.
const KEPT_SECONDS: u32 = 600;

impl Known {
    /// Something of the series is pushed.
    pub(super) fn touch(&mut self, series: SeriesRef, now: Instant) {
        let slot = series.0 as usize;
        if slot >= self.touched.len() {
            self.touched.resize(slot.saturating_add(1), 0);
            self.last.resize(slot.saturating_add(1), (i64::MIN, 0));
        }
        if let Some(touched) = self.touched.get_mut(slot) {
            *touched = seconds(now);
        }
    }

    /// A sample that is about to be offered to the log; `mark` is what makes two of one time equal.
    pub(super) fn offer(&mut self, series: SeriesRef, time: i64, mark: u64) {
        if let Some(last) = self.last.get_mut(series.0 as usize)
            && time > last.0
        {
            *last = (time, mark);
        }
    }

    /// Whether the sample of this time that the log has may be this one: it is not known to be another.
    pub(super) fn may_be(&self, series: SeriesRef, time: i64, mark: u64) -> bool {
        self.last.get(series.0 as usize).is_none_or(|last| last.0 != time || last.1 == mark)
    }

    /// Series that were pushed not long ago.
    pub(super) fn recent(&self, now: Instant) -> impl Iterator<Item = SeriesRef> {
        let now = seconds(now);
        let touched = self.touched.iter().zip(0u32..);
        let fresh = move |touched: u32| touched > 0 && now.saturating_sub(touched) < KEPT_SECONDS;
        touched.filter(move |(touched, _)| fresh(**touched)).map(|(_, slot)| SeriesRef(slot))
    }
}

fn seconds(now: Instant) -> u32 {
    u32::try_from(now.0 / 1_000_000_000).unwrap_or(u32::MAX).saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_sample_is_known_by_its_mark_and_series_are_kept_for_a_while() {
        let mut known = Known::default();
        let (series, second) = (SeriesRef(3), 1_000_000_000);
        assert!(known.may_be(series, 1, 9));
        known.touch(series, Instant(5 * second));
        known.offer(series, 10, 1);
        known.offer(series, 10, 2);
        known.offer(series, 9, 3);
        assert!(known.may_be(series, 10, 1) && !known.may_be(series, 10, 2));
        assert!(known.may_be(series, 9, 7), "what it was then is not known any more");
        let recent = |at: u64| known.recent(Instant(at * second)).collect::<Vec<_>>();
        assert_eq!((recent(600), recent(606)), (vec![series], vec![]));
    }
}
