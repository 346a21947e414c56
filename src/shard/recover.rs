//! From what recovery found on disk to a feed.

use crate::model::SeriesRef;
use crate::series::{Feed, Table};
use crate::shard::FoundLog;
use crate::wal::{Decoded, Dictionary, DictionaryEntry, Identity, Log, Seq, decode_samples};

/// Reads the dictionary in full, and the samples of unsealed segments for the newest timestamps.
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
    table.recovered();
    let mut decoded = Decoded::default();
    let log = Log::open(
        identity,
        segment_bytes,
        found.samples,
        found.highest_seq,
        seed,
        &mut |payload, base_time| {
            if decode_samples(payload, base_time, &mut decoded).is_ok() {
                note(&mut table, &decoded.refs, &decoded.times);
            }
        },
    );
    Feed {
        log,
        dictionary,
        table,
    }
}

fn note(table: &mut Table, refs: &[SeriesRef], times: &[i64]) {
    for (series, time) in refs.iter().zip(times) {
        table.recover_sample(*series, *time);
    }
}
