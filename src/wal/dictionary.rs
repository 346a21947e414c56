//! What series refs mean: one record per definition, in segments of their own.

use std::collections::VecDeque;
use std::marker::PhantomData;

use crate::base::limits::{self, FRAME_SAMPLES, LABELS_BYTES};
use crate::base::{Reader, Timestamp};
use crate::model::SeriesRef;
use crate::wal::guard::pages_lost;
use crate::wal::header::{Header, SegmentKind, salt_of};
use crate::wal::log::LogCounters;
use crate::wal::map::Region;
use crate::wal::place::{Identity, Place, Seq};
use crate::wal::record::{
    HOMES, KIND_DEFINE, KIND_DEFINE_DESCRIBED, KIND_DESCRIBE, KIND_FORGET, RECORD_HEADER_BYTES,
    RECORDS_AT, Record, home_of, labels_at, record_bytes,
};
use crate::wal::segment::{FoundSegment, Full, Home, Retired, Segment, fits_region};

/// Where a definition is: four bytes per series. The low bits are the record's offset over eight,
/// the high bits the segment's index in memory; a place means nothing after a restart, when `open`
/// names new ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct At(pub u32);

/// One thing the dictionary says, in the order it was said: a later definition of a series replaces
/// an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DictionaryEntry<'a> {
    /// `home`: the lane that its samples go by, below 16; `about`: the number of its description, 0 for none.
    Define {
        series: SeriesRef,
        home: u8,
        about: u16,
        at: At,
        labels: &'a [u8],
    },
    /// What the number means from here on.
    Describe {
        about: u16,
        at: At,
        content: &'a [u8],
    },
    Forget {
        series: SeriesRef,
    },
}

/// The dictionary of one shard directory. All its segments stay loaded.
///
/// It belongs to one core:
///
/// ```compile_fail
/// fn crosses<T: Send>() {}
/// crosses::<corelane::wal::Dictionary>();
/// ```
#[derive(Debug)]
pub struct Dictionary {
    identity: Identity,
    segment_bytes: usize,
    seed: u64,
    /// Bits of [`At`] that are an offset.
    offset_bits: u32,
    /// By index; `None` for an index free to be used again.
    pub(super) table: Vec<Option<Entry>>,
    /// Indexes by sequence, oldest first.
    pub(super) order: VecDeque<usize>,
    /// True if the newest segment may be appended to.
    pub(super) has_head: bool,
    next_seq: Seq,
    pub(super) spare: Option<(u16, Region)>,
    spare_asked: bool,
    /// So many segments may be in memory for want of a file.
    pub(super) memory_max: usize,
    /// How many have no trustworthy file.
    pub(super) unkept: usize,
    body: Vec<u8>,
    counters: LogCounters,
    here: PhantomData<*const ()>,
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) segment: Segment,
    /// Bytes of definitions that have not been replaced or forgotten.
    live: u64,
}

