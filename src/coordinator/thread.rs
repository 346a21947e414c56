//! The loop of the coordinator: mail from shards, questions from the admin server, targets from discovery, signals,
//! and the clock.

use core::time::Duration;
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, select};
use tokio::sync::{oneshot, watch};

use crate::base::{Instant, Timestamp};
use crate::client::read_file;
use crate::config::Config;
use crate::coordinator::adoption::Epochs;
use crate::coordinator::assignment::{assignment, set_features};
use crate::coordinator::cardinality::cardinality;
use crate::coordinator::cores::Core;
use crate::coordinator::cost::cost;
use crate::coordinator::credentials::{Credentials, WITHHELD};
use crate::coordinator::failure_log::FailureLog;
use crate::coordinator::jobs::Jobs;
use crate::coordinator::load::{contents, load_config};
use crate::coordinator::pushes::Pushes;
use crate::coordinator::quotas::{Quotas, share};
use crate::coordinator::start::{Signal, system_roots};
use crate::coordinator::truncation::{DiskBudget, decide, expire, shares};
use crate::discovery::{Discovery, Update};
use crate::disk::Store;
use crate::flags::Flags;
use crate::io::{Clock, Runtime};
use crate::mail::{Assignment, Failure, Level, Notice, Order, Report};
use crate::model::OtlpRules;
use crate::telemetry::{Logger, ProcessState, ReloadState};
use crate::web::{Ask, Phase, Snapshot};

const SOURCE: &str = "coordinator";
/// How often the clock is looked at: truncation, budgets, reports.
const TICK: Duration = Duration::from_secs(1);
/// Signs of life asked of every core.
const BEAT: Duration = Duration::from_millis(500);
/// A core that does not answer for so long is stuck; the supervisor starts us again, and the log loses nothing.
const DEAD: Duration = Duration::from_secs(10);
/// How long a question to all shards may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// Files with secrets are read again this often.
const SECRETS: Duration = Duration::from_secs(5);
/// Shards get so long to stop; what they have not stored by then is sent again.
const STOP: Duration = Duration::from_millis(1900);

/// What the coordinator is made of.
#[derive(Debug)]
pub struct Parts {
    pub flags: Flags,
    pub logger: Logger,
    pub clock: Clock,
    pub runtime: Runtime,
    pub config: Arc<Config>,
    /// The assignment of `config`.
    pub first: Assignment,
    pub credentials: Credentials,
    pub system_roots: Vec<Vec<u8>>,
    pub store: Store,
    pub shards: Vec<Core>,
    pub budget: DiskBudget,
    pub notices: Receiver<Notice>,
    pub asks: Receiver<Ask>,
    pub phase: watch::Sender<Phase>,
    /// In force for what is pushed by OpenTelemetry.
    pub otlp: watch::Sender<Arc<OtlpRules>>,
    pub web: JoinHandle<()>,
    pub signals: Receiver<Signal>,
}

#[derive(Debug)]
pub struct Coordinator {
    parts: Parts,
    jobs: Jobs,
    discovery: Discovery,
    updates: Receiver<Update>,
    epochs: Epochs,
    reload: ReloadState,
    started: Timestamp,
    recovery: Duration,
    /// Counts questions and beats.
    number: u64,
    questions: Vec<Question>,
    pushes: Pushes,
    next_tick: Instant,
    next_beat: Instant,
    next_secrets: Instant,
    auto_reload_at: Instant,
    /// What the configuration's files said when they were last loaded.
    config_text: Vec<(PathBuf, Option<Vec<u8>>)>,
    failure_log: FailureLog,
    quotas: Quotas,
    stopping: Option<Instant>,
    /// A shard has no room: its next report is acted on at once.
    pressed: bool,
    /// What has been given up, and said, by shard and log.
    given_up: HashMap<(u16, u16), u32>,
    told_recovery: bool,
    /// What was said last of files that cannot be used.
    unusable: Option<String>,
}

/// Somebody waits for a report of every shard.
#[derive(Debug)]
struct Question {
    number: u64,
    reply: oneshot::Sender<Snapshot>,
    reports: HashMap<u16, Report>,
    until: Instant,
}

