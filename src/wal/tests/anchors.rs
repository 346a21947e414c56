//! Frames relative to others: what a changed byte costs, and what they take.

use crate::base::Timestamp;
use crate::model::SeriesRef;
use crate::wal::record::RECORDS_AT;
use crate::wal::tests::fixture::*;
use crate::wal::*;

/// A scrape of counters, gauges that stand still, and a fraction; of some series more in each round.
fn steady(number: u64) -> Row {
    let refs: Vec<u32> = (0..20 + number as u32 % 3).collect();
    let value = |series: &u32| match series % 4 {
        0 => f64::from(*series) * 1e6 + (number * 17) as f64,
        1 => 3_600.0,
        2 => 0.0,
        _ => (f64::from(*series) * 1e6 + (number * 31) as f64) / 1e3,
    };
    let values = refs.iter().map(|series| value(series).to_bits()).collect();
    (1_000_000 + number as i64 * 15, refs, values)
}

fn append_to(log: &mut Log, lane: u32, row: &Row) -> Result<Place, Full> {
    let refs: Vec<SeriesRef> = row.1.iter().copied().map(SeriesRef).collect();
    let values: Vec<f64> = row.2.iter().copied().map(f64::from_bits).collect();
    let time = Timestamp(row.0);
    log.append(&Samples { lane, time, refs: &refs, values: &values, times: &[] }, time)
}

/// One segment with these rows of two targets in turn.
fn segment_of_two(rows: &[Row]) -> (Disk, LogCounters) {
    let mut disk = Disk::default();
    let (mut log, _) = disk.open(1, Seq(0));
    let (slot, region) = disk.spare();
    log.give_spare(slot, region);
    for (number, row) in rows.iter().enumerate() {
        append_to(&mut log, number as u32 % 2, row).expect("fits one segment");
    }
    disk.keep(log.regions());
    (disk, log.counters())
}

#[test]
fn a_changed_byte_costs_its_record_alone_though_others_are_relative_to_it() {
    let rows: Vec<Row> = (0..14).map(steady).collect();
    let (disk, counters) = segment_of_two(&rows);
    assert!(counters.records >= 14 + 2, "each target has an anchor, and that has a copy");
    let used = disk.0[&0].iter().rposition(|byte| *byte != 0).expect("not empty") + 1;
    for at in RECORDS_AT..used + 24 {
        for flip in [0x01, 0x80, 0xff] {
            let mut changed = disk.clone();
            changed.0.get_mut(&0).expect("one file")[at] ^= flip;
            let (log, visited) = changed.open(2, Seq(1));
            let missing: Vec<&Row> = rows.iter().filter(|row| !visited.contains(row)).collect();
            assert!(missing.len() <= 1, "byte {at}: {} records", missing.len());
            assert!(visited.iter().all(|row| rows.contains(row)), "byte {at}: a wrong value");
            let last = missing.iter().any(|row| **row == rows[rows.len() - 1]);
            let lost = if last { 0 } else { missing.iter().map(|row| row.1.len() as u64).sum() };
            assert_eq!(log.counters().lost, lost, "byte {at}");
            assert_eq!(drain(&log, Place::ZERO), (visited, lost), "byte {at}");
        }
    }
}

#[test]
fn frames_after_the_first_of_a_target_take_little() {
    let rows: Vec<Row> = (0..40).map(steady).collect();
    let (disk, counters) = segment_of_two(&rows);
    let (log, visited) = disk.open(2, Seq(1));
    assert_eq!(visited, rows);
    assert_eq!(drain(&log, Place::ZERO), (rows.clone(), 0));
    // The header and the runs of each are half of that.
    assert!(counters.bytes < samples_of(&rows) * 4, "{} bytes", counters.bytes);
}

#[test]
fn every_segment_stands_for_itself() {
    let mut disk = Disk::default();
    let (mut log, _) = disk.open(1, Seq(0));
    let rows: Vec<Row> = (0..300).map(steady).collect();
    for row in &rows {
        if log.wants_spare() {
            disk.keep(log.regions());
            let (slot, region) = disk.spare();
            log.give_spare(slot, region);
        }
        append_to(&mut log, 7, row).expect("spare");
    }
    disk.keep(log.regions());
    assert!(disk.0.len() > 2);
    let oldest = log.segments().next().and_then(|first| first.slot).expect("in a file");
    disk.0.remove(&oldest);
    let (_, visited) = disk.open(2, Seq(9));
    assert_eq!(visited, rows[rows.len() - visited.len()..]);
    assert!(visited.len() > 100);
}
