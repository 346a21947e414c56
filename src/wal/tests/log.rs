//! What was appended is read back.

use std::fs::{self, OpenOptions};

use proptest::prelude::*;

use crate::wal::record::RECORDS_AT;
use crate::wal::tests::fixture::*;
use crate::wal::*;

#[test]
fn a_segment_is_these_bytes() {
    let row: Row = (1_000_015, vec![10, 11], vec![300f64.to_bits(), 0]);
    let disk = segment_of(&[row]);
    let bytes = &disk.0[&0];
    let header = Header::decode(bytes).expect("valid");
    assert_eq!((header.seq, header.size, header.base_time), (Seq(1), SEGMENT as u32, 1_000_015));
    assert_eq!(header.salt, GOLDEN_SALT);
    assert_eq!(bytes[RECORDS_AT..RECORDS_AT + GOLDEN_RECORD.len()], GOLDEN_RECORD);
    assert!(bytes[RECORDS_AT + GOLDEN_RECORD.len()..].iter().all(|byte| *byte == 0));
}

const GOLDEN_SALT: u32 = 2_990_702_517;
const GOLDEN_RECORD: [u8; 32] = [
    0x98, 0x03, 0x49, 0x63, 1, 12, 0, 0, 0, 0, 0, 0, 2, 0, 0,
    0, // CRC, kind 1 and length 12, before, samples
    0, 0x4f, 0x42, 0x0f, 0, 0, 2, 20, 2, // flags, lane, time, n, one run: from 10, two long
    0x02, 0x58, 0x02, 0, 0, 0, 0, // nibbles 2 and 0; 300; padding
];

#[derive(Clone, Debug)]
enum Op {
    Append(usize),
    Reopen,
    Retire,
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn what_was_appended_is_read_back_over_rolls_retirements_and_restarts(
        ops in prop::collection::vec(prop_oneof![
            8 => (1usize..120).prop_map(Op::Append),
            1 => Just(Op::Reopen),
            1 => Just(Op::Retire),
        ], 1..120),
    ) {
        let mut disk = Disk::default();
        let (mut log, _) = disk.open(1, Seq(0));
        let (mut wanted, mut total, mut start) = (Vec::<(Place, Row)>::new(), 0, 1);
        for (number, op) in ops.into_iter().enumerate() {
            if log.wants_spare() {
                disk.keep(log.regions());
                let (slot, region) = disk.spare();
                log.give_spare(slot, region);
            }
            match op {
                Op::Append(len) => {
                    let row = row(number as u64, len);
                    let place = append(&mut log, &row).expect("there is a spare");
                    prop_assert_eq!(log.total_at(place), Some(total));
                    total += len as u64;
                    wanted.push((place, row));
                }
                Op::Reopen => {
                    disk.keep(log.regions());
                    start += 1;
                    let (opened, visited) = disk.open(start, Seq(0));
                    log = opened;
                    let rows: Vec<Row> = wanted.iter().map(|(_, row)| row.clone()).collect();
                    prop_assert_eq!(visited, rows);
                }
                Op::Retire => {
                    disk.keep(log.regions());
                    let middle = wanted.get(wanted.len() / 2).map_or(Place::ZERO, |(place, _)| *place);
                    let retired = log.retire(middle.seq());
                    let gone: u64 = retired.iter().map(|retired| retired.samples).sum();
                    disk.recycle(retired);
                    let before = wanted.len();
                    let cut: Vec<Row> =
                        wanted.iter().filter(|(p, _)| *p < log.start()).map(|(_, r)| r.clone()).collect();
                    wanted.retain(|(place, _)| *place >= log.start());
                    prop_assert_eq!(gone, samples_of(&cut));
                    prop_assert!(before - wanted.len() == cut.len());
                }
            }
            prop_assert_eq!(log.total(), total);
            let (rows, lost) = drain(&log, Place::ZERO);
            prop_assert_eq!(lost, 0);
            prop_assert_eq!(rows, wanted.iter().map(|(_, row)| row.clone()).collect::<Vec<_>>());
        }
    }
}

