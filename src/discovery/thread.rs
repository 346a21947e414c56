//! The thread that keeps jobs supplied with groups.

#![expect(clippy::disallowed_methods, reason = "the control plane reads clocks")]
#![expect(clippy::disallowed_types, reason = "the state is read by another thread")]

use core::time::Duration;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crossbeam_channel::{Receiver, Sender, bounded, select, unbounded};

use crate::base::Timestamp;
use crate::config::ScrapeConfig;
use crate::discovery::jobs::Jobs;
use crate::discovery::remote::{Found, Remotes};
use crate::discovery::watch::Watch;
use crate::model::TargetGroup;
use crate::telemetry::{DiscoveryState, Logger};

/// Changes come in bursts (create, write, close, rename); they are read once, this long after the first.
const BURST: Duration = Duration::from_millis(20);
/// How long to sleep when no file is ever due.
const IDLE: Duration = Duration::from_secs(3600);

/// All groups of one job, in place of those sent before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    pub job: String,
    pub groups: Vec<TargetGroup>,
}

/// The running discovery. Its thread ends when this is dropped, or when nobody receives updates any more.
#[derive(Debug)]
pub struct Discovery {
    configs: Sender<Vec<ScrapeConfig>>,
    state: Arc<Mutex<DiscoveryState>>,
}

impl Discovery {
    /// Starts the thread `discovery`, which sends every job at once. Use an unbounded channel, or always receive.
    ///
    /// # Errors
    /// The system refuses a thread.
    pub fn start(
        jobs: &[ScrapeConfig],
        updates: Sender<Update>,
        logger: Logger,
    ) -> io::Result<Discovery> {
        let (configs, inbox) = unbounded();
        let state = Arc::new(Mutex::default());
        let discovery = Discovery { configs, state: Arc::clone(&state) };
        discovery.reconfigure(jobs);
        let (signal, changed) = bounded(1);
        std::thread::Builder::new().name("discovery".to_owned()).spawn(move || {
            let watch = Watch::new(signal);
            let jobs = Jobs::default();
            let (finds, found) = unbounded();
            let remotes = Remotes::new(finds);
            let calm = Calm::default();
            let worker = Worker {
                jobs,
                watch,
                inbox,
                changed,
                found,
                remotes,
                calm,
                updates,
                state,
                logger,
            };
            worker.run();
        })?;
        Ok(discovery)
    }

    /// Puts another configuration in force; jobs whose groups do not change are not sent again.
    pub fn reconfigure(&self, jobs: &[ScrapeConfig]) {
        // Fails only when the thread has ended, because nobody receives updates.
        let _ = self.configs.send(jobs.to_vec());
    }

