//! What the admin server asks of the coordinator, and what it is told.

use tokio::sync::oneshot;

use crate::mail::Report;
use crate::model::{Labels, Target};
use crate::telemetry::ProcessState;

/// A question. A dropped `reply` counts as no answer.
#[derive(Debug)]
pub enum Ask {
    /// The state of everything; with `targets`, that of every target too.
    Report { targets: bool, reply: oneshot::Sender<Snapshot> },
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
    /// Targets placed on shards. Only with [`Ask::Report`]'s `targets`.
    pub targets: Vec<KnownTarget>,
    /// Targets that relabeling dropped, as far as they are kept: job and labels before relabeling.
    pub dropped: Vec<(String, Labels)>,
    /// How many were dropped, kept or not, by job.
    pub dropped_counts: Vec<(String, u64)>,
    /// The configuration in force, with defaults, without secrets (CFG-9).
    pub config_yaml: String,
}

/// A target as the coordinator placed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownTarget {
    pub job: String,
    /// [`Target::identity_hash`]: finds its state in the reports.
    pub identity: u64,
    pub target: Target,
}
