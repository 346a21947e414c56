//! What each shard counts of its scrapes and its log: law L1 as metrics, and Prometheus's totals over it.

use crate::mail::Report;
use crate::model::{ExemplarRefusal, Refusal, Shortage};
use crate::telemetry::Metric;
use crate::telemetry::catalog::*;
use crate::telemetry::page::Page;

type Figure = (&'static Metric, fn(&Report) -> u64);

/// Shown by shard.
const BY_SHARD: &[Figure] = &[
    (&SCRAPED, |report| report.scrape.scraped),
    (&GENERATED, |report| report.scrape.generated),
    (&RECEIVED, |report| report.pushes.received),
    (&PUSHES, |report| report.pushes.pushes),
    (&PUSHES_DEFERRED, |report| report.pushes.deferred),
    (&PUSHES_REPEATED, |report| report.pushes.repeated),
    (&APPENDED, |report| report.log.appended),
    (&APPENDED_BYTES, |report| report.log.appended_bytes),
    (&RECORDS, |report| report.log.records),
    (&SEGMENTS, |report| report.log.segments),
    (&DISK_BYTES, |report| report.log.disk_bytes),
    (&DICTIONARY_BYTES, |report| report.log.dictionary_bytes),
    (&WAL_FULL, |report| u64::from(report.log.full)),
    (&WAL_MEMORY, |report| report.log.memory_bytes),
    (&WAL_DAMAGE, |report| report.log.damage),
    (&SYNC_FAILURES, |report| report.log.sync_failures),
    (&QUARANTINED, |report| report.quarantined),
    (&UNQUARANTINED, |report| report.unquarantined),
    (&WRITE_FAILURES, |report| report.log.write_failures),
    (&SERIES, |report| report.log.series),
    (&SERIES_CREATED, |report| report.log.series_created),
    (&SERIES_FORGOTTEN, |report| report.log.series_forgotten),
    (&TARGETS, |report| report.scrape.targets),
    (&SCRAPES, |report| report.scrape.scrapes),
    (&SCRAPES_FAILED, |report| report.scrape.scrapes_failed),
    (&PAGES_WAITING, |report| report.scrape.pages_waiting),
    (&SCRAPES_SKIPPED, |report| report.scrape.scrapes_skipped),
    (&SCRAPES_WITHHELD, |report| report.scrape.scrapes_withheld),
    (&SCRAPE_BYTES, |report| report.scrape.body_bytes),
    (&CACHE_HITS, |report| report.scrape.cache_hits),
    (&CACHE_MOVES, |report| report.scrape.cache_moves),
    (&CACHE_MISSES, |report| report.scrape.cache_misses),
];

/// Added up over shards, under Prometheus's names.
const TOTALS: &[Figure] = &[
    (&REMOTE_IN, |report| report.log.appended),
    (&WAL_BYTES, |report| report.log.disk_bytes),
    (&AGENT_SERIES, |report| report.log.series),
    (&AGENT_OUT_OF_ORDER, |report| report.scrape.refused.get(Refusal::OutOfOrder)),
    (&AGENT_CORRUPTIONS, |report| report.log.damage),
    (&TARGET_LABELS_EXCEEDED, |report| report.scrape.exceeded_label_limits),
    (&TARGET_BUCKETS_EXCEEDED, |report| report.scrape.exceeded_bucket_limit),
    (&TARGET_SAMPLES_EXCEEDED, |report| report.scrape.exceeded_sample_limit),
    (&TARGET_BODY_EXCEEDED, |report| report.scrape.exceeded_body_size_limit),
    (&TARGET_FLUSHED, |report| report.scrape.cache_flushes),
    (&API_INVALID_LABELS, |report| report.scrape.refused.get(Refusal::InvalidLabels)),
    (&TARGET_DUPLICATE, |report| of_scrapes(report, Refusal::DuplicateTimestamp)),
    (&TARGET_OUT_OF_ORDER, |report| of_scrapes(report, Refusal::OutOfOrder)),
    (&TARGET_OUT_OF_BOUNDS, |report| of_scrapes(report, Refusal::OutOfBounds)),
];

/// Refused samples that were not pushed.
fn of_scrapes(report: &Report, reason: Refusal) -> u64 {
    report.scrape.refused.get(reason).saturating_sub(report.pushes.refused.get(reason))
}

pub(super) fn write(page: &mut Page, reports: &[Report]) {
    let shards: Vec<String> = reports.iter().map(|report| report.shard.to_string()).collect();
    for (metric, figure) in TOTALS {
        page.family(metric).count(&[], reports.iter().map(figure).sum());
    }
    let sum = |figure: fn(&Report) -> u64| reports.iter().map(figure).sum::<u64>();
    let histograms = sum(|report| report.log.appended_histograms);
    let floats = sum(|report| report.log.appended) - histograms;
    let mut family = page.family(&AGENT_APPENDED);
    family.count(&[("type", "float")], floats);
    family.count(&[("type", "histogram")], histograms);
    let exemplars = sum(|report| report.log.exemplars.appended);
    for metric in [&REMOTE_EXEMPLARS_IN, &AGENT_EXEMPLARS] {
        page.family(metric).count(&[], exemplars);
    }
    let mut family = page.family(&EXEMPLARS_REFUSED);
    for (report, shard) in reports.iter().zip(&shards) {
        for reason in ExemplarRefusal::ALL {
            let labels = [("reason", reason.name()), ("shard", shard.as_str())];
            family.count(&labels, report.log.exemplars.refused(reason));
        }
    }
    let segment = reports.iter().map(|report| report.log.segment_current).max();
    page.family(&WAL_SEGMENT).count(&[], segment.unwrap_or(0));
    for (metric, figure) in BY_SHARD {
        let mut family = page.family(metric);
        for (report, shard) in reports.iter().zip(&shards) {
            family.count(&[("shard", shard)], figure(report));
        }
    }
    let mut family = page.family(&WAL_DEGRADED);
    for (report, shard) in reports.iter().zip(&shards) {
        for cause in Shortage::ALL {
            let labels = [("cause", cause.name()), ("shard", shard.as_str())];
            family.count(&labels, u64::from(report.log.degraded == Some(cause)));
        }
    }
    let mut family = page.family(&REFUSED);
    for (report, shard) in reports.iter().zip(&shards) {
        for reason in Refusal::ALL {
            let labels = [("reason", reason.name()), ("shard", shard.as_str())];
            family.count(&labels, report.scrape.refused.get(reason));
        }
    }
}
