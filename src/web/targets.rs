//! The list of targets as the API shows it (spec: HTTP-20).

use std::collections::{BTreeMap, HashMap};

use serde::{Serialize, Serializer};

use crate::base::format_duration;
use crate::mail::TargetState;
use crate::model::Labels;
use crate::web::api::{Filter, time_or_never};
use crate::web::server::Settings;
use crate::web::{KnownTarget, Snapshot};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct List<'a> {
    active_targets: Vec<Active<'a>>,
    dropped_targets: Vec<Dropped<'a>>,
    dropped_target_counts: Option<BTreeMap<&'a str, u64>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Active<'a> {
    #[serde(serialize_with = "map")]
    discovered_labels: &'a Labels,
    #[serde(serialize_with = "map")]
    labels: &'a Labels,
    scrape_pool: &'a str,
    scrape_url: String,
    global_url: String,
    last_error: &'a str,
    last_scrape: String,
    last_scrape_duration: f64,
    health: &'static str,
    scrape_interval: String,
    scrape_timeout: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Dropped<'a> {
    #[serde(serialize_with = "map")]
    discovered_labels: &'a Labels,
    scrape_pool: &'a str,
}

pub(super) fn map<S: Serializer>(labels: &&Labels, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(labels.iter())
}

/// State of every target that the reports speak of, by job and identity.
pub(super) fn states(snapshot: &Snapshot) -> HashMap<(&str, u64), &TargetState> {
    let all = snapshot.reports.iter().flat_map(|report| &report.targets);
    all.map(|state| ((state.job.as_str(), state.identity), state)).collect()
}

pub(super) fn health(state: Option<&TargetState>) -> &'static str {
    match state.and_then(|state| state.up) {
        Some(true) => "up",
        Some(false) => "down",
        None => "unknown",
    }
}

/// Sorted by pool, in the coordinator's order within one.
pub(super) fn list<'a>(settings: &Settings, snapshot: &'a Snapshot, filter: &Filter) -> List<'a> {
    let state = filter.state.to_ascii_lowercase();
    let wants = |kind: &str| state.is_empty() || state == "any" || state == kind;
    let in_pool = |job: &str| filter.scrape_pool.is_empty() || filter.scrape_pool == job;
    let mut pools: Vec<_> = snapshot.pools.iter().filter(|pool| in_pool(&pool.job)).collect();
    pools.sort_by_key(|pool| &pool.job);
    let (mut active_targets, mut dropped_targets) = (Vec::new(), Vec::new());
    if wants("active") {
        let states = states(snapshot);
        for pool in &pools {
            active_targets.extend(pool.targets.iter().map(|known| {
                let state = states.get(&(pool.job.as_str(), known.identity)).copied();
                active(settings, &pool.job, known, state)
            }));
        }
    }
    if wants("dropped") {
        for pool in &pools {
            let dropped = pool.dropped.iter();
            dropped_targets.extend(
                dropped.map(|labels| Dropped { discovered_labels: labels, scrape_pool: &pool.job }),
            );
        }
    }
    let all = snapshot.pools.iter();
    let counts = || all.map(|pool| (pool.job.as_str(), pool.dropped_count)).collect();
    let dropped_target_counts = wants("dropped").then(counts);
    List { active_targets, dropped_targets, dropped_target_counts }
}

fn active<'a>(
    settings: &Settings,
    job: &'a str,
    known: &'a KnownTarget,
    state: Option<&'a TargetState>,
) -> Active<'a> {
    let target = &known.target;
    let url = target.url();
    Active {
        discovered_labels: &target.discovered,
        labels: &target.labels,
        scrape_pool: job,
        global_url: settings.external.globalize(&url, settings.port),
        scrape_url: url,
        last_error: state.map_or("", |state| &state.error),
        last_scrape: time_or_never(state.map(|state| state.last_scrape).unwrap_or_default()),
        last_scrape_duration: state.map_or(0.0, |state| state.duration.as_secs_f64()),
        health: health(state),
        scrape_interval: format_duration(target.interval),
        scrape_timeout: format_duration(target.timeout),
    }
}
