//! What a shard is born with.

use crate::wal::{CursorPage, FoundSegment, Identity, LedgerPage, Seq};

/// Crosses to the core once, before the shard exists. The configuration follows as orders.
#[derive(Debug)]
pub struct Plan {
    pub shard: u16,
    pub identity: Identity,
    pub segment_bytes: usize,
    /// Secret to this process: hashes, salts and jitter come from it.
    pub seed: u64,
    /// Spreads target phases; the same on every run of this host with these external labels (SCR-1).
    pub phase_seed: u64,
    /// Without room for more, give up the oldest; otherwise take in nothing new.
    pub sheds: bool,
    /// Sync every commit at once.
    pub syncs_each: bool,
    /// The shard's own directory first, then the adopted ones. Never empty.
    pub logs: Vec<FoundLog>,
}

/// One log directory as recovery found it.
#[derive(Debug, Default)]
pub struct FoundLog {
    pub samples: Vec<FoundSegment>,
    pub dictionary: Vec<FoundSegment>,
    /// Cursor file name and content.
    pub cursors: Vec<(String, CursorPage)>,
    pub ledger: Option<LedgerPage>,
    /// Highest segment number that any file of the directory mentions.
    pub highest_seq: Seq,
}
