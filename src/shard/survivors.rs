//! Which series were live when the process before this one ended, as far as the log still tells.
//!
//! The newest sample of a series says which target showed it, and whether it was a marker. A sample with a timestamp of its
//! own gets no marker, so its series is not live in this sense, nor is one that was pushed: who pushed it says when it ends. Only what was written without a gap up to the very end
//! counts: what is missing may have held markers.

use std::collections::HashMap;

use crate::model::{SeriesRef, is_stale};
use crate::series::Table;
use crate::wal::{
    Decoded, Finding, FoundSegment, Place, RecordKind, decode_samples, is_pushed_lane,
};

/// Per ref, while the log is read from its oldest to its newest record.
#[derive(Debug)]
pub struct Survivors {
    /// Lane of the target, if the newest sample says that the series is live.
    lanes: Vec<Option<u32>>,
}

impl Survivors {
    /// Reads the end of a log, as far back as its bytes are here. The targets of another `epoch` may be on another core now.
    /// `reached`: the furthest place that anybody knows of. `bound`: one more than the highest ref with a definition.
    pub fn find(found: &[FoundSegment], epoch: u32, reached: Place, bound: usize) -> Survivors {
        let mut survivors = Survivors { lanes: vec![None; bound] };
        let own = found.iter().filter(|segment| segment.header.identity.epoch == epoch);
        let mut segments: Vec<&FoundSegment> = own.collect();
        segments.sort_by_key(|segment| segment.header.seq);
        let mut decoded = Decoded::default();
        let mut end = Place::ZERO;
        for segment in segments {
            let seq = segment.header.seq;
            if seq.0 != end.seq().0.saturating_add(1) {
                survivors.forget();
            }
            end = Place::new(seq, 0);
            let read = segment.examine(&mut |finding| match finding {
                Finding::Record {
                    kind: RecordKind::Samples | RecordKind::Histograms,
                    payload,
                    ..
                } => match decode_samples(payload, segment.basis(), &mut decoded) {
                    Ok(()) => survivors.read(&decoded),
                    Err(_) => survivors.forget(),
                },
                Finding::Record { .. } => {}
                Finding::Hole { .. } => survivors.forget(),
            });
            match read {
                Some((place, _)) => end = place,
                None => survivors.forget(),
            }
        }
        // Something was behind the end and is not there: it was only in memory.
        if reached > end {
            survivors.forget();
        }
        survivors
    }

    fn forget(&mut self) {
        self.lanes.fill(None);
    }

