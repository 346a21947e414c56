//! One record: sixteen bytes of header and a payload, verified together.

use crate::base::crc32c;
use crate::base::limits::{CONNECTIONS, FRAME_SAMPLES, PAGE_BYTES, RECORD_BYTES};

/// Offset of a segment's first record: after the header page.
pub(super) const RECORDS_AT: usize = PAGE_BYTES;
/// Bytes before a payload.
pub(super) const RECORD_HEADER_BYTES: usize = 16;

pub(super) const KIND_SAMPLES: u8 = 1;
pub(super) const KIND_HISTOGRAMS: u8 = 2;
/// A samples record once more: its payload, and no samples.
pub(super) const KIND_COPY: u8 = 3;
pub(super) const KIND_FORGET: u8 = 17;
/// Of lane 0; the kinds after it are of the other lanes.
pub(super) const KIND_DEFINE: u8 = 32;
/// As [`KIND_DEFINE`], of series with a description.
pub(super) const KIND_DEFINE_DESCRIBED: u8 = 48;
/// What a description says.
pub(super) const KIND_DESCRIBE: u8 = 64;
/// Lanes that a series may be at home in.
pub(super) const HOMES: u8 = CONNECTIONS as u8;

/// The lane of the series that a record of this kind defines; `None` for other kinds.
pub(super) fn home_of(kind: u8) -> Option<u8> {
    let place = kind.checked_sub(KIND_DEFINE).filter(|place| *place < 2 * HOMES)?;
    Some(place % HOMES)
}

/// Bytes of a definition before its labels: the ref, and the number of a description if the kind has one.
pub(super) fn labels_at(kind: u8) -> usize {
    if kind < KIND_DEFINE_DESCRIBED { 4 } else { 6 }
}

/// A record whose checksum holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record<'a> {
    pub(super) kind: u8,
    /// Samples in the segment before this record (records, in a dictionary).
    pub(super) before: u32,
    /// Samples in this record (1, in a dictionary).
    pub(super) samples: u32,
    pub(super) payload: &'a [u8],
    /// Offset of the record after it.
    pub(super) next: usize,
}

/// Bytes that a record with such a payload takes.
pub(super) fn record_bytes(payload: usize) -> usize {
    (RECORD_HEADER_BYTES + payload).next_multiple_of(8)
}

/// The sixteen bytes before `payload`.
pub(super) fn record_header(
    salt: u32,
    kind: u8,
    before: u32,
    samples: u32,
    payload: &[u8],
) -> [u8; 16] {
    let mut header = [0; 16];
    header[4..8].copy_from_slice(&((payload.len() as u32) << 8 | u32::from(kind)).to_le_bytes());
    header[8..12].copy_from_slice(&before.to_le_bytes());
    header[12..].copy_from_slice(&samples.to_le_bytes());
    let check = crc32c(crc32c(salt, &header[4..]), payload);
    header[..4].copy_from_slice(&check.to_le_bytes());
    header
}

/// The record at `at`, or `None` if there is no valid one there: nothing, damage, or the end of
/// `bytes`.
pub(super) fn record_at(bytes: &[u8], salt: u32, at: usize) -> Option<Record<'_>> {
    let body = at.checked_add(RECORD_HEADER_BYTES)?;
    let header: &[u8; 16] = bytes.get(at..body)?.try_into().ok()?;
    let [c0, c1, c2, c3, kind, l0, l1, l2, b0, b1, b2, b3, s0, s1, s2, s3] = *header;
    let len = u32::from_le_bytes([l0, l1, l2, 0]) as usize;
    let samples = u32::from_le_bytes([s0, s1, s2, s3]);
    // Cheap refusals first: the search through a damaged segment asks this at every eighth byte.
    if len == 0 || len > RECORD_BYTES || kind == 0 || samples as usize > FRAME_SAMPLES {
        return None;
    }
    let payload = bytes.get(body..body.checked_add(len)?)?;
    if crc32c(crc32c(salt, &header[4..]), payload) != u32::from_le_bytes([c0, c1, c2, c3]) {
        return None;
    }
    let before = u32::from_le_bytes([b0, b1, b2, b3]);
    // Damage cannot pass the checksum; this keeps the sums of every caller from overflowing all the
    // same.
    before.checked_add(samples)?;
    Some(Record { kind, before, samples, payload, next: body + len.next_multiple_of(8) })
}

/// The first record at or after `from` and before `limit` with at least `before` samples ahead of
/// it.
pub(super) fn find_record(
    bytes: &[u8],
    salt: u32,
    from: usize,
    limit: usize,
    before: u32,
) -> Option<(usize, Record<'_>)> {
    let start = from.max(RECORDS_AT).next_multiple_of(8);
    let places = (start..limit.min(bytes.len())).step_by(8);
    places
        .filter_map(|at| Some((at, record_at(bytes, salt, at)?)))
        .find(|(_, record)| record.before >= before)
}
