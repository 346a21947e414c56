//! The payload of a samples record: one scrape of one target, or one received batch.
//!
//! ```text
//! 0   u8      flags: bit 0 = each sample has its own time, bit 1 = histograms, see `histograms.rs`, bit 2 = relative to an
//!             older record of the segment, bit 3 = exemplars, bit 4 = starts; other bits 0
//! 1   u32     lane: stable hash of the target, little-endian, here so that it can be looked at cheaply
//! 5   zigzag  time in milliseconds, relative to the segment's base time
//!     uvarint n, the number of samples
//!     runs    until n refs are named: zigzag(first ref − end of the previous run), uvarint length
//!     times   only if flagged: n × zigzag, relative to the time above
//!     uvarint bytes of exemplars, and they, see `exemplars.rs`; only if flagged
//!     uvarint bytes of starts, and they, see `starts.rs`; only if flagged
//!     places  only if relative: 2 × u32, offsets of that record and of its copy
//!     values  the column of `values.rs`; if relative, that of `relative.rs`
//! ```

use crate::base::limits::{CONNECTIONS, FRAME_SAMPLES};
use crate::base::{Reader, Timestamp, put_uvarint, put_zigzag};
use crate::model::SeriesRef;
use crate::wal::anchors::Basis;
use crate::wal::damage::Damage;
use crate::wal::exemplars::{Exemplar, Exemplars};
use crate::wal::histograms::take_bodies;
use crate::wal::relative::{Bases, put_relative, take_relative};
use crate::wal::starts::Starts;
use crate::wal::values::{VALUE_BYTES_MAX, put_values, take_values};

const OWN_TIMES: u8 = 1;
pub(super) const HISTOGRAMS: u8 = 2;
const RELATIVE: u8 = 4;
const EXEMPLARS: u8 = 8;
const STARTS: u8 = 16;
/// Bytes before the runs, at most.
pub(super) const FIXED_BYTES_MAX: usize = 5 + 10 + 5;
/// Bytes of one sample, at most: its nibble and value, a run of its own, its own time.
pub(super) const SAMPLE_BYTES_MAX: usize = 1 + VALUE_BYTES_MAX + (5 + 1) + 10;

/// What one scrape appends. `refs` and `values` are of equal length.
#[derive(Clone, Copy, Debug)]
pub struct Samples<'a> {
    /// Stable hash of the target: chooses the connection.
    pub lane: u32,
    pub time: Timestamp,
    pub refs: &'a [SeriesRef],
    pub values: &'a [f64],
    /// Empty if all samples are at `time`; else one each, in milliseconds since the epoch.
    pub times: &'a [i64],
}

/// A payload, decoded. Keep one and use it again: the buffers are reused.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decoded {
    pub lane: u32,
    /// Milliseconds since the epoch.
    pub time: i64,
    pub refs: Vec<SeriesRef>,
    /// Empty for a frame of histograms.
    pub values: Vec<f64>,
    /// One per sample, always.
    pub times: Vec<i64>,
    /// Where each histogram's body ends; empty for a frame of floats.
    ends: Vec<u32>,
    bodies: Vec<u8>,
    bases: Bases,
    exemplars: Exemplars,
    starts: Starts,
}

impl Decoded {
    /// True for a frame of floats and no more.
    pub fn is_plain(&self) -> bool {
        self.ends.is_empty() && self.exemplars.len() == 0
    }

    /// When the counting of the sample of that number began, in milliseconds; 0 if that is not known.
    #[inline]
    pub fn start(&self, number: usize) -> i64 {
        self.starts.of(number as u32)
    }

    pub fn has_exemplars(&self) -> bool {
        self.exemplars.len() > 0
    }

    /// Exemplars of the sample of that number.
    pub fn exemplars(&self, number: usize) -> impl Iterator<Item = Exemplar<'_>> + Clone {
        self.exemplars.of(number as u32)
    }

    /// The packed histogram of that number; `None` in a frame of floats.
    #[inline]
    pub fn histogram(&self, number: usize) -> Option<&[u8]> {
        let end = *self.ends.get(number)? as usize;
        let start = number.checked_sub(1).map_or(0, |before| self.ends[before] as usize);
        self.bodies.get(start..end)
    }
}

/// Samples that fit a payload of `bytes` whatever they are.
pub(super) fn samples_in(bytes: usize) -> usize {
    (bytes.saturating_sub(FIXED_BYTES_MAX) / SAMPLE_BYTES_MAX).min(FRAME_SAMPLES)
}

