//! The bytes of one segment, wherever they live. The only file of the log with unsafe code: mapping
//! a file, and the one store that publishes.
#![expect(
    unsafe_code,
    reason = "mapping files, and the single aligned store that publishes a record"
)]

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};

use memmap2::{Advice, Mmap, MmapMut, UncheckedAdvice};

use crate::base::limits::PAGE_BYTES;
use crate::wal::guard::{Guard, Watch};

/// Of a segment, brought to memory and let go of before the next such piece.
const POPULATED_AT_ONCE: usize = 1 << 20;
const NEVER_HEAD: &str = "a read-only region is never the head of a log";

/// The bytes of one segment. `Send`, so that a helper thread prepares it and takes it back; used by
/// one thread at a time. All backings hold the same bytes after the same calls.
pub struct Region(Backing);

enum Backing {
    /// Memory that is only read: a sealed segment read whole.
    Fixed(Vec<u8>),
    /// As `Mapped`, until the fuse has burnt down. For the simulator.
    Fused(Guard, MmapMut, Fuse),
    /// Memory only: what the disk gives no file for; tests.
    Heap(Vec<u8>),
    /// Shared with the file: a store survives the death of the process. The guard goes first.
    Mapped(Guard, MmapMut),
    /// As `Mapped`, for segments that are only read.
    ReadOnly(Guard, Mmap),
    /// Memory and a file that every change is also written to, for filesystems where a mapping is
    /// unsafe.
    Written { bytes: Vec<u8>, file: File, failed: bool },
    /// Memory that remembers every state it was in, so that tests can die between any two stores.
    #[cfg(test)]
    Traced { bytes: Vec<u8>, states: Vec<Vec<u8>> },
}

impl core::fmt::Debug for Region {
    /// Kind and length: the bytes are nobody's reading.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let kind = match &self.0 {
            Backing::Fixed(_) => "fixed",
            Backing::Fused { .. } => "fused",
            Backing::Heap(_) => "heap",
            Backing::Mapped { .. } => "mapped",
            Backing::ReadOnly { .. } => "read-only",
            Backing::Written { .. } => "written",
            #[cfg(test)]
            Backing::Traced { .. } => "traced",
        };
        write!(f, "Region({kind}, {} bytes)", self.len())
    }
}

impl Region {
    /// Zeros in memory.
    pub fn heap(len: usize) -> Region {
        Region(Backing::Heap(vec![0; len]))
    }

    /// Memory with content.
    pub fn heap_from(bytes: Vec<u8>) -> Region {
        Region(Backing::Heap(bytes))
    }

    /// Memory with content that is only read.
    pub fn fixed(bytes: Vec<u8>) -> Region {
        Region(Backing::Fixed(bytes))
    }

    #[cfg(test)]
    pub(super) fn traced(bytes: Vec<u8>) -> Region {
        Region(Backing::Traced { bytes, states: Vec::new() })
    }

    #[cfg(test)]
    pub(super) fn states(&self) -> &[Vec<u8>] {
        match &self.0 {
            Backing::Traced { states, .. } => states,
            _ => &[],
        }
    }

    /// Maps the first `len` bytes of `file` for reading and writing. Every byte must have been
    /// written before: a store to a byte without a disk block behind it would be a SIGBUS on a full
    /// disk.
    pub fn mapped(file: &File, len: usize) -> io::Result<Region> {
        check(file, len)?;
        // SAFETY: the file is at least `len` long (just checked), and the data directory's lock
        // keeps other writers away; from one who truncates our files by hand while we run the guard
        // makes pages of zeros.
        let map = unsafe { memmap2::MmapOptions::new().len(len).map_mut(file) }?;
        Ok(Region(Backing::Mapped(Guard::of(&map), map)))
    }

    /// As [`Region::mapped`], for a segment that is not appended to.
    pub fn mapped_read_only(file: &File, len: usize) -> io::Result<Region> {
        check(file, len)?;
        // SAFETY: as in `mapped`.
        let map = unsafe { memmap2::MmapOptions::new().len(len).map(file) }?;
        Ok(Region(Backing::ReadOnly(Guard::of(&map), map)))
    }

    /// A region that was mapped for writing loses what is stored to it once the fuse has burnt
    /// down, as if the process had died between two stores; who reads it does not notice. Any other
    /// region stays what it is.
    pub fn fused(self, fuse: Fuse) -> Region {
        match self.0 {
            Backing::Mapped(guard, map) => Region(Backing::Fused(guard, map, fuse)),
            other => Region(other),
        }
    }

