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
            Worker { jobs, watch, inbox, changed, updates, state, logger }.run();
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
    updates: Sender<Update>,
    state: Arc<Mutex<DiscoveryState>>,
    logger: Logger,
}

impl Worker {
    fn run(mut self) {
        loop {
            let deadline = self.jobs.deadline();
            let wait = deadline.map_or(IDLE, |at| at.saturating_duration_since(Instant::now()));
            select! {
                recv(self.inbox) -> configs => match configs {
                    Ok(configs) => self.jobs.configure(&configs, Instant::now()),
                    Err(_) => return,
                },
                recv(self.changed) -> _ => {
                    let end = Instant::now() + BURST;
                    while self.changed.recv_deadline(end).is_ok() {}
                    self.jobs.disturb(Instant::now());
                }
                default(wait) => {}
            }
            // Groups that need no file do not wait for those that do.
            if self.publish().is_err() {
                return;
            }
            self.refresh();
            if self.publish().is_err() {
                return;
            }
        }
    }

    /// Watches first and reads then, so that no change falls between.
    fn refresh(&mut self) {
        let now = Instant::now();
        if self.jobs.deadline().is_none_or(|due| due > now) {
            return;
        }
        self.watch();
        for (path, why) in self.jobs.refresh(now) {
            let fields = [("path", path.display().to_string()), ("err", why)];
            self.logger.error("discovery", "Error reading target file", &fields);
        }
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
}
