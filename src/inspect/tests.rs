//! Directories as an agent leaves them, whole and damaged in every way.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::base::Timestamp;
use crate::disk::{Store, StoreOptions};
use crate::flags::{Dump, Look};
use crate::inspect::dump::{Dumped, dump};
use crate::inspect::error::InspectError;
use crate::inspect::stats::stats;
use crate::inspect::verify::{Sums, verify};
use crate::model::{NAN, SeriesRef, pack, stale_marker};
use crate::wal::{CursorPage, CursorTotals, Dictionary, Identity, Log, Region, Samples, Seq};

const SEGMENT: usize = 8192;
const SERIES: u32 = 6;
const FRAMES: u32 = 12;
const FRAMES_A_SEGMENT: u32 = 4;
/// Shard 1 is of a core that no longer runs.
const SHARDS: u16 = 2;

/// A data directory below the system's temporary folder; removed at the end.
struct Directory(PathBuf);

impl Drop for Directory {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

impl Directory {
    /// Two cores, then one: twelve frames of six series in three segments each, and a cursor in the middle.
    fn new(name: &str) -> Directory {
        Directory::of(name, SHARDS)
    }

    fn of(name: &str, shards: u16) -> Directory {
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

    fn look(&self) -> Look {
        Look { dir: self.0.clone(), config_file: None }
    }

    fn verify(&self) -> (Sums, String) {
        let mut out = Vec::new();
        let sums = verify(&self.look(), &mut out).expect("can be read");
        (sums, String::from_utf8(out).expect("text"))
    }

    fn dump(&self) -> (Dumped, Vec<String>, String) {
        let asked = Dump { dir: self.0.clone(), shard: None, from: None, limit: None, json: false };
        self.dump_as(&asked)
    }

    fn dump_as(&self, asked: &Dump) -> (Dumped, Vec<String>, String) {
        let (mut out, mut notes) = (Vec::new(), Vec::new());
        let dumped = dump(asked, &mut out, &mut notes).expect("can be read");
        let text = String::from_utf8(out).expect("text");
        let lines = text.lines().map(str::to_owned).collect();
        (dumped, lines, String::from_utf8(notes).expect("text"))
    }

    fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
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

fn name(shard: u16, series: u32) -> String {
    format!("metric_{}{{job=\"a\\\\b\",shard=\"{shard}\"}}", series / 2 * 10 + series % 2)
}

fn value(frame: u32, series: u32) -> f64 {
    match series {
        0 => f64::from(frame),
        1 => f64::from(frame) + 0.1,
        2 => -0.0,
        3 => NAN,
        4 => stale_marker(),
        _ => f64::from_bits(0x7ff0_0000_0000_0100 + u64::from(frame)),
    }
}

fn time(frame: u32) -> i64 {
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
fn lines(shards: u16) -> Vec<String> {
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
        dictionary.define(SeriesRef(series), &packed, Timestamp(0)).expect("fits");
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
        endpoint: [7; 16],
        sequence: 1,
        low: places[5],
        // Lane 8 is a frame further, of lane 5 nothing is stored.
        lanes: (0..16).map(|lane| if lane == 8 { places[9] } else { places[5] }).collect(),
        totals: CursorTotals { acked: 30, ..CursorTotals::default() },
    };
    let mut file = vec![0; 4096];
    file[2048..2560].copy_from_slice(&page.encode());
    page.sequence = 2;
    file[..512].copy_from_slice(&page.encode());
    fs::write(dir.join("0123456789abcdef.cur"), file).expect("written");
}

#[test]
fn a_whole_directory_is_shown_whole_and_stays_as_it_was() {
    let directory = Directory::new("whole");
    let before = directory.files();
    let (sums, text) = directory.verify();
    let frames = u64::from(SHARDS) * u64::from(FRAMES);
    let wanted = Sums {
        segments: 6,
        records: frames,
        samples: frames * u64::from(SERIES),
        series: u64::from(SHARDS) * u64::from(SERIES),
        damaged: 0,
        lost: 0,
    };
    assert_eq!(sums, wanted, "{text}");
    for part in [
        "starts=2 cores=1 epoch=2 clean=true",
        "segment shard=1 file=\"00002.seg\" slot=2 seq=3 epoch=1 start=1",
        "records=4 samples=24",
        "dictionary shard=0 file=\"00000.def\" slot=0 seq=1 epoch=1 records=6 definitions=6",
        "sequence=2 low=2:",
        "acked=30 rejected=0",
        // Frames 5 to 11 but for lane 8.
        "pending=36 lanes=",
        "lanes_pending=0,0,0,0,0,6,6,6,0,6,6,6,0,0,0,0",
        "spare shard=0 file=\"00009.seg\" bytes=8192",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    let (dumped, found, notes) = directory.dump();
    assert_eq!(found, lines(SHARDS));
    assert_eq!((dumped.lost, notes.as_str()), (0, ""));
    let mut out = Vec::new();
    let stats = stats(&directory.look(), &mut out).expect("can be read");
    assert_eq!((stats.samples, stats.records, stats.lost), (wanted.samples, frames, 0));
    assert_eq!((stats.oldest, stats.newest), (time(0), time(FRAMES - 1)));
    assert_eq!(stats.files["samples"], (6, 6 * SEGMENT as u64));
    assert_eq!(stats.files["spare"], (2, 2 * SEGMENT as u64));
    assert_eq!(stats.metrics["metric_11"], frames);
    assert_eq!(stats.pending["0123456789abcdef.cur"], (72, time(5)));
    assert_eq!(directory.files(), before);
}

#[test]
fn a_dump_begins_where_it_is_told_and_says_where_to_go_on() {
    let directory = Directory::new("from");
    let mut asked =
        Dump { dir: directory.0.clone(), shard: Some(1), from: None, limit: Some(7), json: true };
    let (_, found, notes) = directory.dump_as(&asked);
    assert_eq!(found.len(), 7);
    let first = format!(
        "{{\"shard\":1,\"place\":\"1:4096\",\"labels\":{{\"__name__\":\"metric_0\",\
         \"job\":\"a\\\\b\",\"shard\":\"1\"}},\"value\":\"0\",\"timestamp\":{}}}",
        time(0)
    );
    assert_eq!(found[0], first);
    let place = notes.trim().rsplit(' ').next().expect("a place");
    let (seq, offset) = place.split_once(':').expect("a place");
    let place = (seq.parse().expect("a number"), offset.parse().expect("a number"));
    asked = Dump { from: Some(place), limit: None, json: false, ..asked };
    let rest = directory.dump_as(&asked).1;
    assert_eq!(rest, lines(SHARDS)[((FRAMES + 1) * SERIES) as usize..]);
    asked.shard = Some(9);
    let none = dump(&asked, &mut Vec::new(), &mut Vec::new()).expect_err("no such shard");
    assert!(none.to_string().ends_with("has no shard 9"), "{none}");
}

#[test]
fn a_directory_in_use_is_refused_and_the_lock_is_named() {
    let directory = Directory::new("lock");
    let running = Store::open(&directory.0, StoreOptions { cores: 1, lock: true }).expect("opened");
    let error = verify(&directory.look(), &mut Vec::new()).expect_err("in use");
    let lock = directory.0.join("lock");
    assert!(error.to_string().contains(&format!("holds the lock {}", lock.display())), "{error}");
    // Killed: the lock is left over, and nobody holds it.
    drop(running);
    let (sums, text) = directory.verify();
    assert!(sums.damaged == 0 && text.contains("clean=false"), "{text}");
    assert!(lock.exists());
}

#[test]
fn what_is_no_data_directory_is_refused() {
    let directory = Directory::new("none");
    let none = directory.0.join("none");
    let look = |dir: &Path| Look { dir: dir.to_owned(), config_file: None };
    let error = verify(&look(&none), &mut Vec::new()).expect_err("not there");
    assert!(error.to_string().contains("No such file"), "{error}");
    fs::create_dir(&none).expect("made");
    let error = verify(&look(&none), &mut Vec::new()).expect_err("empty");
    assert!(error.to_string().contains("is no data directory of Corelane"), "{error}");
    fs::create_dir_all(none.join("wal")).expect("made");
    File::create(none.join("wal/00000000")).expect("made");
    fs::create_dir(none.join("shard-000")).expect("made");
    File::create(none.join("store")).expect("made");
    let error = verify(&look(&none), &mut Vec::new()).expect_err("Prometheus'");
    assert!(error.to_string().contains("holds Prometheus data"), "{error}");
    let missing = Look { config_file: Some(none.join("x.yml")), ..directory.look() };
    let error = verify(&missing, &mut Vec::new()).expect_err("no configuration");
    assert!(matches!(error, InspectError::Config { .. }), "{error}");
}

/// What is missing of the whole directory's lines; nothing else may be there, and nothing twice.
fn missing(found: &[String], whole: &BTreeSet<String>, what: &str) -> Vec<String> {
    let set: BTreeSet<String> = found.iter().cloned().collect();
    assert_eq!(set.len(), found.len(), "{what}: something is there twice");
    let strange: Vec<&String> = set.difference(whole).collect();
    assert!(strange.is_empty(), "{what}: {strange:?} was never written");
    whole.difference(&set).cloned().collect()
}

#[test]
fn one_changed_bit_anywhere_costs_at_most_one_record_and_is_found() {
    let directory = Directory::of("flips", 1);
    let whole: BTreeSet<String> = lines(1).into_iter().collect();
    for (path, bytes) in directory.files() {
        let kind = path.extension().map(|end| end.to_string_lossy().into_owned());
        let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 9);
        // All bytes that mean something, and some of the others.
        let segment = matches!(kind.as_deref(), Some("seg" | "def"));
        let telling = |at: &usize| match segment {
            true => *at < 512 || *at >= 4096 || at.is_multiple_of(64),
            false => at % 2048 < 512 || at.is_multiple_of(64),
        };
        for at in (0..used.min(bytes.len())).filter(telling) {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << (at % 8);
            fs::write(&path, &changed).expect("written");
            let what = format!("{} at {at}", path.display());
            let (sums, text) = directory.verify();
            let (dumped, found, _) = directory.dump();
            let missing = missing(&found, &whole, &what);
            assert_eq!(sums.samples, found.len() as u64, "{what}\n{text}");
            if !missing.is_empty() {
                assert!(sums.damaged > 0, "{what}: lost and not found\n{text}");
            }
            let frames: BTreeSet<&str> =
                missing.iter().filter_map(|line| line.rsplit(' ').next()).collect();
            let series: BTreeSet<&str> =
                missing.iter().filter_map(|line| line.split(' ').next()).collect();
            match kind.as_deref() {
                Some("seg") if at >= 4096 => {
                    assert!(frames.len() <= 1, "{what}: {frames:?}");
                    assert!(dumped.lost <= u64::from(SERIES), "{what}");
                }
                Some("def") if at >= 4096 => assert!(series.len() <= 1, "{what}: {series:?}"),
                Some("seg" | "def") => {}
                _ => assert!(missing.is_empty(), "{what}"),
            }
        }
        fs::write(&path, &bytes).expect("written");
    }
}
