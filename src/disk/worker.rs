//! What the helper thread does with a request, without the thread.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::base::limits::PAGE_BYTES;
use crate::disk::files::{
    FileState, SegmentFile, create_segment, erase_segment, fill_segment, open_cursor, segment_name,
    segment_of_name, shortage_of, sync_directory,
};
use crate::disk::helper::HelperOptions;
use crate::disk::quarantine::quarantine;
use crate::disk::space::{Backend, free_bytes};
use crate::disk::store::GONE;
use crate::disk::survey::open_region;
use crate::disk::sync::Unsynced;
use crate::model::Shortage;
use crate::wal::{
    Ahead, CURSOR_BYTES, CURSOR_SLOTS, DiskAnswer, DiskRequest, Header, LEDGER_FILE, Region,
    SegmentKind, Seq, Unkept,
};

/// Spare files of a kind kept for later; more are deleted.
const SPARES: usize = 2;

/// What a shard may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Bytes of its own segment files, spares and dictionary included.
    pub bytes_max: u64,
    /// The filesystem is never taken below this.
    pub free_bytes_min: u64,
}

#[derive(Debug)]
pub(super) struct Worker {
    dirs: Vec<PathBuf>,
    backend: Backend,
    segment_bytes: usize,
    syncs: bool,
    budget: Budget,
    /// Every segment file of the own directory.
    files: BTreeMap<(SegmentKind, u16), SegmentFile>,
    unsynced: Unsynced,
    /// What is written to, oldest first.
    written: Vec<(SegmentKind, Ahead)>,
    /// Files that may be used again after the next good sync.
    retired: Vec<(u16, SegmentKind, u16)>,
    /// Files whose sync failed: never used again.
    suspect: BTreeSet<PathBuf>,
}

/// Why there is no spare.
struct Refused {
    shortage: Shortage,
    message: String,
}

impl Refused {
    fn by(path: &Path, error: &io::Error) -> Refused {
        Refused { shortage: shortage_of(error), message: format!("{}: {error}", path.display()) }
    }
}

impl Worker {
    pub(super) fn new(options: HelperOptions) -> Worker {
        let own = options.dirs.first().cloned().unwrap_or_default();
        let mut worker = Worker {
            backend: options.backend.resolve(&own),
            dirs: options.dirs,
            segment_bytes: options.segment_bytes,
            syncs: options.sync_interval.is_some(),
            budget: options.budget,
            files: BTreeMap::new(),
            unsynced: Unsynced::default(),
            written: Vec::new(),
            retired: Vec::new(),
            suspect: BTreeSet::new(),
        };
        if worker.syncs {
            // What cannot be listed was not found at the start either.
            worker.dirs.iter().for_each(|dir| worker.unsynced.inherit(dir).unwrap_or_default());
        }
        for file in options.files.segments {
            worker.files.insert((file.kind, file.slot), file);
            let path = worker.path(0, file.kind, file.slot);
            // The dictionary goes on in its newest segment.
            if file.state == FileState::Newest
                && let Ok(open) = OpenOptions::new().read(true).write(true).open(&path)
            {
                worker.unsynced.add_segment(file.kind, file.slot, path, open);
            }
        }
        worker
    }

    pub(super) fn set_budget(&mut self, budget: Budget) {
        self.budget = budget;
    }

    fn dir(&self, log: u16) -> PathBuf {
        self.dirs.get(usize::from(log)).cloned().unwrap_or_default()
    }

    fn path(&self, log: u16, kind: SegmentKind, slot: u16) -> PathBuf {
        self.dir(log).join(segment_name(kind, slot))
    }