impl Coordinator {
    /// Gives the shards their first work. They have been started and wait for it.
    pub fn new(parts: Parts) -> Result<Coordinator, String> {
        let now = parts.clock.now();
        let (updates_in, updates) = crossbeam_channel::unbounded();
        let discovery = Discovery::start(&parts.config.scrape_configs, updates_in, parts.logger)
            .map_err(|error| format!("cannot start discovery: {error}"))?;
        let epochs = Epochs::new(parts.store.epoch(), parts.shards.len() as u16);
        let text = contents(&parts.flags.config_file, &parts.config);
        let mut coordinator = Coordinator {
            jobs: Jobs::default(),
            discovery,
            updates,
            epochs,
            reload: ReloadState { successful: true, last_success: now.timestamp },
            started: now.timestamp,
            recovery: now.instant.since(Instant(0)),
            number: 0,
            questions: Vec::new(),
            pushes: Pushes::default(),
            next_tick: now.instant + TICK,
            next_beat: now.instant,
            next_secrets: now.instant + SECRETS,
            auto_reload_at: Instant::NEVER,
            config_text: text,
            failure_log: FailureLog::default(),
            quotas: Quotas::default(),
            stopping: None,
            pressed: false,
            given_up: HashMap::new(),
            told_recovery: false,
            unusable: None,
            parts,
        };
        if let Some(every) = coordinator.parts.flags.auto_reload {
            coordinator.auto_reload_at = now.instant + every;
        }
        coordinator.jobs.set_jobs(&coordinator.parts.config.scrape_configs);
        coordinator.send_assignment();
        // The first, for the line on what was recovered.
        coordinator.number = 1;
        for core in &mut coordinator.parts.shards {
            core.send(Order::Report { number: 1, targets: false });
        }
        let fields = [("config", coordinator.parts.flags.config_file.display().to_string())];
        coordinator.parts.logger.info(SOURCE, "Completed loading of configuration file", &fields);
        coordinator.parts.phase.send_replace(Phase::Ready);
        coordinator.parts.logger.info(SOURCE, "Server is ready to receive web requests.", &[]);
        Ok(coordinator)
    }

    /// Until the process is to end.
    pub fn run(mut self) -> ExitCode {
        loop {
            let now = self.parts.clock.now().instant;
            let wait = self.next_wake().since(now);
            select! {
                recv(self.parts.notices) -> notice => match notice {
                    Ok(notice) => self.heard(notice),
                    Err(_) => return self.end(),
                },
                recv(self.parts.asks) -> ask => match ask {
                    Ok(ask) => self.asked(ask),
                    Err(_) => self.parts.asks = crossbeam_channel::never(),
                },
                recv(self.updates) -> update => match update {
                    Ok(update) => self.updated(update),
                    Err(_) => self.updates = crossbeam_channel::never(),
                },
                recv(self.parts.credentials.outcomes) -> outcome => {
                    if outcome.is_ok_and(|outcome| self.parts.credentials.heard(outcome)) {
                        self.refresh_secrets();
                    }
                }
                recv(self.parts.signals) -> signal => match signal {
                    Ok(Signal::Reload) => drop(self.reload()),
                    Ok(Signal::Stop) | Err(_) => self.stop("signal"),
                },
                default(wait) => {}
            }
            self.on_time();
            let done = self.parts.shards.iter().all(|core| core.stopped);
            let late = self.stopping.is_some_and(|until| until <= self.parts.clock.now().instant);
            if self.stopping.is_some() && (done || late) {
                return self.end();
            }
        }
    }

    fn next_wake(&self) -> Instant {
        let questions = self.questions.iter().map(|question| question.until).min();
        let unsent = self.parts.shards.iter().any(|core| !core.unsent.is_empty());
        let now = self.parts.clock.now().instant;
        let retry = if unsent { now + Duration::from_millis(5) } else { Instant::NEVER };
        self.next_tick
            .min(self.next_beat)
            .min(self.next_secrets)
            .min(self.auto_reload_at)
            .min(questions.unwrap_or(Instant::NEVER))
            .min(self.stopping.unwrap_or(Instant::NEVER))
            .min(retry)
    }

