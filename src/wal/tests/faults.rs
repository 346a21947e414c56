//! Death between stores, lost power, rot, and old content: never a wrong value, and every loss has
//! a number.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::wal::record::{RECORDS_AT, record_at};
use crate::wal::tests::fixture::*;
use crate::wal::*;

#[test]
fn any_prefix_of_a_segment_gives_a_prefix_of_its_records() {
    let rows: Vec<Row> = (0..8).map(|number| row(number, 5 + number as usize)).collect();
    let disk = segment_of(&rows);
    for len in 0..SEGMENT {
        let mut cut = disk.clone();
        cut.0.get_mut(&0).expect("one file")[len..].fill(0);
        let (log, visited) = cut.open(2, Seq(1));
        assert_eq!(visited, rows[..visited.len()], "{len} bytes");
        assert_eq!(log.total(), samples_of(&visited));
        assert_eq!(drain(&log, Place::ZERO), (visited, 0));
    }
}

#[test]
fn any_changed_byte_costs_at_most_its_record_and_the_loss_is_exact() {
    let rows: Vec<Row> = (0..12).map(|number| row(number, 3 + number as usize)).collect();
    let disk = segment_of(&rows);
    let used = disk.0[&0].iter().rposition(|byte| *byte != 0).expect("not empty") + 1;
    for at in (0..512).chain(RECORDS_AT..used + 24) {
        for flip in [0x01, 0x80, 0xff] {
            let mut changed = disk.clone();
            changed.0.get_mut(&0).expect("one file")[at] ^= flip;
            let (log, visited) = changed.open(2, Seq(1));
            if at < 512 {
                assert_eq!(visited, rows, "byte {at}: the header has a copy");
                continue;
            }
            let missing: Vec<&Row> = rows.iter().filter(|row| !visited.contains(row)).collect();
            assert!(missing.len() <= 1, "byte {at}: {} records", missing.len());
            assert!(visited.iter().all(|row| rows.contains(row)), "byte {at}: a wrong value");
            let last = missing.iter().any(|row| **row == rows[rows.len() - 1]);
            let lost = if last { 0 } else { missing.iter().map(|row| row.1.len() as u64).sum() };
            assert_eq!(log.counters().lost, lost, "byte {at}");
            assert!(missing.is_empty() || log.counters().damaged == 1, "byte {at}");
            assert_eq!(drain(&log, Place::ZERO), (visited, lost), "byte {at}");
        }
    }
}

#[test]
fn killed_between_any_two_stores_the_record_is_whole_or_not_there() {
    let rows: Vec<Row> = (0..6).map(|number| row(number, 4 + 3 * number as usize)).collect();
    // A recycled file: plausible old records everywhere but in the header page.
    let old = segment_of(&(0..24).map(|number| row(100 + number, 12)).collect::<Vec<_>>());
    let mut bytes = old.0[&0].clone();
    bytes[..RECORDS_AT].fill(0);
    let (mut log, _) = Disk::default().open(2, Seq(1));
    log.give_spare(0, Region::traced(bytes));
    let mut appended_at = Vec::new();
    for row in &rows {
        append(&mut log, row).expect("fits");
        appended_at.push(log.regions().map(|(_, region)| region.states().len()).sum::<usize>());
    }
    let states: Vec<Vec<u8>> =
        log.regions().flat_map(|(_, region)| region.states().iter().cloned()).collect();
    for (step, state) in states.iter().enumerate() {
        let whole = appended_at.iter().filter(|end| **end <= step + 1).count();
        let disk = Disk(BTreeMap::from([(0, state.clone())]));
        let (log, visited) = disk.open(3, Seq(2));
        assert_eq!(visited, rows[..whole], "after store {step}");
        assert_eq!(log.counters().damaged, 0, "after store {step}");
        assert!(matches!(Header::decode(state), Ok(_) | Err(Damage::Blank)), "after store {step}");
    }
}

