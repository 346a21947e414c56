//! The directory, the survey and the helper's work, on real files.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::base::Timestamp;
use crate::disk::worker::Worker;
use crate::disk::*;
use crate::model::{SeriesRef, Shortage};
use crate::wal::*;

const SEGMENT: usize = 16 << 10;
const ROOM: Budget = Budget { bytes_max: 1 << 30, free_bytes_min: 0 };

/// A directory that is gone when the test is over.
struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Dir {
        let path =
            std::env::temp_dir().join(format!("corelane-disk-{}-{name}", std::process::id()));
        fs::remove_dir_all(&path).unwrap_or_default();
        fs::create_dir_all(&path).expect("made");
        Dir(path)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap_or_default();
    }
}

fn open(path: &Path) -> Result<Store, StoreError> {
    Store::open(path, StoreOptions { cores: 2, lock: true })
}

fn look(dir: &Path, backend: Backend) -> Surveyed {
    let options = SurveyOptions { store: [7; 16], backend, segment_bytes: SEGMENT, adopted: false };
    survey(dir, &options).expect("a readable directory")
}

fn worker(dir: &Path, backend: Backend, files: Files, budget: Budget) -> Worker {
    Worker::new(HelperOptions {
        name: "disk-0".to_owned(),
        dirs: vec![dir.to_owned()],
        backend,
        segment_bytes: SEGMENT,
        sync_interval: Some(Duration::from_secs(1)),
        budget,
        files,
    })
}

fn ask(worker: &mut Worker, request: DiskRequest) -> Option<DiskAnswer> {
    let mut answers = Vec::new();
    worker.handle(request, &mut |answer| answers.push(answer));
    answers.pop()
}

fn sync(worker: &mut Worker) {
    worker.sync(&mut |answer| panic!("{answer:?}"));
}

fn prepare(worker: &mut Worker, kind: SegmentKind) -> Option<(u16, Region)> {
    match ask(worker, DiskRequest::Prepare { kind }) {
        Some(DiskAnswer::Prepared { slot, region, .. }) => Some((slot, region)),
        Some(DiskAnswer::PrepareFailed { shortage, .. }) => {
            assert!(matches!(shortage, Shortage::Budget | Shortage::Full));
            None
        }
        other => panic!("{other:?}"),
    }
}

fn append(log: &mut Log, number: u32) -> Result<Place, Full> {
    let refs: Vec<SeriesRef> = (0..50).map(|i| SeriesRef(number + i)).collect();
    let values: Vec<f64> = (0..50).map(|i| f64::from(number) + f64::from(i) / 7.0).collect();
    let time = Timestamp(1_000 + i64::from(number));
    log.append(&Samples { lane: 1, time, refs: &refs, values: &values, times: &[] }, time)
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).expect("listed");
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("ours"))
        .collect();
    names.sort();
    names
}

#[test]
fn a_store_counts_its_starts_and_keeps_its_id() {
    let dir = Dir::new("starts");
    let path = dir.0.join("data");
    let store = open(&path).expect("new");
    let id = store.id();
    assert_eq!((store.start(), store.cores_before(), store.was_clean()), (1, 0, true));
    store.close().expect("closed");
    let store = open(&path).expect("again");
    assert_eq!(
        (store.id(), store.start(), store.cores_before(), store.was_clean()),
        (id, 2, 2, true)
    );
    drop(store);
    let store = open(&path).expect("after a kill");
    assert_eq!((store.id(), store.start(), store.was_clean()), (id, 3, false));
    store.shard_dir(0).expect("made");
    store.shard_dir(11).expect("made");
    assert_eq!(store.shards().expect("listed"), [0, 11]);
    assert_eq!(store.identity(11), Identity { store: id, shard: 11, start: 3, epoch: 1 });
}

