//! Remotes: strict remote-write 1.0 receivers with bad days. They keep everything they were given, by series, and
//! notice what a receiver may hold against a sender.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use corelane::base::{Instant, Now, Random, stable_hash};
use corelane::model::is_stale;

use crate::clock::{ms, us};
use crate::exporter::{ENDPOINT_DROPS, PAGE_SERIES};
use crate::net::{Answer, Ending};
use crate::swarm::{Options, RemoteOptions};
use crate::wire::{Given, WireSeries, second_request, write_request};

/// One shard of one process life: who sent a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sender {
    pub life: u32,
    pub shard: u16,
}

/// How a sample was refused.
#[derive(Clone, Copy, Debug, Default)]
pub struct Refused {
    /// The last time, its sender had every reason to split the request.
    pub knew: bool,
    /// It was tried alone.
    pub alone: bool,
}

#[derive(Debug)]
pub struct Remote {
    pub index: usize,
    pub options: RemoteOptions,
    pub mode: Mode,
    /// Configurations change: another number of connections sends scrapes again that were sent in part.
    reloads: bool,
    /// Log order is the order of timestamps: not so once wall clocks jump back and nobody remembers; nor, if the
    /// process dies before it has stored that something was shed, for that and what was sent instead.
    pub timely: bool,
    /// A reload has taken it out, or changed what it filters.
    pub changed: bool,
    /// Last digit of the keys that are filtered since then, in milliseconds of wall time.
    pub filters: Option<(u32, i64)>,
    /// No two scrapes of a target have the same timestamp: not so once wall clocks are set back.
    unique: bool,
    /// By series, the newest sample that came after a newer one: where any order will do, those are in order all the
    /// same.
    late: HashMap<usize, i64>,
    /// Bad answers only while this holds.
    pub faults: bool,
    pub series: Vec<Stored>,
    /// By the hash of the labels as they are written.
    by_labels: HashMap<u64, usize>,
    pub requests: Vec<Request>,
    /// Shards, by number, that were acknowledged in some life and know it: they store a cursor that says so.
    pub acquainted: BTreeSet<u16>,
    /// Who was asked to wait, until when.
    quiet: BTreeMap<Sender, Instant>,
    /// Pages of each target that have arrived, by its page series: in log order, but for what comes again.
    pages: BTreeMap<usize, BTreeSet<u64>>,
    pub sheds: bool,
    pub duplicates: u64,
    /// Duplicates of samples acknowledged to an earlier life.
    pub resent: Vec<Resent>,
    /// Samples refused with 400, by series and timestamp.
    pub refused: BTreeMap<(usize, i64), Refused>,
    pub stored_samples: u64,
    /// Samples, oldest and newest timestamp of the last request, for the trace.
    pub span: [i64; 3],
    raw: Vec<u8>,
    random: Random,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Well,
    Refusing,
    BlackHole,
    Hanging,
    Status(u16),
}

/// A series as this remote knows it: samples by rising timestamp.
#[derive(Debug)]
pub struct Stored {
    pub labels: Vec<(String, String)>,
    /// The labels as they are written.
    written: Vec<u8>,
    /// Last digit of its key: by it an endpoint drops series.
    digit: Option<u32>,
    pub samples: Vec<Sample>,
}

#[derive(Clone, Copy, Debug)]
pub struct Sample {
    pub timestamp: i64,
    pub value: f64,
    /// When its sender got to know.
    acknowledged: Option<(Sender, Instant)>,
}

/// A sample that came again after its acknowledgement, and to whom and when that went.
#[derive(Clone, Copy, Debug)]
pub struct Resent {
    pub owner: Sender,
    pub acknowledged: Instant,
    pub series: usize,
    pub timestamp: i64,
}

#[derive(Debug)]
pub struct Request {
    pub sender: Sender,
    samples: Vec<(usize, i64)>,
    /// The answer says 2xx.
    pub good: bool,
    /// The answer says when to come again.
    after: Duration,
}

