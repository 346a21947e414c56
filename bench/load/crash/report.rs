//! What trials found, as JSON and as a table.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::crash::audit::Verdict;
use crate::crash::books::Books;
use crate::crash::trial::Trial;

/// One agent through one scenario.
#[derive(Debug, Default, Serialize)]
pub struct Finding {
    pub agent: String,
    pub version: String,
    pub flags: Vec<String>,
    pub scenario: String,
    pub about: String,
    pub receiver: String,
    pub seed: u64,
    pub life_ms: (u64, u64),
    pub seconds: f64,
    pub lives: u64,
    pub kills: u64,
    pub stops: u64,
    pub reloads: u64,
    pub slowest_stop_s: f64,
    /// Stops that took longer than a minute and a half.
    pub killed_in_stop: u64,
    /// Ends that nobody asked for: status and last lines of the log.
    pub ended: Vec<String>,
    /// From the last page to the arrival of the last missing sample, or to giving up.
    pub settled_s: f64,
    /// Samples that the agent itself counted as refused or lost, where the disk was full.
    pub counted: u64,
    /// The agent's own, in the end, if it keeps any.
    pub books: Option<Books>,
    pub verdict: Verdict,
}

impl Finding {
    /// Of a trial that begins.
    pub fn new(trial: &Trial) -> Finding {
        Finding {
            agent: trial.agent.kind.name().to_owned(),
            version: trial.agent.version(),
            flags: trial.agent.flags.clone(),
            scenario: trial.scenario.name().to_owned(),
            about: trial.scenario.about().to_owned(),
            receiver: format!("{:?}", trial.receiver).to_lowercase(),
            seed: trial.measure.seed,
            life_ms: trial.measure.life_ms,
            ..Finding::default()
        }
    }

    pub fn title(&self) -> String {
        format!("{} {}", self.agent, self.scenario)
    }

    /// What a lossless agent must not show; empty when it is one. Where the disk was full a counted loss is none, and
    /// what a kill then takes is told and not judged.
    pub fn faults(&self) -> Vec<String> {
        let counts = &self.verdict.counts;
        let forgiven = match self.scenario.as_str() {
            "full" => self.counted,
            "full-kills" => u64::MAX,
            _ => 0,
        };
        let checks = [
            ("lost", if self.verdict.lost > forgiven { self.verdict.lost } else { 0 }),
            ("reordered", counts.reordered),
            ("wrong", counts.wrong),
            ("ends that nobody asked for", self.ended.len() as u64),
            ("stops without an end", self.killed_in_stop),
            ("without a single accepted page", u64::from(self.verdict.pages_accepted == 0)),
        ];
        let bad = checks.iter().filter(|check| check.1 > 0);
        let bad = bad.map(|(what, count)| format!("{count} {what}"));
        bad.chain(self.uneven()).map(|fault| format!("{}: {fault}", self.title())).collect()
    }

    /// Where the agent's books do not come out even, or say something else than the receiver.
    fn uneven(&self) -> Option<String> {
        let books = self.books?;
        let arrived = self.verdict.counts.arrived();
        // A strict receiver rejects what it has, and a real server is asked for the series of pages only.
        let comparable = self.receiver == "sink" && self.scenario != "strict";
        // One endpoint, and it was there from the first sample on; what a kill took from memory it never had.
        let even = books.even() && books.appended == books.entered + books.vanished;
        if even && (!comparable || books.acknowledged == arrived) {
            return None;
        }
        Some(format!("{arrived} samples arrived, and the books say {books:?}"))
    }

    /// What is worth a line beside the table: ends that nobody asked for, and the first things that went wrong.
    pub fn remarks(&self) -> Vec<String> {
        let last =
            |text: &String| format!("ended by itself: {}", text.lines().last().unwrap_or(""));
        let ended = self.ended.iter().map(last);
        let examples = self.verdict.examples.iter().take(8).cloned();
        ended
            .chain(examples)
            .chain(self.uneven())
            .map(|text| format!("{}: {text}", self.title()))
            .collect()
    }

    /// One row of the table.
    pub fn row(&self) -> String {
        let (verdict, counts) = (&self.verdict, &self.verdict.counts);
        let percent = 100.0 * verdict.lost as f64 / verdict.accepted.max(1) as f64;
        let lost = match (verdict.lost, self.counted) {
            (0, _) => String::from("0"),
            (lost, 0) => format!("{lost} ({percent:.1} %)"),
            (lost, counted) => format!("{lost} ({percent:.1} %), {counted} counted"),
        };
        format!(
            "| {} | {} | {} | {} | {} | {} | {} | {} | {lost} | {} | {} | {} | {} of {} |",
            self.scenario,
            self.agent,
            self.kills,
            self.stops,
            self.reloads,
            self.ended.len(),
            verdict.pages_served,
            verdict.accepted,
            counts.reordered,
            counts.wrong,
            counts.duplicated,
            verdict.in_the_air_arrived,
            verdict.pages_in_the_air,
        )
    }

    /// Writes everything to a new file in `dir` and gives its path.
    pub fn save(&self, dir: &Path) -> Result<PathBuf, Box<dyn Error>> {
        fs::create_dir_all(dir)?;
        let stem = format!("{}-{}-{}", self.scenario, self.receiver, self.agent);
        let path = (1..)
            .map(|number| dir.join(format!("{stem}-{number}.json")))
            .find(|path| !path.exists())
            .unwrap_or_else(|| dir.join(stem));
        fs::write(&path, serde_json::to_vec_pretty(self)?)?;
        Ok(path)
    }
}

const COLUMNS: [&str; 13] = [
    "scenario",
    "agent",
    "kills",
    "stops",
    "reloads",
    "crashed",
    "pages served",
    "samples accepted",
    "lost",
    "reordered",
    "wrong",
    "duplicated",
    "in the air, arrived",
];

/// All findings as Markdown, with what was run.
pub fn table(findings: &[Finding]) -> String {
    let rule = "---|".repeat(COLUMNS.len());
    let mut text = format!("| {} |\n|{rule}\n", COLUMNS.join(" | "));
    for finding in findings {
        text.push_str(&finding.row());
        text.push('\n');
    }
    for finding in findings.iter().filter(|finding| finding.scenario == "moves") {
        let (title, stop_s) = (finding.title(), finding.slowest_stop_s);
        text.push_str(&format!("\n- {title}: the slowest clean stop took {stop_s:.1} s"));
    }
    text.push('\n');
    let mut versions: Vec<String> = Vec::new();
    for finding in findings {
        let line = format!("- {}: {}\n", finding.agent, finding.version);
        if !versions.contains(&line) {
            versions.push(line);
        }
    }
    text + &versions.concat()
}
