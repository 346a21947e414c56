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
    const UNTRACKED: u32 = 1 << 31;

    /// `tracked`: it gets a staleness marker when it vanishes (spec: SCR-67).
    pub fn new(series: SeriesRef, tracked: bool) -> Entry {
        Entry(series.0 | if tracked { 0 } else { Entry::UNTRACKED })
    }

    pub fn series(self) -> Option<SeriesRef> {
        (self != Entry::DROPPED).then_some(SeriesRef(self.0 & !Entry::UNTRACKED))
    }

    fn tracked(self) -> bool {
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
    /// The series of this sequence are live: they get markers if they vanish. Not so after a failed scrape, which
    /// has marked them already.
    live: bool,
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
    pub fn learn(&self, pass: &mut Pass, hash: u64, len: usize, entry: Entry) {
        pass.misses += 1;
        if let Some(changed) = &mut pass.changed {
            changed.hashes.push(hash);
            changed.entries.push(entry);
            changed.lens.push(u16::try_from(len).unwrap_or(0));
        }
    }

    /// The page was good: it is the new sequence. Gives the live series that it no longer has to `vanished`.
    pub fn accept(&mut self, pass: Pass, vanished: &mut Vec<SeriesRef>) {
        let live = core::mem::replace(&mut self.live, true);
        match pass.changed {
            None => {
                if live {
                    let gone = self.entries[pass.at..].iter();
                    vanished.extend(gone.filter_map(|entry| marked(*entry)));
                    without_present(vanished, &self.entries[..pass.at]);
                }
                self.hashes.truncate(pass.at);
                self.entries.truncate(pass.at);
                self.lens.truncate(pass.at);
            }
            Some(changed) => {
                if live {
                    let gone = self.entries.iter().zip(&changed.met).filter(|(_, met)| !**met);
                    vanished.extend(gone.filter_map(|(entry, _)| marked(*entry)));
                    without_present(vanished, &changed.entries);
                }
                self.hashes = changed.hashes;
                self.entries = changed.entries;
                self.lens = changed.lens;
            }
        }
        if self.hashes.capacity() > self.hashes.len() + self.hashes.len() / 4 + 16 {
            // To an allocation of the right size: shrunk in place, they would leave holes between those of many targets.
            self.hashes = self.hashes.as_slice().to_vec();
            self.entries = self.entries.as_slice().to_vec();
            self.lens = self.lens.as_slice().to_vec();
        }
    }

    /// The scrape failed, or the target is gone: all live series vanish.
    pub fn fail(&mut self, vanished: &mut Vec<SeriesRef>) {
        if core::mem::replace(&mut self.live, false) {
            vanished.extend(self.entries.iter().filter_map(|entry| marked(*entry)));
            vanished.sort_unstable();
            vanished.dedup();
        }
    }

    /// Refs that must not be given to other series.
    pub fn series(&self) -> impl Iterator<Item = SeriesRef> {
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

/// A series may stand on the page under another text (labels in another order): it has not vanished.
fn without_present(vanished: &mut Vec<SeriesRef>, entries: &[Entry]) {
    if vanished.is_empty() {
        return;
    }
    vanished.sort_unstable();
    vanished.dedup();
    let mut present: Vec<SeriesRef> = entries.iter().filter_map(|entry| entry.series()).collect();
    present.sort_unstable();
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
                None => cache.learn(&mut pass, hash, 0, Entry::new(SeriesRef(hash as u32), true)),
            }
        }
        let counts = [pass.hits, pass.moves, pass.misses];
        let mut vanished = Vec::new();
        cache.accept(pass, &mut vanished);
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

    #[test]
    fn series_with_timestamps_of_their_own_get_no_marker() {
        let mut cache = Cache::default();
        let mut pass = Pass::default();
        assert_eq!(cache.meet(&mut pass, 7), None);
        cache.learn(&mut pass, 7, 0, Entry::new(SeriesRef(7), false));
        let mut vanished = Vec::new();
        cache.accept(pass, &mut vanished);
        assert_eq!(page(&mut cache, &[]).0, [0u32; 0]);
    }
}
