//! What has to reach the disk and in which order: the dictionary, then samples, then cursors.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use crate::wal::SegmentKind;

/// Segments of a kind that may be written to at any time: the head, and the spare that becomes it.
const LIVE_SEGMENTS: usize = 2;

/// Open files with changes that may not be on the disk.
#[derive(Debug, Default)]
pub(super) struct Unsynced {
    /// By kind (the dictionary first), oldest first.
    segments: BTreeMap<SegmentKind, Vec<(u16, PathBuf, File)>>,
    cursors: BTreeMap<PathBuf, (File, bool)>,
}

impl Unsynced {
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
        open: impl FnOnce(&Path) -> std::io::Result<File>,
    ) -> std::io::Result<&File> {
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
    pub(super) fn sync(&mut self, failed: &mut dyn FnMut(&Path, std::io::Error)) -> bool {
        let mut good = true;
        for segments in self.segments.values_mut() {
            segments.retain(|(_, path, file)| match file.sync_data() {
                Ok(()) => true,
                Err(error) => {
                    failed(path, error);
                    good = false;
                    false
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
