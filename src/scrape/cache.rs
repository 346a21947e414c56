//! The positional cache: a page lists the same series in the same order as last time.
//!
//! Per target, the sequence of (hash of the text before the value, ref). Line *i* is compared with entry *i*; a
//! difference is first looked for in the next few entries (lines were removed), then in all entries (lines moved),
//! and only then is the line new and takes the full path. Entries that no line met are the vanished series.
//!
//! A line is believed to be the series whose hash it has, without looking at its bytes. The hash is 64 bits of XXH3
//! under a seed that is drawn at start and never shown. A line is compared with one expected hash (and, when pages
//! change, with those of its own target), so at a million changed lines a second against a million series, two
//! different texts would meet once in half a year of such change; unchanged lines cannot err at all. A hostile page
//! cannot do better without the seed, and harms only its own target's series.

use std::collections::HashMap;

use crate::model::SeriesRef;

/// What the cache knows of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry(u32);

impl Entry {
    /// Metric relabeling drops it.
    pub const DROPPED: Entry = Entry(u32::MAX);
    /// A cap leaves no room for it: it is asked about again with every page.
    pub const CAPPED: Entry = Entry(u32::MAX - 1);
    const UNTRACKED: u32 = 1 << 31;

    /// `tracked`: it gets a staleness marker when it vanishes (spec: SCR-67).
    pub fn new(series: SeriesRef, tracked: bool) -> Entry {
        Entry(series.0 | if tracked { 0 } else { Entry::UNTRACKED })
    }

    pub fn series(self) -> Option<SeriesRef> {
        (self.0 < Entry::CAPPED.0).then_some(SeriesRef(self.0 & !Entry::UNTRACKED))
    }

    pub fn tracked(self) -> bool {
        self.0 & Entry::UNTRACKED == 0
    }
}

/// The last good page of one target, as hashes.
#[derive(Debug, Default)]
pub struct Cache {
    hashes: Vec<u64>,
    entries: Vec<Entry>,
    /// Bytes of the texts; 0 where that does not help.
    lens: Vec<u16>,
    live: Live,
    /// Texts that only stood on pages that failed since, sorted: they are not new when they come again (spec: SCR-73).
    rejected: Vec<u64>,
}

/// Which series get a marker if they vanish.
#[derive(Debug)]
enum Live {
    /// The tracked ones of the sequence.
    Sequence,
    /// These, sorted: after a scrape that failed, or some samples of which were not taken.
    Only(Vec<SeriesRef>),
}

impl Default for Live {
    fn default() -> Live {
        Live::Only(Vec::new())
    }
}

/// One pass over a page. While the page repeats the last one, nothing is written.
#[derive(Debug, Default)]
pub struct Pass {
    at: usize,
    /// From the first difference on: the new sequence, and which old entries were met.
    changed: Option<Box<Changed>>,
    pub hits: u64,
    pub moves: u64,
    pub misses: u64,
}

#[derive(Debug)]
struct Changed {
    hashes: Vec<u64>,
    entries: Vec<Entry>,
    lens: Vec<u16>,
    met: Vec<bool>,
    /// Of the texts that were new and name a series.
    learned: Vec<u64>,
    /// Built when a line is not within reach of the expected place.
    places: Option<HashMap<u64, u32>>,
}

impl Pass {
    /// Refs met or learned since the page first differed from the last one.
    pub fn series(&self) -> impl Iterator<Item = SeriesRef> {
        let entries = self.changed.iter().flat_map(|changed| &changed.entries);
        entries.filter_map(|entry| entry.series())
    }
}

/// How far ahead a removed line is looked for before the whole page is.
const REACH: usize = 16;

impl Cache {
    /// What is known of the line with this hash; `None` sends it down the full path, which ends in [`Cache::learn`].
    #[inline]
    pub fn meet(&self, pass: &mut Pass, hash: u64) -> Option<Entry> {
        if pass.changed.is_none() && self.hashes.get(pass.at) == Some(&hash) {
            let entry = self.entries[pass.at];
            pass.at += 1;
            pass.hits += 1;
            return Some(entry);
        }
        self.meet_elsewhere(pass, hash)
    }

