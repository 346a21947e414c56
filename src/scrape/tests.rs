//! Whole pages into a log.

use crate::append::{Appender, Batch};
use crate::base::{Instant, Now, Timestamp, limits, put_uvarint};
use crate::exposition::Format;
use crate::mail::Job;
use crate::model::{
    ExemplarRefusal, HistogramRules, HistogramSummary, Labels, PackedLabels, Refusal, Refusals,
    SeriesRef, is_packed_custom, pack_label,
};
use crate::scrape::cache::Cache;
use crate::scrape::caps::{Caps, Quota, Room};
use crate::scrape::labels::Resolver;
use crate::scrape::page::{Around, Page, PageError};
use crate::series::{Descriptions, Feed, Table};
use crate::wal::{Decoded, Dictionary, Identity, Log, Region, Seq, Step, decode_samples};

const SEGMENT: usize = limits::SEGMENT_BYTES_MIN;

/// One target and where its pages go.
struct World {
    feed: Feed,
    cache: Cache,
    resolver: Resolver,
    job: Job,
    target: Labels,
    rules: HistogramRules,
    time: i64,
    slot: u16,
    /// Turns in which a page had to wait for the dictionary.
    waits: u32,
    refused: Refusals,
    appender: Appender,
    /// Zeros of beginnings in the last page, and when its samples began.
    zeros: Vec<String>,
    starts: Vec<i64>,
    caps: Caps,
    quota: Quota,
}

impl World {
    fn new(rules: HistogramRules) -> World {
        let identity = Identity { store: [1; 16], shard: 0, start: 1, epoch: 1 };
        let mut log = Log::open(identity, SEGMENT, vec![], Seq(0), 1, &mut |_, _| {});
        log.give_spare(0, Region::heap(SEGMENT));
        let mut dictionary = Dictionary::open(identity, SEGMENT, vec![], 1, &mut |_| None);
        dictionary.give_spare(0, Region::heap(SEGMENT));
        World {
            feed: Feed {
                log,
                dictionary,
                table: Table::new(1),
                descriptions: Descriptions::default(),
            },
            cache: Cache::default(),
            resolver: Resolver::default(),
            job: Job { honor_timestamps: true, ..Job::default() },
            target: [("job", "j")].into_iter().collect(),
            rules,
            time: 1000,
            slot: 1,
            waits: 0,
            refused: Refusals::default(),
            appender: Appender::default(),
            zeros: Vec::new(),
            starts: Vec::new(),
            caps: Caps::default(),
            quota: Quota::new(None),
        }
    }

    /// Leaves no room for a definition of a thousand bytes.
    fn fill_dictionary(&mut self) {
        for number in 0.. {
            let mut labels = Vec::new();
            pack_label(&mut labels, b"__name__", &[b'x'; 1000]);
            pack_label(&mut labels, b"n", format!("{number}").as_bytes());
            let (dictionary, table) = (&mut self.feed.dictionary, &mut self.feed.table);
            if table.intern(dictionary, &labels, 0, 0, Seq(1), Timestamp(0)).is_err() {
                return;
            }
        }
    }

    /// Scrapes a page that comes in two parts, and gives what got into the log.
    fn scrape(&mut self, format: Format, body: &[u8]) -> Result<Vec<String>, PageError> {
        self.scrape_in(format, body, body.len().div_ceil(2).max(1))
    }

    /// The same of a page that comes in parts of so many bytes.
    fn scrape_in(
        &mut self,
        format: Format,
        body: &[u8],
        part: usize,
    ) -> Result<Vec<String>, PageError> {
        let mut page = Page::default();
        page.batch.begin(0, Timestamp(self.time));
        page.zeros.begin(0, Timestamp(self.time));
        self.time += 1000;
        page.begin(format, None)?;
        for part in body.chunks(part) {
            self.turn(&mut page, |page, around| page.take(part, around))?;
            while page.stalled() {
                self.waits += 1;
                self.feed.dictionary.give_spare(self.slot, Region::heap(SEGMENT));
                self.slot += 1;
                self.turn(&mut page, |page, around| page.work(around))?;
            }
        }
        self.turn(&mut page, |page, around| page.finish(around))?;
        self.cache.accept(core::mem::take(&mut page.pass), &page.missed, &mut Vec::new());
        self.caps.accept(self.cache.texts_series(), &mut self.quota);
        self.refused = page.refused;
        self.appender.exemplars.add(&page.exemplars);
        assert_eq!(page.scraped, page.batch.len() as u64 + page.refused.total());
        self.zeros = self.commit(&mut page.zeros);
        Ok(self.commit(&mut page.batch))
    }