    /// Reads the first `len` bytes of `file` and writes every later change through.
    pub fn written(file: File, len: usize) -> io::Result<Region> {
        check(&file, len)?;
        let mut bytes = vec![0; len];
        file.read_exact_at(&mut bytes, 0)?;
        Ok(Region(Backing::Written { bytes, file, failed: false }))
    }

    pub fn bytes(&self) -> &[u8] {
        match &self.0 {
            Backing::Fixed(bytes) | Backing::Heap(bytes) | Backing::Written { bytes, .. } => bytes,
            Backing::Mapped(_, map) | Backing::Fused(_, map, _) => map,
            Backing::ReadOnly(_, map) => map,
            #[cfg(test)]
            Backing::Traced { bytes, .. } => bytes,
        }
    }

    pub fn len(&self) -> usize {
        self.bytes().len()
    }

    pub fn is_empty(&self) -> bool {
        self.bytes().is_empty()
    }

    /// Has the pages read into the kernel's memory, so that the core which gets the region does not wait for the disk;
    /// into this process they come when they are used. Best effort. It reads only: populating for writing would
    /// dirty, and so write to the disk, every page of a spare.
    pub fn populate(&self) {
        for from in (0..self.len()).step_by(POPULATED_AT_ONCE) {
            let len = POPULATED_AT_ONCE.min(self.len() - from);
            let advice = Advice::PopulateRead;
            let advised = match &self.0 {
                Backing::Mapped(_, map) | Backing::Fused(_, map, _) => {
                    map.advise_range(advice, from, len)
                }
                Backing::ReadOnly(_, map) => map.advise_range(advice, from, len),
                _ => return,
            };
            // Kernels before 5.14 do not know the advice; pages then fault in on first use.
            if advised.is_err() {
                return;
            }
            self.release_from(from, len);
        }
    }

    /// Takes the pages out of this process; the kernel keeps them as long as it sees fit, and they come back when they
    /// are read or written. Only what a file can give back goes. Best effort.
    pub(super) fn release(&self) {
        let written = match &self.0 {
            Backing::Mapped(guard, _) | Backing::Fused(guard, ..) => guard.reached(),
            _ => 0,
        };
        self.release_from(
            0,
            match written {
                0 => self.len(),
                // What is made ready ahead of the writer stays.
                end => end / PAGE_BYTES * PAGE_BYTES,
            },
        );
    }

    fn release_from(&self, from: usize, len: usize) {
        let advice = UncheckedAdvice::DontNeed;
        let done = match &self.0 {
            // Pages of zeros that the guard put there are nowhere else.
            _ if self.has_failed() => Ok(()),
            // SAFETY: a shared mapping of a file: what was stored is in the kernel's pages of the file, not in ours,
            // and the next access maps those again.
            Backing::Mapped(_, map) | Backing::Fused(_, map, _) => unsafe {
                map.unchecked_advise_range(advice, from, len)
            },
            // SAFETY: as above, and nothing was stored.
            Backing::ReadOnly(_, map) => unsafe { map.unchecked_advise_range(advice, from, len) },
            _ => Ok(()),
        };
        done.unwrap_or_default();
    }

    /// For the thread that keeps pages ready ahead of the one that writes; `None` for what is not mapped.
    pub fn ahead(&self) -> Option<Ahead> {
        match &self.0 {
            Backing::Mapped(guard, _) => Some(Ahead { watch: guard.watch()?, from: 0 }),
            _ => None,
        }
    }

    /// True if no file stands behind it.
    pub(super) fn is_memory(&self) -> bool {
        matches!(self.0, Backing::Fixed(_) | Backing::Heap(_))
    }

    /// True if its bytes are in memory of ours, whatever becomes of a file.
    pub(super) fn is_private(&self) -> bool {
        !matches!(self.0, Backing::Mapped(..) | Backing::Fused(..) | Backing::ReadOnly(..))
    }

    pub(super) fn is_writable(&self) -> bool {
        !matches!(self.0, Backing::Fixed(_) | Backing::ReadOnly(..))
    }

    /// True once a write-through has failed: the bytes are right in memory and unknown on the disk. Or once the file
    /// under a mapping has: some of the bytes are zeros, unless they were stored after that.
    pub(super) fn has_failed(&self) -> bool {
        match &self.0 {
            Backing::Written { failed, .. } => *failed,
            Backing::Mapped(guard, _) | Backing::Fused(guard, ..) | Backing::ReadOnly(guard, _) => {
                guard.has_failed()
            }
            _ => false,
        }
    }

