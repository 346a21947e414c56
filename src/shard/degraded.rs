//! While the disk gives no files, or takes back what it promised: appending to memory, putting into files what is only in
//! memory as soon as there are some, and saying so.

use core::time::Duration;

use crate::base::{Instant, Now, limits};
use crate::mail::Level;
use crate::model::{Loss, Shortage};
use crate::shard::Shard;
use crate::shard::upkeep::RETRY_SPARE;
use crate::wal::{DiskRequest, Region, SegmentKind, Seq, pages_lost};

/// What is remembered while some segments are in no trustworthy file.
#[derive(Debug, Default)]
pub struct Degraded {
    /// Since when, and why.
    since: Option<(Instant, Shortage)>,
    /// The beginning was said.
    said: bool,
    /// The last words of the disk.
    words: String,
    next_line: Instant,
    next_cursor_line: Instant,
    next_shortage_line: Instant,
    /// A file is in doubt.
    doubted: bool,
    /// Pages that were lost when this was last looked at.
    pages: u64,
    /// The highest segment of memory that everybody had and no stored cursor says so yet: after a death, the books could
    /// not tell it from one that was lost.
    dropped: Option<Seq>,
    keeping: Option<(SegmentKind, Seq)>,
    /// When a fresh file is asked for again.
    keep_at: Option<Instant>,
    /// Segments below were given up for want of memory, and when the next one may be.
    shed_below: Seq,
    next_shed: Instant,
}

/// While it lasts, it is said so often.
const LINE_EVERY: Duration = Duration::from_secs(60);
/// A helper that is behind for less is not worth a line.
const LATE: Duration = Duration::from_secs(1);
/// A segment that was given up on the disk gets so long to become room for another.
const SHED_EVERY: Duration = Duration::from_secs(2);
/// So many segments of memory are left when the oldest is given up.
const MEMORY_LEFT: usize = 2;

impl Degraded {
    pub fn cause(&self) -> Option<Shortage> {
        self.since.map(|(_, cause)| cause)
    }

    /// The segment of samples that is on its way into a file.
    pub fn keeping_samples(&self) -> Option<Seq> {
        let samples = self.keeping.filter(|(kind, _)| *kind == SegmentKind::Samples);
        samples.map(|(_, seq)| seq)
    }

    /// A segment is on its way into a file.
    pub fn is_keeping(&self) -> bool {
        self.keeping.is_some()
    }

    pub fn wake(&self) -> Instant {
        match (self.since, self.keeping) {
            (Some(_), None) => self.keep_at.unwrap_or(Instant::NEVER),
            _ => Instant::NEVER,
        }
    }
}

impl Shard {
    /// True while the death of the process would cost something of the log: it is only in memory, or its file is in
    /// doubt. Or of the books: that it was delivered is only in memory.
    pub fn is_in_memory(&self) -> bool {
        let own = &self.feeds[0];
        let dropped = self.upkeep.degraded.dropped.is_some();
        dropped || own.log.unkept() + own.dictionary.unkept() > 0
    }

    /// The disk gave no file: definitions may be in memory now.
    pub(super) fn refused_a_file(&mut self, now: Now, shortage: Shortage, message: String) {
        if self.upkeep.shortage.is_none() && self.upkeep.degraded.next_shortage_line <= now.instant
        {
            self.upkeep.degraded.next_shortage_line = now.instant + LINE_EVERY;
            let full = matches!(shortage, Shortage::Budget | Shortage::Full);
            let level = if full { Level::Warn } else { Level::Error };
            self.log(level, "No room for the log to grow", vec![("err", message.clone())]);
        }
        self.upkeep.shortage = Some(shortage);
        self.upkeep.degraded.words = message;
        // A budget that nothing is given up for is no reason to keep in memory what should be safe.
        let spent = shortage == Shortage::Budget && !self.upkeep.sheds;
        self.set_memory(!spent, !spent);
    }

    fn set_memory(&mut self, samples: bool, definitions: bool) {
        let feed = &mut self.feeds[0];
        feed.log.set_memory(if samples { limits::MEMORY_SAMPLES_SEGMENTS } else { 0 });
        feed.dictionary.set_memory(if definitions {
            limits::MEMORY_DICTIONARY_SEGMENTS
        } else {
            0
        });
    }

    /// The disk gave a file: what comes next goes into files.
    pub(super) fn recovered(&mut self) {
        self.upkeep.shortage = None;
        self.set_memory(true, false);
    }

