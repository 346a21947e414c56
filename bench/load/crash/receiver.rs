//! Where the agent writes to: our own sink, or a real server that is asked in the end what it has.

use std::error::Error;
use std::fs::{self, File};
use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use xxhash_rust::xxh3::xxh3_64;

use crate::agent;
use crate::crash::audit::{Audit, Counts, Manner, Shared};
use crate::crash::numbers::Shape;
use crate::decode::Sample;
use crate::fault::{Fault, Kind as Trouble};
use crate::sink::{self, Question, Sink};
use crate::system;

const READY_S_MAX: u64 = 60;
/// Every mark is larger.
const HALVES_FROM: f64 = 1000.0;

/// A receiver by product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Sink,
    Prometheus,
    VictoriaMetrics,
}

/// A receiver that runs.
pub enum Receiver {
    Sink { sink: Sink<Counts>, audit: Shared },
    Server(Box<Server>),
}

/// A real server.
pub struct Server {
    command: Command,
    child: Option<Child>,
    address: String,
    ready: &'static str,
    hung: bool,
}

impl Receiver {
    pub fn start(
        kind: Kind,
        shape: Shape,
        manner: Manner,
        dir: &Path,
        peers: &Path,
    ) -> Result<Receiver, Box<dyn Error>> {
        if kind == Kind::Sink {
            let audit = Shared::new(Audit::new(shape, manner));
            return Ok(Receiver::Sink { sink: sink::start(0, audit.clone(), Vec::new())?, audit });
        }
        let mut server = Server::new(kind, dir, peers)?;
        server.go()?;
        Ok(Receiver::Server(Box::new(server)))
    }

    pub fn url(&self) -> String {
        let address = match self {
            Receiver::Sink { sink, .. } => format!("127.0.0.1:{}", sink.port),
            Receiver::Server(server) => server.address.clone(),
        };
        format!("http://{address}/api/v1/write")
    }

    /// Healthy, or failing like this from now on. A real server can only be absent or hang.
    pub fn behave(&mut self, trouble: Option<Trouble>) -> Result<(), Box<dyn Error>> {
        match self {
            Receiver::Sink { sink, .. } => {
                // In seconds; longer than any run.
                let forever = |kind| Fault { kind, from_s: 0.0, to_s: 1e9 };
                let told =
                    sink.asker.tell(Question::Faults(trouble.map(forever).into_iter().collect()));
                if told { Ok(()) } else { Err("the sink is gone".into()) }
            }
            Receiver::Server(server) => match trouble {
                None | Some(Trouble::Delay(_)) => server.go(),
                Some(Trouble::Hang | Trouble::LostAck) => {
                    server.go()?;
                    server.hang();
                    Ok(())
                }
                Some(_) => {
                    server.end();
                    Ok(())
                }
            },
        }
    }

    /// What has arrived until now; a real server is asked for all it has.
    pub fn audit<T>(&self, shape: Shape, look: impl FnOnce(&Audit) -> T) -> Option<T> {
        match self {
            Receiver::Sink { audit, .. } => Some(look(&audit.lock())),
            Receiver::Server(server) => Some(look(&server.audit(shape)?)),
        }
    }
}

impl Server {
    fn new(kind: Kind, dir: &Path, peers: &Path) -> io::Result<Server> {
        // Below the ports of outgoing connections it would stay free while the server is down; a port that was free a
        // moment ago on an address of its own does as well.
        let address = TcpListener::bind("127.0.0.77:0")?.local_addr()?.to_string();
        let data = dir.join("receiver");
        let (binary, ready): (PathBuf, &str) = match kind {
            Kind::VictoriaMetrics => {
                (peers.join("victoria-metrics/usr/bin/victoria-metrics"), "/health")
            }
            _ => (peers.join("prometheus/usr/bin/prometheus"), "/-/ready"),
        };
        let mut command = Command::new(binary);
        if kind == Kind::VictoriaMetrics {
            command
                .arg(format!("-storageDataPath={}", data.display()))
                .arg(format!("-httpListenAddr={address}"))
                .arg("-search.latencyOffset=0s")
                .arg("-search.disableCache=true")
                .arg("-retentionPeriod=100y");
        } else {
            let config = dir.join("receiver.yml");
            fs::write(&config, "global:\n  scrape_interval: 1m\n")?;
            command
                .arg("--web.enable-remote-write-receiver")
                .arg(format!("--config.file={}", config.display()))
                .arg(format!("--storage.tsdb.path={}", data.display()))
                .arg(format!("--web.listen-address={address}"));
        }
        let log = File::create(dir.join("receiver.log"))?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        Ok(Server { command, child: None, address, ready, hung: false })
    }

    /// Starts it or lets it go on, and waits until it is ready.
    fn go(&mut self) -> Result<(), Box<dyn Error>> {
        if let (Some(child), true) = (&self.child, self.hung) {
            system::go_on(child.id());
            self.hung = false;
        }
        if self.child.is_none() {
            self.child = Some(self.command.spawn()?);
        }
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(READY_S_MAX) {
            let found = agent::fetch(&self.address, self.ready);
            if found.is_some_and(|text| text.contains("OK") || text.contains("Ready")) {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(20));
        }
        Err("the receiver does not become ready".into())
    }

    fn hang(&mut self) {
        if let Some(child) = &self.child {
            system::halt(child.id());
            self.hung = true;
        }
    }

    /// A clean end: what a server loses when it is killed is not the agent's loss.
    fn end(&mut self) {
        if let Some(mut child) = self.child.take() {
            if self.hung {
                system::go_on(child.id());
                self.hung = false;
            }
            system::terminate(child.id());
            drop(child.wait());
        }
    }

    /// Every sample that it has, in the order of time.
    fn audit(&self, shape: Shape) -> Option<Audit> {
        let mut audit = Audit::new(shape, Manner::Lenient);
        for target in 0..shape.targets {
            let instance = shape.address(target);
            let path =
                format!("/api/v1/query?nocache=1&query=%7Binstance%3D%22{instance}%22%7D%5B3h%5D");
            let found: Value = serde_json::from_str(&agent::fetch(&self.address, &path)?).ok()?;
            for series in found["data"]["result"].as_array()? {
                take(&mut audit, series);
            }
        }
        Some(audit)
    }
}

fn take(audit: &mut Audit, series: &Value) {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let labels: Vec<(String, String)> = series["metric"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| (name.clone(), text(value)))
        .collect();
    let key = xxh3_64(format!("{labels:?}").as_bytes());
    for pair in series["values"].as_array().into_iter().flatten() {
        let value: f64 = text(&pair[1]).parse().unwrap_or(f64::NAN);
        // VictoriaMetrics keeps decimals and may give a half back as .49 or .498; no two marks are that near.
        let value = if value.abs() > HALVES_FROM { (value * 2.0).round() / 2.0 } else { value };
        // Staleness markers are shown by VictoriaMetrics only, and as any NaN.
        if let (false, Some(seconds)) = (value.is_nan(), pair[0].as_f64()) {
            let timestamp_ms = (seconds * 1000.0).round() as i64;
            audit.sample(key, || labels.clone(), Sample { timestamp_ms, value });
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            drop(child.kill());
            drop(child.wait());
        }
    }
}