    /// Plain stores. Nothing written here may mean anything before [`Region::publish`].
    pub(super) fn write(&mut self, at: usize, content: &[u8]) {
        match &mut self.0 {
            Backing::Heap(bytes) => bytes[at..at + content.len()].copy_from_slice(content),
            Backing::Mapped(guard, map) => {
                map[at..at + content.len()].copy_from_slice(content);
                guard.reach(at + content.len());
            }
            Backing::Fused(..) => self.store(at, content),
            Backing::Fixed(_) | Backing::ReadOnly(..) => unreachable!("{NEVER_HEAD}"),
            Backing::Written { bytes, file, failed } => {
                bytes[at..at + content.len()].copy_from_slice(content);
                *failed |= file.write_all_at(content, at as u64).is_err();
            }
            #[cfg(test)]
            Backing::Traced { bytes, states } => {
                for (i, chunk) in content.chunks(8).enumerate() {
                    let at = at + 8 * i;
                    bytes[at..at + chunk.len()].copy_from_slice(chunk);
                    states.push(bytes.clone());
                }
            }
        }
    }

    /// Sixteen bytes at a multiple of eight: the last eight first, then the first eight by one
    /// aligned store that no earlier store may pass. Killed before it, they are not there; after
    /// it, they are whole.
    pub(super) fn publish(&mut self, at: usize, header: [u8; 16]) {
        assert!(at.is_multiple_of(8), "records are aligned");
        match &mut self.0 {
            Backing::Heap(bytes) => bytes[at..at + 16].copy_from_slice(&header),
            Backing::Mapped(_, map) => {
                map[at + 8..at + 16].copy_from_slice(&header[8..]);
                let mut first = [0; 8];
                first.copy_from_slice(&header[..8]);
                let pointer: *mut u64 = map[at..at + 8].as_mut_ptr().cast();
                // SAFETY: eight bytes inside the mapping (the slice above checked it), aligned
                // because a mapping starts on a page and `at` is a multiple of eight, borrowed
                // exclusively through `&mut self`.
                let word = unsafe { AtomicU64::from_ptr(pointer) };
                word.store(u64::from_ne_bytes(first), Ordering::Release);
            }
            Backing::Fused(..) => {
                self.store(at + 8, &header[8..]);
                self.store(at, &header[..8]);
            }
            Backing::Fixed(_) | Backing::ReadOnly(..) => unreachable!("{NEVER_HEAD}"),
            Backing::Written { bytes, file, failed } => {
                bytes[at..at + 16].copy_from_slice(&header);
                // After a failed write the file must not announce what may not be there.
                *failed = *failed || file.write_all_at(&header, at as u64).is_err();
            }
            #[cfg(test)]
            Backing::Traced { bytes, states } => {
                for (at, half) in [(at + 8, &header[8..]), (at, &header[..8])] {
                    bytes[at..at + 8].copy_from_slice(half);
                    states.push(bytes.clone());
                }
            }
        }
    }
}

/// The first store to a page since it was last written to the disk stops the storing thread while the filesystem notes
/// that the page changes. This lets another thread take those stops.
#[derive(Debug)]
pub struct Ahead {
    watch: Watch,
    /// Where the writer was at the last look.
    from: usize,
}

impl Ahead {
    /// Looks how far the writer has come, and makes ready as much as it has written since the last look, and `more`
    /// at the beginning of what nothing has been written to. Gives what goes beyond the end; `None` when the mapping is
    /// gone. Best effort.
    pub fn make_ready(&mut self, more: usize) -> Option<usize> {
        let (len, reached) = self.watch.look()?;
        let written = reached.saturating_sub(self.from);
        self.from = reached;
        let wanted = match reached {
            0 => more,
            // A writer that is slow would have the same page written to the disk twice.
            _ if written < PAGE_BYTES => 0,
            _ => written + written / 8,
        };
        let (first, end) = (reached / PAGE_BYTES * PAGE_BYTES, reached + wanted);
        if wanted > 0 {
            let pages = (end.min(len) - first).next_multiple_of(PAGE_BYTES);
            self.watch.populate(first, pages);
        }
        Some(end.saturating_sub(len))
    }
}

