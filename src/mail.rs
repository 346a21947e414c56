//! The only types that cross cores. Orders go down to a shard, notices come up; both are owned plain data, so a core
//! can be told and never operated.
//!
//! May use: base, model, relabel, http, tls, auth.

use core::fmt;
use core::num::NonZeroU64;
use core::time::Duration;

use crate::auth::SigV4;
use crate::base::{Histogram, Timestamp};
use crate::http::{Proxies, Url};
use crate::model::{
    ExemplarCounts, Losses, Push, PushOutcome, Refusals, RemoteMessage, Shortage, StatusPolicy,
    Target,
};
use crate::relabel::Rule;
use crate::tls;

/// From the coordinator to one shard. Applied once, in the order sent.
#[derive(Debug)]
pub enum Order {
    /// The configuration in force: what this says replaces what was said before; what did not change stays untouched.
    Assign(Box<Assignment>),
    /// All targets of one job that this shard owns. A target that was there before keeps its state.
    Targets { job: String, targets: Vec<Target> },
    /// Samples of epochs up to and including this one may go to the endpoint: every shard has delivered what older
    /// core counts left behind.
    Release { endpoint: String, epoch: u32 },
    /// Segments of log number `log` below this one are acknowledged by every endpoint, or given up: retire them. The
    /// shard keeps what a stored cursor still needs.
    Truncate { log: u16, below: u32 },
    /// How many series of a job this shard may store.
    Quota { job: String, series: u64 },
    /// The disk budget is spent: give up what is older than this segment of log number `log`.
    Shed { log: u16, below: u32 },
    /// What is older than this segment of log number `log` is older than may be kept.
    Expire { log: u16, below: u32 },
    /// What the shard's files may take from now on, and what they must leave free on the filesystem, in bytes. For the
    /// driver's disk helper; the shard itself has no use for it.
    Budget { bytes_max: u64, free_bytes_min: u64 },
    /// Put this into the log and answer with [`Notice::Pushed`] of the same number.
    Push { number: u64, push: Box<Push> },
    /// Answer with [`Notice::Report`] of the same number.
    Report { number: u64, targets: bool },
    /// Answer with [`Notice::Beat`] of the same number; the time it takes is the core's stall.
    Beat { number: u64 },
    /// Stop scraping, store cursors, answer [`Notice::Stopped`].
    Stop,
}

/// From one shard to the coordinator.
#[derive(Debug)]
pub enum Notice {
    Report(Box<Report>),
    Beat {
        shard: u16,
        number: u64,
    },
    /// The lowest epoch of which this shard still holds samples that the endpoint has not settled; `u32::MAX`: none
    /// but the present one.
    Epoch {
        shard: u16,
        endpoint: String,
        lowest: u32,
    },
    /// The disk or the budget gave no room for a spare: the budget is to be looked at now.
    Full {
        shard: u16,
    },
    Log {
        shard: u16,
        level: Level,
        message: String,
        fields: Vec<(&'static str, String)>,
    },
    /// A failed scrape of a job that asks for such notices.
    Failed(Box<Failure>),
    /// What became of [`Order::Push`].
    Pushed {
        number: u64,
        outcome: Box<PushOutcome>,
    },
    Stopped {
        shard: u16,
    },
}

/// A failed scrape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub job: String,
    /// The target's URL.
    pub url: String,
    pub time: Timestamp,
    pub error: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

/// Jobs and endpoints in force on every shard.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Assignment {
    /// Counts configurations applied.
    pub generation: u64,
    pub jobs: Vec<Job>,
    pub endpoints: Vec<EndpointPlan>,
    /// External labels, packed.
    pub external_labels: Vec<u8>,
    /// How far behind a series' newest sample another may be and still be appended (DB-20).
    pub out_of_order_window: Duration,
    /// TLS settings by the key that jobs and endpoints name.
    pub tls: Vec<TlsPlan>,
    /// DER certificates trusted where a setting names no CA.
    pub system_roots: Vec<Vec<u8>>,
}

