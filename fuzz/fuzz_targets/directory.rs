//! A good data directory, and any bytes as changes of its files: `corelane wal` ends without a panic, and what it reads
//! was written.
#![no_main]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use corelane::base::Timestamp;
use corelane::disk::{Store, StoreOptions};
use corelane::flags::{Dump, Look};
use corelane::inspect::{dump, verify};
use corelane::model::{SeriesRef, pack};
use corelane::send::cursor_file;
use corelane::wal::{CursorPage, Dictionary, Log, Place, Region, Samples, Seq};
use libfuzzer_sys::fuzz_target;

const SEGMENT: usize = 8192;

/// The directory as it was made: every file, and the lines of a dump.
struct Whole {
    path: PathBuf,
    files: Vec<(PathBuf, Vec<u8>)>,
    lines: BTreeSet<String>,
}

static WHOLE: OnceLock<Whole> = OnceLock::new();

fuzz_target!(|bytes: &[u8]| {
    let whole = WHOLE.get_or_init(make);
    let mut changes = bytes;
    let mut files = whole.files.clone();
    // File, place and how; then what is written there.
    while let [file, high, low, how, rest @ ..] = changes {
        let index = *file as usize % files.len();
        let content = &mut files[index].1;
        let at = (usize::from(*high) << 8 | usize::from(*low)).min(content.len());
        let taken = rest.len().min(usize::from(*how % 64));
        match how / 64 {
            0 => content.truncate(at),
            1 => content[at..].iter_mut().zip(rest).take(1).for_each(|(old, new)| *old ^= new),
            _ => content[at..].iter_mut().zip(&rest[..taken]).for_each(|(old, new)| *old = *new),
        }
        changes = &rest[taken..];
    }
    for (path, content) in &files {
        fs::write(path, content).expect("written");
    }
    let look = Look { dir: whole.path.clone(), config_file: None };
    verify(&look, &mut Vec::new()).ok();
    for line in lines(&whole.path) {
        assert!(whole.lines.contains(&line), "{line} was never written");
    }
});

fn lines(path: &Path) -> Vec<String> {
    let asked = Dump { dir: path.to_owned(), shard: None, from: None, limit: None, json: false };
    let mut out = Vec::new();
    dump(&asked, &mut out, &mut Vec::new()).ok();
    String::from_utf8(out).expect("text").lines().map(str::to_owned).collect()
}

fn make() -> Whole {
    let path = std::env::temp_dir().join(format!("corelane-fuzz-{}", std::process::id()));
    fs::remove_dir_all(&path).ok();
    let store = Store::open(&path, StoreOptions { cores: 1, lock: true }).expect("made");
    let dir = store.shard_dir(0).expect("made");
    let identity = store.identity(0);
    let mut dictionary = Dictionary::open(identity, SEGMENT, vec![], 1, &mut |_| None);
    dictionary.give_spare(0, Region::heap(SEGMENT));
    for series in 0..4u32 {
        let name = format!("metric_{series}");
        let mut labels = Vec::new();
        pack([("__name__", name.as_str())].into_iter(), &mut labels);
        dictionary.define(SeriesRef(series), 0, &labels, Timestamp(0)).expect("fits");
    }
    let mut log = Log::open(identity, SEGMENT, vec![], Seq(0), 1, &mut |_, _| {});
    for frame in 0..6u16 {
        if frame % 3 == 0 {
            log.close_head();
            log.give_spare(frame / 3, Region::heap(SEGMENT));
        }
        let time = Timestamp(1_000_000 + i64::from(frame));
        let refs = [0, 1, 2, 3].map(SeriesRef);
        let values = [0.0, 1.0, 0.1, 1e300].map(|value| value * f64::from(frame));
        let frame = Samples { lane: 1, time, refs: &refs, values: &values, times: &[] };
        log.append(&frame, time).expect("fits");
    }
    let mut write = |name: String, bytes: &[u8]| fs::write(dir.join(name), bytes).expect("written");
    log.regions().for_each(|(slot, region)| write(format!("{slot:05}.seg"), region.bytes()));
    dictionary.regions().for_each(|(slot, region)| write(format!("{slot:05}.def"), region.bytes()));
    let page = CursorPage { low: Place::new(Seq(1), 4096), sequence: 2, ..CursorPage::default() };
    write(cursor_file("a"), &page.encode());
    store.close().expect("closed");
    let mut files = Vec::new();
    for folder in [&path, &dir] {
        let paths = fs::read_dir(folder).expect("listed").flatten().map(|entry| entry.path());
        files.extend(paths.filter(|path| path.is_file()));
    }
    files.sort();
    let files = files.into_iter().map(|path| (path.clone(), fs::read(path).expect("read")));
    Whole { files: files.collect(), lines: lines(&path).into_iter().collect(), path }
}
