//! Header names and values of remote write, as Prometheus sends them.
// spec: RW-25, RW-26

use crate::model::RemoteMessage;

/// Snappy's block format.
pub const CONTENT_ENCODING: &str = "snappy";
pub const CONTENT_TYPE: &str = "Content-Type";
pub const CONTENT_TYPE_V1: &str = "application/x-protobuf";
pub const CONTENT_TYPE_V2: &str = "application/x-protobuf;proto=io.prometheus.write.v2.Request";

/// Name of the header that carries [`VERSION_V1`] or [`VERSION_V2`].
pub const VERSION: &str = "X-Prometheus-Remote-Write-Version";
pub const VERSION_V1: &str = "0.1.0";
pub const VERSION_V2: &str = "2.0.0";

/// On a request that is sent again: how often it was sent before.
pub const RETRY_ATTEMPT: &str = "Retry-Attempt";

/// In answers to 2.0: how many of each were written.
pub const SAMPLES_WRITTEN: &str = "X-Prometheus-Remote-Write-Samples-Written";
pub const HISTOGRAMS_WRITTEN: &str = "X-Prometheus-Remote-Write-Histograms-Written";
pub const EXEMPLARS_WRITTEN: &str = "X-Prometheus-Remote-Write-Exemplars-Written";

/// Content type and version of a message.
// spec: remote-write 2.0, required headers: both name the message that the body is
pub fn of_message(message: RemoteMessage) -> [(&'static str, &'static str); 2] {
    match message {
        RemoteMessage::V1 => [(CONTENT_TYPE, CONTENT_TYPE_V1), (VERSION, VERSION_V1)],
        RemoteMessage::V2 => [(CONTENT_TYPE, CONTENT_TYPE_V2), (VERSION, VERSION_V2)],
    }
}
