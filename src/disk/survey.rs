//! What a shard's directory holds, found at start: headers, cursors, and the bytes that have to be
//! scanned.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::base::limits::PAGE_BYTES;
use crate::disk::error::StoreError;
use crate::disk::files::{FileState, Files, SegmentFile, segment_name, segment_of_name, set_aside};
use crate::disk::space::Backend;
use crate::wal::{
    CursorPage, Damage, FoundSegment, Header, LEDGER_FILE, LedgerPage, Region, SegmentKind, Seq,
    newest, newest_ledger,
};

/// A header that announces a larger segment is not believed.
pub(super) const SEGMENT_BYTES_MAX: u64 = 1 << 30;

#[derive(Clone, Copy, Debug)]
pub struct SurveyOptions {
    /// Id of the data directory: segments of another are set aside.
    pub store: [u8; 16],
    pub backend: Backend,
    /// Size of new segments: a spare of another size is deleted.
    pub segment_bytes: usize,
    /// True for the directory of a shard that no longer exists: it is only read.
    pub adopted: bool,
}

/// What was found. The segments go to the shard, the files to its helper.
#[derive(Debug, Default)]
pub struct Surveyed {
    pub samples: Vec<FoundSegment>,
    pub dictionary: Vec<FoundSegment>,
    /// File name and newest page of every cursor; a page of zeros where the file holds none.
    pub cursors: Vec<(String, CursorPage)>,
    /// What was offered to the log; `None` in a new directory, or if neither slot of the file is valid.
    pub ledger: Option<LedgerPage>,
    /// The highest sequence that a cursor mentions.
    pub cursor_max: Seq,
    pub files: Files,
    /// One sentence for each thing that is not as it should be.
    pub damage: Vec<String>,
    /// Definitions are missing, so all samples have to be scanned for the series they speak of.
    definitions_lost: bool,
}

/// So much of the samples' end is mapped, and at least the newest segment: it says which series were live.
const END_BYTES: u64 = 64 << 20;

/// Looks through a shard's directory: one small read per file; only the dictionary and the end of the samples are
/// mapped, unless definitions were lost.
pub fn survey(dir: &Path, options: &SurveyOptions) -> Result<Surveyed, StoreError> {
    let mut surveyed = Surveyed::default();
    let backend = options.backend.resolve(dir);
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).map_err(StoreError::io("list", dir))? {
        let entry = entry.map_err(StoreError::io("list", dir))?;
        names.extend(entry.file_name().into_string());
    }
    names.sort();
    for name in names {
        let path = dir.join(&name);
        if let Some((kind, slot)) = segment_of_name(&name) {
            surveyed.segment(&path, kind, slot, options).map_err(StoreError::io("read", &path))?;
        } else if name.contains(".def.") && !name.contains(".copy-") {
            // Set aside at an earlier start: the log may still speak of what it defined.
            surveyed.definitions_lost = true;
        } else if name.ends_with(".cur") {
            let bytes = fs::read(&path).map_err(StoreError::io("read", &path))?;
            surveyed.cursor(name, &path, &bytes);
        } else if name == LEDGER_FILE {
            let bytes = fs::read(&path).map_err(StoreError::io("read", &path))?;
            surveyed.ledger = newest_ledger(&bytes);
            if surveyed.ledger.is_none() {
                let text = "neither slot of the ledger is valid; its accounts begin anew";
                surveyed.damage.push(format!("{}: {text}", path.display()));
            }
        }
    }
    surveyed.attach(dir, backend, options);
    Ok(surveyed)
}

impl Surveyed {
    fn cursor(&mut self, name: String, path: &Path, bytes: &[u8]) {
        let Some(page) = newest(bytes) else {
            self.damage.push(format!(
                "{}: neither slot of the cursor is valid; all that the log holds is sent again",
                path.display()
            ));
            self.cursors.push((name, CursorPage::default()));
            return;
        };
        let ahead = page.ahead.iter().map(|stretch| stretch.to.place);
        let places = page.lanes.iter().map(|lane| lane.place).chain([page.low]).chain(ahead);
        let highest = places.map(|place| place.seq()).max().unwrap_or_default();
        self.cursor_max = self.cursor_max.max(highest);
        self.cursors.push((name, page));
    }

    fn segment(
        &mut self,
        path: &Path,
        kind: SegmentKind,
        slot: u16,
        options: &SurveyOptions,
    ) -> io::Result<()> {
        let file = File::open(path)?;
        let bytes = file.metadata()?.len();
        let mut page = vec![0; bytes.min(PAGE_BYTES as u64) as usize];
        file.read_exact_at(&mut page, 0)?;
        // A file being made when the process died may be shorter than its header.
        let blank = page.iter().take(512).all(|byte| *byte == 0);
        let header = if blank { Err(Damage::Blank) } else { Header::decode(&page) };
        let why = match header {
            Ok(header) if header.identity.store != options.store => "foreign",
            Ok(header) if header.kind != kind || u64::from(header.size) > SEGMENT_BYTES_MAX => {
                "damaged"
            }
            Ok(header) => {
                if let Some(flaw) = Header::flaw(&page) {
                    self.damage.push(format!("{}: {flaw}", path.display()));
                }
                if bytes < u64::from(header.size) {
                    self.damage.push(format!(
                        "{}: {bytes} bytes of {} are left",
                        path.display(),
                        header.size
                    ));
                }
                let state = FileState::Sealed;
                self.files.segments.push(SegmentFile { kind, slot, bytes, state });
                let found = FoundSegment { header, slot, region: None };
                self.of_kind(kind).push(found);
                return Ok(());
            }
            Err(Damage::Blank) if options.adopted => return Ok(()),
            Err(Damage::Blank) if bytes == options.segment_bytes as u64 => {
                let state = FileState::Spare;
                self.files.segments.push(SegmentFile { kind, slot, bytes, state });
                return Ok(());
            }
            // A spare of another size, or one that was never finished.
            Err(Damage::Blank) => return fs::remove_file(path),
            Err(Damage::Version(_)) => "version",
            Err(_) => "damaged",
        };
        let wrong = header.err().map_or(String::new(), |damage| format!(": {damage}"));
        let aside = set_aside(path, why)?;
        self.definitions_lost |= kind == SegmentKind::Dictionary;
        self.damage.push(format!("{}{wrong}; set aside as {}", path.display(), aside.display()));
        Ok(())
    }

