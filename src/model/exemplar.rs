//! Why an exemplar does not get into the log. Its sample does all the same.

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ExemplarRefusal {
    /// The same as the series' last one: a page shows it again and again.
    Duplicate,
    /// A name written twice, or a text that is not UTF-8.
    Malformed,
    /// The sample that it is of is not in the log.
    SampleRefused,
    /// More than 128 characters, or too many in one scrape.
    TooLong,
}

impl ExemplarRefusal {
    pub const ALL: [ExemplarRefusal; 4] = [
        ExemplarRefusal::Duplicate,
        ExemplarRefusal::Malformed,
        ExemplarRefusal::SampleRefused,
        ExemplarRefusal::TooLong,
    ];

    pub fn name(self) -> &'static str {
        match self {
            ExemplarRefusal::Duplicate => "duplicate",
            ExemplarRefusal::Malformed => "malformed",
            ExemplarRefusal::SampleRefused => "sample_refused",
            ExemplarRefusal::TooLong => "too_long",
        }
    }
}

/// Exemplars counted: those in the log, and the others by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExemplarCounts {
    pub appended: u64,
    refused: [u64; ExemplarRefusal::ALL.len()],
}

impl ExemplarCounts {
    pub fn refuse(&mut self, reason: ExemplarRefusal, exemplars: u64) {
        self.refused[reason as usize] += exemplars;
    }

    pub fn refused(&self, reason: ExemplarRefusal) -> u64 {
        self.refused[reason as usize]
    }

    pub fn add(&mut self, other: &ExemplarCounts) {
        self.appended += other.appended;
        self.refused.iter_mut().zip(&other.refused).for_each(|(sum, more)| *sum += more);
    }
}
