//! `verify`: every file, every record.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use crate::base::{Timestamp, limits};
use crate::disk::{FileKind, FoundFile, StoppedStore};
use crate::flags::Look;
use crate::inspect::endpoints::Endpoints;
use crate::inspect::error::InspectError;
use crate::inspect::reader::{Cursor, ShardReader, shards};
use crate::model::{Loss, PackedLabels, Refusal, SeriesRef, pack};
use crate::telemetry::rfc3339;
use crate::wal::{
    CURSOR_SLOTS, CursorPage, Damage, Decoded, Finding, FoundSegment, Header, LedgerPage, Mark,
    Place, RecordKind, SegmentKind, Seq, decode_samples, newest_ledger,
};

/// What all shards have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    pub segments: u64,
    pub records: u64,
    /// That can be read.
    pub samples: u64,
    pub series: u64,
    /// Places that are damaged.
    pub damaged: u64,
    /// Samples known to be lost with them.
    pub lost: u64,
}

/// Where the first record of a segment is.
const RECORDS_AT: u32 = limits::PAGE_BYTES as u32;

/// Where a segment ended and how many samples of its log there were then.
#[derive(Clone, Copy, Debug)]
struct End {
    place: Place,
    total: u64,
    /// Something unreadable is behind its last record.
    torn: bool,
}

struct Verify<'a, 'o> {
    store: &'a StoppedStore,
    out: &'o mut dyn Write,
    endpoints: &'a Endpoints,
    sums: Sums,
    shard: u16,
    decoded: Decoded,
}

/// Checks everything and writes what it finds; gives the sums.
pub fn verify(look: &Look, out: &mut dyn Write) -> Result<Sums, InspectError> {
    let endpoints = Endpoints::of(look.config_file.as_deref())?;
    let store = StoppedStore::open(&look.dir)?;
    let identity = store.identity();
    let id: String = identity.store.iter().map(|byte| format!("{byte:02x}")).collect();
    writeln!(
        out,
        "store path={:?} id={id} starts={} cores={} epoch={} clean={}",
        store.path(),
        identity.start,
        store.cores(),
        identity.epoch,
        store.was_clean()
    )?;
    let mut verify = Verify {
        store: &store,
        out,
        endpoints: &endpoints,
        sums: Sums::default(),
        shard: 0,
        decoded: Decoded::default(),
    };
    for what in store.damage() {
        verify.file_damage("store", what)?;
    }
    for (number, dir) in shards(&store, None)? {
        verify.shard = number;
        verify.shard(&dir)?;
    }
    let Sums { segments, records, samples, series, damaged, lost } = verify.sums;
    writeln!(
        out,
        "total segments={segments} records={records} samples={samples} series={series} \
         damaged={damaged} samples_lost={lost}"
    )?;
    Ok(Sums { segments, records, samples, series, damaged, lost })
}

impl Verify<'_, '_> {
    fn shard(&mut self, dir: &Path) -> Result<(), InspectError> {
        let reader = ShardReader::open(self.store, dir)?;
        self.sums.series += reader.series() as u64;
        let mut cursors = reader.cursors();
        self.files(&reader)?;
        let mut strangers = BTreeMap::new();
        let mut before: Option<End> = None;
        for (file, header, slot) in by_sequence(&reader.files) {
            let end = self.samples(&reader, file, header, slot, &mut cursors, &mut strangers)?;
            if let Some(before) = before {
                self.between(before, header)?;
            }
            before = Some(end);
        }
        if let Some(End { place, torn: true, .. }) = before {
            self.damage(place, 0, "something that is no record, and nobody knows how much it was")?;
        }
        if !strangers.is_empty() {
            let lost: u64 = strangers.values().sum();
            let what = format!("{lost} samples of {} series without a definition", strangers.len());
            self.sums.lost += lost;
            self.sums.samples -= lost;
            self.file_damage("dictionary", &what)?;
        }
        let end = before.map_or(Place::ZERO, |end| end.place);
        cursors.iter().try_for_each(|cursor| self.cursor(cursor, end))
    }