impl Dictionary {
    /// `found`: every valid dictionary segment of the directory, in any order, all with regions.
    /// `visit` gets every entry in order and answers with the place of the definition that the
    /// entry replaces or forgets, if any: the dictionary keeps count of dead bytes, but no table of
    /// series.
    pub fn open(
        identity: Identity,
        segment_bytes: usize,
        found: Vec<FoundSegment>,
        seed: u64,
        visit: &mut dyn FnMut(DictionaryEntry<'_>) -> Option<At>,
    ) -> Dictionary {
        let mut found = found;
        found.retain(|found| found.region.is_some() && fits_region(found));
        found.sort_by_key(|found| found.header.seq);
        found.dedup_by_key(|found| found.header.seq);
        let largest = found.iter().map(|found| found.header.size as usize).max().unwrap_or(0);
        let mut dictionary = Dictionary {
            identity,
            segment_bytes,
            seed,
            offset_bits: (largest.max(segment_bytes) / 8).next_power_of_two().ilog2(),
            table: Vec::new(),
            order: VecDeque::new(),
            has_head: false,
            next_seq: Seq(1),
            spare: None,
            spare_asked: false,
            memory_max: 0,
            unkept: 0,
            body: Vec::new(),
            counters: LogCounters::default(),
            here: PhantomData,
        };
        for found in found {
            dictionary.adopt(Segment::found(found), visit);
        }
        dictionary
    }

    /// Takes in the next segment found. A clean, writable newest one is continued: its records all
    /// verify, so nothing of this salt can be behind its end, and a start that defines nothing
    /// takes no new file.
    fn adopt(
        &mut self,
        segment: Segment,
        visit: &mut dyn FnMut(DictionaryEntry<'_>) -> Option<At>,
    ) {
        let Some(index) = self.free_index() else {
            return;
        };
        let mut live = 0;
        let mut dead: Vec<At> = Vec::new();
        let mut unknown = 0;
        let scan = segment.scan(&mut |offset, record| {
            let at = self.at(index, offset);
            match (home_of(record.kind), record.kind) {
                (Some(home), _) => {
                    let Some(entry) = definition(record, home, at) else {
                        return;
                    };
                    live += record_bytes(record.payload.len()) as u64;
                    dead.extend(visit(entry));
                }
                (None, KIND_DESCRIBE) => {
                    let Some(entry) = description(record, at) else {
                        return;
                    };
                    live += record_bytes(record.payload.len()) as u64;
                    dead.extend(visit(entry));
                }
                (None, KIND_FORGET) => {
                    let mut reader = Reader::new(record.payload);
                    while let Some(series) = reader.u32() {
                        let series = SeriesRef(series);
                        dead.extend(visit(DictionaryEntry::Forget { series }));
                    }
                }
                _ => unknown += 1,
            }
        });
        self.counters.damaged += u64::from(scan.damaged);
        self.counters.lost += scan.lost + unknown;
        if let Some(at) = scan.last {
            self.counters.last_damage = Some(Place::new(segment.header.seq, at as u32));
        }
        self.has_head =
            scan.damaged == 0 && segment.region.as_ref().is_some_and(Region::is_writable);
        self.next_seq = Seq(segment.header.seq.0.saturating_add(1));
        let segment = Segment { tail: Some(scan.tail), ..segment };
        self.place(index, Entry { segment, live });
        for at in dead {
            self.mark_dead(at);
        }
    }

    fn free_index(&self) -> Option<usize> {
        let free = self.table.iter().position(Option::is_none).unwrap_or(self.table.len());
        (free < 1 << (32 - self.offset_bits)).then_some(free)
    }

    fn place(&mut self, index: usize, entry: Entry) {
        if index == self.table.len() {
            self.table.push(None);
        }
        self.table[index] = Some(entry);
        self.order.push_back(index);
    }

    fn at(&self, index: usize, offset: usize) -> At {
        At((index as u32) << self.offset_bits | (offset / 8) as u32)
    }

    fn locate(&self, at: At) -> (usize, usize) {
        let mask = (1u32 << self.offset_bits) - 1;
        ((at.0 >> self.offset_bits) as usize, (at.0 & mask) as usize * 8)
    }

    /// Defines a series. Its packed labels are in the dictionary, and survive the death of the
    /// process, before the first sample that uses the ref can be appended. Also how a definition is
    /// moved when cleaning. `home` is the lane of its samples: whoever else appends to the series,
    /// they go by this one, over restarts too.
    pub fn define(
        &mut self,
        series: SeriesRef,
        home: u8,
        labels: &[u8],
        now: Timestamp,
    ) -> Result<At, Full> {
        self.define_described(series, home, 0, labels, now)
    }

    /// As [`Dictionary::define`], of a series that has the description `about`; 0: none.
    pub fn define_described(
        &mut self,
        series: SeriesRef,
        home: u8,
        about: u16,
        labels: &[u8],
        now: Timestamp,
    ) -> Result<At, Full> {
        if labels.len() > LABELS_BYTES {
            return Err(Full);
        }
        let number = about.to_le_bytes();
        let (kind, number) = match about {
            0 => (KIND_DEFINE, &[][..]),
            _ => (KIND_DEFINE_DESCRIBED, &number[..]),
        };
        self.add(kind + home % HOMES, &[&series.0.to_le_bytes(), number, labels], now)
    }

    /// Says what the number of a description means from here on. See the door for the content.
    pub fn describe(&mut self, about: u16, content: &[u8], now: Timestamp) -> Result<At, Full> {
        if content.len() > LABELS_BYTES {
            return Err(Full);
        }
        self.add(KIND_DESCRIBE, &[&about.to_le_bytes(), content], now)
    }

    /// Appends something that holds until it is said to be dead.
    fn add(&mut self, kind: u8, parts: &[&[u8]], now: Timestamp) -> Result<At, Full> {
        self.make_room(parts.iter().map(|part| part.len()).sum(), now)?;
        let mut body = core::mem::take(&mut self.body);
        body.clear();
        parts.iter().for_each(|part| body.extend_from_slice(part));
        let bytes = record_bytes(body.len()) as u64;
        let at = self.append(kind, &mut body);
        self.body = body;
        let (index, _) = self.locate(at);
        if let Some(entry) = &mut self.table[index] {
            entry.live += bytes;
        }
        Ok(at)
    }

    /// Says that these series are gone and that their refs may come to mean others. `gone` pairs
    /// each with the place of its definition, which is dead from then on. After `Full`, forget the
    /// same again: what was forgotten stays so.
    pub fn forget(&mut self, gone: &[(SeriesRef, At)], now: Timestamp) -> Result<(), Full> {
        for gone in gone.chunks(FRAME_SAMPLES / 4) {
            self.make_room(4 * gone.len(), now)?;
            let mut body = core::mem::take(&mut self.body);
            body.clear();
            for (series, _) in gone {
                body.extend_from_slice(&series.0.to_le_bytes());
            }
            self.append(KIND_FORGET, &mut body);
            self.body = body;
            for (_, at) in gone {
                self.mark_dead(*at);
            }
        }
        Ok(())
    }

    /// A definition was replaced by a later one outside of cleaning.
    pub fn mark_dead(&mut self, at: At) {
        let (index, offset) = self.locate(at);
        if let Some(Some(entry)) = self.table.get_mut(index) {
            let bytes = payload_at(entry.segment.bytes(), offset)
                .map_or(0, |(_, payload)| record_bytes(payload.len()) as u64);
            entry.live = entry.live.saturating_sub(bytes);
        }
    }

    fn make_room(&mut self, payload: usize, now: Timestamp) -> Result<(), Full> {
        if self.has_head && self.head().is_some_and(|head| head.fits(payload)) {
            return Ok(());
        }
        let index = self.free_index().ok_or(Full)?;
        let after = self.next_seq.0.checked_add(1).ok_or(Full)?;
        let largest = 8usize << self.offset_bits;
        let good = |region: &Region| {
            region.len() <= largest && RECORDS_AT + record_bytes(payload) <= region.len()
        };
        let (home, region) = match self.spare.take_if(|(_, region)| good(region)) {
            Some((slot, region)) => (Home::File(slot), region),
            None if self.unkept < self.memory_max => {
                let len = self.segment_bytes.min(limits::MEMORY_SEGMENT_BYTES);
                let region = Some(Region::heap(len)).filter(good).ok_or(Full)?;
                (Home::Memory, region)
            }
            None => return Err(Full),
        };
        let previous = self.head().and_then(|head| Some((head.header.seq, head.tail?)));
        let header = Header {
            kind: SegmentKind::Dictionary,
            identity: self.identity,
            salt: salt_of(self.seed, &self.identity, SegmentKind::Dictionary, self.next_seq),
            seq: self.next_seq,
            size: region.len() as u32,
            base_time: now.0,
            total_before: self.counters.records,
            previous_end: previous
                .map_or(Place::ZERO, |(seq, tail)| Place::new(seq, tail.end as u32)),
            refs_bound: 0,
        };
        self.place(index, Entry { segment: Segment::begin(header, home, region), live: 0 });
        self.unkept += usize::from(home == Home::Memory);
        self.next_seq = Seq(after);
        self.has_head = true;
        Ok(())
    }

    pub(super) fn head(&self) -> Option<&Segment> {
        let index = *self.order.back()?;
        self.table[index].as_ref().map(|entry| &entry.segment)
    }

    fn append(&mut self, kind: u8, body: &mut Vec<u8>) -> At {
        let index = *self.order.back().expect("room was made");
        let entry = self.table[index].as_mut().expect("the order names what exists");
        let bytes = record_bytes(body.len()) as u64;
        let offset = entry.segment.append(kind, 1, body);
        let failed = entry.segment.region.as_ref().is_some_and(Region::has_failed);
        self.counters.records += 1;
        self.counters.bytes += bytes;
        if failed {
            self.counters.write_failures += 1;
            self.doubt_head();
        }
        self.at(index, offset)
    }

    /// The packed labels of the definition at `at`; empty if there is none.
    pub fn labels(&self, at: At) -> &[u8] {
        let found = self.payload(at);
        found.and_then(|(kind, payload)| payload.get(labels_at(kind)..)).unwrap_or(&[])
    }

    /// The content of the description at `at`; empty if there is none.
    pub fn description(&self, at: At) -> &[u8] {
        let found = self.payload(at).filter(|(kind, _)| *kind == KIND_DESCRIBE);
        found.and_then(|(_, payload)| payload.get(2..)).unwrap_or(&[])
    }

    #[inline]
    fn payload(&self, at: At) -> Option<(u8, &[u8])> {
        let (index, offset) = self.locate(at);
        let entry = self.table.get(index)?.as_ref()?;
        if pages_lost() > 0 && entry.segment.has_failed() {
            // The file was taken away under us: only what still verifies is believed.
            let record = entry.segment.record(offset);
            return record.map(|record| (record.kind, record.payload));
        }
        payload_at(entry.segment.bytes(), offset)
    }

    /// True once for each spare that should be prepared: when there is no head, or it is half full.
    pub fn wants_spare(&mut self) -> bool {
        let half_full =
            |head: &Segment| head.tail.is_none_or(|tail| tail.end > head.bytes().len() / 2);
        let needed = !self.has_head || self.head_in_memory() || self.head().is_none_or(half_full);
        let wants = needed && self.spare.is_none() && !self.spare_asked;
        self.spare_asked |= wants;
        wants
    }

    /// A prepared segment to go on in: every byte of its file has been written.
    pub fn give_spare(&mut self, slot: u16, region: Region) {
        self.spare_asked = false;
        self.spare = Some((slot, region));
    }

    /// No spare came; [`Dictionary::wants_spare`] asks again from now on.
    pub fn spare_failed(&mut self) {
        self.spare_asked = false;
    }

    /// True if a definition can be appended without waiting for a spare.
    pub fn ready(&self) -> bool {
        self.has_head || self.spare.is_some()
    }

    pub fn has_spare(&self) -> bool {
        self.spare.is_some()
    }

    /// Bytes of definitions that hold.
    pub fn live_bytes(&self) -> u64 {
        self.entries().map(|entry| entry.live).sum()
    }

    /// Bytes of definitions replaced or forgotten, and of the records that say so.
    pub fn dead_bytes(&self) -> u64 {
        let used =
            |entry: &Entry| entry.segment.tail.map_or(0, |tail| (tail.end - RECORDS_AT) as u64);
        self.entries().map(|entry| used(entry).saturating_sub(entry.live)).sum()
    }

    /// Bytes of the files of this dictionary, the spare included.
    pub fn bytes_used(&self) -> u64 {
        let spare = self.spare.as_ref().map_or(0, |(_, region)| region.len() as u64);
        let in_files = self.entries().filter(|entry| entry.segment.slot().is_some());
        in_files.map(|entry| u64::from(entry.segment.header.size)).sum::<u64>() + spare
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.order.iter().filter_map(|index| self.table[*index].as_ref())
    }

    /// True when cleaning pays: more is dead than alive, and it would free a segment.
    pub fn wants_cleaning(&self) -> bool {
        self.oldest().is_some() && self.dead_bytes() > self.live_bytes()
    }

    /// The segment to clean next; `None` while there is only the head.
    pub fn oldest(&self) -> Option<Seq> {
        let oldest = self.entries().next()?;
        (self.order.len() > 1).then_some(oldest.segment.header.seq)
    }

    /// The first definition or description in the oldest segment at or after offset `from` (0 to
    /// begin), with the offset to go on from. Whether it is still alive is known to the table of
    /// series, or to the descriptions: alive if the place there is this one.
    pub fn next_in_oldest(&self, from: u32) -> Option<(u32, DictionaryEntry<'_>)> {
        self.oldest()?;
        let index = *self.order.front()?;
        let segment = &self.table[index].as_ref()?.segment;
        let limit = segment.tail?.end;
        let mut here = from as usize;
        loop {
            let (offset, record) = segment.find(here, limit, 0)?;
            here = record.next;
            let at = self.at(index, offset);
            let entry = match home_of(record.kind) {
                Some(home) => definition(&record, home, at),
                None if record.kind == KIND_DESCRIBE => description(&record, at),
                None => None,
            };
            if let Some(entry) = entry {
                return Some((here as u32, entry));
            }
        }
    }

    /// Forgets the oldest segment, after its live definitions were defined again. `None` while
    /// there is only the head.
    pub fn retire_oldest(&mut self) -> Option<Retired> {
        self.oldest()?;
        let index = self.order.pop_front()?;
        let segment = self.table[index].take()?.segment;
        self.unkept -= usize::from(!segment.is_kept());
        let slot = segment.slot();
        let Segment { region, tail, .. } = segment;
        Some(Retired { slot, region, samples: tail.map_or(0, |tail| u64::from(tail.count)) })
    }

    /// Takes what is mapped out of the process's memory, to come back page by page when it is used.
    pub fn release_pages(&self) {
        let regions = self.entries().filter_map(|entry| entry.segment.region.as_ref());
        regions.for_each(Region::release);
    }

    /// Slot and bytes of everything, the spare included: what a simulated disk takes its snapshots
    /// from.
    pub fn regions(&self) -> impl Iterator<Item = (u16, &Region)> {
        let spare = self.spare.iter().map(|(slot, region)| (*slot, region));
        self.entries()
            .filter_map(|e| Some((e.segment.slot()?, e.segment.region.as_ref()?)))
            .chain(spare)
    }

    pub fn counters(&self) -> LogCounters {
        self.counters
    }
}

fn definition<'a>(record: &Record<'a>, home: u8, at: At) -> Option<DictionaryEntry<'a>> {
    let mut reader = Reader::new(record.payload);
    let series = SeriesRef(reader.u32()?);
    let about = match record.kind {
        KIND_DEFINE_DESCRIBED.. => u16_of(&mut reader)?,
        _ => 0,
    };
    Some(DictionaryEntry::Define { series, home, about, at, labels: reader.rest() })
}

fn description<'a>(record: &Record<'a>, at: At) -> Option<DictionaryEntry<'a>> {
    let mut reader = Reader::new(record.payload);
    let about = u16_of(&mut reader)?;
    Some(DictionaryEntry::Describe { about, at, content: reader.rest() })
}

fn u16_of(reader: &mut Reader<'_>) -> Option<u16> {
    Some(u16::from_le_bytes(reader.bytes(2)?.try_into().ok()?))
}

/// Kind and payload of the record at `offset`, by its length alone: places were given out by us,
/// after verifying.
#[inline]
fn payload_at(bytes: &[u8], offset: usize) -> Option<(u8, &[u8])> {
    let word = u32::from_le_bytes(bytes.get(offset + 4..offset + 8)?.try_into().ok()?);
    let payload = bytes.get(offset + RECORD_HEADER_BYTES..)?.get(..(word >> 8) as usize)?;
    Some((word as u8, payload))
}