/// One set of TLS settings.
#[derive(Clone, Debug, PartialEq)]
pub struct TlsPlan {
    pub key: u32,
    pub settings: tls::Settings,
    /// Name to verify and to ask for; empty: the host connected to.
    pub server_name: String,
}

/// What jobs and endpoints have in common: who we are, and through whom we go.
#[derive(Clone, Default, PartialEq)]
pub struct Transport {
    pub proxies: Proxies,
    /// Headers that stay with the host they are meant for: credentials, and those that the configuration adds.
    pub private: Vec<(String, String)>,
    /// Requests are signed.
    pub signer: Option<SigV4>,
    /// Why nothing may be sent now: there is no credential.
    pub withheld: Option<String>,
    pub follow_redirects: bool,
    /// Connections begin with any of a name's addresses, not with the first.
    pub spread: bool,
}

impl fmt::Debug for Transport {
    /// Headers hold credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport").field("withheld", &self.withheld).finish_non_exhaustive()
    }
}

/// What a shard must know of a scrape configuration. Limits are off at 0.
#[derive(Clone, Default, PartialEq)]
pub struct Job {
    pub name: String,
    pub honor_labels: bool,
    pub honor_timestamps: bool,
    pub track_timestamps_staleness: bool,
    /// Bytes after decompression.
    pub body_size_limit: u64,
    pub sample_limit: u64,
    pub label_limit: u64,
    pub label_name_length_limit: u64,
    pub label_value_length_limit: u64,
    /// Most buckets of a native histogram; its resolution is reduced until it has no more.
    pub bucket_limit: u64,
    /// How much wider each bucket of a native histogram must be than the one before it, at least.
    pub min_bucket_factor: f64,
    /// Most series stored of one target.
    pub target_series_limit: u64,
    /// Most series stored of all of its targets on this shard, until a quota says otherwise.
    pub job_series_limit: Option<u64>,
    /// Names are checked by the old rules.
    pub legacy_names: bool,
    /// Three more series are written about each scrape.
    pub extra_report: bool,
    /// Each failed scrape is told to the coordinator.
    pub tells_failures: bool,
    /// Set when the job has more targets than `target_limit` allows: every scrape fails with this text, unsent.
    pub forced_error: Option<String>,
    pub metric_relabel: Vec<Rule>,
    /// Request headers: Accept, Accept-Encoding, User-Agent. The timeout header is the target's.
    pub headers: Vec<(String, String)>,
    /// Protocol assumed for a page without a usable content type; a configuration name such as `PrometheusText0.0.4`.
    pub fallback_protocol: Option<String>,
    pub transport: Transport,
    /// A series that says when its counting began gets a zero there.
    pub inject_zeros: bool,
    /// That time is kept with its samples.
    pub keep_starts: bool,
    /// Series are labelled with type and unit of their family.
    pub type_and_unit: bool,
    /// A new target is scraped at once, not only when its phase comes.
    pub at_once: bool,
    /// Key into [`Assignment::tls`] for https targets.
    pub tls: u32,
}

