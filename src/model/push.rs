//! Samples that somebody pushed, on their way to the shard that keeps their series, and what became of them.

use crate::model::{ExemplarCounts, Refusals};

/// What one request holds of one shard's series: columns, in the order of the request.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Push {
    /// Packed label sets of the entries, one after another.
    pub labels: Vec<u8>,
    pub entries: Vec<PushEntry>,
    pub samples: Vec<PushSample>,
    pub histograms: Vec<PushHistogram>,
    /// Packed native histograms, one after another.
    pub bodies: Vec<u8>,
    pub exemplars: Vec<PushExemplar>,
    /// Packed label sets of the exemplars.
    pub exemplar_labels: Vec<u8>,
    /// What families say of themselves, encoded. Entries go by number; the first `families` of them stand for
    /// themselves.
    pub descriptions: Vec<Vec<u8>>,
    pub families: u32,
    /// Samples that were refused before they got here.
    pub refused: Refusals,
    /// The same for exemplars.
    pub exemplars_refused: ExemplarCounts,
    /// Of the whole request: one that is sent again has the same.
    pub digest: u64,
}

/// One series of a request: what of each column is its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PushEntry {
    /// Bytes.
    pub labels: u32,
    pub samples: u32,
    pub histograms: u32,
    pub exemplars: u32,
    /// Number of its description, counted from 1; 0: none.
    pub about: u32,
    /// The lane that it goes by if it is new.
    pub home: u8,
}

/// Times are in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PushSample {
    pub value: f64,
    pub time: i64,
    /// When counting began; 0: not said.
    pub start: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PushHistogram {
    /// Bytes of its body.
    pub length: u32,
    pub time: i64,
    pub start: i64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PushExemplar {
    /// Bytes.
    pub labels: u32,
    pub value: f64,
    pub time: i64,
}

impl Push {
    /// Samples, histograms among them.
    pub fn len(&self) -> usize {
        self.samples.len() + self.histograms.len()
    }

    /// True if it has nothing for a shard to do.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
            && self.families == 0
            && self.refused == Refusals::default()
            && self.exemplars_refused == ExemplarCounts::default()
    }

    /// Puts the columns of another behind these; neither has descriptions.
    pub fn append(&mut self, other: &Push) {
        self.labels.extend_from_slice(&other.labels);
        self.entries.extend_from_slice(&other.entries);
        self.samples.extend_from_slice(&other.samples);
        self.histograms.extend_from_slice(&other.histograms);
        self.bodies.extend_from_slice(&other.bodies);
        self.exemplars.extend_from_slice(&other.exemplars);
        self.exemplar_labels.extend_from_slice(&other.exemplar_labels);
    }
}

/// What became of a push.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PushOutcome {
    /// In the log, floats and native histograms each for themselves.
    pub samples: u64,
    pub histograms: u64,
    pub exemplars: u64,
    /// Refused for good.
    pub refused: u64,
    /// Some of it may be taken if it is sent again.
    pub later: bool,
    /// About some of the refused.
    pub words: Vec<String>,
}

/// Refusals that are put into words for one answer.
const WORDS: usize = 8;

impl PushOutcome {
    /// Says why, if that has not been said of others often enough.
    pub fn say(&mut self, words: impl FnOnce() -> String) {
        if self.words.len() < WORDS {
            self.words.push(words());
        }
    }

    /// Takes over what became of another part of the same request.
    pub fn add(&mut self, other: PushOutcome) {
        self.samples += other.samples;
        self.histograms += other.histograms;
        self.exemplars += other.exemplars;
        self.refused += other.refused;
        self.later |= other.later;
        let room = WORDS.saturating_sub(self.words.len());
        self.words.extend(other.words.into_iter().take(room));
    }
}
