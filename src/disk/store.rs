//! The data directory as a whole: whose it is, which start this is, which shards it has.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::base::crc32c;
use crate::base::limits::PAGE_BYTES;
use crate::disk::error::StoreError;
use crate::disk::files::{segment_of_name, sync_directory};
use crate::wal::{Header, Identity};

pub(super) const SLOT_BYTES: usize = 512;
const CHECK_AT: usize = SLOT_BYTES - 4;
pub(super) const SLOTS: [u64; 2] = [0, 2048];
const MAGIC: [u8; 8] = *b"CLsto\x01\r\n";
const VERSION: u16 = 1;

/// Ending of a shard's directory that is being removed.
pub(super) const GONE: &str = "gone";

#[derive(Clone, Copy, Debug)]
pub struct StoreOptions {
    /// Shards of this start.
    pub cores: u16,
    /// False with `--storage.agent.no-lockfile`.
    pub lock: bool,
}

/// An open data directory; the lock is held as long as it lives.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    lock: Option<File>,
    page: Page,
    cores_before: u16,
    was_clean: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) cores: u16,
    pub(super) start: u32,
    pub(super) id: [u8; 16],
    pub(super) epoch: u32,
}

impl Store {
    /// Opens the directory, making it if need be. Nothing is changed when it is refused.
    pub fn open(path: &Path, options: StoreOptions) -> Result<Store, StoreError> {
        refuse_prometheus(path)?;
        let file = path.join("store");
        read_pages(&file)?;
        fs::create_dir_all(path).map_err(StoreError::io("create the data directory", path))?;
        let (lock, was_clean) = if options.lock { take_lock(path)? } else { (None, true) };
        clear_away(path)?;
        // Read again under the lock: another process may have stopped in between.
        let before = match read_pages(&file)? {
            Some(page) => Some(page),
            None => page_of_segments(path)?,
        };
        let page = Page {
            cores: options.cores,
            epoch: match before {
                Some(page) if page.cores == options.cores => page.epoch,
                Some(page) => page.epoch.saturating_add(1),
                None => 1,
            },
            start: before.map_or(0, |page| page.start).saturating_add(1),
            id: match before {
                Some(page) => page.id,
                None => random_id().map_err(StoreError::io("draw an id for", path))?,
            },
        };
        write_page(&file, page).map_err(StoreError::io("write", &file))?;
        let cores_before = before.map_or(0, |page| page.cores);
        Ok(Store { path: path.to_owned(), lock, page, cores_before, was_clean })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Random, drawn when the directory was made.
    pub fn id(&self) -> [u8; 16] {
        self.page.id
    }

    /// Starts of this directory so far, this one included.
    pub fn start(&self) -> u32 {
        self.page.start
    }

    /// Counts changes of the number of cores.
    pub fn epoch(&self) -> u32 {
        self.page.epoch
    }

    /// Cores of the start before; 0 if there was none.
    pub fn cores_before(&self) -> u16 {
        self.cores_before
    }

    /// False if the process before did not stop cleanly: it left its lock file.
    pub fn was_clean(&self) -> bool {
        self.was_clean
    }

    pub fn identity(&self, shard: u16) -> Identity {
        Identity { store: self.page.id, shard, start: self.page.start, epoch: self.page.epoch }
    }

    /// The directory of one shard, made if need be.
    pub fn shard_dir(&self, shard: u16) -> Result<PathBuf, StoreError> {
        let dir = self.path.join(format!("shard-{shard:03}"));
        fs::create_dir_all(&dir).map_err(StoreError::io("create", &dir))?;
        sync_directory(&dir).map_err(StoreError::io("sync", &self.path))?;
        Ok(dir)
    }

    /// Shards that have a directory, in order; those at or above the number of cores wait to be
    /// adopted.
    pub fn shards(&self) -> Result<Vec<u16>, StoreError> {
        let dirs = shard_dirs(&self.path)?;
        Ok(dirs.into_iter().map(|(shard, _)| shard).collect())
    }

    /// A clean stop: removes the lock file, then lets go of the lock.
    pub fn close(self) -> Result<(), StoreError> {
        let path = self.path.join("lock");
        match self.lock {
            Some(_) => fs::remove_file(&path).map_err(StoreError::io("remove", &path)),
            None => Ok(()),
        }
    }
}

/// Directories that were being removed when the process before died.
fn clear_away(path: &Path) -> Result<(), StoreError> {
    for entry in fs::read_dir(path).map_err(StoreError::io("list", path))? {
        let dir = entry.map_err(StoreError::io("list", path))?.path();
        if dir.extension().is_some_and(|extension| extension == GONE) && dir.is_dir() {
            fs::remove_dir_all(&dir).map_err(StoreError::io("remove", &dir))?;
        }
    }
    Ok(())
}

pub(super) fn shard_dirs(path: &Path) -> Result<Vec<(u16, PathBuf)>, StoreError> {
    let mut dirs = Vec::new();
    for entry in fs::read_dir(path).map_err(StoreError::io("list", path))? {
        let entry = entry.map_err(StoreError::io("list", path))?;
        let name = entry.file_name();
        let digits = name.to_str().and_then(|name| name.strip_prefix("shard-"));
        let digits = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
        if let Some(shard) = digits.and_then(|digits| digits.parse().ok())
            && entry.path().is_dir()
        {
            dirs.push((shard, entry.path()));
        }
    }
    dirs.sort();
    Ok(dirs)
}

pub(super) fn refuse_prometheus(path: &Path) -> Result<(), StoreError> {
    let refuse = |found: &str| {
        Err(StoreError::Prometheus { path: path.to_owned(), found: found.to_owned() })
    };
    let Ok(entries) = fs::read_dir(path) else {
        return Ok(());
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name == "chunks_head" {
            return refuse("chunks_head");
        }
        // A block: a directory called by a ULID, with its meta.json.
        if name.len() == 26 && entry.path().join("meta.json").exists() {
            return refuse(&format!("block {name}"));
        }
    }
    let Ok(entries) = fs::read_dir(path.join("wal")) else {
        return Ok(());
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let is_segment = name.len() == 8 && name.bytes().all(|byte| byte.is_ascii_digit());
        if is_segment || name.starts_with("checkpoint.") {
            return refuse(&format!("wal/{name}"));
        }
    }
    Ok(())
}

fn take_lock(path: &Path) -> Result<(Option<File>, bool), StoreError> {
    let path = path.join("lock");
    loop {
        let was_clean = !path.exists();
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let file = file.map_err(StoreError::io("open", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(StoreError::Locked(path.parent().unwrap_or(&path).to_owned()));
            }
            Err(TryLockError::Error(error)) => return Err(StoreError::io("lock", &path)(error)),
        }
        // A process that stopped just now removed the name we opened: then ours locks nothing
        // anybody sees.
        let ours = file.metadata().map_err(StoreError::io("open", &path))?.ino();
        if fs::metadata(&path).is_ok_and(|named| named.ino() == ours) {
            return Ok((Some(file), was_clean));
        }
    }
}

fn random_id() -> io::Result<[u8; 16]> {
    let mut id = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut id)?;
    Ok(id)
}

