//! Exemplars of a frame, beside its samples:
//!
//! ```text
//!     uvarint steps from the sample that the exemplar before is of to the one that this is of
//!     uvarint bytes of labels, packed labels
//!     f64     value
//!     zigzag  time in milliseconds, relative to the frame's
//! ```

use crate::base::{Reader, put_uvarint, put_zigzag};
use crate::wal::damage::Damage;

/// One exemplar.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Exemplar<'a> {
    /// Packed.
    pub labels: &'a [u8],
    pub value: f64,
    /// Milliseconds since the epoch.
    pub time: i64,
}

/// Appends one to those of a frame, `steps` samples after the one before. `frame_time`: of the frame, in milliseconds.
pub fn put_exemplar(out: &mut Vec<u8>, steps: u32, frame_time: i64, exemplar: &Exemplar<'_>) {
    put_uvarint(out, u64::from(steps));
    put_uvarint(out, exemplar.labels.len() as u64);
    out.extend_from_slice(exemplar.labels);
    out.extend_from_slice(&exemplar.value.to_bits().to_le_bytes());
    put_zigzag(out, exemplar.time.wrapping_sub(frame_time));
}

/// Those of a decoded frame, by their samples.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Exemplars {
    found: Vec<Found>,
    labels: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Found {
    sample: u32,
    start: u32,
    end: u32,
    value: f64,
    time: i64,
}

impl Exemplars {
    pub(super) fn clear(&mut self) {
        self.found.clear();
        self.labels.clear();
    }

    pub(super) fn len(&self) -> usize {
        self.found.len()
    }

    /// How many are of samples from this number on.
    pub(super) fn from(&self, sample: u32) -> usize {
        self.found.len() - self.found.partition_point(|found| found.sample < sample)
    }

    /// Those of the sample with this number.
    pub(super) fn of(&self, sample: u32) -> impl Iterator<Item = Exemplar<'_>> + Clone {
        let from = self.found.partition_point(|found| found.sample < sample);
        let rest = self.found.get(from..).unwrap_or_default().iter();
        rest.take_while(move |found| found.sample == sample).map(|found| Exemplar {
            labels: self.labels.get(found.start as usize..found.end as usize).unwrap_or_default(),
            value: found.value,
            time: found.time,
        })
    }

    /// Reads those of a frame of `samples` samples.
    pub(super) fn take(
        &mut self,
        bytes: &[u8],
        frame_time: i64,
        samples: usize,
    ) -> Result<(), Damage> {
        let mut reader = Reader::new(bytes);
        let mut sample = 0u64;
        while !reader.is_empty() {
            sample = sample.saturating_add(reader.uvarint().ok_or(Damage::Short)?);
            if sample >= samples as u64 {
                return Err(Damage::Malformed("exemplars"));
            }
            let len = reader.uvarint().ok_or(Damage::Short)?;
            let labels = reader.bytes(usize::try_from(len).map_err(|_| Damage::Short)?);
            let start = self.labels.len() as u32;
            self.labels.extend_from_slice(labels.ok_or(Damage::Short)?);
            let value = f64::from_bits(reader.u64().ok_or(Damage::Short)?);
            let time = frame_time.wrapping_add(reader.zigzag().ok_or(Damage::Short)?);
            let end = self.labels.len() as u32;
            self.found.push(Found { sample: sample as u32, start, end, value, time });
        }
        Ok(())
    }
}
