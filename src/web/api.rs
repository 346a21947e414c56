//! The read-only API, version 1 (spec: HTTP-20 to HTTP-29).

use std::collections::BTreeMap;

use axum::extract::Query as UrlQuery;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use serde::{Deserialize, Serialize};

use crate::base::Timestamp;
use crate::telemetry::{Usage, build, rfc3339};
use crate::web::server::{Desk, Settings};
use crate::web::{Snapshot, answer, hostname, targets};

/// What can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Query {
    BuildInfo,
    Config,
    Flags,
    Metadata,
    RuntimeInfo,
    ScrapePools,
    Targets,
    TargetsMetadata,
    WalReplay,
}

impl Query {
    /// By the path below `/api/v1/`, with the whole path's name in metrics.
    pub(super) fn of(path: &str) -> Option<(Query, &'static str)> {
        Some(match path {
            "metadata" => (Query::Metadata, "/api/v1/metadata"),
            "scrape_pools" => (Query::ScrapePools, "/api/v1/scrape_pools"),
            "status/buildinfo" => (Query::BuildInfo, "/api/v1/status/buildinfo"),
            "status/config" => (Query::Config, "/api/v1/status/config"),
            "status/flags" => (Query::Flags, "/api/v1/status/flags"),
            "status/runtimeinfo" => (Query::RuntimeInfo, "/api/v1/status/runtimeinfo"),
            "status/walreplay" => (Query::WalReplay, "/api/v1/status/walreplay"),
            "targets" => (Query::Targets, "/api/v1/targets"),
            "targets/metadata" => (Query::TargetsMetadata, "/api/v1/targets/metadata"),
            _ => return None,
        })
    }
}

/// Which targets are wanted. Empty fields do not restrict.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Filter {
    pub(super) state: String,
    pub(super) scrape_pool: String,
}

/// `text`: the query part of the URL.
pub(super) async fn answer(desk: &Desk, query: Query, text: &str) -> Response {
    match query {
        Query::BuildInfo => answer::success(&build_info()),
        Query::Flags => {
            let flags: BTreeMap<_, _> =
                desk.settings.flags.iter().map(|(name, value)| (name, value)).collect();
            answer::success(&flags)
        }
        // Metadata is not kept, which is what Prometheus says of a family it does not know.
        Query::Metadata => answer::success(&BTreeMap::<String, String>::new()),
        Query::TargetsMetadata => answer::success(&Vec::<String>::new()),
        // There is no replay to wait for: the process is ready whatever the backlog.
        Query::WalReplay => {
            answer::success(&BTreeMap::from([("min", 0), ("max", 0), ("current", 0)]))
        }
        Query::Config | Query::RuntimeInfo | Query::ScrapePools | Query::Targets => {
            match desk.snapshot(query == Query::Targets).await {
                Some(snapshot) => from_snapshot(&desk.settings, query, text, &snapshot),
                None => answer::failure(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "unavailable",
                    "the coordinator does not answer",
                ),
            }
        }
    }
}

fn from_snapshot(settings: &Settings, query: Query, text: &str, snapshot: &Snapshot) -> Response {
    match query {
        Query::Config => {
            answer::success(&BTreeMap::from([("yaml", snapshot.config_yaml.as_str())]))
        }
        Query::RuntimeInfo => answer::success(&runtime_info(snapshot)),
        Query::ScrapePools => {
            let mut pools: Vec<&str> =
                snapshot.process.pools.iter().map(|pool| pool.job.as_str()).collect();
            pools.sort_unstable();
            answer::success(&BTreeMap::from([("scrapePools", pools)]))
        }
        _ => match filter(text) {
            Some(filter) => answer::success(&targets::list(settings, snapshot, &filter)),
            None => answer::failure(StatusCode::BAD_REQUEST, "bad_data", "malformed query"),
        },
    }
}

fn filter(text: &str) -> Option<Filter> {
    let uri: Uri = format!("/?{text}").parse().ok()?;
    UrlQuery::<Filter>::try_from_uri(&uri).ok().map(|UrlQuery(filter)| filter)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BuildInfo {
    version: &'static str,
    revision: &'static str,
    branch: &'static str,
    build_user: &'static str,
    build_date: &'static str,
    go_version: &'static str,
}

// spec: HTTP-27
pub(super) fn build_info() -> BuildInfo {
    BuildInfo {
        version: build::VERSION,
        revision: build::REVISION,
        branch: build::BRANCH,
        build_user: "",
        build_date: build::DATE,
        go_version: "",
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RuntimeInfo {
    start_time: String,
    #[serde(rename = "CWD")]
    directory: String,
    hostname: String,
    server_time: String,
    reload_config_success: bool,
    last_config_time: String,
    corruption_count: u64,
    goroutine_count: u64,
    #[serde(rename = "GOMAXPROCS")]
    cores: u64,
    #[serde(rename = "GOMEMLIMIT")]
    memory_limit: i64,
    #[serde(rename = "GOGC")]
    gogc: &'static str,
    #[serde(rename = "GODEBUG")]
    godebug: &'static str,
    storage_retention: &'static str,
}

/// Go's figures stand for the nearest thing here: threads for goroutines, cores for processors.
// spec: HTTP-26
fn runtime_info(snapshot: &Snapshot) -> RuntimeInfo {
    let process = &snapshot.process;
    let directory = std::env::current_dir().map(|path| path.to_string_lossy().into_owned());
    RuntimeInfo {
        start_time: rfc3339(process.started),
        directory: directory.unwrap_or_default(),
        hostname: hostname(),
        server_time: rfc3339(process.now),
        reload_config_success: process.reload.successful,
        last_config_time: time_or_never(process.reload.last_success),
        corruption_count: snapshot.reports.iter().map(|report| report.log.damage).sum(),
        goroutine_count: Usage::read().threads,
        cores: process.cores,
        memory_limit: i64::MAX,
        gogc: "",
        godebug: "",
        storage_retention: "",
    }
}

/// Go's zero time when there is none.
pub(super) fn time_or_never(at: Timestamp) -> String {
    match at {
        Timestamp(0) => "0001-01-01T00:00:00Z".to_owned(),
        at => rfc3339(at),
    }
}