#[test]
fn a_damaged_store_page_falls_back_to_the_slot_before() {
    let dir = Dir::new("pages");
    let id = open(&dir.0).expect("new").id();
    drop(open(&dir.0).expect("again"));
    let path = dir.0.join("store");
    let bytes = fs::read(&path).expect("there");
    assert_eq!(bytes.len(), 4096);
    // Start 2 went to the first slot.
    for at in 0..512 {
        let mut changed = bytes.clone();
        changed[at] ^= 0x5a;
        fs::write(&path, changed).expect("written");
        let store = open(&dir.0).expect("the other slot is valid");
        assert_eq!((store.id(), store.start()), (id, 2), "byte {at}");
    }
}

#[test]
fn a_store_of_another_version_is_refused_and_untouched() {
    let dir = Dir::new("version");
    drop(open(&dir.0).expect("new"));
    let path = dir.0.join("store");
    let mut bytes = fs::read(&path).expect("there");
    bytes[2048 + 8] = 9;
    let check = crate::base::crc32c(0, &bytes[2048..2048 + 508]);
    bytes[2048 + 508..2048 + 512].copy_from_slice(&check.to_le_bytes());
    fs::write(&path, &bytes).expect("written");
    let error = open(&dir.0).expect_err("refused");
    assert!(matches!(error, StoreError::Version { found: 9, .. }));
    assert_eq!(fs::read(&path).expect("there"), bytes);
}

#[test]
fn a_second_process_and_prometheus_directories_are_refused_by_name() {
    let dir = Dir::new("refused");
    let store = open(&dir.0).expect("new");
    let error = open(&dir.0).expect_err("locked");
    assert!(matches!(error, StoreError::Locked(_)));
    assert!(error.to_string().contains(&dir.0.display().to_string()), "{error}");
    drop(store);
    for (number, found) in [
        "wal/00000003",
        "wal/checkpoint.00000001",
        "chunks_head",
        "01BKGV7JBM69T2G1BGBGM6KB12/meta.json",
    ]
    .into_iter()
    .enumerate()
    {
        let path = dir.0.join(number.to_string());
        fs::create_dir_all(path.join(found)).expect("made");
        let before = names(&path);
        let error = open(&path).expect_err("refused");
        assert!(matches!(error, StoreError::Prometheus { .. }), "{found}");
        assert_eq!(names(&path), before, "{found}");
    }
}

#[test]
fn a_lost_store_page_takes_its_id_from_the_segments() {
    let dir = Dir::new("lost-page");
    let store = open(&dir.0).expect("new");
    let shard = store.shard_dir(3).expect("made");
    let mut worker = worker(&shard, Backend::Auto, Files::default(), ROOM);
    let mut log = Log::open(store.identity(3), SEGMENT, Vec::new(), Seq(0), 1, &mut |_, _| {});
    let (slot, region) = prepare(&mut worker, SegmentKind::Samples).expect("room");
    log.give_spare(slot, region);
    append(&mut log, 1).expect("room");
    let id = store.id();
    drop((log, worker, store));
    fs::remove_file(dir.0.join("store")).expect("removed");
    let store = open(&dir.0).expect("recovered");
    assert_eq!((store.id(), store.start(), store.cores_before()), (id, 2, 4));
}

#[test]
fn a_log_on_files_survives_restarts_and_recycles_them() {
    for backend in [Backend::Mmap, Backend::Pwrite] {
        let dir = Dir::new(&format!("recycle-{backend:?}"));
        let (mut next, mut kept) = (0u32, 0u64);
        for start in 1..8 {
            let surveyed = look(&dir.0, backend);
            assert!(surveyed.damage.is_empty(), "{:?}", surveyed.damage);
            let mut worker = worker(&dir.0, backend, surveyed.files, ROOM);
            let identity = Identity { store: [7; 16], shard: 0, start, epoch: 1 };
            let mut log = Log::open(
                identity,
                SEGMENT,
                surveyed.samples,
                surveyed.cursor_max,
                1,
                &mut |_, _| {},
            );
            assert_eq!(log.total(), u64::from(next) * 50);
            for _ in 0..100 {
                if log.wants_spare() {
                    let (slot, region) = prepare(&mut worker, SegmentKind::Samples).expect("room");
                    log.give_spare(slot, region);
                }
                append(&mut log, next).expect("a spare");
                next += 1;
            }
            let read = read_all(&mut log, &mut worker);
            assert_eq!(read, u64::from(next) * 50 - kept);
            for retired in log.retire(log.end().seq()) {
                kept += retired.samples;
                let Retired { slot, region, .. } = retired;
                let slot = slot.expect("in a file");
                ask(
                    &mut worker,
                    DiskRequest::Retire { log: 0, kind: SegmentKind::Samples, slot, region },
                );
            }
            sync(&mut worker);
            assert!(names(&dir.0).len() <= 5, "{:?}", names(&dir.0));
        }
    }
}

