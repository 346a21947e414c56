//! One whole shard: pages in, acknowledged requests out, and its disk, all in memory. Time is simulated; what the
//! shard computes is real, and only that is measured.

use core::time::Duration;

use corelane::base::{Conn, Instant, Now, Timestamp, limits, stable_hash};
use corelane::http::Url;
use corelane::mail::{Assignment, EndpointPlan, Job, Notice, Order, Report, Transport};
use corelane::model::{HistogramRules, Labels, RemoteMessage, Scheme, StatusPolicy, Target, pack};
use corelane::shard::{Effect, Event, FoundLog, Plan, Shard};
use corelane::wal::{DiskAnswer, DiskRequest, Identity, Region};

use crate::harness::{Done, Page, Watch};

/// Starting scrapes; page bytes to log records; log to requests; everything else.
pub const STAGES: [&str; 4] = ["start", "scrape", "send", "rest"];
const START: usize = 0;
const SCRAPE: usize = 1;
const SEND: usize = 2;
const REST: usize = 3;

const START_MS: i64 = 1_767_225_600_000;
const INTERVAL: Duration = Duration::from_secs(10);
const JOB: &str = "kubelet";

/// What a world is made of.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    pub targets: usize,
    /// Per target.
    pub samples: usize,
    /// Share of the series that are new at each scrape.
    pub churn: f64,
    pub endpoint: bool,
    pub external_labels: bool,
}

#[derive(Clone, Copy, Debug)]
enum Peer {
    Target(usize),
    Remote,
}

#[derive(Debug)]
enum Incoming {
    Opened(Conn),
    Page(Conn, usize),
    Answer(Conn),
    Disk(DiskAnswer),
    Order(Order),
}

/// Made of a [`Setting`].
pub struct World {
    shard: Shard,
    now: Now,
    pages: Vec<Page>,
    peers: Vec<Peer>,
    inbox: Vec<Incoming>,
    /// Requests are not answered while this is set; their connections wait here.
    pub holding: bool,
    held: Vec<Conn>,
    spares: Vec<Region>,
    slots: u16,
    read: Vec<u8>,
    report: Option<Box<Report>>,
    bytes: u64,
    hash: u64,
}

impl World {
    pub fn new(setting: Setting) -> World {
        let now = Now { instant: Instant(1_000_000), timestamp: Timestamp(START_MS) };
        let identity = Identity { store: [7; 16], shard: 0, start: 1, epoch: 0 };
        let plan = Plan {
            shard: 0,
            identity,
            segment_bytes: limits::SEGMENT_BYTES_DEFAULT,
            seed: 11,
            phase_seed: 12,
            removed_grace: Duration::ZERO,
            sheds: true,
            syncs_each: false,
            logs: vec![FoundLog::default()],
            taken: Vec::new(),
        };
        let page = |target| Page::new(target, setting.samples, setting.churn);
        let targets = (0..setting.targets).map(target).collect();
        World {
            shard: Shard::new(plan, now),
            now,
            pages: (0..setting.targets).map(page).collect(),
            peers: Vec::new(),
            inbox: vec![
                Incoming::Order(Order::Assign(Box::new(assignment(setting)))),
                Incoming::Order(Order::Targets { job: JOB.to_owned(), targets }),
            ],
            holding: false,
            held: Vec::new(),
            spares: Vec::new(),
            slots: 0,
            read: Vec::new(),
            report: None,
            bytes: 0,
            hash: 0,
        }
    }

    /// Every target is scraped once, and what is due besides is done. Counts samples appended.
    pub fn interval(&mut self, watch: &mut Watch) -> Done {
        let before = self.report(watch).log.clone();
        (self.bytes, self.hash) = (0, 0);
        let until = self.now.instant + INTERVAL;
        self.run(until, watch);
        let (bytes, hash) = (self.bytes, self.hash);
        let after = &self.report(watch).log;
        let count = after.appended - before.appended;
        let logged = after.appended_bytes - before.appended_bytes;
        let series = after.series_created - before.series_created;
        Done { count, bytes, hash: hash ^ count ^ logged << 24 ^ series << 48 }
    }

    /// What was held back is answered, and then all there is goes out. Counts samples acknowledged.
    pub fn drain(&mut self, watch: &mut Watch) -> Done {
        let acknowledged = |report: &Report| report.endpoints[0].acknowledged;
        let before = acknowledged(self.report(watch));
        (self.bytes, self.hash) = (0, 0);
        self.holding = false;
        self.inbox.extend(self.held.drain(..).map(Incoming::Answer));
        self.run(self.now.instant, watch);
        let (bytes, hash) = (self.bytes, self.hash);
        let count = acknowledged(self.report(watch)) - before;
        Done { count, bytes, hash }
    }

