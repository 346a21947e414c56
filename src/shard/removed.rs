//! Endpoints that are no longer configured. For a while what they have not acknowledged is kept, so that one that comes
//! back goes on exactly where it was; then it is given up, and counted.

use core::time::Duration;

use crate::base::{Instant, Now, format_duration};
use crate::mail::{Level, RemovedMeters};
use crate::model::Loss;
use crate::series::Feed;
use crate::shard::Shard;
use crate::wal::{Advance, CursorPage, DiskRequest, Seq};

/// Names remembered for what was given up; more go by one.
const NAMES_MAX: usize = 64;
const OTHERS: &str = "others";

/// File name and newest page of each cursor in a log's directory.
type Cursors = Vec<(String, CursorPage)>;

/// One that may come back.
#[derive(Debug)]
pub struct Removed {
    name: String,
    file: String,
    /// Given up then.
    until: Instant,
    /// For each feed, the lowest segment kept, and the running total of samples where its own begin.
    held: Vec<(Seq, u64)>,
    /// For each feed, what went ahead of that.
    ahead: Vec<Vec<Advance>>,
}

impl Removed {
    /// `found`: the newest pages of all cursors, per feed.
    fn new(name: String, file: &str, until: Instant, feeds: &[Feed], found: &[Cursors]) -> Removed {
        let of = |found: &Cursors| found.iter().find(|(name, _)| name == file).cloned();
        let ahead = |found| of(found).map_or(Vec::new(), |(_, page)| page.ahead);
        let ahead: Vec<Vec<Advance>> = found.iter().map(ahead).collect();
        let held = feeds.iter().zip(found).map(|(feed, found)| {
            let total = feed.log.total();
            let Some((_, page)) = of(found) else {
                return (Seq(u32::MAX), total);
            };
            let behind = page.totals.settled() as i64 - samples(&page.ahead) as i64;
            let settled = page.birth.saturating_add(behind);
            (page.low.seq(), settled.clamp(0, total as i64) as u64)
        });
        let held = held.collect();
        Removed { name, file: file.to_owned(), until, held, ahead }
    }

    pub fn needed(&self, feed: usize) -> Seq {
        self.held.get(feed).map_or(Seq(0), |(seq, _)| *seq)
    }

    /// Nothing of this feed is kept for it.
    pub fn drained(&self, feed: usize, feeds: &[Feed]) -> bool {
        let ahead = self.ahead.get(feed).map_or(0, |of| samples(of));
        self.held.get(feed).is_none_or(|(_, from)| *from + ahead >= feeds[feed].log.total())
    }

    fn pending(&self, feeds: &[Feed]) -> u64 {
        let held = self.held.iter().zip(&self.ahead).zip(feeds);
        let pending = |(((_, from), ahead), feed): ((&(Seq, u64), &Vec<Advance>), &Feed)| {
            feed.log.total().saturating_sub(*from + samples(ahead))
        };
        held.map(pending).sum()
    }

    /// Segments below are given up; how many samples of it that costs.
    fn shed(&mut self, feed: usize, below: Seq, feeds: &[Feed]) -> u64 {
        let (Some((seq, from)), Some(of)) = (self.held.get_mut(feed), feeds.get(feed)) else {
            return 0;
        };
        *seq = (*seq).max(below);
        let first = of.log.segment_total(below).unwrap_or(0).max(*from);
        let mut settled = 0;
        for ahead in &mut self.ahead[feed] {
            let begins = of.log.total_at(ahead.from).unwrap_or(first);
            let passed =
                if ahead.to.place.seq() < below { u64::MAX } else { first.saturating_sub(begins) };
            let passed = passed.min(ahead.samples);
            ahead.samples -= passed;
            settled += passed;
        }
        (first - core::mem::replace(from, first)).saturating_sub(settled)
    }
}

fn samples(ahead: &[Advance]) -> u64 {
    ahead.iter().map(|ahead| ahead.samples).sum()
}

