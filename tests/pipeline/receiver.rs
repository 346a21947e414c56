//! Real receivers of remote write: a Prometheus server, which refuses what is out of order, and VictoriaMetrics.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::exporter::{NUMBERED_SERIES, Numbered};
use crate::peers;
use crate::program::Program;
use crate::scratch::{Scratch, free_port};
use crate::wait;
use crate::web;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Prometheus,
    VictoriaMetrics,
}

/// One series with its samples in the order of time.
#[derive(Debug)]
pub struct Series {
    pub labels: BTreeMap<String, String>,
    pub values: Vec<f64>,
}

#[derive(Debug)]
pub struct Receiver {
    kind: Kind,
    port: u16,
    data: PathBuf,
    log: PathBuf,
    config: PathBuf,
    program: Option<Program>,
}

impl Receiver {
    /// A Prometheus that is up.
    pub fn prometheus(scratch: &Scratch) -> Receiver {
        Receiver::new(scratch, Kind::Prometheus)
    }

    /// A VictoriaMetrics that is up.
    pub fn victoria_metrics(scratch: &Scratch) -> Receiver {
        Receiver::new(scratch, Kind::VictoriaMetrics)
    }

    fn new(scratch: &Scratch, kind: Kind) -> Receiver {
        let port = free_port();
        let mut receiver = Receiver {
            kind,
            port,
            data: scratch.path(&format!("receiver-{port}")),
            log: scratch.path(&format!("receiver-{port}.log")),
            config: scratch.write("receiver.yml", "global:\n  scrape_interval: 1m\n"),
            program: None,
        };
        receiver.start();
        receiver
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where to write.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/api/v1/write", self.port)
    }

    /// Starts it, or starts it again with what it had, and waits until it answers.
    pub fn start(&mut self) {
        let listen = format!("127.0.0.1:{}", self.port);
        let mut command = match self.kind {
            Kind::Prometheus => {
                let mut command = Command::new(peers::prometheus());
                command
                    .arg("--web.enable-remote-write-receiver")
                    // Else it refuses native histograms.
                    .arg("--enable-feature=native-histograms,exemplar-storage")
                    .arg(format!("--config.file={}", self.config.display()))
                    .arg(format!("--storage.tsdb.path={}", self.data.display()))
                    .arg(format!("--web.listen-address={listen}"));
                command
            }
            Kind::VictoriaMetrics => {
                let mut command = Command::new(peers::victoria_metrics());
                command
                    .arg(format!("-storageDataPath={}", self.data.display()))
                    .arg(format!("-httpListenAddr={listen}"))
                    .arg("-search.latencyOffset=0s")
                    .arg("-search.disableCache=true")
                    .arg("-retentionPeriod=100y");
                command
            }
        };
        self.program = Some(Program::start(&mut command, &self.log));
        let path = if self.kind == Kind::Prometheus { "/-/ready" } else { "/health" };
        wait::until("the receiver is ready", || {
            web::get(self.port, path).filter(|answer| answer.status == 200)
        });
    }

    /// Ends it cleanly.
    pub fn stop(&mut self) {
        if let Some(mut program) = self.program.take() {
            program.signal("TERM");
            program.wait();
        }
    }

    /// All samples of the last hour, raw.
    pub fn samples(&self, selector: &str) -> Vec<Series> {
        let query = web::escape(&format!("{selector}[1h]"));
        let found = web::get_json(self.port, &format!("/api/v1/query?nocache=1&query={query}"));
        let result = found.as_ref().and_then(|found| found["data"]["result"].as_array());
        result.into_iter().flatten().map(series).collect()
    }

    /// How many samples of the last hour a selector finds, and in how many series.
    pub fn count(&self, selector: &str) -> (u64, u64) {
        let found = self.samples(selector);
        let samples: usize = found.iter().map(|series| series.values.len()).sum();
        (samples as u64, found.len() as u64)
    }

    /// The values of a selector that must find one series; nothing while it finds none.
    pub fn values(&self, selector: &str) -> Vec<f64> {
        let mut found = self.samples(selector);
        assert!(found.len() < 2, "{selector} finds more than one series: {found:?}");
        found.pop().map(|series| series.values).unwrap_or_default()
    }

    /// Waits until page `last` of the exporter has arrived, and demands that every page before it has, once and in
    /// order, in every series.
    pub fn assert_complete(&self, exporter: &Numbered, last: u64) {
        self.assert_complete_but(exporter, last, &[]);
    }

    /// The same, but pages that `spared` names may be missing.
    pub fn assert_complete_but(&self, exporter: &Numbered, last: u64, spared: &[u64]) {
        let mut missing = self.missing(exporter, last);
        missing.retain(|number| !spared.contains(number));
        assert!(missing.is_empty(), "pages {missing:?} of {last} are missing");
    }

    /// Waits until page `last` of the exporter has arrived, and gives the numbers of the pages before it that have not in
    /// every series.
    pub fn lacks(&self, exporter: &Numbered, last: u64) -> Vec<u64> {
        let port = exporter.port();
        let mut lacks = Vec::new();
        for series in 0..NUMBERED_SERIES {
            let selector =
                format!("scrape_number{{instance=\"127.0.0.1:{port}\",series=\"{series}\"}}");
            let values = wait::until(&format!("page {last} has arrived at the receiver"), || {
                let values = self.values(&selector);
                values.iter().any(|value| *value >= last as f64).then_some(values)
            });
            lacks.extend((1..=last).filter(|number| !values.contains(&(*number as f64))));
        }
        lacks.sort_unstable();
        lacks.dedup();
        lacks
    }

    /// Waits until page `last` of the exporter has arrived, demands that what has arrived is in order, each page once
    /// and in every series alike, and gives the numbers of the pages that have not.
    pub fn missing(&self, exporter: &Numbered, last: u64) -> Vec<u64> {
        let mut found: Option<Vec<u64>> = None;
        for series in 0..NUMBERED_SERIES {
            let port = exporter.port();
            let selector =
                format!("scrape_number{{instance=\"127.0.0.1:{port}\",series=\"{series}\"}}");
            let values = wait::until(&format!("page {last} has arrived at the receiver"), || {
                let values = self.values(&selector);
                values.iter().any(|value| *value >= last as f64).then_some(values)
            });
            let ordered = values.windows(2).all(|pair| pair[0] < pair[1]);
            assert!(ordered, "{selector} is out of order: {values:?}");
            let missing: Vec<u64> =
                (1..=last).filter(|number| !values.contains(&(*number as f64))).collect();
            let before = found.get_or_insert_with(|| missing.clone());
            assert_eq!(*before, missing, "{selector} differs from series 0");
        }
        found.unwrap_or_default()
    }
}

fn series(found: &Value) -> Series {
    let labels = found["metric"].as_object().into_iter().flatten();
    let values = found["values"].as_array().into_iter().flatten();
    Series {
        labels: labels
            .map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned()))
            .collect(),
        values: values
            .filter_map(|pair| pair[1].as_str().and_then(|value| value.parse().ok()))
            // VictoriaMetrics shows staleness markers.
            .filter(|value: &f64| !value.is_nan())
            .collect(),
    }
}
