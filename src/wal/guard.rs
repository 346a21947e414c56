//! What keeps a mapped file that somebody truncates, or that cannot be read any more, from ending the
//! process. A load or store there raises SIGBUS; if it hits a mapping of ours, the page is replaced by
//! an anonymous one of zeros, the mapping is marked, and the instruction goes on. Any other SIGBUS has
//! its usual effect.
#![expect(unsafe_code, reason = "a signal handler, and the mapping of one page over another")]

use std::ffi::{c_int, c_void};
use std::ptr;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

/// Mappings watched at once. Those beyond are not guarded.
const PLACES: usize = 4096;

/// One watched mapping; free while `start` is 0, not in force while `len` is.
struct Place {
    start: AtomicUsize,
    len: AtomicUsize,
    /// Where the last store ended.
    reached: AtomicUsize,
    failed: AtomicBool,
}

static PLACE: [Place; PLACES] = [const {
    Place {
        start: AtomicUsize::new(0),
        len: AtomicUsize::new(0),
        reached: AtomicUsize::new(0),
        failed: AtomicBool::new(false),
    }
}; PLACES];
static LOST: AtomicU64 = AtomicU64::new(0);
static PAGE: AtomicUsize = AtomicUsize::new(0);
static INSTALLED: Once = Once::new();

/// Pages replaced since the process began, in all mappings: when this changes between two looks, what
/// was read from a mapping in between may be zeros.
pub fn pages_lost() -> u64 {
    LOST.load(Ordering::Relaxed)
}

/// Guards a mapping as long as it lives; must go before the mapping does.
pub(super) struct Guard {
    place: Option<usize>,
}

impl Guard {
    pub(super) fn of(mapping: &[u8]) -> Guard {
        INSTALLED.call_once(install);
        let start = mapping.as_ptr() as usize;
        let free = |place: &Place| {
            place.start.compare_exchange(0, start, Ordering::AcqRel, Ordering::Relaxed).is_ok()
        };
        let place = PLACE.iter().position(free);
        if let Some(place) = place.map(|place| &PLACE[place]) {
            place.failed.store(false, Ordering::Relaxed);
            place.reached.store(0, Ordering::Relaxed);
            place.len.store(mapping.len(), Ordering::Release);
        }
        Guard { place }
    }

    /// True once a page of it was replaced.
    pub(super) fn has_failed(&self) -> bool {
        self.place.is_some_and(|place| PLACE[place].failed.load(Ordering::Relaxed))
    }

    /// A store ended there.
    #[inline]
    pub(super) fn reach(&self, end: usize) {
        if let Some(place) = self.place {
            PLACE[place].reached.store(end, Ordering::Relaxed);
        }
    }

    /// Where the last store ended; 0: there was none.
    pub(super) fn reached(&self) -> usize {
        self.place.map_or(0, |place| PLACE[place].reached.load(Ordering::Relaxed))
    }

    /// For another thread, which may have it longer than the mapping lives.
    pub(super) fn watch(&self) -> Option<Watch> {
        let place = self.place?;
        Some(Watch { place, start: PLACE[place].start.load(Ordering::Relaxed) })
    }
}

/// A mapping that another thread writes to, or that was there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Watch {
    place: usize,
    start: usize,
}

impl Watch {
    /// Length of the mapping, and where the last store ended. `None` when it is gone.
    pub(super) fn look(&self) -> Option<(usize, usize)> {
        let place = &PLACE[self.place];
        let len = place.len.load(Ordering::Acquire);
        let reached = place.reached.load(Ordering::Relaxed);
        let same = place.start.load(Ordering::Acquire) == self.start && len > 0;
        same.then_some((len, reached))
    }

    /// Makes pages ready to be stored to. Best effort: kernels before 5.14 do not know it.
    pub(super) fn populate(&self, from: usize, bytes: usize) {
        let first = (self.start + from) as *mut c_void;
        // SAFETY: it changes no byte, whoever has the mapping: one that is gone by now is an error, and another that came
        // there gets pages earlier than it would have.
        unsafe { libc::madvise(first, bytes, libc::MADV_POPULATE_WRITE) };
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(place) = self.place.map(|place| &PLACE[place]) {
            place.len.store(0, Ordering::Release);
            place.start.store(0, Ordering::Release);
        }
    }
}

