//! One page on its way in: bytes → decoded bytes → lines → refs and values in a batch. For pages that have no lines see
//! `pieces.rs`.

use std::collections::HashSet;

use crate::append::Batch;
use crate::base::{Now, limits, seeded_hash};
use crate::exposition::{Entry as Item, Exemplar, Families, Format, ParseError, Parser, Series};
use crate::http::Decoder;
use crate::mail::Job;
use crate::model::{
    ExemplarCounts, ExemplarRefusal, HistogramRules, Labels, LabelsBuilder, Refusal, Refusals,
    SeriesRef, pack,
};
use crate::scrape::cache::{Cache, Entry, Pass};
use crate::scrape::caps::Room;
use crate::scrape::convert::Converter;
use crate::scrape::created::Created;
use crate::scrape::family::Family;
use crate::scrape::labels::{Broken, Resolved, Resolver};
use crate::series::Feed;
use crate::wal;

/// Why a page is dropped whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PageError {
    BodyLimit,
    BucketLimit,
    SampleLimit,
    LabelLimit(String),
    /// The page did not come, or not to its end.
    Fetch(String),
    /// What came is not as it should be.
    Text(String),
}

impl core::fmt::Display for PageError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            PageError::BodyLimit => f.write_str("body size limit exceeded"),
            PageError::BucketLimit => f.write_str("histogram bucket limit exceeded"),
            PageError::SampleLimit => f.write_str("sample limit exceeded"),
            PageError::LabelLimit(text) | PageError::Fetch(text) | PageError::Text(text) => {
                f.write_str(text)
            }
        }
    }
}

/// State of a page being read. Recycled from scrape to scrape.
#[derive(Debug)]
pub struct Page {
    pub(super) parser: Parser,
    pub(super) converter: Converter,
    pub(super) families: Families,
    pub(super) created: Created,
    pub family: Family,
    /// The cache has forgotten its texts, though not its series.
    pub relearns: bool,
    decoder: Decoder,
    /// Body bytes taken from the network and not decoded yet.
    undecoded: Vec<u8>,
    plain: Vec<u8>,
    /// Decoded lines or pieces that wait until the dictionary has room for their series.
    pub(super) held: Vec<u8>,
    /// The beginning of a line or piece whose end has not come.
    pub(super) partial: Vec<u8>,
    /// Samples of the present metric that need not be dealt with again; of lines there is only one.
    pub(super) done: usize,
    pub batch: Batch,
    /// Samples that go before those: the beginnings of series.
    pub zeros: Batch,
    pub pass: Pass,
    line: u64,
    pub body_bytes: u64,
    pub scraped: u64,
    /// Samples left after relabeling.
    pub kept: u64,
    /// Series whose samples were not taken, so that they do not count as met.
    pub missed: Vec<SeriesRef>,
    over_limit: bool,
    /// Series met, once there were more samples than allowed; and how many samples were of one met before.
    seen: Option<HashSet<SeriesRef>>,
    repeated: u64,
    /// A native histogram had more buckets than allowed at any resolution.
    pub(super) over_buckets: bool,
    /// The present sample's series found no room in the dictionary.
    pub(super) must_wait: bool,
    /// Lines of the entry that is being joined.
    pub(super) joins: u32,
    /// Counted when the page ends, with everything else of it.
    pub refused: Refusals,
    pub exemplars: ExemplarCounts,
    exemplar_labels: LabelsBuilder,
    exemplar_packed: Vec<u8>,
}

/// What a page needs of its surroundings.
#[derive(Debug)]
pub struct Around<'a> {
    pub now: Now,
    pub seed: u64,
    pub job: &'a Job,
    pub target: &'a Labels,
    pub histograms: HistogramRules,
    pub cache: &'a Cache,
    pub feed: &'a mut Feed,
    pub resolver: &'a mut Resolver,
    /// The disk has not refused: room for new series is on its way.
    pub may_wait: bool,
    /// Where there are caps on series.
    pub room: Option<Room<'a>>,
    /// How much older than the newest of its series a sample may be.
    pub window_ms: i64,
}

