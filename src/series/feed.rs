//! One log with the definitions that its records speak of: what a drain reads from.

use crate::base::Timestamp;
use crate::model::{Description, SeriesRef};
use crate::series::{Descriptions, Table};
use crate::wal::{Dictionary, Full, Log, Seq};

/// The shard's own log, or one adopted from a core that no longer exists.
#[derive(Debug)]
pub struct Feed {
    pub log: Log,
    pub dictionary: Dictionary,
    pub table: Table,
    pub descriptions: Descriptions,
}

impl Feed {
    /// Series of the table whose definition cannot be read any more.
    pub fn undefined(&self) -> Vec<SeriesRef> {
        let all = (0..self.table.bound() as u32).map(SeriesRef);
        let gone =
            |series: &SeriesRef| self.table.at(*series).is_some() && self.labels(*series).is_none();
        all.filter(gone).collect()
    }

    /// The ref of these packed labels, of a series with this description: see [`Table::intern`]. A series that has
    /// another one so far gets this one.
    pub fn intern(
        &mut self,
        labels: &[u8],
        home: u8,
        about: u16,
        segment: Seq,
        now: Timestamp,
    ) -> Result<(SeriesRef, bool), Full> {
        let Feed { dictionary, table, descriptions, .. } = self;
        let (series, new) = table.intern(dictionary, labels, home, about, segment, now)?;
        if about == 0 || descriptions.of(series) == about {
            return Ok((series, new));
        }
        if !new && let Some(before) = table.at(series) {
            let home = table.home(series);
            let Ok(at) = dictionary.define_described(series, home, about, labels, now) else {
                // No room for the news: the series is what it was.
                return Ok((series, new));
            };
            table.moved(series, at);
            dictionary.mark_dead(before);
        }
        descriptions.set(series, about);
        Ok((series, new))
    }

    /// The number of a description; 0 if there is no room for it.
    pub fn describe(&mut self, content: &[u8], now: Timestamp) -> u16 {
        self.descriptions.number(&mut self.dictionary, content, now).unwrap_or(0)
    }

    /// What the series' family says of itself.
    pub fn description(&self, series: SeriesRef) -> Option<Description<'_>> {
        let content = self.descriptions.content(&self.dictionary, self.descriptions.of(series))?;
        Description::decode(content)
    }

    /// Packed labels of a series; `None` if its definition was lost.
    #[inline]
    pub fn labels(&self, series: SeriesRef) -> Option<&[u8]> {
        let labels = self.table.at(series).map(|at| self.dictionary.labels(at));
        labels.filter(|labels| !labels.is_empty())
    }
}
