//! A configuration, resolved: defaults filled in, paths absolute, inheritance done.

use core::fmt;
use core::time::Duration;
use std::path::PathBuf;

use crate::config::discovery::SdConfig;
use crate::model::{
    HistogramRules, Labels, NameRules, OtlpRules, RemoteMessage, Scheme, StatusPolicy, TargetGroup,
};
use crate::relabel::Rule;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    pub global: Global,
    /// Absolute (if the configuration's own path is); the last element may hold one `*`. Files with more jobs.
    pub scrape_config_files: Vec<PathBuf>,
    /// Job names are unique. Those of other files come after those of the configuration itself.
    pub scrape_configs: Vec<ScrapeConfig>,
    /// Names are unique.
    pub remote_write: Vec<RemoteWriteConfig>,
    /// How much older than the newest sample of its series a sample may be and still be accepted.
    // spec: DB-20
    pub out_of_order_time_window: Duration,
    pub otlp: OtlpRules,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Global {
    pub scrape_interval: Duration,
    /// At most the interval.
    pub scrape_timeout: Duration,
    /// Names in order of preference, never empty; `None`: each job takes its default.
    // spec: SCR-10
    pub scrape_protocols: Option<Vec<String>>,
    pub histograms: HistogramRules,
    pub names: NameRules,
    pub extra_scrape_metrics: bool,
    /// Absolute (if the configuration's own path is).
    pub scrape_failure_log_file: Option<PathBuf>,
    /// Variables are expanded.
    pub external_labels: Labels,
    pub limits: Limits,
    /// Accepted and without effect in an agent.
    pub evaluation_interval: Duration,
}

/// Bounds on what one scrape or one job may bring. 0 is no bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Bytes, decompressed.
    pub body_size_limit: u64,
    pub sample_limit: u64,
    pub target_limit: u64,
    pub label_limit: u64,
    /// Bytes.
    pub label_name_length_limit: u64,
    /// Bytes.
    pub label_value_length_limit: u64,
    /// Dropped targets kept for show.
    pub keep_dropped_targets: u64,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ScrapeConfig {
    pub job_name: String,
    /// It stands in a file that `scrape_config_files` names.
    pub included: bool,
    /// More than zero.
    pub scrape_interval: Duration,
    /// More than zero, at most the interval.
    pub scrape_timeout: Duration,
    /// As written: not yet escaped.
    pub metrics_path: String,
    pub scheme: Scheme,
    /// Sorted by name.
    pub params: Vec<(String, Vec<String>)>,
    pub honor_labels: bool,
    pub honor_timestamps: bool,
    pub track_timestamps_staleness: bool,
    /// Whether to ask for gzip.
    pub enable_compression: bool,
    /// Names in order of preference, never empty.
    // spec: SCR-10
    pub scrape_protocols: Vec<String>,
    pub fallback_scrape_protocol: Option<String>,
    /// Bytes, decompressed; 0 is no bound, here and below.
    pub body_size_limit: u64,
    pub sample_limit: u64,
    pub target_limit: u64,
    pub label_limit: u64,
    /// Bytes.
    pub label_name_length_limit: u64,
    /// Bytes.
    pub label_value_length_limit: u64,
    pub keep_dropped_targets: u64,
    pub histograms: HistogramRules,
    pub names: NameRules,
    pub extra_scrape_metrics: bool,
    /// Absolute (if the configuration's own path is).
    pub scrape_failure_log_file: Option<PathBuf>,
    /// Buckets; 0 is no bound.
    pub native_histogram_bucket_limit: u64,
    /// How much wider than the one before each bucket must be at least; up to 1 asks for nothing.
    pub native_histogram_min_bucket_factor: f64,
    pub relabel_configs: Vec<Rule>,
    pub metric_relabel_configs: Vec<Rule>,
    pub static_configs: Vec<TargetGroup>,
    pub file_sd_configs: Vec<FileSdConfig>,
    /// All mechanisms that ask somebody over the network.
    pub sd_configs: Vec<SdConfig>,
    pub http: HttpClientConfig,
    /// Ours: most series stored of one target; 0 is no bound.
    pub target_series_limit: u64,
    /// Ours: most series stored of all its targets; 0 is no bound.
    pub job_series_limit: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSdConfig {
    /// Absolute (if the configuration's own path is); the last element may hold one `*`.
    pub files: Vec<PathBuf>,
    pub refresh_interval: Duration,
}

#[derive(Clone, Debug, PartialEq)]
pub struct RemoteWriteConfig {
    /// Absolute; any scheme.
    pub url: String,
    /// As written, or six hexadecimal digits made of everything else in the entry.
    pub name: String,
    /// Whether the name is written.
    pub named: bool,
    /// Of one attempt; more than zero.
    pub remote_timeout: Duration,
    /// Sorted by name; none that the protocol itself sets.
    pub headers: Vec<(String, String)>,
    pub write_relabel_configs: Vec<Rule>,
    pub message: RemoteMessage,
    pub send_native_histograms: bool,
    pub send_exemplars: bool,
    pub metadata: MetadataConfig,
    pub queue: QueueConfig,
    pub http: HttpClientConfig,
    /// Never together with another way to authenticate in `http`.
    pub cloud: Option<CloudAuth>,
    /// Connections begin with any of a name's addresses.
    pub round_robin_dns: bool,
    /// Ours: answers that are not treated as usual.
    pub status_policy: StatusPolicy,
    /// Ours: where an endpoint begins that has no place in the log yet.
    pub start_at: StartAt,
    /// Ours: how long a connection tries refused samples one by one before it presumes of their neighbours.
    pub patience: Duration,
    /// Ours: bytes of one request.
    pub max_bytes_per_send: u64,
    /// Ours: the same, compressed.
    pub max_compressed_bytes_per_send: u64,
    /// Ours: samples may come in any order, so what is new goes ahead of a backlog.
    pub out_of_order_ok: bool,
    /// Ours: samples of a backlog a second beside what is new; 0 for any number.
    pub backfill_samples_per_second: u64,
}

/// How types, helps and units are sent where they do not go with every series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetadataConfig {
    pub send: bool,
    /// More than zero.
    pub send_interval: Duration,
    /// Families in one request, at least one.
    pub max_samples_per_send: u64,
}