/// Explicit timestamps further ahead than this are refused (SCR-68), in milliseconds.
const AHEAD_MS: i64 = 10 * 60 * 1000;

impl Default for Page {
    fn default() -> Page {
        Page {
            parser: Parser::new(Format::Text),
            converter: Converter::default(),
            families: Families::default(),
            created: Created::default(),
            family: Family::default(),
            relearns: false,
            decoder: Decoder::Identity,
            undecoded: Vec::new(),
            plain: Vec::new(),
            held: Vec::new(),
            partial: Vec::new(),
            done: 0,
            batch: Batch::default(),
            zeros: Batch::default(),
            pass: Pass::default(),
            line: 0,
            body_bytes: 0,
            scraped: 0,
            kept: 0,
            missed: Vec::new(),
            over_limit: false,
            seen: None,
            repeated: 0,
            over_buckets: false,
            must_wait: false,
            joins: 0,
            refused: Refusals::default(),
            exemplars: ExemplarCounts::default(),
            exemplar_labels: LabelsBuilder::default(),
            exemplar_packed: Vec::new(),
        }
    }
}

impl Page {
    /// Forgets the page before; keeps buffers.
    pub fn reset(&mut self) {
        self.undecoded.clear();
        self.plain.clear();
        self.held.clear();
        self.partial.clear();
        self.done = 0;
        self.families.reset();
        self.created.reset();
        self.family.reset();
        self.relearns = false;
        self.converter.reset();
        self.pass = Pass::default();
        self.line = 0;
        self.body_bytes = 0;
        self.scraped = 0;
        self.kept = 0;
        self.missed.clear();
        self.over_limit = false;
        self.seen = None;
        self.repeated = 0;
        self.over_buckets = false;
        self.must_wait = false;
        self.joins = 0;
        self.refused = Refusals::default();
        self.exemplars = ExemplarCounts::default();
    }

    /// The answer's headers say how to read its body.
    pub fn begin(
        &mut self,
        format: Format,
        content_encoding: Option<&str>,
    ) -> Result<(), PageError> {
        self.parser = Parser::new(format);
        let known = self.decoder.reset(content_encoding);
        known.map_err(|error| PageError::Fetch(error.to_string()))
    }

    /// Takes body bytes and handles what fits into this turn.
    pub fn take(&mut self, body: &[u8], around: &mut Around<'_>) -> Result<(), PageError> {
        if matches!(self.decoder, Decoder::Identity) {
            return self.plain_bytes(body, around);
        }
        // What waits already waits for its turn; this goes behind it.
        let waits = self.pending();
        self.undecoded.extend_from_slice(body);
        if waits { Ok(()) } else { self.work(around) }
    }

    /// Bytes of all buffers.
    pub fn kept_bytes(&self) -> usize {
        let buffers = [&self.undecoded, &self.plain, &self.partial];
        let bytes: usize = buffers.into_iter().map(Vec::capacity).sum();
        bytes + self.batch.capacity_bytes() + self.missed.capacity() * size_of::<SeriesRef>()
    }

    /// Every ref that this page will put into the log or the cache.
    pub fn series(&self) -> impl Iterator<Item = SeriesRef> {
        self.batch.refs().chain(self.zeros.refs()).chain(self.pass.series())
    }

    /// True while bytes wait for the next turn.
    pub fn pending(&self) -> bool {
        !self.undecoded.is_empty() || self.stalled()
    }

    /// True while new series wait for room in the dictionary, which the disk is about to give.
    pub fn stalled(&self) -> bool {
        !self.held.is_empty()
    }

