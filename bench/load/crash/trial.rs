//! One agent through the lives of a plan, and what is found when all of it has settled.

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::thread;
use std::time::{Duration, Instant};

use crate::agent::{Agent, Kind, Running};
use crate::crash::audit::Verdict;
use crate::crash::books::Books;
use crate::crash::disk::{self, Small};
use crate::crash::numbered::Numbered;
use crate::crash::plan::{self, End, Event, FEWER_TARGETS, Life, Measure, OTHER_BACKOFF, Scenario};
use crate::crash::receiver::{self, Receiver};
use crate::crash::report::Finding;
use crate::system;

const INTERVAL_MS: u64 = 250;
/// Prometheus waits five seconds before its first scrape.
const FIRST_PAGE: Duration = Duration::from_secs(60);
/// An agent that delivers nothing for so long, with a healthy receiver, will not.
const IDLE: Duration = Duration::from_secs(20);
const SETTLE: Duration = Duration::from_secs(180);
const TELL: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(20);
/// The variant of the configuration without a target.
const NO_TARGETS: u64 = u64::MAX;
/// A plan is given up when the agent ends so often without being told to.
const ENDED_MAX: usize = 5;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// What is tried.
#[derive(Debug, Clone)]
pub struct Trial {
    pub agent: Agent,
    pub scenario: Scenario,
    pub measure: Measure,
    pub receiver: receiver::Kind,
    pub disk: disk::Kind,
    /// For the files of the run; emptied first.
    pub dir: PathBuf,
    pub peers: PathBuf,
    /// No life begins after so long.
    pub time_max: Duration,
}

impl Trial {
    /// Runs it. The error is a fault of the stage, not of the agent.
    pub fn run(&self) -> Outcome<Finding> {
        drop(fs::remove_dir_all(&self.dir));
        fs::create_dir_all(&self.dir)?;
        let shape = self.scenario.shape();
        let small = match self.scenario.fills_disk() {
            true => Some(Small::mount(self.disk, &self.dir.join("data"))?),
            false => None,
        };
        let exporters = Numbered::start(shape)?;
        let (shape, manner) = (exporters.shape, self.scenario.manner());
        let receiver = Receiver::start(self.receiver, shape, manner, &self.dir, &self.peers)?;
        let finding = Finding::new(self);
        let mut stage = Stage {
            trial: self,
            small,
            exporters,
            receiver,
            finding,
            variant: 0,
            told: Instant::now(),
        };
        let plan = plan::lives(self.scenario, &self.measure);
        let started = Instant::now();
        for (number, life) in plan.iter().enumerate() {
            if started.elapsed() > self.time_max || stage.finding.ended.len() >= ENDED_MAX {
                break;
            }
            stage.live(life)?;
            stage.tell(number + 1, plan.len());
        }
        stage.settle()?;
        let mut finding = stage.finding;
        finding.seconds = started.elapsed().as_secs_f64();
        Ok(finding)
    }
}

struct Stage<'a> {
    trial: &'a Trial,
    small: Option<Small>,
    exporters: Numbered,
    receiver: Receiver,
    finding: Finding,
    /// Of the configuration.
    variant: u64,
    told: Instant,
}