    pub(super) fn sync_failed(
        &mut self,
        now: Now,
        file: Option<(SegmentKind, u16)>,
        message: String,
    ) {
        self.upkeep.sync_failures += 1;
        let feed = &mut self.feeds[0];
        let spare = match file {
            Some((SegmentKind::Dictionary, slot)) => feed.dictionary.distrust(slot),
            Some((SegmentKind::Samples, slot)) => feed.log.distrust(slot),
            None => None,
        };
        if let (Some(spare), Some((kind, _))) = (spare, file) {
            self.give_back(0, kind, spare);
        }
        self.upkeep.degraded.words.clone_from(&message);
        self.upkeep.degraded.doubted = true;
        self.upkeep.degraded.keep_at = None;
        self.log(Level::Error, "Failed to sync the log to disk", vec![("err", message)]);
        // At once: the kernel may drop what it could not write.
        self.keep_segments(now);
    }

    /// Once a turn: what is only in memory goes when nobody needs it, and into a file when there is one.
    pub(super) fn keep_segments(&mut self, now: Now) {
        let endpoints = self.endpoints.iter().flatten().map(|endpoint| endpoint.needed(0));
        let removed = self.removals.waiting.iter().map(|removed| removed.needed(0));
        let needed = endpoints.chain(removed).min();
        self.upkeep.degraded.dropped.take_if(|dropped| needed.is_none_or(|seq| seq > *dropped));
        if !self.is_in_memory() {
            if self.upkeep.degraded.since.is_some() {
                self.end_degraded(now);
            }
            return;
        }
        let passed = self.passed();
        let keeping = self.upkeep.degraded.keeping_samples();
        let dropped = self.feeds[0].log.drop_memory(passed, keeping);
        self.upkeep.degraded.dropped = self.upkeep.degraded.dropped.max(dropped);
        self.tell_degraded(now);
        self.shed_for_memory(now, passed);
        let due = self.upkeep.degraded.keep_at.is_none_or(|at| at <= now.instant);
        if self.upkeep.degraded.keeping.is_none() && due {
            self.ask_to_keep();
        }
    }

    /// The end is near: what is only in memory, heads too, goes into files now or is lost.
    pub(super) fn keep_heads(&mut self, now: Now) {
        let feed = &mut self.feeds[0];
        if feed.log.head_in_memory() {
            feed.log.close_head();
        }
        if feed.dictionary.head_in_memory() {
            feed.dictionary.close_head();
        }
        self.upkeep.degraded.keep_at = None;
        self.keep_segments(now);
    }

    /// Below, no endpoint reads any more, nor one that may come back.
    fn passed(&self) -> Seq {
        let endpoints = self.endpoints.iter().flatten().map(|endpoint| endpoint.passed(0));
        let removed = self.removals.waiting.iter().map(|removed| removed.needed(0));
        endpoints.chain(removed).min().unwrap_or_else(|| self.feeds[0].log.end().seq())
    }

    fn ask_to_keep(&mut self) {
        let feed = &self.feeds[0];
        // W5, on the disk too: definitions go first.
        let next = match feed.dictionary.next_unkept() {
            Some(segment) => Some((SegmentKind::Dictionary, segment)),
            None if feed.dictionary.unkept() > 0 => None,
            None => feed.log.next_unkept().map(|segment| (SegmentKind::Samples, segment)),
        };
        self.upkeep.degraded.keep_at = None;
        if let Some((kind, segment)) = next {
            self.upkeep.degraded.keeping = Some((kind, segment.seq));
            self.ask_disk(DiskRequest::Keep { kind, segment });
        }
    }

    pub(super) fn kept(&mut self, kind: SegmentKind, seq: Seq, slot: u16, region: Region) {
        self.upkeep.degraded.keeping = None;
        self.recovered();
        let feed = &mut self.feeds[0];
        let outcome = match kind {
            SegmentKind::Dictionary => feed.dictionary.kept(seq, slot, region),
            SegmentKind::Samples => feed.log.kept(seq, slot, region),
        };
        match outcome {
            Ok(Some(before)) => self.ask_disk(DiskRequest::Release(before)),
            Ok(None) => {}
            Err((slot, region)) => {
                let region = Some(region);
                self.ask_disk(DiskRequest::Retire { log: 0, kind, slot, region });
            }
        }
        self.prompt_endpoints();
    }

    pub(super) fn keep_failed(
        &mut self,
        now: Now,
        kind: SegmentKind,
        seq: Seq,
        region: Option<Region>,
        shortage: Shortage,
        message: String,
    ) {
        self.upkeep.degraded.keeping = None;
        self.upkeep.degraded.keep_at = Some(now.instant + RETRY_SPARE);
        let feed = &mut self.feeds[0];
        let unneeded = match kind {
            SegmentKind::Dictionary => feed.dictionary.keep_in_memory(seq, region),
            SegmentKind::Samples => feed.log.keep_in_memory(seq, region),
        };
        if let Some(region) = unneeded {
            self.ask_disk(DiskRequest::Release(region));
        }
        self.prompt_endpoints();
        self.refused_a_file(now, shortage, message);
    }