    fn heard(&mut self, notice: Notice) {
        match notice {
            Notice::Report(report) => self.reported(*report),
            Notice::Beat { shard, number } => {
                let now = self.parts.clock.now().instant;
                if let Some(core) = self.parts.shards.get_mut(usize::from(shard)) {
                    core.beaten(number, now);
                }
            }
            Notice::Epoch { shard, endpoint, lowest } => {
                if let Some(epoch) = self.epochs.heard(&endpoint, shard, lowest) {
                    for core in &mut self.parts.shards {
                        core.send(Order::Release { endpoint: endpoint.clone(), epoch });
                    }
                }
            }
            Notice::Full { shard } => {
                // What is known of it may be a second old: ask, then decide.
                self.pressed = true;
                self.number += 1;
                let number = self.number;
                if let Some(core) = self.parts.shards.get_mut(usize::from(shard)) {
                    core.send(Order::Report { number, targets: false });
                }
            }
            Notice::Log { shard, level, message, fields } => {
                let mut fields = fields;
                fields.push(("shard", shard.to_string()));
                self.parts.logger.log(level, "shard", &message, &fields);
            }
            Notice::Failed(failure) => self.note_failure(&failure),
            Notice::Pushed { number, outcome } => self.pushes.heard(number, *outcome),
            Notice::Stopped { shard } => {
                if let Some(core) = self.parts.shards.get_mut(usize::from(shard)) {
                    core.stopped = true;
                }
            }
        }
    }

    fn note_failure(&mut self, failure: &Failure) {
        let mut configs = self.parts.config.scrape_configs.iter();
        let job = configs.find(|config| config.job_name == failure.job);
        if let Some(path) = job.and_then(|job| job.scrape_failure_log_file.as_deref())
            && let Some(error) = self.failure_log.write(path, failure)
        {
            let text = "A scrape failure cannot be logged to its file";
            self.parts.logger.error(SOURCE, text, &[("err", error)]);
        }
    }

    fn reported(&mut self, report: Report) {
        let shard = report.shard;
        if let Some(at) = self.questions.iter().position(|asked| asked.number == report.number) {
            self.questions[at].reports.insert(shard, report.clone());
            if self.questions[at].reports.len() == self.parts.shards.len() {
                let question = self.questions.swap_remove(at);
                self.reply(question);
            }
        }
        if let Some(core) = self.parts.shards.get_mut(usize::from(shard)) {
            core.report = Report { targets: Vec::new(), ..report };
        }
        self.tell_recovery();
        if core::mem::take(&mut self.pressed) {
            self.truncate();
        }
    }

    /// Once, when every shard has reported: what the stop before this start cost.
    fn tell_recovery(&mut self) {
        let reports = self.parts.shards.iter().map(|core| &core.report);
        if self.told_recovery || reports.clone().any(|report| report.number == 0) {
            return;
        }
        self.told_recovery = true;
        let clean = self.parts.store.was_clean();
        let found = reports.clone().map(|report| report.log.recovery);
        let (level, mut fields) = cost(found, clean);
        let mut pending: BTreeMap<&str, u64> = BTreeMap::new();
        for meters in reports.flat_map(|report| &report.endpoints) {
            *pending.entry(&meters.name).or_default() += meters.pending;
        }
        for (name, samples) in pending {
            fields.push(("backlog", format!("{samples} samples for {name}")));
        }
        self.parts.logger.log(level, SOURCE, "Log recovered", &fields);
    }

    fn asked(&mut self, ask: Ask) {
        match ask {
            Ask::Report { targets, reply } => {
                self.number += 1;
                let number = self.number;
                for core in &mut self.parts.shards {
                    core.send(Order::Report { number, targets });
                }
                let until = self.parts.clock.now().instant + PATIENCE;
                let reports = HashMap::new();
                self.questions.push(Question { number, reply, reports, until });
            }
            Ask::Push { parts, reply } => {
                let shards = &mut self.parts.shards;
                self.number = self.pushes.asked(self.number, parts, reply, shards);
            }
            Ask::Cardinality { reply } => {
                let directory = self.parts.store.path().to_owned();
                let count = move || drop(reply.send(cardinality(&directory)));
                let thread = std::thread::Builder::new().name("cardinality".to_owned());
                // Without a thread the reply is dropped, which is an answer too.
                drop(thread.spawn(count));
            }
            // A reply that nobody waits for any more is no loss.
            Ask::Reload { reply } => drop(reply.send(self.reload())),
            Ask::Quit { reply } => {
                self.stop("web");
                let _ = reply.send(());
            }
        }
    }