fn install() {
    // SAFETY: no memory is involved.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    PAGE.store(usize::try_from(page).unwrap_or(4096), Ordering::Relaxed);
    let handler: extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void) = on_bus_error;
    // SAFETY: all zeros is a valid `sigaction`, filled below.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler as usize;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_RESTART;
    // SAFETY: the handler has the signature that SA_SIGINFO asks for and calls only what a signal
    // handler may. If the call fails, the default stays: the process ends as it would have.
    unsafe { libc::sigaction(libc::SIGBUS, &raw const action, ptr::null_mut()) };
}

/// Atomics, `mmap`, `sigaction` and `raise`: all of them may be called here.
extern "C" fn on_bus_error(signal: c_int, info: *mut libc::siginfo_t, _: *mut c_void) {
    // SAFETY: the kernel hands over a valid `siginfo_t`, and for SIGBUS it holds an address; errno is
    // this thread's own.
    let (code, address, errno) =
        unsafe { ((*info).si_code, (*info).si_addr() as usize, *libc::__errno_location()) };
    // Sent by a process, not caused by an access, if not positive.
    if code > 0 && replace(address) {
        // SAFETY: as above.
        unsafe { *libc::__errno_location() = errno };
        return;
    }
    // SAFETY: all zeros is `SIG_DFL` without flags. With the default in force the signal raised here
    // ends the process as soon as this handler has returned.
    unsafe {
        let default: libc::sigaction = std::mem::zeroed();
        libc::sigaction(signal, &raw const default, ptr::null_mut());
        libc::raise(signal);
    }
}

/// Puts a page of zeros where the address is, if it is in a watched mapping.
fn replace(address: usize) -> bool {
    let page = PAGE.load(Ordering::Relaxed);
    let hit = PLACE.iter().find(|place| {
        let len = place.len.load(Ordering::Acquire);
        let start = place.start.load(Ordering::Acquire);
        address.checked_sub(start).is_some_and(|offset| offset < len)
    });
    let Some(place) = hit else { return false };
    let at = (address & !(page - 1)) as *mut c_void;
    let access = libc::PROT_READ | libc::PROT_WRITE;
    let how = libc::MAP_FIXED | libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: the page lies in a mapping that is ours as long as its place is in force, and the thread
    // that uses it is the one that is interrupted here; unmapping takes the new page along.
    let mapped = unsafe { libc::mmap(at, page, access, how, -1, 0) };
    if mapped != at {
        return false;
    }
    place.failed.store(true, Ordering::Relaxed);
    LOST.fetch_add(1, Ordering::Relaxed);
    true
}

#[cfg(test)]
mod tests {
    use crate::wal::Region;

    #[test]
    fn a_file_cut_short_under_its_mapping_reads_as_zeros_and_is_marked() {
        let path = std::env::temp_dir().join(format!("corelane-guard-{}", std::process::id()));
        std::fs::write(&path, vec![7; 4 * 65536]).expect("a file");
        let file = std::fs::File::options().read(true).write(true).open(&path).expect("a file");
        let mut region = Region::mapped(&file, 4 * 65536).expect("a mapping");
        let reader = Region::mapped_read_only(&file, 4 * 65536).expect("a mapping");
        assert_eq!((region.bytes()[200_000], region.has_failed()), (7, false));
        file.set_len(65536).expect("cut");
        let before = super::pages_lost();
        region.write(200_000, b"stored");
        assert_eq!(region.bytes()[200_000..200_006], *b"stored");
        assert_eq!((region.bytes()[65_535], region.bytes()[70_000]), (7, 0));
        assert_eq!((reader.bytes()[0], reader.bytes()[100_000]), (7, 0));
        assert!(region.has_failed() && reader.has_failed());
        assert!(super::pages_lost() >= before + 3);
        drop((region, reader));
        std::fs::remove_file(&path).expect("removed");
    }
}
