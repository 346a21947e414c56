//! Exporters: pages whose every value says which page it stood on, so that a sample found at a remote can be traced
//! to the moment it was served.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;
use std::io::Write as _;
use std::time::Duration;

use corelane::base::{Instant, Now, Random, stable_hash};
use corelane::model::{HistogramRules, NAN, Scheme, Target};

use crate::clock::ms;
use crate::net::{Answer, Ending};
use crate::swarm::{ExporterFaults, Options, Size};

/// The series that numbers the pages; in every page that is not empty.
pub const PAGE_SERIES: &str = "sim_page";
/// A series that several targets show with the same labels, in worlds that have it.
pub const SHARED_SERIES: &str = "sim_shared";
const SHARED: u32 = u32::MAX;
/// Keys of this remainder modulo 10 are dropped where the job relabels.
pub const JOB_DROPS: u32 = 7;
/// Keys of one of these remainders modulo 10 are dropped where the endpoint filters: the first, or another one after
/// a reload.
pub const ENDPOINT_DROPS: [u32; 2] = [3, 6];
/// Keys of this remainder modulo 11 carry their own timestamps, where exporters do that at all.
const EXPLICIT: u32 = 5;

#[derive(Debug)]
pub struct Exporter {
    pub job: String,
    pub target: Target,
    /// False while no shard is told to scrape it.
    pub wanted: bool,
    /// When it was taken away while others were not, by the wall clock.
    pub taken_away: Vec<i64>,
    pub pages: Vec<Page>,
    openmetrics: bool,
    gzip: bool,
    label_bytes: usize,
    shared: bool,
    series_max: u32,
    present: BTreeSet<u32>,
    next_key: u32,
    /// What stands before the value, by key.
    texts: HashMap<u32, String>,
    random: Random,
}

/// One answer to one scrape; its number is its index in [`Exporter::pages`].
#[derive(Clone, Debug)]
pub struct Page {
    pub life: u32,
    /// False: no shard may take a single sample of it.
    pub whole: bool,
    /// One line behind all good ones cannot be read.
    pub malformed: bool,
    /// Distinct series, in order.
    pub series: Vec<u32>,
    /// Lines with a sample, repeated series included.
    pub samples: u64,
    /// When the last byte was handed to the shard well before the scrape's time-out, and the shard came to rest
    /// afterwards: its samples are committed.
    pub certain: bool,
    /// When that was.
    pub committed: Instant,
    /// Directory and segment that the log was at before.
    pub place: (u16, u64),
}

/// The value of a series on a page: some small, some not compressible, some special.
pub fn value_of(key: u32, page: usize) -> f64 {
    let n = page as f64;
    match key % 8 {
        0 => n,
        1 => n + 0.1 * f64::from(key),
        2 => -n,
        3 => n * 1e9,
        4 => match page % 4 {
            0 => NAN,
            1 => f64::INFINITY,
            2 => f64::NEG_INFINITY,
            _ => n,
        },
        5 => 0.0,
        _ => {
            let mut bytes = [0; 12];
            bytes[..4].copy_from_slice(&key.to_le_bytes());
            bytes[4..].copy_from_slice(&(page as u64).to_le_bytes());
            (stable_hash(&bytes) >> 11) as f64 / 9e9
        }
    }
}

/// Name and labels of a series apart from its target's.
pub fn labels_of(key: u32, label_bytes: usize) -> (String, Vec<(String, String)>) {
    if key == 0 {
        return (PAGE_SERIES.to_owned(), Vec::new());
    }
    if key == SHARED {
        let labels = ["instance", "job"].map(|name| (name.to_owned(), "shared".to_owned()));
        return (SHARED_SERIES.to_owned(), labels.to_vec());
    }
    let mut labels = vec![("key".to_owned(), key.to_string())];
    if label_bytes > 0 {
        labels.push(("pad".to_owned(), format!("{key:x<label_bytes$}\\")));
    }
    (format!("sim_value_{}", key % 4), labels)
}