    /// Shards that have not answered in time are shown as they last were.
    fn reply(&self, mut question: Question) {
        let shards = self.parts.shards.iter().enumerate();
        let reports = shards.map(|(number, core)| {
            question.reports.remove(&(number as u16)).unwrap_or_else(|| core.report.clone())
        });
        let snapshot = Snapshot {
            reports: reports.collect(),
            process: self.process_state(),
            pools: self.jobs.pools().map(|(_, pool)| pool.view()).collect(),
            config: Arc::clone(&self.parts.config),
        };
        // The asker may have given up.
        drop(question.reply.send(snapshot));
    }

    fn process_state(&self) -> ProcessState {
        let shards = self.parts.shards.iter().enumerate();
        ProcessState {
            now: self.parts.clock.now().timestamp,
            started: self.started,
            ready: self.stopping.is_none(),
            reload: self.reload,
            runtime: self.parts.runtime.name().to_owned(),
            cores: self.parts.shards.len() as u64,
            stalls: shards.map(|(number, core)| (number as u16, core.stall)).collect(),
            discovery: self.discovery.state(),
            pools: self.jobs.pools().map(|(_, pool)| pool.state.clone()).collect(),
            recovery: self.recovery,
            clean_start: (!self.parts.flags.no_lockfile).then(|| self.parts.store.was_clean()),
            disk_budget_bytes: self.parts.budget.bytes,
            credentials: self.parts.credentials.state(),
            ..ProcessState::default()
        }
    }

    fn updated(&mut self, update: Update) {
        self.jobs.set_groups(&update.job, update.groups);
        let configs = &self.parts.config.scrape_configs;
        let Some(at) = configs.iter().position(|config| config.job_name == update.job) else {
            return;
        };
        let was_over = self.jobs.over_limit(&update.job);
        self.sync_job(at);
        if self.jobs.over_limit(&update.job) != was_over {
            self.send_assignment();
        }
    }

    fn sync_job(&mut self, at: usize) {
        let config = &self.parts.config.scrape_configs[at];
        let (orders, errors) =
            self.jobs.sync(config, self.parts.shards.len() as u16, self.parts.flags.cluster);
        for error in errors {
            let fields = [("scrape_pool", config.job_name.clone()), ("err", error)];
            self.parts.logger.error(SOURCE, "Creating target failed", &fields);
        }
        for (core, order) in self.parts.shards.iter_mut().zip(orders) {
            core.send(order);
        }
    }

    /// Every shard gets the whole assignment in force.
    fn send_assignment(&mut self) {
        let mut now = self.parts.first.clone();
        for job in &mut now.jobs {
            if let Some(text) = self.jobs.over_limit(&job.name) {
                job.forced_error = Some(text);
            }
        }
        let shards = self.parts.shards.len() as u16;
        self.quotas.set_jobs(&self.parts.config.scrape_configs, shards);
        for (shard, core) in self.parts.shards.iter_mut().enumerate() {
            let mut own = now.clone();
            for limit in own.jobs.iter_mut().filter_map(|job| job.job_series_limit.as_mut()) {
                *limit = share(*limit, shard as u16, shards);
            }
            core.send(Order::Assign(Box::new(own)));
        }
    }

    /// Loads the file again. Nothing changes if anything of it cannot be used.
    fn reload(&mut self) -> Result<(), String> {
        let outcome = self.try_reload();
        let logger = &self.parts.logger;
        self.reload.successful = outcome.is_ok();
        match &outcome {
            Ok(()) => {
                self.reload.last_success = self.parts.clock.now().timestamp;
                logger.info(SOURCE, "Completed loading of configuration file", &[]);
            }
            Err(error) => logger.error(SOURCE, "Error reloading config", &[("err", error.clone())]),
        }
        outcome
    }