    fn read(&mut self, decoded: &Decoded) {
        for (index, (series, time)) in decoded.refs.iter().zip(&decoded.times).enumerate() {
            let Some(lane) = self.lanes.get_mut(series.0 as usize) else { continue };
            // A histogram has no float.
            let stale = decoded.values.get(index).is_some_and(|value| is_stale(*value));
            let live = !stale && *time == decoded.time && !is_pushed_lane(decoded.lane);
            *lane = live.then_some(decoded.lane);
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
    use crate::base::{Timestamp, limits};
    use crate::model::stale_marker;
    use crate::wal::{Header, Identity, Log, Region, Samples, Seq};

    #[test]
    fn the_newest_sample_says_whether_a_series_is_live_and_whose_it_is() {
        let mut survivors = Survivors { lanes: vec![None; 8] };
        let mut decoded = Decoded::default();
        let mut read = |lane, time, samples: &[(u32, i64, f64)]| {
            (decoded.lane, decoded.time) = (lane, time);
            decoded.refs = samples.iter().map(|(series, ..)| SeriesRef(*series)).collect();
            decoded.times = samples.iter().map(|(_, time, _)| *time).collect();
            decoded.values = samples.iter().map(|(.., value)| *value).collect();
            survivors.read(&decoded);
        };
        read(100, 5, &[(1, 5, 1.0), (2, 5, 1.0), (3, 4, 1.0), (u32::MAX, 5, 1.0)]);
        read(200, 6, &[(7, 6, 1.0), (2, 6, 1.0)]);
        read(100, 7, &[(1, 7, stale_marker()), (4, 7, f64::NAN)]);
        read(crate::wal::pushed_lane(5), 8, &[(2, 8, 1.0), (5, 8, 1.0)]);
        let live = |slot: usize| survivors.lanes.get(slot).copied().flatten();
        assert_eq!([1, 2, 3, 4, 5, 7].map(live), [None, None, None, Some(100), None, Some(200)]);
    }

    const SEGMENT: usize = limits::SEGMENT_BYTES_MIN;

    /// Four segments: series 1 ends in the second, series 2 goes on to the end, series 3 is only in the first.
    fn segments() -> (Vec<(u16, Vec<u8>)>, Place) {
        let identity = Identity { store: [1; 16], shard: 0, start: 1, epoch: 7 };
        let mut log = Log::open(identity, SEGMENT, vec![], Seq(0), 1, &mut |_, _| {});
        let padding = vec![SeriesRef(0); 4096];
        let values: Vec<f64> = (0..4096).map(|n| f64::from(n) + 0.1).collect();
        let mut slot = 0;
        let mut time = 0;
        while log.segments().count() < 4 {
            if log.wants_spare() {
                log.give_spare(slot, Region::heap(SEGMENT));
                slot += 1;
            }
            time += 1;
            let time = Timestamp(time);
            let mut say = |refs: &[SeriesRef], values: &[f64]| {
                let frame = Samples { lane: 100, time, refs, values, times: &[] };
                log.append(&frame, time).expect("room");
            };
            say(&padding, &values);
            match slot {
                1 => say(&[1, 2, 3].map(SeriesRef), &[1.0; 3]),
                2 => say(&[1, 2].map(SeriesRef), &[stale_marker(), 1.0]),
                _ => say(&[SeriesRef(2)], &[1.0]),
            }
        }
        let copy = |(slot, region): (u16, &Region)| (slot, region.bytes().to_vec());
        let begun = |(_, bytes): &(u16, Vec<u8>)| Header::decode(bytes).is_ok();
        (log.regions().map(copy).filter(begun).collect(), log.end())
    }

    #[test]
    fn only_what_is_there_without_a_gap_up_to_the_end_tells_what_is_live() {
        let (bytes, end) = segments();
        let live = |present: &[usize], damaged: Option<usize>, epoch: u32, reached: Place| {
            let segment = |(at, (slot, bytes)): (usize, &(u16, Vec<u8>))| {
                let mut bytes = bytes.clone();
                if damaged == Some(at) {
                    bytes[SEGMENT / 2] ^= 1;
                }
                let header = Header::decode(&bytes).expect("written above");
                let region = present.contains(&at).then(|| Region::heap_from(bytes));
                FoundSegment { header, slot: *slot, region }
            };
            let found: Vec<FoundSegment> = bytes.iter().enumerate().map(segment).collect();
            let survivors = Survivors::find(&found, epoch, reached, 4);
            let lanes = survivors.lanes.iter().enumerate().filter(|(_, lane)| lane.is_some());
            lanes.map(|(slot, _)| slot).filter(|slot| *slot > 0).collect::<Vec<_>>()
        };
        assert_eq!(live(&[0, 1, 2, 3], None, 7, end), [2, 3]);
        // The marker of series 1 is not there; nor is it known whether series 3 has one.
        assert_eq!(live(&[0, 2, 3], None, 7, end), [2]);
        assert_eq!(live(&[0, 1, 2, 3], Some(1), 7, end), [2]);
        assert_eq!(live(&[0, 1, 2], None, 7, end), [0usize; 0]);
        assert_eq!(live(&[0, 1, 2, 3], None, 8, end), [0usize; 0]);
        // An endpoint has had more than there is.
        assert_eq!(live(&[0, 1, 2, 3], None, 7, Place(end.0 + 1)), [0usize; 0]);
        assert_eq!(live(&[0, 1, 2, 3], None, 7, Place::new(Seq(5), 0)), [0usize; 0]);
    }
}
