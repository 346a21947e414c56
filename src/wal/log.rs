//! The samples log of one shard directory: append, read, roll, retire.

use std::collections::{HashMap, VecDeque};
use std::marker::PhantomData;

use crate::base::{Timestamp, limits};
use crate::model::SeriesRef;
use crate::wal::anchors::{Anchor, Basis};
use crate::wal::header::{Header, SegmentKind, salt_of};
use crate::wal::histograms::{Histograms, encode_histograms, payload_bytes};
use crate::wal::map::Region;
use crate::wal::place::{Identity, Place, Seq};
use crate::wal::record::{
    KIND_COPY, KIND_HISTOGRAMS, KIND_SAMPLES, RECORD_HEADER_BYTES, RECORDS_AT,
};
use crate::wal::relative::Bases;
use crate::wal::samples::{Beside, SAMPLE_BYTES_MAX, Samples, encode_samples, samples_in};
use crate::wal::segment::{FoundSegment, Full, Home, Retired, Segment, Tail, fits_region};
use crate::wal::starts::START_BYTES_MAX;

/// The samples log of one shard directory. Also reads the directory of a shard that no longer
/// exists; then nothing is appended and no spare is given.
///
/// It belongs to one core:
///
/// ```compile_fail
/// fn crosses<T: Send>() {}
/// crosses::<corelane::wal::Log>();
/// ```
#[derive(Debug)]
pub struct Log {
    identity: Identity,
    pub(super) segment_bytes: usize,
    seed: u64,
    /// By sequence. The last is the head once `has_head`.
    pub(super) segments: VecDeque<Segment>,
    pub(super) has_head: bool,
    /// What the next segment will be called; no header, cursor or store page mentions it or a later
    /// one.
    next_seq: Seq,
    /// Samples appended ever: those before the last segment's end.
    total: u64,
    /// One more than the highest ref that a record of this log mentions.
    refs_bound: u32,
    pub(super) spare: Option<(u16, Region)>,
    spare_asked: bool,
    /// So many segments may be in memory for want of a file.
    pub(super) memory_max: usize,
    /// How many have no trustworthy file.
    pub(super) unkept: usize,
    /// Memory that a segment has used before: faulted in, and as good as a spare.
    pub(super) memory_spare: Option<Region>,
    /// In the head: by lane and first ref, where the last frame is that was told in full.
    pub(super) anchors: HashMap<(u32, u32), Anchor>,
    pub(super) bases: Bases,
    pub(super) body: Vec<u8>,
    counters: LogCounters,
    here: PhantomData<*const ()>,
}

/// What a log has done and met since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogCounters {
    pub records: u64,
    /// Bytes appended, record headers included.
    pub bytes: u64,
    /// Unreadable places found when opening.
    pub damaged: u64,
    /// Samples known to have been in them.
    pub lost: u64,
    /// Where the last of them is.
    pub last_damage: Option<Place>,
    /// Records that could not be written through to the file; they are in memory and go on being
    /// sent.
    pub write_failures: u64,
}

/// One segment, for gauges and for the truncation policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentInfo {
    pub seq: Seq,
    /// Its file; `None`: it is only in memory.
    pub slot: Option<u16>,
    pub bytes: u64,
    /// Samples in the log before it.
    pub total_before: u64,
    /// When it was begun, milliseconds since the epoch.
    pub base_time_ms: i64,
    pub loaded: bool,
}

/// What is at a place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Step<'a> {
    /// The segment has to be loaded first.
    Absent(Seq),
    /// Nothing yet.
    End,
    /// Go on at `next`; `lost` samples were stepped over because they cannot be read (0 at an
    /// ordinary segment end).
    Moved { next: Place, lost: u64 },
    Record {
        place: Place,
        next: Place,
        samples: u32,
        payload: &'a [u8],
        /// What the payload is relative to.
        base_time: Basis<'a>,
    },
}

