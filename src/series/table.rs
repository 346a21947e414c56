//! Labels → ref, and per ref: newest timestamp, place of the labels, segment of the newest sample.

use core::marker::PhantomData;
use std::collections::{BTreeMap, BTreeSet};

use crate::base::Timestamp;
use crate::base::seeded_hash;
use crate::model::SeriesRef;
use crate::series::index::Index;
use crate::wal::{At, Dictionary, Full, Seq};

/// All series of one log. Columns, so that checking a scrape's timestamps touches few bytes a series.
#[derive(Debug)]
pub struct Table {
    /// Newest timestamp, in milliseconds since `base`; or [`NOTHING`], or [`ELSEWHERE`].
    newest: Vec<u32>,
    base: i64,
    /// How often a timestamp was too far from the base, since that was chosen.
    distant: u64,
    /// Newest timestamps that are too far from the base.
    elsewhere: BTreeMap<u32, i64>,
    at: Vec<At>,
    hashes: Vec<u32>,
    /// Segment of the newest sample, `Seq(0)` for a free ref.
    segments: Vec<Seq>,
    /// Lane of the target that the series was first met on.
    homes: Vec<u8>,
    index: Index,
    free: Vec<u32>,
    seed: u64,
    pub created: u64,
    pub forgotten: u64,
    _here: PhantomData<*const ()>,
}

/// Newest timestamp of a series that has none.
const NONE: i64 = i64::MIN;
/// Instead of milliseconds: there is none.
const NOTHING: u32 = 0;
/// It is among those that are too far from the base.
const ELSEWHERE: u32 = u32::MAX;
/// How far before a timestamp the base is put: 25 days.
const STRIDE: i64 = 1 << 31;

impl Table {
    pub fn new(seed: u64) -> Table {
        Table {
            newest: Vec::new(),
            base: NONE,
            distant: 0,
            elsewhere: BTreeMap::new(),
            at: Vec::new(),
            hashes: Vec::new(),
            segments: Vec::new(),
            homes: Vec::new(),
            index: Index::new(),
            free: Vec::new(),
            seed,
            created: 0,
            forgotten: 0,
            _here: PhantomData,
        }
    }

    /// Series held.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The ref of these packed labels; defines them in the dictionary if they are new (then the flag is true).
    /// `home` is the lane of who asks; a known series keeps its own, and so it does its description, for which see
    /// `Descriptions`. `segment` is where its first sample will go at the
    /// earliest.
    pub fn intern(
        &mut self,
        dictionary: &mut Dictionary,
        labels: &[u8],
        home: u8,
        about: u16,
        segment: Seq,
        now: Timestamp,
    ) -> Result<(SeriesRef, bool), Full> {
        let hash = seeded_hash(self.seed, labels) as u32;
        let known = self.index.find(hash, |candidate| {
            let slot = candidate as usize;
            self.hashes[slot] == hash && dictionary.labels(self.at[slot]) == labels
        });
        if let Some(found) = known {
            let last = &mut self.segments[found as usize];
            *last = segment.max(*last);
            return Ok((SeriesRef(found), false));
        }
        let series = self.free.last().copied().unwrap_or(self.newest.len() as u32);
        let at = dictionary.define_described(SeriesRef(series), home, about, labels, now)?;
        self.free.pop();
        self.place(series, hash, home, at, segment);
        self.created += 1;
        Ok((SeriesRef(series), true))
    }

    /// The ref of these packed labels, if they have one.
    pub fn find(&self, dictionary: &Dictionary, labels: &[u8]) -> Option<SeriesRef> {
        let hash = seeded_hash(self.seed, labels) as u32;
        let found = self.index.find(hash, |candidate| {
            let slot = candidate as usize;
            self.hashes[slot] == hash && dictionary.labels(self.at[slot]) == labels
        });
        found.map(SeriesRef)
    }

    /// A definition read back from the dictionary. The last one of a ref holds; gives the place of the one before.
    pub fn recover(
        &mut self,
        series: SeriesRef,
        home: u8,
        at: At,
        labels: &[u8],
        segment: Seq,
    ) -> Option<At> {
        let before = self.at(series);
        self.remove(series);
        self.place(series.0, seeded_hash(self.seed, labels) as u32, home, at, segment);
        before
    }

    /// After dictionary and log have been read. Only refs that were forgotten in so many words may be given out again;
    /// one below `bound` that merely has no definition may stand in a record whose definition was lost, and its samples
    /// must not go out under another's labels.
    pub fn recovered(&mut self, forgotten: &BTreeSet<u32>, bound: u32) {
        self.grow(self.segments.len().max(bound as usize));
        let free = |series: &&u32| self.segments.get(**series as usize) == Some(&Seq(0));
        self.free = forgotten.iter().rev().filter(free).copied().collect();
    }