    /// Panics unless all that was appended has been acknowledged.
    pub fn check(&mut self, watch: &mut Watch) {
        let report = self.report(watch);
        assert!(report.log.appended > 0 && report.scrape.scrapes_failed == 0);
        assert_eq!(report.scrape.refused.total(), 0, "{:?}", report.scrape);
        for endpoint in &report.endpoints {
            assert_eq!(endpoint.acknowledged, report.log.appended, "{endpoint:?}");
        }
    }

    fn run(&mut self, until: Instant, watch: &mut Watch) {
        loop {
            let due = watch.time(REST, || self.shard.deadline(self.now.instant));
            if self.inbox.is_empty() {
                if due > until {
                    break;
                }
                self.advance(due.max(self.now.instant));
            }
            self.turn(watch);
        }
        self.advance(until);
    }

    fn advance(&mut self, to: Instant) {
        self.now.instant = to;
        self.now.timestamp = Timestamp(START_MS + (to.0 / 1_000_000) as i64);
    }

    /// As a driver does: everything that came, then a tick.
    fn turn(&mut self, watch: &mut Watch) {
        let inbox = core::mem::take(&mut self.inbox);
        let tick = if inbox.is_empty() { START } else { SEND };
        for incoming in inbox {
            let now = self.now;
            let event = match incoming {
                Incoming::Page(conn, target) => {
                    self.serve(conn, target, watch);
                    continue;
                }
                Incoming::Opened(conn) => Event::Opened(conn),
                Incoming::Answer(conn) => {
                    Event::Read(conn, b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n")
                }
                Incoming::Disk(answer) => Event::Disk(answer),
                Incoming::Order(order) => Event::Order(order),
            };
            watch.time(REST, || self.shard.handle(now, event));
        }
        self.effects(watch);
        watch.time(tick, || self.shard.handle(self.now, Event::Tick));
        self.effects(watch);
    }

    /// The page, in pieces as large as a driver's reads, each in the buffer that the driver would use.
    fn serve(&mut self, conn: Conn, target: usize, watch: &mut Watch) {
        self.pages[target].turn(self.now.timestamp.0 as u64 * 1000);
        self.bytes += self.pages[target].answer().len() as u64;
        for piece in self.pages[target].answer().chunks(limits::READ_BYTES) {
            self.read.clear();
            self.read.extend_from_slice(piece);
            let event = Event::Read(conn, &self.read);
            watch.time(SCRAPE, || self.shard.handle(self.now, event));
        }
    }

    fn effects(&mut self, watch: &mut Watch) {
        while let Some(effect) = watch.time(REST, || self.shard.effect()) {
            self.effect(effect, watch);
        }
    }

    fn effect(&mut self, effect: Effect, watch: &mut Watch) {
        match effect {
            Effect::Open { conn, route } => {
                let peer = match route.host.strip_prefix("target-") {
                    Some(number) => Peer::Target(number.parse().expect("a number")),
                    None => Peer::Remote,
                };
                let at = conn.0 as usize;
                if self.peers.len() <= at {
                    self.peers.resize(at + 1, Peer::Remote);
                }
                self.peers[at] = peer;
                self.inbox.push(Incoming::Opened(conn));
            }
            Effect::Write(conn) => self.write(conn, watch),
            Effect::Disk(request) => self.disk(request),
            Effect::Notice(Notice::Report(report)) => self.report = Some(report),
            // There is one epoch only, so all may be sent.
            Effect::Notice(Notice::Epoch { endpoint, .. }) => {
                let order = Order::Release { endpoint, epoch: 0 };
                self.inbox.push(Incoming::Order(order));
            }
            Effect::Notice(notice) => panic!("{notice:?}"),
            Effect::Close(_) | Effect::Pause(_) | Effect::Resume(_) | Effect::Stopped => {
                panic!("{effect:?}");
            }
        }
    }

    fn write(&mut self, conn: Conn, watch: &mut Watch) {
        let bytes = self.shard.outgoing(conn);
        let len = bytes.len();
        match self.peers[conn.0 as usize] {
            Peer::Target(target) => self.inbox.push(Incoming::Page(conn, target)),
            Peer::Remote => {
                self.hash = self.hash.rotate_left(5) ^ stable_hash(bytes);
                self.bytes += len as u64;
                if self.holding {
                    self.held.push(conn);
                } else {
                    self.inbox.push(Incoming::Answer(conn));
                }
            }
        }
        watch.time(REST, || self.shard.handle(self.now, Event::Wrote(conn, len)));
    }

    /// Files are used again, so that after a while no memory is new.
    fn disk(&mut self, request: DiskRequest) {
        let answer = match request {
            DiskRequest::Quarantine { .. } => DiskAnswer::Quarantined { error: None },
            DiskRequest::Prepare { kind } => {
                self.slots = self.slots.wrapping_add(1);
                let new = || Region::heap(limits::SEGMENT_BYTES_DEFAULT);
                let region = self.spares.pop().unwrap_or_else(new);
                let below = u32::MAX;
                self.inbox.push(Incoming::Order(Order::Truncate { log: 0, below }));
                DiskAnswer::Prepared { kind, slot: self.slots, region }
            }
            DiskRequest::StoreCursor { log, file, sequence, .. } => {
                DiskAnswer::CursorStored { log, file, sequence }
            }
            DiskRequest::Release(region) => return self.spares.push(region),
            DiskRequest::Retire { region, .. } => return self.spares.extend(region),
            DiskRequest::Sync => DiskAnswer::Synced,
            DiskRequest::DeleteCursor { .. }
            | DiskRequest::Keep { .. }
            | DiskRequest::Load { .. }
            | DiskRequest::RemoveLog { .. } => panic!("nothing of the kind is expected"),
        };
        self.inbox.push(Incoming::Disk(answer));
    }

    fn report(&mut self, watch: &mut Watch) -> &Report {
        let order = Order::Report { number: 1, targets: false };
        self.shard.handle(self.now, Event::Order(order));
        self.effects(watch);
        self.report.as_ref().expect("a report was asked for")
    }
}

fn target(number: usize) -> Target {
    let address = format!("target-{number}:9100");
    let labels = [("instance", address.as_str()), ("job", JOB)];
    Target {
        labels: labels.into_iter().collect(),
        discovered: Labels::default(),
        scheme: Scheme::Http,
        address,
        unix_socket: String::new(),
        path: "/metrics".to_owned(),
        interval: INTERVAL,
        timeout: INTERVAL,
        histograms: HistogramRules::default(),
    }
}

fn assignment(setting: Setting) -> Assignment {
    let mut external_labels = Vec::new();
    if setting.external_labels {
        let labels = [("cluster", "edge-17"), ("replica", "a")];
        pack(labels.into_iter(), &mut external_labels);
    }
    let job = Job {
        name: JOB.to_owned(),
        honor_timestamps: true,
        headers: owned(&[
            (
                "Accept",
                "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.3",
            ),
            ("Accept-Encoding", "gzip"),
            ("User-Agent", "bench/1"),
        ]),
        transport: Transport { follow_redirects: true, ..Transport::default() },
        ..Job::default()
    };
    Assignment {
        generation: 1,
        jobs: vec![job],
        endpoints: if setting.endpoint { vec![endpoint()] } else { Vec::new() },
        external_labels,
        ..Assignment::default()
    }
}

fn endpoint() -> EndpointPlan {
    let url = "http://remote:9009/api/v1/write";
    EndpointPlan {
        name: "remote".to_owned(),
        identity: url.to_owned(),
        formerly: None,
        url: Url::parse(url).expect("a URL"),
        headers: owned(&[("Content-Encoding", "snappy"), ("User-Agent", "bench/1")]),
        transport: Transport::default(),
        tls: 0,
        relabel: Vec::new(),
        connections_min: 1,
        connections_max: 1,
        samples_max: limits::REQUEST_SAMPLES,
        block_max: 1_000_000,
        bytes_max: limits::REQUEST_BYTES,
        batch_deadline: Duration::ZERO,
        timeout: Duration::from_secs(1 << 20),
        backoff_min: Duration::from_millis(30),
        backoff_max: Duration::from_secs(5),
        retry_429: true,
        out_of_order_ok: false,
        backfill_rate: None,
        status_policy: StatusPolicy::default(),
        sample_age_limit: Duration::ZERO,
        message: RemoteMessage::V1,
        send_native_histograms: true,
        send_exemplars: true,
        metadata_interval: None,
        metadata_max: 1,
        from_oldest: false,
        patience: Duration::ZERO,
    }
}

fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}
