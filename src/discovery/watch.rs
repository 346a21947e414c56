//! Notices of changes in directories. A watch that cannot be had costs promptness only: files are read again
//! at every refresh interval anyway.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crossbeam_channel::Sender;
use notify::event::{AccessKind, AccessMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};

pub(super) struct Watch {
    /// `None` when the system gives none.
    watcher: Option<RecommendedWatcher>,
    watched: BTreeSet<PathBuf>,
    pub(super) errors: u64,
}

impl Watch {
    /// `changed` gets one item per change; what does not fit says nothing new.
    pub(super) fn new(changed: Sender<()>) -> Watch {
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if event.map_or(true, |event| matters(&event.kind)) {
                let _ = changed.try_send(());
            }
        });
        let errors = u64::from(watcher.is_err());
        Watch { watcher: watcher.ok(), watched: BTreeSet::new(), errors }
    }

    /// Watches these directories and no others. Those already watched are asked for again, since a directory that
    /// was removed and made anew has lost its watch. Returns those that cannot be watched.
    pub(super) fn set(&mut self, wanted: BTreeSet<PathBuf>) -> Vec<(PathBuf, String)> {
        let Some(watcher) = &mut self.watcher else {
            return Vec::new();
        };
        for path in self.watched.difference(&wanted) {
            // It may be gone together with its directory.
            let _ = watcher.unwatch(path);
        }
        let mut failed = Vec::new();
        for path in &wanted {
            if let Err(error) = watcher.watch(Path::new(path), RecursiveMode::NonRecursive) {
                self.errors += 1;
                failed.push((path.clone(), error.to_string()));
            }
        }
        self.watched = wanted;
        failed
    }
}

/// Our own reading must not look like a change.
fn matters(kind: &EventKind) -> bool {
    match kind {
        EventKind::Access(access) => *access == AccessKind::Close(AccessMode::Write),
        _ => true,
    }
}
