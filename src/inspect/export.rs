//! `export`: what the log holds, sent elsewhere by remote write. No cursor moves.

use core::time::Duration;
use std::collections::BTreeSet;
use std::fs;
use std::io::Write;

use crate::auth;
use crate::base::{Instant, limits};
use crate::client::native_roots;
use crate::coordinator::USER_AGENT;
use crate::disk::StoppedStore;
use crate::flags::Export;
use crate::http::{SnappyEncoder, Url, retry_after, snappy};
use crate::inspect::endpoints::Endpoints;
use crate::inspect::error::InspectError;
use crate::inspect::reader::{Cursor, Met, ShardReader, shards};
use crate::inspect::remote::{Answer, Remote};
use crate::inspect::verify::shown;
use crate::io::Clock;
use crate::model::{StatusPolicy, is_packed_custom};
use crate::relabel::Rule;
use crate::send::{Filter, Verdict, verdict};
use crate::tls;
use crate::wal::Place;
use crate::wire::histogram::{histogram_len, put_histogram};
use crate::wire::remote_v1::{put_sample, sample_len};

const BACKOFF_MIN: Duration = Duration::from_millis(30);
const BACKOFF_MAX: Duration = Duration::from_secs(5);
/// No receiver makes us wait longer at once.
const WAIT_MAX: Duration = Duration::from_secs(60);
const PROGRESS_EVERY: Duration = Duration::from_secs(2);

/// What an export came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    pub sent: u64,
    /// Samples that cannot be read, have no labels, or cannot be said in remote write 1.0.
    pub lost: u64,
    /// Samples that `write_relabel_configs` drop.
    pub filtered: u64,
}

/// A shard on its way.
struct Source {
    number: u16,
    reader: ShardReader,
    at: Place,
    cursor: Option<Cursor>,
    filter: Filter,
}

/// A request being filled.
#[derive(Default)]
struct Batch {
    raw: Vec<u8>,
    /// Where each sample ends in it.
    ends: Vec<usize>,
}

struct Sender<'a> {
    remote: Remote,
    clock: Clock,
    retry_for: Duration,
    encoder: SnappyEncoder,
    body: Vec<u8>,
    /// Samples passed over so far of those that `--skip` names, and sent.
    skipped: u64,
    done: Exported,
    told: Instant,
    notes: &'a mut dyn Write,
}

/// Sends what is asked for, oldest first, each series in the order of the log.
pub fn export(asked: &Export, notes: &mut dyn Write) -> Result<Exported, InspectError> {
    let endpoints = Endpoints::of(asked.config_file.as_deref())?;
    let store = StoppedStore::open(&asked.dir)?;
    let mut sources = sources(asked, &store, &endpoints)?;
    let rules = match &asked.endpoint {
        Some(name) => endpoints.relabel(&endpoints.file(name)),
        None => &[],
    };
    let clock = Clock::start();
    let told = clock.now().instant;
    let mut sender = Sender {
        remote: remote(asked)?,
        clock,
        retry_for: asked.retry_for,
        encoder: SnappyEncoder::default(),
        body: Vec::new(),
        skipped: 0,
        done: Exported::default(),
        told,
        notes,
    };
    // A series may have been another shard's in an earlier epoch.
    let epochs: BTreeSet<u32> = sources
        .iter()
        .flat_map(|source| {
            source.reader.log.segments().map(|found| source.reader.log.epoch(found.seq))
        })
        .collect();
    let mut batch = Batch::default();
    for epoch in epochs {
        for source in &mut sources {
            source.send(
                &store,
                epoch,
                asked,
                endpoints.external(),
                rules,
                &mut batch,
                &mut sender,
            )?;
        }
    }
    sender.send(&batch)?;
    let Exported { sent, lost, filtered } = sender.done;
    writeln!(sender.notes, "sent {sent} samples; {lost} cannot be read, {filtered} were filtered")?;
    Ok(sender.done)
}