    pub(super) fn handle(&mut self, request: DiskRequest, answers: &mut dyn FnMut(DiskAnswer)) {
        match request {
            DiskRequest::DeleteCursor { log, file } => {
                let path = self.dir(log).join(file);
                self.unsynced.drop_cursors(|open| open == path);
                // Gone already, or found again and deleted at the next start.
                fs::remove_file(&path).unwrap_or_default();
            }
            DiskRequest::Keep { kind, segment } => answers(self.keep(kind, segment)),
            DiskRequest::Load { log, seq, slot } => answers(self.load(log, seq, slot)),
            DiskRequest::Prepare { kind } => {
                let answer = match self.prepare(kind, answers) {
                    Ok((slot, region)) => DiskAnswer::Prepared { kind, slot, region },
                    Err(Refused { shortage, message }) => {
                        DiskAnswer::PrepareFailed { kind, shortage, message }
                    }
                };
                answers(answer);
            }
            DiskRequest::Quarantine { lines } => {
                let error = quarantine(&self.dir(0), &lines).err();
                answers(DiskAnswer::Quarantined { error });
            }
            DiskRequest::Release(region) => drop(region),
            DiskRequest::RemoveLog { log } => {
                let dir = self.dir(log);
                self.unsynced.drop_cursors(|open| open.parent() == Some(&dir));
                self.retired.retain(|(of, _, _)| *of != log);
                if log > 0 && !dir.as_os_str().is_empty() {
                    // In one step, so that a death in between leaves a log or none, never a part of one. What cannot be
                    // removed is found again, empty of news, at the next start.
                    let gone = dir.with_extension(GONE);
                    fs::rename(&dir, &gone).unwrap_or_default();
                    fs::remove_dir_all(&gone).unwrap_or_default();
                }
                answers(DiskAnswer::Removed { log });
            }
            DiskRequest::Retire { log, kind, slot, region } => {
                drop(region);
                if log == 0 {
                    self.unsynced.drop_segment(kind, slot);
                }
                self.retired.push((log, kind, slot));
                if !self.syncs {
                    self.recycle();
                }
            }
            DiskRequest::Sync => {
                self.sync(answers);
                answers(DiskAnswer::Synced);
            }
            DiskRequest::StoreCursor { log, file, page, sequence } => {
                answers(match self.store_cursor(log, &file, &page, sequence) {
                    Ok(()) => DiskAnswer::CursorStored { log, file, sequence },
                    Err(error) => {
                        let message = format!("{}: {error}", self.dir(log).join(&file).display());
                        DiskAnswer::CursorFailed { log, file, sequence, message }
                    }
                });
            }
        }
    }

    fn load(&self, log: u16, seq: Seq, slot: u16) -> DiskAnswer {
        let path = self.path(log, SegmentKind::Samples, slot);
        match load_region(&path, seq, self.backend) {
            Ok(region) => DiskAnswer::Loaded { log, seq, region },
            Err(error) => {
                let message = format!("{}: {error}", path.display());
                DiskAnswer::LoadFailed { log, seq, message }
            }
        }
    }

