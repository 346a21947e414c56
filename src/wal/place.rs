//! Where in a log: segments by sequence, records by segment and offset.

/// Sequence of a segment, from 1, never repeated in a shard's directory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(pub u32);

/// A place in a log: `sequence << 32 | byte offset`. Orders as the log does, whatever the segment
/// sizes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place(pub u64);

impl Place {
    /// Before everything.
    pub const ZERO: Place = Place(0);

    pub fn new(seq: Seq, offset: u32) -> Place {
        Place(u64::from(seq.0) << 32 | u64::from(offset))
    }

    pub fn seq(self) -> Seq {
        Seq((self.0 >> 32) as u32)
    }

    pub fn offset(self) -> u32 {
        self.0 as u32
    }
}

/// A place, and how many samples of the frame there are done with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    pub place: Place,
    pub skip: u32,
}

/// Who writes: goes into every segment header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Random, drawn when the data directory was made.
    pub store: [u8; 16],
    pub shard: u16,
    /// Start number of the process, counted in the data directory.
    pub start: u32,
    /// Counts changes of the number of shards: what belongs to which shard may differ between epochs.
    pub epoch: u32,
}

const _: () = assert!(size_of::<Place>() == 8);