    /// Files that are not what their name says, dictionary segments, and what is of no use.
    fn files(&mut self, reader: &ShardReader) -> Result<(), InspectError> {
        for file in &reader.files {
            match &file.kind {
                FileKind::Segment { header, slot, flaw } => {
                    if let Some(flaw) = flaw {
                        self.file_damage(&file.name, flaw)?;
                    }
                    if file.bytes < u64::from(header.size) {
                        let what = format!("{} bytes of {} are left", file.bytes, header.size);
                        self.file_damage(&file.name, &what)?;
                    }
                    if header.kind == SegmentKind::Dictionary {
                        self.dictionary(reader, &file.name, *header, *slot)?;
                    }
                }
                FileKind::Unreadable(_, damage) => {
                    self.file_damage(&file.name, &format!("the header cannot be used: {damage}"))?;
                }
                FileKind::Foreign(_) => {
                    self.file_damage(&file.name, "a segment of another data directory")?;
                }
                FileKind::Cursor(bytes) => {
                    self.slots(&file.name, bytes, |slot| CursorPage::decode(slot).err())?;
                }
                FileKind::Ledger(bytes) => {
                    self.slots(&file.name, bytes, |slot| LedgerPage::decode(slot).err())?;
                    let page = newest_ledger(bytes).unwrap_or_default();
                    let refused = Refusal::ALL.map(|why| (why.name(), page.refused.get(why)));
                    let refused: Vec<String> = refused
                        .into_iter()
                        .filter(|(_, samples)| *samples > 0)
                        .map(|(why, samples)| format!(" {why}={samples}"))
                        .collect();
                    writeln!(
                        self.out,
                        "ledger shard={} sequence={} offered={} appended={} vanished={}{}",
                        self.shard,
                        page.sequence,
                        page.offered,
                        page.appended,
                        page.vanished,
                        refused.concat()
                    )?;
                }
                FileKind::Spare(_) | FileKind::Aside | FileKind::Other => {
                    let what = match file.kind {
                        FileKind::Spare(_) => "spare",
                        FileKind::Aside => "aside",
                        _ => "other",
                    };
                    let FoundFile { name, bytes, .. } = file;
                    writeln!(self.out, "{what} shard={} file={name:?} bytes={bytes}", self.shard)?;
                }
            }
        }
        Ok(())
    }

    /// Both slots of a file that is written in turns.
    fn slots(
        &mut self,
        file: &str,
        bytes: &[u8],
        flaw: impl Fn(&[u8]) -> Option<Damage>,
    ) -> Result<(), InspectError> {
        let mut blank = 0;
        for at in CURSOR_SLOTS.map(|at| at as usize) {
            match flaw(bytes.get(at..).unwrap_or_default()) {
                None => {}
                Some(Damage::Blank) => blank += 1,
                Some(damage) => {
                    self.file_damage(file, &format!("the slot at {at} cannot be used: {damage}"))?;
                }
            }
        }
        if blank == CURSOR_SLOTS.len() {
            self.file_damage(file, "neither slot holds anything")?;
        }
        Ok(())
    }

    fn dictionary(
        &mut self,
        reader: &ShardReader,
        name: &str,
        header: Header,
        slot: u16,
    ) -> Result<(), InspectError> {
        let region = Some(self.store.read(&reader.dir.join(name), &header)?);
        let found = FoundSegment { header, slot, region };
        let (mut records, mut holes, mut definitions, mut forgotten) = (0, Vec::new(), 0, 0);
        found.examine(&mut |finding| match finding {
            Finding::Hole { offset, lost, .. } => holes.push((offset, lost, "records")),
            Finding::Record { offset, kind, payload, .. } => {
                records += 1;
                match kind {
                    RecordKind::Define { labels_at } if is_labels(payload.get(labels_at..)) => {
                        definitions += 1;
                    }
                    RecordKind::Describe => {}
                    RecordKind::Forget => forgotten += payload.len() / 4,
                    RecordKind::Copy
                    | RecordKind::Define { .. }
                    | RecordKind::Samples
                    | RecordKind::Histograms
                    | RecordKind::Other(_) => {
                        holes.push((offset, 1, "a record that means nothing here"));
                    }
                }
            }
        });
        writeln!(
            self.out,
            "dictionary shard={} file={name:?} slot={slot} seq={} epoch={} records={records} \
             definitions={definitions} forgotten={forgotten} damaged={}",
            self.shard,
            header.seq.0,
            header.identity.epoch,
            holes.len()
        )?;
        for (offset, lost, what) in holes {
            self.sums.damaged += 1;
            writeln!(
                self.out,
                "damage shard={} file={name:?} dictionary={} offset={offset} records_lost={lost} \
                 what={what:?}",
                self.shard, header.seq.0
            )?;
        }
        Ok(())
    }