/// Samples from the start to the end, loading what is absent.
fn read_all(log: &mut Log, worker: &mut Worker) -> u64 {
    let (mut at, mut read) = (log.start(), 0);
    loop {
        let absent = match log.read(at) {
            Step::Absent(seq) => seq,
            Step::End => return read,
            Step::Moved { next, lost } => {
                assert_eq!(lost, 0);
                at = next;
                continue;
            }
            Step::Record { next, samples, .. } => {
                read += u64::from(samples);
                at = next;
                continue;
            }
        };
        let slot = log.segments().find(|segment| segment.seq == absent).expect("held").slot;
        let slot = slot.expect("in a file");
        match ask(worker, DiskRequest::Load { log: 0, seq: absent, slot }) {
            Some(DiskAnswer::Loaded { seq, region, .. }) => assert!(log.load(seq, region)),
            other => panic!("{other:?}"),
        }
        assert!(log.is_loaded(absent));
    }
}

#[test]
fn a_retired_file_is_used_again_only_after_a_sync_and_unlinked_when_there_are_enough() {
    let dir = Dir::new("retire");
    let mut worker = worker(&dir.0, Backend::Auto, Files::default(), ROOM);
    let kind = SegmentKind::Samples;
    let slots: Vec<u16> = (0..4).map(|_| prepare(&mut worker, kind).expect("room").0).collect();
    assert_eq!(slots, [0, 1, 2, 3]);
    let path = dir.0.join("00000.seg");
    let file = OpenOptions::new().write(true).open(&path).expect("there");
    file.write_all_at(b"still needed", 0).expect("written");
    for slot in 0..4 {
        ask(&mut worker, DiskRequest::Retire { log: 0, kind, slot, region: None });
    }
    assert_eq!(&fs::read(&path).expect("there")[..12], b"still needed");
    sync(&mut worker);
    assert_eq!(names(&dir.0), ["00000.seg", "00001.seg"]);
    assert!(fs::read(&path).expect("there")[..4096].iter().all(|byte| *byte == 0));
    assert_eq!(prepare(&mut worker, kind).expect("kept").0, 0);
}

#[test]
fn the_budget_refuses_a_new_file_and_retiring_makes_room_at_once() {
    let dir = Dir::new("budget");
    let budget = Budget { bytes_max: 2 * SEGMENT as u64, free_bytes_min: 0 };
    let mut worker = worker(&dir.0, Backend::Auto, Files::default(), budget);
    assert!(prepare(&mut worker, SegmentKind::Dictionary).is_some());
    let (slot, region) = prepare(&mut worker, SegmentKind::Samples).expect("room");
    assert!(prepare(&mut worker, SegmentKind::Samples).is_none());
    let kind = SegmentKind::Samples;
    ask(&mut worker, DiskRequest::Retire { log: 0, kind, slot, region: Some(region) });
    assert!(prepare(&mut worker, SegmentKind::Samples).is_some());
    worker.set_budget(Budget { bytes_max: u64::MAX, free_bytes_min: u64::MAX });
    assert!(prepare(&mut worker, SegmentKind::Samples).is_none());
    assert_eq!(names(&dir.0), ["00000.def", "00000.seg"]);
}

