//! What should have happened, told a second time: from the pages that were served and the order in which a target's
//! scrapes reached a remote, every sample that belongs there.

use std::collections::{BTreeMap, BTreeSet};

use corelane::model::is_stale;

use crate::coordinator::EXTERNAL;
use crate::exporter::{Exporter, JOB_DROPS, PAGE_SERIES, SHARED_SERIES, labels_of, value_of};
use crate::remote::{Remote, Stored};
use crate::swarm::Options;

/// The report series, in the order of the specification (SCR-60).
pub const REPORTS: [&str; 5] = [
    "up",
    "scrape_duration_seconds",
    "scrape_samples_scraped",
    "scrape_samples_post_metric_relabeling",
    "scrape_series_added",
];

/// A scrape's timestamp may be so much later than the scrape (SCR-3).
const AHEAD_MS: i64 = 2;

/// The longest interval that a reload sets, and how much later than it was sent an order may arrive.
const INTERVAL_MS: i64 = 5000;
const LATE_MS: i64 = 1000;

/// What a series at a remote is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    Key(u32),
    Report(usize),
    /// Of several targets.
    Shared,
}

/// Everything a remote has of one target with one timestamp.
#[derive(Debug, Default)]
pub struct Group {
    pub values: BTreeMap<u32, f64>,
    pub markers: BTreeSet<u32>,
    pub reports: BTreeMap<usize, f64>,
}

/// Which target a series belongs to, and which of its series it is.
pub fn identify(stored: &Stored, exporters: &[Exporter], options: &Options) -> (usize, What) {
    let get = |name: &str| {
        let found = stored.labels.iter().find(|(found, _)| found == name);
        found.map_or("", |(_, value)| value.as_str())
    };
    if get("__name__") == SHARED_SERIES {
        return (0, What::Shared);
    }
    let at = exporters.iter().position(|exporter| exporter.target.address == get("instance"));
    let at = at.unwrap_or_else(|| panic!("whose is {:?}?", stored.labels));
    let name = get("__name__");
    let what = match REPORTS.iter().position(|report| *report == name) {
        Some(report) => What::Report(report),
        None if name == PAGE_SERIES => What::Key(0),
        None => What::Key(get("key").parse().unwrap_or_else(|_| panic!("{:?}", stored.labels))),
    };
    let (name, mut labels) = match what {
        What::Key(key) => labels_of(key, options.label_bytes),
        What::Report(report) => (REPORTS[report].to_owned(), Vec::new()),
        What::Shared => unreachable!("told above"),
    };
    labels.push(("__name__".to_owned(), name));
    labels.push((EXTERNAL.0.to_owned(), EXTERNAL.1.to_owned()));
    labels.push(("instance".to_owned(), exporters[at].target.address.clone()));
    labels.push(("job".to_owned(), exporters[at].job.clone()));
    labels.sort();
    assert_eq!(labels, stored.labels, "labels of {what:?} of target {at}");
    (at, what)
}

/// By target and timestamp. Series with timestamps of their own are left out.
pub fn groups(
    remote: &Remote,
    exporters: &[Exporter],
    options: &Options,
) -> Vec<BTreeMap<i64, Group>> {
    let mut groups: Vec<BTreeMap<i64, Group>> = exporters.iter().map(|_| BTreeMap::new()).collect();
    for stored in &remote.series {
        let (at, what) = identify(stored, exporters, options);
        if matches!(what, What::Key(key) if exporters[at].explicit(key, &options.exporter)) {
            continue;
        }
        if what == What::Shared {
            continue;
        }
        for sample in &stored.samples {
            let group = groups[at].entry(sample.timestamp).or_default();
            match what {
                What::Key(key) if is_stale(sample.value) => {
                    group.markers.insert(key);
                }
                What::Key(key) => {
                    group.values.insert(key, sample.value);
                }
                What::Report(report) => {
                    group.reports.insert(report, sample.value);
                }
                What::Shared => {}
            }
        }
    }
    groups
}

