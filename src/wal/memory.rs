//! What has no trustworthy file: segments that the disk gave none for, and those whose file is in
//! doubt since a sync or a write failed. They are appended to, read and retired like all others, and
//! put into a fresh file, with the same sequence and the same bytes, as soon as there is one.

use crate::wal::dictionary::Dictionary;
use crate::wal::log::{Located, Log};
use crate::wal::map::Region;
use crate::wal::place::Seq;
use crate::wal::segment::{Home, Retired, Segment, Unkept};

impl Log {
    /// So many segments may be in memory while there is no file for them.
    pub fn set_memory(&mut self, segments: usize) {
        self.memory_max = segments;
    }

    /// Segments without a trustworthy file, the head included.
    pub fn unkept(&self) -> usize {
        self.unkept
    }

    pub(super) fn recount(&mut self) {
        self.unkept = self.segments.iter().filter(|segment| !segment.is_kept()).count();
    }

    /// Bytes of memory that they take.
    pub fn memory_bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.memory_bytes() as u64).sum()
    }

    /// True if so many segments more can be had without a file.
    pub fn has_memory(&self, segments: usize) -> bool {
        self.unkept + segments <= self.memory_max
    }

    /// True if a page more is likely to fit: there is another segment to go on in, or a good part of this one.
    pub fn has_room(&self) -> bool {
        let head = self.segments.back().filter(|_| self.has_head);
        let fits = |head: &Segment| head.fits(head.bytes().len() / 4);
        self.spare.is_some() || self.has_memory(1) || head.is_some_and(fits)
    }

    pub fn head_in_memory(&self) -> bool {
        self.has_head && self.segments.back().is_some_and(|head| head.home == Home::Memory)
    }

    /// The oldest segment that is only in memory.
    pub fn oldest_in_memory(&self) -> Option<Seq> {
        let mut segments = self.segments.iter();
        segments.find(|segment| segment.home == Home::Memory).map(|found| found.header.seq)
    }

    /// The oldest segment that should get a fresh file, but not the head, which is still written to.
    pub fn next_unkept(&self) -> Option<Unkept> {
        let sealed = self.segments.len() - usize::from(self.has_head);
        self.segments.iter().take(sealed).find_map(Segment::unkept)
    }

    /// A fresh file holds segment `seq`. Gives back the bytes that stood for it; `Err` with the file
    /// if that is not wanted any more.
    pub fn kept(
        &mut self,
        seq: Seq,
        slot: u16,
        region: Region,
    ) -> Result<Option<Region>, (u16, Region)> {
        match self.locate(seq) {
            Located::At(index) if !self.segments[index].is_kept() => {
                let before = self.segments[index].move_to(slot, region);
                self.recount();
                Ok(before)
            }
            _ => Err((slot, region)),
        }
    }

    /// There is no fresh file for segment `seq`. `region`: its bytes as they were read back; without
    /// them what is mapped is copied while it is there. Gives back what is not needed any more.
    pub fn keep_in_memory(&mut self, seq: Seq, region: Option<Region>) -> Option<Region> {
        match self.locate(seq) {
            Located::At(index) => {
                let unneeded = self.segments[index].move_to_memory(region);
                self.recount();
                unneeded
            }
            _ => region,
        }
    }

    /// What this file holds is in doubt: nothing more goes into it, and its segment gets a fresh
    /// one. A spare is given back.
    pub fn distrust(&mut self, slot: u16) -> Option<Retired> {
        if let Some((slot, region)) = self.spare.take_if(|(spare, _)| *spare == slot) {
            return Some(Retired { slot: Some(slot), region: Some(region), samples: 0 });
        }
        let last = self.segments.len().saturating_sub(1);
        let mut segments = self.segments.iter_mut().enumerate();
        if let Some((index, segment)) = segments.find(|(_, held)| held.home == Home::File(slot)) {
            segment.home = Home::Doubt(slot);
            self.has_head &= index != last;
            self.recount();
        }
        None
    }

    /// Nothing more goes into a head whose file was taken away. True if it was.
    pub fn leave_failed_head(&mut self) -> bool {
        let failed = self.has_head && self.segments.back().is_some_and(Segment::has_failed);
        if failed {
            self.doubt_head();
        }
        failed
    }

    pub(super) fn doubt_head(&mut self) {
        if let Some(slot) = self.segments.back().and_then(Segment::slot) {
            self.distrust(slot);
        }
    }

    /// Lets go of segments below `passed` that are only in memory, wherever they stand: nobody will
    /// read them again, and no cursor that is stored holds them. Never of the newest.
    /// `keeping`: is being put into a file, so it stays.
    /// Gives the highest that went.
    pub fn drop_memory(&mut self, passed: Seq, keeping: Option<Seq>) -> Option<Seq> {
        let mut dropped = None;
        let last = self.segments.back().map(|segment| segment.header.seq);
        let gone = |segment: &Segment| {
            let seq = segment.header.seq;
            let stays = Some(seq) == last || Some(seq) == keeping;
            segment.home == Home::Memory && seq < passed && !stays
        };
        while let Some(index) = self.segments.iter().position(gone) {
            let gone = self.segments.remove(index)?;
            dropped = dropped.max(Some(gone.header.seq));
            self.memory_spare = gone.region;
            self.recount();
        }
        dropped
    }

    /// Memory is not needed any more.
    pub fn drop_memory_spare(&mut self) {
        self.memory_spare = None;
    }
}