/// What samples and histograms begin with.
pub(super) struct Head<'a> {
    pub(super) lane: u32,
    pub(super) time: Timestamp,
    pub(super) refs: &'a [SeriesRef],
    pub(super) times: &'a [i64],
    pub(super) beside: Beside<'a>,
}

/// What may go with the samples of a frame.
#[derive(Clone, Copy, Debug, Default)]
pub struct Beside<'a> {
    /// As [`crate::wal::put_exemplar`] writes them: at most [`crate::base::limits::EXEMPLARS_BYTES`].
    pub exemplars: &'a [u8],
    /// As [`crate::wal::put_starts`] writes them.
    pub starts: &'a [u8],
}

impl Beside<'_> {
    pub(super) fn is_empty(&self) -> bool {
        self.exemplars.is_empty() && self.starts.is_empty()
    }
}

impl Head<'_> {
    pub(super) fn encode(&self, flags: u8, base_time: i64, out: &mut Vec<u8>) {
        let own_times = if self.times.is_empty() { 0 } else { OWN_TIMES };
        let Beside { exemplars, starts } = self.beside;
        let beside = [(exemplars, EXEMPLARS), (starts, STARTS)];
        let beside = beside.into_iter().filter(|(bytes, _)| !bytes.is_empty());
        let flags = beside.clone().fold(flags, |flags, (_, flag)| flags | flag);
        out.push(flags | own_times);
        out.extend_from_slice(&self.lane.to_le_bytes());
        put_zigzag(out, self.time.0.wrapping_sub(base_time));
        put_uvarint(out, self.refs.len() as u64);
        let mut end = 0i64;
        let mut rest = self.refs;
        while let Some(first) = rest.first() {
            let first = i64::from(first.0);
            let len = rest
                .iter()
                .zip(first..)
                .take_while(|(found, wanted)| i64::from(found.0) == *wanted)
                .count();
            put_zigzag(out, first - end);
            put_uvarint(out, len as u64);
            end = first + len as i64;
            rest = &rest[len..];
        }
        for time in self.times {
            put_zigzag(out, time.wrapping_sub(self.time.0));
        }
        for (bytes, _) in beside {
            put_uvarint(out, bytes.len() as u64);
            out.extend_from_slice(bytes);
        }
    }
}

/// Appends the payload to `out`.
pub(super) fn encode_samples(
    samples: &Samples<'_>,
    beside: Beside<'_>,
    base_time: i64,
    out: &mut Vec<u8>,
) {
    let Samples { lane, time, refs, values, times } = *samples;
    Head { lane, time, refs, times, beside }.encode(0, base_time, out);
    put_values(values, out);
}

/// Appends the payload of samples that are told by how they differ from `bases`, one for each: those of the record whose
/// offset is given, with that of its copy.
pub(super) fn encode_relative(
    samples: &Samples<'_>,
    base_time: i64,
    places: [u32; 2],
    bases: &[f64],
    out: &mut Vec<u8>,
) {
    let Samples { lane, time, refs, values, times } = *samples;
    let beside = Beside::default();
    Head { lane, time, refs, times, beside }.encode(RELATIVE, base_time, out);
    places.iter().for_each(|place| out.extend_from_slice(&place.to_le_bytes()));
    put_relative(values, bases, out);
}

/// Refs and values of a payload that stands for itself.
pub(super) fn decode_anchor(payload: &[u8], bases: &mut Bases) -> Result<(), Damage> {
    let mut reader = Reader::new(payload);
    let flags = reader.u8().ok_or(Damage::Short)?;
    reader.u32().and_then(|_| reader.zigzag()).ok_or(Damage::Short)?;
    let count = reader.uvarint().ok_or(Damage::Short)?;
    if flags & !OWN_TIMES != 0 || count > FRAME_SAMPLES as u64 {
        return Err(Damage::Malformed("anchor"));
    }
    let count = count as usize;
    decode_refs(&mut reader, count, &mut bases.refs)?;
    for _ in 0..if flags & OWN_TIMES == 0 { 0 } else { count } {
        reader.zigzag().ok_or(Damage::Short)?;
    }
    take_values(reader.rest(), count, &mut bases.values).ok_or(Damage::Malformed("values"))
}

