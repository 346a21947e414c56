//! The payload of a histograms record: as that of a samples record up to the times, then
//!
//! ```text
//!     lengths n × uvarint
//!     bodies  one after another: the fields of remote write's `Histogram` but for the timestamp
//! ```

use crate::base::limits::HISTOGRAM_BYTES;
use crate::base::{Reader, Timestamp, put_uvarint};
use crate::model::SeriesRef;
use crate::wal::damage::Damage;
use crate::wal::samples::{Beside, FIXED_BYTES_MAX, HISTOGRAMS, Head, SAMPLE_BYTES_MAX};
use crate::wal::starts::START_BYTES_MAX;

/// What one scrape appends beside its samples. All columns are of equal length, but for the times.
#[derive(Clone, Copy, Debug)]
pub struct Histograms<'a> {
    /// Stable hash of the target: chooses the connection.
    pub lane: u32,
    pub time: Timestamp,
    pub refs: &'a [SeriesRef],
    /// Empty if all are at `time`; else one each, in milliseconds since the epoch.
    pub times: &'a [i64],
    /// Bytes of each body.
    pub lengths: &'a [u32],
    pub bodies: &'a [u8],
}

/// Bytes of a payload, at most, whose bodies take `bodies` bytes.
pub(super) fn payload_bytes(count: usize, bodies: usize) -> usize {
    FIXED_BYTES_MAX + count * (SAMPLE_BYTES_MAX + START_BYTES_MAX) + bodies
}

/// Appends the payload to `out`.
pub(super) fn encode_histograms(
    histograms: &Histograms<'_>,
    beside: Beside<'_>,
    base_time: i64,
    out: &mut Vec<u8>,
) {
    let Histograms { lane, time, refs, times, lengths, bodies } = *histograms;
    Head { lane, time, refs, times, beside }.encode(HISTOGRAMS, base_time, out);
    for length in lengths {
        put_uvarint(out, u64::from(*length));
    }
    out.extend_from_slice(bodies);
}

/// Where each body ends, and the bodies.
pub(super) fn take_bodies(
    reader: &mut Reader<'_>,
    count: usize,
    ends: &mut Vec<u32>,
    bodies: &mut Vec<u8>,
) -> Result<(), Damage> {
    let mut end = 0u32;
    for _ in 0..count {
        let length = reader.uvarint().ok_or(Damage::Short)?;
        if length > HISTOGRAM_BYTES as u64 {
            return Err(Damage::Malformed("histogram"));
        }
        end = end.saturating_add(length as u32);
        ends.push(end);
    }
    if reader.rest().len() != end as usize {
        return Err(Damage::Malformed("histograms"));
    }
    bodies.extend_from_slice(reader.rest());
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wal::samples::{Decoded, decode_samples, lane_of};

    #[test]
    fn a_payload_is_these_bytes() {
        let histograms = Histograms {
            lane: 0x0a0b_0c0d,
            time: Timestamp(1_000_015),
            refs: &[SeriesRef(10), SeriesRef(11)],
            times: &[],
            lengths: &[3, 1],
            bodies: b"abcd",
        };
        let mut bytes = Vec::new();
        encode_histograms(&histograms, Beside::default(), 1_000_000, &mut bytes);
        // Flags, lane, time, n, the run of refs, lengths, bodies.
        let golden = [2, 0x0d, 0x0c, 0x0b, 0x0a, 30, 2, 20, 2, 3, 1, b'a', b'b', b'c', b'd'];
        assert_eq!(bytes, golden);
        assert_eq!(lane_of(&bytes), Some(0x0a0b_0c0d));
        let mut out = Decoded::default();
        assert_eq!(decode_samples(&bytes, 1_000_000, &mut out), Ok(()));
        assert_eq!(out.histogram(0), Some(&b"abc"[..]));
        assert_eq!(out.histogram(1), Some(&b"d"[..]));
        for len in 0..bytes.len() {
            assert!(decode_samples(&bytes[..len], 0, &mut out).is_err(), "{len}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn what_is_encoded_is_decoded(
            lane in any::<u32>(),
            time in any::<i64>(),
            base in any::<i64>(),
            rows in prop::collection::vec(
                (any::<u32>(), any::<i64>(), prop::collection::vec(any::<u8>(), 0..30)),
                0..50,
            ),
            own_times in any::<bool>(),
        ) {
            let refs: Vec<SeriesRef> = rows.iter().map(|row| SeriesRef(row.0)).collect();
            let times: Vec<i64> =
                rows.iter().filter(|_| own_times).map(|row| row.1).collect();
            let lengths: Vec<u32> = rows.iter().map(|row| row.2.len() as u32).collect();
            let bodies: Vec<u8> = rows.iter().flat_map(|row| row.2.clone()).collect();
            let histograms = Histograms {
                lane,
                time: Timestamp(time),
                refs: &refs,
                times: &times,
                lengths: &lengths,
                bodies: &bodies,
            };
            let mut bytes = Vec::new();
            encode_histograms(&histograms, Beside::default(), base, &mut bytes);
            prop_assert!(bytes.len() <= payload_bytes(rows.len(), bodies.len()));
            let mut out = Decoded::default();
            prop_assert_eq!(decode_samples(&bytes, base, &mut out), Ok(()));
            prop_assert_eq!((out.lane, out.time, &out.refs), (lane, time, &refs));
            for (at, row) in rows.iter().enumerate() {
                prop_assert_eq!(out.histogram(at), Some(&row.2[..]));
                prop_assert_eq!(out.times[at], if own_times { row.1 } else { time });
            }
        }
    }
}
