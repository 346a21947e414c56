//! What a commit costs the core while the log is synced beside it: `commit DIR [SECONDS [FRAMES_PER_SECOND]]`. Frames of
//! 500 samples go into a log in DIR, with the program's own helper thread, once for each way of syncing. Columns: the time
//! of a commit, by quantiles; how long after it the disk had it; what the kernel counts for the appending thread (CPU,
//! faults); and for the whole process. See `scripts/commit`.
#![expect(clippy::disallowed_methods, reason = "a program on the outside of the cores")]

use std::error::Error;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use corelane::base::{Random, Timestamp};
use corelane::disk::{
    Backend, Budget, Helper, HelperOptions, Store, StoreOptions, SurveyOptions, survey,
};
use corelane::model::SeriesRef;
use corelane::wal::{DiskAnswer, DiskRequest, Log, Samples, SegmentKind};
use crossbeam_channel::Receiver;
use hdrhistogram::Histogram;

const SAMPLES: u32 = 500;
const SEGMENT_BYTES: usize = 16 << 20;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// How the log is synced: never, by the clock, or after each commit.
#[derive(Clone, Copy)]
enum Sync {
    Never,
    Every(Duration),
    Always,
}

fn main() -> Outcome<()> {
    let args: Vec<String> = std::env::args().collect();
    let [_, dir, rest @ ..] = &args[..] else {
        return Err("usage: commit DIR [SECONDS [FRAMES_PER_SECOND]]".into());
    };
    let number = |at: usize, or: u64| rest.get(at).map_or(Ok(or), |text: &String| text.parse());
    let (seconds, frames) = (number(0, 20)?, number(1, 100)?);
    println!("{SAMPLES} samples a commit, {frames} commits a second for {seconds} s");
    println!(
        "| sync | commit p50 | p99 | p99.9 | max | synced after p50 | p99 | CPU/sample, thread | process | faults minor | major |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|");
    let ways = [
        ("off", Sync::Never),
        ("1s", Sync::Every(Duration::from_secs(1))),
        ("100ms", Sync::Every(Duration::from_millis(100))),
        ("always", Sync::Always),
    ];
    for (name, sync) in ways {
        let dir = Path::new(dir).join(format!("sync-{name}"));
        fs::create_dir_all(&dir)?;
        let row = run(&dir, sync, Duration::from_secs(seconds), frames)?;
        fs::remove_dir_all(&dir)?;
        println!("| {name} | {row} |");
    }
    Ok(())
}

/// The log of one shard and the thread beside it.
struct Bench {
    log: Log,
    helper: Helper,
    answers: Receiver<DiskAnswer>,
    /// When the oldest commit that waits for a sync was made.
    unsynced: Option<Instant>,
    syncing: Option<Instant>,
    synced: Histogram<u64>,
}

impl Bench {
    fn open(dir: &Path, sync: Sync) -> Outcome<(Store, Bench)> {
        let store = Store::open(dir, StoreOptions { cores: 1, lock: true })?;
        let own = store.shard_dir(0)?;
        let options = SurveyOptions {
            store: store.id(),
            backend: Backend::Mmap,
            segment_bytes: SEGMENT_BYTES,
            adopted: false,
        };
        let found = survey(&own, &options)?;
        let identity = store.identity(0);
        let log =
            Log::open(identity, SEGMENT_BYTES, found.samples, found.cursor_max, 1, &mut |_, _| {});
        let (sender, answers) = crossbeam_channel::unbounded();
        let options = HelperOptions {
            name: "disk-0".to_owned(),
            dirs: vec![own],
            backend: Backend::Mmap,
            segment_bytes: SEGMENT_BYTES,
            sync_interval: match sync {
                Sync::Every(interval) => Some(interval),
                Sync::Never => None,
                // By the clock as well, but not in this time.
                Sync::Always => Some(Duration::from_secs(3_600)),
            },
            budget: Budget { bytes_max: 1 << 30, free_bytes_min: 0 },
            files: found.files,
        };
        let helper = Helper::spawn(options, move |answer| sender.send(answer).unwrap_or_default())?;
        let (unsynced, syncing, synced) = (None, None, Histogram::new(3)?);
        Ok((store, Bench { log, helper, answers, unsynced, syncing, synced }))
    }

