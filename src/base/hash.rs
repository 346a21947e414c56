//! The one hasher. Two uses with different needs, so two names.

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// Hash for tables and caches that never leave this process. The seed is drawn at start and kept secret, so that a
/// hostile page cannot be built to collide.
#[inline]
pub fn seeded_hash(seed: u64, bytes: &[u8]) -> u64 {
    xxh3_64_with_seed(bytes, seed)
}

/// Hash that means the same on every run and machine (XXH3, seed 0): placement of targets on shards and on
/// connections depends on it, and so does order over a restart.
#[inline]
pub fn stable_hash(bytes: &[u8]) -> u64 {
    xxh3_64(bytes)
}
