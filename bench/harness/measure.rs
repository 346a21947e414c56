//! Passes, and the one line that each case prints.
#![expect(clippy::disallowed_methods, reason = "a bench reads the clock")]

use core::hint::black_box;
use core::time::Duration;
use std::time::Instant;

const PASSES_MIN: usize = 7;
const PASSES_MAX: usize = 400;
const CASE: Duration = Duration::from_secs(3);

/// What one pass came to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Done {
    /// Samples, lines or operations: what the time is divided by.
    pub count: u64,
    pub bytes: u64,
    /// Depends on every result, so that no work can be left out.
    pub hash: u64,
}

/// Adds up the time of the measured parts of one pass, by stage.
#[derive(Debug)]
pub struct Watch {
    stages: Vec<Duration>,
}

impl Watch {
    /// Measures one call. The clock costs some 25 ns a reading.
    #[inline]
    pub fn time<T>(&mut self, stage: usize, act: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = black_box(act());
        self.stages[stage] += start.elapsed();
        result
    }
}

/// The cases of one bench.
#[derive(Debug)]
pub struct Bench {
    name: &'static str,
    real: bool,
    filter: Option<String>,
}

impl Bench {
    /// Cargo passes `--bench` for `cargo bench` and nothing for `cargo test`. A word is a filter on cases' names.
    pub fn new(name: &'static str) -> Bench {
        Bench {
            name,
            real: std::env::args().any(|word| word == "--bench"),
            filter: std::env::args().skip(1).find(|word| !word.starts_with("--")),
        }
    }

    pub fn size<T>(&self, smoke: T, real: T) -> T {
        if self.real { real } else { smoke }
    }

    pub fn wants(&self, case: &str) -> bool {
        let full = format!("{}/{case}", self.name);
        self.filter.as_ref().is_none_or(|word| full.contains(word))
    }

    /// A watch whose time nobody asks for.
    pub fn unmeasured(&self, stages: &[&str]) -> Watch {
        Watch { stages: vec![Duration::ZERO; stages.len().max(1)] }
    }

    /// One case without stages.
    pub fn case(&self, case: &str, mut pass: impl FnMut() -> Done) {
        self.staged(case, &[], |watch| watch.time(0, &mut pass));
    }

    /// One case; `pass` says what it measures of itself. The first pass warms up and gives the hash.
    pub fn staged(&self, case: &str, stages: &[&str], mut pass: impl FnMut(&mut Watch) -> Done) {
        if !self.wants(case) {
            return;
        }
        let fresh = || self.unmeasured(stages);
        let first = pass(&mut fresh());
        let name = format!("{}/{case}", self.name);
        let Done { count, bytes, hash } = first;
        if !self.real {
            println!("{name:<30} smoke {count:>8} ops {bytes:>10} bytes  hash {hash:016x}");
            return;
        }
        let mut runs: Vec<Vec<f64>> = Vec::new();
        let start = Instant::now();
        while runs.len() < PASSES_MIN || (start.elapsed() < CASE && runs.len() < PASSES_MAX) {
            let mut watch = fresh();
            let done = black_box(pass(&mut watch));
            let per_op = |time: &Duration| time.as_nanos() as f64 / done.count.max(1) as f64;
            runs.push(watch.stages.iter().map(per_op).collect());
        }
        let sums = runs.iter().map(|run| run.iter().sum()).collect();
        let (min, median) = least_and_median(sums);
        let parts: String = (0..stages.len())
            .map(|at| {
                let part = least_and_median(runs.iter().map(|run| run[at]).collect());
                format!("  {} {:.1}", stages[at], part.1)
            })
            .collect();
        println!(
            "{name:<30} {min:>8.2} ns min {median:>8.2} median {:>4} passes {count:>8} ops \
             {bytes:>10} bytes  hash {hash:016x}{parts}",
            runs.len()
        );
    }
}

fn least_and_median(mut times: Vec<f64>) -> (f64, f64) {
    times.sort_by(f64::total_cmp);
    (times[0], times[times.len() / 2])
}
