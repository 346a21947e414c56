//! Runs one shard on one core: completions become events, effects become I/O.
//!
//! - The driver is the only owner of the shard; nothing else on the core can touch it.
//! - Completions that are there are handed over together, then the shard gets its `Tick`: what was committed by many
//!   scrapes in one wake goes out in one request.
//!
//! May use: base, mail, tls, wal (disk mail only), shard, io, disk.

mod drive;

pub use drive::{Desk, drive};