    /// Never waits for a file.
    pub fn state(&self) -> DiscoveryState {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

struct Worker {
    jobs: Jobs,
    watch: Watch,
    inbox: Receiver<Vec<ScrapeConfig>>,
    changed: Receiver<()>,
    found: Receiver<Found>,
    remotes: Remotes,
    calm: Calm,
    updates: Sender<Update>,
    state: Arc<Mutex<DiscoveryState>>,
    logger: Logger,
}

impl Worker {
    fn run(mut self) {
        loop {
            let deadlines = [self.jobs.deadline(), self.jobs.patience_ends(), self.calm.due];
            let deadline = deadlines.into_iter().flatten().min();
            let wait = deadline.map_or(IDLE, |at| at.saturating_duration_since(Instant::now()));
            select! {
                recv(self.inbox) -> configs => match configs {
                    Ok(configs) => {
                        self.jobs.configure(&configs, &mut self.remotes, Instant::now());
                        self.calm.due = Some(Instant::now());
                    }
                    Err(_) => return,
                },
                recv(self.found) -> found => if let Ok(found) = found {
                    self.hear(found);
                },
                recv(self.changed) -> _ => {
                    let end = Instant::now() + BURST;
                    while self.changed.recv_deadline(end).is_ok() {}
                    self.jobs.disturb(Instant::now());
                    self.calm.due = Some(Instant::now());
                }
                default(wait) => {}
            }
            if self.jobs.lose_patience(Instant::now()) {
                self.calm.due = Some(Instant::now());
            }
            // Groups that need no file do not wait for those that do.
            if self.calm.is_over() && self.publish().is_err() {
                return;
            }
            if self.refresh() && self.publish().is_err() {
                return;
            }
        }
    }

    /// Takes what a provider said, and whatever else has been said since.
    fn hear(&mut self, first: Found) {
        let mut next = Some(first);
        while let Some(found) = next {
            if let Some((mechanism, why)) = self.jobs.hear(found) {
                let fields = [("discovery", mechanism.to_owned()), ("err", why)];
                self.logger.error("discovery", "Unable to refresh target groups", &fields);
            }
            next = self.found.try_recv().ok();
        }
        self.calm.disturb(Instant::now());
    }

    /// Watches first and reads then, so that no change falls between. False: nothing was due.
    fn refresh(&mut self) -> bool {
        let now = Instant::now();
        if self.jobs.deadline().is_none_or(|due| due > now) {
            return false;
        }
        self.watch();
        for (path, why) in self.jobs.refresh(now) {
            let fields = [("path", path.display().to_string()), ("err", why)];
            self.logger.error("discovery", "Error reading target file", &fields);
        }
        true
    }

    fn watch(&mut self) {
        for (path, why) in self.watch.set(self.jobs.directories()) {
            let fields = [("path", path.display().to_string()), ("err", why)];
            self.logger.warn("discovery", "Cannot watch directory", &fields);
        }
    }

    /// `Err` when nobody receives.
    fn publish(&mut self) -> Result<(), crossbeam_channel::SendError<Update>> {
        let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = Timestamp(elapsed.as_millis().min(i64::MAX as u128) as i64);
        let updates = self.jobs.updates(now);
        let state = self.jobs.state(self.watch.errors);
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = state;
        updates.into_iter().try_for_each(|update| self.updates.send(update))
    }
}

/// When what providers said is passed on: soon after quiet, later where one word follows the other (spec: SD-2).
#[derive(Debug, Default)]
struct Calm {
    due: Option<Instant>,
    delay: Duration,
    last: Option<Instant>,
}

const DELAY_MIN: Duration = Duration::from_millis(100);
const DELAY_MAX: Duration = Duration::from_secs(5);

impl Calm {
    fn disturb(&mut self, now: Instant) {
        let quiet = self.last.is_none_or(|last| now.duration_since(last) > DELAY_MAX);
        self.last = Some(now);
        if self.due.is_none() {
            self.delay =
                if quiet { DELAY_MIN } else { (self.delay * 2).clamp(DELAY_MIN, DELAY_MAX) };
            self.due = Some(now + self.delay);
        }
    }

    /// Something waits, and has waited long enough.
    fn is_over(&mut self) -> bool {
        self.due.take_if(|due| *due <= Instant::now()).is_some()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::config::parse;
    use crate::mail::Level;
    use crate::telemetry::LogFormat;

    /// Long enough for any machine; a passing test does not wait for it.
    const PATIENCE: Duration = Duration::from_secs(30);

    #[test]
    fn a_changed_file_is_noticed_without_waiting_for_the_refresh_interval() {
        let name = format!("corelane-discovery-{}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        fs::create_dir_all(&directory).expect("made");
        let file = directory.join("targets.json");
        let job = |name: &str| {
            let text = format!(
                "scrape_configs: [{{job_name: {name}, file_sd_configs: [{{files: [{file:?}], \
                 refresh_interval: 1h}}]}}]"
            );
            let (config, _) = parse(&text, Path::new("p.yml"), &|_| None).expect("good");
            config.scrape_configs
        };
        let mut configs = job("f");
        let (sender, updates) = unbounded();
        let logger = Logger::new(Level::Error, LogFormat::Logfmt);
        let discovery = Discovery::start(&configs, sender, logger).expect("started");
        let first = updates.recv_timeout(PATIENCE).expect("sent at once");
        assert!(first.groups.is_empty());
        // Renamed into place, so that it is never seen half written.
        let draft = directory.join("draft");
        fs::write(&draft, r#"[{"targets":["a:1","b:1"]}]"#).expect("written");
        fs::rename(&draft, &file).expect("renamed");
        let second = updates.recv_timeout(PATIENCE).expect("noticed");
        assert_eq!(second.groups[0].targets.len(), 2);
        assert_eq!(discovery.state().targets, [("f".to_owned(), 2)]);
        fs::remove_file(&file).expect("removed");
        let third = updates.recv_timeout(PATIENCE).expect("noticed");
        assert!(third.groups.is_empty());
        configs.extend(job("g"));
        discovery.reconfigure(&configs);
        assert_eq!(updates.recv_timeout(PATIENCE).expect("new job").job, "g");
        drop(discovery);
        assert!(updates.recv_timeout(PATIENCE).is_err_and(|error| error.is_disconnected()));
        let _ = fs::remove_dir_all(&directory);
    }

    /// A list over HTTP, in place of which every second answer is an error.
    fn lists() -> std::net::SocketAddr {
        use std::io::{Read as _, Write as _};
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("free port");
        let address = listener.local_addr().expect("bound");
        std::thread::spawn(move || {
            for (number, stream) in listener.incoming().flatten().enumerate() {
                let mut stream = stream;
                let _ = stream.read(&mut [0; 4096]);
                let targets: Vec<String> = (0..=number).map(|n| format!("\"t{n}:1\"")).collect();
                let body = format!("[{{\"targets\":[{}]}}]", targets.join(","));
                let status = if number % 2 == 0 { "200 OK" } else { "500 No" };
                let head = format!(
                    "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nConnection: close\r\n\
                     Content-Length: {}\r\n\r\n",
                    body.len()
                );
                let _ = stream.write_all(format!("{head}{body}").as_bytes());
            }
        });
        address
    }

    // spec: SD-2, SD-3, SD-12
    #[test]
    fn a_failing_provider_keeps_its_targets_and_serves_every_job_that_asks_for_it() {
        let address = lists();
        let job = |name: &str| {
            format!(
                "{{job_name: {name}, static_configs: [{{targets: [s]}}], \
                 http_sd_configs: [{{url: 'http://{address}/', refresh_interval: 50ms}}]}}"
            )
        };
        let text = format!("scrape_configs: [{}, {}]", job("a"), job("b"));
        let (config, _) = parse(&text, Path::new("p.yml"), &|_| None).expect("good");
        let (sender, updates) = unbounded();
        // Failures are logged as errors.
        let logger = Logger::new(Level::Error, LogFormat::Logfmt);
        let discovery = Discovery::start(&config.scrape_configs, sender, logger).expect("started");
        let mut sizes = std::collections::BTreeMap::new();
        let mut shrunk = false;
        while sizes.values().filter(|size| **size >= 4).count() < 2 {
            let update = updates.recv_timeout(PATIENCE).expect("updates go on");
            let size: usize = update.groups.iter().map(|group| group.targets.len()).sum();
            let before = sizes.insert(update.job, size);
            shrunk |= before.is_some_and(|before| before > size);
        }
        assert!(!shrunk, "an answer that failed took targets away");
        let failures = discovery.state().refresh_failures;
        assert!(failures.iter().any(|(kind, job, n)| *kind == "http" && job == "a" && *n > 0));
        assert!(discovery.state().failures.iter().any(|(kind, n)| *kind == "http" && *n > 0));
    }
}
