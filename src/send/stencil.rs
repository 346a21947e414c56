//! One stencil as bytes, and where all of them are kept.
//!
//! ```text
//! 0   u8    bit 0: learned with little before it; bit 1: the key has to be spelled out; bit 2: the head is the second
//!           series'; bits 3, 4: the last copy ends where the key of the first or of the second series ends
//! 1   u8    bytes of elements
//! 2   u16   epoch in which it was learned
//! 4   u16   bytes of the key
//! 6   u16   bytes of the head: the key begins as that of one of the two series does
//! 8   u32   first series that it speaks of, or NOBODY
//! 12  u32   second
//! 16  u16   how far back the first series' key is for the copies to be right; 0 for NOBODY
//! 18  u16   and the second's
//! 20  u32   bit i: copy i is of the second
//! 24        Snappy elements for what follows the head: literals of up to 256 bytes, copies of three bytes
//! ```

use crate::base::limits;
use crate::model::SeriesRef;
use crate::send::learn::{Part, Source};

pub const NOBODY: u32 = u32::MAX;
/// Longest key that a stencil can describe.
pub const KEY_BYTES: usize = (1 << 15) - 1;
const HEADER: usize = 24;
/// Most bytes of elements, and most copies among them.
const ELEMENTS: usize = u8::MAX as usize;
const COPIES: u32 = 32;
/// Refs whose stencils lie together.
const BLOCK: usize = 64;
/// Step by which a block grows.
const GROWTH: usize = 256;

const SHALLOW: u8 = 1;
const SPELLED: u8 = 2;
const HEAD_SECOND: u8 = 4;
const ENDS_FIRST: u8 = 8;
const ENDS_SECOND: u8 = 16;

/// Either of the two series that a stencil speaks of.
pub const FIRST: usize = 0;
pub const SECOND: usize = 1;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    flags: u8,
    pub epoch: u16,
    pub key_len: usize,
    pub head: usize,
    pub series: [u32; 2],
    /// How far back their keys must be.
    pub distances: [u16; 2],
    seconds: u32,
}

impl Header {
    /// More might be found when there is more before it.
    #[inline]
    pub fn shallow(&self) -> bool {
        self.flags & SHALLOW != 0
    }

    /// The stencil says nothing: all of the key has to be spelled out.
    #[inline]
    pub fn spelled(&self) -> bool {
        self.flags & SPELLED != 0
    }

    /// It can be used without the labels, and there is no better.
    #[inline]
    pub fn plain(&self) -> bool {
        self.flags & (SHALLOW | SPELLED) == 0
    }

    /// Whose beginning the head is.
    #[inline]
    pub fn head_of(&self) -> usize {
        usize::from(self.flags & HEAD_SECOND != 0)
    }

    /// Whose key ends where the last copy does, so that the value follows in both.
    #[inline]
    pub fn ends_with(&self) -> Option<usize> {
        match self.flags & (ENDS_FIRST | ENDS_SECOND) {
            ENDS_FIRST => Some(FIRST),
            ENDS_SECOND => Some(SECOND),
            _ => None,
        }
    }
}

/// The bytes of one; more may follow.
#[derive(Clone, Copy, Debug)]
pub struct Stencil<'a>(pub &'a [u8]);

/// A piece of a key after the head.
#[derive(Clone, Copy, Debug)]
pub enum Piece<'a> {
    Literal(&'a [u8]),
    /// So many bytes of this series, so far back.
    Copy(usize, u16, usize),
}

impl<'a> Stencil<'a> {
    #[inline]
    pub fn key_len(self) -> usize {
        usize::from(u16::from_le_bytes([self.0[4], self.0[5]]))
    }

    #[inline]
    pub fn header(self) -> Header {
        let bytes = self.0.first_chunk::<HEADER>().expect("a stencil has a header");
        let short = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        let long = |at: usize| u32::from(short(at)) | u32::from(short(at + 2)) << 16;
        Header {
            flags: bytes[0],
            epoch: short(2),
            key_len: usize::from(short(4)),
            head: usize::from(short(6)),
            series: [long(8), long(12)],
            distances: [short(16), short(18)],
            seconds: long(20),
        }
    }

    /// The elements, and whatever follows them.
    #[inline]
    pub fn elements(self) -> (usize, &'a [u8]) {
        (usize::from(self.0[1]), &self.0[HEADER..])
    }