#[test]
fn content_of_an_earlier_use_of_a_file_is_never_read() {
    let old = segment_of(&(0..24).map(|number| row(number, 12)).collect::<Vec<_>>());
    let mut bytes = old.0[&0].clone();
    bytes[..RECORDS_AT].fill(0);
    let mut disk = Disk(BTreeMap::from([(0, bytes)]));
    // The same rows again: every record boundary of old and new coincides, which is the worst case.
    let (mut log, _) = disk.open(2, Seq(1));
    let (slot, region) = disk.spare();
    log.give_spare(slot, region);
    for number in 0..20 {
        append(&mut log, &row(number, 12)).expect("fits");
        let mut now = disk.clone();
        now.keep(log.regions());
        // Power loss: the clean end did not reach the disk, old bytes are behind the last record.
        let end = log.end().offset() as usize;
        let stale = old.0[&0][end..].to_vec();
        now.0.get_mut(&0).expect("one file")[end..].copy_from_slice(&stale);
        let (log, visited) = now.open(3, Seq(2));
        assert_eq!(visited.len(), number as usize + 1);
        assert_eq!(drain(&log, Place::ZERO).0, visited);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn after_power_loss_all_that_was_synced_is_there_and_nothing_is_wrong(
        synced in 0u64..12,
        after in 0u64..12,
        coins in prop::collection::vec(any::<bool>(), SEGMENT / 512),
    ) {
        let mut disk = segment_of(&(0..24).map(|number| row(100 + number, 12)).collect::<Vec<_>>());
        disk.0.get_mut(&0).expect("one file")[..RECORDS_AT].fill(0);
        let rows: Vec<Row> = (0..synced + after).map(|number| row(number, 1 + number as usize)).collect();
        let (mut log, _) = disk.open(2, Seq(1));
        let (slot, region) = disk.spare();
        log.give_spare(slot, region);
        for (number, row) in rows.iter().enumerate() {
            if number as u64 == synced {
                disk.keep(log.regions());
            }
            append(&mut log, row).expect("fits");
        }
        // Of the sectors changed since, the disk has some.
        let changed = log.regions().next().expect("the spare or the head").1.bytes();
        let kept = disk.0.get_mut(&0).expect("one file");
        if after == 0 {
            kept.copy_from_slice(changed);
        }
        for (at, _) in coins.iter().enumerate().filter(|(_, coin)| **coin) {
            kept[at * 512..(at + 1) * 512].copy_from_slice(&changed[at * 512..(at + 1) * 512]);
        }
        let (log, visited) = disk.open(3, Seq(2));
        prop_assert_eq!(&visited[..synced as usize], &rows[..synced as usize]);
        let mut rest = rows.iter();
        prop_assert!(visited.iter().all(|row| rest.any(|known| known == row)), "in order, none made up");
        let lost: u64 = log.counters().lost;
        prop_assert_eq!(log.total(), samples_of(&visited) + lost);
        if visited.last() == rows.last() {
            prop_assert_eq!(log.total(), samples_of(&rows));
        }
        prop_assert_eq!(drain(&log, Place::ZERO), (visited, lost));
    }
}

#[test]
fn a_sequence_given_twice_after_power_loss_has_another_salt() {
    let (mut disk, row) = (Disk::default(), row(1, 3));
    let mut salts = Vec::new();
    for start in 1..4 {
        let (mut log, _) = disk.open(start, Seq(0));
        let (slot, region) = disk.spare();
        log.give_spare(slot, region);
        append(&mut log, &row).expect("fits");
        let now = log.regions().next().expect("the head").1.bytes().to_vec();
        salts.push(Header::decode(&now).map(|header| (header.seq, header.salt)).expect("valid"));
        disk = Disk::default();
    }
    assert!(salts.iter().all(|(seq, _)| *seq == Seq(1)));
    assert!(salts[0].1 != salts[1].1 && salts[1].1 != salts[2].1);
}

#[test]
fn holes_and_lost_segments_are_counted_exactly_at_every_reading() {
    let mut disk = Disk::default();
    let (mut log, _) = disk.open(1, Seq(0));
    let mut rows = Vec::new();
    for number in 0..200 {
        if log.wants_spare() {
            disk.keep(log.regions());
            let (slot, region) = disk.spare();
            log.give_spare(slot, region);
        }
        let row = row(number, 20);
        rows.push((append(&mut log, &row).expect("spare"), row));
    }
    disk.keep(log.regions());
    let segments: Vec<SegmentInfo> = log.segments().collect();
    assert!(segments.len() > 4);
    // The second segment is gone, the third ends in zeros, the fourth has a hole of zeros.
    let slot = |at: usize| segments[at].slot.expect("in a file");
    disk.0.remove(&slot(1));
    disk.0.get_mut(&slot(2)).expect("there")[RECORDS_AT + 2000..].fill(0);
    disk.0.get_mut(&slot(3)).expect("there")[RECORDS_AT + 512..RECORDS_AT + 1536].fill(0);
    let mut found = disk.found();
    // Sealed segments come without their regions and are loaded when read.
    let newest = segments.last().expect("many").seq;
    for found in &mut found {
        found.region.take_if(|_| found.header.seq != newest);
    }
    let mut log = Log::open(IDENTITY, SEGMENT, found, Seq(0), 6, &mut |_, _| {});
    assert_eq!(log.total(), 4000);
    assert_eq!(log.read(Place::ZERO), Step::Moved { next: log.start(), lost: 0 });
    assert_eq!(log.read(log.start()), Step::Absent(segments[0].seq));
    for segment in &segments {
        if let Some(bytes) = disk.0.get(&segment.slot.expect("in a file")) {
            log.load(segment.seq, Region::heap_from(bytes.clone()));
        }
        assert!(log.segment_total(segment.seq).is_some());
    }
    let (read, lost) = drain(&log, Place::ZERO);
    assert_eq!(samples_of(&read) + lost, 4000);
    assert!(lost > segments[2].total_before - segments[1].total_before);
    let kept: Vec<Row> =
        rows.iter().map(|(_, row)| row.clone()).filter(|row| read.contains(row)).collect();
    assert_eq!(read, kept);
    assert_eq!(log.unload(&|_| false).len(), segments.len() - 2);
    assert!(log.is_loaded(newest));
}

#[test]
fn garbage_after_a_good_header_is_read_without_a_panic() {
    let header = Header {
        kind: SegmentKind::Samples,
        identity: IDENTITY,
        salt: 1,
        seq: Seq(u32::MAX - 1),
        size: SEGMENT as u32,
        base_time: i64::MIN,
        total_before: 5,
        previous_end: Place(u64::MAX),
        refs_bound: u32::MAX,
    };
    for fill in 0..=255u8 {
        let mut bytes = vec![fill; SEGMENT];
        bytes[..512].copy_from_slice(&header.encode());
        let (log, visited) = Disk(BTreeMap::from([(0, bytes.clone())])).open(2, Seq(0));
        assert!(visited.is_empty() && log.total() == 5);
        assert_eq!(drain(&log, Place::ZERO), (Vec::new(), 0));
        assert!(record_at(&bytes, 1, SEGMENT - 8).is_none());
    }
}
