//! Header names and values of remote write, as Prometheus sends them.
// spec: RW-25, RW-26, RW-35

/// Snappy's block format, for both versions.
pub const CONTENT_ENCODING: &str = "snappy";
pub const CONTENT_TYPE_V1: &str = "application/x-protobuf";
pub const CONTENT_TYPE_V2: &str = "application/x-protobuf;proto=io.prometheus.write.v2.Request";

/// Name of the header that carries [`VERSION_V1`] or [`VERSION_V2`].
pub const VERSION: &str = "X-Prometheus-Remote-Write-Version";
pub const VERSION_V1: &str = "0.1.0";
pub const VERSION_V2: &str = "2.0.0";

/// On a request that is sent again: how often it was sent before.
pub const RETRY_ATTEMPT: &str = "Retry-Attempt";

/// What a receiver of 2.0 says it has written.
pub const SAMPLES_WRITTEN: &str = "X-Prometheus-Remote-Write-Samples-Written";
pub const HISTOGRAMS_WRITTEN: &str = "X-Prometheus-Remote-Write-Histograms-Written";
pub const EXEMPLARS_WRITTEN: &str = "X-Prometheus-Remote-Write-Exemplars-Written";
