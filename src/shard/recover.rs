//! From what recovery found on disk to a feed.

use std::collections::BTreeSet;

use crate::model::SeriesRef;
use crate::series::{Feed, Table};
use crate::shard::FoundLog;
use crate::wal::{Decoded, Dictionary, DictionaryEntry, Identity, Log, Seq, decode_samples};

/// Reads the dictionary in full, and the samples of the segments that came with their bytes: for the newest
/// timestamps, and for refs whose definition was lost (the survey brings all segments where that may be).
pub fn feed(identity: Identity, segment_bytes: usize, found: FoundLog, seed: u64) -> Feed {
    let mut table = Table::new(seed);
    // No series' newest sample lies later than in the segment that comes next.
    let newest = Seq(found.highest_seq.0.saturating_add(1));
    let dictionary = Dictionary::open(
        identity,
        segment_bytes,
        found.dictionary,
        seed ^ 0x6469_6374,
        &mut |entry| match entry {
            DictionaryEntry::Define { series, at, labels } => {
                table.recover(series, at, labels, newest)
            }
            DictionaryEntry::Forget { series } => {
                let before = table.at(series);
                table.remove(series);
                before
            }
        },
    );
    let mut lost = BTreeSet::new();
    let mut decoded = Decoded::default();
    let log = Log::open(
        identity,
        segment_bytes,
        found.samples,
        found.highest_seq,
        seed,
        &mut |payload, base_time| {
            if decode_samples(payload, base_time, &mut decoded).is_ok() {
                note(&mut table, &decoded.refs, &decoded.times, &mut lost);
            }
        },
    );
    table.recovered(&lost);
    Feed { log, dictionary, table }
}

fn note(table: &mut Table, refs: &[SeriesRef], times: &[i64], lost: &mut BTreeSet<u32>) {
    for (series, time) in refs.iter().zip(times) {
        if table.at(*series).is_none() {
            lost.insert(series.0);
        }
        table.recover_sample(*series, *time);
    }
}
