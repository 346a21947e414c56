//! What the shards count of each endpoint: law L2 as metrics, and Prometheus's view of a remote-write queue.

use std::collections::BTreeMap;

use crate::base::{Histogram, Timestamp};
use crate::mail::{EndpointMeters, RemovedMeters, Report};
use crate::model::{Loss, Losses};
use crate::telemetry::Metric;
use crate::telemetry::catalog::*;
use crate::telemetry::page::{Label, Page};
use crate::telemetry::render::seconds;

type Figure = (&'static Metric, fn(&EndpointMeters) -> u64);

/// Added up over shards, under Prometheus's names.
const TOTALS: &[Figure] = &[
    (&REMOTE_SAMPLES, |meters| meters.attempted - meters.histograms.attempted),
    (&REMOTE_FAILED, |meters| failed(&meters.lost) - failed(&meters.histograms.lost)),
    (&REMOTE_RETRIED, |meters| meters.retried - meters.histograms.retried),
    (&REMOTE_HISTOGRAMS, |meters| meters.histograms.attempted),
    (&REMOTE_HISTOGRAMS_FAILED, |meters| failed(&meters.histograms.lost)),
    (&REMOTE_HISTOGRAMS_RETRIED, |meters| meters.histograms.retried),
    (&REMOTE_EXEMPLARS, |meters| meters.exemplars.attempted),
    (&REMOTE_EXEMPLARS_FAILED, |meters| failed(&meters.exemplars.lost)),
    (&REMOTE_EXEMPLARS_RETRIED, |meters| meters.exemplars.retried),
    (&REMOTE_METADATA, |meters| meters.metadata.attempted),
    (&REMOTE_METADATA_FAILED, |meters| meters.metadata.failed),
    (&REMOTE_METADATA_RETRIED, |meters| meters.metadata.retried),
    (&REMOTE_METADATA_BYTES, |meters| meters.metadata.bytes_sent),
    (&REMOTE_PENDING, |meters| meters.pending),
    (&REMOTE_ENQUEUE_RETRIES, |_| 0),
    (&REMOTE_SHARDS, |meters| meters.connections),
    (&REMOTE_SHARDS_MAX, |meters| meters.connections_max),
    (&REMOTE_SHARDS_MIN, |meters| meters.connections_min),
    (&REMOTE_BYTES, |meters| meters.bytes_sent),
];

/// Shown by endpoint and shard.
const BY_SHARD: &[Figure] = &[
    (&ENTERED, |meters| meters.entered),
    (&ACKNOWLEDGED, |meters| meters.acknowledged),
    (&RESUMED, |meters| meters.resumed),
    (&PENDING, |meters| meters.pending),
    (&BACKLOG_BYTES, |meters| meters.backlog_bytes),
    (&REQUESTS, |meters| meters.requests),
    (&REQUESTS_FAILED, |meters| meters.requests_failed),
    (&CONNECTIONS, |meters| meters.connections),
    (&CONNECTIONS_BUSY, |meters| meters.connections_busy),
    (&AHEAD, |meters| u64::from(meters.ahead)),
    (&HELD, |meters| u64::from(meters.held)),
];

fn failed(lost: &Losses) -> u64 {
    let failures = [Loss::Rejected, Loss::Presumed, Loss::Shed, Loss::Expired, Loss::Unreadable];
    failures.map(|loss| lost.get(loss)).iter().sum()
}

/// One endpoint on all shards.
struct Endpoint<'a> {
    name: &'a str,
    url: &'a str,
    /// Shard, its newest segment, its counters.
    parts: Vec<(String, u64, &'a EndpointMeters)>,
}

impl<'a> Endpoint<'a> {
    fn labels(&self) -> [Label<'a>; 2] {
        [("remote_name", self.name), ("url", self.url)]
    }

    fn meters(&self) -> impl Iterator<Item = &'a EndpointMeters> + '_ {
        self.parts.iter().map(|(_, _, meters)| *meters)
    }

    fn sum(&self, figure: fn(&EndpointMeters) -> u64) -> u64 {
        self.meters().map(figure).sum()
    }

    fn highest(&self) -> Timestamp {
        self.meters().map(|meters| meters.highest_timestamp).max().unwrap_or_default()
    }

    /// The newest one over all shards would hide a shard that hangs (spec: RW-60), so a shard that has samples
    /// pending holds the figure back.
    fn highest_sent(&self) -> Timestamp {
        let behind = self.meters().filter(|meters| meters.pending > 0);
        let newest = self.meters().map(|meters| meters.highest_sent_timestamp).max();
        let held_back = behind.map(|meters| meters.highest_sent_timestamp).min();
        held_back.or(newest).unwrap_or_default()
    }

    /// Shards number their segments independently, so the figure stands as far below the newest segment of all
    /// as the worst shard's cursor stands below its own newest.
    fn segment(&self) -> u64 {
        let newest = self.parts.iter().map(|(_, current, _)| *current).max().unwrap_or(0);
        let lag = self
            .parts
            .iter()
            .map(|(_, current, meters)| current.saturating_sub(meters.cursor_segment));
        newest.saturating_sub(lag.max().unwrap_or(0))
    }

    fn histogram(&self, of: fn(&EndpointMeters) -> &Histogram) -> Histogram {
        let mut merged = Histogram::default();
        self.meters().for_each(|meters| merged.merge(of(meters)));
        merged
    }
}

fn pending_age_ms(meters: &EndpointMeters, now: Timestamp) -> i64 {
    match meters.oldest_pending {
        Timestamp(0) => 0,
        Timestamp(oldest) => now.0.saturating_sub(oldest).max(0),
    }
}

/// A loss of endpoints that are not configured any more.
const REMOVED: &str = "endpoint_removed";

fn removed(reports: &[Report]) -> impl Iterator<Item = (String, &RemovedMeters)> {
    reports
        .iter()
        .flat_map(|report| report.removed.iter().map(|removed| (report.shard.to_string(), removed)))
}

/// By name, so that a page's order does not depend on the configuration's.
fn gather(reports: &[Report]) -> Vec<Endpoint<'_>> {
    let mut endpoints: BTreeMap<&str, Endpoint<'_>> = BTreeMap::new();
    for report in reports {
        for meters in &report.endpoints {
            let (name, url) = (meters.name.as_str(), meters.url.as_str());
            let entry = endpoints.entry(name);
            let endpoint = entry.or_insert_with(|| Endpoint { name, url, parts: Vec::new() });
            let part = (report.shard.to_string(), report.log.segment_current, meters);
            endpoint.parts.push(part);
        }
    }
    endpoints.into_values().collect()
}