fn sources(
    asked: &Export,
    store: &StoppedStore,
    endpoints: &Endpoints,
) -> Result<Vec<Source>, InspectError> {
    let file = asked.endpoint.as_ref().map(|name| endpoints.file(name));
    let mut sources = Vec::new();
    let mut known = BTreeSet::new();
    for (number, dir) in shards(store, None)? {
        let reader = ShardReader::open(store, &dir)?;
        let mut cursors = reader.cursors();
        known.extend(cursors.iter().map(|cursor| cursor.file.clone()));
        let cursor = match &file {
            None => None,
            Some(file) => {
                // Without a cursor there is nothing here that the endpoint was to get.
                let Some(at) = cursors.iter().position(|cursor| cursor.file == *file) else {
                    continue;
                };
                Some(cursors.swap_remove(at))
            }
        };
        let low = cursor.as_ref().and_then(|cursor| cursor.page.as_ref());
        let low = low.map_or(Place::ZERO, |page| Place::new(page.low.seq(), 0));
        let at = reader.log.start().max(low);
        sources.push(Source { number, reader, at, cursor, filter: Filter::default() });
    }
    match file {
        Some(file) if sources.is_empty() => Err(InspectError::NoCursor {
            endpoint: asked.endpoint.clone().unwrap_or_default(),
            file,
            known: known.into_iter().collect(),
        }),
        _ => Ok(sources),
    }
}

fn remote(asked: &Export) -> Result<Remote, InspectError> {
    let wrong = |message: String| InspectError::Remote { url: asked.to.clone(), message };
    let url = Url::parse(&asked.to).map_err(|error| wrong(error.to_string()))?;
    if !["http", "https"].contains(&url.scheme.as_str()) {
        return Err(wrong(format!("the scheme {} is neither http nor https", url.scheme)));
    }
    let mut headers = vec![("User-Agent".to_owned(), USER_AGENT.to_owned())];
    headers.extend(asked.headers.iter().cloned());
    if let Some((user, password)) = &url.userinfo {
        headers.push(("Authorization".to_owned(), auth::basic(user, password)));
    }
    let mut settings = tls::Settings::default();
    if let Some(path) = &asked.ca_file {
        let read = fs::read(path);
        settings.ca_pem =
            Some(read.map_err(|error| wrong(format!("{}: {error}", path.display())))?);
    }
    let roots = if url.is_tls() && asked.ca_file.is_none() { native_roots() } else { Vec::new() };
    Ok(Remote::new(url, headers, settings, roots))
}

impl Source {
    /// Everything up to the end of an epoch.
    #[expect(clippy::too_many_arguments, reason = "one call, of what the loop around it holds")]
    fn send(
        &mut self,
        store: &StoppedStore,
        epoch: u32,
        asked: &Export,
        external: &[u8],
        rules: &[Rule],
        batch: &mut Batch,
        sender: &mut Sender<'_>,
    ) -> Result<(), InspectError> {
        while let Some(met) = self.reader.next(store, self.at)? {
            let (Met::Frame { place, next } | Met::Lost { place, next, .. }) = met;
            if self.reader.log.epoch(place.seq()) > epoch {
                return Ok(());
            }
            self.at = next;
            if let Met::Lost { lost, .. } = met {
                sender.lose(lost, self.number, place)?;
                continue;
            }
            let lane = self.reader.decoded.lane;
            let settled = self.cursor.as_ref().map_or(0, |cursor| cursor.settled(place, lane));
            let (mut nameless, mut custom) = (0, 0);
            for index in settled.min(self.reader.decoded.refs.len())..self.reader.decoded.refs.len()
            {
                let frame = &self.reader.decoded;
                let (series, time) = (frame.refs[index], frame.times[index]);
                let histogram = frame.histogram(index);
                let wanted = asked.from.is_none_or(|from| from <= time)
                    && asked.until.is_none_or(|until| time <= until);
                if !wanted {
                    continue;
                }
                if histogram.is_some_and(is_packed_custom) {
                    custom += 1;
                    continue;
                }
                let Some(stored) = self.reader.labels(series) else {
                    nameless += 1;
                    continue;
                };
                let Some(labels) = self.filter.labels(series, stored, external, rules) else {
                    sender.done.filtered += 1;
                    continue;
                };
                if sender.skipped < asked.skip {
                    sender.skipped += 1;
                    continue;
                }
                let more = match histogram {
                    Some(packed) => histogram_len(labels.len(), packed.len(), time),
                    None => sample_len(labels.len(), time),
                };
                if batch.is_full(more) {
                    sender.send(batch)?;
                    batch.clear();
                }
                match histogram {
                    Some(packed) => put_histogram(&mut batch.raw, labels, packed, time, &[]),
                    None => put_sample(&mut batch.raw, labels, frame.values[index], time),
                }
                batch.ends.push(batch.raw.len());
            }
            if nameless > 0 {
                sender.lose(nameless, self.number, place)?;
            }
            if custom > 0 {
                sender.lose_custom(custom, self.number, place)?;
            }
        }
        Ok(())
    }
}

