//! The disk under all shards: real directories on a memory filesystem, mapped and surveyed as in the program, so that
//! the death of a process keeps every store. The helper's work is done here, late or not at all: each shard's works on
//! one request after the other, and what it has not done when the process dies is not done.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use corelane::base::{Instant, Random};
use corelane::coordinator::adopters;
use corelane::disk::{Backend, FileState, SurveyOptions, survey};
use corelane::model::Shortage;
use corelane::shard::FoundLog;
use corelane::wal::{
    CURSOR_SLOTS, DiskAnswer, DiskRequest, Fuse, Header, LEDGER_FILE, Region, SegmentKind, Seq,
    Unkept, newest, newest_ledger,
};

const CURSOR_FILE_BYTES: usize = 4096;
/// Identity of the simulated data directory.
pub const STORE: [u8; 16] = [7; 16];

#[derive(Debug)]
pub struct Disk {
    root: PathBuf,
    segment_bytes: usize,
    dirs: BTreeMap<u16, Dir>,
    /// While there is a reason, nothing new can be had.
    pub full: Option<Shortage>,
    /// Files whose sync failed, and until when what is in them is safe: the kernel has dropped the rest, or will.
    rotten: BTreeMap<PathBuf, Instant>,
    /// What power loss leaves of each file for certain; only kept where power may be cut.
    synced: BTreeMap<PathBuf, Vec<u8>>,
    power_cuts: bool,
    pub was_cut: bool,
    /// Cursors of endpoints that were configured all the time.
    pub configured: BTreeSet<String>,
    /// Burns where the process is to die between two stores.
    pub fuse: Fuse,
    random: Random,
}

/// A shard's directory, by the number it was made under.
#[derive(Debug)]
struct Dir {
    path: PathBuf,
    /// Files let go of, to be used again.
    spares: BTreeSet<(SegmentKind, u16)>,
    /// Files let go of, still with what they held.
    retired: VecDeque<(SegmentKind, u16)>,
    next_slot: u16,
}

impl Disk {
    pub fn new(seed: u64, name: &str, segment_bytes: usize, power_cuts: bool) -> Disk {
        let base = Path::new("/dev/shm");
        let base = if base.is_dir() { base.to_owned() } else { std::env::temp_dir() };
        let root = base.join(format!("corelane-simulation-{}-{name}", std::process::id()));
        // Left over by a run of the same process id, or by an earlier turn of this seed.
        fs::remove_dir_all(&root).unwrap_or_default();
        fs::create_dir_all(&root).expect("a directory for the simulated disk");
        Disk {
            root,
            segment_bytes,
            dirs: BTreeMap::new(),
            full: None,
            rotten: BTreeMap::new(),
            synced: BTreeMap::new(),
            power_cuts,
            was_cut: false,
            configured: BTreeSet::new(),
            fuse: Fuse::new(),
            random: Random::new(seed ^ 0xd15c),
        }
    }

    /// True if a process would find a page of this cursor.
    pub fn has_cursor(&self, dir: u16, file: &str) -> bool {
        let path = self.dirs.get(&dir).map(|dir| dir.path.join(file));
        path.and_then(|path| fs::read(path).ok()).is_some_and(|bytes| newest(&bytes).is_some())
    }

    /// Which directories a shard begins with: its own first.
    pub fn logs_of(&mut self, shard: u16, shards: u16) -> Vec<u16> {
        let path = self.root.join(format!("shard-{shard:03}"));
        self.dirs.entry(shard).or_insert_with(|| {
            fs::create_dir_all(&path).expect("a shard's directory");
            Dir { path, spares: BTreeSet::new(), retired: VecDeque::new(), next_slot: 0 }
        });
        let found: Vec<u16> = self.dirs.keys().copied().collect();
        let adopted = adopters(&found, shards).swap_remove(shard as usize);
        std::iter::once(shard).chain(adopted).collect()
    }

    /// What recovery finds in a directory.
    pub fn survey(&mut self, number: u16, adopted: bool) -> FoundLog {
        let dir = self.dirs.get_mut(&number).expect("surveyed directories exist");
        let options = SurveyOptions {
            store: STORE,
            backend: Backend::Mmap,
            segment_bytes: self.segment_bytes,
            adopted,
        };
        let surveyed = survey(&dir.path, &options).expect("a survey");
        let damage = surveyed.damage;
        assert!(damage.is_empty() || self.was_cut, "nothing damages the files: {damage:?}");
        let spares = surveyed.files.segments.iter().filter(|file| file.state == FileState::Spare);
        dir.retired.clear();
        dir.spares = spares.map(|file| (file.kind, file.slot)).collect();
        let mut found = FoundLog {
            samples: surveyed.samples,
            dictionary: surveyed.dictionary,
            cursors: surveyed.cursors,
            ledger: surveyed.ledger,
            highest_seq: surveyed.cursor_max,
        };
        for segment in &mut found.dictionary {
            segment.region = segment.region.take().map(|region| region.fused(self.fuse));
        }
        // What was not mapped may have been, by another version of the survey.
        for segment in &mut found.samples {
            if segment.region.is_none() && self.random.chance(1, 3) {
                let file = open(&file_of(&dir.path, SegmentKind::Samples, segment.slot));
                let len = segment.header.size as usize;
                segment.region = Some(Region::mapped_read_only(&file, len).expect("a mapping"));
            }
        }
        found
    }

