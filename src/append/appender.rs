//! Batches in, frames out.

use core::marker::PhantomData;
use core::time::Duration;
use std::collections::HashMap;

use crate::append::exemplars::{ExemplarColumns, Frames};
use crate::append::histograms::HistogramColumns;
use crate::append::starts::StartColumns;
use crate::base::{Now, Timestamp, limits};
use crate::model::{
    ExemplarCounts, ExemplarRefusal, NativeHistogram, Refusal, Refusals, SeriesRef,
};
use crate::series::{Admission, Feed};
use crate::wal::{Beside, Exemplar, Full, Histograms, Log, Place, Samples, Seq, home_of_lane};

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
    histograms: HistogramColumns,
    exemplars: ExemplarColumns,
    starts: StartColumns,
}

impl Batch {
    pub fn begin(&mut self, lane: u32, time: Timestamp) {
        self.lane = lane;
        self.time = time;
        self.refs.clear();
        self.values.clear();
        self.times.clear();
        self.histograms.clear();
        self.exemplars.clear();
        self.starts.clear();
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

    /// An exemplar of the sample pushed last, which is of that series, and a histogram or not. `timed`: its time is its
    /// own.
    pub fn push_exemplar(
        &mut self,
        series: SeriesRef,
        histogram: bool,
        exemplar: &Exemplar<'_>,
        timed: bool,
    ) {
        let columns = if histogram { &mut self.histograms.exemplars } else { &mut self.exemplars };
        columns.push(series, exemplar, timed);
    }

    /// When the counting of the sample pushed last began, in milliseconds.
    pub fn push_start(&mut self, series: SeriesRef, histogram: bool, start: i64) {
        let columns = if histogram { &mut self.histograms.starts } else { &mut self.starts };
        columns.push(series, start);
    }

    /// Exemplars of all samples.
    fn exemplars(&self) -> u64 {
        (self.exemplars.len() + self.histograms.exemplars.len()) as u64
    }

    /// Moves the samples of these series over, in their order.
    fn move_to(&mut self, other: &mut Batch, moves: impl Fn(SeriesRef) -> bool + Copy) {
        let mut kept = 0;
        for at in 0..self.refs.len() {
            let (series, value) = (self.refs[at], self.values[at]);
            let time = self.times.get(at).copied();
            if moves(series) {
                other.push_at(series, value, time.unwrap_or(self.time.0));
                continue;
            }
            (self.refs[kept], self.values[kept]) = (series, value);
            if let Some(time) = time {
                self.times[kept] = time;
            }
            kept += 1;
        }
        self.refs.truncate(kept);
        self.values.truncate(kept);
        self.times.truncate(kept.min(self.times.len()));
        self.histograms.move_to(&mut other.histograms, moves);
        self.exemplars.move_to(&mut other.exemplars, moves);
        self.starts.move_to(&mut other.starts, moves);
    }

    /// A native histogram, of the batch's time if it has none of its own (in milliseconds). False if it is too large
    /// for the log; then it is for the caller to count.
    #[must_use]
    pub fn push_histogram(
        &mut self,
        series: SeriesRef,
        histogram: &NativeHistogram,
        timestamp: Option<i64>,
    ) -> bool {
        self.histograms.push(series, histogram, timestamp.unwrap_or(self.time.0))
    }

    /// As [`Batch::push_histogram`], of one that is packed already.
    #[must_use]
    pub fn push_packed(&mut self, series: SeriesRef, packed: &[u8], timestamp: i64) -> bool {
        self.histograms.push_packed(series, packed, timestamp)
    }

    /// Samples, histograms among them.
    pub fn len(&self) -> usize {
        self.refs.len() + self.histograms.refs.len()
    }

    /// Refs that must not be given to other series meanwhile.
    pub fn refs(&self) -> impl Iterator<Item = SeriesRef> {
        self.refs.iter().chain(&self.histograms.refs).copied()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Frames that it takes at most.
    fn frames(&self, frame: usize) -> u32 {
        // Exemplars may end one before its time, but none has fewer than one.
        let split = self.exemplars.len();
        (self.refs.len().div_ceil(frame) + split + self.histograms.refs.len()) as u32
    }

    /// Bytes held, for the memory budget.
    pub fn capacity_bytes(&self) -> usize {
        let columns = self.refs.capacity() * 4 + self.values.capacity() * 8;
        let beside = self.exemplars.capacity_bytes() + self.starts.capacity_bytes();
        let columns = columns + beside;
        columns + self.times.capacity() * 8 + self.histograms.capacity_bytes()
    }
}

/// A sample that was not admitted, for who must know which.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Turned {
    pub series: SeriesRef,
    /// Milliseconds.
    pub time: i64,
    /// Bits of the value; 0 of a histogram.
    pub mark: u64,
    pub histogram: bool,
    pub reason: Refusal,
}

/// Accepts or refuses. Owns no storage: the feed is lent to it.
#[derive(Debug, Default)]
pub struct Appender {
    /// Law L1's left side, in samples.
    pub offered: u64,
    pub appended: u64,
    /// Histograms among those.
    pub histograms: u64,
    pub refused: Refusals,
    pub exemplars: ExemplarCounts,
    /// Hash of each series' last exemplar.
    latest: HashMap<u32, u64>,
    window_ms: i64,
    /// Somebody wants to know what is not admitted.
    noted: Option<Vec<Turned>>,
    _here: PhantomData<*const ()>,
}

impl Appender {
    pub fn set_window(&mut self, window: Duration) {
        self.window_ms = window.as_millis().min(i64::MAX as u128) as i64;
    }