    /// As a shard does it: spares are asked for, what is full is given back.
    fn keep_up(&mut self, sync: Sync) -> Outcome<()> {
        while let Ok(answer) = self.answers.try_recv() {
            match answer {
                DiskAnswer::Prepared { slot, region, .. } => self.log.give_spare(slot, region),
                DiskAnswer::Synced => {
                    let since = self.syncing.take().map(|since| since.elapsed());
                    self.synced.record(since.unwrap_or_default().as_nanos() as u64)?;
                }
                other => return Err(format!("the disk says {other:?}").into()),
            }
        }
        if self.log.wants_spare() {
            self.helper.request(DiskRequest::Prepare { kind: SegmentKind::Samples });
        }
        let head = self.log.end().seq();
        for retired in self.log.retire(head) {
            if let Some(slot) = retired.slot {
                let (log, kind, region) = (0, SegmentKind::Samples, retired.region);
                self.helper.request(DiskRequest::Retire { log, kind, slot, region });
            }
        }
        if matches!(sync, Sync::Always) && self.syncing.is_none() && self.unsynced.is_some() {
            self.syncing = self.unsynced.take();
            self.helper.request(DiskRequest::Sync);
        }
        Ok(())
    }
}

fn run(dir: &Path, sync: Sync, lasts: Duration, frames: u64) -> Outcome<String> {
    let (store, mut bench) = Bench::open(dir, sync)?;
    while !bench.log.has_spare() {
        bench.keep_up(sync)?;
        std::thread::sleep(Duration::from_millis(1));
    }
    let refs: Vec<SeriesRef> = (0..SAMPLES).map(SeriesRef).collect();
    let mut values = vec![0.0; SAMPLES as usize];
    let mut random = Random::new(7);
    let mut commits = Histogram::<u64>::new(3)?;
    let (began, before, whole) = (Instant::now(), own_usage()?, process_cpu()?);
    let every = Duration::from_secs(1) / frames as u32;
    let mut samples = 0;
    for number in 0.. {
        let due = every * number;
        if due > lasts {
            break;
        }
        std::thread::sleep(due.saturating_sub(began.elapsed()));
        // Half of them counters that grow, the others anything.
        for pair in values.chunks_mut(2) {
            pair[0] += random.below(100) as f64;
            pair[1] = random.below(1 << 40) as f64 / 1024.0;
        }
        let time = Timestamp(1_767_225_600_000 + due.as_millis() as i64);
        let frame = Samples { lane: 7, time, refs: &refs, values: &values, times: &[] };
        let start = Instant::now();
        bench.log.append(&frame, time).map_err(|_| "the disk is too slow for a spare in time")?;
        commits.record(start.elapsed().as_nanos() as u64)?;
        bench.unsynced.get_or_insert(start);
        samples += u64::from(SAMPLES);
        bench.keep_up(sync)?;
    }
    let (thread, process) = (own_usage()?, process_cpu()?);
    let Bench { log, helper, synced, .. } = bench;
    helper.stop();
    drop(log);
    store.close()?;
    let us = |histogram: &Histogram<u64>, quantile| match histogram.len() {
        0 => "-".to_owned(),
        _ => format!("{:.1} µs", histogram.value_at_quantile(quantile) as f64 / 1e3),
    };
    let per_sample = |cpu: Duration| cpu.as_nanos() as f64 / samples as f64;
    Ok(format!(
        "{} | {} | {} | {} | {} | {} | {:.1} ns | {:.1} ns | {} | {}",
        us(&commits, 0.5),
        us(&commits, 0.99),
        us(&commits, 0.999),
        us(&commits, 1.0),
        us(&synced, 0.5),
        us(&synced, 0.99),
        per_sample(thread.cpu - before.cpu),
        per_sample(process - whole),
        thread.minor - before.minor,
        thread.major - before.major,
    ))
}

/// What the kernel has counted.
struct Usage {
    cpu: Duration,
    minor: u64,
    major: u64,
}

/// Of one thread of this process, by its directory below /proc.
fn usage_of(task: &Path) -> Outcome<Usage> {
    let schedstat = fs::read_to_string(task.join("schedstat"))?;
    let cpu = schedstat.split(' ').next().ok_or("schedstat")?.parse()?;
    let stat = fs::read_to_string(task.join("stat"))?;
    let (_, fields) = stat.rsplit_once(')').ok_or("stat")?;
    let field = |number: usize| fields.split(' ').nth(number - 2).ok_or("stat");
    let (minor, major) = (field(10)?.parse()?, field(12)?.parse()?);
    Ok(Usage { cpu: Duration::from_nanos(cpu), minor, major })
}

fn own_usage() -> Outcome<Usage> {
    usage_of(Path::new("/proc/thread-self"))
}

/// Of all threads that are alive.
fn process_cpu() -> Outcome<Duration> {
    let mut cpu = Duration::ZERO;
    for task in fs::read_dir("/proc/self/task")? {
        cpu += usage_of(&task?.path())?.cpu;
    }
    Ok(cpu)
}