impl Remote {
    pub fn new(index: usize, world: &Options) -> Remote {
        let unique = !world.jumps_back();
        Remote {
            index,
            options: world.endpoints[index].clone(),
            mode: Mode::Well,
            reloads: world.reload_every.is_some(),
            timely: unique,
            unique,
            changed: false,
            filters: None,
            late: HashMap::new(),
            faults: true,
            series: Vec::new(),
            by_labels: HashMap::new(),
            requests: Vec::new(),
            acquainted: BTreeSet::new(),
            quiet: BTreeMap::new(),
            pages: BTreeMap::new(),
            sheds: false,
            duplicates: 0,
            resent: Vec::new(),
            refused: BTreeMap::new(),
            stored_samples: 0,
            span: [0; 3],
            raw: Vec::new(),
            random: Random::new(world.seed ^ stable_hash(&[index as u8, 0x4e])),
        }
    }

    pub fn host(index: usize) -> String {
        format!("remote-{index}")
    }

    pub fn url(index: usize) -> String {
        format!("http://{}:9009/api/v1/write", Remote::host(index))
    }

    /// Name of the file in which a shard stores how far this remote is.
    pub fn cursor_file(&self) -> String {
        corelane::send::cursor_file(&Remote::url(self.index))
    }

    /// The shard has read the whole of a good answer.
    pub fn told(&mut self, request: usize, now: Now) {
        let Request { sender, good, after, .. } = self.requests[request];
        self.quiet.insert(sender, now.instant + after);
        let samples = std::mem::take(&mut self.requests[request].samples);
        if !good {
            return;
        }
        // An empty request asks whether anything is taken; who has sent nothing else is still a stranger.
        if !samples.is_empty() {
            self.acquainted.insert(sender.shard);
        }
        for (series, timestamp) in samples {
            let stored = &mut self.series[series].samples;
            if let Ok(at) = stored.binary_search_by_key(&timestamp, |sample| sample.timestamp) {
                stored[at].acknowledged = Some((sender, now.instant));
            }
        }
    }

    /// Answers one whole request.
    pub fn answer(&mut self, head: &str, body: &[u8], sender: Sender, now: Instant) -> Answer {
        let until = self.quiet.get(&sender).copied().unwrap_or(Instant(0));
        // Several connections are asked one by one, and a new configuration begins anew.
        let one = self.options.connections_max == 1 && !self.options.any_order;
        let single = one && !self.reloads;
        assert!(
            !single || until <= now,
            "{sender:?} was asked to wait until {until:?}, not {now:?}"
        );
        let second = head.contains(SECOND);
        let request = self.read(head, body);
        self.span = span(&request);
        let size = snap::raw::decompress_len(body).expect("counted before");
        let latency = us(self.random.below(self.options.latency_us + 1));
        if second && self.index % 2 == 1 {
            let tag = self.note(sender, Vec::new());
            return self.reply(415, "", latency, tag);
        }
        let refusal = self.refusal(size);
        if let Some((status, stores, headers)) = refusal {
            let samples = if stores { self.store(&request, sender) } else { Vec::new() };
            let tag = self.note(sender, samples);
            let after = headers.strip_prefix("Retry-After: ").and_then(|s| s.trim().parse().ok());
            self.requests[tag].after = Duration::from_secs(after.unwrap_or(0));
            let answer = self.reply(status, headers, latency, tag);
            return self.spoilt(answer);
        }
        if let Some(stores_rest) = self.poisoned(&request, sender) {
            let whole = self.split_off_poison(request, sender, stores_rest);
            let tag = self.note(sender, whole);
            let status = [400, 400, 409, 422][self.random.below(4) as usize];
            let answer = self.reply(status, "", latency, tag);
            return self.spoilt(answer);
        }
        let samples = self.store(&request, sender);
        let tag = self.note(sender, samples);
        self.requests[tag].good = true;
        let status = [200, 204][self.random.below(2) as usize];
        let written = match second {
            true => format!("X-Prometheus-Remote-Write-Samples-Written: {}\r\n", request.len()),
            false => String::new(),
        };
        let answer = self.reply(status, &written, latency, tag);
        self.spoilt(answer)
    }