    /// Carries out one request of a shard whose log number `n` is directory `logs[n]`.
    pub fn carry_out(&mut self, request: DiskRequest, logs: &[u16]) -> Option<DiskAnswer> {
        match request {
            DiskRequest::DeleteCursor { log, file } => {
                // Of a log that was given back there is none.
                if let Some(dir) = self.dirs.get(&logs[log as usize]) {
                    fs::remove_file(dir.path.join(file)).unwrap_or_default();
                }
                None
            }
            DiskRequest::Keep { kind, segment } => Some(self.keep(logs, kind, segment)),
            DiskRequest::Load { log, seq, slot } => Some(self.load(logs, log, seq, slot)),
            DiskRequest::Prepare { kind } => Some(self.prepare(logs, kind)),
            DiskRequest::Quarantine { lines } => {
                assert!(lines.ends_with(b"}\n") && lines.len() < 128 << 10, "L7: dead letters");
                Some(DiskAnswer::Quarantined { error: None })
            }
            DiskRequest::Release(region) => {
                drop(region);
                None
            }
            DiskRequest::RemoveLog { log } => {
                assert!(log > 0, "a shard's own directory is never removed");
                let gone =
                    self.dirs.remove(&logs[log as usize]).expect("a directory is there once");
                fs::remove_dir_all(&gone.path).expect("removing a directory");
                Some(DiskAnswer::Removed { log })
            }
            DiskRequest::Retire { log, kind, slot, region } => {
                drop(region);
                self.retire(logs, log, kind, slot);
                None
            }
            DiskRequest::Sync => Some(DiskAnswer::Synced),
            DiskRequest::StoreCursor { log, file, page, sequence } => {
                let path = self.dir(logs, log).path.join(&file);
                let cursor = open(&path);
                if cursor.metadata().expect("a file").len() == 0 {
                    cursor.write_all_at(&[0; CURSOR_FILE_BYTES], 0).expect("making a cursor");
                }
                let at = CURSOR_SLOTS[(sequence % 2) as usize];
                cursor.write_all_at(&page[..], at).expect("storing a cursor");
                let bytes = fs::read(&path).expect("a page");
                let now = match file.as_str() {
                    LEDGER_FILE => newest_ledger(&bytes).map(|page| page.sequence),
                    _ => newest(&bytes).map(|page| page.sequence),
                };
                assert_eq!(now, Some(sequence), "pages are numbered upwards");
                Some(DiskAnswer::CursorStored { log, file, sequence })
            }
        }
    }

    fn dir(&mut self, logs: &[u16], log: u16) -> &mut Dir {
        let dir = logs[log as usize];
        self.dirs.get_mut(&dir).unwrap_or_else(|| panic!("directory {dir} was removed"))
    }

    fn load(&mut self, logs: &[u16], log: u16, seq: Seq, slot: u16) -> DiskAnswer {
        let path = file_of(&self.dir(logs, log).path, SegmentKind::Samples, slot);
        let file =
            File::open(path).unwrap_or_else(|_| panic!("loads slot {slot}, which is not there"));
        let len = file.metadata().expect("a segment file").len() as usize;
        let region = Region::mapped_read_only(&file, len).expect("mapping a segment");
        let header = Header::decode(region.bytes()).expect("a loaded segment has a header");
        assert_eq!(header.seq, seq, "slot {slot} holds another segment than the shard thinks");
        DiskAnswer::Loaded { log, seq, region }
    }