/// True for a slot of the store page whose checksum holds.
pub(super) fn is_whole(slot: &[u8]) -> bool {
    slot[..8] == MAGIC && crc32c(0, &slot[..CHECK_AT]).to_le_bytes() == slot[CHECK_AT..]
}

/// The newest valid page; `None` if there is none; an error if it is of another version.
pub(super) fn read_pages(file: &Path) -> Result<Option<Page>, StoreError> {
    let bytes = match fs::read(file) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StoreError::io("read", file)(error)),
    };
    let mut newest: Option<Page> = None;
    for at in SLOTS {
        let Some(slot) = bytes.get(at as usize..at as usize + SLOT_BYTES) else {
            continue;
        };
        if !is_whole(slot) {
            continue;
        }
        let version = u16::from_le_bytes([slot[8], slot[9]]);
        if version != VERSION {
            let path = file.parent().unwrap_or(file).to_owned();
            return Err(StoreError::Version { path, found: version });
        }
        let mut id = [0; 16];
        id.copy_from_slice(&slot[16..32]);
        let start = u32::from_le_bytes([slot[12], slot[13], slot[14], slot[15]]);
        let page = Page {
            cores: u16::from_le_bytes([slot[10], slot[11]]),
            start,
            id,
            epoch: u32::from_le_bytes([slot[32], slot[33], slot[34], slot[35]]),
        };
        if newest.is_none_or(|newest| newest.start < start) {
            newest = Some(page);
        }
    }
    Ok(newest)
}

fn write_page(path: &Path, page: Page) -> io::Result<()> {
    let mut slot = [0; SLOT_BYTES];
    slot[..8].copy_from_slice(&MAGIC);
    slot[8..10].copy_from_slice(&VERSION.to_le_bytes());
    slot[10..12].copy_from_slice(&page.cores.to_le_bytes());
    slot[12..16].copy_from_slice(&page.start.to_le_bytes());
    slot[16..32].copy_from_slice(&page.id);
    slot[32..36].copy_from_slice(&page.epoch.to_le_bytes());
    let check = crc32c(0, &slot[..CHECK_AT]);
    slot[CHECK_AT..].copy_from_slice(&check.to_le_bytes());
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
    let len = file.metadata()?.len();
    if len < PAGE_BYTES as u64 {
        file.write_all_at(&vec![0; PAGE_BYTES - len as usize], len)?;
    }
    // In place, so that a start on a full disk works; the slot of the start before stays whole.
    file.write_all_at(&slot, SLOTS[page.start as usize % 2])?;
    file.sync_all()?;
    sync_directory(path)
}

/// Without a readable page, what the segments say: a lost page must not make the backlog a
/// stranger's.
pub(super) fn page_of_segments(path: &Path) -> Result<Option<Page>, StoreError> {
    let mut found: Option<Page> = None;
    let dirs = shard_dirs(path)?;
    let cores = dirs.last().map_or(0, |(shard, _)| shard.saturating_add(1));
    for (_, dir) in &dirs {
        for entry in fs::read_dir(dir).map_err(StoreError::io("list", dir))?.flatten() {
            if entry.file_name().to_str().and_then(segment_of_name).is_none() {
                continue;
            }
            let mut page = [0; PAGE_BYTES];
            let read = File::open(entry.path()).and_then(|file| file.read_exact_at(&mut page, 0));
            let (Ok(()), Ok(header)) = (read, Header::decode(&page)) else {
                continue;
            };
            let Identity { store, start, epoch, .. } = header.identity;
            if found.is_none_or(|page| page.start < start) {
                found = Some(Page { cores, start, id: store, epoch });
            }
        }
    }
    Ok(found)
}
