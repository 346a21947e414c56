//! One log with the definitions that its records speak of: what a drain reads from.

use crate::model::SeriesRef;
use crate::series::Table;
use crate::wal::{Dictionary, Log};

/// The shard's own log, or one adopted from a core that no longer exists.
#[derive(Debug)]
pub struct Feed {
    pub log: Log,
    pub dictionary: Dictionary,
    pub table: Table,
}

impl Feed {
    /// Packed labels of a series; `None` if its definition was lost.
    #[inline]
    pub fn labels(&self, series: SeriesRef) -> Option<&[u8]> {
        self.table.at(series).map(|at| self.dictionary.labels(at))
    }
}