    fn grow(&mut self, len: usize) {
        self.newest.resize(len, NOTHING);
        self.at.resize(len, At(0));
        self.hashes.resize(len, 0);
        self.segments.resize(len, Seq(0));
        self.homes.resize(len, 0);
    }

    /// Forgets the ref; it is not given out before [`Table::release`].
    pub fn remove(&mut self, series: SeriesRef) {
        let slot = series.0 as usize;
        if self.segments.get(slot).is_none_or(|&segment| segment == Seq(0)) {
            return;
        }
        self.index.remove(self.hashes[slot], series.0, &self.hashes);
        self.segments[slot] = Seq(0);
        self.set_newest(slot, NONE);
    }

    /// Lets a removed ref be given out again.
    pub fn release(&mut self, series: SeriesRef) {
        self.free.push(series.0);
        self.forgotten += 1;
    }

    /// Where the labels are; `None` for a ref without definition.
    pub fn at(&self, series: SeriesRef) -> Option<At> {
        let slot = series.0 as usize;
        match self.segments.get(slot) {
            Some(&segment) if segment != Seq(0) => Some(self.at[slot]),
            _ => None,
        }
    }

    /// The lane that samples of the series go by, whichever target they are of: two lanes would not keep their order.
    #[inline]
    pub fn home(&self, series: SeriesRef) -> u8 {
        self.homes[series.0 as usize]
    }

    /// Newest timestamp of the series, in milliseconds; `i64::MIN` if it has none.
    pub fn newest_of(&self, series: SeriesRef) -> i64 {
        let slot = series.0 as usize;
        if slot < self.newest.len() { self.newest(slot) } else { i64::MIN }
    }

    /// A sample of the series may be in this segment.
    pub fn reached(&mut self, series: SeriesRef, segment: Seq) {
        let last = &mut self.segments[series.0 as usize];
        *last = segment.max(*last);
    }

    /// The dictionary was cleaned and holds these labels elsewhere now.
    pub fn moved(&mut self, series: SeriesRef, at: At) {
        self.at[series.0 as usize] = at;
    }

    /// True if `timestamp` is newer than all before it, or at most `window` older: then the sample may be appended,
    /// and counts as appended. Equal timestamps are never accepted twice in a row.
    // spec: DB-11, DB-12, DB-20
    #[inline]
    pub fn admit(
        &mut self,
        series: SeriesRef,
        timestamp: i64,
        window_ms: i64,
        segment: Seq,
    ) -> Admission {
        let slot = series.0 as usize;
        let newest = self.newest(slot);
        if timestamp > newest {
            self.set_newest(slot, timestamp);
            self.segments[slot] = segment;
            return Admission::Admitted;
        }
        if timestamp == newest {
            return Admission::Duplicate;
        }
        if window_ms > 0 && timestamp > newest.saturating_sub(window_ms) {
            self.segments[slot] = segment;
            return Admission::Admitted;
        }
        Admission::OutOfOrder
    }

    /// True if [`Table::admit`] would find a sample of this time out of order.
    pub fn is_late(&self, series: SeriesRef, timestamp: i64, window_ms: i64) -> bool {
        let newest = self.newest_of(series);
        timestamp < newest && (window_ms == 0 || timestamp <= newest.saturating_sub(window_ms))
    }

    /// A sample found in the log at start.
    pub fn recover_sample(&mut self, series: SeriesRef, timestamp: i64) {
        let slot = series.0 as usize;
        if slot < self.newest.len() && self.segments[slot] != Seq(0) {
            self.set_newest(slot, self.newest(slot).max(timestamp));
        }
    }

    /// Refs whose newest sample lies in a segment below `oldest` and for which `pinned` does not hold.
    pub fn outlived(&self, oldest: Seq, pinned: impl Fn(SeriesRef) -> bool) -> Vec<SeriesRef> {
        (0..self.segments.len() as u32)
            .map(SeriesRef)
            .filter(|&series| {
                let segment = self.segments[series.0 as usize];
                segment != Seq(0) && segment < oldest && !pinned(series)
            })
            .collect()
    }

    /// One more than the highest ref ever given out.
    pub fn bound(&self) -> usize {
        self.newest.len()
    }

    #[inline]
    fn newest(&self, slot: usize) -> i64 {
        match self.newest[slot] {
            NOTHING => NONE,
            ELSEWHERE => self.elsewhere.get(&(slot as u32)).copied().unwrap_or(NONE),
            since => self.base + i64::from(since),
        }
    }

