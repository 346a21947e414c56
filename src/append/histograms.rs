//! Native histograms on their way into the log, packed.

use crate::append::exemplars::ExemplarColumns;
use crate::append::starts::StartColumns;
use crate::base::limits;
use crate::model::{NativeHistogram, SeriesRef, pack_histogram};

/// Columns of equal length. Buffers are reused.
#[derive(Debug, Default)]
pub(super) struct HistogramColumns {
    pub(super) refs: Vec<SeriesRef>,
    /// Milliseconds since the epoch.
    pub(super) times: Vec<i64>,
    pub(super) lengths: Vec<u32>,
    pub(super) bodies: Vec<u8>,
    pub(super) exemplars: ExemplarColumns,
    pub(super) starts: StartColumns,
}

impl HistogramColumns {
    pub(super) fn clear(&mut self) {
        self.refs.clear();
        self.times.clear();
        self.lengths.clear();
        self.bodies.clear();
        self.exemplars.clear();
        self.starts.clear();
    }

    /// False, and nothing changed, if it is too large for the log.
    pub(super) fn push(
        &mut self,
        series: SeriesRef,
        histogram: &NativeHistogram,
        time: i64,
    ) -> bool {
        let start = self.bodies.len();
        pack_histogram(histogram, &mut self.bodies);
        let length = self.bodies.len() - start;
        if length > limits::HISTOGRAM_BYTES {
            self.bodies.truncate(start);
            return false;
        }
        self.refs.push(series);
        self.times.push(time);
        self.lengths.push(length as u32);
        true
    }

    /// The same for one that is packed already.
    pub(super) fn push_packed(&mut self, series: SeriesRef, packed: &[u8], time: i64) -> bool {
        if packed.len() > limits::HISTOGRAM_BYTES {
            return false;
        }
        self.bodies.extend_from_slice(packed);
        self.refs.push(series);
        self.times.push(time);
        self.lengths.push(packed.len() as u32);
        true
    }

    /// Keeps those for which `keep(series, time)` holds.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(SeriesRef, i64) -> bool) {
        let (mut kept, mut from, mut to) = (0, 0, 0);
        for at in 0..self.refs.len() {
            let length = self.lengths[at] as usize;
            if keep(self.refs[at], self.times[at]) {
                self.refs[kept] = self.refs[at];
                self.times[kept] = self.times[at];
                self.lengths[kept] = self.lengths[at];
                self.bodies.copy_within(from..from + length, to);
                kept += 1;
                to += length;
            }
            from += length;
        }
        self.refs.truncate(kept);
        self.times.truncate(kept);
        self.lengths.truncate(kept);
        self.bodies.truncate(to);
    }

    /// Moves those of these series over, in their order.
    pub(super) fn move_to(
        &mut self,
        other: &mut HistogramColumns,
        moves: impl Fn(SeriesRef) -> bool + Copy,
    ) {
        let mut start = 0;
        for at in 0..self.refs.len() {
            let end = start + self.lengths[at] as usize;
            if moves(self.refs[at]) {
                other.refs.push(self.refs[at]);
                other.times.push(self.times[at]);
                other.lengths.push(self.lengths[at]);
                other.bodies.extend_from_slice(&self.bodies[start..end]);
            }
            start = end;
        }
        self.retain(|series, _| !moves(series));
        self.exemplars.move_to(&mut other.exemplars, moves);
        self.starts.move_to(&mut other.starts, moves);
    }

    pub(super) fn capacity_bytes(&self) -> usize {
        let columns = self.refs.capacity() * 4 + self.lengths.capacity() * 4;
        let bytes =
            self.bodies.capacity() + self.exemplars.capacity_bytes() + self.starts.capacity_bytes();
        columns + self.times.capacity() * 8 + bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{CUSTOM_BUCKETS, Counts, Observations};

    fn with_bounds(count: usize) -> NativeHistogram {
        NativeHistogram {
            schema: CUSTOM_BUCKETS,
            sum: 0.0,
            zero_threshold: 0.0,
            gauge: false,
            observations: Observations::Whole(Counts::default()),
            custom: (0..count).map(|bound| bound as f64).collect(),
        }
    }

    #[test]
    fn what_is_kept_keeps_its_body() {
        let mut columns = HistogramColumns::default();
        let mut bodies = Vec::new();
        for number in 0..5u32 {
            let histogram = with_bounds(number as usize);
            let mut body = Vec::new();
            pack_histogram(&histogram, &mut body);
            bodies.push(body);
            assert!(columns.push(SeriesRef(number), &histogram, i64::from(number) * 10));
        }
        columns.retain(|series, _| series.0 % 2 == 0);
        assert_eq!(columns.refs, [SeriesRef(0), SeriesRef(2), SeriesRef(4)]);
        assert_eq!(columns.times, [0, 20, 40]);
        assert_eq!(columns.bodies, [&bodies[0][..], &bodies[2], &bodies[4]].concat());
        let mut moved = HistogramColumns::default();
        columns.move_to(&mut moved, |series| series.0 == 2);
        assert_eq!((&moved.refs[..], &moved.times[..]), (&[SeriesRef(2)][..], &[20][..]));
        assert_eq!(moved.bodies, bodies[2]);
        assert_eq!(columns.lengths, [bodies[0].len() as u32, bodies[4].len() as u32]);
    }

    #[test]
    fn one_that_is_too_large_changes_nothing() {
        let mut columns = HistogramColumns::default();
        assert!(columns.push(SeriesRef(1), &with_bounds(8000), 0));
        let bytes = columns.bodies.len();
        assert!(!columns.push(SeriesRef(2), &with_bounds(9000), 0));
        assert_eq!((columns.refs.len(), columns.bodies.len()), (1, bytes));
    }
}