/// Who we are to a cloud's own receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CloudAuth {
    SigV4(SigV4Config),
    AzureAd(AzureAd),
    /// A file with credentials; without it the machine's own.
    GoogleIam(Option<PathBuf>),
}

/// Empty texts are not written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SigV4Config {
    pub region: String,
    /// Written exactly if `secret_key` is.
    pub access_key: String,
    pub secret_key: Secret,
    pub profile: String,
    pub role_arn: String,
    /// Only together with `role_arn`.
    pub external_id: String,
    pub use_fips_sts_endpoint: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AzureAd {
    pub cloud: AzureCloud,
    pub way: AzureWay,
    /// Empty: the cloud's own.
    pub scope: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AzureCloud {
    China,
    Government,
    Public,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AzureWay {
    /// Without a `client_id` the machine's own identity.
    ManagedIdentity {
        client_id: String,
    },
    OAuth {
        client_id: String,
        client_secret: Secret,
        tenant_id: String,
    },
    WorkloadIdentity {
        client_id: String,
        tenant_id: String,
        token_file: PathBuf,
    },
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StartAt {
    /// With the next sample.
    #[default]
    Now,
    /// With the oldest sample that is still there, for others.
    Oldest,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueConfig {
    /// Samples per connection.
    pub capacity: u64,
    pub max_shards: u32,
    /// From 1 to `max_shards`.
    pub min_shards: u32,
    /// `None`: not written. Prometheus would take 2000.
    pub max_samples_per_send: Option<u64>,
    /// `None`: not written. Prometheus would take 5 s.
    pub batch_send_deadline: Option<Duration>,
    pub min_backoff: Duration,
    /// At least `min_backoff`.
    pub max_backoff: Duration,
    /// `None`: not written. Prometheus would not.
    pub retry_on_http_429: Option<bool>,
    /// Samples older than this are not sent; zero is off.
    pub sample_age_limit: Duration,
}

/// How to connect and who to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpClientConfig {
    pub basic_auth: Option<BasicAuth>,
    /// At most one of this, `basic_auth` and `oauth2`.
    pub authorization: Option<Authorization>,
    pub oauth2: Option<Box<OAuth2>>,
    pub tls: TlsConfig,
    pub proxy: ProxyConfig,
    /// Sorted by name.
    pub http_headers: Vec<HttpHeader>,
    pub follow_redirects: bool,
}

/// How to come by a token for `Authorization`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OAuth2 {
    pub client_id: String,
    /// Empty if not written.
    pub client_secret: Secret,
    /// PEM of an RSA key; present if the grant is [`Grant::JwtBearer`].
    pub certificate_key: Option<Secret>,
    pub certificate_key_id: String,
    pub grant: Grant,
    pub signature: Signature,
    /// Of the signed assertion; empty if not written.
    pub iss: String,
    /// Of the signed assertion; empty: the token URL.
    pub audience: String,
    /// Of the signed assertion: names, and values as JSON.
    pub claims: Vec<(String, String)>,
    pub scopes: Vec<String>,
    pub token_url: String,
    /// Sorted by name.
    pub endpoint_params: Vec<(String, String)>,
    pub tls: TlsConfig,
    pub proxy: ProxyConfig,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Grant {
    #[default]
    ClientCredentials,
    JwtBearer,
}

/// RSA with PKCS #1 v1.5 padding, over digests of so many bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Signature {
    #[default]
    Rs256,
    Rs384,
    Rs512,
}

/// Through whom to connect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProxyConfig {
    /// May hold a password. Empty: none.
    pub url: Secret,
    /// As written: names, addresses and ranges that are reached without the proxy.
    pub no_proxy: String,
    /// What the variables `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` say; never together with `url`.
    pub from_environment: bool,
    /// Sent to a proxy that is asked for a tunnel; sorted by name.
    pub connect_headers: Vec<(String, Vec<Secret>)>,
}

/// A header of every request, once for each of its values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpHeader {
    pub name: String,
    pub values: Vec<String>,
    pub secrets: Vec<Secret>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BasicAuth {
    /// Empty if not written.
    pub username: Secret,
    /// Empty if not written.
    pub password: Secret,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorization {
    /// The word before the credentials, `Bearer` by default.
    pub kind: String,
    pub credentials: Secret,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsConfig {
    /// PEM; certificates to trust instead of the system's.
    pub ca: Option<Secret>,
    /// PEM; present exactly if `key` is.
    pub cert: Option<Secret>,
    /// PEM.
    pub key: Option<Secret>,
    /// Empty: the URL's host.
    pub server_name: String,
    pub insecure_skip_verify: bool,
    pub min_version: Option<TlsVersion>,
    pub max_version: Option<TlsVersion>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    Tls10,
    Tls11,
    Tls12,
    Tls13,
}

impl TlsVersion {
    /// As the configuration writes it.
    pub fn name(self) -> &'static str {
        match self {
            TlsVersion::Tls10 => "TLS10",
            TlsVersion::Tls11 => "TLS11",
            TlsVersion::Tls12 => "TLS12",
            TlsVersion::Tls13 => "TLS13",
        }
    }
}

/// A text that is not shown, or the file that holds it: read again for every use, so that it can be changed there.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    Inline(String),
    File(PathBuf),
}

impl Default for Secret {
    fn default() -> Secret {
        Secret::Inline(String::new())
    }
}

impl Secret {
    /// Nothing is written.
    pub fn is_empty(&self) -> bool {
        matches!(self, Secret::Inline(text) if text.is_empty())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Secret::Inline(_) => f.write_str("<secret>"),
            Secret::File(path) => f.debug_tuple("File").field(path).finish(),
        }
    }
}