#[test]
fn cursors_are_stored_found_and_deleted() {
    let dir = Dir::new("cursors");
    let mut worker = worker(&dir.0, Backend::Auto, Files::default(), ROOM);
    let page = |sequence: u64| CursorPage {
        ahead: Vec::new(),
        endpoint: [3; 16],
        sequence,
        low: Place::new(Seq(sequence as u32), 4096),
        birth: 0,
        taken: 0,
        lanes: vec![Mark { place: Place::new(Seq(9), 4096), skip: 0 }],
        totals: CursorTotals::default(),
    };
    for sequence in 1..4 {
        let request = DiskRequest::StoreCursor {
            log: 0,
            file: "a.cur".to_owned(),
            page: Box::new(page(sequence).encode()),
            sequence,
        };
        let stored = ask(&mut worker, request);
        assert!(matches!(stored, Some(DiskAnswer::CursorStored { .. })), "{stored:?}");
        sync(&mut worker);
        let surveyed = look(&dir.0, Backend::Auto);
        assert_eq!(surveyed.cursors, [("a.cur".to_owned(), page(sequence))]);
        assert_eq!(surveyed.cursor_max, Seq(9));
    }
    let outside = DiskRequest::StoreCursor {
        log: 0,
        file: "../a.cur".to_owned(),
        page: Box::new(page(1).encode()),
        sequence: 1,
    };
    assert!(matches!(ask(&mut worker, outside), Some(DiskAnswer::CursorFailed { .. })));
    ask(&mut worker, DiskRequest::DeleteCursor { log: 0, file: "a.cur".to_owned() });
    assert!(names(&dir.0).is_empty());
}

#[test]
fn what_cannot_be_read_is_set_aside_and_unfinished_spares_are_removed() {
    let dir = Dir::new("survey");
    let mut worker = worker(&dir.0, Backend::Auto, Files::default(), ROOM);
    let identity = Identity { store: [7; 16], shard: 0, start: 1, epoch: 1 };
    let mut log = Log::open(identity, SEGMENT, Vec::new(), Seq(0), 1, &mut |_, _| {});
    for number in 0..100 {
        if log.wants_spare() {
            let (slot, region) = prepare(&mut worker, SegmentKind::Samples).expect("room");
            log.give_spare(slot, region);
        }
        append(&mut log, number).expect("a spare");
    }
    let segments: Vec<SegmentInfo> = log.segments().collect();
    assert!(segments.len() >= 3);
    drop(log);
    let file = OpenOptions::new().write(true).open(dir.0.join("00000.seg")).expect("there");
    for header in [0, 2048] {
        file.write_all_at(b"rot", header + 60).expect("written");
    }
    let cut = OpenOptions::new().write(true).open(dir.0.join("00001.seg")).expect("there");
    cut.set_len(6000).expect("cut");
    fs::write(dir.0.join("00077.seg"), [0; 100]).expect("written");
    fs::write(dir.0.join("00078.def"), vec![0; SEGMENT]).expect("written");
    fs::write(dir.0.join("00079.def"), b"text").expect("written");
    fs::write(dir.0.join("b.cur"), b"text").expect("written");
    let surveyed = look(&dir.0, Backend::Auto);
    assert_eq!(surveyed.damage.len(), 4, "{:?}", surveyed.damage);
    assert_eq!(surveyed.samples.len(), segments.len() - 1);
    let names = names(&dir.0);
    assert!(names.contains(&"00000.seg.damaged-0".to_owned()), "{names:?}");
    assert!(names.contains(&"00079.def.damaged-0".to_owned()));
    assert!(names.contains(&"00078.def".to_owned()));
    assert!(!names.contains(&"00077.seg".to_owned()));
    let log = Log::open(identity, SEGMENT, surveyed.samples, Seq(0), 2, &mut |_, _| {});
    assert_eq!(log.total(), 5000);
    assert!(log.counters().lost > 0 && log.counters().lost < segments[2].total_before);
    assert!(log.is_loaded(segments[1].seq), "a cut segment is read whole into memory");
}

