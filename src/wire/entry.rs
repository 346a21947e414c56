//! What both messages of remote write say, as they are read: one series at a time.

use core::fmt;

use crate::base::limits;
use crate::model::{Description, HistogramError, NativeHistogram};
use crate::wire::fields::WireError;

/// One series of a request. Its lists are reused for the next.
#[derive(Debug, Default)]
pub struct Series<'a> {
    /// Names and values as they came: not sorted, not checked.
    pub labels: Vec<(&'a [u8], &'a [u8])>,
    pub samples: Vec<Sample>,
    pub histograms: Vec<Histogram>,
    pub exemplars: Vec<Exemplar<'a>>,
    /// What its family says of itself, but for the family's name; only 2.0 has that.
    pub about: Option<Description<'a>>,
    /// Why nothing of it can be used.
    pub fault: Option<Fault>,
}

/// Times are in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    pub value: f64,
    pub time: i64,
    /// When counting began; 0: not said.
    pub start: i64,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Histogram {
    pub content: Result<NativeHistogram, HistogramError>,
    pub time: i64,
    pub start: i64,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Exemplar<'a> {
    pub labels: Vec<(&'a [u8], &'a [u8])>,
    pub value: f64,
    pub time: i64,
}

/// What is wrong with a series of 2.0 beyond its labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A label is a name and a value.
    OddReferences(usize),
    /// There is no symbol of this number.
    Symbol(u32),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::OddReferences(len) => write!(f, "invalid labelRefs length {len}"),
            Fault::Symbol(number) => {
                write!(f, "labelRefs {number} is not the number of a symbol")
            }
        }
    }
}

impl Series<'_> {
    /// Empties it; the lists keep their memory, which is why this is not a new one.
    pub(super) fn clear(&mut self) {
        self.labels.clear();
        self.samples.clear();
        self.histograms.clear();
        self.exemplars.clear();
        self.about = None;
        self.fault = None;
    }

    /// An item takes two bytes on the wire and a hundred times as many here, so there is a bound for each kind.
    pub(super) fn check(&self) -> Result<(), WireError> {
        for (what, count, most) in [
            ("labels", self.labels.len(), limits::PUSH_LABELS),
            ("samples", self.samples.len(), limits::PUSH_ITEMS),
            ("histograms", self.histograms.len(), limits::PUSH_HISTOGRAMS),
            ("exemplars", self.exemplars.len(), limits::PUSH_HISTOGRAMS),
        ] {
            if count > most {
                return Err(WireError::TooMany(what));
            }
        }
        Ok(())
    }

    /// Samples, histograms among them.
    pub fn len(&self) -> usize {
        self.samples.len().saturating_add(self.histograms.len())
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
