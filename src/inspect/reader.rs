//! One shard's directory, read from its beginning to its end, a segment in memory at a time.

use core::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use crate::base::limits;
use crate::disk::{FileKind, FoundFile, StoppedStore};
use crate::inspect::error::InspectError;
use crate::model::SeriesRef;
use crate::wal::{
    At, CursorPage, Decoded, Dictionary, DictionaryEntry, FoundSegment, Header, Log, Mark, Place,
    SegmentKind, Seq, Step, decode_samples, newest,
};

/// The directory of one shard: its files, the meaning of its refs, and its log.
#[derive(Debug)]
pub struct ShardReader {
    pub dir: PathBuf,
    pub files: Vec<FoundFile>,
    pub log: Log,
    dictionary: Dictionary,
    defined: HashMap<SeriesRef, At>,
    headers: BTreeMap<Seq, (String, Header)>,
    /// The frame that [`ShardReader::next`] gave last.
    pub decoded: Decoded,
}

/// What [`ShardReader::next`] comes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Met {
    /// One scrape of one target: `decoded` holds it.
    Frame { place: Place, next: Place },
    /// `lost` samples cannot be read at `place`.
    Lost { place: Place, next: Place, lost: u64 },
}

impl ShardReader {
    /// Reads headers, cursors and the dictionary.
    pub fn open(store: &StoppedStore, dir: &Path) -> Result<ShardReader, InspectError> {
        let files = store.files(dir)?;
        let identity = store.identity();
        let mut headers = BTreeMap::new();
        let (mut samples, mut definitions) = (Vec::new(), Vec::new());
        for file in &files {
            let FileKind::Segment { header, slot, .. } = file.kind else { continue };
            let mut found = FoundSegment { header, slot, region: None };
            if header.kind == SegmentKind::Dictionary {
                found.region = Some(store.read(&dir.join(&file.name), &header)?);
                definitions.push(found);
                continue;
            }
            headers.entry(header.seq).or_insert_with(|| (file.name.clone(), header));
            samples.push(found);
        }
        let mut defined = HashMap::new();
        let dictionary = Dictionary::open(identity, 0, definitions, 0, &mut |entry| match entry {
            DictionaryEntry::Define { series, at, .. } => defined.insert(series, at),
            DictionaryEntry::Describe { .. } => None,
            DictionaryEntry::Forget { series } => defined.remove(&series),
        });
        let log = Log::open(identity, 0, samples, Seq(0), 0, &mut |_, _| {});
        Ok(ShardReader {
            dir: dir.to_owned(),
            files,
            log,
            dictionary,
            defined,
            headers,
            decoded: Decoded::default(),
        })
    }

    /// Series that are defined.
    pub fn series(&self) -> usize {
        self.defined.len()
    }

    /// Packed labels; `None` if the definition is not there.
    pub fn labels(&self, series: SeriesRef) -> Option<&[u8]> {
        self.defined.get(&series).map(|at| self.dictionary.labels(*at))
    }

    /// The next frame at or after `at`, or samples that cannot be read; `None` at the end of the log. Segments are
    /// brought in as they are needed.
    pub fn next(
        &mut self,
        store: &StoppedStore,
        mut at: Place,
    ) -> Result<Option<Met>, InspectError> {
        loop {
            match self.log.read(at) {
                Step::End => return Ok(None),
                Step::Absent(seq) => self.bring(store, seq)?,
                Step::Moved { next, lost: 0 } => at = next,
                Step::Moved { next, lost } => return Ok(Some(Met::Lost { place: at, next, lost })),
                Step::Record { place, next, samples, payload, base_time } => {
                    let decoded = decode_samples(payload, base_time, &mut self.decoded);
                    if decoded.is_err() || self.decoded.refs.len() != samples as usize {
                        return Ok(Some(Met::Lost { place, next, lost: u64::from(samples) }));
                    }
                    return Ok(Some(Met::Frame { place, next }));
                }
            }
        }
    }

    fn bring(&mut self, store: &StoppedStore, seq: Seq) -> Result<(), InspectError> {
        self.log.unload(&|kept| kept == seq);
        let Some((name, header)) = self.headers.get(&seq) else {
            self.log.give_up(seq);
            return Ok(());
        };
        let region = store.read(&self.dir.join(name), header)?;
        // The file has changed since its header was read: somebody does not respect the lock.
        if !self.log.load(seq, region) {
            self.log.give_up(seq);
        }
        Ok(())
    }

    /// The cursors of the directory, by file name.
    pub fn cursors(&self) -> Vec<Cursor> {
        let found = self.files.iter().filter_map(|file| match &file.kind {
            FileKind::Cursor(bytes) => Some(Cursor {
                file: file.name.clone(),
                page: newest(bytes),
                pending: [0; LANES],
                oldest: i64::MAX,
            }),
            _ => None,
        });
        found.collect()
    }
}

/// Lanes that a cursor tells apart.
pub const LANES: usize = limits::CONNECTIONS;

/// One cursor file, and what the log still has for its endpoint.
#[derive(Clone, Debug)]
pub struct Cursor {
    pub file: String,
    /// `None`: neither slot can be read, so everything is sent again.
    pub page: Option<CursorPage>,
    /// Samples by lane.
    pub pending: [u64; LANES],
    /// The least timestamp among them; `i64::MAX` without any.
    pub oldest: i64,
}

impl Cursor {
    /// How many samples of a frame of this lane have a verdict: `usize::MAX` for all.
    pub fn settled(&self, place: Place, lane: u32) -> usize {
        let Some(page) = &self.page else { return 0 };
        let low = Mark { place: page.low, skip: 0 };
        let lane = page.lanes.get(lane as usize % LANES).copied().unwrap_or(low).max(low);
        let ahead = page.ahead.iter().filter(|ahead| place >= ahead.from);
        let lane = ahead
            .filter(|ahead| place <= ahead.to.place)
            .fold(lane, |lane, ahead| lane.max(ahead.to));
        match place.cmp(&lane.place) {
            Ordering::Less => usize::MAX,
            Ordering::Equal => lane.skip as usize,
            Ordering::Greater => 0,
        }
    }

    /// Counts a frame, if it is still wanted.
    pub fn count(&mut self, place: Place, frame: &Decoded) {
        let settled = self.settled(place, frame.lane).min(frame.refs.len());
        self.pending[frame.lane as usize % LANES] += (frame.refs.len() - settled) as u64;
        self.oldest = frame.times[settled..].iter().copied().fold(self.oldest, i64::min);
    }

    pub fn pending(&self) -> u64 {
        self.pending.iter().sum()
    }
}

/// The shards of a directory that are asked for.
pub fn shards(
    store: &StoppedStore,
    wanted: Option<u16>,
) -> Result<Vec<(u16, PathBuf)>, InspectError> {
    let mut found = store.shards()?;
    if let Some(shard) = wanted {
        found.retain(|(number, _)| *number == shard);
        if found.is_empty() {
            return Err(InspectError::NoShard { path: store.path().to_owned(), shard });
        }
    }
    Ok(found)
}