/// Decodes a payload of either kind; `out` is meaningless after an error. `basis`: that of its record; or the base time
/// alone, where no payload is relative to another.
pub fn decode_samples<'a>(
    payload: &[u8],
    basis: impl Into<Basis<'a>>,
    out: &mut Decoded,
) -> Result<(), Damage> {
    let basis = basis.into();
    let base_time = basis.time;
    let mut reader = Reader::new(payload);
    let flags = reader.u8().ok_or(Damage::Short)?;
    if flags & !(OWN_TIMES | HISTOGRAMS | RELATIVE | EXEMPLARS | STARTS) != 0
        || flags & (HISTOGRAMS | RELATIVE) == HISTOGRAMS | RELATIVE
    {
        return Err(Damage::Malformed("flags"));
    }
    out.lane = reader.u32().ok_or(Damage::Short)?;
    out.time = base_time.wrapping_add(reader.zigzag().ok_or(Damage::Short)?);
    let count = reader.uvarint().ok_or(Damage::Short)?;
    if count > FRAME_SAMPLES as u64 {
        return Err(Damage::Malformed("count"));
    }
    let count = count as usize;
    decode_refs(&mut reader, count, &mut out.refs)?;
    out.times.clear();
    if flags & OWN_TIMES == 0 {
        out.times.resize(count, out.time);
    } else {
        for _ in 0..count {
            out.times.push(out.time.wrapping_add(reader.zigzag().ok_or(Damage::Short)?));
        }
    }
    out.exemplars.clear();
    if flags & EXEMPLARS != 0 {
        out.exemplars.take(counted(&mut reader)?, out.time, count)?;
    }
    out.starts.clear();
    if flags & STARTS != 0 {
        out.starts.take(counted(&mut reader)?, out.time, count)?;
    }
    out.ends.clear();
    out.bodies.clear();
    if flags & HISTOGRAMS != 0 {
        out.values.clear();
        return take_bodies(&mut reader, count, &mut out.ends, &mut out.bodies);
    }
    if flags & RELATIVE != 0 {
        let mut place = || reader.u32().ok_or(Damage::Short);
        let anchor = basis.anchor([place()?, place()?]).ok_or(Damage::Malformed("anchor"))?;
        decode_anchor(anchor, &mut out.bases)?;
        out.bases.align(&out.refs);
        let bases = &out.bases.column;
        return take_relative(reader.rest(), bases, &mut out.values)
            .ok_or(Damage::Malformed("values"));
    }
    take_values(reader.rest(), count, &mut out.values).ok_or(Damage::Malformed("values"))
}

/// Bytes behind their number.
fn counted<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], Damage> {
    let len = reader.uvarint().and_then(|len| usize::try_from(len).ok());
    len.and_then(|len| reader.bytes(len)).ok_or(Damage::Short)
}

fn decode_refs(
    reader: &mut Reader<'_>,
    count: usize,
    refs: &mut Vec<SeriesRef>,
) -> Result<(), Damage> {
    refs.clear();
    let mut end = 0i64;
    while refs.len() < count {
        let step = reader.zigzag().ok_or(Damage::Short)?;
        let len = reader.uvarint().ok_or(Damage::Short)?;
        let first = end.checked_add(step).and_then(|first| u32::try_from(first).ok());
        let first = first.ok_or(Damage::Malformed("refs"))?;
        if len == 0 || len > (count - refs.len()) as u64 || u64::from(first) + len > 1 << 32 {
            return Err(Damage::Malformed("refs"));
        }
        refs.extend((0..len as u32).map(|i| SeriesRef(first + i)));
        end = i64::from(first) + len as i64;
    }
    Ok(())
}

/// The lane of a payload, without decoding it.
pub fn lane_of(payload: &[u8]) -> Option<u32> {
    Some(u32::from_le_bytes(payload.get(1..5)?.try_into().ok()?))
}

/// The lane of pushed samples that are at home in this one. The hash of a target's is among these sixteen once in 268
/// million.
pub fn pushed_lane(home: u8) -> u32 {
    PUSHED_LANES + u32::from(home) % CONNECTIONS as u32
}

/// True for samples that were pushed: no target of ours shows their series.
pub fn is_pushed_lane(lane: u32) -> bool {
    lane >= PUSHED_LANES
}

const PUSHED_LANES: u32 = u32::MAX - (CONNECTIONS as u32 - 1);
const _: () = assert!(PUSHED_LANES.is_multiple_of(CONNECTIONS as u32));

/// The lane, of those that a cursor tells apart, that samples with this hash go by.
pub fn home_of_lane(lane: u32) -> u8 {
    (lane % CONNECTIONS as u32) as u8
}

/// True for a payload of histograms, without decoding it.
pub fn is_histograms(payload: &[u8]) -> bool {
    payload.first().is_some_and(|flags| flags & HISTOGRAMS != 0)
}

