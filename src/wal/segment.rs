//! One segment: a header and a run of records in a region. Shared by the samples log and the
//! dictionary.

use crate::wal::anchors::Basis;
use crate::wal::header::{COPY_AT, HEADER_BYTES, Header};
use crate::wal::map::Region;
use crate::wal::place::{Place, Seq};
use crate::wal::record::{
    KIND_COPY, KIND_DESCRIBE, KIND_FORGET, KIND_HISTOGRAMS, KIND_SAMPLES, RECORD_HEADER_BYTES,
    RECORDS_AT, Record, find_record, home_of, labels_at, record_at, record_bytes, record_header,
};

/// A segment found in a directory: its header was valid. Plain data, so that a helper finds it and
/// a core keeps it.
#[derive(Debug)]
pub struct FoundSegment {
    pub header: Header,
    /// Number of its file.
    pub slot: u16,
    /// Its bytes; a sealed samples segment may come without and be loaded when a cursor needs it.
    pub region: Option<Region>,
}

impl FoundSegment {
    /// Samples in the part of it that can be read (records, in a dictionary); 0 without its bytes.
    pub fn readable(&self) -> u32 {
        let salt = self.header.salt;
        let region = self.region.as_ref();
        region.map_or(0, |region| scan(region.bytes(), salt, &mut |_, _| {}).tail.count)
    }

    /// What the payloads of its records are relative to.
    pub fn basis(&self) -> Basis<'_> {
        let bytes = self.region.as_ref().map_or(&[][..], Region::bytes);
        Basis::new(self.header.base_time, bytes, self.header.salt)
    }

    /// True if its bytes are here and nothing unreadable is among its records.
    pub fn is_whole(&self) -> bool {
        let salt = self.header.salt;
        let region = self.region.as_ref();
        region.is_some_and(|region| scan(region.bytes(), salt, &mut |_, _| {}).damaged == 0)
    }

    /// Every record and every hole between records, in order, for who wants to see them all; then where the records
    /// end and how many samples (dictionary: records) they say there are. `None` without bytes.
    pub fn examine(&self, visit: &mut dyn FnMut(Finding<'_>)) -> Option<(Place, u64)> {
        let region = self.region.as_ref().filter(|_| fits_region(self))?;
        let tail = walk(region.bytes(), self.header.salt, &mut |met| match met {
            Met::Record(at, record) => visit(Finding::Record {
                offset: at as u32,
                bytes: (record.next - at) as u32,
                kind: match record.kind {
                    KIND_SAMPLES => RecordKind::Samples,
                    KIND_HISTOGRAMS => RecordKind::Histograms,
                    KIND_COPY => RecordKind::Copy,
                    KIND_DESCRIBE => RecordKind::Describe,
                    kind if home_of(kind).is_some() => {
                        RecordKind::Define { labels_at: labels_at(kind) }
                    }
                    KIND_FORGET => RecordKind::Forget,
                    other => RecordKind::Other(other),
                },
                samples: record.samples,
                payload: record.payload,
            }),
            Met::Hole { at, next, lost } => {
                visit(Finding::Hole { offset: at as u32, next: next as u32, lost });
            }
        });
        Some((Place::new(self.header.seq, tail.end as u32), u64::from(tail.count)))
    }
}

/// What [`FoundSegment::examine`] comes by. Offsets are bytes from the segment's beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding<'a> {
    Record {
        offset: u32,
        bytes: u32,
        kind: RecordKind,
        samples: u32,
        payload: &'a [u8],
    },
    /// No record can be read from `offset` on; the next one is at `next`, or `next` is `offset` and there is none.
    /// `lost` samples were between them; how many were behind the last record, only the next segment may know.
    Hole {
        offset: u32,
        next: u32,
        lost: u32,
    },
}

/// What a record holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordKind {
    Samples,
    Histograms,
    /// What samples records are relative to, once more.
    Copy,
    /// The labels of a series, from this byte of the payload on.
    Define {
        labels_at: usize,
    },
    /// Type, unit and help that definitions refer to.
    Describe,
    Forget,
    /// Of a later release: stepped over.
    Other(u8),
}

/// The segment is full and there is no spare, or the record is larger than a segment: nothing was
/// changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

impl core::fmt::Display for Full {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "the log is full: there is no prepared segment to go on in")
    }
}

impl core::error::Error for Full {}

/// A segment that was let go of: its file can be used again once the cursors that allowed it are
/// safe.
#[derive(Debug)]
pub struct Retired {
    /// `None`: it was only in memory.
    pub slot: Option<u16>,
    pub region: Option<Region>,
    /// Samples it held.
    pub samples: u64,
}

/// Where a segment is at home.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Home {
    /// In the file with this number.
    File(u16),
    /// In this file, of which a sync or a write failed: what it holds is not known.
    Doubt(u16),
    /// Only in memory: there was no file.
    Memory,
}