    /// Hash and length of the text that the next line probably has.
    #[inline]
    pub fn expected(&self, pass: &Pass) -> Option<(u64, usize)> {
        match (self.hashes.get(pass.at), self.lens.get(pass.at)) {
            (Some(&hash), Some(&len)) if len > 0 => Some((hash, usize::from(len))),
            _ => None,
        }
    }

    fn meet_elsewhere(&self, pass: &mut Pass, hash: u64) -> Option<Entry> {
        let at = pass.at;
        let changed = pass.changed.get_or_insert_with(|| Box::new(Changed::new(self, at)));
        let near = self.hashes[at.min(self.hashes.len())..].iter().take(REACH);
        let found = near.clone().position(|&expected| expected == hash).map(|ahead| at + ahead);
        let found = match found {
            Some(index) => Some(index),
            None => changed.find(self, hash),
        };
        let index = found?;
        if index == at {
            pass.hits += 1;
        } else {
            pass.moves += 1;
        }
        pass.at = index + 1;
        changed.met[index] = true;
        changed.hashes.push(hash);
        changed.entries.push(self.entries[index]);
        changed.lens.push(self.lens[index]);
        Some(self.entries[index])
    }

    /// A line that [`Cache::meet`] did not know. Always follows it, with the same hash. `len`: bytes of its text, if it
    /// is a piece of one line as it stands on the page; else 0.
    /// `counts`: it is not only looked at again.
    pub fn learn(&self, pass: &mut Pass, hash: u64, len: usize, entry: Entry, counts: bool) {
        pass.misses += 1;
        if let Some(changed) = &mut pass.changed {
            changed.hashes.push(hash);
            changed.entries.push(entry);
            changed.lens.push(u16::try_from(len).unwrap_or(0));
            if counts && entry.series().is_some() {
                changed.learned.push(hash);
            }
        }
    }

    /// The sample of the line learned last was not taken, so its series is not new yet.
    #[cold]
    pub fn unlearn(&self, pass: &mut Pass) {
        if let Some(changed) = &mut pass.changed {
            changed.learned.pop_if(|last| changed.hashes.last() == Some(last));
        }
    }

    /// The line met or learned last has a timestamp of its own no longer: its series is tracked from now on.
    #[cold]
    pub fn track(&self, pass: &mut Pass) {
        if let Some(last) = self.changed(pass).entries.last_mut() {
            *last = last.series().map_or(*last, |series| Entry::new(series, true));
        }
    }

    /// The line met last, which had no room before, has some now.
    #[cold]
    pub fn admit(&self, pass: &mut Pass, entry: Entry) {
        let changed = self.changed(pass);
        if let (Some(last), Some(hash)) = (changed.entries.last_mut(), changed.hashes.last()) {
            *last = entry;
            changed.learned.push(*hash);
        }
    }

