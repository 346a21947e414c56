//! Scrape pools and discovery, under Prometheus's names.

use std::collections::BTreeMap;

use crate::base::Histogram;
use crate::mail::{OFFENDERS, Report};
use crate::telemetry::catalog::*;
use crate::telemetry::page::Page;
use crate::telemetry::render::seconds;
use crate::telemetry::{DiscoveryState, Metric, PoolState, ProcessState};

pub(super) fn write(page: &mut Page, reports: &[Report], process: &ProcessState) {
    let mut jobs: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    let mut intervals: BTreeMap<u64, Histogram> = BTreeMap::new();
    for report in reports {
        for meters in &report.jobs {
            let (targets, up) = jobs.entry(&meters.job).or_default();
            *targets += meters.targets;
            *up += meters.up;
        }
        for (interval_ms, lengths) in &report.scrape.interval_lengths {
            intervals.entry(*interval_ms).or_default().merge(lengths);
        }
    }
    let mut family = page.family(&TARGET_POOL_TARGETS);
    for (job, (targets, _)) in &jobs {
        family.count(&[("scrape_job", job)], *targets);
    }
    let mut family = page.family(&TARGETS_UP);
    for (job, (_, up)) in &jobs {
        family.count(&[("scrape_job", job)], *up);
    }
    write_caps(page, reports);
    let mut family = page.family(&TARGET_INTERVAL);
    for (interval_ms, lengths) in &intervals {
        let quantiles = [0.01, 0.05, 0.5, 0.9, 0.99].map(|q| (q, quantile(lengths, q)));
        let label = go_duration(*interval_ms);
        let sum = lengths.sum_ns as f64 / 1e9;
        family.summary(&[("interval", &label)], &quantiles, sum, lengths.count);
    }
    write_pools(page, &process.pools);
}

/// Of jobs that have caps.
fn write_caps(page: &mut Page, reports: &[Report]) {
    let mut jobs: BTreeMap<&str, (u64, u64, BTreeMap<&str, u64>)> = BTreeMap::new();
    for meters in reports.iter().flat_map(|report| &report.jobs) {
        if meters.series == 0 && meters.refused == 0 {
            continue;
        }
        let (series, refused, offenders) = jobs.entry(&meters.job).or_default();
        *series += meters.series;
        *refused += meters.refused;
        for (url, lines) in &meters.offenders {
            *offenders.entry(url).or_default() += lines;
        }
    }
    let mut family = page.family(&JOB_SERIES);
    for (job, (series, ..)) in &jobs {
        family.count(&[("scrape_job", job)], *series);
    }
    let mut family = page.family(&JOB_REFUSED);
    for (job, (_, refused, _)) in &jobs {
        family.count(&[("scrape_job", job)], *refused);
    }
    let mut family = page.family(&TARGET_REFUSED);
    for (job, (_, _, offenders)) in &jobs {
        let mut worst: Vec<(&str, u64)> =
            offenders.iter().map(|(url, lines)| (*url, *lines)).collect();
        worst.sort_unstable_by_key(|(url, lines)| (core::cmp::Reverse(*lines), *url));
        for (url, lines) in worst.iter().take(OFFENDERS) {
            family.count(&[("scrape_job", job), ("target", url)], *lines);
        }
    }
}