impl Dictionary {
    /// As [`Log::set_memory`].
    pub fn set_memory(&mut self, segments: usize) {
        self.memory_max = segments;
    }

    /// As [`Log::unkept`].
    pub fn unkept(&self) -> usize {
        self.unkept
    }

    /// As [`Log::memory_bytes`].
    pub fn memory_bytes(&self) -> u64 {
        self.entries().map(|entry| entry.segment.memory_bytes() as u64).sum()
    }

    pub fn head_in_memory(&self) -> bool {
        self.has_head && self.head().is_some_and(|head| head.home == Home::Memory)
    }

    /// The next definition begins a new segment.
    pub fn close_head(&mut self) {
        self.has_head = false;
    }

    /// As [`Log::next_unkept`].
    pub fn next_unkept(&self) -> Option<Unkept> {
        let sealed = self.order.len() - usize::from(self.has_head);
        self.entries().take(sealed).find_map(|entry| entry.segment.unkept())
    }

    /// As [`Log::kept`].
    pub fn kept(
        &mut self,
        seq: Seq,
        slot: u16,
        region: Region,
    ) -> Result<Option<Region>, (u16, Region)> {
        match self.segment_mut(|segment| segment.header.seq == seq && !segment.is_kept()) {
            Some(segment) => {
                let before = segment.move_to(slot, region);
                self.unkept -= 1;
                Ok(before)
            }
            None => Err((slot, region)),
        }
    }

    /// As [`Log::keep_in_memory`].
    pub fn keep_in_memory(&mut self, seq: Seq, region: Option<Region>) -> Option<Region> {
        match self.segment_mut(|segment| segment.header.seq == seq) {
            Some(segment) => segment.move_to_memory(region),
            None => region,
        }
    }

    /// As [`Log::distrust`].
    pub fn distrust(&mut self, slot: u16) -> Option<Retired> {
        if let Some((slot, region)) = self.spare.take_if(|(spare, _)| *spare == slot) {
            return Some(Retired { slot: Some(slot), region: Some(region), samples: 0 });
        }
        let head = self.head().map(|head| head.home);
        if let Some(segment) = self.segment_mut(|segment| segment.home == Home::File(slot)) {
            segment.home = Home::Doubt(slot);
            self.has_head &= head != Some(Home::File(slot));
            self.unkept += 1;
        }
        None
    }

    /// As [`Log::leave_failed_head`].
    pub fn leave_failed_head(&mut self) -> bool {
        let failed = self.has_head && self.head().is_some_and(Segment::has_failed);
        if failed {
            self.doubt_head();
        }
        failed
    }

    pub(super) fn doubt_head(&mut self) {
        if let Some(slot) = self.head().and_then(Segment::slot) {
            self.distrust(slot);
        }
    }

    fn segment_mut(&mut self, is: impl Fn(&Segment) -> bool) -> Option<&mut Segment> {
        let segments = self.table.iter_mut().flatten().map(|entry| &mut entry.segment);
        segments.into_iter().find(|segment| is(segment))
    }
}