    /// Decodes and handles up to one turn's worth of what waits.
    pub fn work(&mut self, around: &mut Around<'_>) -> Result<(), PageError> {
        if self.stalled() {
            let held = core::mem::take(&mut self.held);
            self.entries(&held, around)?;
        }
        if matches!(self.decoder, Decoder::Identity) {
            return Ok(());
        }
        let mut plain = core::mem::take(&mut self.plain);
        let mut used = 0;
        let mut outcome = Ok(());
        let mut room = limits::TURN_BYTES;
        while room > 0 && !self.stalled() {
            plain.clear();
            let taken = self
                .decoder
                .decode(&self.undecoded[used..], &mut plain, room.min(limits::READ_BYTES))
                .map_err(|error| PageError::Fetch(error.to_string()));
            match taken {
                Ok(taken) if taken == 0 && plain.is_empty() => break,
                Ok(taken) => used += taken,
                Err(error) => {
                    outcome = Err(error);
                    break;
                }
            }
            room = room.saturating_sub(plain.len().max(1));
            outcome = self.plain_bytes(&plain, around);
            if outcome.is_err() {
                break;
            }
        }
        self.undecoded.drain(..used);
        self.plain = plain;
        outcome
    }

    /// The body has ended and nothing is pending.
    pub fn finish(&mut self, around: &mut Around<'_>) -> Result<(), PageError> {
        self.decoder.finish().map_err(|error| PageError::Fetch(error.to_string()))?;
        if self.body_bytes == 0 {
            // Nothing is a good page in every format.
            return Ok(());
        }
        // A last line without an end is not worth another turn.
        around.may_wait = false;
        if self.parser.format() == Format::Protobuf {
            let whole = self.families.finish(&self.partial);
            whole.map_err(|error| PageError::Text(error.to_string()))?;
        } else if !self.partial.is_empty() {
            let last = core::mem::take(&mut self.partial);
            self.one_line(&last, around)?;
            if !self.partial.is_empty() {
                return Err(PageError::Text(format!(
                    "line {}: {}",
                    self.line,
                    ParseError::OpenQuote
                )));
            }
        }
        self.finish_conversion(around)?;
        self.keep_created(around);
        self.parser.finish().map_err(|error| PageError::Text(error.to_string()))?;
        if self.over_limit {
            Err(PageError::SampleLimit)
        } else if self.over_buckets {
            Err(PageError::BucketLimit)
        } else {
            Ok(())
        }
    }

    // spec: SCR-16
    fn plain_bytes(&mut self, bytes: &[u8], around: &mut Around<'_>) -> Result<(), PageError> {
        self.body_bytes += bytes.len() as u64;
        let limit = match around.job.body_size_limit {
            0 => limits::PAGE_BYTES_MAX,
            limit => limit,
        };
        if self.body_bytes >= limit {
            return Err(PageError::BodyLimit);
        }
        self.entries(bytes, around)
    }

    fn entries(&mut self, bytes: &[u8], around: &mut Around<'_>) -> Result<(), PageError> {
        if self.stalled() {
            self.held.extend_from_slice(bytes);
            return Ok(());
        }
        match self.parser.format() {
            Format::Text | Format::OpenMetrics => self.lines(bytes, around),
            Format::Protobuf => self.pieces(bytes, around),
        }
    }

    fn lines(&mut self, bytes: &[u8], around: &mut Around<'_>) -> Result<(), PageError> {
        let mut from = 0;
        loop {
            if self.partial.is_empty()
                && let Some(len) = self.known_line(&bytes[from..], around)?
            {
                from += len;
                continue;
            }
            let Some(len) = memchr::memchr(b'\n', &bytes[from..]) else { break };
            let line = &bytes[from..from + len];
            from += len + 1;
            if self.partial.is_empty() {
                self.one_line(line, around)?;
            } else {
                self.partial.extend_from_slice(line);
                self.check_partial()?;
                let whole = core::mem::take(&mut self.partial);
                self.one_line(&whole, around)?;
            }
            if self.stalled() {
                self.held.extend_from_slice(&bytes[from..]);
                return Ok(());
            }
        }
        self.partial.extend_from_slice(&bytes[from..]);
        self.check_partial()
    }

