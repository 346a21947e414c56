//! What a run found, as JSON, as a line and as a table.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::exporters::Served;
use crate::ledger::Books;
use crate::scenario::Scenario;
use crate::system::{self, Memory};

/// The figures at one second of the window.
#[derive(Debug, Clone, Serialize)]
pub struct Tick {
    pub second: f64,
    pub cpu_ns: u64,
    pub memory: Memory,
    pub disk_bytes: u64,
    pub served_samples: u64,
    pub received_samples: u64,
}

/// One agent under one scenario.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    pub scenario: Scenario,
    pub agent: String,
    pub version: String,
    pub flags: Vec<String>,
    pub cpu_model: String,
    pub kernel: String,
    pub window_s: f64,
    /// From the start of the process to its first sample at the sink.
    pub first_sample_s: f64,
    /// Samples received in a second of the window.
    pub samples_per_s: f64,
    pub cpu_us_per_sample: f64,
    /// Of one CPU.
    pub cpu_percent: f64,
    /// CPUs that it could use.
    pub cores: usize,
    /// At the end of the window.
    pub memory: Memory,
    pub rss_peak: u64,
    pub rss_bytes_per_series: f64,
    pub wire_bytes_per_sample: f64,
    /// Growth of the data directory.
    pub disk_bytes_per_sample: f64,
    /// What the kernel was told to write.
    pub written_bytes_per_sample: f64,
    /// By the agent's own account, if it has one.
    pub log_bytes_per_sample: Option<f64>,
    pub switches_per_s: f64,
    /// Due pages that were not served in the window, in percent.
    pub missed_percent: f64,
    /// Samples on fully served pages that never arrived, over the whole run.
    pub lost: i64,
    pub harness_cpu_percent: f64,
    pub other_cpu_percent: f64,
    /// After an outage: to the first request, and to the arrival of all that had been served.
    pub resumed_s: Option<f64>,
    pub caught_up_s: Option<f64>,
    pub stop_s: f64,
    /// At the end of the window.
    pub served: Served,
    pub books: Books,
    /// After everything has been sent or given up.
    pub served_at_end: Served,
    pub books_at_end: Books,
    pub ticks: Vec<Tick>,
}

const COLUMNS: &str = "| agent | samples/s | CPU µs/sample | CPU % | RSS MB | peak MB | B/series | wire B | disk B | p50 ms \
                       | p99 ms | p99.9 ms | req/s | missed % | lost | dup | inverted | first s | harness CPU % | other CPU % |";

/// The head of a table of findings.
pub fn table_head() -> String {
    let rule: String = COLUMNS.matches('|').skip(1).map(|_| "---|").collect();
    format!("{COLUMNS}\n|{rule}")
}

impl Finding {
    /// One row of the table.
    pub fn row(&self) -> String {
        let megabytes = |bytes: u64| bytes as f64 / 1e6;
        let milliseconds = |us: u64| us as f64 / 1000.0;
        let latency = &self.books.latency_us;
        let disk = self.log_bytes_per_sample.unwrap_or(self.disk_bytes_per_sample);
        let after = match (self.resumed_s, self.caught_up_s) {
            (Some(resumed), Some(caught_up)) => {
                format!(" resumed after {resumed:.2} s, level after {caught_up:.2} s |")
            }
            _ => String::new(),
        };
        format!(
            "| {} | {:.0} | {:.3} | {:.2} | {:.1} | {:.1} | {:.0} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} \
             | {} | {} | {} | {:.2} | {:.1} | {:.1} |{after}",
            self.agent,
            self.samples_per_s,
            self.cpu_us_per_sample,
            self.cpu_percent,
            megabytes(self.memory.rss),
            megabytes(self.rss_peak),
            self.rss_bytes_per_series,
            self.wire_bytes_per_sample,
            disk,
            milliseconds(latency.p50),
            milliseconds(latency.p99),
            milliseconds(latency.p999),
            self.books.window.requests as f64 / self.window_s,
            self.missed_percent,
            self.lost,
            self.books_at_end.total.duplicates,
            self.books_at_end.total.inversions,
            self.first_sample_s,
            self.harness_cpu_percent,
            self.other_cpu_percent,
        )
    }

    /// Writes everything to a new file in `dir` and gives its path.
    pub fn save(&self, dir: &Path) -> Result<PathBuf, Box<dyn Error>> {
        fs::create_dir_all(dir)?;
        let stem = format!("{}-{}", self.scenario.name, self.agent);
        let free = |path: &PathBuf| !path.exists();
        let path = (1..)
            .map(|number| dir.join(format!("{stem}-{number}.json")))
            .find(free)
            .unwrap_or_else(|| dir.join(stem));
        fs::write(&path, serde_json::to_vec_pretty(self)?)?;
        Ok(path)
    }
}

/// Where runs of a scenario, on this machine and day, belong.
pub fn default_dir(scenario: &str) -> PathBuf {
    let (model, cpus, _) = system::machine();
    let words = model.to_lowercase();
    let words = words.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let machine: Vec<&str> = words.collect();
    Path::new("bench/runs").join(format!(
        "{}-{cpus}x-{}-{scenario}",
        system::today(),
        machine.join("-")
    ))
}