    fn try_reload(&mut self) -> Result<(), String> {
        let path = self.parts.flags.config_file.clone();
        self.config_text = contents(&path, &self.parts.config);
        let config = load_config(&path, &self.parts.logger)?;
        self.config_text = contents(&path, &config);
        let roots = system_roots(&config);
        let shards = self.parts.shards.len() as u16;
        let generation = self.parts.first.generation + 1;
        let mut made = self
            .parts
            .credentials
            .made(|held| assignment(&config, generation, shards, &read_file, &roots, held))?;
        set_features(&self.parts.flags, &mut made.assignment);
        for complaint in made.complaints {
            self.parts.logger.error(SOURCE, WITHHELD, &[("err", complaint)]);
        }
        self.parts.otlp.send_replace(Arc::new(config.otlp.clone()));
        let before = core::mem::replace(&mut self.parts.config, Arc::new(config));
        self.failure_log.reopen();
        self.parts.first = made.assignment;
        self.parts.system_roots = roots;
        let known: Vec<&str> =
            self.parts.first.endpoints.iter().map(|endpoint| endpoint.identity.as_str()).collect();
        self.epochs.forget_all_but(&known);
        self.jobs.set_jobs(&self.parts.config.scrape_configs);
        self.send_assignment();
        self.discovery.reconfigure(&self.parts.config.scrape_configs);
        let over = |jobs: &Jobs, config: &Config| -> Vec<Option<String>> {
            config.scrape_configs.iter().map(|job| jobs.over_limit(&job.job_name)).collect()
        };
        let was_over = over(&self.jobs, &self.parts.config);
        // Discovery tells only of groups that changed; rules over the same groups may have changed too.
        for at in 0..self.parts.config.scrape_configs.len() {
            let after = &self.parts.config.scrape_configs[at];
            let same = |config: &&crate::config::ScrapeConfig| config.job_name == after.job_name;
            if before.scrape_configs.iter().find(same).is_some_and(|config| config != after) {
                self.sync_job(at);
            }
        }
        if over(&self.jobs, &self.parts.config) != was_over {
            self.send_assignment();
        }
        Ok(())
    }

    /// Secrets in files may have changed: then only headers differ, and nothing restarts.
    fn refresh_secrets(&mut self) {
        let parts = &mut self.parts;
        let shards = parts.shards.len() as u16;
        let generation = parts.first.generation;
        let made = parts.credentials.made(|held| {
            assignment(&parts.config, generation, shards, &read_file, &parts.system_roots, held)
        });
        let made = match made {
            Ok(made) => made,
            Err(error) => {
                if self.unusable.as_ref() != Some(&error) {
                    let text = "Secrets or certificates on disk cannot be used; what was read before stays";
                    parts.logger.error(SOURCE, text, &[("err", error.clone())]);
                    self.unusable = Some(error);
                }
                return;
            }
        };
        self.unusable = None;
        if made.assignment != parts.first {
            parts.logger.info(SOURCE, "Secrets or certificates changed", &[]);
            for complaint in made.complaints {
                parts.logger.error(SOURCE, WITHHELD, &[("err", complaint)]);
            }
            parts.first = made.assignment;
            self.send_assignment();
        }
    }

    fn on_time(&mut self) {
        let now = self.parts.clock.now().instant;
        for core in &mut self.parts.shards {
            core.flush();
        }
        if self.next_beat <= now {
            self.next_beat = now + BEAT;
            self.beat(now);
        }
        if self.next_tick <= now {
            self.next_tick = now + TICK;
            self.truncate();
        }
        if self.next_secrets <= now {
            self.next_secrets = now + SECRETS;
            self.refresh_secrets();
        }
        if self.auto_reload_at <= now {
            let every = self.parts.flags.auto_reload.unwrap_or(SECRETS);
            self.auto_reload_at = now + every;
            let now = contents(&self.parts.flags.config_file, &self.parts.config);
            if now != self.config_text {
                drop(self.reload());
            }
        }
        while let Some(at) = self.questions.iter().position(|question| question.until <= now) {
            let question = self.questions.swap_remove(at);
            self.reply(question);
        }
    }