impl Region {
    /// Word by word, as long as the fuse burns. What comes after that goes to memory that is nobody
    /// else's.
    fn store(&mut self, mut at: usize, content: &[u8]) {
        for word in content.chunks(8) {
            if let Backing::Fused(_, map, fuse) = &mut self.0 {
                if fuse.burns() {
                    map[at..at + word.len()].copy_from_slice(word);
                } else {
                    self.0 = Backing::Heap(map.to_vec());
                }
            }
            if let Backing::Heap(bytes) = &mut self.0 {
                bytes[at..at + word.len()].copy_from_slice(word);
            }
            at += word.len();
        }
    }
}

/// How many stores, of eight bytes each, reach the files of a simulated process before it dies.
#[derive(Clone, Copy, Debug)]
pub struct Fuse(&'static AtomicU64);

impl Default for Fuse {
    fn default() -> Fuse {
        Fuse::new()
    }
}

impl Fuse {
    const NOT_LIT: u64 = u64::MAX;

    /// One that does not burn. It is never freed: there is one for a simulated world.
    pub fn new() -> Fuse {
        Fuse(Box::leak(Box::new(AtomicU64::new(Fuse::NOT_LIT))))
    }

    /// So many more stores get through.
    pub fn light(&self, stores: u64) {
        self.0.store(stores, Ordering::Relaxed);
    }

    pub fn put_out(&self) {
        self.0.store(Fuse::NOT_LIT, Ordering::Relaxed);
    }

    pub fn is_lit(&self) -> bool {
        self.0.load(Ordering::Relaxed) != Fuse::NOT_LIT
    }

    /// True once a store has been lost.
    pub fn is_burnt(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }

    /// Takes one store off. The last one of the count is already lost.
    fn burns(&self) -> bool {
        match self.0.load(Ordering::Relaxed) {
            Fuse::NOT_LIT => true,
            left => {
                self.0.store(left.saturating_sub(1), Ordering::Relaxed);
                left > 1
            }
        }
    }
}

fn check(file: &File, len: usize) -> io::Result<()> {
    let wrong = |what| Err(io::Error::new(io::ErrorKind::InvalidInput, what));
    if len == 0 || !len.is_multiple_of(PAGE_BYTES) {
        return wrong("a segment's size is not a multiple of the page size");
    }
    if file.metadata()?.len() < len as u64 {
        return wrong("a segment's file is shorter than the segment");
    }
    Ok(())
}

const _: () = {
    const fn assert_send<T: Send + 'static>() {}
    assert_send::<Region>();
};

#[cfg(test)]
mod tests {
    use super::*;

    /// Faults of this thread so far that no disk was read for.
    fn faults() -> u64 {
        let stat = std::fs::read_to_string("/proc/thread-self/stat").expect("own statistics");
        let (_, fields) = stat.rsplit_once(')').expect("a name in parentheses");
        fields.split(' ').nth(8).and_then(|field| field.parse().ok()).expect("minor faults")
    }

    #[test]
    fn stores_to_pages_that_were_made_ready_do_not_stop_the_writer() {
        // Where the build goes is a disk; pages of memory filesystems come in one piece.
        let dir = std::env::current_exe().expect("a path");
        let path = dir.with_extension(format!("ahead-{}", std::process::id()));
        std::fs::write(&path, vec![0; 64 * PAGE_BYTES]).expect("a file");
        let file = File::options().read(true).write(true).open(&path).expect("a file");
        let mut region = Region::mapped(&file, 64 * PAGE_BYTES).expect("a mapping");
        let mut ahead = region.ahead().expect("mapped");
        let write = |region: &mut Region, from: usize| {
            let before = faults();
            (from..from + 16).for_each(|page| region.write(page * PAGE_BYTES + 8, b"stored"));
            faults() - before
        };
        // Some filesystems give several pages at a time.
        let unready = write(&mut region, 0);
        assert!(unready > 0, "a store to a page that is not ready is counted");
        assert_eq!(ahead.make_ready(0), Some(0));
        let ready = write(&mut region, 16);
        assert!(ready < unready, "{ready} of {unready}");
        assert_eq!(ahead.make_ready(0), Some(0));
        assert_eq!(ahead.make_ready(0), Some(0), "nothing was written since");
        (32..48).for_each(|page| region.write(page * PAGE_BYTES + 8, b"stored"));
        (48..64).for_each(|page| region.write(page * PAGE_BYTES + 8, b"stored"));
        let beyond = ahead.make_ready(0).expect("mapped");
        assert!(beyond > 30 * PAGE_BYTES, "the next segment gets the rest: {beyond}");
        drop(region);
        assert_eq!(ahead.make_ready(0), None, "the mapping is gone");
        std::fs::remove_file(&path).expect("removed");
    }
}
