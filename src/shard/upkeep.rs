//! Housekeeping of a shard's log: spares, truncation, forgetting series, cleaning the dictionary.

use core::time::Duration;

use crate::base::{Instant, Now};
use crate::mail::Notice;
use crate::model::Shortage;
use crate::shard::Shard;
use crate::shard::degraded::Degraded;
use crate::wal::{DictionaryEntry, DiskRequest, Region, Retired, SegmentKind, Seq};

/// What housekeeping remembers.
#[derive(Debug, Default)]
pub struct Upkeep {
    /// A configuration has been given.
    pub assigned: bool,
    /// The disk gives no file.
    pub shortage: Option<Shortage>,
    pub sync_failures: u64,
    /// Without room the oldest goes; otherwise nothing new comes.
    pub sheds: bool,
    /// Every commit is to be synced at once: there is one that is not, and a sync is under way.
    pub syncs_each: bool,
    pub committed: bool,
    pub syncing: bool,
    pub degraded: Degraded,
    /// When a spare is asked for again, by what it is for.
    pub(super) retry_samples: Option<Instant>,
    pub(super) retry_dictionary: Option<Instant>,
    prompt: Option<Instant>,
    /// Segments were retired since series were last swept.
    retired: bool,
    next_sweep: Instant,
    /// Not before then are mapped pages let go of again.
    next_release: Instant,
    /// Offset in the oldest dictionary segment up to which it has been cleaned.
    cleaned: Option<u32>,
    /// An adopted log whose accounts are being stored elsewhere before it goes.
    handing: Option<usize>,
    /// Adopted logs that have been delivered and given back.
    removed: Vec<u16>,
}

pub(super) const RETRY_SPARE: Duration = Duration::from_secs(1);
/// An idle core does not wake for it: pages go with the next thing that happens.
const RELEASE_EVERY: Duration = Duration::from_millis(500);
const SWEEP_EVERY: Duration = Duration::from_secs(60);
/// Definitions moved in one turn.
const CLEANED_A_TURN: usize = 256;

impl Upkeep {
    pub fn new(sheds: bool, syncs_each: bool) -> Upkeep {
        Upkeep { sheds, syncs_each, ..Upkeep::default() }
    }

    /// The adopted log whose accounts are kept elsewhere is gone, or stays as it is.
    pub(super) fn handed(&mut self) {
        self.handing = None;
    }

    pub fn wake(&self) -> Instant {
        let retries = [self.retry_samples, self.retry_dictionary];
        let retry = retries.into_iter().flatten().min().unwrap_or(Instant::NEVER);
        let prompt = self.prompt.unwrap_or(Instant::NEVER);
        let clean = if self.cleaned.is_some() { Instant(0) } else { Instant::NEVER };
        retry.min(prompt).min(clean).min(self.degraded.wake())
    }

    pub fn prompt_at(&mut self, at: Instant) {
        self.prompt = Some(self.prompt.map_or(at, |known| known.min(at)));
    }
}

impl Shard {
    pub(super) fn do_upkeep(&mut self, now: Now) {
        if self.upkeep.prompt.is_some_and(|at| at <= now.instant) {
            self.upkeep.prompt = None;
            self.prompt_endpoints();
        }
        if self.upkeep.retry_samples.is_some_and(|at| at <= now.instant) {
            self.upkeep.retry_samples = None;
            self.feeds[0].log.spare_failed();
        }
        if self.upkeep.retry_dictionary.is_some_and(|at| at <= now.instant) {
            self.upkeep.retry_dictionary = None;
            self.feeds[0].dictionary.spare_failed();
        }
        if self.upkeep.syncs_each && self.upkeep.committed && !self.upkeep.syncing {
            (self.upkeep.committed, self.upkeep.syncing) = (false, true);
            self.ask_disk(DiskRequest::Sync);
        }
        if self.feeds[0].log.wants_spare() {
            self.ask_disk(DiskRequest::Prepare { kind: SegmentKind::Samples });
        }
        if self.feeds[0].dictionary.wants_spare() {
            self.ask_disk(DiskRequest::Prepare { kind: SegmentKind::Dictionary });
        }
        // A ref that is forgotten in memory only must not come to mean another series in a file.
        let safe = self.feeds[0].dictionary.unkept() == 0;
        if self.upkeep.retired && self.upkeep.next_sweep <= now.instant && safe {
            self.upkeep.next_sweep = now.instant + SWEEP_EVERY;
            self.sweep(now);
        }
        if self.upkeep.next_release <= now.instant {
            self.upkeep.next_release = now.instant + RELEASE_EVERY;
            self.release_pages();
        }
        self.clean_dictionary(now);
        self.give_up_removed(now);
        self.give_back_adopted();
    }

