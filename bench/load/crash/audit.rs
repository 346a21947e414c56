//! What has arrived, sample by sample, and what that makes of the pages that were served.
#![expect(clippy::disallowed_types, reason = "the sink books while a trial looks on")]

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use xxhash_rust::xxh3::xxh3_64;

use crate::crash::numbered::{Page, State};
use crate::crash::numbers::{Identity, Mark, Shape};
use crate::decode::{self, Sample};
use crate::sink::Account;

const STALE_NAN: u64 = 0x7ff0_0000_0000_0002;
/// A scrape's timestamp is when it began; longer than any time-out here.
const SKEW_MS_MAX: i64 = 5_000;
const EXAMPLES_MAX: usize = 20;
/// More than any run has; a wrong value must not ask for memory.
const PAGES_MAX: u64 = 1 << 24;

/// How a receiver treats samples that are not newer than the newest of their series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// Takes everything.
    Lenient,
    /// As Prometheus: one older sample, or another value for the newest timestamp, and the request is answered 400
    /// and nothing of it is kept.
    Strict,
}

/// Counts of what has arrived.
#[derive(Debug, Default, Clone, Copy, Serialize)]
pub struct Counts {
    /// Requests kept.
    pub requests: u64,
    /// Requests that a strict receiver answered 400.
    pub rejected: u64,
    /// Requests that a fault refused.
    pub faulted: u64,
    /// Samples of pages, each once.
    pub distinct: u64,
    /// Samples that had come before, with the same value and timestamp.
    pub duplicated: u64,
    /// Samples that came for the first time after a newer one of their series.
    pub reordered: u64,
    /// Values that stand in the wrong series, or on no page, or at the wrong time, or against another value.
    pub wrong: u64,
    /// Staleness markers.
    pub stale: u64,
    /// Samples of `up`, `scrape_*`.
    pub reports: u64,
}

impl Counts {
    /// Everything that has arrived, each once.
    pub fn arrived(&self) -> u64 {
        self.distinct + self.stale + self.reports
    }
}

/// What has become of the pages.
#[derive(Debug, Default, Clone, Serialize)]
pub struct Verdict {
    pub counts: Counts,
    pub pages_served: u64,
    pub pages_accepted: u64,
    pub accepted: u64,
    /// Accepted samples that have not arrived.
    pub lost: u64,
    /// Accepted pages of which something has not arrived.
    pub pages_lost: u64,
    /// Pages that were the last before a kill, a stop or a time-out, and how many of them arrived whole and in part.
    pub pages_in_the_air: u64,
    pub in_the_air_arrived: u64,
    pub in_the_air_torn: u64,
    /// The first things that are not as they should be.
    pub examples: Vec<String>,
}

struct Known {
    identity: Identity,
    /// Timestamps with the bits of their values, in the order of time.
    samples: Vec<(i64, u64)>,
}

/// What has arrived of a page.
#[derive(Clone, Default)]
struct Arrived {
    timestamp_ms: i64,
    /// By series.
    bits: Vec<u64>,
    count: usize,
}

/// The account of one receiver.
pub struct Audit {
    shape: Shape,
    manner: Manner,
    series: Vec<Known>,
    /// Place in `series` by key, and by labels: a sender may write the same labels in another order another time.
    by_key: HashMap<u64, usize>,
    by_labels: HashMap<Vec<(String, String)>, usize>,
    /// By target; page n is at n − 1.
    pages: Vec<Vec<Arrived>>,
    counts: Counts,
    examples: Vec<String>,
}

impl Audit {
    pub fn new(shape: Shape, manner: Manner) -> Audit {
        Audit {
            shape,
            manner,
            series: Vec::new(),
            by_key: HashMap::new(),
            by_labels: HashMap::new(),
            pages: vec![Vec::new(); shape.targets],
            counts: Counts::default(),
            examples: Vec::new(),
        }
    }

