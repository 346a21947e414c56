//! What has to reach the disk and in which order: the dictionary, then samples, then cursors.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::wal::SegmentKind;

/// Segments of a kind that may be written to at any time: the head, and the spare that becomes it.
const LIVE_SEGMENTS: usize = 2;
/// Endings of files, in the order in which they are synced.
const ORDER: [&str; 3] = ["def", "seg", "cur"];

/// Open files with changes that may not be on the disk.
#[derive(Debug, Default)]
pub(super) struct Unsynced {
    /// Files of the process before, which may have died between its last writes and its next sync.
    inherited: Vec<PathBuf>,
    /// By kind (the dictionary first), oldest first.
    segments: BTreeMap<SegmentKind, Vec<(u16, PathBuf, File)>>,
    cursors: BTreeMap<PathBuf, (File, bool)>,
}

impl Unsynced {
    /// Adds the segments and cursors that are in a directory now.
    pub(super) fn inherit(&mut self, dir: &Path) -> io::Result<()> {
        for entry in fs::read_dir(dir)? {
            let path = entry?.path();
            if path.extension().is_some_and(|found| ORDER.iter().any(|kind| found == *kind)) {
                self.inherited.push(path);
            }
        }
        Ok(())
    }

    /// One file after the other: there may be more than a process can have open.
    fn sync_inherited(&mut self, failed: &mut dyn FnMut(&Path, io::Error)) -> bool {
        let mut good = true;
        let inherited = std::mem::take(&mut self.inherited);
        for kind in ORDER {
            let of_kind = |path: &&PathBuf| path.extension().is_some_and(|found| found == kind);
            for path in inherited.iter().filter(of_kind) {
                match File::open(path).and_then(|file| file.sync_data()) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => {
                        failed(path, error);
                        good = false;
                    }
                    // Let go of since, or safe.
                    Ok(()) | Err(_) => {}
                }
            }
        }
        good
    }

    pub(super) fn add_segment(&mut self, kind: SegmentKind, slot: u16, path: PathBuf, file: File) {
        self.segments.entry(kind).or_default().push((slot, path, file));
    }

    pub(super) fn drop_segment(&mut self, kind: SegmentKind, slot: u16) {
        if let Some(segments) = self.segments.get_mut(&kind) {
            segments.retain(|(found, _, _)| *found != slot);
        }
    }

    /// The open file of a cursor, marked as changed.
    pub(super) fn cursor(
        &mut self,
        path: &Path,
        open: impl FnOnce(&Path) -> io::Result<File>,
    ) -> io::Result<&File> {
        if !self.cursors.contains_key(path) {
            self.cursors.insert(path.to_owned(), (open(path)?, false));
        }
        let (file, changed) = self.cursors.get_mut(path).expect("just put there");
        *changed = true;
        Ok(file)
    }

    pub(super) fn drop_cursors(&mut self, mut gone: impl FnMut(&Path) -> bool) {
        self.cursors.retain(|path, _| !gone(path));
    }

    /// One round. Tells `failed` of each file that could not be synced and never tries that file
    /// again: the kernel has reported the error, dropped the data, and would now say success. True
    /// if all went well.
    pub(super) fn sync(&mut self, failed: &mut dyn FnMut(&Path, io::Error)) -> bool {
        let mut good = self.sync_inherited(failed);
        for segments in self.segments.values_mut() {
            segments.retain(|(_, path, file)| {
                match file.sync_data().and_then(|()| is_there(file)) {
                    Ok(()) => true,
                    Err(error) => {
                        failed(path, error);
                        good = false;
                        false
                    }
                }
            });
            // Older ones are sealed, and now they are synced after their last change.
            let sealed = segments.len().saturating_sub(LIVE_SEGMENTS);
            segments.drain(..sealed);
        }
        self.cursors.retain(|path, (file, changed)| {
            if !*changed {
                return true;
            }
            *changed = false;
            match file.sync_data() {
                Ok(()) => true,
                Err(error) => {
                    failed(path, error);
                    good = false;
                    false
                }
            }
        });
        good
    }
}

/// A file without a name is synced and lost all the same.
fn is_there(file: &File) -> io::Result<()> {
    match file.metadata()?.nlink() {
        0 => Err(io::Error::new(io::ErrorKind::NotFound, "somebody removed the file")),
        _ => Ok(()),
    }
}
