//! What the admin server asks of the coordinator, and what it is told.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::config::Config;
use crate::mail::Report;
use crate::model::{Labels, Push, PushOutcome, Target};
use crate::telemetry::ProcessState;

/// A question. A dropped `reply` counts as no answer.
#[derive(Debug)]
pub enum Ask {
    /// The state of everything; with `targets`, that of every target too.
    Report { targets: bool, reply: oneshot::Sender<Snapshot> },
    /// What makes many series. Takes a while, on a thread of its own.
    Cardinality { reply: oneshot::Sender<Result<Cardinality, String>> },
    /// Put these into the logs of their shards; answered when all are there, or refused.
    Push { parts: Vec<(u16, Push)>, reply: oneshot::Sender<PushOutcome> },
    /// Load the configuration again; answered when that is done. The text says what is wrong.
    Reload { reply: oneshot::Sender<Result<(), String>> },
    /// End the process; answered when that has been noted.
    Quit { reply: oneshot::Sender<()> },
}

/// What the readiness of the process is (spec: HTTP-4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    #[default]
    Starting,
    Ready,
    Stopping,
}

/// Everything that an answer may show.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// One per shard.
    pub reports: Vec<Report>,
    pub process: ProcessState,
    /// One per job, in the order of the configuration.
    pub pools: Vec<PoolView>,
    /// The configuration in force.
    pub config: Arc<Config>,
}

/// The targets of one job. They are shared with the coordinator: a hundred thousand are not copied for every question.
#[derive(Clone, Debug, Default)]
pub struct PoolView {
    pub job: String,
    /// Targets placed on shards.
    pub targets: Arc<Vec<KnownTarget>>,
    /// Labels before relabeling of those that relabeling dropped, as far as they are kept.
    pub dropped: Arc<Vec<Labels>>,
    /// How many were dropped, kept or not.
    pub dropped_count: u64,
}

/// A target as the coordinator placed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownTarget {
    /// [`Target::identity_hash`]: finds its state in the reports.
    pub identity: u64,
    pub target: Target,
}

/// What makes many series.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cardinality {
    /// With a definition in the dictionaries.
    pub series: u64,
    pub metric_names: u64,
    pub label_names: u64,
    /// Series by metric name, most first; not all.
    pub metrics: Vec<(String, u64)>,
    /// Most values first; not all.
    pub labels: Vec<LabelUse>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelUse {
    pub name: String,
    /// Different ones; `capped`: there are more.
    pub values: u64,
    pub capped: bool,
    pub series: u64,
}