    pub fn pieces(self) -> impl Iterator<Item = Piece<'a>> {
        let (len, elements) = self.elements();
        let (mut rest, mut seconds) = (&elements[..len], self.header().seconds);
        core::iter::from_fn(move || {
            let (literal, len) = element(rest)?;
            let (element, after) = rest.split_at(len);
            rest = after;
            if let Some(from) = literal {
                return Some(Piece::Literal(&element[from..]));
            }
            let of = (seconds & 1) as usize;
            seconds >>= 1;
            let distance = u16::from_le_bytes([element[1], element[2]]);
            Some(Piece::Copy(of, distance, usize::from(element[0] >> 2) + 1))
        })
    }
}

/// Where the bytes of a literal begin, `None` for a copy; and the bytes of the element.
#[inline]
fn element(bytes: &[u8]) -> Option<(Option<usize>, usize)> {
    let tag = *bytes.first()?;
    Some(match (tag & 3, usize::from(tag >> 2)) {
        (0, 60) => (Some(2), 3 + usize::from(*bytes.get(1)?)),
        (0, len) => (Some(1), 2 + len),
        _ => (None, 3),
    })
}

/// What a new stencil is made of, but for the parts.
#[derive(Clone, Copy, Debug)]
pub struct Learned {
    pub shallow: bool,
    pub epoch: u16,
    pub series: [u32; 2],
    /// How far back their keys are now; 0 for nobody.
    pub distances: [u32; 2],
    /// Bytes of their keys.
    pub ends: [usize; 2],
}

/// Writes a stencil of these parts of `key` to `out`.
pub fn write(parts: &[Part], key: &[u8], learned: &Learned, out: &mut Vec<u8>) {
    out.clear();
    out.resize(HEADER, 0);
    let mut flags = if learned.shallow { SHALLOW } else { 0 };
    let (mut head, mut done, mut copies, mut seconds) = (0, 0, 0, 0);
    for part in parts {
        let of = match part.source {
            Source::Own => None,
            Source::First => Some(FIRST),
            Source::Second => Some(SECOND),
        };
        match of {
            None => put_literal(&key[done..done + part.len], out),
            Some(of) if done == 0 && part.from == 0 => {
                head = part.len;
                flags |= if of == SECOND { HEAD_SECOND } else { 0 };
            }
            Some(of) => {
                let distance = learned.distances[of] as usize + done - part.from;
                for from in (0..part.len).step_by(64) {
                    let len = (part.len - from).min(64);
                    out.push(((len - 1) << 2 | 2) as u8);
                    out.extend_from_slice(&(distance as u16).to_le_bytes());
                    seconds |= (of as u32).checked_shl(copies).unwrap_or(0);
                    copies += 1;
                }
            }
        }
        done += part.len;
    }
    match parts.last() {
        _ if out.len() == HEADER => {}
        Some(Part { source: Source::First, from, len }) if from + len == learned.ends[FIRST] => {
            flags |= ENDS_FIRST;
        }
        Some(Part { source: Source::Second, from, len }) if from + len == learned.ends[SECOND] => {
            flags |= ENDS_SECOND;
        }
        _ => {}
    }
    let mut series = learned.series;
    let mut distances = learned.distances.map(|distance| distance as u16);
    if out.len() - HEADER > ELEMENTS || copies > COPIES {
        out.truncate(HEADER);
        flags = flags & SHALLOW | SPELLED;
        (head, series, distances, seconds) = (0, [NOBODY; 2], [0; 2], 0);
    }
    out[0] = flags;
    out[1] = (out.len() - HEADER) as u8;
    out[2..4].copy_from_slice(&learned.epoch.to_le_bytes());
    out[4..6].copy_from_slice(&(key.len() as u16).to_le_bytes());
    out[6..8].copy_from_slice(&(head as u16).to_le_bytes());
    out[8..12].copy_from_slice(&series[FIRST].to_le_bytes());
    out[12..16].copy_from_slice(&series[SECOND].to_le_bytes());
    out[16..18].copy_from_slice(&distances[FIRST].to_le_bytes());
    out[18..20].copy_from_slice(&distances[SECOND].to_le_bytes());
    out[20..24].copy_from_slice(&seconds.to_le_bytes());
}

