//! Where we are in a push: its columns, read side by side.

use crate::model::{Push, PushEntry, PushExemplar, PushHistogram, PushSample};

/// Places in the columns. An entry may be left half-way and gone on with in another turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Walk {
    entry: usize,
    labels: usize,
    sample: usize,
    histogram: usize,
    body: usize,
    exemplar: usize,
    exemplar_labels: usize,
    /// Of the present entry: what has been given out.
    samples_done: u32,
    histograms_done: u32,
    exemplars_done: u32,
}

impl Walk {
    /// The present entry and its labels.
    pub(super) fn entry<'a>(&self, push: &'a Push) -> Option<(PushEntry, &'a [u8])> {
        let entry = push.entries.get(self.entry)?;
        Some((*entry, self.labels(push, entry)))
    }

    pub(super) fn labels<'a>(&self, push: &'a Push, entry: &PushEntry) -> &'a [u8] {
        let end = self.labels.saturating_add(entry.labels as usize);
        push.labels.get(self.labels..end).unwrap_or_default()
    }

    /// The next sample of the entry.
    pub(super) fn sample(&mut self, push: &Push, entry: &PushEntry) -> Option<PushSample> {
        if self.samples_done >= entry.samples {
            return None;
        }
        let sample = push.samples.get(self.sample)?;
        self.samples_done = self.samples_done.saturating_add(1);
        self.sample = self.sample.saturating_add(1);
        Some(*sample)
    }

    /// The next native histogram of the entry, and its packed body.
    pub(super) fn histogram<'a>(
        &mut self,
        push: &'a Push,
        entry: &PushEntry,
    ) -> Option<(PushHistogram, &'a [u8])> {
        if self.histograms_done >= entry.histograms {
            return None;
        }
        let histogram = push.histograms.get(self.histogram)?;
        let end = self.body.saturating_add(histogram.length as usize);
        let body = push.bodies.get(self.body..end)?;
        self.histograms_done = self.histograms_done.saturating_add(1);
        self.histogram = self.histogram.saturating_add(1);
        self.body = end;
        Some((*histogram, body))
    }

    /// The exemplars of the entry that have not been given out, each with its labels.
    pub(super) fn exemplars<'a>(
        &mut self,
        push: &'a Push,
        entry: &PushEntry,
    ) -> impl Iterator<Item = (PushExemplar, &'a [u8])> {
        let left = entry.exemplars.saturating_sub(self.exemplars_done) as usize;
        self.exemplars_done = entry.exemplars;
        core::iter::repeat_with(|| {
            let exemplar = push.exemplars.get(self.exemplar)?;
            let end = self.exemplar_labels.saturating_add(exemplar.labels as usize);
            let labels = push.exemplar_labels.get(self.exemplar_labels..end)?;
            self.exemplar = self.exemplar.saturating_add(1);
            self.exemplar_labels = end;
            Some((*exemplar, labels))
        })
        .take(left)
        .flatten()
    }

    /// Goes on to the next entry if nothing of this one is left but exemplars; gives how many of those there are.
    pub(super) fn leave(&mut self, push: &Push, entry: &PushEntry) -> u64 {
        if self.samples_done < entry.samples || self.histograms_done < entry.histograms {
            return 0;
        }
        let left = self.exemplars(push, entry).count() as u64;
        self.entry = self.entry.saturating_add(1);
        self.labels = self.labels.saturating_add(entry.labels as usize);
        (self.samples_done, self.histograms_done, self.exemplars_done) = (0, 0, 0);
        left
    }

    /// Passes over the rest of the entry; gives the samples and the exemplars in it.
    pub(super) fn pass(&mut self, push: &Push, entry: &PushEntry) -> (u64, u64) {
        let mut samples = 0u64;
        while self.sample(push, entry).is_some() || self.histogram(push, entry).is_some() {
            samples = samples.saturating_add(1);
        }
        // Columns that are shorter than their entries say would stop us here for ever.
        (self.samples_done, self.histograms_done) = (entry.samples, entry.histograms);
        (samples, self.leave(push, entry))
    }
}