impl Stage<'_> {
    fn live(&mut self, life: &Life) -> Outcome<()> {
        let mut running = self.start(life.cores)?;
        if life.from_first_page && !self.first_page(&mut running)? {
            return Ok(());
        }
        let before = counted(&running);
        let started = Instant::now();
        for (at_ms, event) in &life.events {
            if let Some(status) = wait(&mut running, started, *at_ms) {
                self.ended(status, &running);
                return Ok(());
            }
            self.meet(*event, &running)?;
        }
        if let Some(status) = wait(&mut running, started, life.length_ms) {
            self.ended(status, &running);
            return Ok(());
        }
        if self.small.is_some() {
            self.finding.counted += counted(&running).saturating_sub(before);
        }
        match life.end {
            End::Kill => drop(running),
            End::Stop => self.stop(running),
        }
        self.finding.kills += u64::from(life.end == End::Kill);
        thread::sleep(Duration::from_millis(life.pause_ms));
        Ok(())
    }

    fn start(&mut self, cores: usize) -> Outcome<Running> {
        let kind = self.trial.agent.kind;
        let mut flags = kind.cores(cores);
        match kind {
            Kind::Corelane => {
                flags.push(String::from("--no-pin"));
                if self.small.is_some() {
                    flags.push(String::from("--storage.agent.wal-segment-size=256KiB"));
                }
            }
            // As the others are told in the configuration.
            Kind::Vmagent => flags.extend(
                ["-remoteWrite.sendTimeout=2s", "-remoteWrite.retryMaxInterval=1s"]
                    .map(String::from),
            ),
            Kind::Prometheus => {}
        }
        self.finding.lives += 1;
        let (yaml, url) = (self.yaml(), self.receiver.url());
        self.trial.agent.launch(&self.trial.dir, &yaml, &url, &flags)
    }

    fn yaml(&self) -> String {
        let mut yaml = format!(
            "global:\n  scrape_interval: {INTERVAL_MS}ms\n  scrape_timeout: {INTERVAL_MS}ms\n\
             scrape_configs:\n  - job_name: crash\n    static_configs:\n      - targets:\n"
        );
        let shape = self.exporters.shape;
        let targets = match self.variant {
            NO_TARGETS => 0,
            variant if variant & FEWER_TARGETS != 0 => shape.targets * 3 / 4,
            _ => shape.targets,
        };
        for target in 0..targets {
            yaml.push_str(&format!("          - {}\n", shape.address(target)));
        }
        if self.trial.agent.kind != Kind::Vmagent {
            let backoff_ms = if self.variant & OTHER_BACKOFF == 0 { 1000 } else { 900 };
            yaml.push_str(&format!(
                "remote_write:\n  - url: {}\n    remote_timeout: 2s\n    queue_config:\n      max_backoff: {backoff_ms}ms\n",
                self.receiver.url()
            ));
        }
        yaml
    }

    /// Waits for a page that this life has asked for; false when it ended before.
    fn first_page(&mut self, running: &mut Running) -> Outcome<bool> {
        let served = self.exporters.served();
        let started = Instant::now();
        while self.exporters.served() == served {
            if let Some(status) = running.ended() {
                self.ended(status, running);
                return Ok(false);
            }
            if started.elapsed() > FIRST_PAGE {
                let log = running.log_end();
                return Err(format!("no page within {} s:\n{log}", FIRST_PAGE.as_secs()).into());
            }
            thread::sleep(PAUSE / 10);
        }
        Ok(true)
    }

    fn meet(&mut self, event: Event, running: &Running) -> Outcome<()> {
        match event {
            Event::Receiver(trouble) => self.receiver.behave(trouble)?,
            Event::Reload(variant) => {
                self.finding.reloads += 1;
                self.reload(variant, running)?;
            }
            Event::Fill => self.small.iter().for_each(Small::fill),
            Event::Empty => self.small.iter().for_each(Small::empty),
        }
        Ok(())
    }

    fn reload(&mut self, variant: u64, running: &Running) -> Outcome<()> {
        self.variant = variant;
        // In one step: an agent that still works on the reload before must not read half a file.
        let written = self.trial.dir.join("next.yml");
        fs::write(&written, self.yaml())?;
        fs::rename(&written, self.trial.dir.join("agent.yml"))?;
        system::hang_up(running.pid());
        Ok(())
    }

    fn stop(&mut self, running: Running) {
        let asked = Instant::now();
        // The error is that it did not end in time; it has been killed then.
        self.finding.killed_in_stop += u64::from(running.stop().is_err());
        self.finding.stops += 1;
        self.finding.slowest_stop_s =
            self.finding.slowest_stop_s.max(asked.elapsed().as_secs_f64());
    }

    fn ended(&mut self, status: ExitStatus, running: &Running) {
        let text = format!("{status}: {}", running.log_end());
        eprintln!("{}: the agent ended by itself with {status}", self.finding.title());
        self.finding.ended.push(text);
    }

    fn tell(&mut self, lives: usize, of: usize) {
        if self.told.elapsed() < TELL {
            return;
        }
        self.told = Instant::now();
        let pages = self.exporters.served();
        let (title, kills) = (self.finding.title(), self.finding.kills);
        eprintln!("{title}: {lives} of {of} lives, {kills} kills, {pages} pages served");
    }

    /// A last life, with everything in order, until all has arrived or nothing more does.
    fn settle(&mut self) -> Outcome<()> {
        self.small.iter().for_each(Small::empty);
        self.receiver.behave(None)?;
        self.variant = 0;
        let mut running = self.start(1)?;
        if self.first_page(&mut running)? {
            let before = counted(&running);
            let ended = wait(&mut running, Instant::now(), INTERVAL_MS * 4);
            let ended = ended.or_else(|| self.last_pages(&mut running));
            ended.into_iter().for_each(|status| self.ended(status, &running));
            self.finding.settled_s = self.wait_for_the_rest(&mut running)?;
            if self.small.is_some() {
                self.finding.counted += counted(&running).saturating_sub(before);
            }
            if running.ended().is_none() {
                self.balance(&running)?;
                self.stop(running);
            }
        }
        self.finding.verdict = self.verdict()?;
        Ok(())
    }

    /// No more pages, and every target asked again after its last, so that this is accepted.
    fn last_pages(&mut self, running: &mut Running) -> Option<ExitStatus> {
        self.exporters.hold();
        let started = Instant::now();
        while self.exporters.refused() < 2 * self.exporters.shape.targets as u64 {
            if let Some(status) = running.ended() {
                return Some(status);
            }
            if started.elapsed() > IDLE {
                return None;
            }
            thread::sleep(PAUSE);
        }
        None
    }

    fn wait_for_the_rest(&mut self, running: &mut Running) -> Outcome<f64> {
        let pages = self.exporters.pages();
        let shape = self.exporters.shape;
        let started = Instant::now();
        let mut moved = (Instant::now(), u64::MAX);
        loop {
            let missing = self.receiver.audit(shape, |audit| audit.missing(&pages));
            let missing = missing.ok_or("the receiver does not say what it has")?;
            if missing != moved.1 {
                moved = (Instant::now(), missing);
            }
            let late = moved.0.elapsed() > IDLE || started.elapsed() > SETTLE;
            if missing == 0 || late || running.ended().is_some() {
                return Ok(started.elapsed().as_secs_f64());
            }
            thread::sleep(PAUSE * 10);
        }
    }

    /// Waits until nothing is on its way, and takes down what the agent's own books say.
    fn balance(&mut self, running: &Running) -> Outcome<()> {
        if Books::of(running).is_none() {
            return Ok(());
        }
        self.reload(NO_TARGETS, running)?;
        let started = Instant::now();
        while started.elapsed() < IDLE {
            let before = self.finding.books.replace(Books::of(running).unwrap_or_default());
            if before == self.finding.books && before.is_some_and(|books| books.even()) {
                break;
            }
            thread::sleep(PAUSE * 10);
        }
        Ok(())
    }

    fn verdict(&self) -> Outcome<Verdict> {
        let pages = self.exporters.pages();
        let shape = self.exporters.shape;
        let verdict = self.receiver.audit(shape, |audit| audit.verdict(&pages));
        verdict.ok_or_else(|| "the receiver does not say what it has".into())
    }
}

/// Waits until so long after a moment; gives the status when the agent ends before.
fn wait(running: &mut Running, from: Instant, until_ms: u64) -> Option<ExitStatus> {
    let until = from + Duration::from_millis(until_ms);
    loop {
        if let Some(status) = running.ended() {
            return Some(status);
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return None;
        }
        thread::sleep(left.min(PAUSE));
    }
}

/// Samples that the agent says it has refused or lost, in this life; 0 for agents that do not say.
fn counted(running: &Running) -> u64 {
    let names = ["corelane_samples_refused_total", "corelane_endpoint_samples_lost_total"];
    names.iter().filter_map(|name| running.metric(name)).sum::<f64>() as u64
}