#[test]
fn the_helper_answers_from_its_thread_and_stops_when_told() {
    let dir = Dir::new("helper");
    let (sender, receiver) = crossbeam_channel::unbounded();
    let options = HelperOptions {
        name: "disk-0".to_owned(),
        dirs: vec![dir.0.clone()],
        backend: Backend::Auto,
        segment_bytes: SEGMENT,
        sync_interval: Some(Duration::from_millis(1)),
        budget: ROOM,
        files: Files::default(),
    };
    let helper =
        Helper::spawn(options, move |answer| sender.send(answer).expect("kept")).expect("spawned");
    helper.request(DiskRequest::Prepare { kind: SegmentKind::Samples });
    let answer = receiver.recv().expect("an answer");
    assert!(matches!(answer, DiskAnswer::Prepared { slot: 0, .. }), "{answer:?}");
    helper.request(DiskRequest::RemoveLog { log: 1 });
    assert!(matches!(receiver.recv(), Ok(DiskAnswer::Removed { log: 1 })));
    helper.stop();
    assert!(receiver.recv().is_err());
    assert!(free_bytes(&dir.0).expect("known") <= filesystem_bytes(&dir.0).expect("known"));
}

/// A segment with some samples, as a log without files leaves it in memory.
fn in_memory(sequence_after: u32) -> (Log, Unkept) {
    let identity = Identity { store: [7; 16], shard: 0, start: 1, epoch: 1 };
    let mut log = Log::open(identity, SEGMENT, Vec::new(), Seq(sequence_after), 1, &mut |_, _| {});
    log.set_memory(2);
    append(&mut log, 1).expect("memory");
    log.close_head();
    let segment = log.next_unkept().expect("one");
    (log, segment)
}

fn keep(worker: &mut Worker, segment: Unkept) -> DiskAnswer {
    ask(worker, DiskRequest::Keep { kind: SegmentKind::Samples, segment }).expect("an answer")
}

#[test]
fn a_segment_without_a_file_gets_one_and_is_found_at_the_next_start() {
    for backend in [Backend::Mmap, Backend::Pwrite] {
        let dir = Dir::new(&format!("keep-{backend:?}"));
        let mut worker = worker(&dir.0, backend, Files::default(), ROOM);
        let (mut log, segment) = in_memory(4);
        let seq = segment.seq;
        let DiskAnswer::Kept { slot, region, .. } = keep(&mut worker, segment) else {
            panic!("not kept")
        };
        assert!(matches!(log.kept(seq, slot, region), Ok(Some(_))));
        assert_eq!(read_all(&mut log, &mut worker), 50);
        let surveyed = look(&dir.0, backend);
        assert!(surveyed.damage.is_empty(), "{:?}", surveyed.damage);
        let identity = Identity { store: [7; 16], shard: 0, start: 2, epoch: 1 };
        let log = Log::open(identity, SEGMENT, surveyed.samples, Seq(0), 2, &mut |_, _| {});
        assert_eq!((log.total(), log.counters().damaged), (50, 0));
    }
}

