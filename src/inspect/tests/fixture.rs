//! A directory as an agent leaves it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::base::Timestamp;
use crate::disk::{Store, StoreOptions};
use crate::flags::{Dump, Look};
use crate::inspect::dump::{Dumped, dump};
use crate::inspect::verify::{Sums, verify};
use crate::model::{NAN, SeriesRef, pack, stale_marker};
use crate::send::cursor_file;
use crate::wal::{
    CursorPage, CursorTotals, Dictionary, Identity, LEDGER_FILE, LedgerPage, Log, Mark, Region,
    Samples, Seq,
};

pub(super) const SEGMENT: usize = 8192;
pub(super) const SERIES: u32 = 6;
pub(super) const FRAMES: u32 = 12;
const FRAMES_A_SEGMENT: u32 = 4;
/// Whose cursor there is.
pub(super) const ENDPOINT: &str = "remote-0";
/// Shard 1 is of a core that no longer runs.
pub(super) const SHARDS: u16 = 2;

/// A data directory below the system's temporary folder; removed at the end.
pub(super) struct Directory(pub(super) PathBuf);

impl Drop for Directory {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

impl Directory {
    /// Two cores, then one: twelve frames of six series in three segments each, and a cursor in the middle.
    pub(super) fn new(name: &str) -> Directory {
        Directory::of(name, SHARDS)
    }

    pub(super) fn of(name: &str, shards: u16) -> Directory {
        let path =
            std::env::temp_dir().join(format!("corelane-inspect-{name}-{}", std::process::id()));
        drop(fs::remove_dir_all(&path));
        for cores in [shards, 1] {
            let store = Store::open(&path, StoreOptions { cores, lock: true }).expect("made");
            for shard in (0..shards).filter(|_| store.start() == 1) {
                write_shard(&store.shard_dir(shard).expect("made"), store.identity(shard));
            }
            store.close().expect("closed");
        }
        Directory(path)
    }

    pub(super) fn look(&self) -> Look {
        Look { dir: self.0.clone(), config_file: None }
    }

    pub(super) fn verify(&self) -> (Sums, String) {
        let mut out = Vec::new();
        let sums = verify(&self.look(), &mut out).expect("can be read");
        (sums, String::from_utf8(out).expect("text"))
    }

    pub(super) fn dump(&self) -> (Dumped, Vec<String>, String) {
        let asked = Dump { dir: self.0.clone(), shard: None, from: None, limit: None, json: false };
        self.dump_as(&asked)
    }

    pub(super) fn dump_as(&self, asked: &Dump) -> (Dumped, Vec<String>, String) {
        let (mut out, mut notes) = (Vec::new(), Vec::new());
        let dumped = dump(asked, &mut out, &mut notes).expect("can be read");
        let text = String::from_utf8(out).expect("text");
        let lines = text.lines().map(str::to_owned).collect();
        (dumped, lines, String::from_utf8(notes).expect("text"))
    }

    pub(super) fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut found = BTreeMap::new();
        collect(&self.0, &mut found);
        found
    }
}

fn collect(dir: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(dir).expect("a directory").flatten() {
        match entry.path() {
            path if path.is_dir() => collect(&path, found),
            path => drop(found.insert(path.clone(), fs::read(path).expect("a file"))),
        }
    }
}

pub(super) fn name(shard: u16, series: u32) -> String {
    format!("metric_{}{{job=\"a\\\\b\",shard=\"{shard}\"}}", series / 2 * 10 + series % 2)
}

pub(super) fn value(frame: u32, series: u32) -> f64 {
    match series {
        0 => f64::from(frame),
        1 => f64::from(frame) + 0.1,
        2 => -0.0,
        3 => NAN,
        4 => stale_marker(),
        _ => f64::from_bits(0x7ff0_0000_0000_0100 + u64::from(frame)),
    }
}

pub(super) fn time(frame: u32) -> i64 {
    1_000_000 + i64::from(frame) * 15_000
}

fn shown(frame: u32, series: u32) -> String {
    match series {
        0 => format!("{frame}"),
        1 => format!("{frame}.1"),
        2 => "-0".to_owned(),
        3 => "NaN".to_owned(),
        4 => "StaleNaN".to_owned(),
        _ => format!("NaN:{:016x}", 0x7ff0_0000_0000_0100_u64 + u64::from(frame)),
    }
}

/// The lines that a whole directory gives.
pub(super) fn lines(shards: u16) -> Vec<String> {
    let mut lines = Vec::new();
    for shard in 0..shards {
        for frame in 0..FRAMES {
            for series in 0..SERIES {
                let (name, value) = (name(shard, series), shown(frame, series));
                lines.push(format!("{name} {value} {}", time(frame)));
            }
        }
    }
    lines
}

fn write_shard(dir: &Path, identity: Identity) {
    let mut dictionary = Dictionary::open(identity, SEGMENT, vec![], 1, &mut |_| None);
    dictionary.give_spare(0, Region::heap(SEGMENT));
    for series in 0..SERIES {
        let metric = format!("metric_{}", series / 2 * 10 + series % 2);
        let shard = identity.shard.to_string();
        let labels = [("__name__", metric.as_str()), ("job", "a\\b"), ("shard", &shard)];
        let mut packed = Vec::new();
        pack(labels.into_iter(), &mut packed);
        dictionary.define(SeriesRef(series), 0, &packed, Timestamp(0)).expect("fits");
    }
    let mut log = Log::open(identity, SEGMENT, vec![], Seq(0), 1, &mut |_, _| {});
    let mut places = Vec::new();
    for frame in 0..FRAMES {
        if frame % FRAMES_A_SEGMENT == 0 {
            log.close_head();
            log.give_spare((frame / FRAMES_A_SEGMENT) as u16, Region::heap(SEGMENT));
        }
        let refs: Vec<SeriesRef> = (0..SERIES).map(SeriesRef).collect();
        let values: Vec<f64> = (0..SERIES).map(|series| value(frame, series)).collect();
        let time = Timestamp(time(frame));
        let frame = Samples { lane: frame, time, refs: &refs, values: &values, times: &[] };
        places.push(log.append(&frame, time).expect("fits"));
    }
    for (slot, region) in log.regions() {
        fs::write(dir.join(format!("{slot:05}.seg")), region.bytes()).expect("written");
    }
    for (slot, region) in dictionary.regions() {
        fs::write(dir.join(format!("{slot:05}.def")), region.bytes()).expect("written");
    }
    fs::write(dir.join("00009.seg"), vec![0; SEGMENT]).expect("written");
    let mut page = CursorPage {
        ahead: Vec::new(),
        endpoint: [7; 16],
        sequence: 1,
        low: places[5],
        // Lane 8 is a frame further, of lane 5 nothing is stored.
        birth: 0,
        taken: 0,
        lanes: (0..16)
            .map(|lane| if lane == 8 { places[9] } else { places[5] })
            .map(|place| Mark { place, skip: 0 })
            .collect(),
        totals: CursorTotals { acked: 30, ..CursorTotals::default() },
    };
    let mut file = vec![0; 4096];
    file[2048..2560].copy_from_slice(&page.encode());
    page.sequence = 2;
    file[..512].copy_from_slice(&page.encode());
    fs::write(dir.join(cursor_file(ENDPOINT)), file).expect("written");
    let ledger = LedgerPage { sequence: 1, offered: 72, appended: 72, ..LedgerPage::default() };
    let mut file = vec![0; 4096];
    file[2048..2560].copy_from_slice(&ledger.encode());
    fs::write(dir.join(LEDGER_FILE), file).expect("written");
}
