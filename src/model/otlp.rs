//! How metrics of OpenTelemetry become series.

/// The `otlp` block of the configuration.
// spec: CFG §2.9
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtlpRules {
    /// Names become such as Prometheus always had: letters, digits, underscores.
    pub escape: bool,
    /// Units and kinds are told by the name's end.
    pub suffixes: bool,
    /// Resource attributes that become labels of every series.
    pub promote: Vec<String>,
    /// All of them do, but for those of `ignore`.
    pub promote_all: bool,
    pub ignore: Vec<String>,
    /// Attributes that make `job` and `instance` stay in `target_info`.
    pub keep_identifying: bool,
    /// Histograms become native ones with custom buckets.
    pub custom_buckets: bool,
    /// Name, version and attributes of scopes become labels.
    pub promote_scope: bool,
    /// A label that begins with one underscore gets `key` before it.
    pub sanitize_underscores: bool,
    /// Runs of underscores in labels stay.
    pub preserve_underscores: bool,
}

impl Default for OtlpRules {
    fn default() -> OtlpRules {
        OtlpRules {
            escape: true,
            suffixes: true,
            promote: Vec::new(),
            promote_all: false,
            ignore: Vec::new(),
            keep_identifying: false,
            custom_buckets: false,
            promote_scope: false,
            sanitize_underscores: true,
            preserve_underscores: true,
        }
    }
}
