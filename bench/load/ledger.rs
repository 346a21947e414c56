//! What the sink has received, exactly: per series the newest timestamp and which of the 64 scrapes before it came.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use hdrhistogram::Histogram;
use serde::Serialize;
use xxhash_rust::xxh3::xxh3_64;

use crate::decode::{self, Sample};
use crate::page::MARKER_LABEL;
use crate::sink::Account;

const STALE_NAN: u64 = 0x7ff0_0000_0000_0002;
const LATENCY_US_MAX: u64 = 3_600_000_000;

/// Counts of samples. `distinct` leaves duplicates, staleness markers and the agent's own series out.
#[derive(Debug, Default, Clone, Copy, Serialize)]
pub struct Counts {
    /// Samples of page series, each (series, timestamp) once.
    pub distinct: u64,
    /// Samples whose (series, timestamp) had already come.
    pub duplicates: u64,
    /// Samples older than one already received of the same series.
    pub inversions: u64,
    /// Staleness markers.
    pub stale: u64,
    /// Samples of `up`, `scrape_*` and whatever else is on no page.
    pub reports: u64,
    /// Requests taken.
    pub requests: u64,
    /// Bytes of their bodies as sent.
    pub wire_bytes: u64,
    /// Bytes of their bodies after decompression.
    pub message_bytes: u64,
    /// Requests refused because they could not be read.
    pub malformed: u64,
    /// Requests refused or left hanging by a fault that was asked for.
    pub faulted: u64,
}

/// Latency from the serving of a page to the arrival of the request, in microseconds.
#[derive(Debug, Default, Clone, Copy, Serialize)]
pub struct Latency {
    pub count: u64,
    pub p50: u64,
    pub p99: u64,
    pub p999: u64,
    pub max: u64,
}

/// What a sink knows, at one moment.
#[derive(Debug, Default, Clone, Copy, Serialize)]
pub struct Books {
    /// Since the sink began.
    pub total: Counts,
    /// Since the last reset.
    pub window: Counts,
    /// Since the last reset.
    pub latency_us: Latency,
    /// Series seen since the sink began, those of pages only.
    pub series: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Marker,
    Page,
    Report,
}

#[derive(Clone, Copy)]
struct Entry {
    newest_ms: i64,
    /// Bit n: the sample n intervals before the newest has come.
    seen: u64,
    kind: Kind,
}

/// The keys are good hashes already.
#[derive(Default)]
struct Ready(u64);

impl Hasher for Ready {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, _: &[u8]) {}
    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }
}

/// The account of one sink.
pub struct Ledger {
    series: HashMap<u64, Entry, BuildHasherDefault<Ready>>,
    total: Counts,
    window: Counts,
    latency: Histogram<u64>,
    interval_ms: i64,
    page_series: u64,
    /// One request in so many is looked into.
    look_every: u64,
    /// Of those: bytes of the messages, and samples of pages in them.
    looked: (u64, u64),
}

impl Ledger {
    /// An empty account of series that are scraped every `interval_ms`.
    /// `look_every`: see `Scenario`; 1 makes the account exact.
    pub fn new(interval_ms: i64, look_every: u64) -> Ledger {
        Ledger {
            series: HashMap::default(),
            total: Counts::default(),
            window: Counts::default(),
            latency: Histogram::new_with_max(LATENCY_US_MAX, 3).expect("these bounds are valid"),
            interval_ms: interval_ms.max(1),
            page_series: 0,
            look_every: look_every.max(1),
            looked: (0, 0),
        }
    }

    fn sample(&mut self, labels: &[u8], sample: Sample, arrived_us: u64, counts: &mut Counts) {
        if sample.value.to_bits() == STALE_NAN {
            counts.stale += 1;
            return;
        }
        let time = sample.timestamp_ms;
        let entry = match self.series.entry(xxh3_64(labels)) {
            std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::hash_map::Entry::Vacant(unknown) => {
                let kind = kind(labels);
                if kind != Kind::Report {
                    self.page_series += 1;
                }
                unknown.insert(Entry { newest_ms: i64::MIN, seen: 0, kind })
            }
        };
        if entry.kind == Kind::Report {
            counts.reports += 1;
            return;
        }
        match entry.take(time, self.interval_ms) {
            Arrival::Duplicate => counts.duplicates += 1,
            Arrival::Late => {
                counts.inversions += 1;
                counts.distinct += 1;
            }
            Arrival::Newest => counts.distinct += 1,
        }
        if entry.kind == Kind::Marker {
            let latency = arrived_us.saturating_sub(sample.value as u64);
            self.latency.saturating_record(latency.max(1));
        }
    }

    fn add(&mut self, more: &Counts) {
        for counts in [&mut self.total, &mut self.window] {
            counts.distinct += more.distinct;
            counts.duplicates += more.duplicates;
            counts.inversions += more.inversions;
            counts.stale += more.stale;
            counts.reports += more.reports;
            counts.requests += more.requests;
            counts.wire_bytes += more.wire_bytes;
            counts.message_bytes += more.message_bytes;
            counts.malformed += more.malformed;
            counts.faulted += more.faulted;
        }
    }
}