impl Log {
    /// `found`: every valid samples segment of the directory, in any order. The newest comes with
    /// its region, others may. `visit` gets (payload, what it is relative to) of every record in the given
    /// regions, in order. `cursor_max` is the highest sequence that a cursor or the store page
    /// mentions: new segments are called later, so that no new record lies below an old cursor.
    /// `seed` salts checksums and must differ between starts.
    pub fn open(
        identity: Identity,
        segment_bytes: usize,
        found: Vec<FoundSegment>,
        cursor_max: Seq,
        seed: u64,
        visit: &mut dyn FnMut(&[u8], Basis<'_>),
    ) -> Log {
        let mut log = Log {
            identity,
            segment_bytes,
            seed,
            segments: VecDeque::new(),
            has_head: false,
            next_seq: Seq(1),
            total: 0,
            refs_bound: 0,
            spare: None,
            spare_asked: false,
            memory_max: 0,
            unkept: 0,
            memory_spare: None,
            anchors: HashMap::new(),
            bases: Bases::default(),
            body: Vec::new(),
            counters: LogCounters::default(),
            here: PhantomData,
        };
        let mut found = found;
        found.retain(fits_region);
        found.sort_by_key(|found| found.header.seq);
        // A copy of a segment under another name adds nothing.
        found.dedup_by_key(|found| found.header.seq);
        log.segments = found.into_iter().map(Segment::found).collect();
        for index in 0..log.segments.len() {
            if log.segments[index].region.is_some() {
                log.recover(index, visit);
            }
        }
        let bounds = log.segments.iter().map(|segment| segment.header.refs_bound);
        log.refs_bound = bounds.max().unwrap_or(0);
        let newest = log.segments.back();
        log.total = newest.map_or(0, |segment| {
            segment.header.total_before + segment.tail.map_or(0, |tail| u64::from(tail.count))
        });
        let newest = newest.map_or(Seq(0), |segment| segment.header.seq);
        log.next_seq = Seq(newest.max(cursor_max).0.saturating_add(1));
        log
    }

    fn recover(&mut self, index: usize, visit: &mut dyn FnMut(&[u8], Basis<'_>)) {
        let segment = &self.segments[index];
        let basis = segment.basis();
        let mut unknown = 0;
        let scan = segment.scan(&mut |_, record| match record.kind {
            KIND_SAMPLES | KIND_HISTOGRAMS => visit(record.payload, basis),
            KIND_COPY => {}
            _ => unknown += u64::from(record.samples),
        });
        let counters = &mut self.counters;
        counters.damaged += u64::from(scan.damaged);
        counters.lost += scan.lost + unknown;
        if let Some(at) = scan.last {
            counters.last_damage = Some(Place::new(segment.header.seq, at as u32));
        }
        // What the next segment says was here and the scan did not find. A segment that is not there at all may have
        // been in memory, and been delivered: only who has yet to read it knows whether it is missed.
        let followed = |next: &&Segment| next.header.previous_end.seq() == segment.header.seq;
        if let Some(next) = self.segments.get(index + 1).filter(followed) {
            let counted = segment.header.total_before + u64::from(scan.tail.count);
            let missing = next.header.total_before.saturating_sub(counted);
            if missing > 0 {
                counters.lost += missing;
                counters.damaged += 1;
                counters.last_damage = Some(Place::new(segment.header.seq, scan.tail.end as u32));
            }
        }
        self.segments[index].tail = Some(scan.tail);
    }

    /// One more than the highest series ref that any record held may mention, as far as headers tell; records of the
    /// segments that were read at the start are for the caller to look at.
    pub fn refs_bound(&self) -> u32 {
        self.refs_bound
    }

    /// Records mention refs up to this one: goes into the headers of later segments.
    pub fn set_refs_bound(&mut self, bound: u32) {
        self.refs_bound = self.refs_bound.max(bound);
    }

    /// Samples that one append may have, whatever they are; longer scrapes are split by the caller.
    pub fn frame_samples(&self) -> usize {
        let smallest = self.segment_bytes.min(limits::MEMORY_SEGMENT_BYTES);
        samples_in(smallest.saturating_sub(RECORDS_AT + RECORD_HEADER_BYTES + 8))
    }

    /// As [`Log::frame_samples`], with exemplars and starts.
    pub fn frame_samples_with(&self) -> usize {
        let smallest = self.segment_bytes.min(limits::MEMORY_SEGMENT_BYTES);
        let taken = RECORDS_AT + RECORD_HEADER_BYTES + 8 + limits::EXEMPLARS_BYTES + 5;
        let room = smallest.saturating_sub(taken) / (SAMPLE_BYTES_MAX + START_BYTES_MAX);
        samples_in(room * SAMPLE_BYTES_MAX)
    }

    /// How many of the histograms with these lengths, from the first on, one append may have: at least one.
    pub fn frame_histograms(&self, lengths: &[u32]) -> usize {
        let smallest = self.segment_bytes.min(limits::MEMORY_SEGMENT_BYTES);
        let room = smallest.saturating_sub(RECORDS_AT + RECORD_HEADER_BYTES + 8);
        let room = room.min(limits::RECORD_BYTES).saturating_sub(limits::EXEMPLARS_BYTES);
        let mut bytes = 0;
        let fitting = lengths.iter().enumerate().take_while(|(at, length)| {
            bytes += **length as usize;
            payload_bytes(at + 1, bytes) <= room
        });
        fitting.count().clamp(1, limits::FRAME_SAMPLES)
    }

    /// Appends one record and gives its place. Nothing is written for no samples. `Full` changes
    /// nothing: there is no spare to go on in, or the samples are more than [`Log::frame_samples`].
    pub fn append(&mut self, samples: &Samples<'_>, now: Timestamp) -> Result<Place, Full> {
        self.append_with(samples, Beside::default(), now)
    }

    /// The same with what belongs to the samples: then no more of them than [`Log::frame_samples_with`] says.
    pub fn append_with(
        &mut self,
        samples: &Samples<'_>,
        beside: Beside<'_>,
        now: Timestamp,
    ) -> Result<Place, Full> {
        assert_eq!(samples.refs.len(), samples.values.len(), "one value per ref");
        assert!(samples.times.is_empty() || samples.times.len() == samples.refs.len());
        let most = match beside.is_empty() {
            true => self.frame_samples(),
            false => self.frame_samples_with(),
        };
        if samples.refs.len() > most {
            return Err(Full);
        }
        let alone = beside.is_empty();
        if alone && let Some(place) = self.append_relative(samples) {
            return Ok(place);
        }
        let place = self.append_record(KIND_SAMPLES, samples.refs, now, |base_time, out| {
            encode_samples(samples, beside, base_time, out);
        })?;
        if alone {
            self.anchor(samples, place);
        }
        Ok(place)
    }

    /// The same for histograms; see [`Log::frame_histograms`].
    pub fn append_histograms(
        &mut self,
        histograms: &Histograms<'_>,
        beside: Beside<'_>,
        now: Timestamp,
    ) -> Result<Place, Full> {
        let count = histograms.refs.len();
        assert_eq!(count, histograms.lengths.len(), "one body per ref");
        assert!(histograms.times.is_empty() || histograms.times.len() == count);
        if count > self.frame_histograms(histograms.lengths) {
            return Err(Full);
        }
        self.append_record(KIND_HISTOGRAMS, histograms.refs, now, |base_time, out| {
            encode_histograms(histograms, beside, base_time, out);
        })
    }

    fn append_record(
        &mut self,
        kind: u8,
        refs: &[SeriesRef],
        now: Timestamp,
        encode: impl Fn(i64, &mut Vec<u8>),
    ) -> Result<Place, Full> {
        if refs.is_empty() {
            return Ok(self.end());
        }
        if !self.has_head {
            self.roll(now)?;
        }
        self.encode(&encode);
        if !self.head().fits(self.body.len()) {
            // Times are relative to the segment, so the payload of the next one is another.
            self.roll(now)?;
            self.encode(&encode);
        }
        if !self.head().fits(self.body.len()) {
            return Err(Full);
        }
        let mut body = core::mem::take(&mut self.body);
        let place = self.put(kind, refs, &mut body);
        self.body = body;
        Ok(place)
    }

    /// Appends a record that fits the head.
    pub(super) fn put(&mut self, kind: u8, refs: &[SeriesRef], body: &mut Vec<u8>) -> Place {
        let count = refs.len() as u32;
        let head = self.segments.back_mut().expect("rolled");
        let at = head.append(kind, count, body);
        let failed = head.region.as_ref().is_some_and(Region::has_failed);
        let place = Place::new(head.header.seq, at as u32);
        self.total += u64::from(count);
        let highest = refs.iter().map(|series| series.0).max().unwrap_or(0);
        self.refs_bound = self.refs_bound.max(highest.saturating_add(1));
        self.counters.records += 1;
        self.counters.bytes += u64::from(self.end().offset() - place.offset());
        if failed {
            // The bytes are right in memory and will be sent; what the file holds is in doubt.
            self.counters.write_failures += 1;
            self.doubt_head();
        }
        place
    }

    fn head(&self) -> &Segment {
        self.segments.back().expect("rolled")
    }

    fn encode(&mut self, encode: impl Fn(i64, &mut Vec<u8>)) {
        self.body.clear();
        let base_time = self.segments.back().map_or(0, |head| head.header.base_time);
        encode(base_time, &mut self.body);
    }

    /// What the next segment goes into: the spare, else memory if it may.
    fn next_region(&mut self) -> Option<(Home, Region)> {
        if let Some((slot, region)) = self.spare.take() {
            return Some((Home::File(slot), region));
        }
        if self.unkept >= self.memory_max {
            return None;
        }
        let len = self.segment_bytes.min(limits::MEMORY_SEGMENT_BYTES);
        let region = self.memory_spare.take().unwrap_or_else(|| Region::heap(len));
        Some((Home::Memory, region))
    }

    fn roll(&mut self, now: Timestamp) -> Result<(), Full> {
        // The sequence is spent after four thousand million segments: 64 PiB of log.
        let after = self.next_seq.0.checked_add(1).ok_or(Full)?;
        let (home, region) = self.next_region().ok_or(Full)?;
        let previous = self.segments.back().and_then(|last| Some((last.header.seq, last.tail?)));
        let header = Header {
            kind: SegmentKind::Samples,
            identity: self.identity,
            salt: salt_of(self.seed, &self.identity, SegmentKind::Samples, self.next_seq),
            seq: self.next_seq,
            size: region.len() as u32,
            base_time: now.0,
            total_before: self.total,
            previous_end: previous
                .map_or(Place::ZERO, |(seq, tail)| Place::new(seq, tail.end as u32)),
            refs_bound: self.refs_bound,
        };
        self.segments.push_back(Segment::begin(header, home, region));
        self.anchors.clear();
        self.unkept += usize::from(home == Home::Memory);
        self.has_head = true;
        self.next_seq = Seq(after);
        Ok(())
    }

    /// The next append begins a new segment: what the file of this one holds is in doubt, because
    /// a sync or a write failed.
    pub fn close_head(&mut self) {
        self.has_head = false;
    }

    /// Where the next record goes, or would go if the head has room.
    pub fn end(&self) -> Place {
        match self.segments.back().filter(|_| self.has_head) {
            Some(head) => Place::new(head.header.seq, head.tail.map_or(0, |tail| tail.end as u32)),
            None => Place::new(self.next_seq, RECORDS_AT as u32),
        }
    }

    /// The first place still held.
    pub fn start(&self) -> Place {
        match self.segments.front() {
            Some(first) => Place::new(first.header.seq, RECORDS_AT as u32),
            None => self.end(),
        }
    }

    /// Samples appended ever.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Samples appended before `place`; `None` if that cannot be known without loading its segment.
    pub fn total_at(&self, place: Place) -> Option<u64> {
        let (index, segment) = match self.locate(place.seq()) {
            Located::After => return Some(self.total),
            Located::Before(first) => return Some(first.header.total_before),
            Located::At(index) => (index, &self.segments[index]),
        };
        let before = segment.header.total_before;
        let at = place.offset() as usize;
        if at <= RECORDS_AT {
            return Some(before);
        }
        if self.known_end(index).is_some_and(|end| at >= end) {
            return Some(self.total_after(index));
        }
        segment.region.as_ref()?;
        Some(before + u64::from(segment.count_before(at)))
    }

    /// Samples appended before segment `seq`. `None` only if it is older than everything held. For
    /// a sequence that was lost, or not used yet, that of the next one.
    pub fn segment_total(&self, seq: Seq) -> Option<u64> {
        match self.locate(seq) {
            Located::After => Some(self.total),
            Located::At(index) => Some(self.segments[index].header.total_before),
            Located::Before(next) => {
                let oldest = self.segments.front().map(|first| first.header.seq);
                (oldest < Some(seq)).then_some(next.header.total_before)
            }
        }
    }

    pub(super) fn locate(&self, seq: Seq) -> Located<'_> {
        let index = self.segments.partition_point(|segment| segment.header.seq < seq);
        match self.segments.get(index) {
            None => Located::After,
            Some(segment) if segment.header.seq == seq => Located::At(index),
            Some(segment) => Located::Before(segment),
        }
    }

    /// Samples before the end of the segment: what the next header says, since it was written
    /// knowing.
    fn total_after(&self, index: usize) -> u64 {
        self.segments.get(index + 1).map_or(self.total, |next| next.header.total_before)
    }

    /// Where the segment's records end, if anybody knows.
    fn known_end(&self, index: usize) -> Option<usize> {
        let segment = &self.segments[index];
        if let Some(Tail { end, .. }) = segment.tail {
            return Some(end);
        }
        let next = self.segments.get(index + 1)?;
        let previous = next.header.previous_end;
        (previous.seq() == segment.header.seq).then_some(previous.offset() as usize)
    }

    /// What is at `at`. A place before the oldest segment moves there; how much that skips is for
    /// the caller to say, from [`Log::segment_total`] and its own count.
    pub fn read(&self, at: Place) -> Step<'_> {
        let index = match self.locate(at.seq()) {
            Located::After if at >= self.end() => return Step::End,
            Located::After => {
                return Step::Moved { next: self.end(), lost: 0 };
            }
            Located::Before(next) => {
                return Step::Moved {
                    next: Place::new(next.header.seq, RECORDS_AT as u32),
                    lost: 0,
                };
            }
            Located::At(index) => index,
        };
        let segment = &self.segments[index];
        let offset = at.offset() as usize;
        if offset < RECORDS_AT {
            return Step::Moved { next: Place::new(at.seq(), RECORDS_AT as u32), lost: 0 };
        }
        let end = self.known_end(index);
        if end.is_some_and(|end| offset >= end) {
            return self.leave(index, None);
        }
        if segment.region.is_none() {
            return Step::Absent(at.seq());
        }
        match segment.record(offset) {
            Some(record) if matches!(record.kind, KIND_SAMPLES | KIND_HISTOGRAMS) => Step::Record {
                place: at,
                next: Place::new(at.seq(), record.next as u32),
                samples: record.samples,
                payload: record.payload,
                base_time: segment.basis(),
            },
            Some(record) => Step::Moved {
                next: Place::new(at.seq(), record.next as u32),
                lost: u64::from(record.samples),
            },
            None => self.step_over(index, offset, end),
        }
    }

