//! A disk made of byte vectors, scrapes, and the table of series as a shard would keep it.

use std::collections::BTreeMap;

use crate::base::Timestamp;
use crate::model::SeriesRef;
use crate::wal::record::RECORDS_AT;
use crate::wal::*;

pub(super) const SEGMENT: usize = 8192;
pub(super) const IDENTITY: Identity =
    Identity { store: *b"0123456789abcdef", shard: 1, start: 1, epoch: 1 };

/// A scrape as the tests keep it: (time, refs, bits of values).
pub(super) type Row = (i64, Vec<u32>, Vec<u64>);

pub(super) fn row(number: u64, len: usize) -> Row {
    let refs = (0..len as u32).map(|i| i + (number % 7) as u32 * 3).collect();
    let values = (0..len as u64).map(|i| match i % 3 {
        0 => ((number * 1000 + i) as f64).to_bits(),
        1 => (number as f64 + 0.1).to_bits(),
        _ => number.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(i as u32),
    });
    (1_000_000 + number as i64 * 15, refs, values.collect())
}

/// The files of a directory: what is left when the process has died.
#[derive(Clone, Default)]
pub(super) struct Disk(pub(super) BTreeMap<u16, Vec<u8>>);

impl Disk {
    pub(super) fn keep<'a>(&mut self, regions: impl Iterator<Item = (u16, &'a Region)>) {
        self.0.extend(regions.map(|(slot, region)| (slot, region.bytes().to_vec())));
    }

    pub(super) fn found(&self) -> Vec<FoundSegment> {
        let valid = |(slot, bytes): (&u16, &Vec<u8>)| {
            let header = Header::decode(bytes).ok()?;
            Some(FoundSegment {
                header,
                slot: *slot,
                region: Some(Region::heap_from(bytes.clone())),
            })
        };
        self.0.iter().filter_map(valid).collect()
    }

    pub(super) fn open(&self, start: u32, cursor_max: Seq) -> (Log, Vec<Row>) {
        let mut rows = Vec::new();
        let identity = Identity { start, ..IDENTITY };
        let log =
            Log::open(identity, SEGMENT, self.found(), cursor_max, 5, &mut |payload, base| {
                rows.push(decoded(payload, base));
            });
        (log, rows)
    }

    /// A blank or recycled file for the log.
    pub(super) fn spare(&mut self) -> (u16, Region) {
        let blank = self.0.iter().find(|(_, bytes)| Header::decode(bytes).is_err());
        let (slot, bytes) = match blank {
            Some((slot, bytes)) => (*slot, bytes.clone()),
            None => (self.0.len() as u16, vec![0; SEGMENT]),
        };
        self.0.insert(slot, bytes.clone());
        (slot, Region::heap_from(bytes))
    }

    /// As the helper does: the header page is erased, the rest stays.
    pub(super) fn recycle(&mut self, retired: Vec<Retired>) {
        for Retired { slot, region, .. } in retired {
            let Some(slot) = slot else { continue };
            let mut bytes = region.map_or_else(|| self.0[&slot].clone(), |r| r.bytes().to_vec());
            bytes[..RECORDS_AT].fill(0);
            self.0.insert(slot, bytes);
        }
    }
}

pub(super) fn decoded(payload: &[u8], base: Basis<'_>) -> Row {
    let mut out = Decoded::default();
    decode_samples(payload, base, &mut out).expect("a verified record decodes");
    assert_eq!(lane_of(payload), Some(out.lane));
    let refs = out.refs.iter().map(|series| series.0).collect();
    (out.time, refs, out.values.iter().map(|value| value.to_bits()).collect())
}

pub(super) fn append(log: &mut Log, row: &Row) -> Result<Place, Full> {
    let refs: Vec<SeriesRef> = row.1.iter().copied().map(SeriesRef).collect();
    let values: Vec<f64> = row.2.iter().copied().map(f64::from_bits).collect();
    let samples = Samples {
        lane: row.0 as u32,
        time: Timestamp(row.0),
        refs: &refs,
        values: &values,
        times: &[],
    };
    log.append(&samples, Timestamp(row.0))
}

/// Reads to the end: rows, and samples lost on the way.
pub(super) fn drain(log: &Log, mut at: Place) -> (Vec<Row>, u64) {
    let (mut rows, mut sum) = (Vec::new(), 0);
    loop {
        match log.read(at) {
            Step::Absent(seq) => panic!("{seq:?} is absent"),
            Step::End => return (rows, sum),
            Step::Moved { next, lost } => {
                assert!(next > at, "{next:?} after {at:?}");
                sum += lost;
                at = next;
            }
            Step::Record { place, next, samples, payload, base_time } => {
                assert!(place == at && next > at);
                let row = decoded(payload, base_time);
                assert_eq!(row.1.len(), samples as usize);
                let before = log.total_at(place).expect("loaded");
                assert_eq!(log.total_at(next), Some(before + u64::from(samples)));
                rows.push(row);
                at = next;
            }
        }
    }
}

pub(super) fn samples_of(rows: &[Row]) -> u64 {
    rows.iter().map(|row| row.1.len() as u64).sum()
}

/// One segment with these rows, as left on the disk.
pub(super) fn segment_of(rows: &[Row]) -> Disk {
    let mut disk = Disk::default();
    let (mut log, _) = disk.open(1, Seq(0));
    let (slot, region) = disk.spare();
    log.give_spare(slot, region);
    for row in rows {
        append(&mut log, row).expect("fits one segment");
    }
    disk.keep(log.regions());
    disk
}

/// The table of series as the shard would keep it.
#[derive(Default)]
pub(super) struct Table(pub(super) BTreeMap<SeriesRef, (At, Vec<u8>)>);

impl Table {
    pub(super) fn open(disk: &Disk) -> (Dictionary, Table) {
        let mut table = Table::default();
        let dictionary =
            Dictionary::open(IDENTITY, SEGMENT, disk.found(), 5, &mut |entry| match entry {
                DictionaryEntry::Define { series, at, labels, .. } => {
                    table.0.insert(series, (at, labels.to_vec())).map(|(at, _)| at)
                }
                DictionaryEntry::Describe { .. } => None,
                DictionaryEntry::Forget { series } => table.0.remove(&series).map(|(at, _)| at),
            });
        (dictionary, table)
    }

    pub(super) fn check(&self, dictionary: &Dictionary) {
        let mut live = 0;
        for (at, labels) in self.0.values() {
            assert_eq!(dictionary.labels(*at), labels);
            live += (16 + 4 + labels.len() as u64).next_multiple_of(8);
        }
        assert_eq!(dictionary.live_bytes(), live);
    }

    pub(super) fn clean(
        &mut self,
        dictionary: &mut Dictionary,
        now: Timestamp,
    ) -> Result<Option<Retired>, Full> {
        let mut from = 0;
        while let Some((next, entry)) = dictionary.next_in_oldest(from) {
            let DictionaryEntry::Define { series, home, at, labels, .. } = entry else {
                panic!("{entry:?}")
            };
            from = next;
            let labels = labels.to_vec();
            if let Some(entry) = self.0.get_mut(&series).filter(|entry| entry.0 == at) {
                entry.0 = dictionary.define(series, home, &labels, now)?;
            }
        }
        Ok(dictionary.retire_oldest())
    }
}
