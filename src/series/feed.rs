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
    /// Series of the table whose definition cannot be read any more.
    pub fn undefined(&self) -> Vec<SeriesRef> {
        let all = (0..self.table.bound() as u32).map(SeriesRef);
        let gone =
            |series: &SeriesRef| self.table.at(*series).is_some() && self.labels(*series).is_none();
        all.filter(gone).collect()
    }

    /// Packed labels of a series; `None` if its definition was lost.
    #[inline]
    pub fn labels(&self, series: SeriesRef) -> Option<&[u8]> {
        let labels = self.table.at(series).map(|at| self.dictionary.labels(at));
        labels.filter(|labels| !labels.is_empty())
    }
}