    pub(super) fn prepared(&mut self, kind: SegmentKind, slot: u16, region: Region) {
        self.recovered();
        match kind {
            SegmentKind::Samples => {
                self.feeds[0].log.give_spare(slot, region);
                if self.feeds[0].log.head_in_memory() {
                    self.feeds[0].log.close_head();
                }
                // In an outage nothing else lets go of segments that nobody reads.
                self.unload(0);
            }
            SegmentKind::Dictionary => {
                let dictionary = &mut self.feeds[0].dictionary;
                dictionary.give_spare(slot, region);
                if dictionary.head_in_memory() {
                    dictionary.close_head();
                }
            }
        }
    }

    pub(super) fn prepare_failed(
        &mut self,
        now: Now,
        kind: SegmentKind,
        shortage: Shortage,
        message: String,
    ) {
        self.refused_a_file(now, shortage, message);
        self.tell(Notice::Full { shard: self.number });
        let again = Some(now.instant + RETRY_SPARE);
        match kind {
            SegmentKind::Samples => self.upkeep.retry_samples = again,
            SegmentKind::Dictionary => self.upkeep.retry_dictionary = again,
        }
    }

    /// Retires segments that the coordinator no longer wants and no stored cursor needs (W4, W8).
    pub(super) fn truncate(&mut self, log: usize, below: Seq) {
        if log >= self.feeds.len() || self.adopted_removed(log) {
            return;
        }
        let below = self.needed(log).map_or(below, |needed| below.min(needed));
        // The file of one that is being put into another is the helper's.
        let keeping = self.upkeep.degraded.keeping_samples().filter(|_| log == 0);
        let below = keeping.map_or(below, |keeping| below.min(keeping));
        let retired = self.feeds[log].log.retire(below);
        self.upkeep.retired |= log == 0 && !retired.is_empty();
        for segment in retired {
            self.give_back(log as u16, SegmentKind::Samples, segment);
        }
        self.unload(log);
    }

    /// The file of a segment that is not needed any more, if it has one.
    pub(super) fn give_back(&mut self, log: u16, kind: SegmentKind, retired: Retired) {
        let Retired { slot, region, .. } = retired;
        if let Some(slot) = slot {
            self.ask_disk(DiskRequest::Retire { log, kind, slot, region });
        }
    }

    /// Lets go of segments that nobody is reading.
    pub(super) fn unload(&mut self, log: usize) {
        let Some(feed) = self.feeds.get_mut(log) else {
            return;
        };
        let endpoints = &self.endpoints;
        let wanted =
            |seq: Seq| endpoints.iter().flatten().any(|endpoint| endpoint.reading(log, seq));
        for region in feed.log.unload(&wanted) {
            self.ask_disk(DiskRequest::Release(region));
        }
    }

    /// Forgets series of which no segment, cache or report speaks any more (R1).
    fn sweep(&mut self, now: Now) {
        self.upkeep.retired = false;
        let mut pinned = vec![false; self.feeds[0].table.bound()];
        let pushed = self.intake.pinned(now.instant);
        for series in self.pools.pinned().chain(pushed) {
            // What is remembered of pushes may be of series that are gone.
            if let Some(pinned) = pinned.get_mut(series.0 as usize) {
                *pinned = true;
            }
        }
        let feed = &mut self.feeds[0];
        let oldest = feed.log.start().seq();
        let outlived = feed.table.outlived(oldest, |series| pinned[series.0 as usize]);
        let gone: Vec<_> =
            outlived.iter().filter_map(|&series| Some((series, feed.table.at(series)?))).collect();
        for some in gone.chunks(1024) {
            if feed.dictionary.forget(some, now.timestamp).is_err() {
                // No room now: the rest when there is.
                self.upkeep.retired = true;
                return;
            }
            for &(series, _) in some {
                feed.table.remove(series);
                feed.table.release(series);
                feed.descriptions.set(series, 0);
                self.scratch.forget(series);
                for endpoint in self.endpoints.iter_mut().flatten() {
                    endpoint.forget(series);
                }
            }
        }
    }

