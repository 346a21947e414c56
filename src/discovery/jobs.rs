//! The providers of every job, and what of them has been sent.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::base::Timestamp;
use crate::config::{FileSdConfig, ScrapeConfig};
use crate::discovery::Update;
use crate::discovery::file::{Failure, FileProvider};
use crate::discovery::remote::{Found, News, Remotes, mechanism};
use crate::model::TargetGroup;
use crate::telemetry::DiscoveryState;

#[derive(Debug, Default)]
pub(super) struct Jobs {
    /// In the order of the configuration.
    jobs: Vec<Job>,
    /// What the providers said that ask over the network.
    found: BTreeMap<u64, Provided>,
    /// Failures by mechanism, of those that are gone too.
    failures: BTreeMap<&'static str, u64>,
    updates: u64,
    read_errors: u64,
}

/// What one provider said.
#[derive(Debug)]
struct Provided {
    mechanism: &'static str,
    groups: BTreeMap<String, TargetGroup>,
    /// It has said something good, or nobody waits for that any more.
    spoke: bool,
    since: Instant,
    failures: u64,
}

/// So long a job that has been sent waits for a new provider's first word.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug)]
struct Job {
    name: String,
    statics: Vec<TargetGroup>,
    files: Vec<Refreshed>,
    /// Providers that ask over the network.
    remotes: Vec<u64>,
    /// `None` before the first time.
    sent: Option<Vec<TargetGroup>>,
    sent_at: Timestamp,
    refresh_failures: u64,
}

#[derive(Debug)]
struct Refreshed {
    provider: FileProvider,
    due: Instant,
    /// False until the first refresh.
    read: bool,
}

impl Jobs {
    /// Providers that the new configuration has too stay as they are; new ones are due at once.
    pub(super) fn configure(
        &mut self,
        configs: &[ScrapeConfig],
        remotes: &mut Remotes,
        now: Instant,
    ) {
        let mut old = std::mem::take(&mut self.jobs);
        for config in configs {
            let mut job = match old.iter().position(|job| job.name == config.job_name) {
                Some(at) => old.swap_remove(at),
                None => Job::new(&config.job_name),
            };
            job.statics.clone_from(&config.static_configs);
            let mut before = std::mem::take(&mut job.files);
            for file in &config.file_sd_configs {
                let kept = before.iter().position(|old| old.provider.config.files == file.files);
                job.files.push(match kept {
                    Some(at) => before.swap_remove(at).with(file, now),
                    None => Refreshed {
                        provider: FileProvider::new(file.clone()),
                        due: now,
                        read: false,
                    },
                });
            }
            job.remotes.clear();
            for sd in &config.sd_configs {
                let id = remotes.id_of(sd);
                self.found.entry(id).or_insert_with(|| Provided {
                    mechanism: mechanism(sd),
                    groups: BTreeMap::new(),
                    spoke: false,
                    since: now,
                    failures: 0,
                });
                job.remotes.push(id);
            }
            self.jobs.push(job);
        }
        let jobs = &self.jobs;
        let used = |id: u64| jobs.iter().any(|job| job.remotes.contains(&id));
        self.found.retain(|id, _| used(*id));
        remotes.keep(&used);
    }

    /// Takes what a provider said. Gives its mechanism and the words of a failure.
    pub(super) fn hear(&mut self, found: Found) -> Option<(&'static str, String)> {
        // It may have been stopped meanwhile.
        let provided = self.found.get_mut(&found.id)?;
        match found.news {
            News::All(groups) => {
                let groups = groups.into_iter();
                provided.groups = groups.map(|group| (group.source.clone(), group)).collect();
                provided.spoke = true;
            }
            News::Some(changes) => {
                for (source, group) in changes {
                    match group {
                        Some(group) => drop(provided.groups.insert(source, group)),
                        None => drop(provided.groups.remove(&source)),
                    }
                }
                provided.spoke = true;
            }
            News::Failed(why) => {
                provided.failures += 1;
                *self.failures.entry(provided.mechanism).or_default() += 1;
                return Some((provided.mechanism, why));
            }
        }
        None
    }

    /// Makes every file due: something changed on disk.
    pub(super) fn disturb(&mut self, now: Instant) {
        self.jobs.iter_mut().flat_map(|job| &mut job.files).for_each(|file| file.due = now);
    }

