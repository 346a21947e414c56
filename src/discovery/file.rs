//! Groups read from files (spec: SD-11).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use crate::base::Timestamp;
use crate::config::{FileSdConfig, parse_file_sd};
use crate::discovery::pattern;
use crate::model::{LabelsBuilder, TargetGroup};

/// The files of one `file_sd_configs` entry, as last read.
#[derive(Debug)]
pub(super) struct FileProvider {
    pub(super) config: FileSdConfig,
    /// By path: what is reported stands in a fixed order.
    known: BTreeMap<PathBuf, Known>,
}

#[derive(Debug)]
struct Known {
    groups: Vec<TargetGroup>,
    modified: Timestamp,
}

/// Something that could not be read: its path and why.
pub(super) type Failure = (PathBuf, String);

impl FileProvider {
    pub(super) fn new(config: FileSdConfig) -> FileProvider {
        FileProvider { config, known: BTreeMap::new() }
    }

    /// Reads everything again. What could not be read keeps what it had, and is returned.
    pub(super) fn refresh(&mut self) -> Vec<Failure> {
        let mut failures = Vec::new();
        let mut named = BTreeSet::new();
        for pattern in &self.config.files {
            match pattern::expand(pattern) {
                Ok(paths) => named.extend(paths),
                Err(error) => {
                    let directory = pattern::directory(pattern);
                    let kept = self.known.keys().filter(|path| path.parent() == Some(directory));
                    named.extend(kept.cloned());
                    failures.push((directory.to_owned(), error.to_string()));
                }
            }
        }
        self.known.retain(|path, _| named.contains(path));
        for path in named {
            match read(&path) {
                Ok(Some(known)) => {
                    self.known.insert(path, known);
                }
                Ok(None) => {
                    self.known.remove(&path);
                }
                Err(why) => failures.push((path, why)),
            }
        }
        failures
    }

    /// All groups, in the order of their files' paths.
    pub(super) fn groups(&self) -> impl Iterator<Item = &TargetGroup> {
        self.known.values().flat_map(|known| &known.groups)
    }

    /// Path and modification time of each file that was read well.
    pub(super) fn times(&self) -> impl Iterator<Item = (&Path, Timestamp)> {
        self.known.iter().map(|(path, known)| (path.as_path(), known.modified))
    }

    pub(super) fn directories(&self) -> impl Iterator<Item = PathBuf> {
        self.config.files.iter().map(|pattern| pattern::directory(pattern).to_owned())
    }
}

/// `None`: there is no such file.
fn read(path: &Path) -> Result<Option<Known>, String> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    let modified = fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
    let since = modified.and_then(|modified| modified.duration_since(UNIX_EPOCH).ok());
    let modified = since.map_or(0, |since| since.as_millis().min(i64::MAX as u128) as i64);
    let mut groups = parse_file_sd(&text, path).map_err(|error| error.to_string())?;
    for group in &mut groups {
        let mut labels = LabelsBuilder::new(&group.labels);
        labels.set("__meta_filepath", &path.to_string_lossy());
        group.labels = labels.labels();
    }
    Ok(Some(Known { groups, modified: Timestamp(modified) }))
}