    /// Books one sample; the same `key` has always the same labels.
    pub fn sample(
        &mut self,
        key: u64,
        labels: impl FnOnce() -> Vec<(String, String)>,
        sample: Sample,
    ) {
        let place = match self.by_key.get(&key) {
            Some(place) => *place,
            None => self.learn(key, labels()),
        };
        let known = &mut self.series[place];
        let (time, bits) = (sample.timestamp_ms, sample.value.to_bits());
        let found = match known.samples.last() {
            Some(last) if last.0 >= time => {
                known.samples.binary_search_by_key(&time, |sample| sample.0)
            }
            _ => Err(known.samples.len()),
        };
        match found {
            Ok(at) if known.samples[at].1 == bits => return self.counts.duplicated += 1,
            Ok(at) => {
                let other = f64::from_bits(known.samples[at].1);
                let text = format!("{:?} at {time}: {} and {other}", known.identity, sample.value);
                return self.wrong(text);
            }
            Err(at) => known.samples.insert(at, (time, bits)),
        }
        let (identity, late) = (known.identity, known.samples.last() != Some(&(time, bits)));
        if late {
            self.counts.reordered += 1;
            self.example(format!("late: {identity:?} {} at {time}", sample.value));
        }
        match identity {
            Identity::Report => self.counts.reports += 1,
            Identity::Series { .. } if bits == STALE_NAN => self.counts.stale += 1,
            Identity::Series { .. } => self.page_sample(identity, sample),
            Identity::Strange => self.wrong(format!("strange labels with {}", sample.value)),
        }
    }

    fn learn(&mut self, key: u64, mut labels: Vec<(String, String)>) -> usize {
        labels.sort();
        let identity = self.shape.identify(&labels);
        let place = *self.by_labels.entry(labels).or_insert(self.series.len());
        if place == self.series.len() {
            self.series.push(Known { identity, samples: Vec::new() });
        }
        self.by_key.insert(key, place);
        place
    }

    fn page_sample(&mut self, identity: Identity, sample: Sample) {
        let time = sample.timestamp_ms;
        let mark = Mark::of(sample.value)
            .filter(|mark| self.shape.fits(identity, *mark))
            .filter(|mark| (1..PAGES_MAX).contains(&mark.page));
        let Some(mark) = mark else {
            return self.wrong(format!("{identity:?} has {} at {time}", sample.value));
        };
        let pages = &mut self.pages[mark.target];
        if pages.len() < mark.page as usize {
            pages.resize(mark.page as usize, Arrived::default());
        }
        let page = &mut pages[mark.page as usize - 1];
        if page.count == 0 {
            page.timestamp_ms = time;
            page.bits = vec![0; self.shape.series().div_ceil(64)];
        }
        let (word, bit) = (mark.series / 64, 1u64 << (mark.series % 64));
        if page.bits[word] & bit != 0 || page.timestamp_ms != time {
            let there = page.timestamp_ms;
            return self.wrong(format!("{mark:?} at {time}, and the page at {there}"));
        }
        page.bits[word] |= bit;
        page.count += 1;
        self.counts.distinct += 1;
    }

    fn wrong(&mut self, text: String) {
        self.counts.wrong += 1;
        self.example(format!("wrong: {text}"));
    }

    fn example(&mut self, text: String) {
        if self.examples.len() < EXAMPLES_MAX {
            self.examples.push(text);
        }
    }

    /// Whether a Prometheus would keep the request.
    fn acceptable(&self, message: &[u8]) -> bool {
        let mut newest: HashMap<u64, (i64, u64)> = HashMap::new();
        let mut good = true;
        let _ = decode::samples(message, |labels, sample| {
            let key = xxh3_64(labels);
            let this = (sample.timestamp_ms, sample.value.to_bits());
            let known = || self.series[*self.by_key.get(&key)?].samples.last().copied();
            let before = newest.get(&key).copied().or_else(known);
            good &= before.is_none_or(|before| before.0 < this.0 || before == this);
            newest.insert(key, this);
        });
        good
    }

