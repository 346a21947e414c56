//! From what recovery found on disk to a feed.

use std::collections::{BTreeSet, HashMap};

use crate::mail::Recovery;
use crate::model::SeriesRef;
use crate::series::{Descriptions, Feed, Table};
use crate::shard::FoundLog;
use crate::shard::survivors::Survivors;
use crate::wal::{Decoded, Dictionary, DictionaryEntry, Identity, Log, Place, Seq, decode_samples};

/// Reads the dictionary in full, and the samples of the segments that came with their bytes: for the newest
/// timestamps, and for refs that they mention. Also gives the series that were live at the end, by the lanes of their
/// targets. `reached`: the furthest place that a cursor tells of.
pub fn feed(
    identity: Identity,
    segment_bytes: usize,
    found: FoundLog,
    reached: Place,
    seed: u64,
) -> (Feed, HashMap<u32, Vec<SeriesRef>>) {
    let mut table = Table::new(seed);
    let mut descriptions = Descriptions::default();
    // No series' newest sample lies later than in the segment that comes next (R1).
    let written = found.samples.iter().map(|segment| segment.header.seq).max();
    let newest = written.unwrap_or_default().max(found.highest_seq);
    let newest = Seq(newest.0.saturating_add(1));
    let mut forgotten = BTreeSet::new();
    let dictionary = Dictionary::open(
        identity,
        segment_bytes,
        found.dictionary,
        seed ^ 0x6469_6374,
        &mut |entry| match entry {
            DictionaryEntry::Define { series, home, about, at, labels } => {
                forgotten.remove(&series.0);
                descriptions.recover_series(series, about);
                table.recover(series, home, at, labels, newest)
            }
            DictionaryEntry::Describe { about, at, content } => {
                descriptions.recover(about, at, content)
            }
            DictionaryEntry::Forget { series } => {
                descriptions.recover_series(series, 0);
                forgotten.insert(series.0);
                let before = table.at(series);
                table.remove(series);
                before
            }
        },
    );
    let mut decoded = Decoded::default();
    let mut bound = 0;
    let reached = reached.max(Place::new(found.highest_seq, 0));
    let survivors = Survivors::find(&found.samples, identity.epoch, reached, table.bound());
    let mut log = Log::open(
        identity,
        segment_bytes,
        found.samples,
        found.highest_seq,
        seed,
        &mut |payload, base_time| {
            if decode_samples(payload, base_time, &mut decoded).is_ok() {
                for (series, time) in decoded.refs.iter().zip(&decoded.times) {
                    // Forgotten before the record was written, or its definition is lost.
                    forgotten.remove(&series.0);
                    bound = bound.max(series.0.saturating_add(1));
                    table.recover_sample(*series, *time);
                }
            }
        },
    );
    bound = bound.max(log.refs_bound()).max(table.bound() as u32);
    table.recovered(&forgotten, bound);
    log.set_refs_bound(bound);
    descriptions.recovered();
    let live = survivors.by_lane(&table);
    (Feed { log, dictionary, table, descriptions }, live)
}