/// What a shard must know of a `remote_write` entry.
#[derive(Clone, PartialEq)]
pub struct EndpointPlan {
    /// `remote_name` in metrics.
    pub name: String,
    /// What cursors go by: the written `name`, else the URL. No other setting takes part, so no change resets it.
    pub identity: String,
    /// What an entry with the same URL and without a name would go by: its place is taken over where there is no other.
    pub formerly: Option<String>,
    pub url: Url,
    /// All request headers but Host, Content-Length, Retry-Attempt, those that name the message and those of
    /// `transport`.
    pub headers: Vec<(String, String)>,
    pub transport: Transport,
    pub tls: u32,
    pub relabel: Vec<Rule>,
    /// Connections of this shard, from 1 to `limits::CONNECTIONS`: as many as the way and the backlog ask for.
    pub connections_min: usize,
    pub connections_max: usize,
    pub samples_max: usize,
    /// Uncompressed bytes of one request.
    pub bytes_max: usize,
    /// Compressed bytes of one request.
    pub block_max: usize,
    /// How long a request that is not full waits; zero sends at once.
    pub batch_deadline: Duration,
    pub timeout: Duration,
    pub backoff_min: Duration,
    pub backoff_max: Duration,
    pub retry_429: bool,
    /// It takes samples in any order: what is new goes ahead of a backlog.
    pub out_of_order_ok: bool,
    /// Samples of a backlog a second, at most, that go beside what is new.
    pub backfill_rate: Option<NonZeroU64>,
    /// What is done about answers that are not treated as usual.
    pub status_policy: StatusPolicy,
    /// Zero: no limit.
    pub sample_age_limit: Duration,
    /// What is sent, unless the endpoint shows that it does not know it.
    pub message: RemoteMessage,
    /// Native histograms are sent; else each is counted as lost.
    pub send_native_histograms: bool,
    /// Else they are passed over.
    pub send_exemplars: bool,
    /// How often types, helps and units are sent to an endpoint of 1.0; `None`: never.
    pub metadata_interval: Option<Duration>,
    /// In one request, at least one.
    pub metadata_max: usize,
    /// A new endpoint begins with the oldest sample held, not with the next one.
    pub from_oldest: bool,
    /// How long a connection tries refused samples one by one before it presumes.
    pub patience: Duration,
}

impl Job {
    /// It has a cap on its series.
    pub fn is_capped(&self) -> bool {
        self.target_series_limit > 0 || self.job_series_limit.is_some()
    }
}

impl fmt::Debug for Job {
    /// Headers hold credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job").field("name", &self.name).finish_non_exhaustive()
    }
}

impl fmt::Debug for EndpointPlan {
    /// Headers hold credentials, and so may the URL that the identity is.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plan = &mut f.debug_struct("EndpointPlan");
        plan.field("name", &self.name).field("url", &self.url).finish_non_exhaustive()
    }
}

/// State of one shard at one moment: plain copies of its counters.
#[derive(Clone, Debug, Default)]
pub struct Report {
    pub shard: u16,
    pub number: u64,
    pub scrape: ScrapeMeters,
    pub pushes: PushMeters,
    pub jobs: Vec<JobMeters>,
    pub log: LogMeters,
    pub endpoints: Vec<EndpointMeters>,
    pub removed: Vec<RemovedMeters>,
    /// Rejected samples written down for whoever wants to know, and those that were not: too many, or no disk.
    pub quarantined: u64,
    pub unquarantined: u64,
    /// Only when asked for.
    pub targets: Vec<TargetState>,
}

/// What came by pushes: a request has a part for each shard that keeps some of its series.
#[derive(Clone, Copy, Debug, Default)]
pub struct PushMeters {
    pub pushes: u64,
    /// Samples in them. Of law L1, as those that are scraped and generated.
    pub received: u64,
    /// Those of the samples that were refused; [`ScrapeMeters::refused`] has them too.
    pub refused: Refusals,
    /// Parts that are to be sent again.
    pub deferred: u64,
    /// Parts that came again after all of them had been dealt with.
    pub repeated: u64,
}

