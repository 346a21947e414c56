//! One seed, whole shards, no I/O: the simulation that is this program's main test. A seed decides a world (`swarm`):
//! clocks that jump, a disk that is late or full, a network that cuts anywhere, exporters and remotes with bad days,
//! a process that dies. The shards under test are the real ones. The laws (`laws`) hold at every step, and when the
//! faults end everything must come to rest with its books in order.
//!
//! `cargo test --test simulation` runs `CORELANE_SEEDS` seeds (1000) from `CORELANE_SEED_FIRST` (0) on. A failure
//! names its seed; `CORELANE_SEED=n cargo test --test simulation one_seed -- --nocapture` runs that one alone and
//! prints every step.

mod clock;
mod coordinator;
mod disk;
mod diskwork;
mod exporter;
mod laws;
mod net;
mod network;
mod process;
mod reference;
mod remote;
mod swarm;
mod trace;
mod wire;
mod world;

use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use world::{Summary, World};

/// Seeds that once failed, with what was wrong. A change of the world changes what a seed means: mistakes of the program
/// are kept beyond that as mutants (`README.md`).
const REGRESSIONS: [(u64, &str); 8] = [
    (198, "pages of an endpoint that comes back are numbered downwards after the disk refused one"),
    (678, "an adopted log's accounts count twice when its own shard comes back"),
    (936, "a segment is asked for in the file that it is being moved out of"),
    (1537, "the end of a refused run is presumed wrongly, and that counts as rejected"),
    (2926, "segments that were only in memory, and delivered, are called damage at the next start"),
    (6254, "a connection that has rejected the end of one feed never looks at the other"),
    (7949, "accounts of an adopted log count twice when the process dies once more at once"),
    (8112, "an epoch is never released after the end of one feed was rejected"),
];
const SEEDS: u64 = 1000;
/// Name of runs in which endpoints are to be sent remote write 2.0.
const SECOND: &str = "second";

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name}={text}")))
}

fn run(seed: u64, name: &str) -> Result<Summary, String> {
    let of = if name == SECOND { World::second } else { World::new };
    let world = || of(seed, &format!("{name}-{seed}"), false).run();
    catch_unwind(AssertUnwindSafe(world)).map_err(|cause| {
        let text = cause.downcast_ref::<String>().cloned();
        let text = text.or_else(|| cause.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        let text = text.unwrap_or_else(|| "a panic without words".to_owned());
        format!(
            "seed {seed}: {text}\n  CORELANE_SEED={seed} cargo test --test simulation one_seed -- --nocapture"
        )
    })
}

/// Runs seeds on every CPU, each taking the next one: some are a hundred times larger than others. Stops early after
/// `failures_max` failures.
fn run_all(seeds: std::ops::Range<u64>, name: &str, failures_max: usize) -> (Summary, Vec<String>) {
    let next = AtomicU64::new(seeds.start);
    let failed = AtomicUsize::new(0);
    let work = || {
        let mut sum = Summary::default();
        let mut failures = Vec::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end || failed.load(Ordering::Relaxed) >= failures_max {
                return (sum, failures);
            }
            match run(seed, name) {
                Ok(summary) => sum.add(&summary),
                Err(failure) => {
                    println!("{failure}");
                    failed.fetch_add(1, Ordering::Relaxed);
                    failures.push(failure);
                }
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    let results: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|thread| thread.join().expect("panics are caught")).collect()
    });
    let mut all = (Summary::default(), Vec::new());
    for (sum, failures) in results {
        all.0.add(&sum);
        all.1.extend(failures);
    }
    all
}

#[test]
fn the_laws_hold_for_many_seeds() {
    let first = variable("CORELANE_SEED_FIRST").unwrap_or(0);
    let seeds = variable("CORELANE_SEEDS").unwrap_or(SEEDS);
    let failures_max = variable("CORELANE_FAILURES").unwrap_or(u64::MAX) as usize;
    let (sum, failures) = run_all(first..first + seeds, "many", failures_max);
    println!("{} of {seeds} seeds: {sum:?}", sum.seeds);
    assert!(failures.is_empty(), "{} seeds failed:\n{}", failures.len(), failures.join("\n"));
}

/// A tenth of the worlds again, with messages of remote write 2.0, from a seed of their own on.
#[test]
fn the_laws_hold_for_remote_write_2_0() {
    let first = variable("CORELANE_SEED_FIRST").unwrap_or(20_000);
    let seeds = variable("CORELANE_SEEDS").unwrap_or(SEEDS) / 10;
    let (sum, failures) = run_all(first..first + seeds, SECOND, usize::MAX);
    println!("{} of {seeds} seeds: {sum:?}", sum.seeds);
    assert!(failures.is_empty(), "{} seeds failed:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn seeds_that_once_failed_do_not_any_more() {
    for (seed, bug) in REGRESSIONS {
        if let Err(failure) = run(seed, "regression") {
            panic!("{bug}: {failure}");
        }
    }
}

/// L9.
#[test]
fn the_same_seed_gives_the_same_trace() {
    for seed in [1, 2, 3] {
        let first = run(seed, "once");
        assert_eq!(first, run(seed, "twice"), "seed {seed}");
    }
}

#[test]
fn one_seed() {
    if let Some(seed) = variable("CORELANE_SEED") {
        println!("{:?}", World::new(seed, "one", true).run());
    }
}
