//! Labels → ref, and per ref: newest timestamp, place of the labels, segment of the newest sample.

use core::marker::PhantomData;
use std::collections::BTreeSet;

use hashbrown::HashTable;

use crate::base::Timestamp;
use crate::base::seeded_hash;
use crate::model::SeriesRef;
use crate::wal::{At, Dictionary, Full, Seq};

/// All series of one log. Columns, so that checking a scrape's timestamps touches 8 bytes a series.
#[derive(Debug)]
pub struct Table {
    newest: Vec<i64>,
    at: Vec<At>,
    hashes: Vec<u32>,
    /// Segment of the newest sample, `Seq(0)` for a free ref.
    segments: Vec<Seq>,
    /// Lane of the target that the series was first met on.
    homes: Vec<u8>,
    index: HashTable<u32>,
    free: Vec<u32>,
    seed: u64,
    pub created: u64,
    pub forgotten: u64,
    _here: PhantomData<*const ()>,
}

/// Newest timestamp of a series that has none.
const NONE: i64 = i64::MIN;

/// Spreads the 32 hash bits kept per series over the 64 that the index wants.
fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl Table {
    pub fn new(seed: u64) -> Table {
        Table {
            newest: Vec::new(),
            at: Vec::new(),
            hashes: Vec::new(),
            segments: Vec::new(),
            homes: Vec::new(),
            index: HashTable::new(),
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
    /// `home` is the lane of who asks; a known series keeps its own. `segment` is where its first sample will go at the
    /// earliest.
    pub fn intern(
        &mut self,
        dictionary: &mut Dictionary,
        labels: &[u8],
        home: u8,
        segment: Seq,
        now: Timestamp,
    ) -> Result<(SeriesRef, bool), Full> {
        let hash = seeded_hash(self.seed, labels) as u32;
        let known = self.index.find(spread(hash), |&candidate| {
            let slot = candidate as usize;
            self.hashes[slot] == hash && dictionary.labels(self.at[slot]) == labels
        });
        if let Some(&found) = known {
            let last = &mut self.segments[found as usize];
            *last = segment.max(*last);
            return Ok((SeriesRef(found), false));
        }
        let series = self.free.last().copied().unwrap_or(self.newest.len() as u32);
        let at = dictionary.define(SeriesRef(series), home, labels, now)?;
        self.free.pop();
        self.place(series, hash, home, at, segment);
        self.created += 1;
        Ok((SeriesRef(series), true))
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
        self.newest.resize(len, NONE);
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
        let hash = spread(self.hashes[slot]);
        if let Ok(entry) = self.index.find_entry(hash, |&candidate| candidate == series.0) {
            entry.remove();
        }
        self.segments[slot] = Seq(0);
        self.newest[slot] = NONE;
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
        let newest = self.newest[slot];
        if timestamp > newest {
            self.newest[slot] = timestamp;
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

    /// A sample found in the log at start.
    pub fn recover_sample(&mut self, series: SeriesRef, timestamp: i64) {
        let slot = series.0 as usize;
        if slot < self.newest.len() && self.segments[slot] != Seq(0) {
            self.newest[slot] = self.newest[slot].max(timestamp);
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

    fn place(&mut self, series: u32, hash: u32, home: u8, at: At, segment: Seq) {
        let slot = series as usize;
        if slot >= self.newest.len() {
            self.grow(slot + 1);
        }
        self.newest[slot] = NONE;
        self.at[slot] = at;
        self.homes[slot] = home;
        self.hashes[slot] = hash;
        self.segments[slot] = segment.max(Seq(1));
        let hashes = &self.hashes;
        self.index.insert_unique(spread(hash), series, |&other| spread(hashes[other as usize]));
    }
}

/// What [`Table::admit`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    Admitted,
    Duplicate,
    OutOfOrder,
}
