//! Metrics of OpenTelemetry: read in place, and made into series as Prometheus makes them.

mod attributes;
mod names;
mod points;
mod translate;

pub use translate::gather_otlp;