    /// Nearly every line is the one expected here with a value behind it. Then its text is known by length and hash, and
    /// nobody has to look for where it ends. Gives the bytes of the line, `None` for any other.
    #[inline]
    fn known_line(
        &mut self,
        bytes: &[u8],
        around: &mut Around<'_>,
    ) -> Result<Option<usize>, PageError> {
        if around.histograms.convert {
            return Ok(None);
        }
        let Some((hash, len)) = around.cache.expected(&self.pass) else { return Ok(None) };
        let Some((text, rest)) = bytes.split_at_checked(len) else { return Ok(None) };
        if rest.first() != Some(&b' ') || seeded_hash(around.seed, text) != hash {
            return Ok(None);
        }
        let Some(end) = memchr::memchr(b'\n', rest) else { return Ok(None) };
        let Some(series) = self.parser.known(text, &rest[..end]) else { return Ok(None) };
        self.line += 1;
        self.met(&series, hash, around)?;
        Ok(Some(len + end + 1))
    }

    fn check_partial(&self) -> Result<(), PageError> {
        if self.partial.len() > limits::LINE_BYTES {
            let line = self.line + 1;
            return Err(PageError::Text(format!(
                "line {line} is longer than {} bytes",
                limits::LINE_BYTES
            )));
        }
        Ok(())
    }

    #[inline]
    fn one_line(&mut self, line: &[u8], around: &mut Around<'_>) -> Result<(), PageError> {
        self.line += 1;
        match self.parser.line(line) {
            Ok(Item::Series(series)) if !around.histograms.convert => {
                if self.reads_created(around) && self.take_created(&series, around) {
                    return Ok(());
                }
                self.sample(&series, around)?;
                self.hold_line(line);
                Ok(())
            }
            Ok(item) if around.histograms.convert => {
                self.family.line(&item, line);
                self.converted(&item, around)?;
                self.hold_line(line);
                Ok(())
            }
            Ok(item) => {
                self.family.line(&item, line);
                self.created.end_family();
                self.joins = 0;
                Ok(())
            }
            Err(ParseError::OpenQuote) => self.join(line),
            Err(error) => Err(PageError::Text(format!("line {}: {error}", self.line))),
        }
    }

    /// If the line has to wait, it is read once more then.
    #[inline]
    fn hold_line(&mut self, line: &[u8]) {
        if core::mem::take(&mut self.must_wait) {
            self.line -= 1;
            self.held.extend_from_slice(line);
            self.held.push(b'\n');
        }
    }

    /// A newline inside quotes does not end the entry: the next line belongs to it.
    fn join(&mut self, line: &[u8]) -> Result<(), PageError> {
        self.joins += 1;
        if self.joins > limits::ENTRY_LINES {
            let (line, most) = (self.line, limits::ENTRY_LINES);
            let text = format!("line {line}: a quoted string goes on over more than {most} lines");
            return Err(PageError::Text(text));
        }
        self.partial.clear();
        self.partial.extend_from_slice(line);
        self.partial.push(b'\n');
        Ok(())
    }

    #[inline]
    pub(super) fn sample(
        &mut self,
        series: &Series<'_>,
        around: &mut Around<'_>,
    ) -> Result<(), PageError> {
        let hash = seeded_hash(around.seed, series.text);
        self.met(series, hash, around)
    }