pub(super) fn write(page: &mut Page, reports: &[Report], now: Timestamp) {
    let endpoints = gather(reports);
    for (metric, figure) in TOTALS {
        let mut family = page.family(metric);
        for endpoint in &endpoints {
            family.count(&endpoint.labels(), endpoint.sum(*figure));
        }
    }
    write_queue(page, &endpoints, now);
    for (metric, figure) in BY_SHARD {
        let mut family = page.family(metric);
        for endpoint in &endpoints {
            for (shard, _, meters) in &endpoint.parts {
                let labels = [("remote_name", endpoint.name), ("shard", shard)];
                family.count(&labels, figure(meters));
            }
        }
    }
    write_verdicts(page, reports, &endpoints, now);
    let newest = endpoints.iter().map(Endpoint::highest).max().unwrap_or_default();
    page.family(&REMOTE_IN_HIGHEST).gauge(&[], seconds(newest));
}

/// Prometheus's gauges of a queue that are not sums.
fn write_queue(page: &mut Page, endpoints: &[Endpoint<'_>], now: Timestamp) {
    type Gauge = (&'static Metric, fn(&Endpoint<'_>, Timestamp) -> f64);
    const GAUGES: &[Gauge] = &[
        (&REMOTE_HIGHEST, |endpoint, _| seconds(endpoint.highest())),
        (&REMOTE_HIGHEST_SENT, |endpoint, _| seconds(endpoint.highest_sent())),
        (&REMOTE_SHARDS_DESIRED, |endpoint, _| {
            endpoint.meters().map(|meters| meters.connections_desired).sum()
        }),
        (&REMOTE_SHARD_CAPACITY, |endpoint, _| per_send(endpoint)),
        (&REMOTE_PER_SEND, |endpoint, _| per_send(endpoint)),
    ];
    for (metric, figure) in GAUGES {
        let mut family = page.family(metric);
        for endpoint in endpoints {
            family.gauge(&endpoint.labels(), figure(endpoint, now));
        }
    }
    let mut family = page.family(&REMOTE_DROPPED);
    for endpoint in endpoints {
        for reason in [Loss::Filtered, Loss::TooOld] {
            let floats = |meters: &EndpointMeters| {
                meters.lost.get(reason) - meters.histograms.lost.get(reason)
            };
            let [name, url] = endpoint.labels();
            let dropped = endpoint.meters().map(floats).sum();
            family.count(&[name, url, ("reason", reason.name())], dropped);
        }
    }
    let mut family = page.family(&REMOTE_HISTOGRAMS_DROPPED);
    for endpoint in endpoints {
        for reason in [Loss::CustomBuckets, Loss::Filtered, Loss::HistogramsOff, Loss::TooOld] {
            let [name, url] = endpoint.labels();
            let dropped = endpoint.meters().map(|meters| meters.histograms.lost.get(reason)).sum();
            family.count(&[name, url, ("reason", reason.name())], dropped);
        }
    }
    let mut family = page.family(&REMOTE_EXEMPLARS_DROPPED);
    for endpoint in endpoints {
        for reason in [Loss::CustomBuckets, Loss::Filtered, Loss::HistogramsOff, Loss::TooOld] {
            let [name, url] = endpoint.labels();
            let dropped = endpoint.meters().map(|meters| meters.exemplars.lost.get(reason)).sum();
            family.count(&[name, url, ("reason", reason.name())], dropped);
        }
    }
    let mut family = page.family(&REMOTE_BATCH_SECONDS);
    for endpoint in endpoints {
        family
            .histogram(&endpoint.labels(), &endpoint.histogram(|meters| &meters.request_duration));
    }
    let mut family = page.family(&WATCHER_SEGMENT);
    for endpoint in endpoints {
        family.count(&[("consumer", endpoint.name)], endpoint.segment());
    }
}

