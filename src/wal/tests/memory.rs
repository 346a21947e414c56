//! Segments that no file holds, or none that can be trusted.

use crate::base::Timestamp;
use crate::model::SeriesRef;
use crate::wal::tests::fixture::*;
use crate::wal::*;

/// What the helper does: the file that a segment without one is put into.
fn put(disk: &mut Disk, segment: Unkept) -> (u16, Region) {
    let Unkept { len, slot, bytes, .. } = segment;
    let mut bytes = bytes.unwrap_or_else(|| disk.0[&slot.expect("in doubt")].clone());
    bytes.resize(len as usize, 0);
    if let Some(slot) = slot {
        disk.0.remove(&slot);
    }
    // Apart from those that the fixture gives out.
    let fresh = disk.0.keys().max().map_or(0, |slot| slot + 1).max(100);
    disk.0.insert(fresh, bytes.clone());
    (fresh, Region::heap_from(bytes))
}

fn give(log: &mut Log, disk: &mut Disk) {
    disk.keep(log.regions());
    let (slot, region) = disk.spare();
    log.give_spare(slot, region);
}

fn fill(log: &mut Log, from: u64, rows: u64) -> Vec<Row> {
    let rows: Vec<Row> = (from..from + rows).map(|number| row(number, 20)).collect();
    for row in &rows {
        append(log, row).expect("room");
    }
    rows
}

#[test]
fn without_a_file_the_log_goes_on_in_memory_up_to_its_bound_and_then_refuses() {
    let mut disk = Disk::default();
    let (mut log, _) = disk.open(1, Seq(0));
    give(&mut log, &mut disk);
    log.set_memory(2);
    let mut rows = Vec::new();
    for number in 0.. {
        let row = row(number, 20);
        if append(&mut log, &row).is_err() {
            break;
        }
        rows.push(row);
    }
    assert_eq!(
        log.segments().map(|segment| segment.slot).collect::<Vec<_>>(),
        [Some(0), None, None]
    );
    assert_eq!((log.unkept(), log.memory_bytes()), (2, 2 * SEGMENT as u64));
    assert_eq!(log.bytes_used(), SEGMENT as u64);
    assert_eq!(drain(&log, Place::ZERO), (rows, 0));
    // Nothing of it survives.
    disk.keep(log.regions());
    let (log, found) = disk.open(2, Seq(0));
    assert_eq!(log.segments().count(), 1);
    assert!(!found.is_empty());
}

#[test]
fn what_is_in_memory_gets_into_files_with_its_sequence_and_its_bytes() {
    let mut disk = Disk::default();
    let (mut log, _) = disk.open(1, Seq(0));
    give(&mut log, &mut disk);
    log.set_memory(10);
    let mut rows = Vec::new();
    while log.segments().count() < 4 {
        rows.extend(fill(&mut log, rows.len() as u64, 1));
    }
    let seqs: Vec<Seq> = log.segments().map(|segment| segment.seq).collect();
    assert_eq!(log.next_unkept().map(|segment| segment.seq), Some(seqs[1]), "not the head");
    give(&mut log, &mut disk);
    assert!(log.head_in_memory());
    log.close_head();
    rows.extend(fill(&mut log, rows.len() as u64, 5));
    assert!(!log.head_in_memory());
    let mut kept = Vec::new();
    while let Some(segment) = log.next_unkept() {
        let seq = segment.seq;
        let (slot, region) = put(&mut disk, segment);
        assert!(matches!(log.kept(seq, slot, region), Ok(Some(_))));
        kept.push(seq);
    }
    assert_eq!(kept, seqs[1..], "oldest first");
    assert_eq!((log.unkept(), log.memory_bytes()), (0, 0));
    assert_eq!(drain(&log, Place::ZERO), (rows.clone(), 0));
    disk.keep(log.regions());
    let (log, found) = disk.open(2, Seq(0));
    assert_eq!(found, rows);
    assert_eq!(log.counters().damaged, 0);
}