    /// What the pass has written down, so that its last line can be amended.
    fn changed<'a>(&self, pass: &'a mut Pass) -> &'a mut Changed {
        // Without changes that line was met where it was expected.
        pass.changed.get_or_insert_with(|| Box::new(Changed::new(self, pass.at)))
    }

    /// How many series the page has brought, each counted once.
    pub fn brought(&self, pass: &mut Pass) -> u64 {
        let Some(changed) = &mut pass.changed else { return 0 };
        changed.learned.sort_unstable();
        changed.learned.dedup();
        let known = |hash: &&u64| self.rejected.binary_search(hash).is_ok();
        (changed.learned.len() - changed.learned.iter().filter(known).count()) as u64
    }

    /// The page was good: it is the new sequence. Gives the live series that it no longer has to `vanished`. Samples of
    /// the series in `missed` were not taken, as if they were not on the page (spec: SCR-69).
    pub fn accept(&mut self, pass: Pass, missed: &[SeriesRef], vanished: &mut Vec<SeriesRef>) {
        self.rejected = Vec::new();
        match (&self.live, &pass.changed) {
            _ if !missed.is_empty() => self.fail(vanished),
            (Live::Only(_), _) => self.fail(vanished),
            (Live::Sequence, None) => {
                let gone = self.entries.get(pass.at..).unwrap_or_default();
                vanished.extend(gone.iter().filter_map(|entry| marked(*entry)));
            }
            (Live::Sequence, Some(changed)) => {
                let gone = self.entries.iter().zip(&changed.met).filter(|(_, met)| !**met);
                vanished.extend(gone.filter_map(|(entry, _)| marked(*entry)));
            }
        }
        match pass.changed {
            None => {
                self.hashes.truncate(pass.at);
                self.entries.truncate(pass.at);
                self.lens.truncate(pass.at);
            }
            Some(changed) => {
                self.hashes = changed.hashes;
                self.entries = changed.entries;
                self.lens = changed.lens;
            }
        }
        self.live = Live::Sequence;
        without_present(vanished, &self.entries, missed);
        if !missed.is_empty() {
            self.live = Live::Only(tracked(&self.entries, missed));
        }
        if self.hashes.capacity() > self.hashes.len() + self.hashes.len() / 4 + 16 {
            // To an allocation of the right size: shrunk in place, they would leave holes between those of many targets.
            self.hashes = self.hashes.as_slice().to_vec();
            self.entries = self.entries.as_slice().to_vec();
            self.lens = self.lens.as_slice().to_vec();
        }
    }

    /// The page failed after some of it had been met: what of it was met stays live, though its samples are rolled back;
    /// everything else vanishes. Its texts are known from now on. True if there were too many such texts to keep.
    // spec: SCR-64, SCR-73
    pub fn reject(
        &mut self,
        pass: Pass,
        missed: &[SeriesRef],
        vanished: &mut Vec<SeriesRef>,
    ) -> bool {
        let met = match &pass.changed {
            None => tracked(self.entries.get(..pass.at).unwrap_or_default(), missed),
            Some(changed) => tracked(&changed.entries, missed),
        };
        self.fail(vanished);
        vanished.retain(|series| met.binary_search(series).is_err());
        self.live = Live::Only(met);
        let learned = pass.changed.map_or(Vec::new(), |changed| changed.learned);
        if learned.is_empty() {
            return false;
        }
        self.rejected.extend(learned);
        self.rejected.sort_unstable();
        self.rejected.dedup();
        let flushes = self.rejected.len() > self.hashes.len() + 1000;
        if flushes {
            self.rejected = Vec::new();
        }
        flushes
    }

    /// No page came, or the target is gone: all live series vanish.
    pub fn fail(&mut self, vanished: &mut Vec<SeriesRef>) {
        match core::mem::take(&mut self.live) {
            Live::Sequence => vanished.extend(tracked(&self.entries, &[])),
            Live::Only(live) => vanished.extend(live),
        }
    }

    /// Series that were live when the process before this one ended.
    pub fn revive(&mut self, mut live: Vec<SeriesRef>) {
        live.sort_unstable();
        live.dedup();
        self.live = Live::Only(live);
    }

    /// Refs that must not be given to other series.
    pub fn series(&self) -> impl Iterator<Item = SeriesRef> {
        let live = match &self.live {
            Live::Sequence => &[][..],
            Live::Only(live) => live,
        };
        self.entries.iter().filter_map(|entry| entry.series()).chain(live.iter().copied())
    }

    /// Those of the last good page; some more than once.
    pub fn texts_series(&self) -> impl Iterator<Item = SeriesRef> {
        self.entries.iter().filter_map(|entry| entry.series())
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Relabeling rules changed: what was learned under the old ones is void, but live series stay live.
    pub fn forget_texts(&mut self) {
        for hash in &mut self.hashes {
            // No text is met under its own hash again; the entries vanish with the next good page.
            *hash = hash.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(1);
        }
    }
}

