//! What a page says of its families, beside their samples.

use crate::base::{Timestamp, seeded_hash};
use crate::exposition::Entry as Item;
use crate::model::{Description, LabelsBuilder, MetricType};
use crate::series::Feed;

/// The family named last on the page. Buffers are reused.
#[derive(Debug, Default)]
pub struct Family {
    name: String,
    metric_type: MetricType,
    unit: String,
    help: String,
    /// In the log, once somebody has asked for it.
    number: Option<u16>,
    content: Vec<u8>,
    /// Of everything that the page has said of families so far.
    hash: u64,
}

impl Family {
    /// A new page begins.
    pub fn reset(&mut self) {
        self.begin("");
        self.hash = 0;
    }

    fn begin(&mut self, name: &str) {
        self.name.clear();
        self.name.push_str(name);
        self.metric_type = MetricType::Unknown;
        self.unit.clear();
        self.help.clear();
        self.number = None;
    }

    /// Equal if two pages said the same.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// A line of a page of lines that is no sample, as it stands there.
    pub fn line(&mut self, item: &Item<'_>, line: &[u8]) {
        let name = match item {
            Item::Type { name, .. } | Item::Help { name, .. } | Item::Unit { name, .. } => *name,
            Item::Series(_) | Item::Comment | Item::Blank | Item::Eof => return,
        };
        self.hash = seeded_hash(self.hash, line);
        if self.name.as_bytes() != name {
            self.begin(core::str::from_utf8(name).unwrap_or_default());
        }
        self.number = None;
        match item {
            Item::Type { metric_type, .. } => self.metric_type = *metric_type,
            Item::Help { help, .. } => {
                self.help.clear();
                self.help.push_str(help);
            }
            Item::Unit { unit, .. } => {
                self.unit.clear();
                self.unit.push_str(core::str::from_utf8(unit).unwrap_or_default());
            }
            _ => {}
        }
    }

    /// The family whose metrics follow on a page of protobuf.
    pub fn of_messages(&mut self, said: &Description<'_>) {
        self.begin(said.name);
        self.metric_type = said.metric_type;
        self.unit.push_str(said.unit);
        self.help.push_str(said.help);
        self.content.clear();
        said.encode(&mut self.content);
        self.hash = seeded_hash(self.hash, &self.content);
    }

    /// The number of its description, for a series that the page calls so; 0 if the series is none of it, or the log has
    /// no room.
    pub fn number(&mut self, series: &str, feed: &mut Feed, now: Timestamp) -> u16 {
        let silent =
            self.metric_type == MetricType::Unknown && self.help.is_empty() && self.unit.is_empty();
        if self.name.is_empty() || silent || !self.has(series) {
            return 0;
        }
        if let Some(number) = self.number {
            return number;
        }
        let Family { name, metric_type, unit, help, content, .. } = self;
        content.clear();
        Description { name, metric_type: *metric_type, unit, help }.encode(content);
        let number = feed.describe(content, now);
        self.number = Some(number);
        number
    }

    /// Writes type and unit to the labels of a series of this family, whatever the page says of those.
    // spec: SCR-75
    pub fn put_on(&self, labels: &mut LabelsBuilder) {
        let name = labels.get("__name__");
        if self.name.is_empty() || !self.is_begun_by(name) && !self.has(name) {
            return;
        }
        if self.metric_type != MetricType::Unknown {
            labels.set("__type__", self.metric_type.name());
        }
        if !self.unit.is_empty() {
            labels.set("__unit__", &self.unit);
        }
    }

    /// True for a series of a family whose samples count since some time.
    pub fn counts(&self, series: &str) -> bool {
        let counting = [MetricType::Counter, MetricType::Histogram, MetricType::Summary];
        counting.contains(&self.metric_type) && self.has(series)
    }

    /// True for the series that says since when those of this family count.
    pub fn is_begun_by(&self, series: &str) -> bool {
        let family = series.strip_suffix("_created");
        family.is_some_and(|family| family == self.name && self.counts(family))
    }

    /// Whether the series is of this family.
    // spec: SCR §10, as Prometheus decides it for metadata
    fn has(&self, series: &str) -> bool {
        let Some(rest) = series.strip_prefix(self.name.as_str()) else {
            // A counter's family may be called `…_total`, and its series without.
            let family = self.name.strip_suffix("_total").unwrap_or(&self.name);
            return self.metric_type == MetricType::Counter && series == family;
        };
        let suffixes: &[&str] = match self.metric_type {
            MetricType::Counter => &["_total"],
            MetricType::Histogram => &["_bucket", "_sum", "_count"],
            MetricType::GaugeHistogram => &["_bucket", "_gsum", "_gcount"],
            MetricType::Summary => &["_sum", "_count"],
            MetricType::Info => &["_info"],
            MetricType::Gauge | MetricType::StateSet | MetricType::Unknown => &[],
        };
        rest.is_empty() || suffixes.contains(&rest)
    }
}

/// What a target said of its families, and when it is looked at again.
#[derive(Clone, Copy, Debug, Default)]
pub struct Said {
    hash: u64,
    /// Good pages before a change matters: one that changes all the time does not cost more each time.
    patience: u16,
}

const PATIENCE: u16 = 32;

impl Said {
    /// A good page said this. True if all its series have to be looked at again, because something differs from what was
    /// said when they were new.
    pub fn changes(&mut self, hash: u64) -> bool {
        self.patience = self.patience.saturating_sub(1);
        if self.hash == hash || self.patience > 0 && self.hash != 0 {
            return false;
        }
        let first = self.hash == 0;
        self.hash = hash;
        self.patience = if first { 0 } else { PATIENCE };
        !first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_is_of_the_family_that_its_type_gives_it_to() {
        for (family, metric_type, series, wanted) in [
            ("a", MetricType::Counter, "a_total", true),
            ("a_total", MetricType::Counter, "a_total", true),
            ("a_total", MetricType::Counter, "a", true),
            ("a", MetricType::Gauge, "a_total", false),
            ("a", MetricType::Histogram, "a_bucket", true),
            ("a", MetricType::Histogram, "a_sum", true),
            ("a", MetricType::Histogram, "a", true),
            ("a", MetricType::Summary, "a_bucket", false),
            ("a", MetricType::GaugeHistogram, "a_gcount", true),
            ("a", MetricType::Info, "a_info", true),
            ("a", MetricType::Gauge, "ab", false),
            ("ab", MetricType::Gauge, "a", false),
        ] {
            let mut it = Family::default();
            it.of_messages(&Description { name: family, metric_type, unit: "", help: "" });
            assert_eq!(it.has(series), wanted, "{family} {metric_type:?} {series}");
        }
    }

    #[test]
    fn a_change_is_noticed_and_one_that_never_ends_costs_little() {
        let mut said = Said::default();
        assert!(!said.changes(1));
        assert!(!said.changes(1));
        assert!(said.changes(2));
        assert!(!said.changes(2));
        let changes = (0..1000).filter(|page| said.changes(100 + page)).count();
        assert!((20..40).contains(&changes), "{changes}");
    }
}