#[test]
fn a_file_in_doubt_is_written_to_no_more_and_read_back_into_a_fresh_one() {
    let mut disk = Disk::default();
    let (mut log, _) = disk.open(1, Seq(0));
    give(&mut log, &mut disk);
    let mut rows = fill(&mut log, 0, 3);
    give(&mut log, &mut disk);
    disk.keep(log.regions());
    assert!(log.distrust(0).is_none());
    assert_eq!(log.unkept(), 1);
    rows.extend(fill(&mut log, 3, 2));
    assert_eq!(log.segments().map(|segment| segment.slot).collect::<Vec<_>>(), [Some(0), Some(1)]);
    assert!(log.unload(&|_| false).is_empty(), "bytes in doubt stay");
    let segment = log.next_unkept().expect("one in doubt");
    assert_eq!(segment.slot, Some(0));
    let seq = segment.seq;
    let (slot, region) = put(&mut disk, segment);
    assert!(log.kept(seq, slot, region).is_ok());
    assert_eq!(drain(&log, Place::ZERO), (rows.clone(), 0));
    disk.keep(log.regions());
    assert!(!disk.0.contains_key(&0));
    assert_eq!(disk.open(2, Seq(0)).1, rows);
    // A spare in doubt is given back.
    give(&mut log, &mut disk);
    let slot = log.regions().last().map(|(slot, _)| slot).expect("a spare");
    assert!(log.distrust(slot).is_some_and(|spare| spare.region.is_some()));
    assert!(!log.has_spare());
}

#[test]
fn memory_that_every_reader_has_passed_is_let_go_of_wherever_it_stands() {
    let mut disk = Disk::default();
    let (mut log, _) = disk.open(1, Seq(0));
    give(&mut log, &mut disk);
    log.set_memory(10);
    let mut rows = Vec::new();
    while log.segments().count() < 4 {
        rows.extend(fill(&mut log, rows.len() as u64, 1));
    }
    let end = log.end();
    let seqs: Vec<Seq> = log.segments().map(|segment| segment.seq).collect();
    log.drop_memory(seqs[3], Some(seqs[1]));
    let left: Vec<Seq> = log.segments().map(|segment| segment.seq).collect();
    assert_eq!(left, [seqs[0], seqs[1], seqs[3]], "not what is on its way into a file");
    log.drop_memory(Seq(u32::MAX), None);
    assert_eq!(log.segments().map(|segment| segment.seq).collect::<Vec<_>>(), [seqs[0], seqs[3]]);
    assert_eq!((log.end(), log.unkept()), (end, 1), "the newest stays");
    // The newest in a file carries the sequence to the next start.
    assert!(log.retire(Seq(u32::MAX)).is_empty());
    // A file that comes too late is given back.
    let late = log.kept(seqs[1], 9, Region::heap(SEGMENT));
    assert!(matches!(late, Err((9, _))));
    // Its memory is used again.
    let more = fill(&mut log, rows.len() as u64, 40);
    assert_eq!(drain(&log, end).0, more);
}

#[test]
fn a_dictionary_goes_on_in_memory_and_its_places_hold_when_it_gets_a_file() {
    let mut disk = Disk::default();
    let (mut dictionary, mut table) = Table::open(&disk);
    let (slot, region) = disk.spare();
    dictionary.give_spare(slot, region);
    dictionary.set_memory(2);
    let mut number = 0;
    let mut define = |dictionary: &mut Dictionary, table: &mut Table| {
        let labels = format!("labels of series {number:>40}").into_bytes();
        let at = dictionary.define(SeriesRef(number), 0, &labels, Timestamp(1))?;
        table.0.insert(SeriesRef(number), (at, labels));
        number += 1;
        Ok::<(), Full>(())
    };
    while define(&mut dictionary, &mut table).is_ok() {}
    assert_eq!(dictionary.unkept(), 2);
    assert!(dictionary.head_in_memory());
    disk.keep(dictionary.regions());
    let (slot, region) = disk.spare();
    dictionary.give_spare(slot, region);
    dictionary.close_head();
    dictionary.set_memory(0);
    define(&mut dictionary, &mut table).expect("a spare");
    table.check(&dictionary);
    while let Some(segment) = dictionary.next_unkept() {
        let seq = segment.seq;
        let (slot, region) = put(&mut disk, segment);
        assert!(dictionary.kept(seq, slot, region).is_ok());
        table.check(&dictionary);
    }
    assert_eq!(dictionary.unkept(), 0);
    disk.keep(dictionary.regions());
    let (dictionary, found) = Table::open(&disk);
    assert_eq!(found.0.len(), table.0.len());
    found.check(&dictionary);
}