    /// Accepted samples that have not arrived.
    pub fn missing(&self, pages: &[Vec<Page>]) -> u64 {
        self.judged(pages, |_, _, _, _| {})
    }

    fn judged(&self, pages: &[Vec<Page>], mut lost: impl FnMut(usize, usize, Page, usize)) -> u64 {
        let mut missing = 0;
        for (target, pages) in pages.iter().enumerate() {
            for (index, page) in pages.iter().enumerate() {
                let arrived = self.pages[target].get(index).map_or(0, |arrived| arrived.count);
                if page.state == State::Accepted && arrived < self.shape.series() {
                    missing += (self.shape.series() - arrived) as u64;
                }
                lost(target, index, *page, arrived);
            }
        }
        missing
    }

    /// What has become of the pages.
    pub fn verdict(&self, pages: &[Vec<Page>]) -> Verdict {
        let whole = self.shape.series();
        let mut verdict =
            Verdict { counts: self.counts, examples: self.examples.clone(), ..Verdict::default() };
        verdict.lost = self.judged(pages, |target, index, page, arrived| {
            verdict.pages_served += u64::from(page.state != State::Begun);
            if page.state == State::Accepted {
                verdict.pages_accepted += 1;
                verdict.pages_lost += u64::from(arrived < whole);
                if arrived < whole && verdict.examples.len() < 2 * EXAMPLES_MAX {
                    let made_ms = page.made_us / 1000;
                    let page = index + 1;
                    verdict.examples.push(format!(
                        "lost: target {target}, page {page} of {made_ms}: {arrived} of {whole} arrived"
                    ));
                }
            } else if page.state == State::Served {
                verdict.pages_in_the_air += 1;
                verdict.in_the_air_arrived += u64::from(arrived == whole);
                verdict.in_the_air_torn += u64::from(arrived > 0 && arrived < whole);
            }
        });
        verdict.accepted = verdict.pages_accepted * whole as u64;
        self.compare_times(pages, &mut verdict);
        verdict
    }

    /// A page that was never made, or at another time, is wrong.
    fn compare_times(&self, pages: &[Vec<Page>], verdict: &mut Verdict) {
        for (target, arrived) in self.pages.iter().enumerate() {
            for (index, arrived) in arrived.iter().enumerate().filter(|page| page.1.count > 0) {
                let made_ms = pages[target].get(index).map(|page| (page.made_us / 1000) as i64);
                let near = |made_ms: i64| made_ms.abs_diff(arrived.timestamp_ms);
                if made_ms.is_none_or(|made_ms| near(made_ms) > SKEW_MS_MAX as u64) {
                    verdict.counts.wrong += arrived.count as u64;
                    verdict.examples.push(format!(
                        "wrong: target {target}, page {} at {}, made at {made_ms:?}",
                        index + 1,
                        arrived.timestamp_ms
                    ));
                }
            }
        }
    }
}

/// An audit that the sink's thread and the trial both look at.
#[derive(Clone)]
pub struct Shared(Arc<Mutex<Audit>>);

impl Shared {
    pub fn new(audit: Audit) -> Shared {
        Shared(Arc::new(Mutex::new(audit)))
    }

    pub fn lock(&self) -> MutexGuard<'_, Audit> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Account for Shared {
    type Books = Counts;

    fn book(&mut self, message: &[u8], _: usize, _: u64) -> u16 {
        let mut audit = self.lock();
        if audit.manner == Manner::Strict && !audit.acceptable(message) {
            audit.counts.rejected += 1;
            return 400;
        }
        audit.counts.requests += 1;
        let outcome = decode::samples(message, |labels, sample| {
            let named = || decode::labels(labels).unwrap_or_default();
            audit.sample(xxh3_64(labels), named, sample);
        });
        if outcome.is_err() {
            audit.wrong(String::from("a message that cannot be read"));
            return 400;
        }
        204
    }

