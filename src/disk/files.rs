//! The files of one shard: names, and bringing them into being and out of it.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::base::limits::PAGE_BYTES;
use crate::model::Shortage;
use crate::wal::SegmentKind;

/// What a survey found about the segment files of a shard's own directory; the helper goes on from
/// it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    pub segments: Vec<SegmentFile>,
}

/// One segment file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentFile {
    pub kind: SegmentKind,
    pub slot: u16,
    pub bytes: u64,
    pub state: FileState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileState {
    /// The newest of its kind: what it holds may not be synced.
    Newest,
    /// Holds records.
    Sealed,
    /// Of full size, written, with a blank header.
    Spare,
}

pub(super) fn segment_name(kind: SegmentKind, slot: u16) -> String {
    match kind {
        SegmentKind::Dictionary => format!("{slot:05}.def"),
        SegmentKind::Samples => format!("{slot:05}.seg"),
    }
}

/// The kind and slot that a file name says, if it is a segment's.
pub(super) fn segment_of_name(name: &str) -> Option<(SegmentKind, u16)> {
    let (digits, extension) = name.split_once('.')?;
    let kind = match extension {
        "def" => SegmentKind::Dictionary,
        "seg" => SegmentKind::Samples,
        _ => return None,
    };
    if digits.len() != 5 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some((kind, digits.parse().ok()?))
}

/// Puts a segment's bytes into a file that is all written and blank at its beginning: the header goes in last, so that
/// the file is a spare until the segment is whole.
pub(super) fn fill_segment(path: &Path, bytes: &[u8], sync: bool) -> io::Result<()> {
    let file = OpenOptions::new().write(true).open(path)?;
    let header = bytes.len().min(PAGE_BYTES);
    file.write_all_at(&bytes[header..], header as u64)?;
    if sync {
        file.sync_data()?;
    }
    file.write_all_at(&bytes[..header], 0)?;
    if sync {
        file.sync_data()?;
    }
    Ok(())
}

/// Makes a segment file with every byte written. Leaves nothing behind on failure: an allocation
/// that failed half-way would hold the last free space.
pub(super) fn create_segment(path: &Path, bytes: usize, sync: bool) -> io::Result<File> {
    let file = OpenOptions::new().read(true).write(true).create_new(true).open(path)?;
    let fill = || -> io::Result<()> {
        let zeros = vec![0; bytes.min(1 << 20)];
        let mut at = 0;
        while at < bytes {
            let len = zeros.len().min(bytes - at);
            file.write_all_at(&zeros[..len], at as u64)?;
            at += len;
        }
        if sync {
            // Turns delayed and unwritten extents into blocks now, rather than under the first
            // syncs that matter.
            file.sync_all()?;
            sync_directory(path)?;
        }
        Ok(())
    };
    if let Err(error) = fill() {
        // Best effort: the error that counts is the first.
        file.set_len(0).unwrap_or_default();
        fs::remove_file(path).unwrap_or_default();
        return Err(error);
    }
    Ok(file)
}

/// Makes a retired segment a spare: without its header its records mean nothing.
pub(super) fn erase_segment(path: &Path) -> io::Result<()> {
    let file = OpenOptions::new().write(true).open(path)?;
    file.write_all_at(&[0; PAGE_BYTES], 0)
}

/// Opens a cursor file, making it a full page if it is not.
pub(super) fn open_cursor(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
    let len = file.metadata()?.len();
    if len < PAGE_BYTES as u64 {
        file.write_all_at(&vec![0; PAGE_BYTES - len as usize], len)?;
    }
    Ok(file)
}

/// Makes the creation of `path` survive power loss.
pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

/// Takes a file that cannot be used out of the way and keeps it. Gives the new name.
pub(super) fn set_aside(path: &Path, why: &str) -> io::Result<PathBuf> {
    for number in 0..1000 {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{why}-{number}"));
        let aside = PathBuf::from(name);
        if !aside.exists() {
            fs::rename(path, &aside)?;
            return Ok(aside);
        }
    }
    Err(io::Error::new(io::ErrorKind::AlreadyExists, "a thousand files were set aside already"))
}

/// What an error says about why there is no file.
pub(super) fn shortage_of(error: &io::Error) -> Shortage {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    match error.kind() {
        StorageFull | QuotaExceeded | FileTooLarge => Shortage::Full,
        ReadOnlyFilesystem => Shortage::ReadOnly,
        _ => Shortage::Failing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_slots_agree() {
        for slot in [0, 7, 12_345, u16::MAX] {
            for kind in [SegmentKind::Dictionary, SegmentKind::Samples] {
                assert_eq!(segment_of_name(&segment_name(kind, slot)), Some((kind, slot)));
            }
        }
        for name in [
            "1.seg",
            "000001.seg",
            "0000a.seg",
            "99999.seg",
            "00001.seg.damaged-0",
            "x.cur",
            "+0001.def",
        ] {
            assert_eq!(segment_of_name(name), None, "{name}");
        }
    }
}
