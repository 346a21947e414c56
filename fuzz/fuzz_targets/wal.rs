//! Any bytes as a segment and as a cursor page: no panic, reading ends, and every record that
//! verifies decodes or is refused.
#![no_main]

use corelane::base::{Timestamp, limits::PAGE_BYTES};
use corelane::wal::{
    Decoded, Dictionary, DictionaryEntry, FoundSegment, Header, Identity, Log, Place, Region,
    SegmentKind, Seq, Step, decode_samples, newest,
};
use libfuzzer_sys::fuzz_target;

const IDENTITY: Identity = Identity {
    store: [0; 16],
    shard: 0,
    start: 2,
    epoch: 1,
};

fuzz_target!(|bytes: &[u8]| {
    newest(bytes);
    Header::decode(bytes).ok();
    let mut out = Decoded::default();
    if decode_samples(bytes, 0, &mut out).is_ok() {
        assert_eq!(
            (out.refs.len(), out.times.len()),
            (out.values.len(), out.values.len())
        );
    }
    for kind in [SegmentKind::Samples, SegmentKind::Dictionary] {
        segment(kind, bytes);
    }
});

/// The bytes as the records of a segment whose header is good.
fn segment(kind: SegmentKind, records: &[u8]) {
    let size = (PAGE_BYTES + records.len().max(1)).next_multiple_of(PAGE_BYTES);
    let header = Header {
        kind,
        identity: IDENTITY,
        salt: 0,
        seq: Seq(1),
        size: size as u32,
        base_time: 0,
        total_before: 0,
        previous_end: Place::ZERO,
        refs_bound: 0,
    };
    let mut bytes = header.encode().to_vec();
    bytes.resize(PAGE_BYTES, 0);
    bytes.extend_from_slice(records);
    bytes.resize(size, 0);
    let found = vec![FoundSegment {
        header,
        slot: 0,
        region: Some(Region::heap_from(bytes)),
    }];
    if kind == SegmentKind::Dictionary {
        let mut defined = 0;
        let mut dictionary = Dictionary::open(IDENTITY, size, found, 1, &mut |entry| {
            defined += u32::from(matches!(entry, DictionaryEntry::Define { .. }));
            None
        });
        let now = Timestamp(0);
        if let Ok(at) = dictionary.define(corelane::model::SeriesRef(1), 0, b"labels", now) {
            assert_eq!(dictionary.labels(at), b"labels");
        }
        return;
    }
    let mut out = Decoded::default();
    let log = Log::open(
        IDENTITY,
        size,
        found,
        Seq(0),
        1,
        &mut |payload, base_time| {
            decode_samples(payload, base_time, &mut out).ok();
        },
    );
    let mut at = Place::ZERO;
    loop {
        match log.read(at) {
            Step::Moved { next, .. } | Step::Record { next, .. } => {
                assert!(next > at);
                at = next;
            }
            Step::Absent(_) | Step::End => break,
        }
    }
}
