//! Batches in, frames out.

use core::marker::PhantomData;
use core::time::Duration;

use crate::base::{Now, Timestamp};
use crate::model::{Refusal, Refusals, SeriesRef};
use crate::series::{Admission, Feed};
use crate::wal::{Full, Place, Samples, Seq};

/// Samples of one scrape or request on their way into the log. Buffers are reused.
#[derive(Debug, Default)]
pub struct Batch {
    /// Stable hash of the target: chooses the connection (order is kept within it).
    pub lane: u32,
    /// Of every sample that has no timestamp of its own.
    pub time: Timestamp,
    refs: Vec<SeriesRef>,
    values: Vec<f64>,
    /// Empty while every sample is of `time`.
    times: Vec<i64>,
}

impl Batch {
    pub fn begin(&mut self, lane: u32, time: Timestamp) {
        self.lane = lane;
        self.time = time;
        self.refs.clear();
        self.values.clear();
        self.times.clear();
    }

    #[inline]
    pub fn push(&mut self, series: SeriesRef, value: f64) {
        if !self.times.is_empty() {
            self.times.push(self.time.0);
        }
        self.refs.push(series);
        self.values.push(value);
    }

    /// A sample with a timestamp of its own, in milliseconds.
    pub fn push_at(&mut self, series: SeriesRef, value: f64, timestamp: i64) {
        if timestamp == self.time.0 {
            return self.push(series, value);
        }
        if self.times.is_empty() {
            self.times.resize(self.refs.len(), self.time.0);
        }
        self.refs.push(series);
        self.values.push(value);
        self.times.push(timestamp);
    }

    pub fn len(&self) -> usize {
        self.refs.len()
    }

    /// Refs that must not be given to other series meanwhile.
    pub fn refs(&self) -> &[SeriesRef] {
        &self.refs
    }

    pub fn is_empty(&self) -> bool {
        self.refs.is_empty()
    }

    /// Bytes held, for the memory budget.
    pub fn capacity_bytes(&self) -> usize {
        self.refs.capacity() * 4 + self.values.capacity() * 8 + self.times.capacity() * 8
    }
}

/// Accepts or refuses. Owns no storage: the feed is lent to it.
#[derive(Debug, Default)]
pub struct Appender {
    /// Law L1's left side, in samples.
    pub offered: u64,
    pub appended: u64,
    pub refused: Refusals,
    window_ms: i64,
    _here: PhantomData<*const ()>,
}

impl Appender {
    pub fn set_window(&mut self, window: Duration) {
        self.window_ms = window.as_millis().min(i64::MAX as u128) as i64;
    }

    /// A sample that is refused before it gets into a batch.
    pub fn refuse(&mut self, reason: Refusal, samples: u64) {
        self.offered += samples;
        self.refused.add(reason, samples);
    }

    /// Samples that were refused before they got into a batch.
    pub fn refuse_all(&mut self, refused: &Refusals) {
        for reason in Refusal::ALL {
            self.refuse(reason, refused.get(reason));
        }
    }

    /// Forgets the batch, counted.
    pub fn rollback(&mut self, batch: &mut Batch) {
        self.refuse(Refusal::RolledBack, batch.len() as u64);
        batch.begin(batch.lane, batch.time);
    }

    /// Writes the batch to the log and empties it. `Err` if the disk gave no room for some of it; that part is
    /// counted as refused.
    pub fn commit(&mut self, feed: &mut Feed, batch: &mut Batch, now: Now) -> Result<Place, Full> {
        self.offered += batch.len() as u64;
        let frame = feed.log.frame_samples();
        self.admit(feed, batch, frame);
        let mut outcome = Ok(feed.log.end());
        let mut from = 0;
        while from < batch.refs.len() {
            let to = (from + frame).min(batch.refs.len());
            let samples = Samples {
                lane: batch.lane,
                time: batch.time,
                refs: &batch.refs[from..to],
                values: &batch.values[from..to],
                times: if batch.times.is_empty() { &[] } else { &batch.times[from..to] },
            };
            match feed.log.append(&samples, now.timestamp) {
                Ok(place) => {
                    self.appended += (to - from) as u64;
                    outcome = outcome.map(|_| place);
                }
                Err(full) => {
                    self.refused.add(Refusal::DiskFull, (to - from) as u64);
                    outcome = Err(full);
                }
            }
            from = to;
        }
        batch.begin(batch.lane, batch.time);
        outcome
    }

    /// Takes out of the batch what is older than, or as old as, its series' newest sample.
    fn admit(&mut self, feed: &mut Feed, batch: &mut Batch, frame: usize) {
        // Each frame may roll to a new segment; the highest one possible keeps R1 whatever happens.
        let frames = batch.refs.len().div_ceil(frame) as u32;
        let segment = Seq(feed.log.end().seq().0.saturating_add(frames));
        let mut kept = 0;
        for at in 0..batch.refs.len() {
            let time = if batch.times.is_empty() { batch.time.0 } else { batch.times[at] };
            match feed.table.admit(batch.refs[at], time, self.window_ms, segment) {
                Admission::Admitted => {
                    if kept != at {
                        batch.refs[kept] = batch.refs[at];
                        batch.values[kept] = batch.values[at];
                        if !batch.times.is_empty() {
                            batch.times[kept] = time;
                        }
                    }
                    kept += 1;
                }
                Admission::Duplicate => self.refused.add(Refusal::DuplicateTimestamp, 1),
                Admission::OutOfOrder => self.refused.add(Refusal::OutOfOrder, 1),
            }
        }
        batch.refs.truncate(kept);
        batch.values.truncate(kept);
        batch.times.truncate(kept.min(batch.times.len()));
    }
}
