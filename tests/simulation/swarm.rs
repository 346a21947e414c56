//! From a seed to a world: how much of everything, and which faults. Every seed leaves some faults out, so that rare
//! paths are not always covered up by common ones.

use std::time::Duration;

use corelane::base::Random;
use corelane::base::limits::SEGMENT_BYTES_MIN;

/// Chances are in thousandths.
#[derive(Clone, Debug)]
pub struct Options {
    pub seed: u64,
    pub size: Size,
    pub shards: Vec<usize>,
    pub segment_bytes: usize,
    pub targets: usize,
    pub series_max: u32,
    pub label_bytes: usize,
    pub intervals_ms: Vec<u64>,
    pub safety: Duration,
    pub exporter: ExporterFaults,
    pub endpoints: Vec<RemoteOptions>,
    pub net: NetFaults,
    pub disk: DiskFaults,
    pub kill_every: Option<Duration>,
    pub stop_share: u64,
    pub wall_jump_every: Option<Duration>,
    pub wall_jumps_back: bool,
    pub target_change_every: Option<Duration>,
    pub reload_every: Option<Duration>,
    pub turn_delay_us: u64,
    pub stall: u64,
    pub drain_between_events: bool,
    pub metric_relabel: bool,
    /// Targets show a series that others show too. Only one shard keeps its order.
    pub shared: bool,
    /// Segments that the logs may take together, beyond what an idle process holds.
    pub budget: Option<u64>,
    /// Then some of the deaths are power cuts.
    pub power_cuts: bool,
}

#[derive(Clone, Debug, Default)]
pub struct ExporterFaults {
    pub churn: u64,
    pub shuffle: u64,
    pub duplicate: u64,
    pub malformed: u64,
    pub error: u64,
    pub hang: u64,
    pub slow: u64,
    pub cut: u64,
    pub garbage: u64,
    pub gzip: bool,
    pub chunked: u64,
    pub unkept: u64,
    pub explicit: bool,
}

#[derive(Clone, Debug)]
pub struct RemoteOptions {
    /// It is to be sent remote write 2.0.
    pub second: bool,
    pub connections: usize,
    /// As many there may be.
    pub connections_max: usize,
    pub samples_max: usize,
    pub bytes_max: usize,
    pub block_max: usize,
    /// Samples may come in any order; what is new goes ahead of a backlog, which goes at most at this rate a second.
    pub any_order: bool,
    pub backfill_rate: u64,
    pub batch_deadline: Duration,
    pub timeout: Duration,
    pub from_oldest: bool,
    pub patience: Duration,
    pub filter: bool,
    /// Thousandths of requests.
    pub error: u64,
    pub unavailable: u64,
    pub too_many: u64,
    pub late: u64,
    pub lost_answer: u64,
    pub cut_answer: u64,
    pub garbage: u64,
    pub unkept: u64,
    pub poison: bool,
    /// Rejects whole requests that hold one sample not newer than what it has, as an in-order receiver does.
    pub in_order: bool,
    /// Answers 413 above so many uncompressed bytes.
    pub size_limit: Option<usize>,
    /// Outages and refusals come at random for so long each.
    pub outage_every: Option<Duration>,
    pub outage_max: Duration,
    pub latency_us: u64,
}

#[derive(Clone, Debug, Default)]
pub struct NetFaults {
    pub latency_us: u64,
    pub partial: u64,
    pub refuse: u64,
    pub black_hole: u64,
    pub reset: u64,
}

#[derive(Clone, Debug, Default)]
pub struct DiskFaults {
    pub late: u64,
    pub full: u64,
    pub delay_us: u64,
    /// Chances of answers that say no.
    pub cursor_error: u64,
    pub load_error: u64,
    /// Half of the syncs are said to be done, and nothing is.
    pub lies: bool,
}

impl DiskFaults {
    pub fn is_prompt(&self) -> bool {
        self.late == 0 && self.delay_us <= 2000
    }
}

/// Half of the seeds leave a fault out; the others have it at a rate of up to `most` thousandths.
fn rate(random: &mut Random, most: u64) -> u64 {
    if random.chance(1, 2) { 0 } else { 1 + random.below(most) }
}

