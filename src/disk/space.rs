//! What a filesystem is and how much it has left.
#![expect(unsafe_code, reason = "statfs has no safe interface in the standard library")]

use std::ffi::CString;
use std::io;
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// How segments are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Backend {
    /// Mapped where that is known to be safe, written elsewhere.
    #[default]
    Auto,
    /// Stores to a shared mapping.
    Mmap,
    /// Memory, and a write for every change: the same bytes.
    Pwrite,
}

// Magic numbers of statfs(2). Copy-on-write filesystems may run out of space on overwriting,
// network and user-space ones may lose a mapping: only these three keep a written block under a
// mapping.
const SAFE_TO_MAP: [libc::c_long; 3] =
    [libc::EXT4_SUPER_MAGIC, libc::XFS_SUPER_MAGIC, libc::TMPFS_MAGIC];

impl Backend {
    /// `Auto` decided for a directory; never gives `Auto`.
    pub fn resolve(self, path: &Path) -> Backend {
        match self {
            Backend::Auto => match statfs(path) {
                Ok(found) if found.is_safe_to_map => Backend::Mmap,
                _ => Backend::Pwrite,
            },
            chosen => chosen,
        }
    }
}

/// Bytes that an unprivileged process may still write.
pub fn free_bytes(path: &Path) -> io::Result<u64> {
    statfs(path).map(|found| found.free_bytes)
}

/// Bytes of the whole filesystem.
pub fn filesystem_bytes(path: &Path) -> io::Result<u64> {
    statfs(path).map(|found| found.bytes)
}

struct Filesystem {
    is_safe_to_map: bool,
    bytes: u64,
    free_bytes: u64,
}

fn statfs(path: &Path) -> io::Result<Filesystem> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let mut found = MaybeUninit::<libc::statfs>::uninit();
    // SAFETY: the path ends in a NUL and outlives the call; the kernel fills the whole struct when
    // it returns 0.
    let code = unsafe { libc::statfs(path.as_ptr(), found.as_mut_ptr()) };
    if code != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call succeeded, so the struct is filled.
    let found = unsafe { found.assume_init() };
    let block = found.f_bsize as u64;
    Ok(Filesystem {
        is_safe_to_map: SAFE_TO_MAP.contains(&found.f_type),
        bytes: block.saturating_mul(found.f_blocks),
        free_bytes: block.saturating_mul(found.f_bavail),
    })
}
