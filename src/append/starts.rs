//! When the counting of samples began, on the way into the log.

use crate::model::SeriesRef;
use crate::wal::put_starts;

/// Series in the order of their samples, and the start of each that has one, in milliseconds.
#[derive(Debug, Default)]
pub(super) struct StartColumns(Vec<(SeriesRef, i64)>);

impl StartColumns {
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn push(&mut self, series: SeriesRef, start: i64) {
        self.0.push((series, start));
    }

    #[cold]
    pub(super) fn drop_of(&mut self, series: SeriesRef) {
        self.0.retain(|(found, _)| *found != series);
    }

    /// Moves those of these series over, in their order.
    pub(super) fn move_to(&mut self, other: &mut Self, moves: impl Fn(SeriesRef) -> bool) {
        other.0.extend(self.0.iter().filter(|(series, _)| moves(*series)));
        self.0.retain(|(series, _)| !moves(*series));
    }

    pub(super) fn capacity_bytes(&self) -> usize {
        self.0.capacity() * size_of::<(SeriesRef, i64)>()
    }

    /// Replaces what `out` holds by those of a frame of these series; `next` is the first that no frame has had.
    pub(super) fn gather(
        &self,
        next: &mut usize,
        refs: &[SeriesRef],
        frame_time: i64,
        out: &mut Vec<u8>,
    ) {
        out.clear();
        if self.0.is_empty() {
            return;
        }
        let starts = refs.iter().map(|series| match self.0.get(*next) {
            Some((found, start)) if found == series => {
                *next += 1;
                *start
            }
            _ => 0,
        });
        put_starts(out, frame_time, starts);
    }
}
