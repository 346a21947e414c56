//! A shard's counters, copied.

use crate::base::Timestamp;
use crate::mail::{HeldSegment, LogMeters, Report};
use crate::shard::Shard;

impl Shard {
    /// State at this moment. `targets`: with one row per target.
    pub fn report(&mut self, number: u64, targets: bool) -> Report {
        let mut scrape = self.pools.meters.clone();
        scrape.targets = self.pools.targets();
        scrape.pages_waiting = self.pools.pages_waiting();
        scrape.refused = self.appender.refused;
        let decoded = &mut self.scratch.decoded;
        let endpoints = self.endpoints.iter().flatten();
        Report {
            shard: self.number,
            number,
            scrape,
            pushes: self.intake.meters,
            jobs: self.pools.job_meters(),
            endpoints: endpoints.map(|endpoint| endpoint.report(&self.feeds, decoded)).collect(),
            log: self.log_meters(),
            removed: self.removals.report(&self.feeds),
            quarantined: self.letters.written,
            unquarantined: self.letters.left_out,
            targets: if targets { self.pools.target_states() } else { Vec::new() },
        }
    }

    /// Damaged places that recovery stepped over, adopted logs included.
    fn damage(&self) -> u64 {
        let feeds = self.feeds.iter();
        feeds.map(|feed| feed.log.counters().damaged + feed.dictionary.counters().damaged).sum()
    }

    fn log_meters(&self) -> LogMeters {
        let own = &self.feeds[0];
        let counters = own.log.counters();
        let mut meters = LogMeters {
            appended: self.appender.appended,
            appended_histograms: self.appender.histograms,
            exemplars: self.appender.exemplars,
            series: own.table.len() as u64,
            series_created: own.table.created,
            series_forgotten: own.table.forgotten,
            appended_bytes: counters.bytes,
            records: counters.records,
            segments: own.log.segments().count() as u64,
            segment_current: u64::from(own.log.end().seq().0),
            dictionary_bytes: own.dictionary.bytes_used(),
            damage: self.damage(),
            full: self.upkeep.shortage.is_some(),
            degraded: self.upkeep.degraded.cause(),
            memory_bytes: own.log.memory_bytes() + own.dictionary.memory_bytes(),
            sync_failures: self.upkeep.sync_failures,
            write_failures: counters.write_failures + own.dictionary.counters().write_failures,
            ledger: self.ledger.sum(&self.appender),
            recovery: self.recovery,
            ..LogMeters::default()
        };
        for (log, feed) in self.feeds.iter().enumerate() {
            if self.adopted_removed(log) {
                continue;
            }
            meters.disk_bytes += feed.log.bytes_used() + feed.dictionary.bytes_used();
            let head = feed.log.end().seq();
            meters.held.extend(feed.log.segments().map(|segment| HeldSegment {
                log: log as u16,
                seq: segment.seq.0,
                bytes: if segment.slot.is_some() { segment.bytes } else { 0 },
                base_time: Timestamp(segment.base_time_ms),
                head: log == 0 && segment.seq >= head,
            }));
            let end = feed.log.end().seq();
            meters
                .needed
                .push((log as u16, self.needed(log).map_or(end, |needed| needed.min(end)).0));
        }
        meters
    }
}
