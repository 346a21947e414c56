//! The field's nouns: labels, samples, metadata, targets.
//!
//! May use: base.

mod label;
mod metadata;
mod packed;
mod policy;
mod reason;
mod sample;
mod target;

pub use label::{Label, Labels, LabelsBuilder};
pub use metadata::MetricType;
pub use packed::{PackedLabels, merge_packed, pack, pack_label};
pub use policy::{StatusAction, StatusPolicy};
pub use reason::{Loss, Losses, Refusal, Refusals};
pub use sample::{NAN, SeriesRef, is_stale, stale_marker};
pub use target::{Scheme, Target, TargetGroup};