/// Law L1: `offered = appended + refused`, where offered is scraped + generated + received by pushes.
#[derive(Clone, Debug, Default)]
pub struct ScrapeMeters {
    pub targets: u64,
    /// Pages that wait for another turn, or for room in the dictionary.
    pub pages_waiting: u64,
    pub scrapes: u64,
    pub scrapes_failed: u64,
    /// Ticks that found the previous scrape still running.
    pub scrapes_skipped: u64,
    /// Ticks at which the log had no room, and nothing was to be given up for it.
    pub scrapes_withheld: u64,
    /// Samples read from pages.
    pub scraped: u64,
    /// Samples made here: report series and staleness markers.
    pub generated: u64,
    pub refused: Refusals,
    pub body_bytes: u64,
    pub exceeded_sample_limit: u64,
    pub exceeded_body_size_limit: u64,
    pub exceeded_label_limits: u64,
    pub exceeded_bucket_limit: u64,
    /// Real time between starts of scrapes, by the configured interval in milliseconds.
    pub interval_lengths: Vec<(u64, Histogram)>,
    /// Positional cache: lines met where expected, found elsewhere, and new.
    pub cache_hits: u64,
    pub cache_moves: u64,
    pub cache_misses: u64,
    /// Times that texts of failed pages were forgotten because there were too many.
    pub cache_flushes: u64,
}

#[derive(Clone, Debug, Default)]
pub struct JobMeters {
    pub job: String,
    pub targets: u64,
    pub up: u64,
    /// Series that count towards the job's cap, where it has one, and how many of them this shard may store.
    pub series: u64,
    pub quota: u64,
    /// Lines of the last pages that found no room under the caps.
    pub refused: u64,
    /// The targets with most of them, by URL; at most [`OFFENDERS`].
    pub offenders: Vec<(String, u64)>,
}

/// Targets named for breaking a cap, per job.
pub const OFFENDERS: usize = 10;

#[derive(Clone, Debug, Default)]
pub struct LogMeters {
    pub appended: u64,
    /// Native histograms among those.
    pub appended_histograms: u64,
    pub exemplars: ExemplarCounts,
    /// Series with a definition in memory.
    pub series: u64,
    pub series_created: u64,
    pub series_forgotten: u64,
    /// Record bytes appended, headers included.
    pub appended_bytes: u64,
    pub records: u64,
    /// Segments of samples: number held, and the sequence number of the newest.
    pub segments: u64,
    pub segment_current: u64,
    /// Bytes of all segments held, dictionary included.
    pub disk_bytes: u64,
    pub dictionary_bytes: u64,
    /// Damaged places stepped over.
    pub damage: u64,
    /// True while the disk gives no spare segment.
    pub full: bool,
    /// Why segments are only in memory, while some are.
    pub degraded: Option<Shortage>,
    /// Bytes of memory that they take.
    pub memory_bytes: u64,
    pub sync_failures: u64,
    /// Records that could not be written to their file; they go on being sent from memory.
    pub write_failures: u64,
    pub ledger: LogLedger,
    pub recovery: Recovery,
    /// Every samples segment held, oldest first: what the coordinator weighs for the disk budget.
    pub held: Vec<HeldSegment>,
    /// For each log that this shard keeps, by number: the lowest segment that some endpoint's stored cursor needs.
    pub needed: Vec<(u16, u32)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeldSegment {
    /// 0: this shard's own log; 1 and up: adopted ones.
    pub log: u16,
    pub seq: u32,
    /// Of disk: 0 for one that is only in memory.
    pub bytes: u64,
    pub base_time: Timestamp,
    /// True for the segment being appended to, which cannot be given up.
    pub head: bool,
}

/// Law L2: `entered = acknowledged + lost + resumed + pending`, all in samples.
#[derive(Clone, Debug, Default)]
pub struct EndpointMeters {
    pub name: String,
    /// URL without secrets.
    pub url: String,
    /// Samples that were or became this endpoint's business: backlog found at start, and appended since.
    pub entered: u64,
    pub acknowledged: u64,
    pub lost: Losses,
    /// Found to be acknowledged already when resuming several connections.
    pub resumed: u64,
    pub pending: u64,
    /// Samples in requests, counted at every attempt (MET 7.1).
    pub attempted: u64,
    pub retried: u64,
    /// Native histograms among the samples attempted, retried and lost.
    pub histograms: HistogramMeters,
    pub metadata: MetadataMeters,
    /// Those that the endpoint is to be sent.
    pub exemplars: HistogramMeters,
    pub requests: u64,
    pub requests_failed: u64,
    pub bytes_sent: u64,
    pub highest_timestamp: Timestamp,
    pub highest_sent_timestamp: Timestamp,
    /// Newest timestamp of the oldest record not settled; zero when none is pending.
    pub oldest_pending: Timestamp,
    pub backlog_bytes: u64,
    pub connections: u64,
    pub connections_busy: u64,
    pub connections_min: u64,
    pub connections_max: u64,
    /// What would carry off what comes in and the backlog, without bounds.
    pub connections_desired: f64,
    pub samples_max: u64,
    /// What is new goes ahead of a backlog.
    pub ahead: bool,
    /// True while the endpoint refuses us (401, 403, 404, 407) and is only probed.
    pub held: bool,
    pub last_error: String,
    /// Request written to answer read.
    pub request_duration: Histogram,
    /// Oldest commit in a request to its acknowledgement.
    pub commit_to_ack: Histogram,
    /// Sequence number of the lowest segment still needed.
    pub cursor_segment: u64,
    pub ledger: EndpointLedger,
}

/// Families in requests of their own (MET 7.1).
#[derive(Clone, Copy, Debug, Default)]
pub struct MetadataMeters {
    pub attempted: u64,
    pub retried: u64,
    pub failed: u64,
    /// Compressed.
    pub bytes_sent: u64,
}

/// What became of an endpoint's samples since it is known, over all starts: `entered + vanished = acknowledged + lost +
/// missing + pending`, once what the start resumes has been stepped over. Without damage to the log `vanished` and
/// `missing` are zero then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EndpointLedger {
    pub entered: u64,
    pub acknowledged: u64,
    pub lost: Losses,
    /// Settled, by a cursor that survived a power loss which their place in the log did not.
    pub vanished: u64,
    /// Neither settled nor there: they were in a place that got damaged after some lanes had passed it.
    pub missing: u64,
}

