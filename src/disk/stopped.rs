//! A data directory that no process uses, opened to be looked at: nothing in it is changed.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::base::limits::PAGE_BYTES;
use crate::disk::error::StoreError;
use crate::disk::files::segment_of_name;
use crate::disk::space::Backend;
use crate::disk::store::{
    Page, SLOT_BYTES, SLOTS, is_whole, page_of_segments, read_pages, refuse_prometheus, shard_dirs,
};
use crate::disk::survey::{SEGMENT_BYTES_MAX, open_region};
use crate::wal::{Damage, Header, Identity, LEDGER_FILE, Region, SegmentKind};

/// A data directory to be read. As long as it lives no agent can start on it, if there is a lock file to hold; none is
/// made, and none removed.
#[derive(Debug)]
pub struct StoppedStore {
    path: PathBuf,
    lock: Option<File>,
    page: Option<Page>,
    damage: Vec<String>,
}

/// One file of a shard's directory.
#[derive(Debug)]
pub struct FoundFile {
    pub name: String,
    pub bytes: u64,
    pub kind: FileKind,
}

#[derive(Debug)]
pub enum FileKind {
    /// `flaw`: what is wrong with its header, though it can be used.
    Segment {
        header: Header,
        slot: u16,
        flaw: Option<String>,
    },
    /// Ready to become a segment.
    Spare(SegmentKind),
    /// Named as a segment, and its header cannot be used.
    Unreadable(SegmentKind, Damage),
    /// A good header of another data directory.
    Foreign(SegmentKind),
    /// The bytes of a cursor file.
    Cursor(Vec<u8>),
    /// The bytes of the file that says what was offered to the log.
    Ledger(Vec<u8>),
    /// Something that an earlier start could not use and moved out of the way.
    Aside,
    Other,
}

impl StoppedStore {
    /// Opens a directory, unless a running process holds its lock, or it is not ours.
    pub fn open(path: &Path) -> Result<StoppedStore, StoreError> {
        refuse_prometheus(path)?;
        let lock = hold_lock(path)?;
        StoppedStore::read_page(path, lock)
    }

    /// Opens the directory of the running process, for itself: files may grow, come and go while they are read.
    pub fn beside(path: &Path) -> Result<StoppedStore, StoreError> {
        StoppedStore::read_page(path, None)
    }

    fn read_page(path: &Path, lock: Option<File>) -> Result<StoppedStore, StoreError> {
        let shards = shard_dirs(path)?;
        let file = path.join("store");
        let mut damage = Vec::new();
        let page = match read_pages(&file)? {
            Some(page) => Some(page),
            None if shards.is_empty() && !file.exists() => {
                return Err(StoreError::NotOurs(path.to_owned()));
            }
            None => page_of_segments(path)?,
        };
        match fs::read(&file) {
            Ok(bytes) => {
                for at in SLOTS.map(|at| at as usize) {
                    let slot = bytes.get(at..at + SLOT_BYTES);
                    let blank = slot.is_some_and(|slot| slot.iter().all(|byte| *byte == 0));
                    if !blank && !slot.is_some_and(is_whole) {
                        damage.push(format!("the slot at {at} of the store page is damaged"));
                    }
                }
            }
            Err(error) => damage.push(format!("the store page cannot be read: {error}")),
        }
        Ok(StoppedStore { path: path.to_owned(), lock, page, damage })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// False if the last process left its lock behind.
    pub fn was_clean(&self) -> bool {
        self.lock.is_none()
    }

    /// Who wrote last, as the store page says, or else the segments; zeros if nobody says.
    pub fn identity(&self) -> Identity {
        let page = self.page.unwrap_or(Page { cores: 0, start: 0, id: [0; 16], epoch: 0 });
        Identity { store: page.id, shard: 0, start: page.start, epoch: page.epoch }
    }

    /// Cores of the last start.
    pub fn cores(&self) -> u16 {
        self.page.map_or(0, |page| page.cores)
    }

    /// What is wrong with the store page, a sentence each.
    pub fn damage(&self) -> &[String] {
        &self.damage
    }

    /// Directories of shards, also of those that no longer run, in order.
    pub fn shards(&self) -> Result<Vec<(u16, PathBuf)>, StoreError> {
        shard_dirs(&self.path)
    }

    /// The files of a shard's directory by name: headers and cursors are read, nothing else.
    pub fn files(&self, dir: &Path) -> Result<Vec<FoundFile>, StoreError> {
        let mut files = Vec::new();
        for entry in fs::read_dir(dir).map_err(StoreError::io("list", dir))? {
            let entry = entry.map_err(StoreError::io("list", dir))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = entry.path();
            let (bytes, kind) = self.file(&path, &name).map_err(StoreError::io("read", &path))?;
            files.push(FoundFile { name, bytes, kind });
        }
        files.sort_by(|left, right| left.name.cmp(&right.name));
        Ok(files)
    }

    fn file(&self, path: &Path, name: &str) -> io::Result<(u64, FileKind)> {
        let bytes = fs::metadata(path)?.len();
        if let Some((kind, slot)) = segment_of_name(name) {
            return Ok((bytes, self.segment(path, bytes, kind, slot)?));
        }
        let aside = [".seg.", ".def."].iter().any(|part| name.contains(part));
        let kind = match name {
            LEDGER_FILE => FileKind::Ledger(fs::read(path)?),
            _ if name.ends_with(".cur") => FileKind::Cursor(fs::read(path)?),
            _ if aside => FileKind::Aside,
            _ => FileKind::Other,
        };
        Ok((bytes, kind))
    }

    fn segment(
        &self,
        path: &Path,
        bytes: u64,
        kind: SegmentKind,
        slot: u16,
    ) -> io::Result<FileKind> {
        let mut page = vec![0; bytes.min(PAGE_BYTES as u64) as usize];
        File::open(path)?.read_exact_at(&mut page, 0)?;
        // A file that was being made when the process died may be shorter than its header.
        if page.iter().take(SLOT_BYTES).all(|byte| *byte == 0) {
            return Ok(FileKind::Spare(kind));
        }
        Ok(match Header::decode(&page) {
            Ok(header) if header.identity.store != self.identity().store => FileKind::Foreign(kind),
            Ok(header) if header.kind != kind => {
                FileKind::Unreadable(kind, Damage::Malformed("kind"))
            }
            Ok(header) if u64::from(header.size) > SEGMENT_BYTES_MAX => {
                FileKind::Unreadable(kind, Damage::Malformed("size"))
            }
            Ok(header) => FileKind::Segment { header, slot, flaw: Header::flaw(&page) },
            Err(Damage::Blank) => FileKind::Spare(kind),
            Err(damage) => FileKind::Unreadable(kind, damage),
        })
    }

    /// The bytes of a segment, in memory; what is missing of a file that was cut short reads as zeros.
    pub fn read(&self, path: &Path, header: &Header) -> Result<Region, StoreError> {
        let read = open_region(path, header.size as usize, Backend::Pwrite, false);
        read.map_err(StoreError::io("read", path))
    }
}

/// Holds the lock together with others who only look. Without a lock file nobody holds it.
fn hold_lock(path: &Path) -> Result<Option<File>, StoreError> {
    let file = path.join("lock");
    let lock = match File::open(&file) {
        Ok(lock) => lock,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StoreError::io("open", &file)(error)),
    };
    match lock.try_lock_shared() {
        Ok(()) => Ok(Some(lock)),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse(path.to_owned())),
        Err(TryLockError::Error(error)) => Err(StoreError::io("lock", &file)(error)),
    }
}