    fn note(&mut self, sender: Sender, samples: Vec<(usize, i64)>) -> usize {
        self.requests.push(Request { sender, samples, good: false, after: Duration::ZERO });
        self.requests.len() - 1
    }

    fn read(&mut self, head: &str, body: &[u8]) -> Vec<Given> {
        check_head(head);
        let mut bytes = std::mem::take(&mut self.raw);
        bytes.resize(snap::raw::decompress_len(body).expect("a request is Snappy"), 0);
        let decoder = &mut snap::raw::Decoder::new();
        decoder.decompress(body, &mut bytes).expect("a request is Snappy");
        assert!(
            bytes.len() <= self.options.bytes_max.max(2000),
            "S3: request of {} bytes, limit {}",
            bytes.len(),
            self.options.bytes_max
        );
        let mut samples = Vec::new();
        if head.contains(SECOND) {
            for (labels, value, timestamp) in second_request(&bytes) {
                let series = self.intern(&labels);
                samples.push(Given { series, value, timestamp });
            }
        } else {
            for WireSeries { labels, samples: given } in write_request(&bytes) {
                let series = self.intern(labels);
                samples.extend(given.map(|(value, timestamp)| Given { series, value, timestamp }));
            }
        }
        assert!(samples.len() <= self.options.samples_max, "S3: {} samples", samples.len());
        let fits = body.len() <= self.options.block_max || samples.len() <= 1;
        assert!(fits, "S3: {} bytes, compressed", body.len());
        self.raw = bytes;
        samples
    }

    /// The series' number here; its labels must be as the specification wants them.
    fn intern(&mut self, written: &[u8]) -> usize {
        let hash = stable_hash(written);
        if let Some(&at) = self.by_labels.get(&hash) {
            assert_eq!(self.series[at].written, written, "two series with one hash");
            return at;
        }
        let labels = crate::wire::labels(written);
        assert!(labels.is_sorted_by(|a, b| a.0 < b.0), "labels not sorted or repeated: {labels:?}");
        assert!(labels.iter().all(|(n, v)| !n.is_empty() && !v.is_empty()), "empty: {labels:?}");
        assert!(labels.iter().any(|(name, _)| name == "__name__"), "no name: {labels:?}");
        let same = self.series.iter().any(|known| known.labels == labels);
        assert!(!same, "the labels of a series are written in two ways: {labels:?}");
        let key = labels.iter().find(|(name, _)| name == "key");
        let digit = key.and_then(|(_, key)| key.parse::<u32>().ok()).map(|key| key % 10);
        self.series.push(Stored { labels, written: written.to_vec(), digit, samples: Vec::new() });
        self.by_labels.insert(hash, self.series.len() - 1);
        self.series.len() - 1
    }

    /// Status, whether the samples are kept all the same, and headers; `None`: nothing speaks against the request.
    fn refusal(&mut self, size: usize) -> Option<(u16, bool, &'static str)> {
        if let Mode::Status(status) = self.mode {
            return Some((status, false, ""));
        }
        if self.options.size_limit.is_some_and(|limit| size > limit) {
            return Some((413, false, ""));
        }
        if !self.faults {
            return None;
        }
        let options = &self.options;
        if self.random.chance(options.error, 1000) {
            let stores = !options.poison && !options.in_order && self.random.chance(1, 4);
            return Some((500, stores, ""));
        }
        if self.random.chance(options.unavailable, 1000) {
            return Some((503, false, "Retry-After: 2\r\n"));
        }
        if self.random.chance(options.too_many, 1000) {
            return Some((429, false, ["Retry-After: 1\r\n", ""][self.random.below(2) as usize]));
        }
        None
    }

