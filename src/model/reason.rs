//! Why a sample was not appended, why an appended one was not delivered, and why there was no file for it. Every reason
//! is a metric label, and every sample that is lost to its user is counted under one of them.

/// Why an offered sample did not enter the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refusal {
    /// The log has no room and the disk gives none.
    DiskFull,
    /// Same series, same timestamp as the last appended sample.
    DuplicateTimestamp,
    /// Metric relabeling dropped it.
    Filtered,
    /// A native histogram with too many buckets for a log record.
    HistogramTooLarge,
    /// A pushed native histogram that contradicts itself.
    InvalidHistogram,
    /// A pushed series without a name, with a label twice, or with texts that are not UTF-8.
    InvalidLabels,
    /// Too many labels for a log record.
    LabelsTooLong,
    /// A classic histogram that cannot be made into a native one, because it contradicts itself.
    NotConvertible,
    /// More than ten minutes ahead of this machine's clock.
    OutOfBounds,
    /// Older than the series' last appended sample.
    OutOfOrder,
    /// Its page broke a limit or could not be parsed to the end, so all of the page was rolled back.
    RolledBack,
    /// A cap on the series of its target or job leaves no room for its series.
    SeriesLimit,
    /// Pushed as a difference from the sample before, which is not supported.
    Temporality,
}

impl Refusal {
    pub const ALL: [Refusal; 13] = [
        Refusal::DiskFull,
        Refusal::DuplicateTimestamp,
        Refusal::Filtered,
        Refusal::HistogramTooLarge,
        Refusal::InvalidHistogram,
        Refusal::InvalidLabels,
        Refusal::LabelsTooLong,
        Refusal::NotConvertible,
        Refusal::OutOfBounds,
        Refusal::OutOfOrder,
        Refusal::RolledBack,
        Refusal::SeriesLimit,
        Refusal::Temporality,
    ];

    /// Its place in files. Never another's, whatever becomes of the reason.
    pub const fn code(self) -> usize {
        match self {
            Refusal::DiskFull => 0,
            Refusal::DuplicateTimestamp => 1,
            Refusal::Filtered => 2,
            Refusal::LabelsTooLong => 3,
            Refusal::OutOfBounds => 4,
            Refusal::OutOfOrder => 5,
            Refusal::RolledBack => 6,
            Refusal::HistogramTooLarge => 7,
            Refusal::NotConvertible => 8,
            Refusal::SeriesLimit => 9,
            Refusal::InvalidHistogram => 10,
            Refusal::InvalidLabels => 11,
            Refusal::Temporality => 12,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Refusal::DiskFull => "disk_full",
            Refusal::DuplicateTimestamp => "duplicate_timestamp",
            Refusal::Filtered => "filtered",
            Refusal::HistogramTooLarge => "histogram_too_large",
            Refusal::InvalidHistogram => "invalid_histogram",
            Refusal::InvalidLabels => "invalid_labels",
            Refusal::LabelsTooLong => "labels_too_long",
            Refusal::NotConvertible => "histogram_not_convertible",
            Refusal::OutOfBounds => "out_of_bounds",
            Refusal::OutOfOrder => "out_of_order",
            Refusal::RolledBack => "rolled_back",
            Refusal::SeriesLimit => "series_limit",
            Refusal::Temporality => "temporality",
        }
    }
}

/// Why a sample in the log was not delivered to one endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Loss {
    /// A native histogram with custom buckets, which remote write 1.0 has no place for.
    CustomBuckets,
    /// Older than the retention allows.
    Expired,
    /// `write_relabel_configs` dropped its series.
    Filtered,
    /// A native histogram, which the endpoint's configuration does not ask for.
    HistogramsOff,
    /// It stood among samples that the endpoint refused, and there was no time left to try each of them alone.
    Presumed,
    /// The endpoint refused it for good.
    Rejected,
    /// The disk budget made room for newer samples.
    Shed,
    /// Older than `sample_age_limit`.
    TooOld,
    /// Its bytes in the log were damaged, or its series' definition was.
    Unreadable,
}

impl Loss {
    pub const ALL: [Loss; 9] = [
        Loss::Filtered,
        Loss::Rejected,
        Loss::Shed,
        Loss::TooOld,
        Loss::Unreadable,
        Loss::CustomBuckets,
        Loss::HistogramsOff,
        Loss::Expired,
        Loss::Presumed,
    ];

    /// Its place in files. Never another's, whatever becomes of the reason.
    pub const fn code(self) -> usize {
        match self {
            Loss::Filtered => 0,
            Loss::Rejected => 1,
            Loss::Shed => 2,
            Loss::TooOld => 3,
            Loss::Unreadable => 4,
            Loss::CustomBuckets => 5,
            Loss::HistogramsOff => 6,
            Loss::Expired => 7,
            Loss::Presumed => 8,
        }
    }

    /// Those that Prometheus knows go by the names that it uses for its `reason` label.
    pub fn name(self) -> &'static str {
        match self {
            Loss::CustomBuckets => "nhcb_in_rw1_not_supported",
            Loss::Expired => "expired",
            Loss::Filtered => "dropped_series",
            Loss::HistogramsOff => "histograms_off",
            Loss::Presumed => "rejected_untried",
            Loss::Rejected => "rejected",
            Loss::Shed => "shed",
            Loss::TooOld => "too_old",
            Loss::Unreadable => "unreadable",
        }
    }
}

/// Why there is no file for a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shortage {
    /// The log's budget is spent.
    Budget,
    /// Anything else that the system says: an I/O error, a directory that is gone.
    Failing,
    /// The filesystem has no room, no inode or no quota left, or only what is to stay free.
    Full,
    /// The helper has not got round to it yet.
    Late,
    ReadOnly,
}

impl Shortage {
    pub const ALL: [Shortage; 5] =
        [Shortage::Budget, Shortage::Failing, Shortage::Full, Shortage::Late, Shortage::ReadOnly];

    pub fn name(self) -> &'static str {
        match self {
            Shortage::Budget => "budget",
            Shortage::Failing => "failing",
            Shortage::Full => "full",
            Shortage::Late => "late",
            Shortage::ReadOnly => "read_only",
        }
    }
}

/// Samples counted by reason: an array with names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refusals(pub [u64; Refusal::ALL.len()]);

impl Refusals {
    pub fn add_all(&mut self, other: &Refusals) {
        self.0.iter_mut().zip(&other.0).for_each(|(sum, samples)| *sum += samples);
    }
    pub fn add(&mut self, reason: Refusal, samples: u64) {
        self.0[reason as usize] += samples;
    }
    pub fn get(&self, reason: Refusal) -> u64 {
        self.0[reason as usize]
    }
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }
}

/// As [`Refusals`], for one endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Losses(pub [u64; Loss::ALL.len()]);

impl Losses {
    pub fn add_all(&mut self, other: &Losses) {
        self.0.iter_mut().zip(&other.0).for_each(|(sum, samples)| *sum += samples);
    }
    pub fn add(&mut self, reason: Loss, samples: u64) {
        self.0[reason as usize] += samples;
    }
    pub fn get(&self, reason: Loss) -> u64 {
        self.0[reason as usize]
    }
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }
}
