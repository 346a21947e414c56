//! The series that a scrape writes about itself.

use crate::base::Timestamp;
use crate::model::{Labels, LabelsBuilder, SeriesRef, pack};
use crate::scrape::labels::{Resolved, intern};
use crate::series::Feed;

/// In the order in which they are written (spec: SCR-60).
pub const NAMES: [&str; 5] = [
    "up",
    "scrape_duration_seconds",
    "scrape_samples_scraped",
    "scrape_samples_post_metric_relabeling",
    "scrape_series_added",
];

/// Refs of a target's report series, once they are known.
pub type ReportRefs = Option<[SeriesRef; NAMES.len()]>;

/// Makes the refs. `None` if the disk gave no room for the definitions; then the next scrape tries again.
pub fn report_refs(target: &Labels, feed: &mut Feed, lane: u32, now: Timestamp) -> ReportRefs {
    let mut refs = [SeriesRef(0); NAMES.len()];
    let mut labels = LabelsBuilder::new(target);
    let mut packed = Vec::new();
    for (series, name) in refs.iter_mut().zip(NAMES) {
        labels.set("__name__", name);
        packed.clear();
        pack(labels.iter(), &mut packed);
        match intern(feed, &packed, lane, 0, now) {
            Resolved::Series(found, _) => *series = found,
            _ => return None,
        }
    }
    Some(refs)
}