    fn prepare(&mut self, logs: &[u16], kind: SegmentKind) -> DiskAnswer {
        let full = self.full;
        let takes_no_write = self.takes_no_write();
        let len = self.segment_bytes;
        if !self.power_cuts && !self.dir(logs, 0).spares.iter().any(|(found, _)| *found == kind) {
            let all = self.dir(logs, 0).retired.len();
            self.recycle(logs, 0, all);
        }
        let dir = self.dir(logs, 0);
        let spare = dir.spares.iter().find(|(found, _)| *found == kind).copied();
        if let Some(shortage) = full
            && (spare.is_none() || takes_no_write)
        {
            let message = "the sim has no room".to_owned();
            return DiskAnswer::PrepareFailed { kind, shortage, message };
        }
        let slot = spare.map_or_else(
            || {
                let taken = |slot: &u16| file_of(&dir.path, kind, *slot).exists();
                (dir.next_slot..).find(|slot| !taken(slot)).expect("a slot")
            },
            |(_, slot)| slot,
        );
        dir.spares.remove(&(kind, slot));
        let file = open(&file_of(&dir.path, kind, slot));
        // Behind its header, content of an earlier use stays: it must never verify again.
        if file.metadata().expect("a file").len() < len as u64 {
            file.write_all_at(&vec![0; len], 0).expect("writing a spare");
        } else {
            file.write_all_at(&[0; 4096], 0).expect("writing a spare");
        }
        let region = Region::mapped(&file, len).expect("mapping a spare").fused(self.fuse);
        DiskAnswer::Prepared { kind, slot, region }
    }

    /// True while not even a file that is there can be written to.
    pub fn takes_no_write(&self) -> bool {
        matches!(self.full, Some(Shortage::ReadOnly | Shortage::Failing))
    }

    /// A fresh file for a segment that has none, or one in doubt.
    fn keep(&mut self, logs: &[u16], kind: SegmentKind, segment: Unkept) -> DiskAnswer {
        let Unkept { seq, len, slot, bytes, .. } = segment;
        let full = self.full;
        let dir = self.dir(logs, 0);
        let old = slot.map(|slot| file_of(&dir.path, kind, slot));
        let read_back = bytes.is_none();
        let mut bytes = bytes.unwrap_or_else(|| {
            let old = old.as_ref().expect("a file to read back from");
            fs::read(old).expect("reading back")
        });
        bytes.resize(len as usize, 0);
        let header = Header::decode(&bytes).expect("a segment that is kept has a header");
        assert_eq!((header.seq, header.size), (seq, len), "another segment is kept");
        if let Some(shortage) = full {
            let region = read_back.then(|| Region::heap_from(bytes));
            let message = "the sim has no room".to_owned();
            return DiskAnswer::KeepFailed { kind, seq, region, shortage, message };
        }
        let taken = |slot: &u16| file_of(&dir.path, kind, *slot).exists();
        let slot = (dir.next_slot..).find(|slot| !taken(slot)).expect("a slot");
        let path = file_of(&dir.path, kind, slot);
        let file = open(&path);
        file.write_all_at(&bytes, 0).expect("writing a segment");
        let region = Region::mapped_read_only(&file, bytes.len()).expect("mapping a segment");
        if let Some(old) = old {
            fs::remove_file(&old).expect("a file in doubt");
            self.rotten.remove(&old);
            self.synced.remove(&old);
        }
        // It is synced before the answer.
        self.synced.insert(path, bytes);
        DiskAnswer::Kept { kind, seq, slot, region }
    }

    /// The sync of one of the shard's segments fails: what was written to it since the last one is not safe, and never
    /// will be.
    pub fn rot(&mut self, logs: &[u16], synced: Instant) -> Option<(SegmentKind, u16)> {
        let dir = self.dirs.get(logs.first()?)?.path.clone();
        let begun = |path: &PathBuf| {
            let segment = path.extension().is_some_and(|end| end == "seg" || end == "def");
            segment && Header::decode(&fs::read(path).expect("a file of ours")).is_ok()
        };
        let files: Vec<_> = files_of(&dir)
            .into_iter()
            .filter(|path| !self.rotten.contains_key(path) && begun(path))
            .collect();
        let path = files.get(self.random.below(files.len().max(1) as u64) as usize)?;
        let name = path.file_stem().and_then(|name| name.to_str()).expect("our names are text");
        let samples = path.extension().is_some_and(|end| end == "seg");
        let kind = if samples { SegmentKind::Samples } else { SegmentKind::Dictionary };
        self.rotten.insert(path.clone(), synced);
        Some((kind, name.parse().expect("a slot")))
    }

    /// The process has died: files in doubt hold what they held when they were last synced, and a part of the rest.
    /// Gives until when everything is safe.
    pub fn forget(&mut self) -> Option<Instant> {
        let rotten = std::mem::take(&mut self.rotten);
        for path in rotten.keys().filter(|path| path.exists()) {
            self.lose_unsynced(path);
            self.was_cut = true;
        }
        rotten.into_values().min()
    }