impl Exporter {
    pub fn new(index: usize, options: &Options) -> Exporter {
        let host = format!("exporter-{index}");
        let address = format!("{host}:9100");
        let interval = options.intervals_ms[index % options.intervals_ms.len()];
        let job = format!("job-{}", index % options.intervals_ms.len());
        let labels = [("job", job.as_str()), ("instance", address.as_str())];
        let mut random = Random::new(options.seed ^ stable_hash(host.as_bytes()));
        let series_max = if options.size != Size::Large {
            random.below(u64::from(options.series_max) + 1) as u32
        } else {
            options.series_max
        };
        Exporter {
            job: job.clone(),
            target: Target {
                labels: labels.into_iter().collect(),
                discovered: labels.into_iter().collect(),
                scheme: Scheme::Http,
                address,
                unix_socket: String::new(),
                path: "/metrics?of=sim".to_owned(),
                interval: ms(interval),
                timeout: ms(interval * (3 + random.below(7)) / 10),
                histograms: HistogramRules::default(),
            },
            wanted: true,
            taken_away: Vec::new(),
            pages: Vec::new(),
            openmetrics: index % 3 == 1,
            gzip: options.exporter.gzip && index.is_multiple_of(2),
            label_bytes: options.label_bytes,
            shared: options.shared && index < 3,
            series_max,
            present: (1..=series_max).collect(),
            next_key: series_max + 1,
            texts: HashMap::new(),
            random,
        }
    }

    pub fn explicit(&self, key: u32, faults: &ExporterFaults) -> bool {
        faults.explicit && !self.openmetrics && key % 11 == EXPLICIT
    }

    /// Answers a complete request head, and notes the page.
    pub fn answer(&mut self, head: &str, life: u32, now: Now, faults: &ExporterFaults) -> Answer {
        self.check(head);
        self.churn(faults);
        let number = self.pages.len();
        let series = self.order(faults);
        let mut samples = 0;
        let mut body = String::new();
        for &key in &series {
            let repeats =
                if key > 0 && self.random.chance(faults.duplicate, 20_000) { 2 } else { 1 };
            for repeat in 0..repeats {
                self.line(&mut body, key, number + repeat, now, faults);
                samples += 1;
            }
        }
        if self.shared {
            self.line(&mut body, SHARED, number, now, faults);
            samples += 1;
        }
        let malformed = self.random.chance(faults.malformed, 1000);
        if malformed {
            body.push_str(["broken{x=\"1\" 5\n", "a b c d\n", "a{x=\"\n\n", "1a 5\n"][number % 4]);
            self.line(&mut body, 0, number, now, faults);
        }
        if self.openmetrics {
            body.push_str("# EOF\n");
        }
        let (mut answer, intact) = self.envelope(body.as_bytes(), head, faults);
        self.pages.push(Page {
            life,
            whole: intact && !malformed,
            malformed,
            series,
            samples,
            certain: false,
            committed: Instant(0),
            place: (0, 0),
        });
        // A body that ends with its connection is complete only when that has closed.
        answer.tag = (answer.ending == Ending::Keep).then_some(number);
        answer
    }

    fn check(&self, head: &str) {
        let mut lines = head.split("\r\n");
        let first = lines.next().unwrap_or("");
        assert_eq!(first, "GET /metrics?of=sim HTTP/1.1", "request line of a scrape");
        let host = format!("host: {}", self.target.address);
        assert_eq!(
            lines.filter(|line| line.to_ascii_lowercase() == host).count(),
            1,
            "one Host header {host:?} in {head:?}"
        );
    }

    fn churn(&mut self, faults: &ExporterFaults) {
        if !self.random.chance(faults.churn, 1000) {
            return;
        }
        let changes = 1 + self.random.below(4);
        for _ in 0..changes {
            let gone = self.random.below(u64::from(self.next_key)) as u32;
            let gone = self.present.range(gone..).next().copied();
            if let Some(gone) = gone {
                self.present.remove(&gone);
            }
            if (self.present.len() as u32) < self.series_max {
                // New ones mostly, old ones sometimes: those come back with the ref they had, or with another.
                let back = self.random.chance(1, 4);
                let key = if back {
                    1 + self.random.below(u64::from(self.next_key) - 1) as u32
                } else {
                    self.next_key += 1;
                    self.next_key - 1
                };
                self.present.insert(key);
            }
        }
    }

    /// The keys of the next page, 0 for its number; empty for an empty page.
    fn order(&mut self, faults: &ExporterFaults) -> Vec<u32> {
        if faults.churn > 0 && self.random.chance(1, 100) {
            return Vec::new();
        }
        let mut order = vec![0];
        order.extend(&self.present);
        if self.random.chance(faults.shuffle, 1000) {
            for at in (1..order.len()).rev() {
                order.swap(at, self.random.below(at as u64 + 1) as usize);
            }
        }
        order
    }

    fn line(
        &mut self,
        body: &mut String,
        key: u32,
        number: usize,
        now: Now,
        faults: &ExporterFaults,
    ) {
        let text = self.texts.entry(key).or_insert_with(|| series_text(key, self.label_bytes));
        body.push_str(text);
        match value_of(key, number) {
            v if v.is_nan() => body.push_str(" NaN"),
            f64::INFINITY => body.push_str(" +Inf"),
            f64::NEG_INFINITY => body.push_str(" -Inf"),
            v => write!(body, " {v}").expect("to a string"),
        }
        if self.explicit(key, faults) {
            write!(body, " {}", now.timestamp.0 - 500).expect("to a string");
        }
        body.push('\n');
    }

