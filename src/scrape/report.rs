//! The series that a scrape writes about itself.

use crate::base::Timestamp;
use crate::model::{Labels, LabelsBuilder, SeriesRef, pack};
use crate::scrape::labels::{Resolved, intern};
use crate::series::Feed;

/// In the order in which they are written. The last three only where the job asks for them (spec: SCR-60).
pub const NAMES: [&str; 8] = [
    "up",
    "scrape_duration_seconds",
    "scrape_samples_scraped",
    "scrape_samples_post_metric_relabeling",
    "scrape_series_added",
    "scrape_timeout_seconds",
    "scrape_sample_limit",
    "scrape_body_size_bytes",
];
/// Those that are always written.
pub const USUAL: usize = 5;

/// Refs of a target's report series, once they are known; none after the disk gave no room for them.
#[derive(Debug, Default)]
pub struct ReportRefs {
    refs: Vec<SeriesRef>,
}

impl ReportRefs {
    /// Makes those that are missing of the first `wanted`, and gives those that are not wanted any more. Where the disk
    /// gives no room for the definitions, the next scrape tries again.
    pub fn make(
        &mut self,
        wanted: usize,
        target: &Labels,
        feed: &mut Feed,
        lane: u32,
        now: Timestamp,
    ) -> Vec<SeriesRef> {
        if self.refs.len() == wanted {
            return Vec::new();
        }
        let dropped = self.refs.split_off(wanted.min(self.refs.len()));
        let mut labels = LabelsBuilder::new(target);
        let mut packed = Vec::new();
        let mut refs = self.refs.clone();
        for name in NAMES.iter().take(wanted).skip(refs.len()) {
            labels.set("__name__", name);
            packed.clear();
            pack(labels.iter(), &mut packed);
            match intern(feed, &packed, lane, 0, now) {
                Resolved::Series(found, _) => refs.push(found),
                _ => return dropped,
            }
        }
        refs.shrink_to_fit();
        self.refs = refs;
        dropped
    }

    pub fn get(&self) -> &[SeriesRef] {
        &self.refs
    }

    pub fn forget(&mut self) {
        self.refs.clear();
    }
}