/// What was offered to the logs of a shard since its directory was made: `offered = appended + refused`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogLedger {
    pub offered: u64,
    pub appended: u64,
    pub refused: Refusals,
    /// Of those appended, what the log was found to have lost at some start.
    pub vanished: u64,
}

impl EndpointLedger {
    pub fn add(&mut self, other: &EndpointLedger) {
        self.entered += other.entered;
        self.acknowledged += other.acknowledged;
        self.lost.add_all(&other.lost);
        self.vanished += other.vanished;
        self.missing += other.missing;
    }
}

impl LogLedger {
    pub fn add(&mut self, other: &LogLedger) {
        self.offered += other.offered;
        self.appended += other.appended;
        self.refused.add_all(&other.refused);
        self.vanished += other.vanished;
    }
}

/// What a start found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Damaged places stepped over, and the samples known to have been there.
    pub damaged: u64,
    pub lost: u64,
    /// Samples that the ledger knew and the log does not.
    pub vanished: u64,
    pub series: u64,
    pub segments: u64,
}

/// An endpoint that is no longer configured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RemovedMeters {
    pub name: String,
    /// Samples kept in case it comes back.
    pub pending: u64,
    /// Samples given up because it did not, or because the disk budget was spent.
    pub given_up: u64,
}

/// How many of an endpoint's samples are native histograms; or exemplars that go with them.
#[derive(Clone, Copy, Debug, Default)]
pub struct HistogramMeters {
    pub attempted: u64,
    pub retried: u64,
    pub lost: Losses,
}

/// One target's last scrape.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TargetState {
    pub job: String,
    /// [`Target::identity_hash`].
    pub identity: u64,
    /// None before the first scrape.
    pub up: Option<bool>,
    pub error: String,
    pub last_scrape: Timestamp,
    pub duration: Duration,
    pub samples: u64,
    pub series: u64,
}

const _: () = {
    const fn crosses_cores<T: Send + 'static>() {}
    crosses_cores::<Order>();
    crosses_cores::<Notice>();
};