/// What was found, for whoever started us. `vanished`: samples that the ledgers knew and the logs do not.
pub fn summary(feeds: &[Feed], vanished: u64) -> Recovery {
    let mut recovery = Recovery { vanished, ..Recovery::default() };
    for feed in feeds {
        recovery.damaged += feed.log.counters().damaged + feed.dictionary.counters().damaged;
        recovery.lost += feed.log.counters().lost;
        recovery.series += feed.table.len() as u64;
        recovery.segments += feed.log.segments().count() as u64;
    }
    recovery
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Timestamp, limits};
    use crate::model::{Description, pack_label};
    use crate::wal::{FoundSegment, Header, Region, Samples};

    const SEGMENT: usize = limits::SEGMENT_BYTES_MIN;

    fn found(regions: Vec<(u16, Vec<u8>)>) -> Vec<FoundSegment> {
        let segment = |(slot, bytes): (u16, Vec<u8>)| FoundSegment {
            header: Header::decode(&bytes).expect("written above"),
            slot,
            region: Some(Region::heap_from(bytes)),
        };
        regions.into_iter().map(segment).collect()
    }

    #[test]
    fn a_series_is_not_forgotten_while_a_recovered_segment_may_speak_of_it() {
        let identity = Identity { store: [1; 16], shard: 0, start: 1, epoch: 1 };
        let mut dictionary = Dictionary::open(identity, SEGMENT, vec![], 1, &mut |_| None);
        dictionary.give_spare(0, Region::heap(SEGMENT));
        let mut labels = Vec::new();
        pack_label(&mut labels, b"__name__", b"up");
        dictionary.define(SeriesRef(0), 0, &labels, Timestamp(0)).expect("room");
        let mut log = Log::open(identity, SEGMENT, vec![], Seq(0), 1, &mut |_, _| {});
        let refs = vec![SeriesRef(0); 4096];
        let values: Vec<f64> = (0..4096).map(|n| f64::from(n) + 0.1).collect();
        let mut slot = 0;
        while log.segments().count() < 4 {
            if log.wants_spare() {
                log.give_spare(slot, Region::heap(SEGMENT));
                slot += 1;
            }
            let time = Timestamp(i64::from(slot));
            let frame = Samples { lane: 0, time, refs: &refs, values: &values, times: &[] };
            log.append(&frame, time).expect("room");
        }
        let copy = |(slot, region): (u16, &Region)| (slot, region.bytes().to_vec());
        let begun = |(_, bytes): &(u16, Vec<u8>)| Header::decode(bytes).is_ok();
        let log_found = FoundLog {
            samples: found(log.regions().map(copy).filter(begun).collect()),
            dictionary: found(dictionary.regions().map(copy).filter(begun).collect()),
            // As after an outage: the cursor is far behind.
            highest_seq: Seq(1),
            ..FoundLog::default()
        };
        let next = Identity { start: 2, ..identity };
        let (mut feed, live) = feed(next, SEGMENT, log_found, Place::ZERO, 2);
        assert_eq!(live, HashMap::from([(0, vec![SeriesRef(0)])]));
        let newest = feed.log.segments().map(|segment| segment.seq).max().expect("some");
        feed.log.retire(newest);
        assert_eq!(feed.table.outlived(feed.log.start().seq(), |_| false), []);
    }

    #[test]
    fn what_series_were_said_to_be_survives_a_restart_and_cleaning() {
        let identity = Identity { store: [1; 16], shard: 0, start: 1, epoch: 1 };
        let (mut feed, _) = feed(identity, SEGMENT, FoundLog::default(), Place::ZERO, 1);
        feed.dictionary.give_spare(0, Region::heap(SEGMENT));
        let content = |help: &str| {
            let mut content = Vec::new();
            Description { name: "up", help, ..Description::default() }.encode(&mut content);
            content
        };
        let mut labels = Vec::new();
        let about = feed.describe(&content("first"), Timestamp(0));
        for number in 0..3u32 {
            labels.clear();
            pack_label(&mut labels, b"__name__", number.to_string().as_bytes());
            let about = if number == 0 { 0 } else { about };
            feed.intern(&labels, 2, about, Seq(1), Timestamp(0)).expect("room");
        }
        // The last one is said to be something else.
        let about = feed.describe(&content("second"), Timestamp(0));
        feed.intern(&labels, 5, about, Seq(1), Timestamp(0)).expect("room");
        let help =
            |feed: &Feed, series| feed.description(SeriesRef(series)).map(|it| it.help.to_owned());
        let check = |feed: &Feed| {
            assert_eq!(help(feed, 0), None);
            assert_eq!(help(feed, 1).as_deref(), Some("first"));
            assert_eq!(help(feed, 2).as_deref(), Some("second"));
            assert_eq!(feed.labels(SeriesRef(2)), Some(&*labels));
            assert_eq!(feed.table.home(SeriesRef(2)), 2);
        };
        check(&feed);
        let copy = |(slot, region): (u16, &Region)| (slot, region.bytes().to_vec());
        let begun = |(_, bytes): &(u16, Vec<u8>)| Header::decode(bytes).is_ok();
        let dictionary = found(feed.dictionary.regions().map(copy).filter(begun).collect());
        let log_found = FoundLog { dictionary, ..FoundLog::default() };
        let next = Identity { start: 2, ..identity };
        let (feed, _) = super::feed(next, SEGMENT, log_found, Place::ZERO, 2);
        check(&feed);
        assert_eq!(feed.descriptions.used_after(0).count(), 2);
        assert_eq!((feed.table.len(), feed.dictionary.counters().lost), (3, 0));
    }
}
