//! The world of one seed: its state, its calendar, and the phases of a run. First faults of all kinds, then none, and
//! everything must come to rest with its books in order.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::time::Duration;

use corelane::base::{Instant, Now, Random, Timestamp};
use corelane::coordinator::{DiskBudget, decide};
use corelane::mail::{LogMeters, Order, Report};
use corelane::model::Shortage;
use corelane::wal::{DiskAnswer, DiskRequest};

use crate::clock::{Agenda, Clock, ms, us};
use crate::coordinator::{Coordinator, filter};
use crate::disk::Disk;
use crate::exporter::Exporter;
use crate::laws;
use crate::net::Net;
use crate::process::{Host, Inbox};
use crate::remote::{Mode, Remote, Sender};
use crate::swarm::Options;
use crate::trace::Trace;

/// An ordinary day: 2026-01-01, and a bit.
const START_MS: i64 = 1_767_225_600_123;

#[derive(Debug)]
pub enum Happening {
    Arrive { link: u32, bytes: Vec<u8>, completes: Option<usize>, last: bool },
    Disk { life: u32, shard: u16, request: DiskRequest, asked: Instant },
    DiskFull(bool),
    End { link: u32, orderly: bool, cause: &'static str },
    Kill,
    Opened { link: u32 },
    PeerCloses { link: u32 },
    PeerGets { link: u32, bytes: Vec<u8> },
    Reload,
    RemoteMode { remote: usize },
    RemoteWell { remote: usize },
    Restart,
    Shed,
    StopLate { life: u32 },
    Sync,
    TargetChange,
    Truncate,
    Turn { life: u32, shard: u16 },
    Wake { life: u32, shard: u16 },
    WallJump,
}

#[derive(Debug)]
pub struct World {
    pub options: Options,
    pub random: Random,
    pub clock: Clock,
    pub agenda: Agenda<Happening>,
    pub trace: Trace,
    pub net: Net,
    pub disk: Disk,
    pub exporters: Vec<Exporter>,
    pub remotes: Vec<Remote>,
    pub coordinator: Coordinator,
    /// The process: no hosts while there is none.
    pub hosts: Vec<Host>,
    pub life: u32,
    /// Wall time in milliseconds at which each life ended; lives count from 1.
    pub ends: Vec<i64>,
    /// The same by the clock that does not jump.
    pub deaths: Vec<Instant>,
    pub faults: bool,
    pub stopping: bool,
    pub stop_asked: Instant,
    pub synced: Now,
    /// Timestamps of what power cuts may have taken.
    pub taken: Vec<RangeInclusive<i64>>,
    /// When set, the process dies after so many more events.
    pub kill_armed: Option<u64>,
    pub books: Books,
    /// By directory: segments below were ordered to be given up.
    pub shed_below: BTreeMap<u16, u64>,
    /// When the exporter was last given to a shard or taken away.
    pub target_changes: BTreeMap<usize, Instant>,
    /// When the last cursor page that reached the disk was made, by life, shard, log and file; the life's beginning
    /// before there is one.
    pub cursor_stores: BTreeMap<(u32, u16, u16, String), Instant>,
    /// Lives of shards in which the disk refused a cursor.
    pub cursors_failed: BTreeSet<(u32, u16)>,
}

/// Sums over the lives that have ended.
#[derive(Debug, Default)]
pub struct Books {
    pub appended: u64,
    /// Samples that died between being appended and not.
    pub doubt: u64,
    pub disk_full: u64,
    /// By endpoint.
    pub shed: BTreeMap<String, u64>,
    pub presumed: BTreeMap<String, u64>,
    pub lives: u64,
    pub retired: u64,
}

/// What a run was like, for the eye and for L9.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    pub seeds: u64,
    pub trace: u64,
    pub steps: u64,
    pub lives: u64,
    pub pages: u64,
    pub appended: u64,
    pub stored: u64,
    pub duplicates: u64,
    pub retired: u64,
}