    /// Labels are read while a stencil is learned and at the beginning of a request, records once or twice: mapped pages
    /// that stayed would be the greatest part of this process's memory, and of no use.
    fn release_pages(&self) {
        for feed in &self.feeds {
            feed.log.release_pages();
            feed.dictionary.release_pages();
        }
    }

    /// Moves what still lives out of the oldest dictionary segment, then gives the segment back.
    fn clean_dictionary(&mut self, now: Now) {
        let feed = &mut self.feeds[0];
        if feed.dictionary.unkept() > 0 {
            // What is moved, and the old place of which is let go of, must be in a file.
            self.upkeep.cleaned = None;
            return;
        }
        let begins = feed.dictionary.wants_cleaning() && feed.dictionary.has_spare();
        if self.upkeep.cleaned.is_none() && !begins {
            return;
        }
        let mut from = self.upkeep.cleaned.unwrap_or(0);
        let mut labels = Vec::new();
        for _ in 0..CLEANED_A_TURN {
            let Some((next, entry)) = feed.dictionary.next_in_oldest(from) else {
                self.upkeep.cleaned = None;
                if let Some(old) = feed.dictionary.retire_oldest() {
                    self.give_back(0, SegmentKind::Dictionary, old);
                }
                return;
            };
            let stamp = now.timestamp;
            let moved = match entry {
                DictionaryEntry::Define { series, home, about, at, labels: bytes }
                    if feed.table.at(series) == Some(at) =>
                {
                    labels.clear();
                    labels.extend_from_slice(bytes);
                    let moved =
                        feed.dictionary.define_described(series, home, about, &labels, stamp);
                    moved.map(|moved| feed.table.moved(series, moved))
                }
                DictionaryEntry::Describe { about, at, content }
                    if feed.descriptions.lives(about, at) =>
                {
                    labels.clear();
                    labels.extend_from_slice(content);
                    let moved = feed.dictionary.describe(about, &labels, stamp);
                    moved.map(|moved| feed.descriptions.moved(about, moved))
                }
                _ => Ok(()),
            };
            if moved.is_err() {
                // No room now: go on when there is.
                self.upkeep.cleaned = None;
                return;
            }
            from = next;
        }
        self.upkeep.cleaned = Some(from);
    }

    /// An adopted log that every endpoint has in full is removed.
    fn give_back_adopted(&mut self) {
        if self.feeds.len() == 1 || self.endpoints.iter().flatten().next().is_none() {
            return;
        }
        for log in 1..self.feeds.len() {
            let end = self.feeds[log].log.end();
            let gone = self.removals.waiting.iter();
            let done = self.endpoints.iter().flatten().all(|endpoint| endpoint.drained(log, end))
                && gone.clone().all(|removed| removed.drained(log, &self.feeds));
            let handing = self.upkeep.handing;
            if !done || self.adopted_removed(log) || handing.is_some_and(|other| other != log) {
                continue;
            }
            if handing.is_none() {
                self.upkeep.handing = Some(log);
                self.ledger.take_over(log, self.feeds[log].log.name());
                for endpoint in self.endpoints.iter_mut().flatten() {
                    endpoint.take_over(log, &self.feeds);
                }
            }
            // Its accounts must be stored elsewhere first; the pages there name it until it is gone, so that it counts once.
            let handed = self.ledger.has_handed_over()
                && self.endpoints.iter().flatten().all(|endpoint| endpoint.has_handed_over());
            if handed {
                self.upkeep.removed.push(log as u16);
                self.ask_disk(DiskRequest::RemoveLog { log: log as u16 });
            }
        }
    }

    pub(super) fn adopted_removed(&self, log: usize) -> bool {
        self.upkeep.removed.contains(&(log as u16))
    }
}
