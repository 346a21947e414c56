//! The agents under load: where they are, how they are started, what they say of themselves.

use std::error::Error;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

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
}

impl Agent {
    /// What the binary answers to `--version`, in one line.
    pub fn version(&self) -> String {
        let Ok(output) = Command::new(&self.binary).arg("--version").output() else {
            return String::from("unknown version");
        };
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text);
        let line = text.lines().find(|line| !line.trim().is_empty()).unwrap_or("unknown version");
        line.split(" (").next().unwrap_or(line).trim().to_owned()
    }

    /// Starts the agent on one CPU with its files below `dir`. The caller's thread is on `home` afterwards.
    pub fn start(
        &self,
        dir: &Path,
        config: &Config<'_>,
        cpu: Option<usize>,
        home: Option<usize>,
    ) -> Result<Running, Box<dyn Error>> {
        if !self.binary.exists() {
            let binary = self.binary.display();
            return Err(format!("{binary} is missing: run scripts/peers or build it first").into());
        }
        let data = dir.join("data");
        fs::create_dir_all(&data)?;
        let scrape = dir.join("agent.yml");
        fs::write(&scrape, config.yaml(self.kind != Kind::Vmagent))?;
        let web = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let url = config.sink_url();
        let flags: Vec<String> = match self.kind {
            Kind::Corelane | Kind::Prometheus => {
                let mode = if self.kind == Kind::Corelane { "--cores=1" } else { "--agent" };
                vec![
                    mode.to_owned(),
                    format!("--config.file={}", scrape.display()),
                    format!("--storage.agent.path={}", data.display()),
                    format!("--web.listen-address={web}"),
                ]
            }
            Kind::Vmagent => vec![
                format!("-promscrape.config={}", scrape.display()),
                format!("-remoteWrite.url={url}"),
                format!("-remoteWrite.tmpDataPath={}", data.display()),
                // The same message as the others send, so that the wire and the sink are the same.
                String::from("-remoteWrite.forcePromProto=true"),
                format!("-httpListenAddr={web}"),
            ],
        };
        let log = File::create(dir.join("agent.log"))?;
        let mut command = Command::new(&self.binary);
        command.args(flags).args(&self.flags).stdout(log.try_clone()?).stderr(log);
        // A child inherits the mask of the thread that starts it.
        cpu.map_or(Ok(()), system::pin)?;
        let started = Instant::now();
        let child = command.spawn();
        home.map_or(Ok(()), system::pin)?;
        Ok(Running {
            child: child?,
            data,
            web: web.to_string(),
            log: dir.join("agent.log"),
            started,
        })
    }
}

/// What every agent is told.
#[derive(Debug)]
pub struct Config<'a> {
    pub scenario: &'a Scenario,
    pub exporters_port: u16,
    pub sink_port: u16,
}

impl Config<'_> {
    fn sink_url(&self) -> String {
        format!("http://127.0.0.1:{}/api/v1/write", self.sink_port)
    }

    fn yaml(&self, with_remote_write: bool) -> String {
        let interval = self.scenario.interval_ms;
        let mut yaml = format!(
            "global:\n  scrape_interval: {interval}ms\n  scrape_timeout: {interval}ms\n\
             scrape_configs:\n  - job_name: load\n    static_configs:\n      - targets:\n"
        );
        for target in 0..self.scenario.targets {
            let address = exporters::address(target, self.exporters_port);
            yaml.push_str(&format!("          - {address}\n"));
        }
        if with_remote_write {
            yaml.push_str(&format!("remote_write:\n  - url: {}\n", self.sink_url()));
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

    /// The sum of a metric over its series on the agent's own page, or nothing.
    pub fn metric(&self, name: &str) -> Option<f64> {
        let mut stream = TcpStream::connect(&self.web).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
        stream.write_all(b"GET /metrics HTTP/1.0\r\nHost: agent\r\n\r\n").ok()?;
        let mut page = Vec::new();
        stream.read_to_end(&mut page).ok()?;
        let page = String::from_utf8_lossy(&page);
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
