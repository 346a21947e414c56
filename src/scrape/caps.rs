//! Caps on series, of a target and of a job: what is there stays, what is new comes in while there is room, and only the
//! rest is refused.
//!
//! A place that a vanished series leaves is free from the next page on, so that no order of lines can put more series
//! into the log than allowed.

use std::collections::HashSet;

use crate::model::SeriesRef;

/// The places of one job on this core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Never less than what is taken.
    pub limit: u64,
    pub taken: u64,
}

impl Quota {
    /// So many places, or any number.
    pub fn new(limit: Option<u64>) -> Quota {
        Quota { limit: limit.unwrap_or(u64::MAX), taken: 0 }
    }
}

/// The places of one target.
#[derive(Debug, Default)]
pub struct Caps {
    /// Series of the last good page that have a place, sorted.
    kept: Vec<SeriesRef>,
    /// Those that got one on the present page.
    fresh: HashSet<SeriesRef>,
    /// Lines of the present page that found none.
    pub refused: u64,
    /// Of the last page that was good.
    pub refused_last: u64,
}

/// What a page may ask of both.
#[derive(Debug)]
pub struct Room<'a> {
    pub caps: &'a mut Caps,
    pub quota: &'a mut Quota,
    /// Of the target; `u64::MAX` for none.
    pub limit: u64,
}

impl Room<'_> {
    /// True if a series without a place may have one.
    pub fn is_left(&self) -> bool {
        let taken = (self.caps.kept.len() + self.caps.fresh.len()) as u64;
        taken < self.limit && self.quota.taken < self.quota.limit
    }

    /// True if a series that is known by this ref, or not at all yet, may be stored.
    pub fn admits(&self, known: Option<SeriesRef>) -> bool {
        let has = |series: SeriesRef| {
            self.caps.kept.binary_search(&series).is_ok() || self.caps.fresh.contains(&series)
        };
        known.is_some_and(has) || self.is_left()
    }

    /// The series is stored.
    pub fn take(&mut self, series: SeriesRef) {
        if self.caps.kept.binary_search(&series).is_err() && self.caps.fresh.insert(series) {
            self.quota.taken += 1;
        }
    }
}

impl Caps {
    /// The page was good: these have places now.
    pub fn accept(&mut self, series: impl Iterator<Item = SeriesRef>, quota: &mut Quota) {
        self.release(quota);
        self.kept = series.collect();
        self.kept.sort_unstable();
        self.kept.dedup();
        quota.taken += self.kept.len() as u64;
        self.refused_last = core::mem::take(&mut self.refused);
    }

    /// The page failed: its new series are not stored.
    pub fn reject(&mut self, quota: &mut Quota) {
        quota.taken -= self.fresh.len() as u64;
        self.fresh.clear();
        self.refused = 0;
    }

    /// Other limits are in force: of these series, as many as may stay have a place.
    pub fn begin(
        &mut self,
        series: impl Iterator<Item = SeriesRef>,
        limit: u64,
        quota: &mut Quota,
    ) {
        self.release(quota);
        let mut room = Room { caps: self, quota, limit };
        for series in series {
            if !room.is_left() {
                break;
            }
            room.take(series);
        }
        self.kept = core::mem::take(&mut self.fresh).into_iter().collect();
        self.kept.sort_unstable();
    }

    /// The target is gone.
    pub fn release(&mut self, quota: &mut Quota) {
        quota.taken -= (self.kept.len() + self.fresh.len()) as u64;
        self.kept = Vec::new();
        self.fresh = HashSet::new();
    }

    /// Forgets the places without giving them back.
    pub fn forget(&mut self) {
        *self = Caps::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refs(numbers: &[u32]) -> impl Iterator<Item = SeriesRef> {
        numbers.iter().map(|number| SeriesRef(*number))
    }

    /// Shows a page of series; gives those that are stored.
    fn page(caps: &mut Caps, quota: &mut Quota, limit: u64, series: &[u32]) -> Vec<u32> {
        let mut room = Room { caps, quota, limit };
        let mut stored = Vec::new();
        for &number in series {
            if room.admits(Some(SeriesRef(number))) {
                room.take(SeriesRef(number));
                stored.push(number);
            }
        }
        caps.accept(refs(&stored), quota);
        stored
    }

    #[test]
    fn what_is_there_stays_and_only_the_excess_goes() {
        let (mut caps, mut quota) = (Caps::default(), Quota::new(None));
        assert_eq!(page(&mut caps, &mut quota, 3, &[1, 2, 3, 4]), [1, 2, 3]);
        assert_eq!(page(&mut caps, &mut quota, 3, &[4, 5, 3, 2, 1, 1]), [3, 2, 1, 1]);
        // The place of 3 is free only when its end is certain.
        assert_eq!(page(&mut caps, &mut quota, 3, &[4, 1, 2]), [1, 2]);
        assert_eq!(page(&mut caps, &mut quota, 3, &[4, 1, 2]), [4, 1, 2]);
        assert_eq!((quota.taken, caps.kept.len()), (3, 3));
    }

    #[test]
    fn targets_of_a_job_share_its_places_and_give_them_back() {
        let mut quota = Quota { limit: 4, taken: 0 };
        let (mut first, mut second) = (Caps::default(), Caps::default());
        assert_eq!(page(&mut first, &mut quota, u64::MAX, &[1, 2, 3]), [1, 2, 3]);
        assert_eq!(page(&mut second, &mut quota, u64::MAX, &[11, 12]), [11]);
        let mut room = Room { caps: &mut first, quota: &mut quota, limit: u64::MAX };
        assert!(!room.admits(None) && room.admits(Some(SeriesRef(2))));
        room.take(SeriesRef(2));
        first.reject(&mut quota);
        assert_eq!(quota.taken, 4);
        first.release(&mut quota);
        assert_eq!(page(&mut second, &mut quota, u64::MAX, &[11, 12, 13]), [11, 12, 13]);
        // A lower limit takes the last ones' places.
        second.begin(refs(&[11, 12, 13]), 2, &mut quota);
        assert_eq!((second.kept.len(), quota.taken), (2, 2));
        assert_eq!(page(&mut second, &mut quota, 2, &[13, 11, 12]), [11, 12]);
    }
}