fn write_pools(page: &mut Page, pools: &[PoolState]) {
    type Figure = (&'static Metric, fn(&PoolState) -> u64);
    const FIGURES: &[Figure] = &[
        (&TARGET_POOL_LIMIT, |pool| pool.target_limit),
        (&TARGET_POOL_SYNCS, |pool| pool.syncs),
        (&TARGET_SYNC_FAILED, |pool| pool.sync_failures),
    ];
    for (metric, figure) in FIGURES {
        let mut family = page.family(metric);
        for pool in pools {
            family.count(&[("scrape_job", &pool.job)], figure(pool));
        }
    }
    let mut family = page.family(&TARGET_SYNC);
    for pool in pools {
        family.summary(&[("scrape_job", &pool.job)], &[], pool.sync_time.as_secs_f64(), pool.syncs);
    }
    let exceeded = pools.iter().map(|pool| pool.target_limit_exceeded).sum();
    page.family(&TARGET_LIMIT_EXCEEDED).count(&[], exceeded);
}

pub(super) fn write_discovery(page: &mut Page, discovery: &DiscoveryState) {
    let mut family = page.family(&SD_TARGETS);
    for (job, targets) in &discovery.targets {
        family.count(&[("config", job), ("name", "scrape")], *targets);
    }
    let mut family = page.family(&SD_LAST_UPDATE);
    for (job, at) in &discovery.last_updates {
        family.gauge(&[("config", job), ("name", "scrape")], seconds(*at));
    }
    let mut family = page.family(&SD_REFRESH_FAILURES);
    for (mechanism, job, failures) in &discovery.refresh_failures {
        family.count(&[("config", job), ("mechanism", mechanism)], *failures);
    }
    let name = [("name", "scrape")];
    page.family(&SD_FAILED_CONFIGS).count(&name, 0);
    page.family(&SD_RECEIVED).count(&name, discovery.updates);
    page.family(&SD_UPDATES).count(&name, discovery.updates);
    for (metric, mechanism) in [
        (&SD_CONSUL_FAILURES, "consul"),
        (&SD_DNS_FAILURES, "dns"),
        (&SD_HTTP_FAILURES, "http"),
        (&SD_KUBERNETES_FAILURES, "kubernetes"),
    ] {
        let known = discovery.failures.iter().find(|(name, _)| *name == mechanism);
        page.family(metric).count(&[], known.map_or(0, |(_, failures)| *failures));
    }
    page.family(&SD_FILE_ERRORS).count(&[], discovery.file_read_errors);
    page.family(&SD_WATCH_ERRORS).count(&[], discovery.file_watch_errors);
    let mut family = page.family(&SD_FILE_TIME);
    for (file, at) in &discovery.file_times {
        family.gauge(&[("filename", file)], seconds(*at));
    }
}

/// An estimate in seconds. Buckets are wide, and intervals nearly equal: within the bucket that holds the mean, the
/// mean is the better guess; in others, a place in proportion. NaN without values, as Prometheus's summaries.
fn quantile(histogram: &Histogram, quantile: f64) -> f64 {
    if histogram.count == 0 {
        return f64::NAN;
    }
    let mean = histogram.sum_ns as f64 / histogram.count as f64 / 1e9;
    let rank = quantile * histogram.count as f64;
    let mut below = 0u64;
    for (index, &count) in histogram.buckets.iter().enumerate() {
        if count > 0 && (below + count) as f64 >= rank {
            let upper = Histogram::bound_us(index) / 1e6;
            let lower = if index == 0 { 0.0 } else { Histogram::bound_us(index - 1) / 1e6 };
            if lower < mean && mean <= upper {
                return mean;
            }
            return lower + (upper - lower) * (rank - below as f64) / count as f64;
        }
        below += count;
    }
    mean
}

/// A duration as Go prints it, which is what the `interval` label holds: `15s`, `1m0s`, `1.5s`, `500ms`.
fn go_duration(ms: u64) -> String {
    if ms < 1000 {
        return if ms == 0 { "0s".to_owned() } else { format!("{ms}ms") };
    }
    let (hours, minutes) = (ms / 3_600_000, ms / 60_000 % 60);
    let seconds = (ms % 60_000) as f64 / 1000.0;
    match (hours, minutes) {
        (0, 0) => format!("{seconds}s"),
        (0, _) => format!("{minutes}m{seconds}s"),
        _ => format!("{hours}h{minutes}m{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;

    #[test]
    fn intervals_are_labelled_as_go_prints_them() {
        for (ms, text) in [
            (0, "0s"),
            (500, "500ms"),
            (1500, "1.5s"),
            (15_000, "15s"),
            (60_000, "1m0s"),
            (90_500, "1m30.5s"),
            (3_600_000, "1h0m0s"),
        ] {
            assert_eq!(go_duration(ms), text);
        }
    }

    #[test]
    fn quantiles_of_steady_values_are_the_value_and_outliers_show() {
        let mut histogram = Histogram::default();
        assert!(quantile(&histogram, 0.5).is_nan());
        for _ in 0..98 {
            histogram.observe(Duration::from_secs(15));
        }
        assert_eq!(quantile(&histogram, 0.01), 15.0);
        assert_eq!(quantile(&histogram, 0.99), 15.0);
        histogram.observe(Duration::from_secs(40));
        histogram.observe(Duration::from_secs(40));
        assert!(quantile(&histogram, 0.99) > 25.0);
    }
}
