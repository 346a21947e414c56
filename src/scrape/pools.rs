//! All jobs and targets of a core: rows in a table, and what is due when.

use core::time::Duration;
use std::collections::HashMap;

use crate::append::Appender;
use crate::base::{Dialer, Instant, Now, Timers};
use crate::mail::{Failure, Job, JobMeters, OFFENDERS, ScrapeMeters, TargetState};
use crate::model::{SeriesRef, Target};
use crate::scrape::caps::Quota;
use crate::scrape::farewell::{Farewell, Farewells};
use crate::scrape::labels::Resolver;
use crate::scrape::page::Page;
use crate::scrape::target::{Scrape, Shared};
use crate::series::Feed;

/// What the shard lends for one event.
#[derive(Debug)]
pub struct Lent<'a> {
    pub now: Now,
    pub feed: &'a mut Feed,
    pub appender: &'a mut Appender,
    pub dialer: &'a mut Dialer,
    /// The disk has not refused: room for new series is on its way when there is none.
    pub may_wait: bool,
    /// The log takes samples.
    pub has_room: bool,
}

/// The scrape pools of one core.
#[derive(Debug)]
pub struct Pools {
    jobs: Vec<Job>,
    /// By number of the job.
    quotas: Vec<Quota>,
    scrapes: Vec<Option<Box<Scrape>>>,
    free: Vec<u32>,
    timers: Timers<u32>,
    /// When each scrape is really to be woken; a timer that says otherwise is of the past.
    wakes: Vec<Instant>,
    pub meters: ScrapeMeters,
    resolver: Resolver,
    #[expect(clippy::vec_box, reason = "pages move to scrapes and back as pointers")]
    pages: Vec<Box<Page>>,
    vanished: Vec<SeriesRef>,
    /// Failed scrapes that somebody is to be told of.
    pub failures: Vec<Failure>,
    farewells: Farewells,
    /// Live series of targets that have not come back since the start, by lane; at the given time they are given up.
    survivors: HashMap<u32, Vec<SeriesRef>>,
    lost_at: Instant,
    seed: u64,
    phase_seed: u64,
}

/// Targets that do not come back so long after a start are gone.
const LOST_AFTER: Duration = Duration::from_secs(60);
/// Pages kept for reuse: as many as scrapes overlap in a busy moment.
const PAGES_KEPT: usize = 16;

impl Pools {
    /// `survivors`: the series that were live when the process before this one ended, by the lanes of their targets.
    pub fn new(
        seed: u64,
        phase_seed: u64,
        survivors: HashMap<u32, Vec<SeriesRef>>,
        now: Instant,
    ) -> Pools {
        Pools {
            jobs: Vec::new(),
            quotas: Vec::new(),
            scrapes: Vec::new(),
            free: Vec::new(),
            timers: Timers::default(),
            wakes: Vec::new(),
            meters: ScrapeMeters::default(),
            resolver: Resolver::default(),
            pages: Vec::new(),
            vanished: Vec::new(),
            failures: Vec::new(),
            farewells: Farewells::default(),
            lost_at: if survivors.is_empty() { Instant::NEVER } else { now + LOST_AFTER },
            survivors,
            seed,
            phase_seed,
        }
    }

    /// The jobs in force. Targets of jobs that are gone end; those of changed jobs go on under the new rules.
    pub fn set_jobs(&mut self, jobs: &[Job], lent: &mut Lent<'_>) {
        let numbers: HashMap<&str, usize> =
            jobs.iter().enumerate().map(|(number, job)| (job.name.as_str(), number)).collect();
        for index in 0..self.scrapes.len() {
            let scrape = self.scrapes[index].as_ref();
            let gone = |scrape: &Scrape| {
                !numbers.contains_key(self.jobs[scrape.job as usize].name.as_str())
            };
            if scrape.is_some_and(|scrape| gone(scrape)) {
                self.remove(index as u32, lent);
            }
        }
        let old = core::mem::replace(&mut self.jobs, jobs.to_vec());
        let quotas = core::mem::take(&mut self.quotas);
        self.quotas = jobs
            .iter()
            .map(|job| {
                let before = old.iter().position(|before| before.name == job.name);
                // Its share, until the coordinator says more.
                let same = before.filter(|at| old[*at].job_series_limit == job.job_series_limit);
                same.map_or_else(|| Quota::new(job.job_series_limit), |at| quotas[at])
            })
            .collect();
        for scrape in self.scrapes.iter_mut().flatten() {
            let before = &old[scrape.job as usize];
            let Some(&number) = numbers.get(before.name.as_str()) else { continue };
            scrape.job = number as u32;
            let after = &jobs[number];
            if caps(before) != caps(after) {
                if before.job_series_limit != after.job_series_limit {
                    // The quota is a new one, and has not heard of it.
                    scrape.forget_caps();
                }
                scrape.set_caps(after, &mut self.quotas[number]);
            } else if relearns(before, after) {
                scrape.forget_texts();
            }
            let ways = (&before.transport.proxies, &after.transport.proxies);
            if before.tls != after.tls || ways.0 != ways.1 {
                scrape.hang_up_idle(lent.dialer);
            }
        }
    }

