//! When the counting of a frame's samples began, in runs of samples that have it in common:
//!
//! ```text
//!     uvarint samples from the end of the run before to this one
//!     uvarint samples of this run
//!     zigzag  time in milliseconds, relative to the frame's
//! ```

use crate::base::{Reader, put_uvarint, put_zigzag};
use crate::wal::damage::Damage;

/// Bytes that one sample may take.
pub(super) const START_BYTES_MAX: usize = 5 + 1 + 10;

/// Appends the runs of a frame: for each sample its start, 0 where none is known.
pub fn put_starts(out: &mut Vec<u8>, frame_time: i64, starts: impl Iterator<Item = i64>) {
    let (mut gap, mut run, mut start) = (0u64, 0u64, 0i64);
    let mut end = |gap: u64, run: u64, start: i64| {
        put_uvarint(out, gap);
        put_uvarint(out, run);
        put_zigzag(out, start.wrapping_sub(frame_time));
    };
    for next in starts {
        if run > 0 && next == start {
            run += 1;
            continue;
        }
        if run > 0 {
            end(gap, run, start);
            (gap, run) = (0, 0);
        }
        match next {
            0 => gap += 1,
            _ => (run, start) = (1, next),
        }
    }
    if run > 0 {
        end(gap, run, start);
    }
}

/// Those of a decoded frame.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Starts(Vec<Run>);

#[derive(Clone, Copy, Debug, PartialEq)]
struct Run {
    first: u32,
    end: u32,
    start: i64,
}

impl Starts {
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Of the sample with this number; 0 if it is not known.
    pub(super) fn of(&self, sample: u32) -> i64 {
        let at = self.0.partition_point(|run| run.end <= sample);
        self.0.get(at).filter(|run| run.first <= sample).map_or(0, |run| run.start)
    }

    /// Reads those of a frame of `samples` samples.
    pub(super) fn take(
        &mut self,
        bytes: &[u8],
        frame_time: i64,
        samples: usize,
    ) -> Result<(), Damage> {
        let mut reader = Reader::new(bytes);
        let mut end = 0u64;
        while !reader.is_empty() {
            let first = end.saturating_add(reader.uvarint().ok_or(Damage::Short)?);
            end = first.saturating_add(reader.uvarint().ok_or(Damage::Short)?);
            if end > samples as u64 {
                return Err(Damage::Malformed("starts"));
            }
            let start = frame_time.wrapping_add(reader.zigzag().ok_or(Damage::Short)?);
            self.0.push(Run { first: first as u32, end: end as u32, start });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn starts_read_back(starts in prop::collection::vec(0i64..4, 0..60), time: i64) {
            let mut bytes = Vec::new();
            put_starts(&mut bytes, time, starts.iter().copied());
            let mut found = Starts::default();
            prop_assert_eq!(found.take(&bytes, time, starts.len()), Ok(()));
            let all: Vec<i64> = (0..starts.len() as u32).map(|sample| found.of(sample)).collect();
            prop_assert_eq!(&all, &starts);
            prop_assert_eq!(found.of(starts.len() as u32), 0);
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let mut found = Starts::default();
            let _ = found.take(&bytes, 5, 10);
            let _ = found.of(3);
        }
    }
}
