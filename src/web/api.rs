//! The read-only API, version 1 (spec: HTTP-20 to HTTP-29).

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::task::spawn_blocking;

use crate::base::Timestamp;
use crate::model::{Labels, LabelsBuilder};
use crate::relabel::{Rule, apply};
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
    Notifications,
    RelabelSteps,
    RuntimeInfo,
    ScrapePools,
    ScrapePoolConfig,
    Targets,
    TargetsMetadata,
    WalReplay,
}

impl Query {
    /// By the path below `/api/v1/`, with the whole path's name in metrics.
    pub(super) fn of(path: &str) -> Option<(Query, &'static str)> {
        Some(match path {
            "metadata" => (Query::Metadata, "/api/v1/metadata"),
            "notifications" => (Query::Notifications, "/api/v1/notifications"),
            "scrape_pools" => (Query::ScrapePools, "/api/v1/scrape_pools"),
            "scrape_pools/config" => (Query::ScrapePoolConfig, "/api/v1/scrape_pools/config"),
            "status/buildinfo" => (Query::BuildInfo, "/api/v1/status/buildinfo"),
            "status/config" => (Query::Config, "/api/v1/status/config"),
            "status/flags" => (Query::Flags, "/api/v1/status/flags"),
            "status/runtimeinfo" => (Query::RuntimeInfo, "/api/v1/status/runtimeinfo"),
            "status/walreplay" => (Query::WalReplay, "/api/v1/status/walreplay"),
            "targets" => (Query::Targets, "/api/v1/targets"),
            "targets/metadata" => (Query::TargetsMetadata, "/api/v1/targets/metadata"),
            "targets/relabel_steps" => (Query::RelabelSteps, "/api/v1/targets/relabel_steps"),
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
    /// JSON: what relabeling begins with.
    labels: String,
}

/// `text`: the query part of the URL.
pub(super) async fn answer(desk: &Arc<Desk>, query: Query, text: &str) -> Response {
    match query {
        Query::BuildInfo => return answer::success(&build_info()),
        Query::Flags => {
            let flags: BTreeMap<_, _> =
                desk.settings.flags.iter().map(|(name, value)| (name, value)).collect();
            return answer::success(&flags);
        }
        // Metadata is not kept, which is what Prometheus says of a family it does not know.
        Query::Metadata => return answer::success(&BTreeMap::<String, String>::new()),
        Query::TargetsMetadata => return answer::success(&Vec::<String>::new()),
        // There is no replay to wait for: the process is ready whatever the backlog.
        Query::WalReplay => {
            return answer::success(&BTreeMap::from([("min", 0), ("max", 0), ("current", 0)]));
        }
        _ => {}
    }
    let Some(filter) = answer::query::<Filter>(text) else {
        return bad("malformed query");
    };
    let Some(snapshot) = desk.snapshot(query == Query::Targets).await else {
        return answer::failure(
            StatusCode::SERVICE_UNAVAILABLE,
            "unavailable",
            "the coordinator does not answer",
        );
    };
    let desk = Arc::clone(desk);
    // A hundred thousand targets are much text: health must not wait for it.
    let made = spawn_blocking(move || from_snapshot(&desk.settings, query, &filter, &snapshot));
    made.await.unwrap_or_else(|_| answer::text(StatusCode::INTERNAL_SERVER_ERROR, ""))
}

fn bad(message: &str) -> Response {
    answer::failure(StatusCode::BAD_REQUEST, "bad_data", message)
}

fn from_snapshot(
    settings: &Settings,
    query: Query,
    filter: &Filter,
    snapshot: &Snapshot,
) -> Response {
    match query {
        Query::Config => answer::success(&BTreeMap::from([("yaml", snapshot.config.to_yaml())])),
        Query::Notifications => answer::success(&notifications(snapshot)),
        Query::RelabelSteps => relabel_steps(snapshot, filter),
        Query::RuntimeInfo => answer::success(&runtime_info(snapshot)),
        Query::ScrapePoolConfig => match snapshot.config.job_yaml(&filter.scrape_pool) {
            Some(yaml) => answer::success(&BTreeMap::from([("yaml", yaml)])),
            None => bad(&no_pool(&filter.scrape_pool)),
        },
        Query::ScrapePools => {
            let mut pools: Vec<&str> =
                snapshot.process.pools.iter().map(|pool| pool.job.as_str()).collect();
            pools.sort_unstable();
            answer::success(&BTreeMap::from([("scrapePools", pools)]))
        }
        _ => answer::success(&targets::list(settings, snapshot, filter)),
    }
}

fn no_pool(name: &str) -> String {
    format!("scrape pool {name:?} not found")
}

#[derive(Serialize)]
struct Notification {
    text: &'static str,
    date: String,
    active: bool,
}

// spec: HTTP-30
fn notifications(snapshot: &Snapshot) -> Vec<Notification> {
    let process = &snapshot.process;
    let failed = (!process.reload.successful).then(|| Notification {
        text: "Configuration reload has failed.",
        date: rfc3339(process.now),
        active: true,
    });
    failed.into_iter().collect()
}

#[derive(Serialize)]
struct Steps {
    steps: Vec<Step>,
}

#[derive(Serialize)]
struct Step {
    rule: BTreeMap<&'static str, Value>,
    output: BTreeMap<String, String>,
    keep: bool,
}

// spec: HTTP-23
fn relabel_steps(snapshot: &Snapshot, filter: &Filter) -> Response {
    let jobs = &snapshot.config.scrape_configs;
    let Some(job) = jobs.iter().find(|job| job.job_name == filter.scrape_pool) else {
        return bad(&no_pool(&filter.scrape_pool));
    };
    let given: BTreeMap<String, String> = match serde_json::from_str(&filter.labels) {
        Ok(given) => given,
        Err(error) => return bad(&format!("error parsing labels: {error}")),
    };
    let given: Labels = given.iter().collect();
    let mut labels = LabelsBuilder::new(&given);
    let mut keep = true;
    let steps = job.relabel_configs.iter().map(|rule| {
        keep = keep && apply(std::slice::from_ref(rule), &mut labels);
        let output = if keep { labels.labels() } else { Labels::new() };
        let output = output.iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        Step { rule: shown(rule), output: output.collect(), keep }
    });
    answer::success(&Steps { steps: steps.collect() })
}

/// Fields that say nothing are left out.
fn shown(rule: &Rule) -> BTreeMap<&'static str, Value> {
    let source = rule.source();
    let texts = [
        ("separator", source.separator.as_str()),
        ("regex", &source.regex),
        ("targetLabel", &source.target_label),
        ("replacement", &source.replacement),
        ("action", source.action.name()),
    ];
    let texts = texts.into_iter().filter(|(_, text)| !text.is_empty());
    let mut fields: BTreeMap<_, _> = texts.map(|(name, text)| (name, Value::from(text))).collect();
    if !source.source_labels.is_empty() {
        fields.insert("sourceLabels", source.source_labels.clone().into());
    }
    if source.modulus > 0 {
        fields.insert("modulus", source.modulus.into());
    }
    fields
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
