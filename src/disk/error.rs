//! Why a data directory cannot be used.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Each sentence names the place and says what to do.
#[derive(Debug)]
pub enum StoreError {
    Io {
        doing: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    /// A process runs on the directory that somebody wants to look at.
    InUse(PathBuf),
    /// Another process holds the lock.
    Locked(PathBuf),
    /// Nothing of ours is in the directory.
    NotOurs(PathBuf),
    /// The directory is Prometheus', and stays untouched.
    Prometheus {
        path: PathBuf,
        found: String,
    },
    /// Written by a release whose format this one does not know; untouched.
    Version {
        path: PathBuf,
        found: u16,
    },
}

impl StoreError {
    /// For `map_err`: what was being done, and to what.
    pub(super) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
        let path = path.to_owned();
        move |source| StoreError::Io { doing, path, source }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::Io { doing, path, source } => {
                write!(f, "cannot {doing} {}: {source}", path.display())
            }
            StoreError::InUse(path) => write!(
                f,
                "the data directory {0} is in use: a running process holds the lock {0}/lock; stop \
                 it first, or look at a copy",
                path.display()
            ),
            StoreError::NotOurs(path) => write!(
                f,
                "{} is no data directory of Corelane: it holds neither a store page nor a shard",
                path.display()
            ),
            StoreError::Locked(path) => write!(
                f,
                "the data directory {} is in use by another process: stop it, or give this one \
                 a directory of its own",
                path.display()
            ),
            StoreError::Prometheus { path, found } => write!(
                f,
                "the data directory {} holds Prometheus data ({found}), which is left untouched: \
                 give this process a directory of its own",
                path.display()
            ),
            StoreError::Version { path, found } => write!(
                f,
                "the data directory {} has format version {found}, which this release does not \
                 know: use the release that wrote it, or another directory",
                path.display()
            ),
        }
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            StoreError::Io { source, .. } => Some(source),
            StoreError::InUse(_)
            | StoreError::Locked(_)
            | StoreError::NotOurs(_)
            | StoreError::Prometheus { .. }
            | StoreError::Version { .. } => None,
        }
    }
}