    /// Reads what is due. Returns what could not be read.
    pub(super) fn refresh(&mut self, now: Instant) -> Vec<Failure> {
        let mut failures = Vec::new();
        for job in &mut self.jobs {
            for file in job.files.iter_mut().filter(|file| file.due <= now) {
                file.due = now + file.provider.config.refresh_interval;
                file.read = true;
                let failed = file.provider.refresh();
                self.read_errors += failed.len() as u64;
                job.refresh_failures += u64::from(!failed.is_empty());
                failures.extend(failed);
            }
        }
        failures
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let files = self.jobs.iter().flat_map(|job| &job.files).map(|file| file.due);
        files.min()
    }

    /// When a job stops waiting for a new provider.
    pub(super) fn patience_ends(&self) -> Option<Instant> {
        let silent = self.found.values().filter(|provided| !provided.spoke);
        silent.map(|provided| provided.since + PATIENCE).min()
    }

    /// Waits no more for providers that have been silent for too long. True if there were any.
    pub(super) fn lose_patience(&mut self, now: Instant) -> bool {
        let mut any = false;
        for provided in self.found.values_mut() {
            if !provided.spoke && provided.since + PATIENCE <= now {
                provided.spoke = true;
                any = true;
            }
        }
        any
    }

    pub(super) fn directories(&self) -> BTreeSet<PathBuf> {
        let files = self.jobs.iter().flat_map(|job| &job.files);
        files.flat_map(|file| file.provider.directories()).collect()
    }

    /// Jobs whose groups are not those last sent. One with files that were never read has to wait for them, so
    /// that its first update is whole.
    pub(super) fn updates(&mut self, now: Timestamp) -> Vec<Update> {
        let mut updates = Vec::new();
        let found = &self.found;
        let waits = |id: &u64| found.get(id).is_some_and(|provided| !provided.spoke);
        let whole = |job: &&mut Job| {
            let waits = job.sent.is_some() && job.remotes.iter().any(waits);
            !waits && job.files.iter().all(|file| file.read)
        };
        for job in self.jobs.iter_mut().filter(whole) {
            let groups = job.groups(found);
            if job.sent.as_ref() != Some(&groups) {
                updates.push(Update { job: job.name.clone(), groups: groups.clone() });
                job.sent = Some(groups);
                job.sent_at = now;
            }
        }
        self.updates += updates.len() as u64;
        updates
    }

    pub(super) fn state(&self, file_watch_errors: u64) -> DiscoveryState {
        let by_job = |figure: fn(&Job) -> u64| -> Vec<(String, u64)> {
            self.jobs.iter().map(|job| (job.name.clone(), figure(job))).collect()
        };
        let with_files = self.jobs.iter().filter(|job| !job.files.is_empty());
        let mut by_mechanism: BTreeMap<(&str, &'static str), u64> = BTreeMap::new();
        for job in &self.jobs {
            for provided in job.remotes.iter().filter_map(|id| self.found.get(id)) {
                *by_mechanism.entry((&job.name, provided.mechanism)).or_default() +=
                    provided.failures;
            }
        }
        let remote = by_mechanism
            .into_iter()
            .map(|((job, mechanism), failures)| (mechanism, job.to_owned(), failures));
        let files = self.jobs.iter().flat_map(|job| &job.files);
        // Several jobs may read one file, which still has one time.
        let times: BTreeMap<String, Timestamp> = files
            .flat_map(|file| file.provider.times())
            .map(|(path, at)| (path.to_string_lossy().into_owned(), at))
            .collect();
        DiscoveryState {
            targets: by_job(|job| {
                job.sent.iter().flatten().map(|group| group.targets.len() as u64).sum()
            }),
            last_updates: self.jobs.iter().map(|job| (job.name.clone(), job.sent_at)).collect(),
            refresh_failures: with_files
                .map(|job| ("file", job.name.clone(), job.refresh_failures))
                .chain(remote)
                .collect(),
            failures: self.failures.iter().map(|(name, n)| (*name, *n)).collect(),
            updates: self.updates,
            file_read_errors: self.read_errors,
            file_watch_errors,
            file_times: times.into_iter().collect(),
        }
    }
}

impl Refreshed {
    /// The same files under a refresh interval that may differ.
    fn with(mut self, config: &FileSdConfig, now: Instant) -> Refreshed {
        self.provider.config.clone_from(config);
        self.due = self.due.min(now + config.refresh_interval);
        self
    }
}

impl Job {
    fn new(name: &str) -> Job {
        Job {
            name: name.to_owned(),
            statics: Vec::new(),
            files: Vec::new(),
            remotes: Vec::new(),
            sent: None,
            sent_at: Timestamp(0),
            refresh_failures: 0,
        }
    }