    /// One segment of samples. `strangers` gets the samples of series without a definition.
    fn samples(
        &mut self,
        reader: &ShardReader,
        name: &str,
        header: Header,
        slot: u16,
        cursors: &mut [Cursor],
        strangers: &mut BTreeMap<SeriesRef, u64>,
    ) -> Result<End, InspectError> {
        let region = Some(self.store.read(&reader.dir.join(name), &header)?);
        let found = FoundSegment { header, slot, region };
        let (mut records, mut samples, mut bytes) = (0u64, 0u64, 0u64);
        let (mut holes, mut torn) = (Vec::new(), false);
        let decoded = &mut self.decoded;
        let end = found.examine(&mut |finding| match finding {
            Finding::Hole { offset, next, .. } if next == offset => torn = true,
            Finding::Hole { offset, lost, .. } => {
                holes.push((offset, lost, "no record can be read"));
            }
            Finding::Record { kind: RecordKind::Copy, .. } => {}
            Finding::Record { offset, bytes: record, kind, samples: count, payload } => {
                let good = matches!(kind, RecordKind::Samples | RecordKind::Histograms)
                    && decode_samples(payload, found.basis(), decoded).is_ok()
                    && decoded.refs.len() == count as usize;
                if !good {
                    holes.push((offset, count, "the record holds something else than samples"));
                    return;
                }
                records += 1;
                samples += u64::from(count);
                bytes += u64::from(record);
                let place = Place::new(header.seq, offset);
                for cursor in cursors.iter_mut() {
                    cursor.count(place, decoded);
                }
                for series in decoded.refs.iter().filter(|series| reader.labels(**series).is_none())
                {
                    *strangers.entry(*series).or_default() += 1;
                }
            }
        });
        writeln!(
            self.out,
            "segment shard={} file={name:?} slot={slot} seq={} epoch={} start={} begun={} \
             records={records} samples={samples} bytes={bytes} size={} damaged={}",
            self.shard,
            header.seq.0,
            header.identity.epoch,
            header.identity.start,
            rfc3339(Timestamp(header.base_time)),
            header.size,
            holes.len()
        )?;
        self.sums.segments += 1;
        self.sums.records += records;
        self.sums.samples += samples;
        for (offset, lost, what) in holes {
            self.damage(Place::new(header.seq, offset), u64::from(lost), what)?;
        }
        let (place, count) = end.unwrap_or((Place::new(header.seq, 0), 0));
        Ok(End { place, total: header.total_before.saturating_add(count), torn })
    }

    /// What the next segment says was there and is not.
    fn between(&mut self, before: End, next: Header) -> Result<(), InspectError> {
        let missing = next.total_before.saturating_sub(before.total);
        let skipped = next.seq.0.saturating_sub(before.place.seq().0).saturating_sub(1);
        // Rubbish behind the place where the next segment was begun was never part of the log.
        if missing == 0 && (!before.torn || next.previous_end == before.place) {
            return Ok(());
        }
        let what = match skipped {
            0 => "the last records of the segment cannot be read".to_owned(),
            _ => format!("what was between here and segment {} is not there", next.seq.0),
        };
        self.damage(before.place, missing, &what)
    }

    fn cursor(&mut self, held: &Cursor, end: Place) -> Result<(), InspectError> {
        let page = held.page.clone().unwrap_or_default();
        let totals = page.totals;
        let shown_lane = |lane: &Mark| match lane.skip {
            0 => shown(lane.place),
            skip => format!("{}+{skip}", shown(lane.place)),
        };
        let lanes: Vec<String> = page.lanes.iter().map(shown_lane).collect();
        let lost = Loss::ALL.map(|loss| format!("{}={}", loss.name(), totals.lost.get(loss)));
        let pending: Vec<String> = held.pending.iter().map(u64::to_string).collect();
        writeln!(
            self.out,
            "cursor shard={} file={:?} endpoint={:?} valid={} sequence={} low={} acked={} \
             {} pending={} lanes={} \
             lanes_pending={}",
            self.shard,
            held.file,
            self.endpoints.name(&held.file),
            held.page.is_some(),
            page.sequence,
            shown(page.low),
            totals.acked,
            lost.join(" "),
            held.pending.iter().sum::<u64>(),
            lanes.join(","),
            pending.join(",")
        )?;
        // Starts that append nothing leave cursors at the beginnings of segments that were never needed.
        let mut places = page.lanes.iter().map(|lane| lane.place).chain([page.low]);
        if places.any(|place| place > end && place.offset() > RECORDS_AT) {
            self.file_damage(&held.file, "ahead of the log: records that it has passed are gone")?;
        }
        Ok(())
    }

    fn damage(&mut self, place: Place, lost: u64, what: &str) -> Result<(), InspectError> {
        self.sums.damaged += 1;
        self.sums.lost += lost;
        writeln!(
            self.out,
            "damage shard={} segment={} offset={} samples_lost={lost} what={what:?}",
            self.shard,
            place.seq().0,
            place.offset()
        )?;
        Ok(())
    }

    fn file_damage(&mut self, file: &str, what: &str) -> Result<(), InspectError> {
        self.sums.damaged += 1;
        writeln!(self.out, "damage shard={} file={file:?} what={what:?}", self.shard)?;
        Ok(())
    }
}

/// Segments of samples, oldest first; of copies of a segment the one that the agent takes.
fn by_sequence(files: &[FoundFile]) -> Vec<(&str, Header, u16)> {
    let mut found: BTreeMap<Seq, (&str, Header, u16)> = BTreeMap::new();
    for file in files {
        if let FileKind::Segment { header, slot, .. } = file.kind
            && header.kind == SegmentKind::Samples
        {
            found.entry(header.seq).or_insert((&file.name, header, slot));
        }
    }
    found.into_values().collect()
}

/// Packed labels to the last byte.
fn is_labels(packed: Option<&[u8]>) -> bool {
    let Some(packed) = packed else { return false };
    let mut again = Vec::with_capacity(packed.len());
    pack(PackedLabels(packed).iter(), &mut again);
    again == packed
}

/// A place as people write it.
pub fn shown(place: Place) -> String {
    format!("{}:{}", place.seq().0, place.offset())
}