    /// `Some(true)`: one sample is refused and the others are kept; `Some(false)`: all of the request is.
    fn poisoned(&mut self, request: &[Given], sender: Sender) -> Option<bool> {
        let old = self.options.in_order
            && request.iter().any(|sample| {
                let last = self.series[sample.series].samples.last();
                last.is_some_and(|last| sample.timestamp <= last.timestamp)
            });
        if old {
            return Some(false);
        }
        // Once refused, refused for ever; and nothing is refused for the first time to one who knows no better.
        let knows = self.acquainted.contains(&sender.shard);
        let poison = self.options.poison
            && request.iter().any(|&Given { series, timestamp, .. }| {
                (knows || self.refused.contains_key(&(series, timestamp)))
                    && is_poison(&self.series[series], timestamp)
            });
        poison.then(|| self.random.chance(1, 3))
    }

    fn split_off_poison(
        &mut self,
        mut request: Vec<Given>,
        sender: Sender,
        stores_rest: bool,
    ) -> Vec<(usize, i64)> {
        let knew = self.acquainted.contains(&sender.shard);
        let alone = request.len() == 1;
        request.retain(|&Given { series, timestamp, .. }| {
            let good = stores_rest && !is_poison(&self.series[series], timestamp);
            if !good {
                let refused = self.refused.entry((series, timestamp)).or_default();
                (refused.knew, refused.alone) = (knew, refused.alone || alone);
            }
            good
        });
        self.store(&request, sender)
    }

    fn store(&mut self, request: &[Given], sender: Sender) -> Vec<(usize, i64)> {
        for sample in request {
            self.store_one(sample, sender);
        }
        request.iter().map(|sample| (sample.series, sample.timestamp)).collect()
    }

    /// L4 where timestamps say little: pages are numbered.
    fn note_page(&mut self, sample: &Given) {
        let labels = &self.series[sample.series].labels;
        let numbers = labels.iter().any(|(_, value)| value == PAGE_SERIES);
        if !numbers || is_stale(sample.value) || self.sheds || self.options.any_order {
            return;
        }
        let (page, pages) = (sample.value as u64, self.pages.entry(sample.series).or_default());
        if pages.insert(page) {
            assert_eq!(pages.last(), Some(&page), "L4: page {page} of {labels:?} is late");
        }
    }

    fn store_one(&mut self, sample: &Given, sender: Sender) {
        let (timely, unique) = (self.timely, self.unique);
        let series = sample.series;
        self.note_page(sample);
        let Stored { labels, samples, digit, .. } = &mut self.series[series];
        // Under new rules, what was dropped under the old ones may come with a resend.
        let drops = digit.is_some_and(|digit| ENDPOINT_DROPS.contains(&digit));
        let timely = timely && !(drops && self.changed);
        if let (Some(digit), Some((filtered, since))) = (digit, self.filters) {
            let new = unique && sample.timestamp > since + 5000;
            assert!(!new || *digit != filtered, "the rules drop {labels:?} since {since}");
        }
        // Nearly all come at the end.
        let newest = samples.last().is_none_or(|last| last.timestamp < sample.timestamp);
        let found = if newest {
            Err(samples.len())
        } else {
            samples.binary_search_by_key(&sample.timestamp, |sample| sample.timestamp)
        };
        match found {
            Ok(at) => {
                let known = samples[at];
                assert!(
                    known.value.to_bits() == sample.value.to_bits() || !timely,
                    "two values of {labels:?} at {}: {} and {}",
                    sample.timestamp,
                    known.value,
                    sample.value
                );
                self.duplicates += 1;
                // Where timestamps do not tell scrapes apart, only the page's number does.
                let names_page = labels.iter().any(|(_, value)| value == PAGE_SERIES)
                    && known.value.to_bits() == sample.value.to_bits()
                    && !is_stale(sample.value);
                if let Some((owner, at)) = known.acknowledged.filter(|_| unique || names_page) {
                    assert!(
                        owner.life != sender.life || self.reloads,
                        "L5: resent after its acknowledgement in the same life: {labels:?} at {}",
                        sample.timestamp
                    );
                    self.resent.push(Resent {
                        owner,
                        acknowledged: at,
                        series,
                        timestamp: sample.timestamp,
                    });
                }
            }
            Err(at) => {
                let in_order = if self.options.any_order {
                    let late = self.late.entry(series).or_insert(i64::MIN);
                    let newest = at == samples.len();
                    newest || sample.timestamp > core::mem::replace(late, sample.timestamp)
                } else {
                    at == samples.len()
                };
                assert!(
                    in_order || !timely,
                    "L4: {labels:?} at {} ({}) comes after {:?}",
                    sample.timestamp,
                    sample.value,
                    &samples[samples.len().saturating_sub(3)..]
                );
                self.stored_samples += 1;
                let new =
                    Sample { timestamp: sample.timestamp, value: sample.value, acknowledged: None };
                samples.insert(at, new);
            }
        }
    }

