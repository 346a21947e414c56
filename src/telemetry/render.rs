//! Reports and process state in, a page out.

use crate::base::Timestamp;
use crate::mail::Report;
use crate::telemetry::catalog::*;
use crate::telemetry::page::Page;
use crate::telemetry::{CredentialState, ProcessState, build, cores, endpoints, ledger, targets};

/// The metrics page, text exposition format 0.0.4. `reports`: one per shard.
pub fn render(reports: &[Report], process: &ProcessState) -> String {
    let mut page = Page::default();
    program(&mut page, process);
    endpoints::write(&mut page, reports, process.now);
    cores::write(&mut page, reports);
    ledger::write(&mut page, reports);
    targets::write(&mut page, reports, process);
    targets::write_discovery(&mut page, &process.discovery);
    page.text
}

pub(super) fn seconds(at: Timestamp) -> f64 {
    at.0 as f64 / 1000.0
}

fn program(page: &mut Page, process: &ProcessState) {
    let build_labels = [
        ("branch", build::BRANCH),
        ("goarch", build::architecture()),
        ("goos", build::OS),
        ("goversion", ""),
        ("revision", build::REVISION),
        ("tags", ""),
        ("version", build::VERSION),
    ];
    page.family(&BUILD_INFO).count(&build_labels, 1);
    page.family(&READY).count(&[], u64::from(process.ready));
    page.family(&RELOAD_OK).count(&[], u64::from(process.reload.successful));
    page.family(&RELOAD_TIME).gauge(&[], seconds(process.reload.last_success));
    let mut family = page.family(&HTTP_REQUESTS);
    for (handler, status, count) in &process.http_requests {
        family.count(&[("code", &status.to_string()), ("handler", handler)], *count);
    }
    let clean_start = match process.clean_start {
        Some(clean) => f64::from(clean),
        None => -1.0,
    };
    page.family(&AGENT_CLEAN_START).gauge(&[], clean_start);
    page.family(&AGENT_REPLAY).gauge(&[], process.recovery.as_secs_f64());
    let usage = &process.usage;
    page.family(&PROCESS_CPU).gauge(&[], usage.cpu_seconds);
    page.family(&PROCESS_FDS_MAX).count(&[], usage.fds_max);
    page.family(&PROCESS_FDS).count(&[], usage.open_fds);
    page.family(&PROCESS_RESIDENT).count(&[], usage.resident_bytes);
    page.family(&PROCESS_START).gauge(&[], seconds(process.started));
    page.family(&PROCESS_THREADS).count(&[], usage.threads);
    page.family(&PROCESS_VIRTUAL).count(&[], usage.virtual_bytes);
    page.family(&RUNTIME_INFO).count(&[("runtime", &process.runtime)], 1);
    page.family(&CORES).count(&[], process.cores);
    page.family(&DISK_BUDGET).count(&[], process.disk_budget_bytes);
    let CredentialState { sources, missing, failures } = process.credentials;
    page.family(&CREDENTIAL_SOURCES).count(&[], sources);
    page.family(&CREDENTIALS_MISSING).count(&[], missing);
    page.family(&CREDENTIAL_FAILURES).count(&[], failures);
    let mut family = page.family(&CORE_STALL);
    for (shard, stall) in &process.stalls {
        family.gauge(&[("shard", &shard.to_string())], stall.as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;
    use std::collections::BTreeSet;

    use super::*;
    use crate::base::Histogram;
    use crate::mail::{EndpointMeters, JobMeters, LogMeters, RemovedMeters, ScrapeMeters};
    use crate::model::{Loss, Losses, Refusal, Refusals};
    use crate::telemetry::{CATALOG, DiscoveryState, MetricKind, PoolState};

    fn report(shard: u16, pending: u64, sent: i64) -> Report {
        let mut lost = Losses::default();
        lost.add(Loss::Filtered, 5);
        lost.add(Loss::Shed, 7);
        let mut refused = Refusals::default();
        refused.add(Refusal::OutOfOrder, 2);
        let mut took = Histogram::default();
        took.observe(Duration::from_millis(3));
        let endpoint = EndpointMeters {
            name: "r\"1\"".to_owned(),
            url: "http://r/".to_owned(),
            entered: 100,
            pending,
            lost,
            attempted: 40,
            highest_timestamp: Timestamp(20_000),
            highest_sent_timestamp: Timestamp(sent),
            oldest_pending: Timestamp(if pending > 0 { sent } else { 0 }),
            connections: 1,
            connections_busy: u64::from(pending > 0),
            connections_max: 1,
            connections_desired: 1.25,
            request_duration: took.clone(),
            cursor_segment: 5,
            ..EndpointMeters::default()
        };
        Report {
            shard,
            scrape: ScrapeMeters {
                scraped: 1000,
                generated: 5,
                refused,
                interval_lengths: vec![(15_000, took)],
                ..ScrapeMeters::default()
            },
            jobs: vec![JobMeters {
                job: "node".to_owned(),
                targets: 3,
                up: 2,
                series: 70,
                quota: 70,
                refused: 5,
                offenders: vec![("http://a/metrics".to_owned(), 5)],
            }],
            log: LogMeters {
                appended: 1003,
                segment_current: 6 + u64::from(shard),
                ..LogMeters::default()
            },
            endpoints: vec![endpoint],
            removed: vec![RemovedMeters { name: "gone".to_owned(), pending: 7, given_up: 3 }],
            ..Report::default()
        }
    }

    fn process() -> ProcessState {
        ProcessState {
            now: Timestamp(100_000),
            ready: true,
            runtime: "epoll".to_owned(),
            stalls: vec![(0, Duration::from_micros(250)), (1, Duration::ZERO)],
            pools: vec![PoolState { job: "node".to_owned(), syncs: 2, ..PoolState::default() }],
            discovery: DiscoveryState {
                targets: vec![("node".to_owned(), 6)],
                last_updates: vec![("node".to_owned(), Timestamp(1500))],
                refresh_failures: vec![("file", "node".to_owned(), 1)],
                file_times: vec![("/t.json".to_owned(), Timestamp(2000))],
                ..DiscoveryState::default()
            },
            http_requests: vec![("/metrics".to_owned(), 200, 4)],
            ..ProcessState::default()
        }
    }

    #[test]
    fn a_page_is_well_formed_has_no_sample_twice_and_shows_the_whole_catalog() {
        let page = render(&[report(0, 0, 20_000), report(1, 9, 15_000)], &process());
        let (mut series, mut families) = (BTreeSet::new(), Vec::new());
        let mut current = None;
        for line in page.lines() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let name = help.split(' ').next().expect("name");
                let metric = CATALOG.iter().find(|metric| metric.name == name).expect("known");
                assert_eq!(help, format!("{name} {}", metric.help));
                assert!(!families.contains(&name), "{name} in two places");
                families.push(name);
                current = Some(metric);
                continue;
            }
            let metric = current.expect("help first");
            if let Some(kind) = line.strip_prefix("# TYPE ") {
                assert_eq!(kind, format!("{} {}", metric.name, metric.kind.name()));
                continue;
            }
            let (id, value) = line.rsplit_once(' ').expect("value");
            assert!(value.parse::<f64>().is_ok(), "{line}");
            assert!(series.insert(id), "{id} twice");
            let name = id.split('{').next().expect("name");
            let suffix = name.strip_prefix(metric.name).expect("of the family");
            let suffixes: &[&str] = match metric.kind {
                MetricKind::Counter | MetricKind::Gauge => &[""],
                MetricKind::Histogram => &["_bucket", "_sum", "_count"],
                MetricKind::Summary => &["", "_sum", "_count"],
            };
            assert!(suffixes.contains(&suffix), "{line}");
        }
        assert!(page.ends_with('\n'));
        let missing: Vec<&str> = CATALOG
            .iter()
            .map(|metric| metric.name)
            .filter(|name| !families.contains(name))
            .collect();
        assert!(missing.is_empty(), "{missing:?}");
    }

    #[test]
    fn shards_are_added_up_and_the_slowest_one_shows() {
        let page = render(&[report(0, 0, 20_000), report(1, 9, 15_000)], &process());
        let remote = "remote_name=\"r\\\"1\\\"\",url=\"http://r/\"";
        let own = "remote_name=\"r\\\"1\\\"\",shard=\"1\"";
        for line in [
            format!("prometheus_remote_storage_samples_total{{{remote}}} 80"),
            format!("prometheus_remote_storage_samples_failed_total{{{remote}}} 14"),
            format!(
                "prometheus_remote_storage_samples_dropped_total{{{remote},reason=\"dropped_series\"}} 10"
            ),
            format!("prometheus_remote_storage_samples_pending{{{remote}}} 9"),
            format!("prometheus_remote_storage_queue_highest_timestamp_seconds{{{remote}}} 20"),
            format!(
                "prometheus_remote_storage_queue_highest_sent_timestamp_seconds{{{remote}}} 15"
            ),
            format!("prometheus_remote_storage_shards{{{remote}}} 2"),
            format!("prometheus_remote_storage_shards_desired{{{remote}}} 2.5"),
            format!(
                "prometheus_remote_storage_sent_batch_duration_seconds_bucket{{{remote},le=\"0.002048\"}} 0"
            ),
            format!(
                "prometheus_remote_storage_sent_batch_duration_seconds_bucket{{{remote},le=\"0.004096\"}} 2"
            ),
            format!("prometheus_remote_storage_sent_batch_duration_seconds_count{{{remote}}} 2"),
            "prometheus_remote_storage_samples_in_total 2006".to_owned(),
            "prometheus_tsdb_wal_segment_current 7".to_owned(),
            "prometheus_wal_watcher_current_segment{consumer=\"r\\\"1\\\"\"} 5".to_owned(),
            "prometheus_target_scrape_pool_targets{scrape_job=\"node\"} 6".to_owned(),
            "prometheus_target_interval_length_seconds{interval=\"15s\",quantile=\"0.5\"} 0.003"
                .to_owned(),
            "prometheus_target_interval_length_seconds_count{interval=\"15s\"} 2".to_owned(),
            "prometheus_target_scrapes_sample_out_of_order_total 4".to_owned(),
            "prometheus_sd_discovered_targets{config=\"node\",name=\"scrape\"} 6".to_owned(),
            "corelane_samples_refused_total{reason=\"out_of_order\",shard=\"0\"} 2".to_owned(),
            format!("corelane_endpoint_oldest_pending_age_seconds{{{own}}} 85"),
            "corelane_core_stall_seconds{shard=\"0\"} 0.00025".to_owned(),
            "corelane_runtime_info{runtime=\"epoll\"} 1".to_owned(),
            "prometheus_agent_clean_start -1".to_owned(),
        ] {
            assert!(page.lines().any(|found| found == line), "{line}\n{page}");
        }
    }

    #[test]
    fn a_page_without_reports_is_well_formed_too() {
        let page = render(&[], &ProcessState::default());
        assert!(page.contains("\nprometheus_ready 0\n"));
        assert!(!page.contains("remote_name"));
    }
}