/// What became of those that are gone.
#[derive(Debug, Default)]
pub struct Removals {
    grace: Duration,
    pub waiting: Vec<Removed>,
    /// Samples given up, by name.
    given_up: Vec<(String, u64)>,
    /// Cursor files whose place another has taken: number of the log, new and old name.
    renamed: Vec<(u16, String, String)>,
}

impl Removals {
    pub fn new(grace: Duration) -> Removals {
        Removals { grace, ..Removals::default() }
    }

    pub fn wake(&self) -> Instant {
        self.waiting.iter().map(|removed| removed.until).min().unwrap_or(Instant::NEVER)
    }

    fn count(&mut self, name: &str, samples: u64) {
        let full = self.given_up.len() >= NAMES_MAX;
        let known = self.given_up.iter().position(|(known, _)| known == name);
        let name = if known.is_none() && full { OTHERS } else { name };
        match self.given_up.iter_mut().find(|(known, _)| known == name) {
            Some((_, sum)) => *sum += samples,
            None => self.given_up.push((name.to_owned(), samples)),
        }
    }

    fn shed(
        &mut self,
        (feed, below): (usize, Seq),
        loss: Loss,
        feeds: &[Feed],
        found: &mut [Cursors],
    ) {
        for at in 0..self.waiting.len() {
            let removed = &mut self.waiting[at];
            let samples = removed.shed(feed, below, feeds);
            let (name, file) = (removed.name.clone(), removed.file.clone());
            if samples > 0 {
                // If it comes back its books say what became of them.
                let pages = found.iter_mut().take(feed + 1).skip(feed).flatten();
                for (_, page) in pages.filter(|(known, _)| *known == file) {
                    page.totals.lost.add(loss, samples);
                }
                self.count(&name, samples);
            }
        }
    }

    pub fn report(&self, feeds: &[Feed]) -> Vec<RemovedMeters> {
        let mut meters: Vec<RemovedMeters> = self
            .given_up
            .iter()
            .map(|(name, samples)| RemovedMeters {
                name: name.clone(),
                given_up: *samples,
                pending: 0,
            })
            .collect();
        for removed in &self.waiting {
            let pending = removed.pending(feeds);
            match meters.iter_mut().find(|known| known.name == removed.name) {
                Some(known) => known.pending += pending,
                None => {
                    meters.push(RemovedMeters { name: removed.name.clone(), given_up: 0, pending });
                }
            }
        }
        meters
    }
}

impl Shard {
    /// It is no longer configured: what it has stands still from here on.
    pub(super) fn remove_endpoint(&mut self, now: Now, slot: usize) {
        let Some(mut endpoint) = self.endpoints[slot].take() else {
            return;
        };
        endpoint.end(&mut self.dialer);
        let file = endpoint.cursor_name().to_owned();
        // The last pages are not stored yet.
        let held: Vec<Seq> = (0..self.feeds.len()).map(|log| endpoint.needed(log)).collect();
        let mut stores = Vec::new();
        endpoint.last_cursors(now.instant, &mut stores);
        for store in stores {
            let DiskRequest::StoreCursor { log, file, page, .. } = &store else { continue };
            if self.adopted_removed(usize::from(*log)) {
                continue;
            }
            if let Ok(page) = CursorPage::decode(&page[..]) {
                let found = &mut self.found[usize::from(*log)];
                found.retain(|(name, _)| name != file);
                found.push((file.clone(), page));
            }
            self.ask_disk(store);
        }
        let name = endpoint.plan.name.clone();
        let until = now.instant + self.removals.grace;
        let mut removed = Removed::new(name.clone(), &file, until, &self.feeds, &self.found);
        let pending = removed.pending(&self.feeds);
        removed.held.iter_mut().zip(held).for_each(|(known, stored)| known.0 = stored);
        self.removals.waiting.push(removed);
        let text = "Endpoint removed; what it has not acknowledged is kept for a while";
        let grace = format_duration(self.removals.grace);
        let fields = vec![("remote_name", name), ("samples", pending.to_string()), ("for", grace)];
        self.log(Level::Warn, text, fields);
    }