    /// How many series of a job may be stored here. What is stored stays.
    pub fn set_quota(&mut self, job: &str, series: u64) {
        if let Some(number) = self.jobs.iter().position(|known| known.name == job) {
            let quota = &mut self.quotas[number];
            quota.limit = series.max(quota.taken);
        }
    }

    /// All targets of one job. Those that were there keep connection, cache and phase.
    pub fn set_targets(&mut self, job: &str, targets: Vec<Target>, lent: &mut Lent<'_>) {
        let Some(number) = self.jobs.iter().position(|known| known.name == job) else {
            return;
        };
        let number = number as u32;
        let mut before: HashMap<u64, u32> = HashMap::new();
        for (index, scrape) in self.scrapes.iter().enumerate() {
            if let Some(scrape) = scrape
                && scrape.job == number
            {
                before.insert(scrape.state.identity, index as u32);
            }
        }
        let mut new = Vec::new();
        for target in targets {
            match before.remove(&target.identity_hash()) {
                Some(index) => self.keep(index, target, lent.now),
                None => new.push(target),
            }
        }
        let mut gone: Vec<u32> = before.into_values().collect();
        gone.sort_unstable();
        for index in gone {
            self.remove(index, lent);
        }
        for target in new {
            self.add(number, target, lent.now);
        }
    }

    /// Same labels and URL; interval or timeout may have changed, and then the phase is found anew.
    fn keep(&mut self, index: u32, target: Target, now: Now) {
        let Some(scrape) = &mut self.scrapes[index as usize] else {
            return;
        };
        if scrape.target.interval != target.interval {
            scrape.set_interval(target.interval, self.phase_seed, now);
        }
        scrape.target.timeout = target.timeout;
        scrape.target.histograms = target.histograms;
        self.plan(index, now.instant);
    }

    fn add(&mut self, job: u32, target: Target, now: Now) {
        let index = self.free.pop().unwrap_or_else(|| {
            self.scrapes.push(None);
            self.wakes.push(Instant::NEVER);
            (self.scrapes.len() - 1) as u32
        });
        let mut scrape = Scrape::new(index, job, target, self.phase_seed, now);
        if self.jobs[job as usize].at_once {
            scrape.begin_at_once(now);
        }
        if let Some(series) = self.survivors.remove(&scrape.lane()) {
            scrape.revive(series);
        }
        self.scrapes[index as usize] = Some(Box::new(scrape));
        self.wakes[index as usize] = Instant::NEVER;
        self.plan(index, now.instant);
    }

    fn remove(&mut self, index: u32, lent: &mut Lent<'_>) {
        if let Some(mut scrape) = self.scrapes[index as usize].take() {
            let job = scrape.job;
            let (at, farewell) = scrape.end(&mut self.shared(job, lent));
            self.farewells.add(at, farewell);
            self.wakes[index as usize] = Instant::NEVER;
            self.free.push(index);
        }
    }

    /// Starts what is due, and goes on with what waits for a turn.
    pub fn tick(&mut self, lent: &mut Lent<'_>) {
        self.say_farewells(lent);
        while let Some((at, index)) = self.timers.pop_due(lent.now.instant) {
            if self.wakes[index as usize] != at {
                continue;
            }
            self.wakes[index as usize] = Instant::NEVER;
            self.with(index, lent, |scrape, job, shared| scrape.tick(job, shared));
        }
    }

    pub fn deadline(&self) -> Instant {
        self.timers.next().min(self.farewells.wake()).min(self.lost_at)
    }

    fn say_farewells(&mut self, lent: &mut Lent<'_>) {
        if self.lost_at <= lent.now.instant {
            self.lost_at = Instant::NEVER;
            let mut lost: Vec<_> = core::mem::take(&mut self.survivors).into_iter().collect();
            lost.sort_unstable_by_key(|(lane, _)| *lane);
            for (lane, series) in lost {
                let farewell = Farewell { lane, time: lent.now.timestamp, series };
                self.farewells.add(lent.now.instant, farewell);
            }
        }
        while let Some(farewell) = self.farewells.pop(lent.now.instant) {
            let mut page = self.pages.pop().unwrap_or_default();
            let markers = farewell.say(&mut page, lent.feed, lent.appender, lent.now);
            self.meters.generated += markers;
            self.pages.push(page);
        }
    }

    pub fn opened(&mut self, index: u32, lent: &mut Lent<'_>) {
        self.with(index, lent, |scrape, _, shared| scrape.opened(shared));
    }

    pub fn read(&mut self, index: u32, bytes: &[u8], lent: &mut Lent<'_>) {
        self.with(index, lent, |scrape, job, shared| scrape.read(bytes, job, shared));
    }

    pub fn wrote(&mut self, index: u32, bytes: usize) {
        if let Some(Some(scrape)) = self.scrapes.get_mut(index as usize) {
            scrape.wrote(bytes);
        }
    }

    pub fn closed(&mut self, index: u32, orderly: bool, cause: &str, lent: &mut Lent<'_>) {
        self.with(index, lent, |scrape, job, shared| scrape.closed(orderly, cause, job, shared));
    }