    #[inline]
    fn set_newest(&mut self, slot: usize, timestamp: i64) {
        match self.near(timestamp) {
            Some(since) if self.newest[slot] != ELSEWHERE => self.newest[slot] = since,
            _ => self.set_distant(slot, timestamp),
        }
    }

    /// Milliseconds since the base, if there is room for them.
    #[inline]
    fn near(&self, timestamp: i64) -> Option<u32> {
        let since = u32::try_from(timestamp.checked_sub(self.base)?).ok()?;
        (since != NOTHING && since != ELSEWHERE).then_some(since)
    }

    /// A timestamp that is far from the base, or of a series whose last one was.
    #[cold]
    fn set_distant(&mut self, slot: usize, timestamp: i64) {
        if self.newest[slot] == ELSEWHERE {
            self.elsewhere.remove(&(slot as u32));
        }
        self.newest[slot] = NOTHING;
        if timestamp == NONE {
            return;
        }
        if self.near(timestamp).is_none() {
            self.distant += 1;
            let ahead = timestamp.saturating_sub(self.base);
            let time_went_on = (ELSEWHERE.into()..i64::from(ELSEWHERE) + STRIDE).contains(&ahead);
            let unset = self.base == NONE;
            if unset || time_went_on || self.distant > self.newest.len() as u64 {
                self.move_base(timestamp.saturating_sub(STRIDE));
            }
        }
        self.keep_newest(slot, timestamp);
    }

    fn keep_newest(&mut self, slot: usize, timestamp: i64) {
        self.newest[slot] = self.near(timestamp).unwrap_or(ELSEWHERE);
        if self.newest[slot] == ELSEWHERE {
            self.elsewhere.insert(slot as u32, timestamp);
        }
    }

    /// Happens every 25 days, or when so many timestamps were far from the base that it pays.
    fn move_base(&mut self, base: i64) {
        let before = core::mem::replace(&mut self.base, base);
        self.distant = 0;
        let elsewhere = core::mem::take(&mut self.elsewhere);
        for slot in 0..self.newest.len() {
            let since = self.newest[slot];
            if since != NOTHING && since != ELSEWHERE {
                self.keep_newest(slot, before + i64::from(since));
            }
        }
        for (slot, timestamp) in elsewhere {
            self.keep_newest(slot as usize, timestamp);
        }
    }

    fn place(&mut self, series: u32, hash: u32, home: u8, at: At, segment: Seq) {
        let slot = series as usize;
        if slot >= self.newest.len() {
            self.grow(slot + 1);
        }
        self.set_newest(slot, NONE);
        self.at[slot] = at;
        self.homes[slot] = home;
        self.hashes[slot] = hash;
        self.segments[slot] = segment.max(Seq(1));
        self.index.insert(hash, series, &self.hashes);
    }
}

/// What [`Table::admit`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    Admitted,
    Duplicate,
    OutOfOrder,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_near_and_far_are_kept_to_the_millisecond() {
        let mut table = Table::new(1);
        let now = 1_790_000_000_000;
        let day = 86_400_000;
        table.grow(3);
        // In the past, now, years on, back again; each more often than there are series.
        for days in [0, -9000, 1, 30, 60, 90, 4000, 4001, 10, -400_000, 12] {
            for round in 0..5 {
                for (slot, more) in [(0, 0), (1, 7 * day), (2, -10 * day)] {
                    let time = now + days * day + more + round;
                    table.set_newest(slot, time);
                    assert_eq!(table.newest(slot), time, "{days}");
                }
                let first = now + days * day + round;
                assert_eq!(
                    [0, 1, 2].map(|slot| table.newest(slot) - first),
                    [0, 7 * day, -10 * day]
                );
            }
            assert!(table.elsewhere.is_empty(), "{days}");
        }
        for time in [i64::MAX, NONE + 1, NONE, 0, 1] {
            table.set_newest(1, time);
            assert_eq!(table.newest(1), time);
        }
    }

    #[test]
    fn a_series_is_admitted_by_its_newest_timestamp() {
        let mut table = Table::new(1);
        table.grow(1);
        let mut admit = |time, window| table.admit(SeriesRef(0), time, window, Seq(1));
        for (time, window, wanted) in [
            (NONE + 1, 0, Admission::Admitted),
            (1_000, 0, Admission::Admitted),
            (1_000, 0, Admission::Duplicate),
            (999, 0, Admission::OutOfOrder),
            (999, 10, Admission::Admitted),
            (990, 10, Admission::OutOfOrder),
            (1_790_000_000_000, 0, Admission::Admitted),
            (1_000, 0, Admission::OutOfOrder),
        ] {
            assert_eq!(admit(time, window), wanted, "{time}");
        }
    }
}