    fn malformed(&mut self) {
        self.lock().wrong(String::from("a body that cannot be decompressed"));
    }

    fn faulted(&mut self) {
        self.lock().counts.faulted += 1;
    }

    fn reset(&mut self) {}

    fn books(&self) -> Counts {
        self.lock().counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: Shape = Shape { targets: 2, steady: 2, passing: 1, port: 80 };

    fn labels(target: usize, series: usize, page: u64) -> Vec<(String, String)> {
        let pair = |name: &str, value: String| (name.to_owned(), value);
        let name = if series < SHAPE.steady { "crash_steady" } else { "crash_passing" };
        let mut labels = vec![pair("__name__", name.to_owned())];
        if series >= SHAPE.steady {
            labels.push(pair("epoch", (page / 16).to_string()));
        }
        labels.push(pair("instance", SHAPE.address(target).to_string()));
        labels.push(pair("job", "crash".to_owned()));
        labels.push(pair("series", series.to_string()));
        labels
    }

    /// A sample of a page with its own value and time, which is thousands of its number.
    fn book(audit: &mut Audit, target: usize, series: usize, page: u64) {
        let value = Mark { target, series, page }.value();
        book_as(audit, target, series, page, value, page as i64 * 1000);
    }

    fn book_as(
        audit: &mut Audit,
        target: usize,
        series: usize,
        page: u64,
        value: f64,
        timestamp_ms: i64,
    ) {
        let labels = labels(target, series, page);
        let key = xxh3_64(format!("{labels:?}").as_bytes());
        audit.sample(key, || labels, Sample { timestamp_ms, value });
    }

    fn whole(audit: &mut Audit, target: usize, page: u64) {
        (0..SHAPE.series()).for_each(|series| book(audit, target, series, page));
    }

    fn served(states: &[State]) -> Vec<Page> {
        let page = |(index, state): (usize, &State)| Page {
            state: *state,
            made_us: (index as u64 + 1) * 1_000_000,
        };
        states.iter().enumerate().map(page).collect()
    }

    #[test]
    fn lost_samples_are_those_of_accepted_pages_only() {
        let mut audit = Audit::new(SHAPE, Manner::Lenient);
        whole(&mut audit, 0, 1);
        book(&mut audit, 0, 1, 2);
        book(&mut audit, 1, 0, 2);
        let pages = [
            served(&[State::Accepted, State::Accepted, State::Served, State::Begun]),
            served(&[State::Accepted, State::Served]),
        ];
        let verdict = audit.verdict(&pages);
        assert_eq!((verdict.pages_served, verdict.pages_accepted, verdict.accepted), (5, 3, 9));
        // Two series of target 0, page 2; all three of target 1, page 1.
        assert_eq!((verdict.lost, verdict.pages_lost), (5, 2));
        assert_eq!((verdict.pages_in_the_air, verdict.in_the_air_arrived), (2, 0));
        assert_eq!(verdict.in_the_air_torn, 1);
        assert_eq!((verdict.counts.distinct, verdict.counts.wrong), (5, 0));
    }

    #[test]
    fn a_second_arrival_is_a_duplicate_and_a_late_first_one_is_out_of_order() {
        let mut audit = Audit::new(SHAPE, Manner::Lenient);
        for page in [1, 2, 4, 2, 4, 3, 3, 5] {
            book(&mut audit, 0, 0, page);
        }
        let counts = audit.counts;
        assert_eq!((counts.distinct, counts.duplicated, counts.reordered), (5, 3, 1));
        assert_eq!(counts.wrong, 0);
    }

    #[test]
    fn labels_in_another_order_are_the_same_series() {
        let mut audit = Audit::new(SHAPE, Manner::Lenient);
        book(&mut audit, 0, 0, 1);
        let mut turned = labels(0, 0, 1);
        turned.reverse();
        let value = Mark { target: 0, series: 0, page: 1 }.value();
        audit.sample(1, || turned, Sample { timestamp_ms: 1000, value });
        assert_eq!((audit.counts.distinct, audit.counts.duplicated), (1, 1));
    }

    #[test]
    fn a_value_of_another_series_page_or_time_is_wrong() {
        let value = |target, series, page| Mark { target, series, page }.value();
        type Case = (usize, usize, u64, f64, i64);
        let cases: [(&str, Case); 5] = [
            ("another series", (0, 1, 2, value(0, 0, 2), 2000)),
            ("another target", (0, 1, 2, value(1, 1, 2), 2000)),
            ("no mark", (0, 1, 2, 0.25, 2000)),
            ("another time than its page", (0, 1, 2, value(0, 1, 2), 2001)),
            ("a page of another epoch", (0, 2, 2, value(0, 2, 40), 40_000)),
        ];
        for (what, (target, series, page, value, time)) in cases {
            let mut audit = Audit::new(SHAPE, Manner::Lenient);
            book(&mut audit, 0, 0, 2);
            book_as(&mut audit, target, series, page, value, time);
            assert_eq!((audit.counts.wrong, audit.counts.distinct), (1, 1), "{what}");
        }
    }

    #[test]
    fn two_values_for_one_time_and_pages_nobody_made_are_wrong() {
        let mut audit = Audit::new(SHAPE, Manner::Lenient);
        book(&mut audit, 0, 0, 1);
        book_as(&mut audit, 0, 0, 1, 0.5, 1000);
        assert_eq!(audit.counts.wrong, 1);
        let mut audit = Audit::new(SHAPE, Manner::Lenient);
        book(&mut audit, 0, 0, 2);
        let pages = [served(&[State::Accepted]), Vec::new()];
        assert_eq!(audit.verdict(&pages).counts.wrong, 1);
        let mut audit = Audit::new(SHAPE, Manner::Lenient);
        let value = Mark { target: 0, series: 0, page: 1 }.value();
        book_as(&mut audit, 0, 0, 1, value, 1000 + SKEW_MS_MAX + 1);
        assert_eq!(audit.verdict(&pages).counts.wrong, 1);
    }

    #[test]
    fn a_strict_receiver_keeps_nothing_of_a_request_with_an_old_sample() {
        // Timestamps of two series, in the order of the message, and whether it is taken.
        type Case<'a> = (&'a [(u8, i64, f64)], bool);
        let cases: [Case<'_>; 6] = [
            (&[(0, 10, 1.0), (1, 10, 1.0)], true),
            (&[(0, 10, 1.0), (1, 11, 1.0)], true),
            (&[(1, 12, 1.0), (0, 9, 1.0)], false),
            (&[(0, 10, 2.0)], false),
            (&[(1, 12, 1.0), (1, 11, 1.0)], false),
            (&[(0, 11, 1.0), (0, 12, 1.0)], true),
        ];
        let mut strict = Shared::new(Audit::new(SHAPE, Manner::Strict));
        for (samples, taken) in cases {
            let status = strict.book(&message(samples), 0, 0);
            assert_eq!(status, if taken { 204 } else { 400 }, "{samples:?}");
        }
        let counts = strict.books();
        assert_eq!((counts.requests, counts.rejected), (3, 3));
    }

    /// Small numbers only, so that every length and varint is one byte.
    fn message(samples: &[(u8, i64, f64)]) -> Vec<u8> {
        let mut message = Vec::new();
        for (series, timestamp, value) in samples {
            let labels = [0x0a, 6, 0x0a, 1, b'a', 0x12, 1, b'0' + series];
            let mut sample = vec![0x09];
            sample.extend_from_slice(&value.to_le_bytes());
            sample.extend_from_slice(&[0x10, *timestamp as u8]);
            message.extend_from_slice(&[0x0a, (labels.len() + 2 + sample.len()) as u8]);
            message.extend_from_slice(&labels);
            message.extend_from_slice(&[0x12, sample.len() as u8]);
            message.extend_from_slice(&sample);
        }
        message
    }
}