    /// From a place without a valid record to the next one, or out of the segment.
    fn step_over(&self, index: usize, offset: usize, end: Option<usize>) -> Step<'_> {
        let segment = &self.segments[index];
        let count = segment.count_before(offset);
        match segment.find(offset, end.unwrap_or(usize::MAX), count) {
            Some((found, record)) => Step::Moved {
                next: Place::new(segment.header.seq, found as u32),
                lost: u64::from(record.before - count),
            },
            None => self.leave(index, Some(count)),
        }
    }

    /// The step from a segment to the next. `count`: samples of the segment before the place, if
    /// that is not its end.
    fn leave(&self, index: usize, count: Option<u32>) -> Step<'_> {
        let segment = &self.segments[index];
        let is_head = self.has_head && index + 1 == self.segments.len();
        let counted = match (count, segment.tail) {
            (Some(count), _) => segment.header.total_before + u64::from(count),
            (None, Some(tail)) => segment.header.total_before + u64::from(tail.count),
            (None, None) => self.total_after(index),
        };
        let lost = self.total_after(index).saturating_sub(counted);
        let next = match self.segments.get(index + 1) {
            Some(next) => Place::new(next.header.seq, RECORDS_AT as u32),
            None if is_head && count.is_none() => return Step::End,
            None => self.end(),
        };
        Step::Moved { next, lost }
    }

    /// True once for each spare that should be prepared; [`Log::give_spare`] or
    /// [`Log::spare_failed`] answers.
    pub fn wants_spare(&mut self) -> bool {
        let wants = self.spare.is_none() && !self.spare_asked;
        self.spare_asked |= wants;
        wants
    }

    /// A prepared segment to go on in: every byte of its file has been written.
    pub fn give_spare(&mut self, slot: u16, region: Region) {
        self.spare_asked = false;
        self.spare = Some((slot, region));
    }

    /// No spare came; [`Log::wants_spare`] asks again from now on, so call this when trying again
    /// makes sense.
    pub fn spare_failed(&mut self) {
        self.spare_asked = false;
    }

    /// True if a record can be appended without waiting for a spare.
    pub fn ready(&self) -> bool {
        self.has_head || self.spare.is_some()
    }

    /// The epoch in which this segment was written; the present one for a segment that is yet to come.
    pub fn epoch(&self, seq: Seq) -> u32 {
        match self.locate(seq) {
            Located::At(index) => self.segments[index].header.identity.epoch,
            Located::Before(next) => next.header.identity.epoch,
            Located::After => self.identity.epoch,
        }
    }

    /// The slot of a segment held.
    pub fn slot(&self, seq: Seq) -> Option<u16> {
        match self.locate(seq) {
            Located::At(index) => self.segments[index].slot(),
            Located::Before(_) | Located::After => None,
        }
    }

    pub fn has_spare(&self) -> bool {
        self.spare.is_some()
    }

    /// The bytes of a segment that [`Step::Absent`] named. False if they are another's; a segment that is not held any
    /// more needs none.
    pub fn load(&mut self, seq: Seq, region: Region) -> bool {
        let Located::At(index) = self.locate(seq) else {
            return true;
        };
        let segment = &mut self.segments[index];
        let same = Header::decode(region.bytes()).is_ok_and(|header| header == segment.header);
        let fits = same && region.len() == segment.header.size as usize;
        if fits && segment.region.is_none() {
            segment.region = Some(region);
        }
        fits
    }

    /// The bytes of this segment cannot be had: readers step over it, and count exactly what was in it.
    pub fn give_up(&mut self, seq: Seq) {
        if let Located::At(index) = self.locate(seq) {
            let segment = &mut self.segments[index];
            segment.region = Some(Region::fixed(vec![0; segment.header.size as usize]));
        }
    }

    pub fn is_loaded(&self, seq: Seq) -> bool {
        matches!(self.locate(seq), Located::At(index) if self.segments[index].region.is_some())
    }

    /// Lets go of the regions of segments that `keep` refuses; never of the newest.
    pub fn unload(&mut self, keep: &dyn Fn(Seq) -> bool) -> Vec<Region> {
        let older = self.segments.len().saturating_sub(1);
        let unwanted =
            self.segments.iter_mut().take(older).filter(|segment| !keep(segment.header.seq));
        // What is not known to be in its file is nowhere else.
        let failed =
            |segment: &&mut Segment| segment.region.as_ref().is_some_and(Region::has_failed);
        let safe = unwanted.filter(|segment| segment.is_kept() && !failed(segment));
        safe.filter_map(|segment| segment.region.take()).collect()
    }

    /// Takes what is mapped out of the process's memory, to come back page by page when it is used.
    pub fn release_pages(&self) {
        self.segments
            .iter()
            .filter_map(|segment| segment.region.as_ref())
            .for_each(Region::release);
    }

    /// Forgets segments below `below`, never the newest: it carries the sequence and the running
    /// total to the next start.
    pub fn retire(&mut self, below: Seq) -> Vec<Retired> {
        let mut retired = Vec::new();
        while let [first, rest @ ..] = self.segments.make_contiguous()
            && let Some(second) = rest.first()
        {
            // Nor the newest that is in a file, while those after it are not.
            let newest = first.is_kept() && !rest.iter().any(Segment::is_kept);
            if first.header.seq >= below || newest {
                break;
            }
            let samples = second.header.total_before.saturating_sub(first.header.total_before);
            let Some(first) = self.segments.pop_front() else {
                break;
            };
            retired.push(Retired { slot: first.slot(), region: first.region, samples });
        }
        self.recount();
        retired
    }

    /// Segments held, oldest first.
    pub fn segments(&self) -> impl Iterator<Item = SegmentInfo> {
        self.segments.iter().map(|segment| SegmentInfo {
            seq: segment.header.seq,
            slot: segment.slot(),
            bytes: u64::from(segment.header.size),
            total_before: segment.header.total_before,
            base_time_ms: segment.header.base_time,
            loaded: segment.region.is_some(),
        })
    }

    /// Tells a log to which nothing is appended any more from others; 0 if it is empty.
    pub fn name(&self) -> u64 {
        let Some(newest) = self.segments.back().map(|segment| segment.header) else { return 0 };
        let Identity { shard, start, .. } = newest.identity;
        u64::from(shard) << 48 | u64::from(start) << 16 | u64::from(newest.seq.0 as u16)
    }

    /// Bytes of the files of this log, the spare included.
    pub fn bytes_used(&self) -> u64 {
        let spare = self.spare.as_ref().map_or(0, |(_, region)| region.len() as u64);
        let in_files = self.segments().filter(|segment| segment.slot.is_some());
        in_files.map(|segment| segment.bytes).sum::<u64>() + spare
    }

    /// Slot and bytes of everything loaded, the spare included: what a simulated disk takes its
    /// snapshots from.
    pub fn regions(&self) -> impl Iterator<Item = (u16, &Region)> {
        let spare = self.spare.iter().map(|(slot, region)| (*slot, region));
        self.segments.iter().filter_map(|s| Some((s.slot()?, s.region.as_ref()?))).chain(spare)
    }

    pub fn counters(&self) -> LogCounters {
        self.counters
    }
}

/// A sequence among the segments held.
pub(super) enum Located<'a> {
    /// Later than all.
    After,
    At(usize),
    /// Not held; the next one that is.
    Before(&'a Segment),
}