    fn turn(
        &mut self,
        page: &mut Page,
        act: impl FnOnce(&mut Page, &mut Around<'_>) -> Result<(), PageError>,
    ) -> Result<(), PageError> {
        let mut around = Around {
            now: Now { instant: Instant(0), timestamp: Timestamp(self.time) },
            seed: 7,
            job: &self.job,
            target: &self.target,
            histograms: self.rules,
            cache: &self.cache,
            feed: &mut self.feed,
            resolver: &mut self.resolver,
            may_wait: true,
            room: self.job.is_capped().then_some(Room {
                caps: &mut self.caps,
                quota: &mut self.quota,
                limit: self.job.target_series_limit,
            }),
            window_ms: 0,
        };
        act(page, &mut around)
    }

    fn commit(&mut self, batch: &mut Batch) -> Vec<String> {
        let mut at = self.feed.log.end();
        let appender = &mut self.appender;
        let now = Now { instant: Instant(0), timestamp: Timestamp(self.time) };
        appender.commit(&mut self.feed, batch, now).expect("room");
        assert_eq!(appender.offered, appender.appended + appender.refused.total());
        let (mut decoded, mut lines) = (Decoded::default(), Vec::new());
        self.starts.clear();
        loop {
            match self.feed.log.read(at) {
                Step::Record { next, payload, base_time, .. } => {
                    at = next;
                    decode_samples(payload, base_time, &mut decoded).expect("just written");
                }
                Step::Moved { next, lost: 0 } => {
                    at = next;
                    continue;
                }
                _ => break,
            }
            for (index, series) in decoded.refs.iter().enumerate() {
                lines.push(self.line(*series, &decoded, index));
                self.starts.push(decoded.start(index));
            }
        }
        lines
    }

    fn line(&self, series: SeriesRef, decoded: &Decoded, index: usize) -> String {
        let labels = PackedLabels(self.feed.labels(series).expect("defined"));
        let mut line = labels.get("__name__").to_owned();
        for (name, value) in labels.iter().filter(|(name, _)| !matches!(*name, "__name__" | "job"))
        {
            line.push_str(&format!(" {name}={value}"));
        }
        match decoded.histogram(index) {
            Some(packed) => {
                let HistogramSummary { count, sum, schema } = HistogramSummary::of(packed);
                let custom = if is_packed_custom(packed) { " custom" } else { "" };
                line.push_str(&format!(" count {count} sum {sum} schema {schema}{custom}"));
            }
            None => line.push_str(&format!(" {}", decoded.values[index])),
        }
        line
    }
}

const CONVERT: HistogramRules = HistogramRules { native: false, classic: false, convert: true };

const PAGE: &str = "# TYPE h histogram
h_bucket{a=\"1\",le=\"1\"} 2
h_bucket{le=\"+Inf\",a=\"1\"} 3
h_sum{a=\"1\"} 4.5
h_count{a=\"1\"} 3
h_bucket{a=\"2\",le=\"1\"} 0
h_bucket{a=\"2\",le=\"+Inf\"} 1
h_count{a=\"2\"} 1
h_sum{a=\"2\"} 9
h_created{a=\"2\"} 7
# TYPE g gauge
g_count 5
";

#[test]
fn lines_of_a_histogram_become_one_with_custom_buckets() {
    let made = ["h a=1 count 3 sum 4.5 schema -53 custom", "h a=2 count 1 sum 9 schema -53 custom"];
    let classic: Vec<&str> = PAGE.lines().filter(|line| line.starts_with("h_")).collect();
    for format in [Format::Text, Format::OpenMetrics] {
        let body = if format == Format::Text { PAGE.to_owned() } else { format!("{PAGE}# EOF\n") };
        let mut world = World::new(CONVERT);
        // The second time every series is known.
        for _ in 0..2 {
            let got = world.scrape(format, body.as_bytes()).expect("a good page");
            let wanted = ["h_created a=2 7", "g_count 5"].iter().chain(&made);
            assert_eq!(got, wanted.copied().collect::<Vec<_>>());
        }
        let mut world = World::new(HistogramRules { classic: true, ..CONVERT });
        let got = world.scrape(format, body.as_bytes()).expect("a good page");
        assert_eq!(got.len(), classic.len() + 1 + made.len());
        assert_eq!(&got[got.len() - 2..], made);
    }
}

/// Escapes, a newline in quotes, blanks, names in UTF-8, no newline at the end.
const MIXED: &str =
    "# HELP a of \\n this\n# TYPE a gauge\na{x=\"1\",y=\"\\\\\"} 1\na{x=\"two\nlines\"} -0.5\n
  a 7\n{\"a.b\",\"l.x\"=\"é\"} NaN\na{x=\"1\"} 2\n# TYPE h histogram\nh_bucket{le=\"1\"} 3\nlast 4";

#[test]
fn a_page_means_the_same_however_it_is_cut() {
    let native = HistogramRules { native: true, ..HistogramRules::default() };
    let pages = [
        (Format::Text, HistogramRules::default(), MIXED.as_bytes().to_vec()),
        (Format::Text, CONVERT, PAGE.as_bytes().to_vec()),
        (Format::OpenMetrics, HistogramRules::default(), format!("{PAGE}# EOF\n").into_bytes()),
        (Format::Protobuf, native, protobuf(9)),
    ];
    for (format, rules, body) in pages {
        let whole = World::new(rules).scrape_in(format, &body, body.len());
        assert!(whole.as_ref().is_ok_and(|lines| lines.len() > 1), "{format:?} {whole:?}");
        for part in 1..body.len().min(70) {
            let mut world = World::new(rules);
            // The second time its lines are known.
            for _ in 0..2 {
                assert_eq!(world.scrape_in(format, &body, part), whole, "{format:?} in {part}s");
            }
        }
    }
}

#[test]
fn what_caps_leave_no_room_for_is_refused_and_counted() {
    let mut world = World::new(HistogramRules::default());
    world.job.target_series_limit = 2;
    let mut scrape = |body: &str| {
        let lines = world.scrape(Format::Text, body.as_bytes()).expect("a good page");
        (lines.join(","), world.refused.get(Refusal::SeriesLimit))
    };
    assert_eq!(scrape("a 1\nb 1\nc 1\nc 2\n"), ("a 1,b 1".to_owned(), 2));
    assert_eq!(scrape("c 1\nb 1\na 1\n"), ("b 1,a 1".to_owned(), 1));
    assert_eq!(scrape("c 1\nb 1\n"), ("b 1".to_owned(), 1));
    assert_eq!(scrape("c 1\nb 1\na 1\n"), ("c 1,b 1".to_owned(), 1));
    assert_eq!(scrape("c 1\nb 1\na 1\n"), ("c 1,b 1".to_owned(), 1));
}

#[test]
fn what_is_no_histogram_or_contradicts_itself_is_not_converted() {
    for (page, wanted, refused) in [
        ("h_bucket{le=\"1\"} 2\nh_count 3\n", &["h_bucket le=1 2", "h_count 3"][..], 0),
        ("# TYPE h summary\nh_count 3\nh_sum 1\n", &["h_count 3", "h_sum 1"], 0),
        ("# TYPE h histogram\nhh_count 3\nh_x 1\n", &["hh_count 3", "h_x 1"], 0),
        ("# TYPE h histogram\nh_bucket{le=\"x\"} 3\n", &["h_bucket le=x 3"], 0),
        ("# TYPE h histogram\nh_bucket{le=\"1\"} 3\nh_count 2\n", &[], 1),
        (
            "# TYPE h histogram\nh_bucket{le=\"1\"} 3\n# TYPE g gauge\ng 2",
            &["g 2", "h count 3 sum 0 schema -53 custom"],
            0,
        ),
    ] {
        let mut world = World::new(CONVERT);
        let got = world.scrape(Format::Text, page.as_bytes()).expect("a good page");
        assert_eq!(got, wanted, "{page}");
        assert_eq!(world.refused.get(Refusal::NotConvertible), refused, "{page}");
    }
}

/// A family with one histogram of many classic buckets, and after it a gauge.
fn protobuf(buckets: usize) -> Vec<u8> {
    let bytes = |number: u8, body: &[u8]| {
        let mut out = vec![number << 3 | 2];
        put_uvarint(&mut out, body.len() as u64);
        out.extend_from_slice(body);
        out
    };
    let mut histogram = vec![0x08, 9];
    for bound in 0..buckets {
        let mut bucket = vec![0x08, 9, 0x11];
        bucket.extend_from_slice(&(bound as f64).to_le_bytes());
        histogram.extend(bytes(3, &bucket));
    }
    let mut page = Vec::new();
    for (name, kind, metric) in [("h", 4, bytes(7, &histogram)), ("g", 1, bytes(2, &[]))] {
        let family = [bytes(1, name.as_bytes()), vec![0x18, kind], bytes(4, &metric)].concat();
        put_uvarint(&mut page, family.len() as u64);
        page.extend(family);
    }
    page
}

#[test]
fn a_page_that_waits_for_the_dictionary_loses_and_repeats_nothing() {
    let text: String = (0..60).map(|line| format!("a{{n=\"{line}\"}} {line}\n")).collect();
    let classic: String = (0..60).map(|line| format!("h_bucket{{le=\"{line}\"}} 1\n")).collect();
    let classic = format!("# TYPE h histogram\n{classic}h_count 1\n{PAGE}");
    let both = HistogramRules { classic: true, ..CONVERT };
    for (format, body, rules) in [
        (Format::Text, text.into_bytes(), HistogramRules::default()),
        (Format::Protobuf, protobuf(60), HistogramRules::default()),
        (Format::Protobuf, protobuf(60), both),
        (Format::Text, classic.clone().into_bytes(), both),
        (Format::Text, classic.into_bytes(), CONVERT),
    ] {
        let mut free = World::new(rules);
        let wanted = free.scrape(format, &body).expect("a good page");
        assert_eq!(free.waits, 0);
        let mut full = World::new(rules);
        full.fill_dictionary();
        let got = full.scrape(format, &body).expect("a good page");
        assert_eq!(got, wanted);
        assert!(full.waits == 1 || rules == CONVERT, "{} waits", full.waits);
        assert_eq!(full.refused.total(), 0);
    }
}

#[test]
fn limits_of_buckets_reduce_the_resolution_or_fail_the_page() {
    let mut page = Vec::new();
    // Schema 3, eight buckets with one observation each.
    let body: Vec<u8> =
        [0x08, 8, 0x28, 6, 0x62, 4, 0x08, 2, 0x10, 8, 0x6a, 8, 2, 0, 0, 0, 0, 0, 0, 0].into();
    for part in [&[0x3a, body.len() as u8][..], &body] {
        page.extend_from_slice(part);
    }
    let metric_len = page.len() as u8;
    let head = [0x0a, 1, b'h', 0x18, 4, 0x22, metric_len];
    let mut whole = vec![head.len() as u8 + metric_len];
    whole.extend(head);
    whole.extend(page);
    let native = HistogramRules { native: true, ..HistogramRules::default() };
    for (limit, factor, wanted) in [
        (0, 0.0, Ok("h count 8 sum 0 schema 3")),
        (8, 0.0, Ok("h count 8 sum 0 schema 3")),
        (7, 0.0, Ok("h count 8 sum 0 schema 2")),
        (0, 1.4, Ok("h count 8 sum 0 schema 1")),
        (1, 0.0, Ok("h count 8 sum 0 schema 0")),
    ] {
        let mut world = World::new(native);
        (world.job.bucket_limit, world.job.min_bucket_factor) = (limit, factor);
        let got = world.scrape(Format::Protobuf, &whole);
        assert_eq!(got, wanted.map(|line| vec![line.to_owned()]), "{limit} {factor}");
    }
    let mut world = World::new(HistogramRules { convert: true, ..HistogramRules::default() });
    world.job.bucket_limit = 1;
    let page = "# TYPE h histogram\nh_bucket{le=\"1\"} 3\nh_bucket{le=\"2\"} 4\n";
    assert_eq!(world.scrape(Format::Text, page.as_bytes()), Err(PageError::BucketLimit));
}

#[test]
fn series_are_known_by_what_their_page_says_of_them() {
    let page = "# HELP h Sizes,\\nall of them.\n# TYPE h histogram\nh_bucket{le=\"1\"} 3\nh_sum 1\nh_count 3\n\
                other 1\n# TYPE g gauge\ng 2\n# HELP c Ticks\n# TYPE c counter\nc_total 5";
    let mut world = World::new(HistogramRules::default());
    world.scrape(Format::Text, page.as_bytes()).expect("a good page");
    let said = |world: &World, name: &str| {
        let feed = &world.feed;
        let mut all = (0..feed.table.bound() as u32).map(SeriesRef);
        let named = |series: &SeriesRef| {
            let labels = feed.labels(*series).unwrap_or_default();
            PackedLabels(labels).get("__name__") == name
        };
        let series = all.find(named).expect("a series");
        feed.description(series).map(|it| (it.metric_type.name(), it.help.to_owned()))
    };
    for name in ["h_bucket", "h_sum", "h_count"] {
        assert_eq!(said(&world, name), Some(("histogram", "Sizes,\nall of them.".to_owned())));
    }
    assert_eq!(said(&world, "other"), None);
    assert_eq!(said(&world, "g"), Some(("gauge", String::new())));
    assert_eq!(said(&world, "c_total"), Some(("counter", "Ticks".to_owned())));
}

#[test]
fn exemplars_are_kept_once_and_those_that_are_not_are_counted() {
    let long = "x".repeat(200);
    let page = |value: u32, own: &str| {
        format!(
            "# TYPE a counter\na_total {value} # {{trace_id=\"x\"}} 0.5{own}\n\
             b_total 1 # {{trace_id=\"{long}\"}} 1\nc_total 1 # {{t=\"1\",t=\"2\"}} 1\n# EOF"
        )
    };
    let mut world = World::new(HistogramRules::default());
    for (at, (own, appended, duplicate)) in
        [("", 1, 0), ("", 0, 1), (" 7", 1, 0), (" 7", 0, 1), (" 8", 1, 0)].into_iter().enumerate()
    {
        let before = world.appender.exemplars;
        let page = page(at as u32, own);
        world.scrape(Format::OpenMetrics, page.as_bytes()).expect("a good page");
        let now = world.appender.exemplars;
        let more = |reason| now.refused(reason) - before.refused(reason);
        assert_eq!(now.appended - before.appended, appended, "{at}");
        assert_eq!(more(ExemplarRefusal::Duplicate), duplicate, "{at}");
        assert_eq!((more(ExemplarRefusal::TooLong), more(ExemplarRefusal::Malformed)), (1, 1));
    }
}

/// A field of bytes.
fn field(number: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    put_uvarint(&mut out, body.len() as u64);
    out.extend_from_slice(body);
    out
}

/// A field that is a double.
fn double(number: u8, value: f64) -> Vec<u8> {
    [&[number << 3 | 1][..], &value.to_le_bytes()].concat()
}

/// A time in whole seconds.
fn seconds(number: u8, seconds: u8) -> Vec<u8> {
    field(number, &[0x08, seconds])
}

/// A counter with an exemplar and a classic histogram with one in its first bucket, both begun at that second.
fn begun(at: u8, value: f64) -> Vec<u8> {
    let label = field(1, &[field(1, b"trace_id"), field(2, b"abc")].concat());
    let exemplar = [label, double(2, 0.5), seconds(3, 7)].concat();
    let counter = [double(1, value), field(2, &exemplar), seconds(3, at)].concat();
    let bucket = [vec![0x08, 2], double(2, 1.0), field(3, &exemplar)].concat();
    let histogram =
        [vec![0x08, 3], double(2, 1.5), field(3, &bucket), field(15, &[0x08, at])].concat();
    let mut page = Vec::new();
    for (name, kind, metric) in [("c", 0, field(3, &counter)), ("h", 4, field(7, &histogram))] {
        let family =
            [field(1, name.as_bytes()), field(2, b"Help."), vec![0x18, kind], field(4, &metric)];
        let family = family.concat();
        put_uvarint(&mut page, family.len() as u64);
        page.extend(family);
    }
    page
}

// spec: SCR-39, SCR-70
#[test]
fn lines_that_say_when_others_began_are_taken_in_when_asked() {
    let page = b"# TYPE c counter\nc_total{a=\"1\"} 4\nc_total{a=\"2\"} 5\n\
        c_created{a=\"2\"} 12.5\nc_created{a=\"1\"} 15\nc_created{a=\"3\"} 15\n\
        # TYPE h histogram\nh_bucket{le=\"+Inf\"} 1\nh_count 1\nh_sum 2\nh_created 16\n\
        # TYPE g gauge\ng 1\ng_created 7\n# EOF\n";
    let mut world = World::new(HistogramRules::default());
    world.time = 20_000;
    let got = world.scrape(Format::OpenMetrics, page).expect("a good page");
    assert_eq!((got.len(), world.zeros.len()), (11, 0));
    assert_eq!(world.starts, [0; 11]);
    let mut world = World::new(HistogramRules::default());
    (world.job.inject_zeros, world.job.keep_starts) = (true, true);
    let wanted = ["c_total a=1", "c_total a=2", "h_bucket le=+Inf", "h_count", "h_sum"];
    for time in [20_000, 30_000] {
        world.time = time;
        let got = world.scrape(Format::OpenMetrics, page).expect("a good page");
        let series: Vec<&str> =
            got.iter().filter_map(|line| line.rsplit_once(' ')).map(|(series, _)| series).collect();
        assert_eq!(series, [&wanted[..], &["g", "g_created"]].concat());
        assert_eq!(world.starts, [15_000, 12_500, 16_000, 16_000, 16_000, 0, 0]);
        let zeros = if time == 20_000 { wanted.len() } else { 0 };
        assert_eq!(world.zeros.len(), zeros, "{:?}", world.zeros);
    }
    // Before the counting began there is nothing to say.
    let mut world = World::new(HistogramRules::default());
    (world.job.inject_zeros, world.job.keep_starts) = (true, true);
    world.scrape(Format::OpenMetrics, page).expect("a good page");
    assert_eq!((world.zeros.len(), world.starts.as_slice()), (0, &[0; 7][..]));
}

// spec: SCR-75
#[test]
fn series_say_type_and_unit_when_asked() {
    let mut world = World::new(HistogramRules::default());
    let page = b"# TYPE a_seconds counter\n# UNIT a_seconds seconds\n\
        a_seconds_total{__type__=\"gauge\",__unit__=\"x\"} 1\na_seconds_created 1\n\
        # TYPE b unknown\nb{__type__=\"gauge\"} 1\n# EOF\n";
    world.scrape(Format::OpenMetrics, page).expect("a good page");
    world.cache.forget_texts();
    world.job.type_and_unit = true;
    let got = world.scrape(Format::OpenMetrics, page).expect("a good page");
    let unit = "__type__=counter __unit__=seconds";
    let [total, created] = ["total", "created"].map(|name| format!("a_seconds_{name} {unit} 1"));
    assert_eq!(got, [total.as_str(), created.as_str(), "b __type__=gauge 1"]);
    let got = world.scrape(Format::Text, b"# TYPE c gauge\nc 1\nd 2\n").expect("a good page");
    assert_eq!(got, ["c __type__=gauge 1", "d 2"]);
}

#[test]
fn beginnings_and_exemplars_of_messages_go_into_the_log() {
    let mut world = World::new(HistogramRules::default());
    world.job.inject_zeros = true;
    world.job.keep_starts = true;
    world.time = 20_000;
    let got = world.scrape(Format::Protobuf, &begun(15, 4.0)).expect("a good page");
    assert_eq!(got, ["c 4", "h_count 3", "h_sum 1.5", "h_bucket le=1.0 2", "h_bucket le=+Inf 3"]);
    assert_eq!(
        world.zeros,
        ["c 0", "h_count 0", "h_sum 0", "h_bucket le=1.0 0", "h_bucket le=+Inf 0"]
    );
    assert_eq!(world.appender.exemplars.appended, 2);
    assert_eq!(world.starts, [15_000; 5]);
    // What began before the last sample is no news, and neither is what begins later.
    for at in [15, 100] {
        world.scrape(Format::Protobuf, &begun(at, 5.0)).expect("a good page");
        assert!(world.zeros.is_empty());
        assert_eq!(world.starts, if at == 15 { [15_000; 5] } else { [0; 5] });
    }
    world.time = 60_000;
    world.scrape(Format::Protobuf, &begun(50, 1.0)).expect("a good page");
    assert_eq!((world.zeros.len(), world.starts.as_slice()), (5, &[50_000; 5][..]));
    assert_eq!(world.appender.refused.total(), 0);
    (world.job.inject_zeros, world.job.keep_starts) = (false, false);
    world.time = 90_000;
    world.scrape(Format::Protobuf, &begun(70, 1.0)).expect("a good page");
    assert_eq!((world.zeros.len(), world.starts.as_slice()), (0, &[0; 5][..]));
}