impl Changed {
    fn new(cache: &Cache, at: usize) -> Changed {
        let mut met = vec![false; cache.entries.len()];
        met[..at].fill(true);
        Changed {
            hashes: cache.hashes[..at].to_vec(),
            entries: cache.entries[..at].to_vec(),
            lens: cache.lens[..at].to_vec(),
            met,
            learned: Vec::new(),
            places: None,
        }
    }

    /// First place of `hash` that no line has met, else any place (the page repeats a line).
    fn find(&mut self, cache: &Cache, hash: u64) -> Option<usize> {
        let places = self.places.get_or_insert_with(|| {
            let pairs = cache.hashes.iter().enumerate().rev();
            pairs.map(|(place, &hash)| (hash, place as u32)).collect()
        });
        places.get(&hash).map(|&place| place as usize)
    }
}

fn marked(entry: Entry) -> Option<SeriesRef> {
    if entry.tracked() { entry.series() } else { None }
}

/// The tracked series of these entries but for those in `missed`, sorted.
fn tracked(entries: &[Entry], missed: &[SeriesRef]) -> Vec<SeriesRef> {
    let mut missed = missed.to_vec();
    missed.sort_unstable();
    let mut series: Vec<SeriesRef> = entries.iter().filter_map(|entry| marked(*entry)).collect();
    series.sort_unstable();
    series.dedup();
    series.retain(|series| missed.binary_search(series).is_err());
    series
}