    /// Memory is nearly spent: the oldest goes. What is on a disk that can only be read does not go for this: it would
    /// make no room.
    fn shed_for_memory(&mut self, now: Now, passed: Seq) {
        let log = &self.feeds[0].log;
        let Some(cause) = self.upkeep.degraded.cause() else { return };
        let Some(in_memory) = log.oldest_in_memory() else { return };
        if !self.upkeep.sheds || log.has_memory(MEMORY_LEFT) || cause == Shortage::Late {
            return;
        }
        let oldest = passed.max(log.start().seq());
        let on_disk = oldest < in_memory;
        let recyclable = matches!(cause, Shortage::Budget | Shortage::Full);
        let below = Seq(oldest.0.saturating_add(1));
        let waits = on_disk && (!recyclable || now.instant < self.upkeep.degraded.next_shed);
        if waits || below <= self.upkeep.degraded.shed_below || oldest >= log.end().seq() {
            return;
        }
        self.upkeep.degraded.shed_below = below;
        self.upkeep.degraded.next_shed = now.instant + SHED_EVERY;
        for endpoint in self.endpoints.iter_mut().flatten() {
            endpoint.shed(0, below);
        }
        self.give_up_of_removed(0, below, Loss::Shed);
        let text =
            "Memory for the log is spent: giving up the oldest samples that are not delivered";
        self.log(Level::Warn, text, vec![("below_segment", below.0.to_string())]);
    }

    fn tell_degraded(&mut self, now: Now) {
        let (log, dictionary) = (&self.feeds[0].log, &self.feeds[0].dictionary);
        let bytes = log.memory_bytes() + dictionary.memory_bytes();
        let degraded = &mut self.upkeep.degraded;
        let cause = match self.upkeep.shortage {
            Some(shortage) => shortage,
            None if degraded.doubted => Shortage::Failing,
            None => Shortage::Late,
        };
        let since = degraded.since.map_or(now.instant, |(since, _)| since);
        degraded.since = Some((since, cause));
        let late = cause == Shortage::Late && now.instant.since(since) < LATE;
        if late || now.instant < degraded.next_line {
            return;
        }
        degraded.next_line = now.instant + LINE_EVERY;
        let begins = !core::mem::replace(&mut degraded.said, true);
        let text = match begins {
            true => "The disk gives the log no files: it goes on in memory",
            false => "The log is still in memory",
        };
        let fields = vec![
            ("cause", cause.name().to_owned()),
            ("bytes", bytes.to_string()),
            ("err", degraded.words.clone()),
        ];
        self.log(Level::Warn, text, fields);
    }

    fn end_degraded(&mut self, now: Now) {
        self.feeds[0].log.drop_memory_spare();
        let degraded = &mut self.upkeep.degraded;
        let since = degraded.since.take();
        degraded.doubted = false;
        degraded.keep_at = None;
        if let (true, Some((since, _))) = (core::mem::take(&mut degraded.said), since) {
            let seconds = now.instant.since(since).as_secs().to_string();
            self.log(Level::Info, "The log is in files again", vec![("seconds", seconds)]);
        }
    }

    /// Files were cut short or cannot be read any more, and pages of zeros stand for what was in them: nothing more goes
    /// there, and series whose definition is gone are defined again when they are met.
    pub(super) fn look_for_lost_pages(&mut self) {
        let pages = pages_lost();
        if core::mem::replace(&mut self.upkeep.degraded.pages, pages) == pages {
            return;
        }
        let feed = &mut self.feeds[0];
        let heads = [feed.log.leave_failed_head(), feed.dictionary.leave_failed_head()];
        self.upkeep.degraded.doubted |= heads.contains(&true);
        let undefined = feed.undefined();
        for &series in &undefined {
            feed.table.remove(series);
        }
        if !undefined.is_empty() {
            self.pools.forget_series(&self.feeds[0]);
        }
        let fields =
            vec![("pages", pages.to_string()), ("series_undefined", undefined.len().to_string())];
        self.log(
            Level::Error,
            "A file of the log was cut short under us, or cannot be read",
            fields,
        );
    }

    /// A cursor could not be stored; it is tried again every second, and said once a minute.
    pub(super) fn tell_of_cursor(&mut self, now: Now, file: String, message: String) {
        if now.instant < self.upkeep.degraded.next_cursor_line {
            return;
        }
        self.upkeep.degraded.next_cursor_line = now.instant + LINE_EVERY;
        let fields = vec![("file", file), ("err", message)];
        self.log(Level::Error, "Failed to store a cursor", fields);
    }
}
