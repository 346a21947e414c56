//! Exemplars on their way into the log, each with the series of its sample.

use std::collections::HashMap;

use crate::base::{limits, seeded_hash};
use crate::model::SeriesRef;
use crate::wal::{Exemplar, put_exemplar};

/// In the order of their samples. Buffers are reused.
#[derive(Debug, Default)]
pub(super) struct ExemplarColumns {
    items: Vec<Item>,
    labels: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
struct Item {
    series: SeriesRef,
    start: u32,
    end: u32,
    value: f64,
    time: i64,
    /// Of everything that makes two of them equal.
    hash: u64,
}

impl ExemplarColumns {
    pub(super) fn clear(&mut self) {
        self.items.clear();
        self.labels.clear();
    }

    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    pub(super) fn capacity_bytes(&self) -> usize {
        self.items.capacity() * size_of::<Item>() + self.labels.capacity()
    }

    /// `timed`: the time is the exemplar's own, and not that of its sample.
    pub(super) fn push(&mut self, series: SeriesRef, exemplar: &Exemplar<'_>, timed: bool) {
        let Exemplar { labels, value, time } = *exemplar;
        let start = self.labels.len() as u32;
        self.labels.extend_from_slice(labels);
        let end = self.labels.len() as u32;
        // Without a time of its own it is the same exemplar at each scrape.
        let own = if timed { seeded_hash(1, &time.to_le_bytes()) } else { 0 };
        let hash = seeded_hash(value.to_bits() ^ own, labels);
        self.items.push(Item { series, start, end, value, time, hash });
    }

    /// Forgets those of a series; gives how many.
    #[cold]
    pub(super) fn drop_of(&mut self, series: SeriesRef) -> u64 {
        let before = self.items.len();
        self.items.retain(|item| item.series != series);
        (before - self.items.len()) as u64
    }

    /// Moves those of these series over, in their order.
    pub(super) fn move_to(&mut self, other: &mut Self, moves: impl Fn(SeriesRef) -> bool) {
        for item in self.items.iter().filter(|item| moves(item.series)) {
            let start = other.labels.len() as u32;
            other.labels.extend_from_slice(&self.labels[item.start as usize..item.end as usize]);
            other.items.push(Item { start, end: other.labels.len() as u32, ..*item });
        }
        self.items.retain(|item| !moves(item.series));
    }

    /// Forgets those that are their series' latest already; gives how many. Those that are left are the latest now.
    // spec: SCR §4.2, as Prometheus's agent does
    pub(super) fn drop_known(&mut self, latest: &mut HashMap<u32, u64>) -> u64 {
        let before = self.items.len();
        self.items.retain(|item| latest.insert(item.series.0, item.hash) != Some(item.hash));
        (before - self.items.len()) as u64
    }
}

/// Gives out what belongs to one frame after the other.
#[derive(Debug)]
pub(super) struct Frames<'a> {
    columns: &'a ExemplarColumns,
    next: usize,
    /// Of the last frame.
    pub(super) bytes: Vec<u8>,
    pub(super) in_frame: u64,
    /// Too many of one sample for a frame.
    pub(super) left_out: u64,
}

impl<'a> Frames<'a> {
    pub(super) fn new(columns: &'a ExemplarColumns) -> Frames<'a> {
        Frames { columns, next: 0, bytes: Vec::new(), in_frame: 0, left_out: 0 }
    }

    /// Exemplars that no frame took.
    pub(super) fn left(&self) -> u64 {
        (self.columns.items.len() - self.next) as u64 + self.left_out
    }

    /// Gathers those of a frame that has at most these series, and gives how many of them it may have so that its
    /// exemplars do not take too much room.
    pub(super) fn gather(&mut self, refs: &[SeriesRef], frame_time: i64) -> usize {
        self.bytes.clear();
        self.in_frame = 0;
        let mut last = 0;
        for (at, series) in refs.iter().enumerate() {
            while let Some(item) =
                self.columns.items.get(self.next).filter(|item| item.series == *series)
            {
                let labels = &self.columns.labels[item.start as usize..item.end as usize];
                if self.bytes.len() + labels.len() + 30 > limits::EXEMPLARS_BYTES {
                    if at > last {
                        return at;
                    }
                    self.left_out += 1;
                    self.next += 1;
                    continue;
                }
                let exemplar = Exemplar { labels, value: item.value, time: item.time };
                put_exemplar(&mut self.bytes, (at - last) as u32, frame_time, &exemplar);
                (last, self.next, self.in_frame) = (at, self.next + 1, self.in_frame + 1);
            }
        }
        refs.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exemplar(labels: &[u8], time: i64) -> Exemplar<'_> {
        Exemplar { labels, value: 1.0, time }
    }

    #[test]
    fn one_that_is_shown_again_is_dropped_and_a_new_one_is_not() {
        let mut latest = HashMap::new();
        let mut once = |labels: &[u8], time, timed| {
            let mut columns = ExemplarColumns::default();
            columns.push(SeriesRef(1), &exemplar(labels, time), timed);
            columns.drop_known(&mut latest)
        };
        assert_eq!(once(b"a", 1, false), 0);
        assert_eq!(once(b"a", 2, false), 1);
        assert_eq!(once(b"b", 3, false), 0);
        assert_eq!(once(b"b", 3, true), 0);
        assert_eq!(once(b"b", 3, true), 1);
        assert_eq!(once(b"b", 4, true), 0);
        assert_eq!(once(b"a", 2, false), 0);
    }

    #[test]
    fn a_frame_ends_where_its_exemplars_would_take_too_much() {
        let labels = vec![b'x'; 1000];
        let mut columns = ExemplarColumns::default();
        let refs: Vec<SeriesRef> = (0..100).map(SeriesRef).collect();
        refs.iter().for_each(|series| columns.push(*series, &exemplar(&labels, 1), true));
        (0..100).for_each(|_| columns.push(SeriesRef(99), &exemplar(&labels, 1), true));
        let mut frames = Frames::new(&columns);
        let (mut from, mut taken) = (0, 0);
        while from < refs.len() {
            let count = frames.gather(&refs[from..], 0);
            assert!(count > 0 && frames.bytes.len() <= limits::EXEMPLARS_BYTES);
            from += count;
            taken += frames.in_frame;
        }
        assert!(taken >= 100);
        assert_eq!(taken + frames.left(), 200);
    }
}
