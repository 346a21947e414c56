//! What a whole directory gives, and which directories are refused.

use std::fs::{self, File};
use std::path::Path;

use crate::disk::{Store, StoreOptions};
use crate::flags::{Dump, Look};
use crate::inspect::dump::dump;
use crate::inspect::error::InspectError;
use crate::inspect::stats::stats;
use crate::inspect::tests::fixture::*;
use crate::inspect::verify::{Sums, verify};
use crate::send::cursor_file;

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
        "acked=30 dropped_series=0 rejected=0",
        // Frames 5 to 11 but for lane 8.
        "pending=36 lanes=",
        "lanes_pending=0,0,0,0,0,6,6,6,0,6,6,6,0,0,0,0",
        "ledger shard=0 sequence=1 offered=72 appended=72 vanished=0\n",
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
    assert_eq!(stats.pending[&cursor_file(ENDPOINT)], (72, time(5)));
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