    fn beat(&mut self, now: Instant) {
        self.number += 1;
        let number = self.number;
        for (shard, core) in self.parts.shards.iter_mut().enumerate() {
            if !core.stopped && core.beat(number, now) >= DEAD {
                let fields = [("shard", shard.to_string())];
                let text = "A core has not answered for 10 s; ending the process, the log keeps everything";
                self.parts.logger.log(Level::Error, SOURCE, text, &fields);
                std::process::abort();
            }
        }
    }

    /// From the last reports: what may be retired, what must be given up, and who may use how much.
    fn truncate(&mut self) {
        let shards = self.parts.shards.iter().enumerate();
        let logs: Vec<_> = shards.map(|(shard, core)| (shard as u16, &core.report.log)).collect();
        let mut orders = decide(&logs, self.parts.budget);
        if let Some(age) = self.parts.flags.retention_max {
            let now = self.parts.clock.now().timestamp.0;
            let oldest = now.saturating_sub(i64::try_from(age.as_millis()).unwrap_or(i64::MAX));
            orders.extend(expire(&logs, Timestamp(oldest)));
        }
        let shares = shares(&logs, self.parts.budget);
        for (shard, order) in orders {
            if let Order::Shed { log, below } = &order
                && rises(self.given_up.entry((shard, *log)).or_default(), *below)
            {
                let fields = [
                    ("shard", shard.to_string()),
                    ("log", log.to_string()),
                    ("below_segment", below.to_string()),
                ];
                let text = "Disk budget spent: giving up the oldest samples that are not delivered";
                self.parts.logger.warn(SOURCE, text, &fields);
            }
            self.parts.shards[usize::from(shard)].send(order);
        }
        self.settle_quotas();
        self.number += 1;
        let number = self.number;
        let free_bytes_min = self.parts.budget.free_bytes_min;
        for (shard, bytes_max) in shares {
            let core = &mut self.parts.shards[usize::from(shard)];
            core.send(Order::Budget { bytes_max, free_bytes_min });
            core.send(Order::Report { number, targets: false });
        }
    }

    fn settle_quotas(&mut self) {
        let reports: Vec<&[_]> =
            self.parts.shards.iter().map(|core| core.report.jobs.as_slice()).collect();
        for (shard, order) in self.quotas.settle(&reports) {
            self.parts.shards[usize::from(shard)].send(order);
        }
    }

    fn stop(&mut self, why: &str) {
        if self.stopping.is_some() {
            return;
        }
        self.parts.logger.warn(SOURCE, "Stopping", &[("reason", why.to_owned())]);
        self.parts.phase.send_replace(Phase::Stopping);
        for core in &mut self.parts.shards {
            core.send(Order::Stop);
        }
        self.stopping = Some(self.parts.clock.now().instant + STOP);
    }

    fn end(self) -> ExitCode {
        let Coordinator { parts, discovery, questions, pushes, .. } = self;
        drop(discovery);
        drop(questions);
        drop(pushes);
        let mut clean = true;
        for mut core in parts.shards {
            clean &= core.stopped;
            if let (true, Some(thread)) = (core.stopped, core.thread.take()) {
                clean &= thread.join().is_ok();
            }
        }
        drop(parts.phase);
        drop(parts.asks);
        clean &= parts.web.join().is_ok();
        if clean {
            if let Err(error) = parts.store.close() {
                parts.logger.warn(SOURCE, "The lock file stays", &[("err", error.to_string())]);
            }
            parts.logger.info(SOURCE, "See you next time!", &[]);
        } else {
            parts.logger.warn(
                SOURCE,
                "Not every core stopped in time; nothing committed is lost",
                &[],
            );
        }
        ExitCode::SUCCESS
    }
}

/// Raises `known` to `value`; true if that was a rise.
fn rises(known: &mut u32, value: u32) -> bool {
    let rises = value > *known;
    *known = value.max(*known);
    rises
}