    pub fn window_ms(&self) -> i64 {
        self.window_ms
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
        self.exemplars.refuse(ExemplarRefusal::SampleRefused, batch.exemplars());
        batch.begin(batch.lane, batch.time);
    }

    /// Writes the batch to the log and empties it. `Err` if the disk gave no room for some of it; that part is
    /// counted as refused.
    pub fn commit(&mut self, feed: &mut Feed, batch: &mut Batch, now: Now) -> Result<Place, Full> {
        self.offered += batch.len() as u64;
        let frame = match batch.exemplars.is_empty() && batch.starts.is_empty() {
            true => feed.log.frame_samples(),
            false => feed.log.frame_samples_with(),
        };
        let mut outcome = Ok(feed.log.end());
        if self.admit(feed, batch, frame) {
            outcome = self.commit_guests(feed, batch, frame, now);
        }
        let own = self.append(feed, batch, frame, now);
        batch.begin(batch.lane, batch.time);
        own.and(outcome)
    }

    /// As [`Appender::commit`]; what is not admitted is also added to `turned`, in the order of the batch, floats
    /// before histograms.
    pub fn commit_noting(
        &mut self,
        feed: &mut Feed,
        batch: &mut Batch,
        now: Now,
        turned: &mut Vec<Turned>,
    ) -> Result<Place, Full> {
        self.noted = Some(core::mem::take(turned));
        let outcome = self.commit(feed, batch, now);
        *turned = self.noted.take().unwrap_or_default();
        outcome
    }

    /// Takes the samples out of the batch whose series are at home in other lanes, as when two targets show the same
    /// series, and writes them to frames of those lanes.
    #[cold]
    fn commit_guests(
        &mut self,
        feed: &mut Feed,
        batch: &mut Batch,
        frame: usize,
        now: Now,
    ) -> Result<Place, Full> {
        let mut outcome = Ok(feed.log.end());
        let own = home_of_lane(batch.lane);
        let mut guests = Batch::default();
        for home in (0..limits::CONNECTIONS as u8).filter(|home| *home != own) {
            guests.begin(u32::from(home), batch.time);
            batch.move_to(&mut guests, |series| feed.table.home(series) == home);
            outcome = outcome.and(self.append(feed, &guests, frame, now));
            let segment = feed.log.end().seq();
            guests.refs().for_each(|series| feed.table.reached(series, segment));
        }
        // What is left comes later than was thought when it was admitted.
        let segment = Seq(feed.log.end().seq().0.saturating_add(batch.frames(frame)));
        batch.refs().for_each(|series| feed.table.reached(series, segment));
        outcome
    }

    /// Writes what was admitted.
    fn append(
        &mut self,
        feed: &mut Feed,
        batch: &Batch,
        frame: usize,
        now: Now,
    ) -> Result<Place, Full> {
        let mut outcome = Ok(feed.log.end());
        let mut from = 0;
        let mut exemplars = Frames::new(&batch.exemplars);
        let (mut start, mut starts) = (0, Vec::new());
        while from < batch.refs.len() {
            let mut to = (from + frame).min(batch.refs.len());
            if !batch.exemplars.is_empty() {
                to = from + exemplars.gather(&batch.refs[from..to], batch.time.0);
            }
            let samples = Samples {
                lane: batch.lane,
                time: batch.time,
                refs: &batch.refs[from..to],
                values: &batch.values[from..to],
                times: if batch.times.is_empty() { &[] } else { &batch.times[from..to] },
            };
            batch.starts.gather(&mut start, samples.refs, batch.time.0, &mut starts);
            let beside = Beside { exemplars: &exemplars.bytes, starts: &starts };
            let written = feed.log.append_with(&samples, beside, now.timestamp);
            self.count_exemplars(written.is_ok(), exemplars.in_frame);
            self.count(written, to - from, &mut outcome);
            from = to;
        }
        self.exemplars.refuse(ExemplarRefusal::TooLong, exemplars.left());
        self.append_histograms(&mut feed.log, batch, now, &mut outcome);
        outcome
    }