/// A segment that no trustworthy file holds yet, to be put into a fresh one: the same sequence, the same bytes.
#[derive(Debug, PartialEq, Eq)]
pub struct Unkept {
    pub seq: Seq,
    /// Size of the segment, and how much of it is in use.
    pub len: u32,
    pub used: u32,
    /// The file in doubt that it comes from.
    pub slot: Option<u16>,
    /// Its bytes; zeros follow up to `len`. `None`: to be read back from the file in doubt, before the kernel drops
    /// its pages.
    pub bytes: Option<Vec<u8>>,
}

/// Past the last record: where it is and how many samples (dictionary: records) are before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tail {
    pub(super) end: usize,
    pub(super) count: u32,
}

/// What a scan found beside good records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Scan {
    pub(super) tail: Tail,
    /// Places where something unreadable was stepped over.
    pub(super) damaged: u32,
    /// Samples known to have been there.
    pub(super) lost: u64,
    /// Offset of the last such place.
    pub(super) last: Option<usize>,
}

#[derive(Debug)]
pub(super) struct Segment {
    pub(super) header: Header,
    pub(super) home: Home,
    pub(super) region: Option<Region>,
    /// `None` until somebody has scanned it.
    pub(super) tail: Option<Tail>,
}

impl Segment {
    pub(super) fn found(found: FoundSegment) -> Segment {
        let home = Home::File(found.slot);
        Segment { header: found.header, home, region: found.region, tail: None }
    }

    /// Its file, in doubt or not.
    pub(super) fn slot(&self) -> Option<u16> {
        match self.home {
            Home::File(slot) | Home::Doubt(slot) => Some(slot),
            Home::Memory => None,
        }
    }

    pub(super) fn is_kept(&self) -> bool {
        matches!(self.home, Home::File(_))
    }

    pub(super) fn has_failed(&self) -> bool {
        self.region.as_ref().is_some_and(Region::has_failed)
    }

    /// Bytes that it takes in memory because no file can be trusted with them.
    pub(super) fn memory_bytes(&self) -> usize {
        let region = self.region.as_ref().filter(|region| region.is_memory());
        if self.is_kept() { 0 } else { region.map_or(0, Region::len) }
    }

    /// What a fresh file should get; `None` if there is a good one.
    pub(super) fn unkept(&self) -> Option<Unkept> {
        if self.is_kept() {
            return None;
        }
        let len = self.header.size;
        let used = self.tail.map_or(len, |tail| len.min(tail.end as u32));
        let here = self.region.as_ref().filter(|region| region.is_private() || region.has_failed());
        let bytes = here.map(|region| region.bytes()[..used as usize].to_vec());
        Some(Unkept { seq: self.header.seq, len, used, slot: self.slot(), bytes })
    }

    /// A fresh file has it. Gives back the bytes that were used until now.
    pub(super) fn move_to(&mut self, slot: u16, region: Region) -> Option<Region> {
        self.home = Home::File(slot);
        self.region.replace(region)
    }

    /// There is no fresh file: the bytes, as they were read back or else as they are mapped, stay in memory.
    pub(super) fn move_to_memory(&mut self, read: Option<Region>) -> Option<Region> {
        let own = self.region.as_ref();
        if self.is_kept() || own.is_some_and(|own| own.is_private()) {
            return read;
        }
        let read = read.filter(|read| read.len() == self.header.size as usize);
        let copy = || own.map(|own| Region::heap_from(own.bytes().to_vec()));
        match (read.or_else(copy), self.home) {
            (Some(memory), _) => self.region.replace(memory),
            (None, Home::Doubt(slot)) => {
                // Whatever the file says from now on is all there is.
                self.home = Home::File(slot);
                None
            }
            (None, _) => None,
        }
    }

    /// Begins a segment in a spare. The magic is published last: killed before, the file is still a
    /// spare.
    pub(super) fn begin(header: Header, home: Home, mut region: Region) -> Segment {
        region.write(RECORDS_AT, &[0; RECORD_HEADER_BYTES]);
        let sector = header.encode();
        region.write(COPY_AT, &sector);
        region.write(RECORD_HEADER_BYTES, &sector[RECORD_HEADER_BYTES..HEADER_BYTES]);
        let mut first = [0; RECORD_HEADER_BYTES];
        first.copy_from_slice(&sector[..RECORD_HEADER_BYTES]);
        region.publish(0, first);
        Segment {
            header,
            home,
            region: Some(region),
            tail: Some(Tail { end: RECORDS_AT, count: 0 }),
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.region.as_ref().map_or(&[], Region::bytes)
    }

    pub(super) fn record(&self, at: usize) -> Option<Record<'_>> {
        record_at(self.bytes(), self.header.salt, at)
    }

