//! Every exported metric once. Names of Prometheus where the meaning is the same (spec: MET, section 7).

/// A metric family that a page may hold.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    pub name: &'static str,
    pub kind: MetricKind,
    pub help: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    Counter,
    Gauge,
    Histogram,
    Summary,
}

impl MetricKind {
    pub fn name(self) -> &'static str {
        match self {
            MetricKind::Counter => "counter",
            MetricKind::Gauge => "gauge",
            MetricKind::Histogram => "histogram",
            MetricKind::Summary => "summary",
        }
    }
}

macro_rules! catalog {
    ($($constant:ident $kind:ident $name:literal $help:literal;)*) => {
        $(pub(super) const $constant: Metric =
            Metric { name: $name, kind: MetricKind::$kind, help: $help };)*
        /// The whole catalog.
        pub const CATALOG: &[Metric] = &[$($constant),*];
    };
}

catalog! {
    BUILD_INFO Gauge "prometheus_build_info" "Always 1; the labels say which program this is.";
    READY Gauge "prometheus_ready" "1 once the process is ready to serve.";
    RELOAD_OK Gauge "prometheus_config_last_reload_successful" "Whether the last reload of the configuration succeeded.";
    RELOAD_TIME Gauge "prometheus_config_last_reload_success_timestamp_seconds" "When the configuration was last loaded well.";
    HTTP_REQUESTS Counter "prometheus_http_requests_total" "Requests to the admin server, by path and status.";

    REMOTE_SAMPLES Counter "prometheus_remote_storage_samples_total" "Float samples in requests, counted at every attempt.";
    REMOTE_FAILED Counter "prometheus_remote_storage_samples_failed_total" "Float samples lost: refused for good, shed for disk space, or unreadable.";
    REMOTE_RETRIED Counter "prometheus_remote_storage_samples_retried_total" "Float samples in attempts that failed and are repeated.";
    REMOTE_DROPPED Counter "prometheus_remote_storage_samples_dropped_total" "Float samples not sent because the configuration says so.";
    REMOTE_PENDING Gauge "prometheus_remote_storage_samples_pending" "Samples in the log that wait for a verdict, native histograms among them.";
    REMOTE_HISTOGRAMS Counter "prometheus_remote_storage_histograms_total" "Native histograms in requests, counted at every attempt.";
    REMOTE_HISTOGRAMS_FAILED Counter "prometheus_remote_storage_histograms_failed_total" "Native histograms lost: refused for good, shed for disk space, or unreadable.";
    REMOTE_HISTOGRAMS_RETRIED Counter "prometheus_remote_storage_histograms_retried_total" "Native histograms in attempts that failed and are repeated.";
    REMOTE_HISTOGRAMS_DROPPED Counter "prometheus_remote_storage_histograms_dropped_total" "Native histograms not sent because the configuration or the protocol says so.";
    REMOTE_METADATA Counter "prometheus_remote_storage_metadata_total" "Families in requests of their own (remote write 1.0), counted at every attempt.";
    REMOTE_METADATA_FAILED Counter "prometheus_remote_storage_metadata_failed_total" "Families whose request was refused for good.";
    REMOTE_METADATA_RETRIED Counter "prometheus_remote_storage_metadata_retried_total" "Families in attempts that failed and are repeated.";
    REMOTE_METADATA_BYTES Counter "prometheus_remote_storage_metadata_bytes_total" "Bytes of such requests, compressed.";
    REMOTE_EXEMPLARS Counter "prometheus_remote_storage_exemplars_total" "Exemplars in requests, counted at every attempt.";
    REMOTE_EXEMPLARS_FAILED Counter "prometheus_remote_storage_exemplars_failed_total" "Exemplars lost: refused for good, with their samples or alone, shed for disk space, or unreadable.";
    REMOTE_EXEMPLARS_RETRIED Counter "prometheus_remote_storage_exemplars_retried_total" "Exemplars in attempts that failed and are repeated.";
    REMOTE_EXEMPLARS_DROPPED Counter "prometheus_remote_storage_exemplars_dropped_total" "Exemplars whose samples are not sent because the configuration or the protocol says so.";
    REMOTE_EXEMPLARS_IN Counter "prometheus_remote_storage_exemplars_in_total" "Exemplars in the log.";
    AGENT_EXEMPLARS Counter "prometheus_agent_exemplars_appended_total" "Exemplars in the log.";
    EXEMPLARS_REFUSED Counter "corelane_exemplars_refused_total" "Exemplars read from pages that are not in the log, though their samples may be.";
    REMOTE_ENQUEUE_RETRIES Counter "prometheus_remote_storage_enqueue_retries_total" "Always 0: the log is read in place, no queue can be full.";
    REMOTE_BATCH_SECONDS Histogram "prometheus_remote_storage_sent_batch_duration_seconds" "Time from a request written to its answer read.";
    REMOTE_HIGHEST Gauge "prometheus_remote_storage_queue_highest_timestamp_seconds" "Newest timestamp destined for the endpoint.";
    REMOTE_HIGHEST_SENT Gauge "prometheus_remote_storage_queue_highest_sent_timestamp_seconds" "Newest timestamp with a verdict, on the shard that is furthest behind.";
    REMOTE_SHARDS Gauge "prometheus_remote_storage_shards" "Connections that lanes are dealt to, over all shards.";
    REMOTE_SHARDS_MAX Gauge "prometheus_remote_storage_shards_max" "Most connections allowed.";
    REMOTE_SHARDS_MIN Gauge "prometheus_remote_storage_shards_min" "Fewest connections kept.";
    REMOTE_SHARDS_DESIRED Gauge "prometheus_remote_storage_shards_desired" "Connections that would carry what comes in and a backlog within five seconds, whatever the bounds.";
    REMOTE_SHARD_CAPACITY Gauge "prometheus_remote_storage_shard_capacity" "Samples that one connection may hold in memory.";
    REMOTE_PER_SEND Gauge "prometheus_remote_storage_max_samples_per_send" "Most samples in one request.";
    REMOTE_BYTES Counter "prometheus_remote_storage_bytes_total" "Compressed bytes sent.";
    REMOTE_IN Counter "prometheus_remote_storage_samples_in_total" "Samples appended to the log.";
    REMOTE_IN_HIGHEST Gauge "prometheus_remote_storage_highest_timestamp_in_seconds" "Newest timestamp appended.";
    WATCHER_SEGMENT Gauge "prometheus_wal_watcher_current_segment" "Segment that the endpoint needs, on the shard that is furthest behind.";
    WAL_SEGMENT Gauge "prometheus_tsdb_wal_segment_current" "Segment that is appended to: the highest number over all shards.";
    WAL_BYTES Gauge "prometheus_tsdb_wal_storage_size_bytes" "Bytes of disk that the logs take.";

    AGENT_SERIES Gauge "prometheus_agent_active_series" "Series known in memory.";
    AGENT_CLEAN_START Gauge "prometheus_agent_clean_start" "1: the last run ended well, 0: it did not, -1: unknown.";
    AGENT_REPLAY Gauge "prometheus_agent_data_replay_duration_seconds" "Time that reading the logs took at start.";
    AGENT_APPENDED Counter "prometheus_agent_samples_appended_total" "Samples appended to the log.";
    AGENT_OUT_OF_ORDER Counter "prometheus_agent_out_of_order_samples_total" "Samples refused as out of order.";
    AGENT_CORRUPTIONS Counter "prometheus_agent_corruptions_total" "Damaged places in the log that were stepped over.";

    TARGET_INTERVAL Summary "prometheus_target_interval_length_seconds" "Time between starts of scrapes, by configured interval.";
    TARGET_SYNC Summary "prometheus_target_sync_length_seconds" "Time to turn a job's groups into targets.";
    TARGET_SYNC_FAILED Counter "prometheus_target_sync_failed_total" "Targets that could not be built.";
    TARGET_POOL_SYNCS Counter "prometheus_target_scrape_pool_sync_total" "Times that a job's groups were turned into targets.";
    TARGET_POOL_TARGETS Gauge "prometheus_target_scrape_pool_targets" "Targets of a job that are scraped.";
    TARGET_POOL_LIMIT Gauge "prometheus_target_scrape_pool_target_limit" "Most targets allowed; 0: no limit.";
    TARGET_LIMIT_EXCEEDED Counter "prometheus_target_scrape_pool_exceeded_target_limit_total" "Times that a job had more targets than allowed.";
    TARGET_LABELS_EXCEEDED Counter "prometheus_target_scrape_pool_exceeded_label_limits_total" "Scrapes that broke a label limit.";
    TARGET_SAMPLES_EXCEEDED Counter "prometheus_target_scrapes_exceeded_sample_limit_total" "Scrapes that broke the sample limit.";
    TARGET_BUCKETS_EXCEEDED Counter "prometheus_target_scrapes_exceeded_native_histogram_bucket_limit_total" "Scrapes that broke the limit of buckets of a native histogram.";
    TARGET_BODY_EXCEEDED Counter "prometheus_target_scrapes_exceeded_body_size_limit_total" "Scrapes that broke the body size limit.";
    TARGET_DUPLICATE Counter "prometheus_target_scrapes_sample_duplicate_timestamp_total" "Samples refused for a timestamp seen before.";
    TARGET_OUT_OF_ORDER Counter "prometheus_target_scrapes_sample_out_of_order_total" "Samples refused as older than the series' last.";
    TARGET_OUT_OF_BOUNDS Counter "prometheus_target_scrapes_sample_out_of_bounds_total" "Samples refused as too far in the future.";

    TARGET_FLUSHED Counter "prometheus_target_scrapes_cache_flush_forced_total" "Times that texts of failed pages were forgotten because there were too many.";
    API_INVALID_LABELS Counter "prometheus_api_remote_write_invalid_labels_samples_total" "Pushed samples whose labels are no labels.";

    SD_TARGETS Gauge "prometheus_sd_discovered_targets" "Targets known to discovery, before relabeling.";
    SD_FAILED_CONFIGS Gauge "prometheus_sd_failed_configs" "Discovery configurations that could not be started.";
    SD_LAST_UPDATE Gauge "prometheus_sd_last_update_timestamp_seconds" "When a job's groups last changed.";
    SD_RECEIVED Counter "prometheus_sd_received_updates_total" "Updates received from mechanisms.";
    SD_UPDATES Counter "prometheus_sd_updates_total" "Updates passed on.";
    SD_REFRESH_FAILURES Counter "prometheus_sd_refresh_failures_total" "Refreshes that left something unread.";
    SD_CONSUL_FAILURES Counter "prometheus_sd_consul_rpc_failures_total" "Questions to Consul that failed.";
    SD_DNS_FAILURES Counter "prometheus_sd_dns_lookup_failures_total" "Refreshes of DNS discovery with a look-up that failed.";
    SD_HTTP_FAILURES Counter "prometheus_sd_http_failures_total" "Refreshes of HTTP discovery that failed.";
    SD_KUBERNETES_FAILURES Counter "prometheus_sd_kubernetes_failures_total" "Lists and watches of Kubernetes that failed.";
    SD_FILE_ERRORS Counter "prometheus_sd_file_read_errors_total" "Target files that could not be read or parsed.";
    SD_WATCH_ERRORS Counter "prometheus_sd_file_watcher_errors_total" "Directories that could not be watched.";
    SD_FILE_TIME Gauge "prometheus_sd_file_mtime_seconds" "Modification time of each target file.";

    PROCESS_CPU Counter "process_cpu_seconds_total" "User and system CPU time.";
    PROCESS_FDS_MAX Gauge "process_max_fds" "Most file descriptors allowed.";
    PROCESS_FDS Gauge "process_open_fds" "File descriptors open.";
    PROCESS_RESIDENT Gauge "process_resident_memory_bytes" "Resident memory.";
    PROCESS_START Gauge "process_start_time_seconds" "When the process started.";
    PROCESS_THREADS Gauge "process_threads" "Threads of the process.";
    PROCESS_VIRTUAL Gauge "process_virtual_memory_bytes" "Virtual memory.";

    RUNTIME_INFO Gauge "corelane_runtime_info" "Always 1; the label says what waits for the network.";
    CORES Gauge "corelane_cores" "Cores that shards run on.";
    CORE_STALL Gauge "corelane_core_stall_seconds" "Time from an order to its answer: how long a core looked away.";
    DISK_BUDGET Gauge "corelane_disk_budget_bytes" "Disk that all logs may take together; 0: unknown.";
    CREDENTIAL_SOURCES Gauge "corelane_credential_sources" "Servers of tokens and temporary keys that jobs and endpoints need.";
    CREDENTIALS_MISSING Gauge "corelane_credentials_missing" "Those of which there is no credential that is good: their jobs fail, their endpoints wait.";
    CREDENTIAL_FAILURES Counter "corelane_credential_failures_total" "Times that one gave no credential; it is asked again.";
    SCRAPED Counter "corelane_samples_scraped_total" "Samples read from pages. Scraped, generated and received are appended or refused.";
    GENERATED Counter "corelane_samples_generated_total" "Samples made here: report series and staleness markers.";
    RECEIVED Counter "corelane_samples_received_total" "Samples that were pushed.";
    PUSHES Counter "corelane_pushes_total" "Parts of pushed requests: each shard that keeps some of its series has one.";
    PUSHES_DEFERRED Counter "corelane_pushes_deferred_total" "Those that could not be taken in full for now: their senders were told to come again.";
    PUSHES_REPEATED Counter "corelane_pushes_repeated_total" "Those that came again after they had been dealt with.";
    REFUSED Counter "corelane_samples_refused_total" "Samples that did not enter the log, by reason.";
    APPENDED Counter "corelane_wal_appended_samples_total" "Samples that entered the log.";
    APPENDED_BYTES Counter "corelane_wal_appended_bytes_total" "Bytes of records appended to the log.";
    RECORDS Counter "corelane_wal_records_total" "Records appended to the log.";
    SEGMENTS Gauge "corelane_wal_segments" "Segments of samples held.";
    DISK_BYTES Gauge "corelane_wal_disk_bytes" "Bytes of disk that a shard's logs take.";
    DICTIONARY_BYTES Gauge "corelane_wal_dictionary_bytes" "Part of the disk bytes that holds labels.";
    WAL_FULL Gauge "corelane_wal_full" "1 while the disk gives no room.";
    WAL_DEGRADED Gauge "corelane_wal_degraded" "1 while some of the log is only in memory, by why there is no file for it.";
    WAL_MEMORY Gauge "corelane_wal_memory_bytes" "Bytes of memory that it takes.";
    WAL_DAMAGE Counter "corelane_wal_damage_total" "Damaged places stepped over.";
    QUARANTINED Counter "corelane_rejected_samples_recorded_total" "Rejected samples that were written to rejected.jsonl.";
    UNQUARANTINED Counter "corelane_rejected_samples_unrecorded_total" "Rejected samples that were not: too many at once, or no disk.";
    SYNC_FAILURES Counter "corelane_wal_sync_failures_total" "Syncs of the log that failed.";
    WRITE_FAILURES Counter "corelane_wal_write_failures_total" "Records that could not be written to their file.";
    SERIES Gauge "corelane_series" "Series with a definition in memory.";
    SERIES_CREATED Counter "corelane_series_created_total" "Series met for the first time.";
    SERIES_FORGOTTEN Counter "corelane_series_forgotten_total" "Series given up after they ended.";
    TARGETS Gauge "corelane_targets" "Targets of a shard, and those that are gone and whose markers are due.";
    TARGETS_UP Gauge "corelane_targets_up" "Targets of a job whose last scrape succeeded.";
    JOB_SERIES Gauge "corelane_job_series" "Series that count towards the caps of a job that has some.";
    JOB_REFUSED Gauge "corelane_job_series_refused" "Lines of a job's last pages that found no room under its caps.";
    TARGET_REFUSED Gauge "corelane_target_series_refused" "The same of the ten targets of a job with the most.";
    SCRAPES Counter "corelane_scrapes_total" "Scrapes ended.";
    SCRAPES_FAILED Counter "corelane_scrapes_failed_total" "Scrapes that failed.";
    PAGES_WAITING Gauge "corelane_scrape_pages_waiting" "Pages that wait for another turn, or for room in the dictionary.";
    SCRAPES_SKIPPED Counter "corelane_scrapes_skipped_total" "Ticks that found the previous scrape still running.";
    SCRAPES_WITHHELD Counter "corelane_scrapes_withheld_total" "Scrapes not made because the log had no room and --wal.full is refuse-new.";
    SCRAPE_BYTES Counter "corelane_scrape_body_bytes_total" "Bytes of pages, decoded.";
    CACHE_HITS Counter "corelane_scrape_cache_hits_total" "Lines met where they were expected.";
    CACHE_MOVES Counter "corelane_scrape_cache_moves_total" "Lines known but met elsewhere.";
    CACHE_MISSES Counter "corelane_scrape_cache_misses_total" "Lines not met before.";

    ENTERED Counter "corelane_endpoint_samples_entered_total" "Samples that became the endpoint's business. All are acknowledged, lost, resumed or pending.";
    ACKNOWLEDGED Counter "corelane_endpoint_samples_acknowledged_total" "Samples that the endpoint has taken.";
    LOST Counter "corelane_endpoint_samples_lost_total" "Samples not delivered, by reason.";
    RESUMED Counter "corelane_endpoint_samples_resumed_total" "Samples found to be acknowledged before the last start.";
    PENDING Gauge "corelane_endpoint_samples_pending" "Samples that wait for a verdict.";
    REMOVED_PENDING Gauge "corelane_removed_endpoint_samples_pending" "Samples kept for an endpoint that left the configuration, in case it comes back.";
    OLDEST_PENDING Gauge "corelane_endpoint_oldest_pending_age_seconds" "Age of the oldest sample that waits; 0: none does.";
    BACKLOG_BYTES Gauge "corelane_endpoint_backlog_bytes" "Bytes of log between the endpoint's cursor and the end.";
    REQUESTS Counter "corelane_endpoint_requests_total" "Requests answered or given up.";
    REQUESTS_FAILED Counter "corelane_endpoint_requests_failed_total" "Requests without a good answer.";
    COMMIT_TO_ACK Histogram "corelane_endpoint_commit_to_ack_seconds" "Time from a sample's commit to its acknowledgement.";
    CONNECTIONS Gauge "corelane_endpoint_connections" "Connections that lanes are dealt to.";
    CONNECTIONS_BUSY Gauge "corelane_endpoint_connections_busy" "Connections with a request in flight.";
    AHEAD Gauge "corelane_endpoint_fresh_ahead" "1 while what is new goes ahead of a backlog.";
    HELD Gauge "corelane_endpoint_held" "1 while the endpoint refuses us and is only probed.";

    LEDGER_OFFERED Counter "corelane_ledger_offered_samples_total" "Samples offered to the log over all starts. All were appended or refused.";
    LEDGER_APPENDED Counter "corelane_ledger_appended_samples_total" "Samples that entered the log over all starts.";
    LEDGER_REFUSED Counter "corelane_ledger_refused_samples_total" "Samples that did not enter the log over all starts, by reason.";
    LEDGER_VANISHED Counter "corelane_ledger_vanished_samples_total" "Appended samples that a start found the log to have lost, with the power or with its files.";
    LEDGER_ENTERED Counter "corelane_ledger_entered_samples_total" "Samples that became the endpoint's business over all starts.";
    LEDGER_ACKNOWLEDGED Counter "corelane_ledger_acknowledged_samples_total" "Samples that the endpoint has taken over all starts.";
    LEDGER_LOST Counter "corelane_ledger_lost_samples_total" "Samples not delivered over all starts, by reason; missing: in a place damaged when some lanes had passed it.";
    LEDGER_SURPLUS Counter "corelane_ledger_surplus_samples_total" "Samples with a verdict that the log no longer counts, because power loss took them after the verdict was stored.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_counters_end_in_total() {
        for (at, metric) in CATALOG.iter().enumerate() {
            assert!(CATALOG[..at].iter().all(|other| other.name != metric.name), "{}", metric.name);
            let total = metric.name.ends_with("_total");
            assert_eq!(total, metric.kind == MetricKind::Counter, "{}", metric.name);
            assert!(metric.help.ends_with('.') && !metric.help.contains('\\'), "{}", metric.name);
        }
    }
}