fn per_send(endpoint: &Endpoint<'_>) -> f64 {
    endpoint.meters().map(|meters| meters.samples_max).max().unwrap_or(0) as f64
}

fn write_verdicts(page: &mut Page, reports: &[Report], endpoints: &[Endpoint<'_>], now: Timestamp) {
    let mut family = page.family(&LOST);
    for endpoint in endpoints {
        for (shard, _, meters) in &endpoint.parts {
            for reason in Loss::ALL {
                let labels = [
                    ("reason", reason.name()),
                    ("remote_name", endpoint.name),
                    ("shard", shard.as_str()),
                ];
                family.count(&labels, meters.lost.get(reason));
            }
        }
    }
    for (shard, removed) in removed(reports) {
        let labels = [("reason", REMOVED), ("remote_name", &removed.name), ("shard", &shard)];
        family.count(&labels, removed.given_up);
    }
    let mut family = page.family(&REMOVED_PENDING);
    for (shard, removed) in removed(reports) {
        let labels = [("remote_name", removed.name.as_str()), ("shard", &shard)];
        family.gauge(&labels, removed.pending as f64);
    }
    let mut family = page.family(&OLDEST_PENDING);
    for endpoint in endpoints {
        for (shard, _, meters) in &endpoint.parts {
            let labels = [("remote_name", endpoint.name), ("shard", shard.as_str())];
            family.gauge(&labels, pending_age_ms(meters, now) as f64 / 1000.0);
        }
    }
    let mut family = page.family(&COMMIT_TO_ACK);
    for endpoint in endpoints {
        let histogram = endpoint.histogram(|meters| &meters.commit_to_ack);
        family.histogram(&[("remote_name", endpoint.name)], &histogram);
    }
}