impl Summary {
    pub fn add(&mut self, other: &Summary) {
        self.seeds += other.seeds;
        self.trace ^= other.trace;
        self.steps += other.steps;
        self.lives += other.lives;
        self.pages += other.pages;
        self.appended += other.appended;
        self.stored += other.stored;
        self.duplicates += other.duplicates;
        self.retired += other.retired;
    }
}

impl World {
    pub fn new(seed: u64, name: &str, loud: bool) -> World {
        World::of(Options::new(seed), seed, name, loud)
    }

    /// The world of this seed, but endpoints are to be sent remote write 2.0. Each second one does not know it.
    pub fn second(seed: u64, name: &str, loud: bool) -> World {
        let mut options = Options::new(seed);
        options.endpoints.iter_mut().for_each(|endpoint| endpoint.second = true);
        World::of(options, seed, name, loud)
    }

    fn of(options: Options, seed: u64, name: &str, loud: bool) -> World {
        if loud {
            println!("{options:#?}");
        }
        World {
            random: Random::new(seed ^ 0x0003_0071d),
            clock: Clock::new(START_MS + (seed % 15_000) as i64),
            agenda: Agenda::new(),
            trace: Trace::new(loud),
            net: Net::default(),
            disk: Disk::new(seed, name, options.segment_bytes, options.power_cuts),
            exporters: (0..options.targets).map(|at| Exporter::new(at, &options)).collect(),
            remotes: (0..options.endpoints.len()).map(|at| Remote::new(at, &options)).collect(),
            coordinator: Coordinator::new(&options),
            hosts: Vec::new(),
            life: 0,
            ends: vec![0],
            deaths: vec![Instant(0)],
            faults: true,
            stopping: false,
            stop_asked: Instant(0),
            synced: Now { instant: Instant(0), timestamp: Timestamp(START_MS) },
            taken: Vec::new(),
            kill_armed: None,
            books: Books::default(),
            shed_below: BTreeMap::new(),
            target_changes: BTreeMap::new(),
            cursor_stores: BTreeMap::new(),
            cursors_failed: BTreeSet::new(),
            options,
        }
    }

    pub fn run(mut self) -> Summary {
        self.disk.configured = self.remotes.iter().map(Remote::cursor_file).collect();
        self.start();
        self.calendar();
        self.agenda.at(self.clock.instant + ms(1000), Happening::Truncate);
        if self.options.power_cuts {
            self.agenda.at(self.clock.instant, Happening::Sync);
        }
        let end = self.clock.instant + self.options.safety;
        self.run_until(end);
        self.calm();
        self.resume();
        let intervals = self.exporters.iter().map(|exporter| exporter.target.interval);
        let interval = intervals.max().expect("a target").as_millis() as u64;
        self.run_for(ms(5000 + 3 * interval));
        self.stop_targets();
        self.run_for(ms(3 * interval + 1000));
        self.drain();
        // For the last truncation.
        self.run_for(ms(9000));
        laws::at_rest(&mut self);
        self.stop_and_look_again();
        self.summary()
    }

    pub fn summary(&self) -> Summary {
        Summary {
            seeds: 1,
            trace: self.trace.hash(),
            steps: self.trace.steps(),
            lives: self.books.lives,
            pages: self.exporters.iter().map(|exporter| exporter.pages.len() as u64).sum(),
            appended: self.books.appended,
            stored: self.remotes.iter().map(|remote| remote.stored_samples).sum(),
            duplicates: self.remotes.iter().map(|remote| remote.duplicates).sum(),
            retired: self.books.retired,
        }
    }

    pub fn run_for(&mut self, time: Duration) {
        let until = self.clock.instant + time;
        self.run_until(until);
    }