    /// The page as an HTTP answer, with this exchange's fault; false if the page cannot be understood whole.
    fn envelope(&mut self, page: &[u8], head: &str, faults: &ExporterFaults) -> (Answer, bool) {
        let plain = |text: &str, ending| Answer {
            pieces: vec![(Duration::ZERO, text.as_bytes().to_vec())],
            ending,
            tag: None,
        };
        let r = &mut self.random;
        if r.chance(faults.error, 1000) {
            let status = ["500 Oops", "404 Not Found", "503 Busy"][r.below(3) as usize];
            let text = format!("HTTP/1.1 {status}\r\nContent-Length: 7\r\n\r\nsim_x 1");
            return (plain(&text, Ending::Keep), false);
        }
        if r.chance(faults.garbage, 1000) {
            return (plain("\u{0}\u{1}GARBAGE 99\n\n\r\n\r\nsim_x 1\n", Ending::Close), false);
        }
        if r.chance(faults.hang, 1000) {
            return (plain("", Ending::Hang), false);
        }
        let kind = if self.openmetrics {
            "application/openmetrics-text; version=1.0.0; charset=utf-8"
        } else {
            "text/plain; version=0.0.4; charset=utf-8"
        };
        let mut out = format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n").into_bytes();
        let mut body = page.to_vec();
        if self.gzip && head.to_ascii_lowercase().contains("accept-encoding: gzip") {
            out.extend_from_slice(b"Content-Encoding: gzip\r\n");
            let mut encoder =
                flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(page).expect("to memory");
            body = encoder.finish().expect("to memory");
        }
        let unkept = r.chance(faults.unkept, 1000);
        let ending = frame(r, &mut out, &body, unkept, faults);
        if r.chance(faults.cut, 1000) && ending != Ending::Close {
            let keep = out.len() - 6 - r.below(out.len() as u64 / 2) as usize;
            out.truncate(keep);
            let ending = [Ending::Close, Ending::Reset, Ending::Hang][r.below(3) as usize];
            return (Answer { pieces: vec![(Duration::ZERO, out)], ending, tag: None }, false);
        }
        let pieces =
            if r.chance(faults.slow, 1000) { drip(r, &out) } else { vec![(Duration::ZERO, out)] };
        (Answer { pieces, ending, tag: None }, true)
    }
}

/// Name and labels as an exposition has them.
fn series_text(key: u32, label_bytes: usize) -> String {
    let (mut text, labels) = labels_of(key, label_bytes);
    for (at, (name, value)) in labels.iter().enumerate() {
        let before = if at > 0 { ',' } else { '{' };
        let value = value.replace('\\', "\\\\");
        write!(text, "{before}{name}=\"{value}\"").expect("to a string");
    }
    if !labels.is_empty() {
        text.push('}');
    }
    text
}

/// Appends the body in one of the three ways of saying where it ends.
fn frame(
    r: &mut Random,
    out: &mut Vec<u8>,
    body: &[u8],
    unkept: bool,
    faults: &ExporterFaults,
) -> Ending {
    if unkept && r.chance(1, 2) {
        out.extend_from_slice(b"Connection: close\r\n\r\n");
        out.extend_from_slice(body);
        return Ending::Close;
    }
    if unkept {
        out.extend_from_slice(b"Connection: close\r\n");
    }
    if r.chance(faults.chunked, 1000) {
        out.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
        let mut rest = body;
        while !rest.is_empty() {
            let len = 1 + r.below(rest.len().min(900) as u64) as usize;
            out.extend_from_slice(format!("{len:x}\r\n").as_bytes());
            out.extend_from_slice(&rest[..len]);
            out.extend_from_slice(b"\r\n");
            rest = &rest[len..];
        }
        out.extend_from_slice(b"0\r\n\r\n");
    } else {
        out.extend_from_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
        out.extend_from_slice(body);
    }
    if unkept { Ending::Close } else { Ending::Keep }
}

/// In pieces, over up to two seconds.
fn drip(r: &mut Random, bytes: &[u8]) -> Vec<(Duration, Vec<u8>)> {
    let count = 2 + r.below(6);
    let size = bytes.len() / count as usize + 1;
    let pause = r.below(2_000 / count);
    bytes.chunks(size).map(|piece| (ms(pause), piece.to_vec())).collect()
}
