//! Header names and values of remote write, as Prometheus sends them.
// spec: RW-25, RW-26

/// Snappy's block format.
pub const CONTENT_ENCODING: &str = "snappy";
pub const CONTENT_TYPE_V1: &str = "application/x-protobuf";

/// Name of the header that carries [`VERSION_V1`].
pub const VERSION: &str = "X-Prometheus-Remote-Write-Version";
pub const VERSION_V1: &str = "0.1.0";

/// On a request that is sent again: how often it was sent before.
pub const RETRY_ATTEMPT: &str = "Retry-Attempt";