fn some(random: &mut Random, share: u64, low_s: u64, high_s: u64) -> Option<Duration> {
    random
        .chance(share, 100)
        .then(|| Duration::from_millis(low_s * 1000 + random.below((high_s - low_s) * 1000)))
}

fn pick<T: Copy>(random: &mut Random, from: &[T]) -> T {
    from[random.below(from.len() as u64) as usize]
}

/// Most worlds are small: their segments are too, so that few samples fill and retire many of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    Small,
    Middle,
    /// Segments as large as the smallest real ones, and load enough for several of them.
    Large,
}

/// How much of everything.
struct Load {
    targets: usize,
    series_max: u32,
    label_bytes: usize,
    intervals_ms: Vec<u64>,
    safety_s: u64,
}

impl Load {
    fn new(size: Size, r: &mut Random) -> Load {
        let intervals = |r: &mut Random, from: &[u64]| -> Vec<u64> {
            (0..1 + r.below(3)).map(|_| pick(r, from)).collect()
        };
        match size {
            Size::Small => Load {
                targets: 1 + r.below(3) as usize,
                series_max: pick(r, &[1, 5, 5, 20]),
                label_bytes: pick(r, &[0, 10, 60, 300]),
                intervals_ms: intervals(r, &[1000, 1000, 2000, 5000]),
                safety_s: 15 + r.below(60),
            },
            Size::Middle => Load {
                targets: 1 + r.below(8) as usize,
                series_max: pick(r, &[5, 20, 50]),
                label_bytes: pick(r, &[0, 10, 60, 300]),
                intervals_ms: intervals(r, &[1000, 2000, 5000, 15_000]),
                safety_s: 30 + r.below(150),
            },
            Size::Large => Load {
                targets: 10,
                series_max: 60,
                label_bytes: pick(r, &[60, 300]),
                intervals_ms: vec![1000],
                safety_s: 60 + r.below(60),
            },
        }
    }

    /// As small as may be without a disk that is merely slow being full for the log.
    fn segment_bytes(&self, size: Size, r: &mut Random) -> usize {
        if size == Size::Large {
            return SEGMENT_BYTES_MIN;
        }
        let interval = *self.intervals_ms.iter().min().expect("an interval") as usize;
        let a_scrape = 40 + (self.series_max as usize + 6) * 9;
        let ten_seconds = self.targets * a_scrape * 10_000 / interval;
        let least = (ten_seconds + 4096).next_multiple_of(4096).max(8192);
        (least * pick(r, &[1, 1, 2, 4])).min(SEGMENT_BYTES_MIN)
    }
}

impl Options {
    pub fn new(seed: u64) -> Options {
        let mut random = Random::new(seed ^ 0x5eed);
        let r = &mut random;
        let size = match r.below(100) {
            0 => Size::Large,
            1..=12 => Size::Middle,
            _ => Size::Small,
        };
        let load = Load::new(size, r);
        let segment_bytes = load.segment_bytes(size, r);
        let shards = (0..8).map(|_| 1 + r.below(3) as usize).collect::<Vec<_>>();
        let resized = r.chance(1, 3);
        let one_shard = !resized && shards[0] == 1;
        let mut options = Options {
            seed,
            size,
            shards: if resized { shards } else { vec![shards[0]; 8] },
            segment_bytes,
            targets: load.targets,
            series_max: load.series_max,
            label_bytes: load.label_bytes,
            intervals_ms: load.intervals_ms,
            safety: Duration::from_secs(load.safety_s),
            exporter: ExporterFaults::new(r, size == Size::Large),
            endpoints: (0..1 + r.below(2)).map(|n| RemoteOptions::new(r, n == 0)).collect(),
            net: NetFaults {
                latency_us: pick(r, &[10, 300, 5_000, 60_000]),
                partial: rate(r, 500),
                refuse: rate(r, 60),
                black_hole: rate(r, 30),
                reset: rate(r, 30),
            },
            disk: DiskFaults {
                late: rate(r, 300),
                full: if r.chance(1, 5) { 300 + r.below(500) } else { 0 },
                delay_us: pick(r, &[50, 2_000, 200_000]),
                cursor_error: if r.chance(1, 8) { 400 } else { rate(r, 30) },
                load_error: rate(r, 200),
                lies: false,
            },
            kill_every: some(r, 60, 5, 60),
            stop_share: pick(r, &[0, 300, 1000]),
            wall_jump_every: some(r, 15, 10, 60),
            wall_jumps_back: r.chance(1, 2),
            target_change_every: some(r, 40, 5, 60),
            reload_every: some(r, 30, 5, 60),
            turn_delay_us: pick(r, &[1, 100, 3_000]),
            stall: rate(r, 10),
            drain_between_events: r.chance(1, 2),
            metric_relabel: r.chance(1, 4),
            shared: one_shard && r.chance(1, 2),
            budget: r.chance(1, 8).then(|| r.below(6)),
            power_cuts: r.chance(1, 8),
        };
        options.disk.lies = options.power_cuts && options.disk.load_error % 3 == 1;
        options
    }
}