    fn store_cursor(
        &mut self,
        log: u16,
        file: &str,
        page: &[u8; CURSOR_BYTES],
        sequence: u64,
    ) -> io::Result<()> {
        if file.contains('/') || !(file.ends_with(".cur") || file == LEDGER_FILE) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a cursor's file name"));
        }
        let path = self.dir(log).join(file);
        let (suspect, syncs) = (self.suspect.contains(&path), self.syncs);
        if suspect {
            // A file whose sync failed is not trusted again: another takes its name once that is whole, because an
            // endpoint without a cursor would count as new.
            let fresh = path.with_extension("cur-new");
            let made = open_cursor(&fresh)?;
            made.write_all_at(page, CURSOR_SLOTS[(sequence % 2) as usize])?;
            made.sync_all()?;
            fs::rename(&fresh, &path)?;
            self.unsynced.drop_cursors(|open| open == path);
            self.suspect.remove(&path);
        }
        let open = |path: &Path| {
            let file = open_cursor(path)?;
            if syncs {
                // An endpoint without a cursor counts as new and starts at the head: the name must
                // survive power loss too.
                sync_directory(path)?;
            }
            Ok(file)
        };
        let file = self.unsynced.cursor(&path, open)?;
        file.write_all_at(page, CURSOR_SLOTS[(sequence % 2) as usize])
    }

    /// A spare: one that was kept, or a new file if the budget and the disk allow it.
    fn prepare(
        &mut self,
        kind: SegmentKind,
        answers: &mut dyn FnMut(DiskAnswer),
    ) -> Result<(u16, Region), Refused> {
        if self.spare(kind).is_none() && !self.retired.is_empty() {
            // What was retired is only waiting for its cursors.
            self.sync(answers);
        }
        let slot = match self.spare(kind) {
            Some(slot) => slot,
            None => self.create(kind, self.segment_bytes)?,
        };
        let path = self.path(0, kind, slot);
        let prepared = OpenOptions::new().read(true).write(true).open(&path).and_then(|file| {
            Ok((file, open_region(&path, self.segment_bytes, self.backend, true)?))
        });
        let (file, region) = prepared.map_err(|error| {
            let refused = Refused::by(&path, &error);
            if refused.shortage != Shortage::ReadOnly {
                self.delete(kind, slot);
            }
            refused
        })?;
        region.populate();
        if let Some(known) = self.files.get_mut(&(kind, slot)) {
            known.state = FileState::Newest;
        }
        if self.syncs {
            self.unsynced.add_segment(kind, slot, path, file);
            self.written.extend(region.ahead().map(|ahead| (kind, ahead)));
        }
        Ok((slot, region))
    }

    /// Puts a segment into a fresh file, and takes the file in doubt that it comes from out of the way once the fresh
    /// one is safe. What the kernel still has of that file is read at once.
    fn keep(&mut self, kind: SegmentKind, segment: Unkept) -> DiskAnswer {
        let Unkept { seq, len, used, slot, bytes } = segment;
        let read_back = bytes.is_none();
        let bytes = match (bytes, slot) {
            (Some(bytes), _) => Ok(bytes),
            (None, Some(slot)) => {
                read_segment(&self.path(0, kind, slot), seq, len as usize, used as usize)
            }
            (None, None) => Ok(Vec::new()),
        };
        let failed = |refused: Refused, region| {
            let Refused { shortage, message } = refused;
            DiskAnswer::KeepFailed { kind, seq, region, shortage, message }
        };
        let mut bytes = match bytes {
            Ok(bytes) => bytes,
            Err(error) => {
                let path = self.path(0, kind, slot.unwrap_or_default());
                return failed(Refused::by(&path, &error), None);
            }
        };
        bytes.resize(len as usize, 0);
        match self.store_copy(kind, &bytes) {
            Ok((fresh, region)) => {
                if let Some(slot) = slot {
                    self.suspect.remove(&self.path(0, kind, slot));
                    self.delete(kind, slot);
                }
                DiskAnswer::Kept { kind, seq, slot: fresh, region }
            }
            Err(refused) => failed(refused, read_back.then(|| Region::heap_from(bytes))),
        }
    }

    fn store_copy(&mut self, kind: SegmentKind, bytes: &[u8]) -> Result<(u16, Region), Refused> {
        let fits = |file: &&SegmentFile| file.bytes >= bytes.len() as u64;
        let spare = self.spares(kind).find(fits).map(|file| file.slot);
        let slot = match spare {
            Some(slot) => slot,
            None => self.create(kind, bytes.len())?,
        };
        let path = self.path(0, kind, slot);
        let filled = fill_segment(&path, bytes, self.syncs)
            .and_then(|()| open_region(&path, bytes.len(), self.backend, false));
        match filled {
            Ok(region) => {
                region.populate();
                if let Some(known) = self.files.get_mut(&(kind, slot)) {
                    known.state = FileState::Sealed;
                }
                Ok((slot, region))
            }
            Err(error) => {
                self.delete(kind, slot);
                Err(Refused::by(&path, &error))
            }
        }
    }

    fn spares(&self, kind: SegmentKind) -> impl Iterator<Item = &SegmentFile> {
        let spare = move |file: &&SegmentFile| file.kind == kind && file.state == FileState::Spare;
        self.files.values().filter(spare)
    }

    fn spare(&self, kind: SegmentKind) -> Option<u16> {
        let size = self.segment_bytes as u64;
        self.spares(kind).find(|file| file.bytes == size).map(|file| file.slot)
    }

    fn create(&mut self, kind: SegmentKind, len: usize) -> Result<u16, Refused> {
        let no = |shortage, message| Refused { shortage, message };
        let bytes = len as u64;
        let used: u64 = self.files.values().map(|file| file.bytes).sum();
        if used.saturating_add(bytes) > self.budget.bytes_max {
            let max = self.budget.bytes_max;
            let text = format!("{used} bytes of the log's budget of {max} are in use");
            return Err(no(Shortage::Budget, text));
        }
        let dir = self.dir(0);
        if let Ok(free) = free_bytes(&dir)
            && free < self.budget.free_bytes_min.saturating_add(bytes)
        {
            let text = format!("{} has only {free} bytes left", dir.display());
            return Err(no(Shortage::Full, text));
        }
        let unused = |slot: &u16| {
            !self.files.contains_key(&(kind, *slot)) && !self.path(0, kind, *slot).exists()
        };
        let slot = (0..=u16::MAX).find(unused);
        let slot = slot.ok_or_else(|| no(Shortage::Budget, "no slot is left".to_owned()))?;
        let path = self.path(0, kind, slot);
        if !dir.exists() {
            // Somebody took it away: what was in it is gone, and life goes on.
            fs::create_dir_all(&dir).map_err(|error| Refused::by(&dir, &error))?;
        }
        match create_segment(&path, len, self.syncs) {
            Ok(_) => {
                let file = SegmentFile { kind, slot, bytes, state: FileState::Spare };
                self.files.insert((kind, slot), file);
                Ok(slot)
            }
            Err(error) => Err(Refused::by(&path, &error)),
        }
    }

    fn delete(&mut self, kind: SegmentKind, slot: u16) {
        self.files.remove(&(kind, slot));
        self.unsynced.drop_segment(kind, slot);
        // If it stays it is found at the next start.
        fs::remove_file(self.path(0, kind, slot)).unwrap_or_default();
    }

    /// Dictionary, samples, cursors; then what the cursors released may be used again.
    pub(super) fn sync(&mut self, answers: &mut dyn FnMut(DiskAnswer)) {
        let own = self.dir(0);
        let suspect = &mut self.suspect;
        let good = self.unsynced.sync(&mut |path, error| {
            suspect.insert(path.to_owned());
            let message = format!("{}: cannot sync: {error}", path.display());
            let name = path.file_name().and_then(|name| name.to_str());
            let file = name.filter(|_| path.parent() == Some(&own)).and_then(segment_of_name);
            answers(DiskAnswer::SyncFailed { file, message });
        });
        if good {
            self.recycle();
        }
        self.make_ready();
    }

    /// After a sync the kernel wants to know of every page that changes: of those that will, it is told here.
    fn make_ready(&mut self) {
        let mut more = BTreeMap::new();
        self.written.retain_mut(|(kind, ahead)| {
            let beyond = ahead.make_ready(more.get(kind).copied().unwrap_or_default());
            beyond.is_some_and(|beyond| {
                more.insert(*kind, beyond);
                true
            })
        });
    }

    fn recycle(&mut self) {
        for (log, kind, slot) in std::mem::take(&mut self.retired) {
            let path = self.path(log, kind, slot);
            if log > 0 {
                // If it stays, the adopted directory is removed as a whole later.
                fs::remove_file(&path).unwrap_or_default();
                continue;
            }
            let file = |file: &&SegmentFile| file.kind == kind && file.state == FileState::Spare;
            let spares = self.files.values().filter(file).count();
            let size = self.files.get(&(kind, slot)).map_or(0, |file| file.bytes);
            let usable = size == self.segment_bytes as u64 && !self.suspect.contains(&path);
            if !usable || spares >= SPARES || erase_segment(&path).is_err() {
                self.suspect.remove(&path);
                self.delete(kind, slot);
            } else if let Some(file) = self.files.get_mut(&(kind, slot)) {
                file.state = FileState::Spare;
            }
        }
    }
}

/// The first `used` bytes of the file of segment `seq`, of which there are `len`; zeros for the rest, and for what is
/// missing of a truncated one.
fn read_segment(path: &Path, seq: Seq, len: usize, used: usize) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let present = file.metadata()?.len().min(used.min(len) as u64) as usize;
    // Pages that nothing is read into take no memory.
    let mut bytes = vec![0; len];
    file.read_exact_at(&mut bytes[..present], 0)?;
    match Header::decode(&bytes) {
        Ok(header) if header.seq == seq => Ok(bytes),
        _ => {
            Err(io::Error::new(io::ErrorKind::InvalidData, "it does not hold its segment any more"))
        }
    }
}

fn load_region(path: &Path, seq: Seq, backend: Backend) -> io::Result<Region> {
    let mut page = [0; PAGE_BYTES];
    File::open(path)?.read_exact_at(&mut page, 0)?;
    let invalid = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
    let header = Header::decode(&page).map_err(|damage| invalid(damage.to_string()))?;
    if header.seq != seq {
        return Err(invalid(format!("holds segment {}, not {}", header.seq.0, seq.0)));
    }
    let region = open_region(path, header.size as usize, backend, false)?;
    region.populate();
    Ok(region)
}
