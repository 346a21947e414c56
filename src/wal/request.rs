//! What a shard asks of its disk and hears back: plain data, so that the world between them may be
//! a thread or a simulation. `log` 0 is the shard's own directory, 1 and up are directories it has
//! adopted.

use crate::model::Shortage;
use crate::wal::header::SegmentKind;
use crate::wal::map::Region;
use crate::wal::place::Seq;
use crate::wal::segment::Unkept;
use crate::wal::slot::CURSOR_BYTES;

/// Asked, in this order of effect: a retired file is used again only after the cursors stored
/// before it are safe.
#[derive(Debug)]
pub enum DiskRequest {
    DeleteCursor {
        log: u16,
        file: String,
    },
    /// Put this segment of the own log into a fresh file, header last, and take the file in doubt that it comes from
    /// out of the way. Answered by [`DiskAnswer::Kept`] or [`DiskAnswer::KeepFailed`].
    Keep {
        kind: SegmentKind,
        segment: Unkept,
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
    /// Everything written so far is to survive power loss. Answered by [`DiskAnswer::Synced`].
    Sync,
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
    /// Stored and, where syncing is on, synced.
    Kept {
        kind: SegmentKind,
        seq: Seq,
        slot: u16,
        region: Region,
    },
    /// There is no fresh file. `region`: the bytes, where they had to be read back.
    KeepFailed {
        kind: SegmentKind,
        seq: Seq,
        region: Option<Region>,
        shortage: Shortage,
        message: String,
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
    PrepareFailed {
        kind: SegmentKind,
        shortage: Shortage,
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
    /// A sync that was asked for is over; what failed was said before.
    Synced,
    /// Once per file: the kernel has dropped what was written to it since the last good sync, and says success from
    /// now on. `file`: the segment file of the own log that it is; `None` for another file.
    SyncFailed {
        file: Option<(SegmentKind, u16)>,
        message: String,
    },
}

const _: () = {
    const fn assert_send<T: Send + 'static>() {}
    assert_send::<DiskRequest>();
    assert_send::<DiskAnswer>();
};