    fn groups(&self, found: &BTreeMap<u64, Provided>) -> Vec<TargetGroup> {
        let files = self.files.iter().flat_map(|file| file.provider.groups());
        let remote = self.remotes.iter().filter_map(|id| found.get(id));
        let remote = remote.flat_map(|provided| provided.groups.values());
        self.statics.iter().chain(files).chain(remote).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "due times are those of the system's clock")]

    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::config::parse;

    /// A directory of its own, removed at the end.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Scratch {
            let name = format!("corelane-jobs-{name}-{}", std::process::id());
            let path = std::env::temp_dir().join(name);
            let _ = fs::remove_dir_all(&path);
            fs::create_dir_all(&path).expect("made");
            Scratch(path)
        }

        fn write(&self, name: &str, text: &str) {
            fs::write(self.0.join(name), text).expect("written");
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn remotes() -> Remotes {
        Remotes::new(crossbeam_channel::unbounded().0)
    }

    fn config(job: &str, statics: &[&str], files: &[&Path]) -> ScrapeConfig {
        let mut text = format!("scrape_configs:\n- job_name: {job}\n");
        if !statics.is_empty() {
            text.push_str(&format!("  static_configs: [{{targets: {statics:?}}}]\n"));
        }
        if !files.is_empty() {
            text.push_str(&format!("  file_sd_configs: [{{files: {files:?}}}]\n"));
        }
        let (config, _) = parse(&text, Path::new("p.yml"), &|_| None).expect("good");
        config.scrape_configs.into_iter().next().expect("one")
    }

    fn addresses(update: &Update) -> Vec<&str> {
        let targets = update.groups.iter().flat_map(|group| &group.targets);
        targets.map(|labels| labels.get("__address__")).collect()
    }

    #[test]
    fn jobs_are_sent_once_whole_and_again_only_when_they_change() {
        let scratch = Scratch::new("change");
        scratch.write("a.json", r#"[{"targets":["f:1"],"labels":{"zone":"x"}}]"#);
        let (now, at) = (Instant::now(), Timestamp(1));
        let pattern = scratch.0.join("*.json");
        let mut jobs = Jobs::default();
        let configs = [config("s", &["a:1"], &[]), config("f", &["b:1"], &[&pattern])];
        jobs.configure(&configs, &mut remotes(), now);
        let first = jobs.updates(at);
        assert_eq!(first.iter().map(|update| update.job.as_str()).collect::<Vec<_>>(), ["s"]);
        assert!(jobs.refresh(now).is_empty());
        let second = jobs.updates(at);
        assert_eq!(addresses(&second[0]), ["b:1", "f:1"]);
        let path = scratch.0.join("a.json").display().to_string();
        let from_file = &second[0].groups[1];
        assert_eq!(from_file.source, format!("{path}:0"));
        assert_eq!(from_file.labels.get("__meta_filepath"), path);
        assert_eq!(from_file.labels.get("zone"), "x");
        jobs.configure(&configs, &mut remotes(), now);
        assert!(jobs.refresh(now).is_empty() && jobs.updates(at).is_empty());
        jobs.configure(
            &[config("f", &["c:1"], &[&pattern]), config("none", &[], &[])],
            &mut remotes(),
            now,
        );
        let third = jobs.updates(at);
        assert_eq!(addresses(&third[0]), ["c:1", "f:1"]);
        assert_eq!((third[1].job.as_str(), third[1].groups.len()), ("none", 0));
        let state = jobs.state(0);
        assert_eq!(state.targets, [("f".to_owned(), 2), ("none".to_owned(), 0)]);
        assert_eq!(state.updates, 4);
        assert!(state.file_times.iter().any(|(file, at)| *file == path && at.0 > 0));
    }

    // spec: SD-11
    #[test]
    fn a_broken_file_keeps_its_groups_and_a_deleted_one_takes_them_along() {
        let scratch = Scratch::new("broken");
        let at = Timestamp(1);
        let good = r#"[{"targets":["x:1"]}]"#;
        scratch.write("a.json", good);
        scratch.write("b.json", r#"[{"targets":["y:1"]}]"#);
        let mut now = Instant::now();
        let mut jobs = Jobs::default();
        let literal = scratch.0.join("a.json");
        let star = scratch.0.join("b*.json");
        jobs.configure(&[config("f", &[], &[&literal, &star])], &mut remotes(), now);
        let mut step = |jobs: &mut Jobs| {
            now += Duration::from_secs(300);
            let failures = jobs.refresh(now);
            (failures.len(), jobs.updates(at))
        };
        assert_eq!(addresses(&step(&mut jobs).1[0]), ["x:1", "y:1"]);
        scratch.write("a.json", "[{");
        let (failures, updates) = step(&mut jobs);
        assert_eq!((failures, updates.len()), (1, 0));
        let state = jobs.state(0);
        assert_eq!(state.file_read_errors, 1);
        assert_eq!(state.refresh_failures, [("file", "f".to_owned(), 1)]);
        fs::remove_file(scratch.0.join("a.json")).expect("removed");
        assert_eq!(addresses(&step(&mut jobs).1[0]), ["y:1"]);
        fs::remove_dir_all(&scratch.0).expect("removed");
        let (failures, updates) = step(&mut jobs);
        assert_eq!((failures, addresses(&updates[0]).len()), (0, 0));
    }

    #[test]
    fn nothing_is_read_before_it_is_due() {
        let scratch = Scratch::new("due");
        let now = Instant::now();
        let path = scratch.0.join("a.json");
        let mut jobs = Jobs::default();
        jobs.configure(&[config("f", &[], &[&path])], &mut remotes(), now);
        jobs.refresh(now);
        scratch.write("a.json", "[{");
        assert_eq!(jobs.deadline(), Some(now + Duration::from_secs(300)));
        assert!(jobs.refresh(now + Duration::from_secs(299)).is_empty());
        jobs.disturb(now);
        assert_eq!(jobs.refresh(now).len(), 1);
    }

    #[test]
    fn what_a_job_had_stays_until_a_new_provider_has_spoken() {
        let (now, at) = (Instant::now(), Timestamp(1));
        let (mut jobs, mut remotes) = (Jobs::default(), remotes());
        let with = |url: &str| {
            let text = format!(
                "scrape_configs: [{{job_name: a, static_configs: [{{targets: [s]}}], \
                 http_sd_configs: [{{url: 'http://127.0.0.1:1/{url}'}}]}}]"
            );
            parse(&text, Path::new("p.yml"), &|_| None).expect("good").0.scrape_configs
        };
        let group = |name: &str| TargetGroup {
            source: name.to_owned(),
            targets: vec![[("__address__", name)].into_iter().collect()],
            ..TargetGroup::default()
        };
        jobs.configure(&with("x"), &mut remotes, now);
        assert_eq!(addresses(&jobs.updates(at)[0]), ["s"]);
        assert_eq!(jobs.hear(Found { id: 0, news: News::All(vec![group("x:1")]) }), None);
        assert_eq!(addresses(&jobs.updates(at)[0]), ["s", "x:1"]);
        let failed = News::Failed("gone".to_owned());
        assert!(jobs.hear(Found { id: 0, news: failed }).is_some() && jobs.updates(at).is_empty());
        jobs.configure(&with("y"), &mut remotes, now);
        assert!(jobs.updates(at).is_empty());
        assert_eq!(jobs.hear(Found { id: 0, news: News::All(Vec::new()) }), None);
        assert!(jobs.updates(at).is_empty(), "a provider that was stopped was listened to");
        jobs.hear(Found { id: 1, news: News::All(vec![group("y:1")]) });
        assert_eq!(addresses(&jobs.updates(at)[0]), ["s", "y:1"]);
        jobs.configure(&with("z"), &mut remotes, now);
        assert!(!jobs.lose_patience(now) && jobs.updates(at).is_empty());
        assert!(jobs.lose_patience(now + PATIENCE) && jobs.patience_ends().is_none());
        assert_eq!(addresses(&jobs.updates(at)[0]), ["s"]);
    }
}
