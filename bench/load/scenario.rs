//! The loads that figures are quoted for.

use std::time::Duration;

use serde::Serialize;

/// One load and how long it is measured.
#[derive(Debug, Clone, Serialize)]
pub struct Scenario {
    pub name: String,
    pub targets: usize,
    /// Series of each target.
    pub series: usize,
    pub interval_ms: u64,
    /// Percent of the pods replaced in a minute.
    pub churn_percent: f64,
    pub gzip: bool,
    /// Seconds between the first sample and the window.
    pub warmup_s: u64,
    pub window_s: u64,
    /// Seconds for which the sink refuses connections, from ten seconds into the window on; 0 is never.
    pub outage_s: u64,
}

impl Scenario {
    /// The scenario of a name, or nothing.
    pub fn named(name: &str) -> Option<Scenario> {
        let (targets, series, interval_s, warmup_s, window_s) = match name {
            "S1" | "S4" => (100, 5000, 10, 40, 60),
            "S2" => (200, 5000, 15, 50, 60),
            "S3" => (50, 8000, 1, 15, 30),
            "S5" => (5000, 50, 10, 40, 60),
            "S6" => (100, 5000, 10, 30, 110),
            "S7" => (10, 1000, 1, 10, 30),
            "quick" => (10, 1000, 1, 5, 10),
            _ => return None,
        };
        Some(Scenario {
            name: name.to_owned(),
            targets,
            series,
            interval_ms: interval_s * 1000,
            churn_percent: if name == "S4" { 5.0 } else { 0.0 },
            gzip: false,
            warmup_s,
            window_s,
            outage_s: if name == "S6" { 60 } else { 0 },
        })
    }

    /// Share of the pods to replace at each serving, 0 to 1.
    pub fn churn_per_serving(&self) -> f64 {
        self.churn_percent / 100.0 * self.interval_ms as f64 / 60_000.0
    }

    /// Pages due in a time.
    pub fn pages_due(&self, time: Duration) -> f64 {
        self.targets as f64 * time.as_secs_f64() * 1000.0 / self.interval_ms as f64
    }

    /// One sentence for people.
    pub fn describe(&self) -> String {
        let mut text = format!(
            "{}: {} targets × {} series every {} ms, {} s warm-up, {} s window",
            self.name, self.targets, self.series, self.interval_ms, self.warmup_s, self.window_s
        );
        if self.churn_percent > 0.0 {
            text.push_str(&format!(
                ", {} % of the series replaced in a minute",
                self.churn_percent
            ));
        }
        if self.gzip {
            text.push_str(", gzip");
        }
        if self.outage_s > 0 {
            text.push_str(&format!(", sink down for {} s", self.outage_s));
        }
        text
    }
}
