//! What a shard asks of its disk and hears back: plain data, so that the world between them may be
//! a thread or a simulation. `log` 0 is the shard's own directory, 1 and up are directories it has
//! adopted.

use crate::wal::cursor::CURSOR_BYTES;
use crate::wal::header::SegmentKind;
use crate::wal::map::Region;
use crate::wal::place::Seq;

/// Asked, in this order of effect: a retired file is used again only after the cursors stored
/// before it are safe.
#[derive(Debug)]
pub enum DiskRequest {
    DeleteCursor {
        log: u16,
        file: String,
    },
    /// Bring the bytes of a sealed samples segment.
    Load {
        log: u16,
        seq: Seq,
        slot: u16,
    },
    /// A spare, every byte of it written.
    Prepare {
        kind: SegmentKind,
    },
    /// Refused samples, a line of text each, for a file of bounded size in the own directory.
    Quarantine {
        lines: Vec<u8>,
    },
    /// Bytes that are not needed for now; their file stays.
    Release(Region),
    /// The directory holds nothing that anybody waits for.
    RemoveLog {
        log: u16,
    },
    Retire {
        log: u16,
        kind: SegmentKind,
        slot: u16,
        region: Option<Region>,
    },
    /// Also the ledger's page.
    StoreCursor {
        log: u16,
        file: String,
        page: Box<[u8; CURSOR_BYTES]>,
        sequence: u64,
    },
}

/// Answered. Messages are for people.
#[derive(Debug)]
pub enum DiskAnswer {
    CursorFailed {
        log: u16,
        file: String,
        sequence: u64,
        message: String,
    },
    /// The page survives the death of the process; power loss, after the next sync.
    CursorStored {
        log: u16,
        file: String,
        sequence: u64,
    },
    Loaded {
        log: u16,
        seq: Seq,
        region: Region,
    },
    LoadFailed {
        log: u16,
        seq: Seq,
        message: String,
    },
    /// `full`: the disk or the budget has no room, which retiring may change.
    PrepareFailed {
        kind: SegmentKind,
        full: bool,
        message: String,
    },
    Prepared {
        kind: SegmentKind,
        slot: u16,
        region: Region,
    },
    /// `error`: the lines could not be written.
    Quarantined {
        error: Option<String>,
    },
    Removed {
        log: u16,
    },
    /// Once per file: what was written to it since the last good sync may not survive power loss.
    SyncFailed {
        message: String,
    },
}

const _: () = {
    const fn assert_send<T: Send + 'static>() {}
    assert_send::<DiskRequest>();
    assert_send::<DiskAnswer>();
};