impl Batch {
    fn is_full(&self, more: usize) -> bool {
        self.ends.len() >= limits::REQUEST_SAMPLES
            || !self.ends.is_empty() && self.raw.len() + more > limits::REQUEST_BYTES
    }

    fn clear(&mut self) {
        self.raw.clear();
        self.ends.clear();
    }
}

impl Sender<'_> {
    fn lose(&mut self, samples: u64, shard: u16, place: Place) -> Result<(), InspectError> {
        self.done.lost += samples;
        let place = shown(place);
        writeln!(self.notes, "shard {shard}: {samples} samples at {place} cannot be read")?;
        Ok(())
    }

    fn lose_custom(&mut self, count: u64, shard: u16, place: Place) -> Result<(), InspectError> {
        self.done.lost += count;
        let place = shown(place);
        writeln!(
            self.notes,
            "shard {shard}: {count} histograms at {place} have custom buckets, which remote write 1.0 cannot say"
        )?;
        Ok(())
    }

    /// Sends all of a batch, in parts if the receiver finds it too large.
    fn send(&mut self, batch: &Batch) -> Result<(), InspectError> {
        let mut from = 0;
        let mut most = batch.ends.len();
        while from < batch.ends.len() {
            let until = (from + most).min(batch.ends.len());
            let start = if from == 0 { 0 } else { batch.ends[from - 1] };
            let raw = &batch.raw[start..batch.ends[until - 1]];
            snappy(&mut self.encoder, raw, &mut self.body);
            if !self.deliver(until - from)? {
                most = (until - from) / 2;
                continue;
            }
            self.done.sent += (until - from) as u64;
            from = until;
            self.tell()?;
        }
        Ok(())
    }

    /// One request, until it is taken in; false if less should be tried at once.
    fn deliver(&mut self, samples: usize) -> Result<bool, InspectError> {
        let begun = self.clock.now().instant;
        let mut backoff = BACKOFF_MIN;
        for attempt in 0.. {
            let answered = self.remote.post(&self.body, attempt);
            let now = self.clock.now();
            let (why, wait) = match &answered {
                Ok(answer) => {
                    let after = answer.retry_after.as_deref();
                    let after = after.and_then(|text| retry_after(text, now.timestamp));
                    match verdict(answer.status, &StatusPolicy::default(), true, after, false) {
                        Verdict::Acknowledge => return Ok(true),
                        Verdict::Halve if samples > 1 => return Ok(false),
                        Verdict::Retry { after } => (said(answer), after.unwrap_or(backoff)),
                        Verdict::Drop | Verdict::Halve | Verdict::Hold | Verdict::Isolate => {
                            return Err(self.stopped(format!("refused: {}", said(answer))));
                        }
                    }
                }
                Err(error) => (error.to_string(), backoff),
            };
            if now.instant.since(begun) >= self.retry_for {
                let why = format!("gave up after {} tries: {why}", attempt + 1);
                return Err(self.stopped(why));
            }
            if attempt == 0 {
                writeln!(self.notes, "trying again: {why}")?;
            }
            // The thread has nothing else to do.
            std::thread::park_timeout(wait.min(WAIT_MAX));
            backoff = (backoff * 2).min(BACKOFF_MAX);
        }
        unreachable!("the loop has no end")
    }

    fn stopped(&self, why: String) -> InspectError {
        InspectError::Stopped { why, sent: self.done.sent, skip: self.skipped + self.done.sent }
    }

    fn tell(&mut self) -> Result<(), InspectError> {
        let now = self.clock.now().instant;
        if now.since(self.told) >= PROGRESS_EVERY {
            self.told = now;
            writeln!(self.notes, "sent {} samples", self.done.sent)?;
        }
        Ok(())
    }
}

fn said(answer: &Answer) -> String {
    format!("{} {}", answer.status, answer.words).trim_end().to_owned()
}