#[test]
fn a_file_in_doubt_is_read_back_into_a_fresh_one_and_removed() {
    let dir = Dir::new("doubt");
    let mut worker = worker(&dir.0, Backend::Auto, Files::default(), ROOM);
    let identity = Identity { store: [7; 16], shard: 0, start: 1, epoch: 1 };
    let mut log = Log::open(identity, SEGMENT, Vec::new(), Seq(0), 1, &mut |_, _| {});
    let (slot, region) = prepare(&mut worker, SegmentKind::Samples).expect("room");
    log.give_spare(slot, region);
    append(&mut log, 1).expect("room");
    assert!(log.distrust(slot).is_none());
    // Without room the bytes come back, to stay in memory.
    worker.set_budget(Budget { bytes_max: 0, free_bytes_min: 0 });
    let segment = log.next_unkept().expect("one in doubt");
    assert!(segment.bytes.is_none());
    let seq = segment.seq;
    let DiskAnswer::KeepFailed { region, shortage, .. } = keep(&mut worker, segment) else {
        panic!("kept without room")
    };
    assert_eq!(shortage, Shortage::Budget);
    assert!(log.keep_in_memory(seq, region).is_some(), "the mapping is given back");
    assert_eq!(log.memory_bytes(), SEGMENT as u64);
    worker.set_budget(ROOM);
    let segment = log.next_unkept().expect("still");
    assert!(segment.bytes.is_some());
    let DiskAnswer::Kept { slot: fresh, region, .. } = keep(&mut worker, segment) else {
        panic!("not kept")
    };
    assert!(log.kept(seq, fresh, region).is_ok());
    assert_eq!((log.unkept(), log.memory_bytes()), (0, 0));
    assert_eq!(read_all(&mut log, &mut worker), 50);
    assert_eq!(names(&dir.0), [format!("{fresh:05}.seg")]);
}

#[test]
fn of_a_segment_that_is_there_twice_the_better_one_counts() {
    let dir = Dir::new("twice");
    let mut worker = worker(&dir.0, Backend::Auto, Files::default(), ROOM);
    let (_, segment) = in_memory(4);
    assert!(matches!(keep(&mut worker, segment), DiskAnswer::Kept { slot: 0, .. }));
    for (worse, better) in [("00000.seg", "00001.seg"), ("00001.seg", "00000.seg")] {
        let whole = fs::read(dir.0.join("00000.seg")).expect("there");
        let mut bytes = whole.clone();
        bytes[4096..].fill(0);
        fs::write(dir.0.join(worse), bytes).expect("written");
        fs::write(dir.0.join(better), &whole).expect("written");
        let surveyed = look(&dir.0, Backend::Auto);
        assert_eq!(surveyed.damage.len(), 1, "{:?}", surveyed.damage);
        assert_eq!(surveyed.samples.iter().map(FoundSegment::readable).sum::<u32>(), 50);
        fs::write(dir.0.join("00000.seg"), &whole).expect("written");
    }
}

#[test]
fn a_file_that_was_removed_is_reported_like_a_failed_sync_and_life_goes_on_without_the_directory() {
    let dir = Dir::new("removed");
    let mut worker = worker(&dir.0, Backend::Auto, Files::default(), ROOM);
    let (slot, _region) = prepare(&mut worker, SegmentKind::Samples).expect("room");
    fs::remove_dir_all(&dir.0).expect("removed");
    let mut failed = Vec::new();
    worker.sync(&mut |answer| match answer {
        DiskAnswer::SyncFailed { file, .. } => failed.push(file),
        other => panic!("{other:?}"),
    });
    assert_eq!(failed, [Some((SegmentKind::Samples, slot))]);
    sync(&mut worker);
    assert!(prepare(&mut worker, SegmentKind::Samples).is_some());
}

/// Every frame that the agent would send after a start on these files, and what it counts as lost on the way.
fn recovered(dir: &Path) -> (Vec<u32>, u64) {
    let surveyed = look(dir, Backend::Pwrite);
    let mut worker = worker(dir, Backend::Pwrite, surveyed.files, ROOM);
    let identity = Identity { store: [7; 16], shard: 0, start: 9, epoch: 1 };
    let mut log =
        Log::open(identity, SEGMENT, surveyed.samples, surveyed.cursor_max, 2, &mut |_, _| {});
    let (mut at, mut frames, mut sum, mut decoded) = (log.start(), vec![], 0, Decoded::default());
    loop {
        let absent = match log.read(at) {
            Step::Absent(seq) => seq,
            Step::End => return (frames, sum),
            Step::Moved { next, lost } => {
                sum += lost;
                at = next;
                continue;
            }
            Step::Record { next, payload, base_time, .. } => {
                decode_samples(payload, base_time, &mut decoded).expect("verified");
                let number = (decoded.time - 1_000) as u32;
                let wanted = (0..50).map(|i| f64::from(number) + f64::from(i) / 7.0);
                assert!(decoded.values.iter().copied().eq(wanted), "a wrong value");
                frames.push(number);
                at = next;
                continue;
            }
        };
        let slot = log.slot(absent).expect("held");
        match ask(&mut worker, DiskRequest::Load { log: 0, seq: absent, slot }) {
            Some(DiskAnswer::Loaded { seq, region, .. }) => assert!(log.load(seq, region)),
            _ => log.give_up(absent),
        }
    }
}

