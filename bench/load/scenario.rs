//! The loads that figures are quoted for.

use std::time::Duration;

use serde::Serialize;

use crate::fault::{Fault, Kind};

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
    /// Bytes of one more label on every line; 0 for none.
    pub label_bytes: usize,
    /// Entries of `remote_write` that are all sent the same, each to a sink of its own.
    pub endpoints: usize,
    /// The sink looks into one request in so many and takes the others for like it, so that it costs little.
    pub look_every: u64,
    /// Series are added from run to run until the agent cannot keep up.
    pub ramp: bool,
    /// Seconds between the first sample and the window.
    pub warmup_s: u64,
    pub window_s: u64,
    /// Seconds for which the sink refuses connections, from ten seconds into the window on; 0 is never.
    pub outage_s: u64,
    /// The sink answers so late, as if it were far away.
    pub round_trip_ms: u64,
}

impl Scenario {
    /// The scenario of a name, or nothing. `-gzip` behind a name: pages are compressed; `x3`: three endpoints; `-rtt20`: the sink
    /// answers after 20 ms.
    pub fn named(name: &str) -> Option<Scenario> {
        let (plain, round_trip_ms) = match name.split_once("-rtt") {
            Some((plain, ms)) => (plain, ms.parse().ok()?),
            None => (name, 0),
        };
        let (plain, gzip) =
            plain.strip_suffix("-gzip").map_or((plain, false), |plain| (plain, true));
        let (plain, endpoints) = match plain.split_once('x') {
            Some((plain, endpoints)) => (plain, endpoints.parse().ok().filter(|n| *n > 0)?),
            None => (plain, 1),
        };
        let (targets, series, interval_s, warmup_s, window_s) = match plain {
            "S1" | "S4" => (100, 5000, 10, 40, 60),
            "S2" => (200, 5000, 15, 50, 60),
            "S3" => (50, 4000, 1, 10, 15),
            "S5" => (5000, 50, 10, 40, 60),
            "S6" => (100, 5000, 10, 30, 110),
            "S7" => (10, 1000, 1, 10, 30),
            "S7-small" => (5, 100, 1, 10, 30),
            "idle" => (0, 1, 10, 5, 30),
            "quick" => (10, 1000, 1, 5, 10),
            _ => return None,
        };
        Some(Scenario {
            name: name.to_owned(),
            targets,
            series,
            interval_ms: interval_s * 1000,
            churn_percent: if plain == "S4" { 5.0 } else { 0.0 },
            gzip,
            label_bytes: 0,
            endpoints,
            look_every: if plain == "S3" { 16 } else { 1 },
            ramp: plain == "S3",
            warmup_s,
            window_s,
            outage_s: if plain == "S6" { 60 } else { 0 },
            round_trip_ms,
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
        if self.label_bytes > 0 {
            text.push_str(&format!(", a label of {} bytes more", self.label_bytes));
        }
        if self.endpoints > 1 {
            text.push_str(&format!(", {} endpoints", self.endpoints));
        }
        if self.outage_s > 0 {
            text.push_str(&format!(", sink down for {} s", self.outage_s));
        }
        if self.round_trip_ms > 0 {
            text.push_str(&format!(", answers after {} ms", self.round_trip_ms));
        }
        text
    }

    /// What the sink does, besides what it is told to, all the time.
    pub fn way(&self) -> Option<Fault> {
        let kind = Kind::Delay(self.round_trip_ms);
        (self.round_trip_ms > 0).then_some(Fault { kind, from_s: 0.0, to_s: 1e6 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_differs() {
        let of = |name: &str| {
            let scenario = Scenario::named(name)?;
            Some((scenario.targets, scenario.gzip, scenario.endpoints, scenario.ramp))
        };
        for (name, wanted) in [
            ("S1", Some((100, false, 1, false))),
            ("S1-gzip", Some((100, true, 1, false))),
            ("S1x3", Some((100, false, 3, false))),
            ("S3", Some((50, false, 1, true))),
            ("idle", Some((0, false, 1, false))),
            ("S1x0", None),
            ("S6-rtt100", Some((100, false, 1, false))),
            ("S6-rtt", None),
            ("S9", None),
        ] {
            assert_eq!(of(name), wanted, "{name}");
        }
        let far = Scenario::named("S6x3-rtt100").expect("a scenario");
        assert_eq!((far.endpoints, far.round_trip_ms, far.outage_s), (3, 100, 60));
        assert!(far.way().is_some() && far.describe().ends_with("answers after 100 ms"));
    }
}