/// Exemplars in a payload, of its samples from this number on; 0 if it is damaged.
pub fn exemplars_in(payload: &[u8], from: u32) -> usize {
    if payload.first().is_none_or(|flags| flags & EXEMPLARS == 0) {
        return 0;
    }
    let mut decoded = Decoded::default();
    // No record with exemplars is relative to another.
    match decode_samples(payload, 0i64, &mut decoded) {
        Ok(()) => decoded.exemplars.from(from),
        Err(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refs(numbers: &[u32]) -> Vec<SeriesRef> {
        numbers.iter().copied().map(SeriesRef).collect()
    }

    #[test]
    fn a_payload_is_these_bytes() {
        let samples = Samples {
            lane: 0x0a0b_0c0d,
            time: Timestamp(1_000_015),
            refs: &refs(&[10, 11, 12, 5]),
            values: &[0.0, 300.0, -1.0, 0.5],
            times: &[],
        };
        let mut bytes = Vec::new();
        encode_samples(&samples, Beside::default(), 1_000_000, &mut bytes);
        let golden = [
            0, 0x0d, 0x0c, 0x0b, 0x0a, 30, 4, 20, 3, 15,
            1, // flags, lane, time, n, runs 10-12 and 5
            0x20, 0xd1, 0x58, 0x02, 0x01, 0x00, 0x00, 0x00,
            0x3f, // nibbles 0 2 1 13; 300, -1, 0.5
        ];
        assert_eq!(bytes, golden);
        assert_eq!(lane_of(&bytes), Some(0x0a0b_0c0d));
    }

    #[test]
    fn the_longest_payload_fits_what_samples_in_promises() {
        for count in [1usize, 2, 3, 500] {
            let scattered: Vec<SeriesRef> =
                (0..count).map(|i| SeriesRef(if i % 2 == 0 { u32::MAX } else { 0 })).collect();
            let samples = Samples {
                lane: 0,
                time: Timestamp(i64::MAX),
                refs: &scattered,
                values: &vec![0.1; count],
                times: &vec![i64::MIN; count],
            };
            let mut bytes = Vec::new();
            encode_samples(&samples, Beside::default(), -1, &mut bytes);
            assert!(samples_in(bytes.len()) <= count);
            assert!(bytes.len() <= FIXED_BYTES_MAX + count * SAMPLE_BYTES_MAX);
        }
    }

    #[test]
    fn a_run_may_end_at_the_last_ref() {
        let last = refs(&[u32::MAX - 1, u32::MAX, 0, 1]);
        let samples =
            Samples { lane: 1, time: Timestamp(0), refs: &last, values: &[1.0; 4], times: &[] };
        let mut bytes = Vec::new();
        encode_samples(&samples, Beside::default(), 0, &mut bytes);
        let mut out = Decoded::default();
        assert_eq!(decode_samples(&bytes, 0, &mut out), Ok(()));
        assert_eq!(out.refs, last);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn what_is_encoded_is_decoded(
            lane in any::<u32>(),
            time in any::<i64>(),
            base in any::<i64>(),
            rows in prop::collection::vec((any::<u32>(), 0u32..5, any::<u64>(), any::<i64>()), 0..50),
            own_times in any::<bool>(),
        ) {
            let mut wanted = Decoded { lane, time, ..Decoded::default() };
            for (start, more, bits, at) in rows {
                for i in 0..=more {
                    wanted.refs.push(SeriesRef(start.wrapping_add(i)));
                    wanted.values.push(f64::from_bits(bits.rotate_left(i)));
                    wanted.times.push(if own_times { at.wrapping_sub(i64::from(i)) } else { time });
                }
            }
            let samples = Samples {
                lane,
                time: Timestamp(time),
                refs: &wanted.refs,
                values: &wanted.values,
                times: if own_times { &wanted.times } else { &[] },
            };
            let mut bytes = Vec::new();
            encode_samples(&samples, Beside::default(), base, &mut bytes);
            let mut out = Decoded::default();
            prop_assert_eq!(decode_samples(&bytes, base, &mut out), Ok(()));
            let bits = |values: &[f64]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
            prop_assert_eq!(bits(&out.values), bits(&wanted.values));
            prop_assert_eq!((out.lane, out.time, out.refs, out.times), (lane, time, wanted.refs, wanted.times));
        }

        #[test]
        fn any_bytes_are_decoded_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let mut out = Decoded::default();
            if decode_samples(&bytes, 0, &mut out).is_ok() {
                prop_assert_eq!(out.refs.len(), out.values.len().max(out.ends.len()));
                prop_assert_eq!(out.refs.len(), out.times.len());
            }
        }
    }
}
