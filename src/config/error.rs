//! Where and why a configuration is refused, or doubtful.

use core::fmt;

/// A refusal: `prometheus.yml:12: scrape_configs[0].scrap_interval: unknown field`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// As the caller named it.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// Path of the field, or `document` where the text is not YAML or is not a mapping.
    pub field: String,
    pub message: String,
}

/// Something accepted that probably is not meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    pub file: String,
    pub line: usize,
    pub field: String,
    pub message: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}: {}", self.file, self.line, self.field, self.message)
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}: {}", self.file, self.line, self.field, self.message)
    }
}
