//! Which series were live when the process before this one ended, as far as the log still tells.
//!
//! The newest sample of a series says which target showed it, and whether it was a marker. A sample with a timestamp of its
//! own gets no marker, so its series is not live in this sense.

use std::collections::HashMap;

use crate::model::{SeriesRef, is_stale};
use crate::series::Table;
use crate::wal::Decoded;

/// Per ref, while the log is read from its oldest to its newest record.
#[derive(Debug, Default)]
pub struct Survivors {
    /// Lane of the target, if the newest sample says that the series is live.
    lanes: Vec<Option<u32>>,
}

impl Survivors {
    /// `bound`: one more than the highest ref that can have a definition.
    pub fn read(&mut self, decoded: &Decoded, bound: usize) {
        for (index, (series, time)) in decoded.refs.iter().zip(&decoded.times).enumerate() {
            let slot = series.0 as usize;
            if slot >= bound {
                continue;
            }
            if slot >= self.lanes.len() {
                self.lanes.resize(slot + 1, None);
            }
            // A histogram has no float.
            let stale = decoded.values.get(index).is_some_and(|value| is_stale(*value));
            let live = !stale && *time == decoded.time;
            self.lanes[slot] = live.then_some(decoded.lane);
        }
    }

    /// The live series of each target's lane.
    pub fn by_lane(self, table: &Table) -> HashMap<u32, Vec<SeriesRef>> {
        let mut lanes: HashMap<u32, Vec<SeriesRef>> = HashMap::new();
        for (slot, lane) in self.lanes.into_iter().enumerate() {
            let series = SeriesRef(slot as u32);
            if let Some(lane) = lane
                && table.at(series).is_some()
            {
                lanes.entry(lane).or_default().push(series);
            }
        }
        lanes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::stale_marker;

    #[test]
    fn the_newest_sample_says_whether_a_series_is_live_and_whose_it_is() {
        let mut survivors = Survivors::default();
        let mut decoded = Decoded::default();
        let mut read = |lane, time, samples: &[(u32, i64, f64)]| {
            (decoded.lane, decoded.time) = (lane, time);
            decoded.refs = samples.iter().map(|(series, ..)| SeriesRef(*series)).collect();
            decoded.times = samples.iter().map(|(_, time, _)| *time).collect();
            decoded.values = samples.iter().map(|(.., value)| *value).collect();
            survivors.read(&decoded, 8);
        };
        read(100, 5, &[(1, 5, 1.0), (2, 5, 1.0), (3, 4, 1.0), (u32::MAX, 5, 1.0)]);
        read(200, 6, &[(7, 6, 1.0), (2, 6, 1.0)]);
        read(100, 7, &[(1, 7, stale_marker()), (4, 7, f64::NAN)]);
        let live = |slot: usize| survivors.lanes.get(slot).copied().flatten();
        assert_eq!([1, 2, 3, 4, 7].map(live), [None, Some(200), None, Some(100), Some(200)]);
    }
}