    fn count(&mut self, written: Result<Place, Full>, len: usize, all: &mut Result<Place, Full>) {
        match written {
            Ok(place) => {
                self.appended += len as u64;
                *all = all.map(|_| place);
            }
            Err(full) => {
                self.refused.add(Refusal::DiskFull, len as u64);
                *all = Err(full);
            }
        }
    }

    fn count_exemplars(&mut self, written: bool, exemplars: u64) {
        match written {
            true => self.exemplars.appended += exemplars,
            false => self.exemplars.refuse(ExemplarRefusal::SampleRefused, exemplars),
        }
    }

    fn append_histograms(
        &mut self,
        log: &mut Log,
        batch: &Batch,
        now: Now,
        outcome: &mut Result<Place, Full>,
    ) {
        let HistogramColumns { refs, times, lengths, bodies, .. } = &batch.histograms;
        let (mut from, mut start) = (0, 0);
        let mut exemplars = Frames::new(&batch.histograms.exemplars);
        let (mut next, mut starts) = (0, Vec::new());
        while from < refs.len() {
            let to = from + log.frame_histograms(&lengths[from..]);
            let to = from + exemplars.gather(&refs[from..to], batch.time.0);
            let end =
                start + lengths[from..to].iter().map(|length| *length as usize).sum::<usize>();
            let own_times = times[from..to].iter().any(|time| *time != batch.time.0);
            let histograms = Histograms {
                lane: batch.lane,
                time: batch.time,
                refs: &refs[from..to],
                times: if own_times { &times[from..to] } else { &[] },
                lengths: &lengths[from..to],
                bodies: &bodies[start..end],
            };
            let own = &batch.histograms.starts;
            own.gather(&mut next, histograms.refs, batch.time.0, &mut starts);
            let beside = Beside { exemplars: &exemplars.bytes, starts: &starts };
            let written = log.append_histograms(&histograms, beside, now.timestamp);
            self.count_exemplars(written.is_ok(), exemplars.in_frame);
            self.histograms += if written.is_ok() { (to - from) as u64 } else { 0 };
            self.count(written, to - from, outcome);
            (from, start) = (to, end);
        }
        self.exemplars.refuse(ExemplarRefusal::TooLong, exemplars.left());
    }

    /// Takes out of the batch what is older than, or as old as, its series' newest sample. True if some of the series
    /// are at home in another lane than the batch's.
    fn admit(&mut self, feed: &mut Feed, batch: &mut Batch, frame: usize) -> bool {
        // Each frame may roll to a new segment; the highest one possible keeps R1 whatever happens.
        let own = home_of_lane(batch.lane);
        let mut guests = false;
        let segment = Seq(feed.log.end().seq().0.saturating_add(batch.frames(frame)));
        let mut kept = 0;
        for at in 0..batch.refs.len() {
            let time = if batch.times.is_empty() { batch.time.0 } else { batch.times[at] };
            let mark = batch.values[at].to_bits();
            let admitted = self.admits(feed, batch.refs[at], time, segment, Some(mark));
            if admitted {
                guests |= feed.table.home(batch.refs[at]) != own;
                if kept != at {
                    batch.refs[kept] = batch.refs[at];
                    batch.values[kept] = batch.values[at];
                    if !batch.times.is_empty() {
                        batch.times[kept] = time;
                    }
                }
                kept += 1;
            } else {
                self.drop_beside(&mut batch.exemplars, &mut batch.starts, batch.refs[at]);
            }
        }
        batch.refs.truncate(kept);
        batch.values.truncate(kept);
        batch.times.truncate(kept.min(batch.times.len()));
        let mut owners = core::mem::take(&mut batch.histograms.exemplars);
        let mut starts = core::mem::take(&mut batch.histograms.starts);
        batch.histograms.retain(|series, time| {
            let admitted = self.admits(feed, series, time, segment, None);
            guests |= admitted && feed.table.home(series) != own;
            if !admitted {
                self.drop_beside(&mut owners, &mut starts, series);
            }
            admitted
        });
        (batch.histograms.exemplars, batch.histograms.starts) = (owners, starts);
        for exemplars in [&mut batch.exemplars, &mut batch.histograms.exemplars] {
            if !exemplars.is_empty() {
                let known = exemplars.drop_known(&mut self.latest);
                self.exemplars.refuse(ExemplarRefusal::Duplicate, known);
            }
        }
        guests
    }

