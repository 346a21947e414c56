//! The field's nouns: labels, samples, metadata, targets.
//!
//! May use: base.

mod exemplar;
mod histogram;
mod label;
mod message;
mod metadata;
mod names;
mod otlp;
mod packed;
mod packed_histogram;
mod policy;
mod push;
mod reason;
mod sample;
mod target;

pub use exemplar::{ExemplarCounts, ExemplarRefusal};
pub use histogram::{
    CUSTOM_BUCKETS, Classic, Counts, HistogramError, NativeHistogram, Observations, SCHEMA_MAX,
    Side, Span, schema_of_factor,
};
pub use label::{Label, Labels, LabelsBuilder};
pub use message::RemoteMessage;
pub use metadata::{Description, MetricType};
pub use names::{Escaping, NameRules, Validation};
pub use otlp::OtlpRules;
pub use packed::{PackedLabels, merge_packed, pack, pack_label, packed_label};
pub use packed_histogram::{HistogramSummary, is_packed_custom, pack_histogram};
pub use policy::{StatusAction, StatusPolicy};
pub use push::{Push, PushEntry, PushExemplar, PushHistogram, PushOutcome, PushSample};
pub use reason::{Loss, Losses, Refusal, Refusals, Shortage};
pub use sample::{NAN, SeriesRef, is_stale, stale_marker};
pub use target::{HistogramRules, Scheme, Target, TargetGroup};
