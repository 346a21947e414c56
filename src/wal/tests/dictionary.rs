//! The dictionary over churn, cleaning, death and lost power.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::base::Timestamp;
use crate::model::SeriesRef;
use crate::wal::record::RECORDS_AT;
use crate::wal::tests::fixture::*;
use crate::wal::*;

#[test]
fn the_dictionary_survives_churn_cleaning_and_restarts() {
    let mut disk = Disk::default();
    let (mut dictionary, mut table) = Table::open(&disk);
    let now = Timestamp(1);
    for round in 0..600u32 {
        if dictionary.wants_spare() {
            disk.keep(dictionary.regions());
            let (slot, region) = disk.spare();
            dictionary.give_spare(slot, region);
        }
        let labels = vec![round as u8; 20 + round as usize % 50];
        let at = dictionary.define(SeriesRef(round), 0, &labels, now).expect("spare");
        table.0.insert(SeriesRef(round), (at, labels));
        if round >= 50 {
            let gone = SeriesRef(round - 50);
            let (at, _) = table.0.remove(&gone).expect("defined");
            dictionary.forget(&[(gone, at)], now).expect("spare");
        }
        if dictionary.wants_cleaning()
            && let Ok(Some(retired)) = table.clean(&mut dictionary, now)
        {
            disk.keep(dictionary.regions());
            disk.recycle(vec![retired]);
        }
        table.check(&dictionary);
        if round % 17 == 0 {
            disk.keep(dictionary.regions());
            let (opened, found) = Table::open(&disk);
            assert_eq!(opened.dead_bytes(), dictionary.dead_bytes());
            assert_eq!(opened.counters().damaged, 0);
            assert!(table.0.iter().all(|(series, (_, labels))| found.0[series].1 == *labels));
            assert_eq!(found.0.len(), table.0.len());
            (dictionary, table) = (opened, found);
            table.check(&dictionary);
        }
    }
    assert!(disk.0.len() < 8, "{} files for 50 series", disk.0.len());
}

#[test]
fn a_changed_byte_in_the_dictionary_costs_at_most_one_definition_and_never_a_wrong_label() {
    let (mut dictionary, _) = Table::open(&Disk::default());
    dictionary.give_spare(0, Region::heap(SEGMENT));
    for series in 0..20 {
        dictionary.define(SeriesRef(series), 0, &[series as u8; 30], Timestamp(0)).expect("spare");
    }
    let mut disk = Disk::default();
    disk.keep(dictionary.regions());
    let used = disk.0[&0].iter().rposition(|byte| *byte != 0).expect("not empty") + 1;
    for at in RECORDS_AT..used {
        let mut changed = disk.clone();
        changed.0.get_mut(&0).expect("one file")[at] ^= 0x41;
        let (mut dictionary, table) = Table::open(&changed);
        assert!(table.0.len() >= 19, "byte {at}");
        assert!(table.0.iter().all(|(series, (_, labels))| *labels == [series.0 as u8; 30]));
        if table.0.len() < 20 {
            assert_eq!(dictionary.counters().damaged, 1);
            assert_eq!(
                dictionary.define(SeriesRef(99), 0, b"x", Timestamp(0)),
                Err(Full),
                "not continued"
            );
        }
    }
}

#[test]
fn the_dictionary_killed_between_any_two_stores_has_whole_definitions() {
    let (mut dictionary, _) = Table::open(&Disk::default());
    dictionary.give_spare(0, Region::traced(vec![0; SEGMENT]));
    for series in 0..5u32 {
        dictionary
            .define(SeriesRef(series), 0, &vec![7; 9 * series as usize], Timestamp(0))
            .expect("spare");
    }
    let states: Vec<Vec<u8>> =
        dictionary.regions().flat_map(|(_, region)| region.states().iter().cloned()).collect();
    let mut seen = 0;
    for state in states {
        let (dictionary, table) = Table::open(&Disk(BTreeMap::from([(0, state)])));
        assert!(table.0.len() == seen || table.0.len() == seen + 1);
        seen = table.0.len();
        table.check(&dictionary);
        assert_eq!(dictionary.counters().damaged, 0);
    }
    assert_eq!(seen, 5);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn a_dictionary_goes_on_after_power_loss_without_reviving_anything(
        before in 0u32..12,
        after in 0u32..12,
        more in 1u32..12,
        coins in prop::collection::vec(any::<bool>(), SEGMENT / 512),
    ) {
        let labels = |round: u32, series: u32| vec![(round * 100 + series) as u8; 40 + series as usize % 30 * 4];
        let mut disk = Disk::default();
        let (mut dictionary, _) = Table::open(&disk);
        let (slot, region) = disk.spare();
        dictionary.give_spare(slot, region);
        for series in 0..before + after {
            if series == before {
                disk.keep(dictionary.regions());
            }
            dictionary.define(SeriesRef(series), 0, &labels(0, series), Timestamp(0)).expect("fits");
        }
        let changed = dictionary.regions().next().expect("one").1.bytes();
        let kept = disk.0.get_mut(&0).expect("one file");
        for (at, _) in coins.iter().enumerate().filter(|(at, coin)| **coin || (*at < 8 && before > 0)) {
            kept[at * 512..(at + 1) * 512].copy_from_slice(&changed[at * 512..(at + 1) * 512]);
        }
        let (mut dictionary, mut table) = Table::open(&disk);
        if dictionary.wants_spare() {
            dictionary.give_spare(1, Region::heap(SEGMENT));
        }
        for series in 100..100 + more {
            let wanted = labels(1, series);
            let Ok(at) = dictionary.define(SeriesRef(series), 0, &wanted, Timestamp(0)) else { break };
            table.0.insert(SeriesRef(series), (at, wanted));
            let mut disk = disk.clone();
            disk.keep(dictionary.regions());
            let (again, found) = Table::open(&disk);
            let plain = |table: &Table| {
                table.0.iter().map(|(series, (_, labels))| (*series, labels.clone())).collect::<Vec<_>>()
            };
            prop_assert_eq!(plain(&found), plain(&table));
            found.check(&again);
        }
    }
}