fn put_literal(bytes: &[u8], out: &mut Vec<u8>) {
    for bytes in bytes.chunks(256) {
        if bytes.len() <= 60 {
            out.push((bytes.len() as u8 - 1) << 2);
        } else {
            out.extend_from_slice(&[60 << 2, (bytes.len() - 1) as u8]);
        }
        out.extend_from_slice(bytes);
    }
}

/// Stencils of 64 refs.
#[derive(Debug)]
struct Block {
    /// One more than the place in `bytes`; 0 where there is none.
    starts: [u16; BLOCK],
    bytes: Vec<u8>,
    /// Bytes that nobody refers to.
    dead: usize,
}

/// Stencils by ref.
#[derive(Debug, Default)]
pub struct Blocks {
    blocks: Vec<Option<Box<Block>>>,
    /// Bytes that they take.
    held: usize,
}

impl Blocks {
    #[inline]
    pub fn get(&self, series: SeriesRef) -> Option<Stencil<'_>> {
        let block = self.blocks.get(series.0 as usize / BLOCK)?.as_ref()?;
        let start = usize::from(block.starts[series.0 as usize % BLOCK]);
        Some(Stencil(&block.bytes[start.checked_sub(1)?..]))
    }

    /// Keeps it, in place of the one before; not if memory is used up.
    pub fn keep(&mut self, series: SeriesRef, stencil: &[u8]) {
        self.remove(series);
        if self.full() {
            return;
        }
        let at = series.0 as usize / BLOCK;
        if at >= self.blocks.len() {
            self.blocks.resize_with(at + 1, || None);
        }
        let held = &mut self.held;
        let block = self.blocks[at].get_or_insert_with(|| {
            *held += size_of::<Block>();
            Box::new(Block { starts: [0; BLOCK], bytes: Vec::new(), dead: 0 })
        });
        if block.bytes.len() + stencil.len() > block.bytes.capacity() {
            block.compact();
        }
        let start = block.bytes.len();
        if start + stencil.len() >= usize::from(u16::MAX) {
            return;
        }
        if start + stencil.len() > block.bytes.capacity() {
            let before = block.bytes.capacity();
            block.bytes.reserve_exact(stencil.len().max(GROWTH));
            self.held += block.bytes.capacity() - before;
        }
        block.bytes.extend_from_slice(stencil);
        block.starts[series.0 as usize % BLOCK] = start as u16 + 1;
    }

    /// Nothing more is kept.
    pub fn full(&self) -> bool {
        self.held > limits::STENCIL_BYTES
    }

    /// Makes a stencil right for keys that are so far back now.
    pub fn aim(&mut self, series: SeriesRef, distances: [u32; 2]) {
        let block = self.blocks.get_mut(series.0 as usize / BLOCK).and_then(Option::as_mut);
        let Some(block) = block else { return };
        let start = usize::from(block.starts[series.0 as usize % BLOCK]);
        let Some(stencil) = start.checked_sub(1).and_then(|start| block.bytes.get_mut(start..))
        else {
            return;
        };
        let header = Stencil(stencil).header();
        let more = [0, 1].map(|of| (distances[of] as u16).wrapping_sub(header.distances[of]));
        for of in [FIRST, SECOND] {
            let at = 16 + 2 * of;
            stencil[at..at + 2].copy_from_slice(&(distances[of] as u16).to_le_bytes());
        }
        let (mut at, end) = (HEADER, HEADER + usize::from(stencil[1]));
        let mut seconds = header.seconds;
        while let Some((literal, len)) = element(&stencil[at..end]) {
            if literal.is_none() {
                let distance = u16::from_le_bytes([stencil[at + 1], stencil[at + 2]]);
                let distance = distance.wrapping_add(more[(seconds & 1) as usize]);
                stencil[at + 1..at + 3].copy_from_slice(&distance.to_le_bytes());
                seconds >>= 1;
            }
            at += len;
        }
    }

    pub fn remove(&mut self, series: SeriesRef) {
        let at = series.0 as usize / BLOCK;
        let Some(Some(block)) = self.blocks.get_mut(at) else { return };
        let start = core::mem::take(&mut block.starts[series.0 as usize % BLOCK]);
        if let Some(start) = usize::from(start).checked_sub(1) {
            block.dead += length(&block.bytes[start..]);
            if block.dead == block.bytes.len() {
                self.held -= size_of::<Block>() + block.bytes.capacity();
                self.blocks[at] = None;
            }
        }
    }

    /// Bytes of memory in use.
    pub fn held(&self) -> usize {
        self.held + self.blocks.capacity() * size_of::<Option<Box<Block>>>()
    }
}

