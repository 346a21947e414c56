//! The agents under load: where they are, how they are started, what they say of themselves.

use std::error::Error;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use flate2::read::GzDecoder;

use crate::exporters;
use crate::scenario::Scenario;
use crate::system;

/// An agent by product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Corelane,
    Prometheus,
    Vmagent,
}

impl Kind {
    pub const ALL: [Kind; 3] = [Kind::Corelane, Kind::Prometheus, Kind::Vmagent];

    pub fn name(self) -> &'static str {
        match self {
            Kind::Corelane => "corelane",
            Kind::Prometheus => "prometheus",
            Kind::Vmagent => "vmagent",
        }
    }

    /// The flags that make it run on so many cores, where it can be told.
    pub fn cores(self, cores: usize) -> Vec<String> {
        match self {
            Kind::Corelane => vec![format!("--cores={cores}")],
            Kind::Prometheus | Kind::Vmagent => Vec::new(),
        }
    }

    /// Its binary among the unpacked peers, or where cargo puts ours.
    pub fn binary(self, peers: &Path) -> PathBuf {
        match self {
            Kind::Corelane => PathBuf::from("target/release/corelane"),
            Kind::Prometheus => peers.join("prometheus/usr/bin/prometheus"),
            Kind::Vmagent => peers.join("victoria-metrics/usr/bin/vmagent"),
        }
    }
}

/// What to start.
#[derive(Debug, Clone)]
pub struct Agent {
    pub kind: Kind,
    pub binary: PathBuf,
    /// Further flags.
    pub flags: Vec<String>,
    pub cores: usize,
}

impl Agent {
    /// What the binary answers to `--version`, in one line; else the version of the package it was unpacked from.
    pub fn version(&self) -> String {
        let output = Command::new(&self.binary).arg("--version").output();
        let text = output.map(|output| [output.stdout, output.stderr].concat()).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        match text.lines().find(|line| !line.trim().is_empty()) {
            Some(line) => line.split(" (").next().unwrap_or(line).trim().to_owned(),
            None => self.packaged().unwrap_or_else(|| String::from("unknown version")),
        }
    }

    /// The newest entry of the package's change log: `victoriametrics (1.145.0+ds1-2) unstable; urgency=medium`.
    fn packaged(&self) -> Option<String> {
        let usr = self.binary.parent()?.parent()?;
        let mut packages = fs::read_dir(usr.join("share/doc")).ok()?.flatten();
        let log = packages
            .find_map(|package| File::open(package.path().join("changelog.Debian.gz")).ok())?;
        let mut text = String::new();
        GzDecoder::new(log).read_to_string(&mut text).ok()?;
        let version = text.split_once('(')?.1.split_once(')')?.0;
        Some(format!("{}, version {version}", self.kind.name()))
    }

    /// Starts the agent on these CPUs with its files below `dir`. The caller's thread is on `home` afterwards.
    pub fn start(
        &self,
        dir: &Path,
        config: &Config<'_>,
        cpus: &[usize],
        home: &[usize],
    ) -> Result<Running, Box<dyn Error>> {
        let yaml = config.yaml(self.kind != Kind::Vmagent);
        // A child inherits the mask of the thread that starts it.
        system::pin(cpus)?;
        let mut more = self.kind.cores(self.cores);
        if self.kind == Kind::Vmagent {
            let further = config.sinks.iter().skip(1);
            more.extend(further.map(|port| format!("-remoteWrite.url={}", sink_url(*port))));
        }
        let first = config.sinks.first().copied().unwrap_or_default();
        let started = self.launch(dir, &yaml, &sink_url(first), &more);
        system::pin(home)?;
        started
    }