    pub fn outgoing(&self, index: u32) -> &[u8] {
        match self.scrapes.get(index as usize) {
            Some(Some(scrape)) => scrape.outgoing(),
            _ => &[],
        }
    }

    /// Some refs mean nothing any more: every text is looked up once more.
    pub fn forget_series(&mut self, feed: &Feed) {
        self.farewells.forget_undefined(feed);
        for series in self.survivors.values_mut() {
            series.retain(|series| feed.table.at(*series).is_some());
        }
        self.scrapes.iter_mut().flatten().for_each(|scrape| scrape.forget_series());
    }

    /// Every ref that a cache holds.
    pub fn pinned(&self) -> impl Iterator<Item = SeriesRef> {
        let cached = self.scrapes.iter().flatten().flat_map(|scrape| scrape.cached_series());
        let survivors = self.survivors.values().flatten().copied();
        cached.chain(self.farewells.series()).chain(survivors)
    }

    pub fn job_meters(&self) -> Vec<JobMeters> {
        let mut meters: Vec<JobMeters> = self
            .jobs
            .iter()
            .map(|job| JobMeters { job: job.name.clone(), ..JobMeters::default() })
            .collect();
        for scrape in self.scrapes.iter().flatten() {
            let job = &mut meters[scrape.job as usize];
            job.targets += 1;
            job.up += u64::from(scrape.state.up == Some(true));
            let refused = scrape.refused_by_caps();
            if refused > 0 {
                job.refused += refused;
                job.offenders.push((scrape.target.url(), refused));
            }
        }
        for (job, quota) in meters.iter_mut().zip(&self.quotas) {
            (job.series, job.quota) = (quota.taken, quota.limit);
            job.offenders.sort_unstable_by_key(|(_, refused)| core::cmp::Reverse(*refused));
            job.offenders.truncate(OFFENDERS);
        }
        meters
    }

    pub fn target_states(&self) -> Vec<TargetState> {
        let states = self.scrapes.iter().flatten().map(|scrape| TargetState {
            job: self.jobs[scrape.job as usize].name.clone(),
            ..scrape.state.clone()
        });
        states.collect()
    }

    /// Pages that have come and are not worked through.
    pub fn pages_waiting(&self) -> u64 {
        self.scrapes.iter().flatten().filter(|scrape| scrape.waits()).count() as u64
    }

    /// Those included that are gone and whose markers are still due.
    pub fn targets(&self) -> u64 {
        (self.scrapes.len() - self.free.len() + self.farewells.len()) as u64
    }

    fn with(
        &mut self,
        index: u32,
        lent: &mut Lent<'_>,
        act: impl FnOnce(&mut Scrape, &Job, &mut Shared<'_>),
    ) {
        let Some(mut scrape) = self.scrapes.get_mut(index as usize).and_then(Option::take) else {
            return;
        };
        let jobs = core::mem::take(&mut self.jobs);
        let number = scrape.job;
        let job = &jobs[number as usize];
        act(&mut scrape, job, &mut self.shared(number, lent));
        self.jobs = jobs;
        self.scrapes[index as usize] = Some(scrape);
        self.pages.truncate(PAGES_KEPT);
        self.plan(index, lent.now.instant);
    }

    /// Notes when the scrape is to be woken next.
    fn plan(&mut self, index: u32, now: Instant) {
        let Some(scrape) = &self.scrapes[index as usize] else {
            return;
        };
        let wake = scrape.wake(now);
        // One nanosecond on: a turn that wants another comes after everything that is due now.
        let wake = if wake <= now { now + Duration::from_nanos(1) } else { wake };
        if self.wakes[index as usize] != wake {
            self.wakes[index as usize] = wake;
            self.timers.set(wake, index);
        }
    }

    fn shared<'a>(&'a mut self, job: u32, lent: &'a mut Lent<'_>) -> Shared<'a> {
        Shared {
            now: lent.now,
            seed: self.seed,
            feed: lent.feed,
            appender: lent.appender,
            dialer: lent.dialer,
            meters: &mut self.meters,
            resolver: &mut self.resolver,
            pages: &mut self.pages,
            vanished: &mut self.vanished,
            failures: &mut self.failures,
            quota: &mut self.quotas[job as usize],
            may_wait: lent.may_wait,
            has_room: lent.has_room,
        }
    }
}

fn caps(job: &Job) -> (u64, Option<u64>) {
    (job.target_series_limit, job.job_series_limit)
}

/// True if lines of the last page may mean other series, or none, under the new rules.
fn relearns(before: &Job, after: &Job) -> bool {
    before.metric_relabel != after.metric_relabel
        || before.honor_labels != after.honor_labels
        || before.honor_timestamps != after.honor_timestamps
        || before.legacy_names != after.legacy_names
        || before.track_timestamps_staleness != after.track_timestamps_staleness
        || before.label_limit != after.label_limit
        || before.label_name_length_limit != after.label_name_length_limit
        || before.label_value_length_limit != after.label_value_length_limit
}