    /// A sample of the series is not admitted.
    #[cold]
    fn drop_beside(
        &mut self,
        exemplars: &mut ExemplarColumns,
        starts: &mut StartColumns,
        series: SeriesRef,
    ) {
        if !exemplars.is_empty() {
            let dropped = exemplars.drop_of(series);
            self.exemplars.refuse(ExemplarRefusal::SampleRefused, dropped);
        }
        if !starts.is_empty() {
            starts.drop_of(series);
        }
    }

    /// `mark`: bits of the value; `None`: it is a histogram.
    #[inline]
    fn admits(
        &mut self,
        feed: &mut Feed,
        series: SeriesRef,
        time: i64,
        segment: Seq,
        mark: Option<u64>,
    ) -> bool {
        let reason = match feed.table.admit(series, time, self.window_ms, segment) {
            Admission::Admitted => return true,
            Admission::Duplicate => Refusal::DuplicateTimestamp,
            Admission::OutOfOrder => Refusal::OutOfOrder,
        };
        self.refused.add(reason, 1);
        if let Some(noted) = &mut self.noted {
            let (histogram, mark) = (mark.is_none(), mark.unwrap_or(0));
            noted.push(Turned { series, time, mark, histogram, reason });
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Instant, limits};
    use crate::model::pack_label;
    use crate::series::{Descriptions, Table};
    use crate::wal::{Decoded, Dictionary, Identity, Log, Region, Step, decode_samples, lane_of};

    const SEGMENT: usize = limits::SEGMENT_BYTES_MIN;

    fn feed() -> Feed {
        let identity = Identity { store: [1; 16], shard: 0, start: 1, epoch: 1 };
        let mut log = Log::open(identity, SEGMENT, vec![], Seq(0), 1, &mut |_, _| {});
        log.give_spare(0, Region::heap(SEGMENT));
        let mut dictionary = Dictionary::open(identity, SEGMENT, vec![], 1, &mut |_| None);
        dictionary.give_spare(0, Region::heap(SEGMENT));
        Feed { log, dictionary, table: Table::new(1), descriptions: Descriptions::default() }
    }

    fn intern(feed: &mut Feed, name: &str, home: u8) -> SeriesRef {
        let mut labels = Vec::new();
        pack_label(&mut labels, b"__name__", name.as_bytes());
        let dictionary = &mut feed.dictionary;
        let interned = feed.table.intern(dictionary, &labels, home, 0, Seq(1), Timestamp(0));
        interned.expect("room").0
    }

    #[test]
    fn a_series_of_two_targets_goes_by_one_lane() {
        let mut feed = feed();
        let shared = intern(&mut feed, "shared", 3);
        assert_eq!(intern(&mut feed, "shared", 5), shared);
        let (of_three, of_five) = (intern(&mut feed, "a", 3), intern(&mut feed, "b", 5));
        let mut appender = Appender::default();
        let mut batch = Batch::default();
        for (round, (lane, own)) in [(3, of_three), (5, of_five)].repeat(4).iter().enumerate() {
            let time = Timestamp(round as i64);
            batch.begin(*lane + 16 * 7, time);
            batch.push(*own, 1.0);
            batch.push(shared, round as f64);
            batch.push_at(*own, 2.0, time.0 - 100);
            let now = Now { instant: Instant(0), timestamp: time };
            appender.commit(&mut feed, &mut batch, now).expect("room");
        }
        assert_eq!(appender.offered, appender.appended + appender.refused.total());
        let (mut at, mut met) = (feed.log.start(), Vec::new());
        let mut decoded = Decoded::default();
        while let Step::Record { next, payload, base_time, .. } = feed.log.read(at) {
            at = next;
            decode_samples(payload, base_time, &mut decoded).expect("just written");
            let home = home_of_lane(lane_of(payload).expect("a lane"));
            for (series, time) in decoded.refs.iter().zip(&decoded.times) {
                assert_eq!(feed.table.home(*series), home, "{series:?} at {time}");
                met.extend((*series == shared).then_some(*time));
            }
        }
        assert_eq!(met, (0..8).collect::<Vec<i64>>());
    }
}
