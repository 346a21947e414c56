//! Frames that are told by how they differ from an older one of the same target, their *anchor*.
//!
//! Every segment stands for itself, so its first frame of a target is told in full. So that a bit that flips there costs
//! no other frame, the anchor is written a second time, without samples, before the first frame that needs it: readers take
//! whichever verifies.

use crate::wal::log::Log;
use crate::wal::place::Place;
use crate::wal::record::{KIND_COPY, KIND_SAMPLES, record_at, record_bytes};
use crate::wal::samples::{Samples, decode_anchor, encode_relative};

/// What a record's payload is relative to: a time, and perhaps older records of the same segment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Basis<'a> {
    /// Milliseconds since the epoch.
    pub(super) time: i64,
    segment: &'a [u8],
    salt: u32,
}

impl<'a> Basis<'a> {
    pub(super) fn new(time: i64, segment: &'a [u8], salt: u32) -> Basis<'a> {
        Basis { time, segment, salt }
    }

    /// The payload of the anchor that is at one of these offsets.
    pub(super) fn anchor(self, places: [u32; 2]) -> Option<&'a [u8]> {
        places.into_iter().find_map(|at| {
            let record = record_at(self.segment, self.salt, at as usize)?;
            matches!(record.kind, KIND_SAMPLES | KIND_COPY).then_some(record.payload)
        })
    }
}

/// Without older records.
impl From<i64> for Basis<'_> {
    fn from(time: i64) -> Self {
        Basis { time, segment: &[], salt: 0 }
    }
}

/// Where an anchor is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Anchor {
    pub(super) at: u32,
    /// 0 as long as there is none.
    pub(super) copy: u32,
}

impl Log {
    /// Appends the samples relative to their target's anchor; `None` if there is none here, or it would not pay, or does
    /// not fit.
    pub(super) fn append_relative(&mut self, samples: &Samples<'_>) -> Option<Place> {
        let key = (samples.lane, samples.refs.first()?.0);
        let mut anchor = *self.anchors.get(&key)?;
        let head = self.segments.back().filter(|_| self.has_head)?;
        let record = head.record(anchor.at as usize)?;
        decode_anchor(record.payload, &mut self.bases).ok()?;
        self.bases.align(samples.refs);
        let end = head.tail?.end;
        let mut copy = Vec::new();
        if anchor.copy == 0 {
            copy.extend_from_slice(record.payload);
            anchor.copy = u32::try_from(end).ok()?;
        }
        let places = [anchor.at, anchor.copy];
        self.body.clear();
        let base_time = head.header.base_time;
        encode_relative(samples, base_time, places, &self.bases.column, &mut self.body);
        let copied = if copy.is_empty() { 0 } else { record_bytes(copy.len()) };
        let fits = head.fits_bytes(copied + record_bytes(self.body.len()));
        if self.body.len() >= record.payload.len() || !fits {
            return None;
        }
        if !copy.is_empty() {
            self.put(KIND_COPY, &[], &mut copy);
            self.anchors.insert(key, anchor);
        }
        if !self.has_head {
            // The copy could not be written through, and the segment is closed.
            return None;
        }
        let mut body = core::mem::take(&mut self.body);
        let place = self.put(KIND_SAMPLES, samples.refs, &mut body);
        self.body = body;
        Some(place)
    }

    /// What was just appended in full is the anchor of what its target will show next.
    pub(super) fn anchor(&mut self, samples: &Samples<'_>, place: Place) {
        if let Some(first) = samples.refs.first() {
            let anchor = Anchor { at: place.offset(), copy: 0 };
            self.anchors.insert((samples.lane, first.0), anchor);
        }
    }
}