    /// Starts the agent with its files below `dir`, a configuration, and further flags. What it prints is appended to
    /// the log there.
    pub fn launch(
        &self,
        dir: &Path,
        yaml: &str,
        sink_url: &str,
        more: &[String],
    ) -> Result<Running, Box<dyn Error>> {
        if !self.binary.exists() {
            let binary = self.binary.display();
            return Err(format!("{binary} is missing: run scripts/peers or build it first").into());
        }
        let data = dir.join("data");
        fs::create_dir_all(&data)?;
        let config = dir.join("agent.yml");
        fs::write(&config, yaml)?;
        let web = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let mut flags = match self.kind {
            Kind::Corelane | Kind::Prometheus => vec![
                format!("--config.file={}", config.display()),
                format!("--storage.agent.path={}", data.display()),
                format!("--web.listen-address={web}"),
            ],
            Kind::Vmagent => vec![
                format!("-promscrape.config={}", config.display()),
                format!("-remoteWrite.url={sink_url}"),
                format!("-remoteWrite.tmpDataPath={}", data.display()),
                // The same message as the others send, so that the wire and the sink are the same.
                String::from("-remoteWrite.forcePromProto=true"),
                format!("-httpListenAddr={web}"),
            ],
        };
        if self.kind == Kind::Prometheus {
            flags.push(String::from("--agent"));
        }
        let log = dir.join("agent.log");
        let file = File::options().create(true).append(true).open(&log)?;
        let mut command = Command::new(&self.binary);
        command.args(flags).args(more).args(&self.flags).stdin(Stdio::null());
        command.stdout(file.try_clone()?).stderr(file);
        let started = Instant::now();
        Ok(Running { child: command.spawn()?, data, web: web.to_string(), log, started })
    }
}

/// What every agent is told.
#[derive(Debug)]
pub struct Config<'a> {
    pub scenario: &'a Scenario,
    pub exporters_port: u16,
    /// Ports of the sinks, one for each endpoint.
    pub sinks: Vec<u16>,
}

fn sink_url(port: u16) -> String {
    format!("http://127.0.0.1:{port}/api/v1/write")
}

impl Config<'_> {
    fn yaml(&self, with_remote_write: bool) -> String {
        let interval = self.scenario.interval_ms;
        let mut yaml = format!(
            "global:\n  scrape_interval: {interval}ms\n  scrape_timeout: {interval}ms\n\
             scrape_configs:\n  - job_name: load\n    static_configs:\n      - targets: {}\n",
            if self.scenario.targets == 0 { "[]" } else { "" }
        );
        for target in 0..self.scenario.targets {
            let address = exporters::address(target, self.exporters_port);
            yaml.push_str(&format!("          - {address}\n"));
        }
        if with_remote_write {
            yaml.push_str("remote_write:\n");
            for port in &self.sinks {
                yaml.push_str(&format!("  - url: {}\n", sink_url(*port)));
            }
        }
        yaml
    }
}

/// A started agent; killed when dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    /// Where it keeps its data.
    pub data: PathBuf,
    pub started: Instant,
    web: String,
    log: PathBuf,
}

impl Running {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// An error with the end of its log when it has ended.
    pub fn check(&mut self) -> Result<(), Box<dyn Error>> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => {
                Err(format!("the agent ended with {status}:\n{}", self.log_end()).into())
            }
        }
    }

    /// The last lines of its log.
    pub fn log_end(&self) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    /// Its status when it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// The sum of a metric over its series on the agent's own page, or nothing.
    pub fn metric(&self, name: &str) -> Option<f64> {
        let page = fetch(&self.web, "/metrics")?;
        let values: Vec<f64> = page
            .lines()
            .filter(|line| line.split(['{', ' ']).next() == Some(name))
            .filter_map(|line| line.rsplit(' ').next()?.parse().ok())
            .collect();
        if values.is_empty() { None } else { Some(values.iter().sum()) }
    }

    /// Asks it to end and waits up to a minute and a half; gives how long it took.
    pub fn stop(mut self) -> Result<Duration, Box<dyn Error>> {
        let asked = Instant::now();
        system::terminate(self.pid());
        while asked.elapsed() < Duration::from_secs(90) {
            if self.child.try_wait()?.is_some() {
                return Ok(asked.elapsed());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Err("the agent did not end within 90 s of SIGTERM".into())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The body that `address` gives for a path, whatever the status; nothing when it does not answer.
pub fn fetch(address: &str, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n").as_bytes()).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let answer = String::from_utf8_lossy(&answer);
    Some(answer.split_once("\r\n\r\n")?.1.to_owned())
}