/// A series may stand on the page under another text (labels in another order): it has not vanished.
fn without_present(vanished: &mut Vec<SeriesRef>, entries: &[Entry], missed: &[SeriesRef]) {
    if vanished.is_empty() {
        return;
    }
    vanished.sort_unstable();
    vanished.dedup();
    let present = tracked(entries, missed);
    vanished.retain(|series| present.binary_search(series).is_err());
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a page of hashes through the cache; a new line gets the ref of its hash. Gives what vanished, and how
    /// many lines were hits, moves and misses.
    fn page(cache: &mut Cache, lines: &[u64]) -> (Vec<u32>, [u64; 3]) {
        let mut pass = Pass::default();
        for &hash in lines {
            match cache.meet(&mut pass, hash) {
                Some(entry) => assert_eq!(entry.series(), Some(SeriesRef(hash as u32))),
                None => {
                    let entry = Entry::new(SeriesRef(hash as u32), true);
                    cache.learn(&mut pass, hash, 0, entry, true);
                }
            }
        }
        let counts = [pass.hits, pass.moves, pass.misses];
        let mut vanished = Vec::new();
        cache.accept(pass, &[], &mut vanished);
        (vanished.iter().map(|series| series.0).collect(), counts)
    }

    #[test]
    fn pages_that_add_drop_move_and_repeat_lines_keep_their_refs() {
        let mut cache = Cache::default();
        assert_eq!(page(&mut cache, &[1, 2, 3, 4, 5]).0, [0u32; 0]);
        assert_eq!(page(&mut cache, &[1, 2, 3, 4, 5]), (vec![], [5, 0, 0]));
        assert_eq!(page(&mut cache, &[1, 2, 9, 3, 4, 5]).0, [0u32; 0]);
        assert_eq!(page(&mut cache, &[1, 3, 4, 5]).0, [2, 9]);
        assert_eq!(page(&mut cache, &[5, 4, 3, 1]).0, [0u32; 0]);
        assert_eq!(page(&mut cache, &[5, 4]).0, [1, 3]);
        assert_eq!(page(&mut cache, &[5, 5, 4]).0, [0u32; 0]);
        assert_eq!(page(&mut cache, &[]).0, [4, 5]);
        assert_eq!(page(&mut cache, &[]).0, [0u32; 0]);
    }

    #[test]
    fn a_failed_scrape_marks_once_and_does_not_forget() {
        let mut cache = Cache::default();
        page(&mut cache, &[1, 2]);
        let mut vanished = Vec::new();
        cache.fail(&mut vanished);
        assert_eq!(vanished, [SeriesRef(1), SeriesRef(2)]);
        vanished.clear();
        cache.fail(&mut vanished);
        assert!(vanished.is_empty());
        assert_eq!(page(&mut cache, &[1]), (vec![], [1, 0, 0]));
        assert_eq!(page(&mut cache, &[]).0, [1]);
    }

    /// A page that fails behind these lines.
    fn failing(cache: &mut Cache, lines: &[u64], missed: &[u32]) -> (Vec<u32>, u64) {
        let mut pass = Pass::default();
        for &hash in lines {
            if cache.meet(&mut pass, hash).is_none() {
                cache.learn(&mut pass, hash, 0, Entry::new(SeriesRef(hash as u32), true), true);
            }
        }
        let brought = cache.brought(&mut pass);
        let missed: Vec<SeriesRef> = missed.iter().map(|series| SeriesRef(*series)).collect();
        let mut vanished = Vec::new();
        cache.reject(pass, &missed, &mut vanished);
        vanished.sort_unstable();
        (vanished.iter().map(|series| series.0).collect(), brought)
    }

    // spec: SCR-64, SCR-73
    #[test]
    fn what_was_met_before_a_page_failed_stays_live_and_known() {
        let mut cache = Cache::default();
        page(&mut cache, &[1, 2, 3]);
        assert_eq!(failing(&mut cache, &[1, 4], &[]), (vec![2, 3], 1));
        assert_eq!(failing(&mut cache, &[1, 4], &[]), (vec![], 0));
        assert!([1, 2, 3, 4].map(SeriesRef).iter().all(|one| cache.series().any(|s| s == *one)));
        assert_eq!(page(&mut cache, &[2]).0, [1, 4]);
        assert_eq!(failing(&mut cache, &[2, 5, 6], &[2, 6]), (vec![2], 2));
        assert_eq!(page(&mut cache, &[2, 6]).0, [5]);
        assert_eq!(page(&mut cache, &[]).0, [2, 6]);
    }

    // spec: SCR-69
    #[test]
    fn a_series_whose_sample_was_not_taken_ends_and_begins_again() {
        let mut cache = Cache::default();
        page(&mut cache, &[1, 2]);
        let mut accept = |missed: &[SeriesRef]| {
            let mut pass = Pass::default();
            for hash in [1, 2] {
                cache.meet(&mut pass, hash);
            }
            let mut vanished = Vec::new();
            cache.accept(pass, missed, &mut vanished);
            vanished
        };
        assert_eq!(accept(&[SeriesRef(2)]), [SeriesRef(2)]);
        assert_eq!(accept(&[SeriesRef(2)]), []);
        assert_eq!(accept(&[]), []);
        assert_eq!(accept(&[SeriesRef(1), SeriesRef(2)]), [SeriesRef(1), SeriesRef(2)]);
    }

    #[test]
    fn repeated_and_rejected_texts_bring_a_series_once() {
        let mut cache = Cache::default();
        assert_eq!(failing(&mut cache, &[7, 7, 8], &[]).1, 2);
        let mut pass = Pass::default();
        for hash in [7, 9, 9] {
            assert_eq!(cache.meet(&mut pass, hash), None);
            cache.learn(&mut pass, hash, 0, Entry::new(SeriesRef(hash as u32), true), true);
        }
        assert_eq!(cache.brought(&mut pass), 1);
    }

    #[test]
    fn series_with_timestamps_of_their_own_get_no_marker() {
        let mut cache = Cache::default();
        let mut pass = Pass::default();
        assert_eq!(cache.meet(&mut pass, 7), None);
        cache.learn(&mut pass, 7, 0, Entry::new(SeriesRef(7), false), true);
        let mut vanished = Vec::new();
        cache.accept(pass, &[], &mut vanished);
        assert_eq!(page(&mut cache, &[]).0, [0u32; 0]);
    }
}