    fn reply(&mut self, status: u16, headers: &str, delay: Duration, tag: usize) -> Answer {
        let unkept = self.faults && self.random.chance(self.options.unkept, 1000);
        let (close, ending) =
            if unkept { ("Connection: close\r\n", Ending::Close) } else { ("", Ending::Keep) };
        let text = if (200..300).contains(&status) { "" } else { "because of the sim" };
        let length = if status == 204 {
            String::new()
        } else {
            format!("Content-Length: {}\r\n", text.len())
        };
        let answer = format!("HTTP/1.1 {status} Words\r\n{headers}{close}{length}\r\n{text}");
        Answer { pieces: vec![(delay, answer.into_bytes())], ending, tag: Some(tag) }
    }

    /// What is left of an answer on the way.
    fn spoilt(&mut self, mut answer: Answer) -> Answer {
        if !self.faults {
            return answer;
        }
        let options = &self.options;
        let ends = [Ending::Close, Ending::Reset, Ending::Hang][self.random.below(3) as usize];
        if self.random.chance(options.late, 1000) {
            answer.pieces[0].0 = options.timeout + ms(self.random.below(2000));
        } else if self.random.chance(options.lost_answer, 1000) {
            answer = Answer { pieces: Vec::new(), ending: ends, tag: None };
        } else if self.random.chance(options.cut_answer, 1000) {
            // Never so much that a reader could take the head for whole.
            answer.pieces[0].1.truncate(1 + self.random.below(20) as usize);
            (answer.ending, answer.tag) = (ends, None);
        } else if self.random.chance(options.garbage, 1000) {
            answer.pieces[0].1 = b"\x00\x01 no protocol \r\n\r\n\r\n".to_vec();
            let ending = if self.random.chance(1, 2) { Ending::Close } else { Ending::Spoilt };
            (answer.ending, answer.tag) = (ending, None);
        }
        answer
    }
}

/// Content type of the other message.
const SECOND: &str = "application/x-protobuf;proto=io.prometheus.write.v2.Request";

fn check_head(head: &str) {
    let mut lines = head.split("\r\n");
    assert_eq!(lines.next(), Some("POST /api/v1/write HTTP/1.1"), "request line: {head:?}");
    let (kind, version) = match head.contains(SECOND) {
        true => (SECOND, "2.0.0"),
        false => ("application/x-protobuf", "0.1.0"),
    };
    let mut known = [
        ("content-encoding", "snappy", 0),
        ("content-type", kind, 0),
        ("x-prometheus-remote-write-version", version, 0),
    ];
    for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
        for (wanted, content, count) in &mut known {
            if name.eq_ignore_ascii_case(wanted) {
                assert_eq!(value, *content, "{name}");
                *count += 1;
            }
        }
    }
    assert!(known.iter().all(|(_, _, count)| *count == 1), "{known:?} in {head:?}");
}

fn span(request: &[Given]) -> [i64; 3] {
    let times = || request.iter().map(|sample| sample.timestamp);
    let bounds = (times().min().unwrap_or_default(), times().max().unwrap_or_default());
    [request.len() as i64, bounds.0, bounds.1]
}

/// One sample in fifty of the ordinary ones.
pub fn is_poison(series: &Stored, timestamp: i64) -> bool {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&timestamp.to_le_bytes());
    bytes[8..].copy_from_slice(&stable_hash(&series.written).to_le_bytes());
    stable_hash(&bytes).is_multiple_of(50)
}