    /// Cursors that recovery found and no endpoint of the configuration goes by.
    pub(super) fn find_orphans(&mut self, now: Now) {
        let known: Vec<&str> =
            self.endpoints.iter().flatten().map(|endpoint| endpoint.cursor_name()).collect();
        let mut orphans: Vec<String> =
            self.found.iter().flatten().map(|(file, _)| file.clone()).collect();
        orphans.sort();
        orphans.dedup();
        orphans.retain(|file| !known.contains(&file.as_str()));
        for file in orphans {
            let name = file.trim_end_matches(".cur").to_owned();
            let until = now.instant + self.removals.grace;
            let removed = Removed::new(name, &file, until, &self.feeds, &self.found);
            let pending = removed.pending(&self.feeds);
            self.removals.waiting.push(removed);
            let text = "A cursor belongs to no endpoint of the configuration; its backlog is kept \
                        for a while";
            let grace = format_duration(self.removals.grace);
            let fields = vec![("file", file), ("samples", pending.to_string()), ("for", grace)];
            self.log(Level::Warn, text, fields);
        }
    }

    /// An endpoint is configured: if it was here before it goes on where it was. One that has got a name goes on where
    /// the entry without a name was, unless that is still there.
    pub(super) fn welcome(&mut self, file: &str, formerly: Option<(&str, [u8; 16])>) {
        let known = |found: &Cursors| found.iter().any(|(name, _)| name == file);
        if let Some((old, key)) = formerly.filter(|_| !self.found.iter().any(known)) {
            let in_use = self.endpoints.iter().flatten().any(|live| live.cursor_name() == old);
            for (log, found) in self.found.iter_mut().enumerate().filter(|_| !in_use) {
                for (name, page) in found.iter_mut().filter(|(name, _)| name == old) {
                    page.endpoint = key;
                    *name = file.to_owned();
                    self.removals.renamed.push((log as u16, file.to_owned(), old.to_owned()));
                }
            }
            if !in_use {
                self.removals.waiting.retain(|removed| removed.file != old);
            }
        }
        self.removals.waiting.retain(|removed| removed.file != file);
    }

    /// A page is stored: a file whose place this one took is not needed any more.
    pub(super) fn forget_renamed(&mut self, log: u16, file: &str) {
        let known = |renamed: &(u16, String, String)| renamed.0 == log && renamed.1 == file;
        while let Some(at) = self.removals.renamed.iter().position(known) {
            let (log, _, old) = self.removals.renamed.swap_remove(at);
            self.ask_disk(DiskRequest::DeleteCursor { log, file: old });
        }
    }

    /// Those that did not come back in time.
    pub(super) fn give_up_removed(&mut self, now: Now) {
        while let Some(at) =
            self.removals.waiting.iter().position(|removed| removed.until <= now.instant)
        {
            let removed = self.removals.waiting.swap_remove(at);
            let pending = removed.pending(&self.feeds);
            self.removals.count(&removed.name, pending);
            for log in 0..self.feeds.len() as u16 {
                self.found[usize::from(log)].retain(|(name, _)| *name != removed.file);
                if !self.adopted_removed(usize::from(log)) {
                    let file = removed.file.clone();
                    self.ask_disk(DiskRequest::DeleteCursor { log, file });
                }
            }
            let text =
                "A removed endpoint did not come back; what it had not acknowledged is given up";
            let fields = vec![("remote_name", removed.name), ("samples", pending.to_string())];
            self.log(Level::Warn, text, fields);
        }
    }

    /// Segments of a log below are given up, for those that are gone too.
    pub(super) fn give_up_of_removed(&mut self, log: usize, below: Seq, loss: Loss) {
        self.removals.shed((log, below), loss, &self.feeds, &mut self.found);
    }

    /// The lowest segment of this log that somebody needs.
    pub(super) fn needed(&self, log: usize) -> Option<Seq> {
        let endpoints = self.endpoints.iter().flatten().map(|endpoint| endpoint.needed(log));
        endpoints.chain(self.removals.waiting.iter().map(|removed| removed.needed(log))).min()
    }
}