    /// A sample of the text with this hash.
    #[inline]
    fn met(
        &mut self,
        series: &Series<'_>,
        hash: u64,
        around: &mut Around<'_>,
    ) -> Result<(), PageError> {
        self.scraped += 1;
        let met = around.cache.meet(&mut self.pass, hash);
        let known = match met {
            Some(Entry::CAPPED) if around.room.as_ref().is_some_and(Room::is_left) => None,
            met => met,
        };
        let entry = match known {
            Some(entry) => entry,
            None => match self.learn(series, hash, met.is_some(), around)? {
                Some(entry) => entry,
                None => return Ok(()),
            },
        };
        let new = known.is_none();
        let Some(found) = entry.series() else {
            self.without_series(entry, around);
            return Ok(());
        };
        self.kept += 1;
        let limit = around.job.sample_limit;
        if limit > 0 && self.kept > limit && !self.over_limit {
            self.over_limit = self.kept - self.repeats(found, series.timestamp_ms) > limit;
        }
        if self.over_limit {
            self.miss(found, Refusal::RolledBack, new, around);
            return Ok(());
        }
        let timestamp = series.timestamp_ms.filter(|_| around.job.honor_timestamps);
        match timestamp {
            None if entry.tracked() => {}
            None => around.cache.track(&mut self.pass),
            Some(timestamp) if timestamp > around.now.timestamp.0 + AHEAD_MS => {
                self.miss(found, Refusal::OutOfBounds, new, around);
                return Ok(());
            }
            Some(timestamp) if entry.tracked() => {
                // spec: SCR-67, SCR-69
                let tracks = around.job.track_timestamps_staleness;
                if !tracks || around.feed.table.is_late(found, timestamp, around.window_ms) {
                    self.missed.push(found);
                }
            }
            Some(_) => {}
        }
        if let Some(start) = series.start_ms {
            self.begun(found, series, start, timestamp, around);
        }
        if let Some(histogram) = series.histogram {
            let before = self.batch.len();
            self.histogram(found, histogram, timestamp, new, around)?;
            if self.batch.len() > before {
                self.keep_start(found, series, timestamp, around);
            }
            return Ok(());
        }
        match timestamp {
            Some(timestamp) => self.batch.push_at(found, series.value, timestamp),
            None => self.batch.push(found, series.value),
        }
        if let Some(exemplar) = &series.exemplar {
            self.exemplar(found, exemplar, timestamp);
        }
        if self.reads_created(around) {
            self.note(series.text, found, timestamp);
        }
        self.keep_start(found, series, timestamp, around);
        Ok(())
    }

    /// When the counting of the sample pushed last began goes into the log with it.
    // spec: CLI §1.3, st-storage
    #[inline]
    fn keep_start(
        &mut self,
        found: SeriesRef,
        series: &Series<'_>,
        timestamp: Option<i64>,
        around: &Around<'_>,
    ) {
        if let Some(start) = series.start_ms
            && around.job.keep_starts
            && start < timestamp.unwrap_or(self.batch.time.0)
        {
            self.batch.push_start(found, series.histogram.is_some(), start);
        }
    }

    /// The sample that is about to be taken in says when its counting began.
    // spec: SCR-70: a zero there, if it is news
    #[inline(never)]
    pub(super) fn begun(
        &mut self,
        found: SeriesRef,
        series: &Series<'_>,
        start: i64,
        timestamp: Option<i64>,
        around: &Around<'_>,
    ) {
        let time = timestamp.unwrap_or(self.batch.time.0);
        let news = start < time && around.feed.table.newest_of(found) < start;
        if !around.job.inject_zeros || !news {
            return;
        }
        match series.histogram {
            None => self.zeros.push_at(found, 0.0, start),
            Some(histogram) => {
                // One without observations is never too large.
                let _ = self.zeros.push_histogram(found, &histogram.zero(), Some(start));
            }
        }
    }

    /// A sample of a series that is not to be stored.
    #[cold]
    fn without_series(&mut self, entry: Entry, around: &mut Around<'_>) {
        if entry != Entry::CAPPED {
            return self.refused.add(Refusal::Filtered, 1);
        }
        self.kept += 1;
        self.refused.add(Refusal::SeriesLimit, 1);
        if let Some(room) = &mut around.room {
            room.caps.refused += 1;
        }
    }

    /// Beyond the sample limit it matters how many samples were of series met before, which do not count. Gives their
    /// number, this one included if it is such.
    // spec: SCR-50, SCR-69
    #[cold]
    fn repeats(&mut self, series: SeriesRef, timestamp: Option<i64>) -> u64 {
        let seen = self.seen.get_or_insert_with(|| {
            let seen: HashSet<SeriesRef> = self.batch.refs().collect();
            self.repeated = (self.batch.len() - seen.len()) as u64;
            seen
        });
        self.repeated += u64::from(!seen.insert(series) && timestamp.is_none());
        self.repeated
    }

    /// A sample that is not taken: its series counts as not met.
    #[cold]
    pub(super) fn miss(
        &mut self,
        series: SeriesRef,
        reason: Refusal,
        new: bool,
        around: &mut Around<'_>,
    ) {
        self.refused.add(reason, 1);
        self.missed.push(series);
        if new {
            around.cache.unlearn(&mut self.pass);
        }
    }