impl ExporterFaults {
    fn new(r: &mut Random, large: bool) -> ExporterFaults {
        ExporterFaults {
            churn: if large { 900 } else { rate(r, 600) },
            shuffle: rate(r, 100),
            duplicate: rate(r, 100),
            malformed: rate(r, 80),
            error: rate(r, 80),
            hang: rate(r, 40),
            slow: rate(r, 80),
            cut: rate(r, 40),
            garbage: rate(r, 30),
            gzip: r.chance(1, 2),
            chunked: rate(r, 600),
            unkept: rate(r, 200),
            explicit: r.chance(1, 8),
        }
    }
}

impl Options {
    /// What the definitions of all series take, about.
    pub fn definition_bytes(&self) -> u64 {
        let series = self.targets as u64 * (u64::from(self.series_max) + 6);
        series * (self.label_bytes as u64 + 120)
    }

    /// Time does not only grow: what the order of timestamps says then is little.
    pub fn jumps_back(&self) -> bool {
        self.wall_jumps_back && self.wall_jump_every.is_some()
    }
}

impl ExporterFaults {
    /// Pages go on changing, and come whole.
    pub fn stop(&mut self) {
        (self.malformed, self.error, self.hang, self.slow) = (0, 0, 0, 0);
        (self.cut, self.garbage) = (0, 0);
    }
}

impl RemoteOptions {
    fn new(r: &mut Random, first: bool) -> RemoteOptions {
        let connections = pick(r, &[1, 1, 2, 4]);
        let mut options = RemoteOptions {
            second: false,
            connections,
            connections_max: connections,
            samples_max: pick(r, &[1, 7, 100, 2000, 10_000]).max(if connections > 2 {
                100
            } else {
                7
            }),
            bytes_max: pick(r, &[20_000, 4 << 20]),
            block_max: 1_000_000,
            any_order: false,
            backfill_rate: 0,
            batch_deadline: Duration::from_millis(pick(r, &[0, 0, 200, 5000])),
            timeout: Duration::from_secs(pick(r, &[1, 5, 30])),
            from_oldest: first || r.chance(1, 2),
            filter: !first && r.chance(1, 2),
            error: rate(r, 150),
            unavailable: rate(r, 60),
            too_many: rate(r, 60),
            late: rate(r, 40),
            lost_answer: rate(r, 60),
            cut_answer: rate(r, 40),
            garbage: rate(r, 20),
            unkept: rate(r, 100),
            poison: r.chance(1, 5),
            in_order: r.chance(1, 6),
            // A 413 to less than 4 KiB is not taken for one about size.
            size_limit: r.chance(1, 5).then(|| (4_000 + r.below(40_000) as usize).max(4 << 10)),
            outage_every: some(r, 40, 10, 60),
            outage_max: Duration::from_secs(pick(r, &[3, 20, 60])),
            latency_us: pick(r, &[100, 5_000, 100_000]),
            patience: Duration::ZERO,
        };
        options.patience = Duration::from_secs([120, 2, 0][options.late as usize % 3]);
        options.connections_max = connections.max([1, 4, 4, 2][options.lost_answer as usize % 4]);
        options.any_order = !options.in_order && options.error % 3 == 1;
        options.backfill_rate = [0, 0, 200][options.too_many as usize % 3];
        options.block_max = [1_000_000, 2_000][options.garbage as usize % 2];
        options
    }
}