    fn run_until(&mut self, until: Instant) {
        while let Some((when, happening)) = self.agenda.next(until) {
            self.clock.advance(when);
            self.happen(happening);
        }
        self.clock.advance(until);
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Arrive { link, bytes, completes, last } => {
                self.arrive(link, bytes, completes, last);
            }
            Happening::Disk { life, shard, request, asked } => {
                self.disk(life, shard, request, asked)
            }
            Happening::DiskFull(full) => self.disk_full(full),
            Happening::End { link, orderly, cause } => self.end(link, orderly, cause),
            Happening::Kill => self.kill_due(),
            Happening::Opened { link } => self.opened(link),
            Happening::PeerCloses { link } => self.peer_closes(link),
            Happening::PeerGets { link, bytes } => self.peer_gets(link, bytes),
            Happening::Reload => self.reload(),
            Happening::RemoteMode { remote } => self.remote_mode(remote),
            Happening::RemoteWell { remote } => self.remotes[remote].mode = Mode::Well,
            Happening::Restart => self.start(),
            Happening::Shed => self.shed(),
            Happening::StopLate { life } => self.stop_late(life),
            Happening::Sync => self.sync(),
            Happening::TargetChange => self.target_change(),
            Happening::Truncate => self.truncate(),
            Happening::Turn { life, shard } => {
                if life == self.life && !self.hosts.is_empty() {
                    self.turn(shard);
                }
            }
            Happening::Wake { life, shard } => self.wake(life, shard),
            Happening::WallJump => self.wall_jump(),
        }
    }

    // The calendar of faults: each enters its next occurrence when it happens.

    fn calendar(&mut self) {
        let o = self.options.clone();
        self.again(o.kill_every, Happening::Kill);
        self.again(o.wall_jump_every, Happening::WallJump);
        self.again(o.target_change_every, Happening::TargetChange);
        self.again(o.reload_every, Happening::Reload);
        self.again(o.budget.map(|_| ms(1000)), Happening::Shed);
        if o.disk.full > 0 {
            self.again(Some(ms(20_000)), Happening::DiskFull(true));
        }
        for (remote, endpoint) in o.endpoints.iter().enumerate() {
            self.again(endpoint.outage_every, Happening::RemoteMode { remote });
        }
    }

    fn again(&mut self, every: Option<Duration>, happening: Happening) {
        if let Some(every) = every.filter(|_| self.faults) {
            let share = self.random.below(1500) + 50;
            let when = self.clock.instant + every * share as u32 / 1000;
            self.agenda.at(when, happening);
        }
    }

    fn kill_due(&mut self) {
        self.again(self.options.kill_every, Happening::Kill);
        if !self.faults || self.hosts.is_empty() || self.stopping {
            return;
        }
        if self.random.chance(self.options.stop_share, 1000) {
            self.stop();
        } else if self.options.power_cuts && self.random.chance(1, 2) {
            self.cut_power();
        } else if self.random.chance(1, 3) {
            // Between two stores to come.
            self.disk.fuse.light(1 + self.random.below(600));
        } else if self.random.chance(1, 2) {
            // In the middle of a turn to come, with effects that nobody will carry out.
            self.kill_armed = Some(self.random.below(40));
        } else {
            self.kill();
        }
    }

    fn wall_jump(&mut self) {
        self.again(self.options.wall_jump_every, Happening::WallJump);
        let size = [50, 3_000, 45_000, 3_600_000][self.random.below(4) as usize];
        let by = self.random.below(size) as i64;
        let back = self.options.wall_jumps_back && self.random.chance(1, 2);
        let by = if back { -by } else { by };
        if self.faults {
            self.trace.step(
                self.clock.instant,
                "wall",
                [by as u64, 0, 0],
                format_args!("jumps by {by} ms"),
            );
            self.clock.jump(by);
        }
    }

    fn target_change(&mut self) {
        self.again(self.options.target_change_every, Happening::TargetChange);
        if !self.faults {
            return;
        }
        let at = self.random.below(self.exporters.len() as u64) as usize;
        let wall = self.clock.now().timestamp.0;
        let exporter = &mut self.exporters[at];
        exporter.wanted = !exporter.wanted;
        if !exporter.wanted {
            exporter.taken_away.push(wall);
        }
        self.target_changes.insert(at, self.clock.instant);
        self.send_targets();
    }

    fn reload(&mut self) {
        self.again(self.options.reload_every, Happening::Reload);
        if !self.faults {
            return;
        }
        let at = self.random.below(self.remotes.len() as u64) as usize;
        let what = self.random.below(8);
        let (some, few) = (self.random.below(10_000), self.random.below(4) as usize);
        self.coordinator.assignment.generation += 1;
        if what == 0 && self.remotes.len() > 1 {
            self.coordinator.take_out_or_put_back();
            self.disk.configured.remove(&self.remotes[1].cursor_file());
            self.remotes[1].changed = true;
            self.remotes[1].acquainted.clear();
        } else if what == 1 {
            let target = &mut self.exporters[some as usize % self.options.targets].target;
            target.interval = ms([1000, 2000, 5000][few % 3]);
            target.timeout = target.timeout.min(target.interval);
        } else if let Some(endpoint) = self.coordinator.endpoint(at) {
            let remote = &mut self.remotes[at];
            match what {
                2 => endpoint.batch_deadline = ms(some % 2 * 700),
                3 => endpoint.timeout = ms(1000 + some),
                4 => endpoint.samples_max = [7, 100, 2000][few % 3],
                5 => endpoint.bytes_max = [5_000, 20_000, 4 << 20][few % 3],
                6 if at > 0 => {
                    let digit = [None, Some(3), Some(6)][few % 3];
                    endpoint.relabel = filter(digit);
                    remote.filters = digit.map(|digit| (digit, self.clock.highest.0));
                    remote.changed = true;
                }
                _ => {
                    endpoint.connections_min = 1 + few;
                    endpoint.connections_max = (1 + few).max(some as usize % 5);
                }
            }
            // What is on its way was made under the rules before.
            remote.options.timeout = endpoint.timeout;
            remote.options.samples_max = remote.options.samples_max.max(endpoint.samples_max);
            remote.options.bytes_max = remote.options.bytes_max.max(endpoint.bytes_max);
        }
        for shard in 0..self.hosts.len() as u16 {
            let assign = Order::Assign(Box::new(self.coordinator.assignment.clone()));
            self.order(shard, assign);
        }
        self.send_targets();
    }

    fn remote_mode(&mut self, remote: usize) {
        let options = self.options.endpoints[remote].clone();
        self.again(options.outage_every, Happening::RemoteMode { remote });
        if !self.faults {
            return;
        }
        let statuses = [500, 503, 401, 403, 404, 407, 429];
        self.remotes[remote].mode = match self.random.below(5) {
            0 => Mode::Refusing,
            1 => Mode::BlackHole,
            2 => Mode::Hanging,
            _ => Mode::Status(statuses[self.random.below(statuses.len() as u64) as usize]),
        };
        let now = self.clock.instant;
        let mode = self.remotes[remote].mode;
        self.trace.step(now, "remote", [remote as u64, 0, 0], format_args!("{remote} is {mode:?}"));
        let length = ms(self.random.below(options.outage_max.as_millis() as u64));
        self.agenda.at(now + length, Happening::RemoteWell { remote });
    }

    /// Once a second, as the helpers do; all at one moment. Between two lives nobody does.
    fn sync(&mut self) {
        self.agenda.at(self.clock.instant + ms(1000), Happening::Sync);
        if self.hosts.is_empty() {
            return;
        }
        // One of the files cannot be synced, now and then.
        if self.faults && self.random.chance(1, 15) {
            let shard = self.random.below(self.hosts.len() as u64) as u16;
            let logs = self.hosts[shard as usize].logs.clone();
            if let Some(file) = self.disk.rot(&logs, self.synced.instant) {
                let message = "the sim cannot sync".to_owned();
                let failed = DiskAnswer::SyncFailed { file: Some(file), message };
                self.tell(shard, Inbox::Disk(failed));
            }
        }
        let lies = self.faults && self.options.disk.lies && self.random.chance(1, 2);
        if !lies {
            self.synced = self.clock.now();
        }
        for host in &self.hosts {
            self.disk.sync(&host.logs, lies);
        }
    }

    /// What was committed after the last sync may or may not be there.
    fn cut_power(&mut self) {
        self.trace.step(self.clock.instant, "power", [0; 3], format_args!("is cut"));
        self.kill();
        self.disk.cut();
        // Cursors that had not been synced are gone.
        for remote in &mut self.remotes {
            remote.acquainted.clear();
        }
        let (synced, cut) = (self.synced.timestamp.0, self.clock.now().timestamp.0);
        // A scrape has the time at which it began.
        let timeout = self.exporters.iter().map(|exporter| exporter.target.timeout).max();
        let longest = timeout.unwrap_or_default().as_millis() as i64;
        self.taken.push(synced.min(cut) - longest..=synced.max(cut));
        for page in self.exporters.iter_mut().flat_map(|exporter| &mut exporter.pages) {
            page.certain &= page.committed <= self.synced.instant;
        }
    }

    /// The coordinator's truncation: what every endpoint is past. That the shard keeps what its stored cursors need is
    /// put to the test by asking for more now and then.
    fn truncate(&mut self) {
        let pause = ms(500 + self.random.below(5000));
        self.agenda.at(self.clock.instant + pause, Happening::Truncate);
        let reports = self.reports();
        if self.random.chance(1, 4) {
            for report in &reports {
                for &(log, _) in &report.log.needed {
                    self.order(report.shard, Order::Truncate { log, below: u32::MAX });
                }
            }
        }
        for (shard, order) in decide(&logs(&reports), self.budget(None)) {
            self.order(shard, order);
        }
    }

    /// `Some(n)`: n segments beyond what an idle process holds.
    fn budget(&self, segments: Option<u64>) -> DiskBudget {
        let segment_bytes = self.options.segment_bytes as u64;
        let shards = self.hosts.len() as u64;
        let definitions = self.options.definition_bytes();
        let dictionary = shards + definitions / (segment_bytes - 4096);
        let idle = 4 * shards + dictionary;
        let bytes = segments.map_or(u64::MAX, |more| (idle + more) * segment_bytes);
        DiskBudget { bytes, segment_bytes, free_bytes_min: 0, refuses: false }
    }

    fn disk_full(&mut self, full: bool) {
        let causes = [Shortage::Full, Shortage::Full, Shortage::ReadOnly, Shortage::Failing];
        let cause = causes[self.random.below(causes.len() as u64) as usize];
        self.disk.full = (full && self.faults).then_some(cause);
        let longest = [5_000, 10_000, 60_000][self.random.below(3) as usize];
        let next = if full { ms(self.random.below(longest)) } else { ms(20_000) };
        self.again(Some(next), Happening::DiskFull(!full));
    }

    fn shed(&mut self) {
        self.again(self.options.budget.map(|_| ms(1000)), Happening::Shed);
        if !self.faults {
            return;
        }
        let reports = self.reports();
        for (shard, order) in decide(&logs(&reports), self.budget(self.options.budget)) {
            if let Order::Shed { log, below } = order {
                let dir = self.hosts[shard as usize].logs[log as usize];
                let known = self.shed_below.entry(dir).or_default();
                *known = (*known).max(below.into());
            }
            self.order(shard, order);
        }
    }

    // After the faults.

    fn calm(&mut self) {
        self.faults = false;
        self.kill_armed = None;
        self.disk.fuse.put_out();
        self.disk.full = None;
        self.trace.step(self.clock.instant, "calm", [0; 3], format_args!("no more faults"));
        for remote in &mut self.remotes {
            remote.faults = false;
            remote.mode = Mode::Well;
        }
    }

    /// Without faults a start beside a backlog sends at once.
    fn resume(&mut self) {
        // What goes on instead must come out of its waits by itself.
        if self.hosts.is_empty() || self.stopping || self.random.chance(1, 2) {
            return;
        }
        self.kill();
        let life = self.life + 1;
        while self.life != life || self.hosts.is_empty() {
            self.run_for(ms(10));
        }
        // For the configuration to be read.
        self.run_for(ms(20));
        if self.life != life || self.coordinator.waits() {
            return;
        }
        let reports = self.reports();
        let deadline = self.options.endpoints.iter().map(|endpoint| endpoint.batch_deadline).max();
        let slowness = 10 * self.options.disk.delay_us + 8 * self.options.net.latency_us;
        self.run_for(ms(1000) + deadline.unwrap_or_default() + us(slowness));
        for remote in &self.remotes {
            let name = format!("endpoint-{}", remote.index);
            for report in &reports {
                let found = report.endpoints.iter().find(|endpoint| endpoint.name == name);
                let Some(pending) = found.map(|endpoint| endpoint.pending) else { continue };
                let sender = Sender { life, shard: report.shard };
                let sent = remote.requests.iter().rev().any(|request| request.sender == sender);
                assert!(sent || pending == 0, "{sender:?} has {pending} for {name} and is silent");
            }
        }
    }

    fn stop_targets(&mut self) {
        for (at, exporter) in self.exporters.iter_mut().enumerate() {
            exporter.wanted = false;
            self.target_changes.insert(at, self.clock.instant);
        }
        self.send_targets();
        // Their markers come when they would have been scraped twice more; those of targets that a start did not find
        // again, a minute after it.
        let longest = self.options.intervals_ms.iter().max().copied().unwrap_or_default();
        self.run_for(ms((longest * 3).max(61_000)));
    }

    /// Everything must be delivered in a time that follows from how much can be outstanding.
    fn drain(&mut self) {
        let pending = |report: &Report| report.endpoints.iter().map(|e| e.pending).sum::<u64>();
        let pending: u64 = self.reports().iter().map(pending).sum();
        let slowest = self.remotes.iter().map(|remote| {
            let options = &remote.options;
            let round = options.latency_us + 4 * self.options.net.latency_us + 20_000;
            let url = Remote::url(remote.index);
            let plans = &self.coordinator.assignment.endpoints;
            let plan = plans.iter().find(|plan| plan.identity == url);
            let (samples, bytes) = plan.map_or((1, 1), |plan| (plan.samples_max, plan.bytes_max));
            let size = options.size_limit.unwrap_or(bytes).min(bytes);
            let per_request = samples.min(size / 1000).max(1) as u64;
            // Looking for what is refused takes many requests for few samples.
            let per_request = if options.poison || options.in_order { 1 } else { per_request };
            (pending * 2 + 1000) / per_request * round
        });
        let slowest = slowest.max().expect("an endpoint");
        // The longest hold, the longest time-out, and a wait for company.
        let limit = self.clock.instant + Duration::from_micros(slowest) + ms(100_000);
        loop {
            let reports = self.reports();
            let settled =
                |report: &Report| report.endpoints.iter().all(|endpoint| endpoint.pending == 0);
            if !reports.is_empty() && reports.iter().all(settled) {
                return;
            }
            assert!(self.clock.instant < limit, "not drained in time: {:#?}", brief(&reports));
            self.run_for(ms(1000));
        }
    }

    /// A clean stop and another start must find nothing left to do.
    fn stop_and_look_again(&mut self) {
        let before: Vec<_> = self.remotes.iter().map(|remote| remote.requests.len()).collect();
        let life = self.life;
        self.stop();
        self.run_for(ms(20_000));
        assert_eq!(self.life, life + 1, "one clean restart");
        assert!(!self.hosts.is_empty(), "there was no restart");
        let reports = self.reports();
        for endpoint in reports.iter().flat_map(|report| &report.endpoints) {
            assert_eq!(endpoint.pending, 0, "pending after a clean restart: {endpoint:?}");
        }
        let after: Vec<_> = self.remotes.iter().map(|remote| remote.requests.len()).collect();
        assert_eq!(before, after, "requests after a clean restart with nothing new");
        self.kill();
    }
}

fn logs(reports: &[Report]) -> Vec<(u16, &LogMeters)> {
    reports.iter().map(|report| (report.shard, &report.log)).collect()
}

pub fn brief(reports: &[Report]) -> Vec<String> {
    let mut lines = Vec::new();
    for report in reports {
        for e in &report.endpoints {
            lines.push(format!(
                "shard {} {}: entered {} acknowledged {} lost {:?} resumed {} pending {} busy {} held {} error {:?}",
                report.shard, e.name, e.entered, e.acknowledged, e.lost, e.resumed, e.pending,
                e.connections_busy, e.held, e.last_error
            ));
        }
        lines.push(format!("shard {} log {:?}", report.shard, report.log));
    }
    lines
}
