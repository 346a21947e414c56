//! All jobs and targets of a core: rows in a table, and what is due when.

use std::collections::HashMap;

use crate::append::Appender;
use crate::base::{Dialer, Instant, Now, Timers};
use crate::mail::{Job, JobMeters, ScrapeMeters, TargetState};
use crate::model::{SeriesRef, Target};
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
    seed: u64,
    phase_seed: u64,
}

/// Pages kept for reuse: as many as scrapes overlap in a busy moment.
const PAGES_KEPT: usize = 16;

impl Pools {
    pub fn new(seed: u64, phase_seed: u64) -> Pools {
        Pools {
            jobs: Vec::new(),
            scrapes: Vec::new(),
            free: Vec::new(),
            timers: Timers::default(),
            wakes: Vec::new(),
            meters: ScrapeMeters::default(),
            resolver: Resolver::default(),
            pages: Vec::new(),
            vanished: Vec::new(),
            seed,
            phase_seed,
        }
    }

    /// The jobs in force. Targets of jobs that are gone end; those of changed jobs go on under the new rules.
    pub fn set_jobs(&mut self, jobs: &[Job], lent: &mut Lent<'_>) {
        let old = core::mem::take(&mut self.jobs);
        let mut numbers = HashMap::new();
        for (number, job) in jobs.iter().enumerate() {
            numbers.insert(job.name.as_str(), number as u32);
        }
        self.jobs = jobs.to_vec();
        for index in 0..self.scrapes.len() {
            let Some(scrape) = &mut self.scrapes[index] else {
                continue;
            };
            let before = &old[scrape.job as usize];
            match numbers.get(before.name.as_str()) {
                Some(&number) => {
                    scrape.job = number;
                    let after = &jobs[number as usize];
                    if relearns(before, after) {
                        scrape.forget_texts();
                    }
                    let ways = (&before.transport.proxies, &after.transport.proxies);
                    if before.tls != after.tls || ways.0 != ways.1 {
                        scrape.hang_up_idle(lent.dialer);
                    }
                }
                None => self.remove(index as u32, lent),
            }
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
        let scrape = Scrape::new(index, job, target, self.phase_seed, now);
        self.scrapes[index as usize] = Some(Box::new(scrape));
        self.wakes[index as usize] = Instant::NEVER;
        self.plan(index, now.instant);
    }

    fn remove(&mut self, index: u32, lent: &mut Lent<'_>) {
        if let Some(mut scrape) = self.scrapes[index as usize].take() {
            scrape.end(&mut self.shared(lent));
            self.wakes[index as usize] = Instant::NEVER;
            self.free.push(index);
        }
    }

    /// Starts what is due, and goes on with what waits for a turn.
    pub fn tick(&mut self, lent: &mut Lent<'_>) {
        while let Some((at, index)) = self.timers.pop_due(lent.now.instant) {
            if self.wakes[index as usize] != at {
                continue;
            }
            self.wakes[index as usize] = Instant::NEVER;
            self.with(index, lent, |scrape, job, shared| scrape.tick(job, shared));
        }
    }

    pub fn deadline(&self) -> Instant {
        self.timers.next()
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
    pub fn forget_series(&mut self) {
        self.scrapes.iter_mut().flatten().for_each(|scrape| scrape.forget_series());
    }

    /// Every ref that a cache holds.
    pub fn pinned(&self) -> impl Iterator<Item = SeriesRef> {
        self.scrapes.iter().flatten().flat_map(|scrape| scrape.cached_series())
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

    pub fn targets(&self) -> u64 {
        (self.scrapes.len() - self.free.len()) as u64
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
        let job = &jobs[scrape.job as usize];
        act(&mut scrape, job, &mut self.shared(lent));
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
        let wake = if wake <= now { now + core::time::Duration::from_nanos(1) } else { wake };
        if self.wakes[index as usize] != wake {
            self.wakes[index as usize] = wake;
            self.timers.set(wake, index);
        }
    }

    fn shared<'a>(&'a mut self, lent: &'a mut Lent<'_>) -> Shared<'a> {
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
            may_wait: lent.may_wait,
            has_room: lent.has_room,
        }
    }
}

/// True if lines of the last page may mean other series, or none, under the new rules.
fn relearns(before: &Job, after: &Job) -> bool {
    before.metric_relabel != after.metric_relabel
        || before.honor_labels != after.honor_labels
        || before.honor_timestamps != after.honor_timestamps
        || before.track_timestamps_staleness != after.track_timestamps_staleness
        || before.label_limit != after.label_limit
        || before.label_name_length_limit != after.label_name_length_limit
        || before.label_value_length_limit != after.label_value_length_limit
}