/// One target's scrapes, told again in order. Panics at the first that is not as it must be.
#[derive(Debug)]
pub struct Replay<'a> {
    target: usize,
    exporter: &'a Exporter,
    options: &'a Options,
    /// Wall time at which each life ended.
    ends: &'a [i64],
    life: u32,
    live: BTreeSet<u32>,
    /// What is live is at most what is said to be: the process has been another since the last scrape, or that one
    /// failed on one of several pages.
    doubtful: bool,
    page: Option<usize>,
}

impl<'a> Replay<'a> {
    pub fn new(
        target: usize,
        exporter: &'a Exporter,
        options: &'a Options,
        ends: &'a [i64],
    ) -> Replay<'a> {
        Replay {
            target,
            exporter,
            options,
            ends,
            life: 1,
            live: BTreeSet::new(),
            doubtful: false,
            page: None,
        }
    }

    pub fn step(&mut self, timestamp: i64, group: &Group) {
        let at = format!("target {} at {timestamp}", self.target);
        // What was live is known to the next process as far as the log still tells.
        while timestamp > self.ends[self.life as usize].saturating_add(AHEAD_MS) {
            self.life += 1;
            self.doubtful = true;
        }
        let Some(&up) = group.reports.get(&0) else {
            // Of a target that came back before its markers were due: only what did not come back with it ends.
            let late = (self.toggled() || self.doubtful) && group.values.is_empty();
            let stale = group.reports.values().all(|value| is_stale(*value));
            assert!(late && stale, "C3: {at}: samples without `up`: {group:?}");
            return self.end(&at, group, &BTreeSet::new());
        };
        if !(self.doubtful && is_stale(up)) {
            assert_eq!(
                group.reports.len(),
                REPORTS.len(),
                "C3: {at}: all report series: {group:?}"
            );
        }
        if is_stale(up) {
            assert!(group.values.is_empty(), "{at}: a target that is gone has values");
            assert!(group.reports.values().all(|value| is_stale(*value)), "L8: {at}");
            return self.end(&at, group, &BTreeSet::new());
        }
        if up == 0.0 {
            assert!(group.values.is_empty(), "C4: {at}: a failed scrape has values: {group:?}");
            let (met, certain) = match group.reports[&2] as u64 {
                0 => (BTreeSet::new(), true),
                samples => self.rejected(timestamp, &at, group, samples),
            };
            if self.had_farewell(timestamp) {
                self.end(&at, group, &BTreeSet::new());
                self.live.extend(&met);
            } else {
                self.end(&at, group, &met);
            }
            self.settle(met);
            self.doubtful = !certain;
            return;
        }
        assert_eq!(up, 1.0, "{at}: up");
        self.page(&at, group);
    }

    fn page(&mut self, at: &str, group: &Group) {
        let number = match group.values.get(&0) {
            Some(number) => *number as usize,
            None => self.next_empty_page(at),
        };
        assert!(
            self.page.is_none_or(|before| before < number),
            "{at}: page {number} after {:?}",
            self.page
        );
        self.page = Some(number);
        let page = &self.exporter.pages[number];
        assert!(page.whole, "C4: {at}: page {number} was not whole");
        assert_eq!(page.life, self.life, "{at}: page {number} was served to another life");
        let wanted: BTreeMap<u32, u64> = self
            .kept(number)
            .into_iter()
            .map(|key| (key, value_of(key, number).to_bits()))
            .collect();
        let found: BTreeMap<u32, u64> =
            group.values.iter().map(|(key, value)| (*key, value.to_bits())).collect();
        assert_eq!(found, wanted, "L3: {at}: what is there of page {number}");
        let samples = page.samples;
        let met: BTreeSet<u32> = wanted.into_keys().collect();
        self.end(at, group, &met);
        self.settle(met);
        assert_eq!(
            group.reports[&2], samples as f64,
            "{at}: scrape_samples_scraped of page {number}"
        );
    }

    /// What was live and is not `met` ends here; `met` is live from now on. A target that came back may have had its
    /// series before their end was due.
    fn end(&mut self, at: &str, group: &Group, met: &BTreeSet<u32>) {
        let gone: BTreeSet<u32> = self.live.difference(met).copied().collect();
        if self.toggled() || self.doubtful {
            let odd: Vec<_> = group.markers.difference(&gone).collect();
            assert!(odd.is_empty(), "L8: {at}: markers of {odd:?}, of {gone:?} that are gone");
        } else {
            assert_eq!(group.markers, gone, "L8: {at}: markers");
        }
        self.live.retain(|key| !group.markers.contains(key));
        self.live.extend(met);
    }

    /// The first scrape after a start has been seen: what is live is certain again.
    fn settle(&mut self, met: BTreeSet<u32>) {
        if core::mem::take(&mut self.doubtful) {
            self.live = met;
        }
    }

    /// The series of the page that failed at its bad line, after all good ones had been met (SCR-64). Not every page that
    /// was served was read: where several may have been, all their series, and false.
    fn rejected(
        &mut self,
        timestamp: i64,
        at: &str,
        group: &Group,
        samples: u64,
    ) -> (BTreeSet<u32>, bool) {
        let farewell = self.had_farewell(timestamp) && group.markers.is_subset(&self.live);
        let first = self.page.map_or(0, |page| page + 1);
        let mut found: Option<(BTreeSet<u32>, bool)> = None;
        for number in first..self.exporter.pages.len() {
            let page = &self.exporter.pages[number];
            if !(page.malformed && page.life == self.life && page.samples == samples) {
                continue;
            }
            let met: BTreeSet<u32> = self.kept(number).into_iter().collect();
            let gone: BTreeSet<u32> = self.live.difference(&met).copied().collect();
            let some = self.toggled() || self.doubtful;
            if !(group.markers == gone || farewell || some && group.markers.is_subset(&gone)) {
                continue;
            }
            match &mut found {
                None => {
                    self.page = Some(number);
                    found = Some((met, true));
                }
                Some((all, certain)) => {
                    *certain &= *all == met;
                    all.extend(met);
                }
            }
        }
        found.unwrap_or_else(|| {
            panic!("L8: {at}: no page fails like this: {samples} samples, {:?}", group.markers)
        })
    }

    fn toggled(&self) -> bool {
        !self.exporter.taken_away.is_empty()
    }

    /// The target may have been taken away after the scrape before this time and have come back by then. Its markers
    /// are due later and bear this very time, at which it would have been scraped and was, as its phase is the same:
    /// a page that failed then wrote no samples of what it had met, so all that was live before it is marked (SCR-65).
    /// Reloads change intervals, so it may be the longest one ago that it was taken away.
    fn had_farewell(&self, timestamp: i64) -> bool {
        let longest = self.options.intervals_ms.iter().map(|ms| *ms as i64).max();
        let longest = longest.unwrap_or_default().max(INTERVAL_MS);
        let due =
            |left: &i64| (-AHEAD_MS..=longest + LATE_MS + AHEAD_MS).contains(&(timestamp - left));
        self.exporter.taken_away.iter().any(due)
    }

    /// The series of a page that relabeling leaves and that have no timestamps of their own.
    fn kept(&self, number: usize) -> Vec<u32> {
        let dropped = |key: u32| self.options.metric_relabel && key > 0 && key % 10 == JOB_DROPS;
        let dated = |key: u32| self.exporter.explicit(key, &self.options.exporter);
        let series = self.exporter.pages[number].series.iter().copied();
        series.filter(|key| !dropped(*key) && !dated(*key)).collect()
    }

    fn next_empty_page(&self, at: &str) -> usize {
        let first = self.page.map_or(0, |page| page + 1);
        let empty = |number: &usize| {
            let page = &self.exporter.pages[*number];
            page.series.is_empty() && page.whole && page.life == self.life
        };
        let found = (first..self.exporter.pages.len()).find(empty);
        found.unwrap_or_else(|| panic!("{at}: a page without its number, and none was empty"))
    }
}
