//! Lines of OpenMetrics that say when the counting of the lines before them began.

use std::collections::BTreeMap;

use crate::base::seeded_hash;
use crate::exposition::{Format, Parser, Series};
use crate::model::{LabelsBuilder, SeriesRef, pack};
use crate::scrape::page::{Around, Page};

/// The samples of the family at hand, and the beginnings found so far on the page.
#[derive(Debug, Default)]
pub struct Created {
    /// By the hash of their labels and by their number in the batch: series and time.
    samples: BTreeMap<(u64, usize), (SeriesRef, i64)>,
    /// By number of the sample in the batch.
    starts: BTreeMap<usize, (SeriesRef, i64)>,
    labels: LabelsBuilder,
    packed: Vec<u8>,
}

impl Created {
    pub fn reset(&mut self) {
        self.end_family();
        self.starts.clear();
    }

    pub fn end_family(&mut self) {
        self.samples.clear();
    }

    /// Reads the labels of a text. Gives the hash of those that a whole metric has in common.
    fn read(&mut self, text: &[u8], parser: &Parser) -> Option<u64> {
        parser.labels(text, &mut self.labels).ok()?;
        let own = |name: &str| matches!(name, "__name__" | "le" | "quantile");
        self.packed.clear();
        pack(self.labels.iter().filter(|(name, _)| !own(name)), &mut self.packed);
        Some(seeded_hash(0, &self.packed))
    }
}

impl Page {
    /// True if lines that only say when others began are no series.
    // spec: SCR-39
    #[inline]
    pub(super) fn reads_created(&self, around: &Around<'_>) -> bool {
        let wanted = around.job.inject_zeros || around.job.keep_starts;
        wanted && self.parser.format() == Format::OpenMetrics && !around.histograms.convert
    }

    /// The sample pushed last may be told later when it began.
    #[inline(never)]
    pub(super) fn note(&mut self, text: &[u8], series: SeriesRef, timestamp: Option<i64>) {
        let Some(key) = self.created.read(text, &self.parser) else { return };
        if self.family.counts(self.created.labels.get("__name__")) {
            let sample = (series, timestamp.unwrap_or(self.batch.time.0));
            self.created.samples.insert((key, self.batch.len()), sample);
        }
    }

    /// Takes in a line that says when the samples before it with the same labels began. False if it is none.
    #[inline(never)]
    pub(super) fn take_created(&mut self, line: &Series<'_>, around: &Around<'_>) -> bool {
        let Some(key) = self.created.read(line.text, &self.parser) else { return false };
        if !self.family.is_begun_by(self.created.labels.get("__name__")) {
            return false;
        }
        // Seconds; what is no number is no time, and becomes 0.
        let start = (line.value * 1000.0) as i64;
        let samples: Vec<(usize, SeriesRef, i64)> = (self.created.samples)
            .range((key, 0)..=(key, usize::MAX))
            .map(|((_, at), (series, time))| (*at, *series, *time))
            .collect();
        for (at, series, time) in samples {
            if start <= 0 || start >= time {
                continue;
            }
            self.begun(series, line, start, Some(time), around);
            self.created.starts.entry(at).or_insert((series, start));
        }
        true
    }

    /// The page has ended: its samples' beginnings go into the log with them.
    pub(super) fn keep_created(&mut self, around: &Around<'_>) {
        for (series, start) in core::mem::take(&mut self.created.starts).into_values() {
            if around.job.keep_starts {
                self.batch.push_start(series, false, start);
            }
        }
    }
}