    /// The line is why the page fails.
    fn broken(&mut self, broken: Broken) -> PageError {
        let text = match broken {
            Broken::OpenQuote => return PageError::Text(ParseError::OpenQuote.to_string()),
            Broken::Grammar(text) => {
                // What is no sample does not count as one.
                self.scraped -= 1;
                text
            }
            Broken::Text(text) => {
                self.refused.add(Refusal::RolledBack, 1);
                text
            }
            Broken::LabelLimit(text) => {
                self.refused.add(Refusal::RolledBack, 1);
                return PageError::LabelLimit(text);
            }
        };
        match self.parser.format() {
            Format::Protobuf => PageError::Text(text),
            Format::Text | Format::OpenMetrics => {
                PageError::Text(format!("line {}: {text}", self.line))
            }
        }
    }

    /// The exemplar of the float pushed last.
    // spec: SCR §3.5: without a time it has its sample's
    #[inline(never)]
    fn exemplar(&mut self, series: SeriesRef, exemplar: &Exemplar<'_>, timestamp: Option<i64>) {
        if exemplar.is_too_long() {
            return self.exemplars.refuse(ExemplarRefusal::TooLong, 1);
        }
        let (labels, packed) = (&mut self.exemplar_labels, &mut self.exemplar_packed);
        if exemplar.labels(labels).is_err() {
            return self.exemplars.refuse(ExemplarRefusal::Malformed, 1);
        }
        packed.clear();
        pack(labels.iter(), packed);
        let own = exemplar.timestamp_ms;
        let time = own.or(timestamp).unwrap_or(self.batch.time.0);
        let exemplar = wal::Exemplar { labels: packed, value: exemplar.value, time };
        self.batch.push_exemplar(series, false, &exemplar, own.is_some());
    }

    #[cold]
    fn learn(
        &mut self,
        series: &Series<'_>,
        hash: u64,
        again: bool,
        around: &mut Around<'_>,
    ) -> Result<Option<Entry>, PageError> {
        // A histogram that was made of lines has a text as on a page of protobuf.
        let made = series.histogram.map(|_| Parser::new(Format::Protobuf));
        let resolved = around.resolver.resolve(
            series.text,
            made.as_ref().unwrap_or(&self.parser),
            around.job,
            around.target,
            &mut self.family,
            around.feed,
            self.batch.lane,
            around.now.timestamp,
            around.room.as_mut(),
        );
        let own_time = series.timestamp_ms.is_some() && around.job.honor_timestamps;
        let tracked = !own_time || around.job.track_timestamps_staleness;
        let mut counts = true;
        let entry = match resolved {
            Ok(Resolved::Series(found, created)) => {
                counts = created || !self.relearns;
                Entry::new(found, tracked)
            }
            Ok(Resolved::Filtered) => Entry::DROPPED,
            Ok(Resolved::Capped) => Entry::CAPPED,
            Ok(Resolved::DiskFull) if around.may_wait => {
                self.scraped -= 1;
                self.must_wait = true;
                return Ok(None);
            }
            Ok(Resolved::DiskFull) => {
                self.refused.add(Refusal::DiskFull, 1);
                return Ok(None);
            }
            Ok(Resolved::TooLong) => {
                self.refused.add(Refusal::LabelsTooLong, 1);
                return Ok(None);
            }
            Err(Broken::OpenQuote) => {
                self.scraped -= 1;
                self.join(series.text)?;
                return Ok(None);
            }
            Err(broken) => return Err(self.broken(broken)),
        };
        self.joins = 0;
        if again {
            around.cache.admit(&mut self.pass, entry);
            return Ok(Some(entry));
        }
        let one_line = memchr::memchr(b'\n', series.text).is_none();
        let len = if one_line { series.text.len() } else { 0 };
        around.cache.learn(&mut self.pass, hash, len, entry, counts);
        Ok(Some(entry))
    }
}