    pub(super) fn find(
        &self,
        from: usize,
        limit: usize,
        before: u32,
    ) -> Option<(usize, Record<'_>)> {
        find_record(self.bytes(), self.header.salt, from, limit, before)
    }

    /// What the payloads of its records are relative to.
    pub(super) fn basis(&self) -> Basis<'_> {
        Basis::new(self.header.base_time, self.bytes(), self.header.salt)
    }

    pub(super) fn fits(&self, payload: usize) -> bool {
        self.fits_bytes(record_bytes(payload))
    }

    /// True if records of so many bytes, headers included, fit.
    pub(super) fn fits_bytes(&self, bytes: usize) -> bool {
        let end = self.tail.map_or(usize::MAX, |tail| tail.end);
        end.saturating_add(bytes) <= self.bytes().len()
    }

    /// Appends one record and gives its offset. `body` holds the payload and is used as scratch
    /// after it. The caller has asked [`Segment::fits`].
    pub(super) fn append(&mut self, kind: u8, samples: u32, body: &mut Vec<u8>) -> usize {
        let tail = self.tail.expect("only the head is appended to, and its end is known");
        let region = self.region.as_mut().expect("the head is loaded");
        let header = record_header(self.header.salt, kind, tail.count, samples, body);
        let next = tail.end + record_bytes(body.len());
        // Payload, padding, and a zeroed header for the record that is not there yet, so that the
        // log ends cleanly.
        let room = (region.len() - next).min(RECORD_HEADER_BYTES);
        body.resize(next - tail.end - RECORD_HEADER_BYTES + room, 0);
        region.write(tail.end + RECORD_HEADER_BYTES, body);
        region.publish(tail.end, header);
        self.tail = Some(Tail { end: next, count: tail.count + samples });
        tail.end
    }

    /// Visits every good record in order, with its offset, stepping over what is not: a search for
    /// the next record that verifies, whose count of samples before it says how many are missing.
    pub(super) fn scan(&self, visit: &mut dyn FnMut(usize, &Record<'_>)) -> Scan {
        scan(self.bytes(), self.header.salt, visit)
    }

    /// Samples in this segment before `at`. Slow (a walk) only where there is no valid record at
    /// `at`.
    pub(super) fn count_before(&self, at: usize) -> u32 {
        if let Some(record) = self.record(at) {
            return record.before;
        }
        if let Some(tail) = self.tail.filter(|tail| at >= tail.end) {
            return tail.count;
        }
        let (mut here, mut count) = (RECORDS_AT, 0);
        while here < at {
            let Some((found, record)) = self.find(here, at, count) else {
                break;
            };
            debug_assert!(found < at);
            count = record.before + record.samples;
            here = record.next;
        }
        count
    }
}

fn scan(bytes: &[u8], salt: u32, visit: &mut dyn FnMut(usize, &Record<'_>)) -> Scan {
    let (mut damaged, mut lost, mut last) = (0, 0, None);
    let tail = walk(bytes, salt, &mut |met| match met {
        Met::Record(at, record) => visit(at, &record),
        Met::Hole { at, lost: samples, .. } => {
            damaged += 1;
            lost += u64::from(samples);
            last = Some(at);
        }
    });
    Scan { tail, damaged, lost, last }
}

/// What a walk comes by: a record, or a place where none can be read until `next`, with the samples that the record
/// there says were before it.
enum Met<'a> {
    Record(usize, Record<'a>),
    Hole { at: usize, next: usize, lost: u32 },
}

fn walk<'a>(bytes: &'a [u8], salt: u32, visit: &mut dyn FnMut(Met<'a>)) -> Tail {
    let mut tail = Tail { end: RECORDS_AT, count: 0 };
    let len = bytes.len();
    loop {
        let here = record_at(bytes, salt, tail.end).filter(|record| record.before >= tail.count);
        let found = match here {
            Some(record) => Some((tail.end, record)),
            None => find_record(bytes, salt, tail.end, len, tail.count),
        };
        let Some((at, record)) = found else { break };
        if at != tail.end || record.before != tail.count {
            visit(Met::Hole { at: tail.end, next: at, lost: record.before - tail.count });
        }
        tail = Tail { end: record.next, count: record.before + record.samples };
        visit(Met::Record(at, record));
    }
    // Something that is neither a record nor nothing: a torn write, or rot in the very last
    // record.
    let end = tail.end;
    if bytes.get(end..end + 8).is_some_and(|word| word != [0; 8]) {
        visit(Met::Hole { at: end, next: end, lost: 0 });
    }
    tail
}

/// What every segment that comes with a region must satisfy.
pub(super) fn fits_region(found: &FoundSegment) -> bool {
    found.region.as_ref().is_none_or(|region| region.len() == found.header.size as usize)
}