/// Three segments of samples on files, and their frames.
fn three_segments(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut worker = worker(dir, Backend::Pwrite, Files::default(), ROOM);
    let identity = Identity { store: [7; 16], shard: 0, start: 1, epoch: 1 };
    let mut log = Log::open(identity, SEGMENT, Vec::new(), Seq(0), 1, &mut |_, _| {});
    for number in 0..9 {
        if number % 3 == 0 {
            log.close_head();
            let (slot, region) = prepare(&mut worker, SegmentKind::Samples).expect("room");
            log.give_spare(slot, region);
        }
        append(&mut log, number).expect("a spare");
    }
    let paths = (0..3).map(|slot| dir.join(format!("{slot:05}.seg")));
    paths.map(|path| (path.clone(), fs::read(path).expect("there"))).collect()
}

#[test]
fn an_agent_that_starts_on_any_length_of_a_segment_has_the_frames_that_are_left() {
    let dir = Dir::new("cut");
    let segments = three_segments(&dir.0);
    for (index, (path, bytes)) in segments.iter().enumerate() {
        let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 9);
        for len in (0..bytes.len()).filter(|len| (4088..used).contains(len) || len % 61 == 0) {
            fs::write(path, &bytes[..len]).expect("written");
            let (frames, lost) = recovered(&dir.0);
            let others = (0..9).filter(|frame| *frame as usize / 3 != index);
            assert!(others.clone().all(|frame| frames.contains(&frame)), "{len}: {frames:?}");
            assert!(frames.is_sorted_by(|left, right| left < right), "{len}: {frames:?}");
            let own: Vec<u32> =
                frames.iter().copied().filter(|frame| *frame as usize / 3 == index).collect();
            let prefix = (3 * index as u32..).take(own.len());
            assert!(own.iter().copied().eq(prefix), "{len}: {own:?} is no beginning");
            let counted = if index < 2 { 50 * (3 - own.len() as u64) } else { 0 };
            // Where the first segment is gone altogether, nobody knows that there was one.
            let known = index > 0 || len >= 512;
            assert!(lost == counted || !known && lost == 0, "{len}: {lost} of {counted}");
            for name in names(&dir.0).into_iter().filter(|name| name.contains("damaged")) {
                fs::remove_file(dir.0.join(name)).expect("removed");
            }
        }
        fs::write(path, bytes).expect("written");
    }
}

#[test]
fn an_agent_that_starts_after_one_bit_has_changed_lacks_at_most_one_record() {
    let dir = Dir::new("flips");
    let segments = three_segments(&dir.0);
    for (index, (path, bytes)) in segments.iter().enumerate() {
        let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 9);
        let telling = |at: &usize| *at >= 4096 || at % 2048 < 512 || at.is_multiple_of(64);
        for at in (0..used).filter(telling) {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << (at % 8);
            fs::write(path, changed).expect("written");
            let (frames, lost) = recovered(&dir.0);
            let missing: Vec<u32> = (0..9).filter(|frame| !frames.contains(frame)).collect();
            assert!(missing.len() <= usize::from(at >= 4096), "{index}, {at}: {missing:?}");
            let last = missing == [8];
            assert!(lost == 50 * missing.len() as u64 || last, "{index}, {at}: {lost}");
        }
        fs::write(path, bytes).expect("written");
    }
}