impl Account for Ledger {
    type Books = Books;

    fn book(&mut self, message: &[u8], wire_bytes: usize, arrived_us: u64) -> u16 {
        let mut counts = Counts {
            requests: 1,
            wire_bytes: wire_bytes as u64,
            message_bytes: message.len() as u64,
            ..Counts::default()
        };
        let outcome = decode::samples(message, |labels, sample| {
            self.sample(labels, sample, arrived_us, &mut counts);
        });
        counts.malformed += u64::from(outcome.is_err());
        self.looked.0 += counts.message_bytes;
        self.looked.1 += counts.distinct;
        self.add(&counts);
        if outcome.is_ok() { 204 } else { 400 }
    }

    fn skips(&mut self, message_bytes: usize, wire_bytes: usize) -> bool {
        if self.total.requests.is_multiple_of(self.look_every) {
            return false;
        }
        let (bytes, samples) = self.looked;
        self.add(&Counts {
            distinct: (message_bytes as f64 * samples as f64 / bytes.max(1) as f64) as u64,
            requests: 1,
            wire_bytes: wire_bytes as u64,
            message_bytes: message_bytes as u64,
            ..Counts::default()
        });
        true
    }

    fn malformed(&mut self) {
        self.add(&Counts { malformed: 1, ..Counts::default() });
    }

    fn faulted(&mut self) {
        self.add(&Counts { faulted: 1, ..Counts::default() });
    }

    fn reset(&mut self) {
        self.window = Counts::default();
        self.latency.reset();
    }

    fn books(&self) -> Books {
        Books {
            total: self.total,
            window: self.window,
            latency_us: Latency {
                count: self.latency.len(),
                p50: self.latency.value_at_quantile(0.5),
                p99: self.latency.value_at_quantile(0.99),
                p999: self.latency.value_at_quantile(0.999),
                max: self.latency.max(),
            },
            series: self.page_series,
        }
    }
}

enum Arrival {
    Duplicate,
    Late,
    Newest,
}

impl Entry {
    // Scrapes jitter by far less than half an interval, so distances round to whole intervals.
    fn take(&mut self, time_ms: i64, interval_ms: i64) -> Arrival {
        if self.newest_ms == i64::MIN {
            (self.newest_ms, self.seen) = (time_ms, 1);
            return Arrival::Newest;
        }
        let ahead_ms = time_ms.saturating_sub(self.newest_ms);
        if ahead_ms == 0 {
            return Arrival::Duplicate;
        }
        let intervals = (ahead_ms.unsigned_abs() + interval_ms as u64 / 2) / interval_ms as u64;
        let steps = u32::try_from(intervals.max(1)).unwrap_or(u32::MAX);
        if ahead_ms > 0 {
            self.newest_ms = time_ms;
            self.seen = self.seen.checked_shl(steps).unwrap_or(0) | 1;
            return Arrival::Newest;
        }
        let bit = 1u64.checked_shl(steps).unwrap_or(0);
        if self.seen & bit != 0 {
            return Arrival::Duplicate;
        }
        self.seen |= bit;
        Arrival::Late
    }
}

fn kind(encoded: &[u8]) -> Kind {
    let Ok(labels) = decode::labels(encoded) else {
        return Kind::Report;
    };
    if labels.iter().any(|label| label.0 == MARKER_LABEL) {
        return Kind::Marker;
    }
    if labels.iter().any(|label| label.0 == "node") { Kind::Page } else { Kind::Report }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(times: &[i64]) -> (u64, u64, u64) {
        let mut entry = Entry { newest_ms: i64::MIN, seen: 0, kind: Kind::Page };
        let mut counts = (0, 0, 0);
        for time in times {
            match entry.take(*time, 1000) {
                Arrival::Newest => counts.0 += 1,
                Arrival::Duplicate => counts.1 += 1,
                Arrival::Late => counts.2 += 1,
            }
        }
        counts
    }

    #[test]
    fn every_sample_is_new_or_a_duplicate_or_late() {
        type Case<'a> = (&'a [i64], (u64, u64, u64));
        let cases: [Case<'_>; 6] = [
            (&[1000, 2000, 3000], (3, 0, 0)),
            (&[1000, 1000, 2000], (2, 1, 0)),
            (&[1000, 3000, 2000, 2000], (2, 1, 1)),
            (&[1000, 2000, 3000, 1000], (3, 1, 0)),
            (&[1003, 1998, 3001, 2001], (3, 1, 0)),
            (&[1000, 900_000, 1000], (2, 0, 1)),
        ];
        for (times, counts) in cases {
            assert_eq!(take(times), counts, "{times:?}");
        }
    }
}
