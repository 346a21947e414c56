//! `stats`: what takes the space, and who still has to get what.

use std::collections::{BTreeMap, HashMap};
use std::io::Write;

use crate::base::Timestamp;
use crate::disk::{FileKind, StoppedStore};
use crate::flags::Look;
use crate::inspect::endpoints::Endpoints;
use crate::inspect::error::InspectError;
use crate::inspect::reader::{Cursor, Met, ShardReader, shards};
use crate::model::{PackedLabels, SeriesRef};
use crate::telemetry::rfc3339;
use crate::wal::SegmentKind;

/// Metrics shown.
const TOP: usize = 20;

/// What a directory holds.
#[derive(Clone, Debug)]
pub struct Stats {
    pub records: u64,
    pub samples: u64,
    /// Bytes of records.
    pub bytes: u64,
    pub lost: u64,
    pub series: u64,
    /// Least and greatest timestamp.
    pub oldest: i64,
    pub newest: i64,
    /// Files and their bytes, by kind.
    pub files: BTreeMap<&'static str, (u64, u64)>,
    /// Samples by metric name.
    pub metrics: BTreeMap<String, u64>,
    /// By cursor file: samples to be sent, and the least timestamp among them.
    pub pending: BTreeMap<String, (u64, i64)>,
}

/// Reads everything and writes the tables.
pub fn stats(look: &Look, out: &mut dyn Write) -> Result<Stats, InspectError> {
    let endpoints = Endpoints::of(look.config_file.as_deref())?;
    let store = StoppedStore::open(&look.dir)?;
    let mut stats = Stats {
        records: 0,
        samples: 0,
        bytes: 0,
        lost: 0,
        series: 0,
        oldest: i64::MAX,
        newest: i64::MIN,
        files: BTreeMap::new(),
        metrics: BTreeMap::new(),
        pending: BTreeMap::new(),
    };
    for (_, dir) in shards(&store, None)? {
        let mut shard = ShardReader::open(&store, &dir)?;
        stats.shard(&store, &mut shard)?;
    }
    stats.write(&endpoints, out)?;
    Ok(stats)
}

impl Stats {
    fn shard(&mut self, store: &StoppedStore, shard: &mut ShardReader) -> Result<(), InspectError> {
        for file in &shard.files {
            let kind = match &file.kind {
                FileKind::Segment { header, .. } if header.kind == SegmentKind::Dictionary => {
                    "dictionary"
                }
                FileKind::Segment { .. } => "samples",
                FileKind::Spare(_) => "spare",
                FileKind::Cursor(_) => "cursor",
                FileKind::Ledger(_) => "ledger",
                FileKind::Unreadable(..) | FileKind::Foreign(_) => "unreadable",
                FileKind::Aside => "set aside",
                FileKind::Other => "other",
            };
            let (files, bytes) = self.files.entry(kind).or_default();
            *files += 1;
            *bytes += file.bytes;
        }
        self.series += shard.series() as u64;
        let mut cursors = shard.cursors();
        let mut by_series: HashMap<SeriesRef, u64> = HashMap::new();
        let mut at = shard.log.start();
        while let Some(met) = shard.next(store, at)? {
            let (place, next) = match met {
                Met::Frame { place, next } => (place, next),
                Met::Lost { next, lost, .. } => {
                    self.lost += lost;
                    at = next;
                    continue;
                }
            };
            at = next;
            let frame = &shard.decoded;
            cursors.iter_mut().for_each(|cursor| cursor.count(place, frame));
            self.records += 1;
            self.samples += frame.refs.len() as u64;
            self.bytes += next.0 - place.0;
            self.oldest = frame.times.iter().copied().fold(self.oldest, i64::min);
            self.newest = frame.times.iter().copied().fold(self.newest, i64::max);
            for series in &frame.refs {
                *by_series.entry(*series).or_default() += 1;
            }
        }
        for (series, samples) in by_series {
            match shard.labels(series) {
                Some(labels) => {
                    let name = PackedLabels(labels).get("__name__").to_owned();
                    *self.metrics.entry(name).or_default() += samples;
                }
                // The agent gives these up.
                None => self.lost += samples,
            }
        }
        cursors.iter().for_each(|cursor| self.wait_for(cursor));
        Ok(())
    }

    fn wait_for(&mut self, cursor: &Cursor) {
        let (pending, oldest) = self.pending.entry(cursor.file.clone()).or_insert((0, i64::MAX));
        *pending += cursor.pending();
        *oldest = cursor.oldest.min(*oldest);
    }

    fn write(&self, endpoints: &Endpoints, out: &mut dyn Write) -> Result<(), InspectError> {
        let per_sample = self.bytes as f64 / (self.samples as f64).max(1.0);
        writeln!(out, "samples           {}", self.samples)?;
        writeln!(out, "records           {}", self.records)?;
        writeln!(out, "samples lost      {}", self.lost)?;
        writeln!(out, "series            {}", self.series)?;
        writeln!(out, "bytes per sample  {per_sample:.2}")?;
        if self.samples > 0 {
            writeln!(out, "first             {}", rfc3339(Timestamp(self.oldest)))?;
            writeln!(out, "last              {}", rfc3339(Timestamp(self.newest)))?;
        }
        writeln!(out, "\nfiles                  count         bytes")?;
        for (kind, (files, bytes)) in &self.files {
            writeln!(out, "  {kind:<18} {files:>7} {bytes:>13}")?;
        }
        writeln!(out, "\nstill to be sent     samples  since")?;
        for (file, (pending, oldest)) in &self.pending {
            let since = match *pending {
                0 => "-".to_owned(),
                _ => rfc3339(Timestamp(*oldest)),
            };
            let name = endpoints.name(file);
            writeln!(out, "  {file:<20} {pending:>7}  {since}  {name}")?;
        }
        writeln!(out, "\nmetrics              samples  share")?;
        let mut metrics: Vec<(&String, &u64)> = self.metrics.iter().collect();
        metrics.sort_by_key(|(name, samples)| (std::cmp::Reverse(**samples), *name));
        for (name, samples) in metrics.into_iter().take(TOP) {
            let share = 100.0 * *samples as f64 / (self.samples as f64).max(1.0);
            writeln!(out, "  {samples:>26}  {share:>4.1}%  {name}")?;
        }
        Ok(())
    }
}