impl Block {
    /// Closes the gaps, if there are enough of them.
    fn compact(&mut self) {
        if self.dead * 4 < self.bytes.len() {
            return;
        }
        let mut bytes = Vec::with_capacity(self.bytes.capacity());
        for start in self.starts.iter_mut().filter(|start| **start > 0) {
            let old = &self.bytes[usize::from(*start) - 1..];
            *start = bytes.len() as u16 + 1;
            bytes.extend_from_slice(&old[..length(old)]);
        }
        self.bytes = bytes;
        self.dead = 0;
    }
}

fn length(stencil: &[u8]) -> usize {
    HEADER + usize::from(stencil[1])
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &[u8] = b"a key that begins like one, goes on like another, and ends like the first";

    fn stencil(series: [u32; 2], distances: [u32; 2]) -> Vec<u8> {
        let part = |source, from, len| Part { source, from, len };
        let parts = [
            part(Source::Second, 0, 10),
            part(Source::Own, 10, 3),
            part(Source::First, 20, 57),
            part(Source::Second, 80, 3),
        ];
        let learned = Learned { shallow: false, epoch: 7, series, distances, ends: [90, 83] };
        let mut out = Vec::new();
        write(&parts, KEY, &learned, &mut out);
        out
    }

    fn copies(stencil: Stencil<'_>) -> Vec<(usize, u16, usize)> {
        let copy = |piece| match piece {
            Piece::Copy(of, distance, len) => Some((of, distance, len)),
            Piece::Literal(bytes) => {
                assert_eq!(bytes, &KEY[10..13]);
                None
            }
        };
        stencil.pieces().filter_map(copy).collect()
    }

    #[test]
    fn what_is_kept_is_found_and_aimed() {
        let mut blocks = Blocks::default();
        for series in [5, 6, 70] {
            blocks.keep(SeriesRef(series), &stencil([series, 99], [1000, 3000]));
        }
        blocks.aim(SeriesRef(6), [1000, 2990]);
        for (series, back) in [(5, 3000u16), (6, 2990), (70, 3000)] {
            let found = blocks.get(SeriesRef(series)).expect("kept");
            let header = found.header();
            assert_eq!((header.series, header.distances), ([series, 99], [1000, back]));
            assert_eq!((header.epoch, header.key_len, header.head), (7, KEY.len(), 10));
            assert_eq!((header.head_of(), header.ends_with()), (SECOND, Some(SECOND)));
            assert_eq!(copies(found), [(FIRST, 993, 57), (SECOND, back - 10, 3)]);
        }
        blocks.remove(SeriesRef(5));
        assert!(blocks.get(SeriesRef(5)).is_none() && blocks.get(SeriesRef(6)).is_some());
    }

    #[test]
    fn a_stencil_that_would_be_too_long_says_nothing() {
        let long = [b'x'; 1000];
        let parts = [Part { source: Source::Own, from: 0, len: 1000 }];
        let learned =
            Learned { shallow: true, epoch: 0, series: [1, 2], distances: [10, 20], ends: [0; 2] };
        let mut out = Vec::new();
        write(&parts, &long, &learned, &mut out);
        let header = Stencil(&out).header();
        assert!(header.spelled() && header.shallow() && out.len() == HEADER);
        assert_eq!((header.key_len, header.series), (1000, [NOBODY; 2]));
    }

    #[test]
    fn memory_is_bounded_and_given_back() {
        let (mut blocks, stencil) = (Blocks::default(), stencil([1, 2], [1000, 3000]));
        let mut series = 0;
        for _ in 0..3 {
            while blocks.held() + 1000 < limits::STENCIL_BYTES && series < 1 << 16 {
                blocks.keep(SeriesRef(series), &stencil);
                series += 1;
            }
            for _ in 0..200 {
                blocks.keep(SeriesRef(3), &stencil);
            }
        }
        assert!(blocks.held() < (1 << 16) * 60, "{}", blocks.held());
        for series in 0..series {
            blocks.remove(SeriesRef(series));
        }
        assert!(blocks.held() <= (1 << 10) * 8 * 2, "{}", blocks.held());
    }
}