#[test]
fn without_a_spare_an_append_is_refused_and_nothing_changes() {
    let (mut log, _) = Disk::default().open(1, Seq(0));
    assert_eq!(append(&mut log, &row(0, 3)), Err(Full));
    assert!(log.wants_spare() && !log.wants_spare());
    log.spare_failed();
    assert!(log.wants_spare());
    log.give_spare(4, Region::heap(SEGMENT));
    let mut appended = 0;
    while append(&mut log, &row(appended, 30)).is_ok() {
        appended += 1;
    }
    let before: Vec<u8> = log.regions().next().expect("the head").1.bytes().to_vec();
    assert_eq!(append(&mut log, &row(9, 30)), Err(Full));
    assert_eq!(log.regions().next().expect("the head").1.bytes(), before);
    assert_eq!(drain(&log, Place::ZERO).0.len() as u64, appended);
    let too_many = row(9, log.frame_samples() + 1);
    assert_eq!(append(&mut log, &too_many), Err(Full));
    log.give_spare(5, Region::heap(SEGMENT));
    assert!(append(&mut log, &row(9, 30)).is_ok());
}

#[test]
fn new_records_are_never_below_a_cursor_that_power_loss_left_ahead() {
    let disk = segment_of(&[row(0, 3)]);
    let (mut log, _) = disk.open(2, Seq(7));
    let ahead = Place::new(Seq(7), 9000);
    assert_eq!(log.read(ahead), Step::Moved { next: log.end(), lost: 0 });
    log.give_spare(9, Region::heap(SEGMENT));
    let place = append(&mut log, &row(1, 3)).expect("spare");
    assert!(place > ahead);
    assert_eq!(place.seq(), Seq(8));
    assert_eq!(drain(&log, ahead).0, [row(1, 3)]);
}

#[test]
fn starts_that_append_nothing_take_no_segment() {
    let mut disk = segment_of(&[row(0, 3)]);
    for start in 2..10 {
        let (mut log, visited) = disk.open(start, Seq(1));
        assert_eq!(visited.len(), 1);
        let (slot, region) = disk.spare();
        log.give_spare(slot, region);
        disk.keep(log.regions());
    }
    assert_eq!(disk.0.len(), 2);
}

#[test]
fn all_backings_of_a_region_hold_the_same_bytes() {
    let dir = std::env::temp_dir().join(format!("corelane-wal-{}", std::process::id()));
    fs::create_dir_all(&dir).expect("a directory");
    let file = |name: &str| {
        let path = dir.join(name);
        fs::write(&path, vec![0xa5; SEGMENT]).expect("written");
        OpenOptions::new().read(true).write(true).open(path).expect("opened")
    };
    let regions = [
        Region::heap_from(vec![0xa5; SEGMENT]),
        Region::mapped(&file("mapped"), SEGMENT).expect("mapped"),
        Region::written(file("written"), SEGMENT).expect("read"),
    ];
    let mut results = Vec::new();
    for region in regions {
        let (mut log, _) = Disk::default().open(1, Seq(0));
        log.give_spare(0, region);
        for number in 0..10 {
            append(&mut log, &row(number, 20)).expect("fits");
        }
        assert_eq!(log.counters().write_failures, 0);
        results.push(log.regions().next().expect("the head").1.bytes().to_vec());
    }
    for name in ["mapped", "written"] {
        results.push(fs::read(dir.join(name)).expect("there"));
        let region = Region::mapped_read_only(&file(name), SEGMENT).expect("mapped");
        assert_eq!(region.len(), SEGMENT);
    }
    assert!(results.windows(2).all(|pair| pair[0] == pair[1]));
    assert!(Region::mapped(&file("short"), 2 * SEGMENT).is_err());
    fs::remove_dir_all(&dir).expect("removed");
}

#[test]
fn after_closing_the_head_reading_goes_over_into_the_next_segment() {
    let (mut log, _) = Disk::default().open(1, Seq(0));
    log.close_head();
    for number in 0..3 {
        log.give_spare(number as u16, Region::heap(SEGMENT));
        append(&mut log, &row(number, 3)).expect("a spare");
        let end = log.end();
        log.close_head();
        assert_eq!(log.read(end), Step::Moved { next: log.end(), lost: 0 });
        assert_eq!(log.read(log.end()), Step::End);
    }
    assert_eq!(log.segments().count(), 3);
    assert_eq!(drain(&log, Place::ZERO), ((0..3).map(|number| row(number, 3)).collect(), 0));
}