    /// L6: no cursor that a new process would find may still need the segment.
    fn retire(&mut self, logs: &[u16], log: u16, kind: SegmentKind, slot: u16) {
        let dir = &self.dirs[&logs[log as usize]];
        let mut head = vec![0; 4096];
        let file = open(&file_of(&dir.path, kind, slot));
        file.read_exact_at(&mut head, 0).unwrap_or_else(|_| panic!("retires slot {slot}"));
        if let Ok(header) = Header::decode(&head)
            && kind == SegmentKind::Samples
        {
            let cursors = cursors(&dir.path);
            for (name, low) in cursors.iter().filter(|(name, _)| self.configured.contains(name)) {
                assert!(
                    *low > header.seq,
                    "L6: segment {:?} is retired and the stored cursor {name} is at {low:?}",
                    header.seq
                );
            }
        }
        self.dir(logs, log).retired.push_back((kind, slot));
        // Files are used again after the next sync, in the order in which they were let go of: the process may die
        // before that, or half-way.
        if !self.power_cuts && self.random.chance(1, 2) {
            let dir = self.dir(logs, log);
            let most = dir.retired.len() as u64;
            let count = 1 + self.random.below(most) as usize;
            self.recycle(logs, log, count);
        }
    }

    /// Everything written so far survives whatever comes, and what was let go of may be used again.
    /// `lies`: says so and does nothing but use again what was let go of.
    pub fn sync(&mut self, logs: &[u16], lies: bool) {
        if !self.power_cuts {
            return;
        }
        for (log, number) in logs.iter().enumerate() {
            let Some(dir) = self.dirs.get(number) else {
                continue;
            };
            for path in files_of(&dir.path) {
                if lies || self.rotten.contains_key(&path) {
                    continue;
                }
                let bytes = fs::read(&path).expect("a file of ours");
                self.synced.insert(path, bytes);
            }
            let count = self.dirs[number].retired.len();
            self.recycle(logs, log as u16, count);
        }
    }

    /// Power is lost: of every sector written since the last sync, chance decides.
    pub fn cut(&mut self) {
        self.was_cut = true;
        let dirs: Vec<_> = self.dirs.values().map(|dir| dir.path.clone()).collect();
        for path in dirs.iter().flat_map(|dir| files_of(dir)) {
            self.lose_unsynced(&path);
        }
    }

    fn lose_unsynced(&mut self, path: &Path) {
        let mut bytes = fs::read(path).expect("a file of ours");
        let synced = self.synced.remove(path).unwrap_or_default();
        for (index, sector) in bytes.chunks_mut(512).enumerate() {
            let at = index * 512;
            let old = synced.get(at..at + sector.len());
            if old != Some(&*sector) && self.random.chance(1, 2) {
                match old {
                    Some(old) => sector.copy_from_slice(old),
                    None => sector.fill(0),
                }
            }
        }
        fs::write(path, &bytes).expect("writing what is left");
        self.synced.insert(path.to_owned(), bytes);
    }

    fn recycle(&mut self, logs: &[u16], log: u16, count: usize) {
        let len = self.segment_bytes as u64;
        let dir = self.dirs.get_mut(&logs[log as usize]).expect("a directory that is there");
        for (kind, slot) in dir.retired.drain(..count) {
            let path = file_of(&dir.path, kind, slot);
            let whole = fs::metadata(&path).is_ok_and(|file| file.len() == len);
            if log > 0 {
                fs::remove_file(path).expect("removing a segment");
            } else if self.rotten.remove(&path).is_some() || !whole {
                fs::remove_file(&path).expect("removing a file in doubt");
            } else {
                open(&path).write_all_at(&[0; 4096], 0).expect("wiping a header");
                dir.spares.insert((kind, slot));
            }
        }
    }
}

fn files_of(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).expect("a directory");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("a directory entry").path()).collect();
    paths.sort();
    paths
}

/// Stored cursors and the segments they are at.
fn cursors(dir: &Path) -> Vec<(String, Seq)> {
    let mut cursors = Vec::new();
    for entry in fs::read_dir(dir).expect("a directory") {
        let entry = entry.expect("a directory entry");
        let name = entry.file_name().into_string().expect("our names are text");
        if name.ends_with(".cur")
            && let Some(page) = newest(&fs::read(entry.path()).expect("a cursor"))
        {
            cursors.push((name, page.low.seq()));
        }
    }
    cursors.sort();
    cursors
}

impl Drop for Disk {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.root).unwrap_or_default();
    }
}

fn file_of(dir: &Path, kind: SegmentKind, slot: u16) -> PathBuf {
    let ending = match kind {
        SegmentKind::Dictionary => "def",
        SegmentKind::Samples => "seg",
    };
    dir.join(format!("{slot:05}.{ending}"))
}

fn open(path: &Path) -> File {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .expect("opening a file of the simulated disk")
}