    fn of_kind(&mut self, kind: SegmentKind) -> &mut Vec<FoundSegment> {
        match kind {
            SegmentKind::Dictionary => &mut self.dictionary,
            SegmentKind::Samples => &mut self.samples,
        }
    }

    /// A segment is in two files if the process died while one of them was being replaced by the other, because it
    /// could not be synced: the one with more to read in it counts.
    fn drop_copies(&mut self, dir: &Path, backend: Backend, found: &mut Vec<FoundSegment>) {
        while let Some(at) = found.windows(2).position(|w| w[0].header.seq == w[1].header.seq) {
            let readable = |found: &mut FoundSegment| {
                let path = dir.join(segment_name(found.header.kind, found.slot));
                found.region = open_region(&path, found.header.size as usize, backend, false).ok();
                let readable = found.readable();
                found.region = None;
                readable
            };
            let worse =
                if readable(&mut found[at]) < readable(&mut found[at + 1]) { at } else { at + 1 };
            let worse = found.remove(worse);
            let (kind, slot) = (worse.header.kind, worse.slot);
            let path = dir.join(segment_name(kind, slot));
            self.files.segments.retain(|file| (file.kind, file.slot) != (kind, slot));
            let aside = set_aside(&path, "copy");
            let aside = aside.map_or_else(|error| error.to_string(), |to| to.display().to_string());
            self.damage.push(format!("{}: a segment is there twice; {aside}", path.display()));
        }
    }

    /// Brings in the bytes that are scanned at start.
    fn attach(&mut self, dir: &Path, backend: Backend, options: &SurveyOptions) {
        for kind in [SegmentKind::Dictionary, SegmentKind::Samples] {
            let mut found = std::mem::take(self.of_kind(kind));
            found.sort_by_key(|found| found.header.seq);
            self.drop_copies(dir, backend, &mut found);
            let last = found.len().saturating_sub(1);
            let mut end = 0;
            let near = found.iter().rev().take_while(|found| {
                end += u64::from(found.header.size);
                end <= END_BYTES && !options.adopted
            });
            let first = last.min(found.len() - near.count());
            for (index, found) in found.iter_mut().enumerate() {
                let mut files = self.files.segments.iter_mut();
                let file = files.find(|file| (file.kind, file.slot) == (kind, found.slot));
                let short =
                    file.as_ref().is_some_and(|file| file.bytes < u64::from(found.header.size));
                if let Some(file) = file
                    && index == last
                {
                    file.state = FileState::Newest;
                }
                let sealed = index < first && kind == SegmentKind::Samples && !short;
                if sealed && (options.adopted || !self.definitions_lost) {
                    continue;
                }
                let path = dir.join(segment_name(kind, found.slot));
                let continued =
                    index == last && kind == SegmentKind::Dictionary && !options.adopted;
                match open_region(&path, found.header.size as usize, backend, continued && !short) {
                    Ok(region) => found.region = Some(region),
                    Err(error) => self.damage.push(format!("{}: {error}", path.display())),
                }
            }
            if kind == SegmentKind::Dictionary && !found.iter().all(FoundSegment::is_whole) {
                self.definitions_lost = true;
                let text = "definitions of series are damaged; their samples are given up";
                self.damage.push(format!("{}: {text}", dir.display()));
            }
            *self.of_kind(kind) = found;
        }
    }
}

/// The bytes of a segment's file; what is missing of a truncated one reads as zeros.
pub(super) fn open_region(
    path: &Path,
    len: usize,
    backend: Backend,
    write: bool,
) -> io::Result<Region> {
    let file = OpenOptions::new().read(true).write(write).open(path)?;
    let present = file.metadata()?.len().min(len as u64) as usize;
    let region = match (backend, write) {
        _ if present < len => {
            let mut bytes = vec![0; len];
            file.read_exact_at(&mut bytes[..present], 0)?;
            Region::fixed(bytes)
        }
        (Backend::Mmap, true) => Region::mapped(&file, len)?,
        (Backend::Mmap, false) => Region::mapped_read_only(&file, len)?,
        (_, true) => Region::written(file, len)?,
        (_, false) => {
            let mut bytes = vec![0; len];
            file.read_exact_at(&mut bytes, 0)?;
            Region::fixed(bytes)
        }
    };
    Ok(region)
}
