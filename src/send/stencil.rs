//! One stencil as bytes, and where all of them are kept: each once, however many series have the same.
//!
//! ```text
//! 0   u8    bit 0: learned with little before it; bit 1: the key has to be spelled out; bit 2: the head is the second
//!           series'; bits 3, 4: the last copy ends where the key of the first or of the second series ends; bits 5, 6:
//!           it speaks of a first and of a second series
//! 1   u8    bytes of elements
//! 2   u8    bytes of elements in the first of two words; 0: they are not in words
//! 3   u8    0
//! 4   u16   bytes of the key
//! 6   u16   bytes of the head: the key begins as that of one of the two series does
//! 8   u32   ref of the first series, less that of the series whose stencil it is
//! 12  u32   and of the second
//! 16  u16   taken off how far back the first series' key is, before it is added to its copies' distances
//! 18  u16   and the second's
//! 20  u32   bit i: copy i is of the second
//! 24  u32   series that have it
//! 28        Snappy elements for what follows the head: literals of up to 256 bytes, copies of three bytes, whose distance
//!           is that of the series they are of, which is added when they are written
//!           in words, the first zeroed beyond its elements: 2 × 16 bytes; then four words of 16 bytes with a 1 where a
//!           distance begins: of the first series in the first and in the second word, of the second in either
//! ```
//!
//! Nothing in it says which series has it, or where: the keys of a family have the same stencil in every target that
//! shows the family, so there are some thousands, whatever the number of series.

use hashbrown::HashTable;

use crate::base::limits;
use crate::base::seeded_hash;
use crate::send::learn::{Part, Source};
use crate::send::ops::Ops;

pub const NOBODY: u32 = u32::MAX;
/// Longest key that a stencil can describe.
pub const KEY_BYTES: usize = (1 << 15) - 1;
const HEADER: usize = 28;
/// Place of the count of series.
const COUNT: usize = 24;
/// Most bytes of elements, and most copies among them.
const ELEMENTS: usize = u8::MAX as usize;
const COPIES: u32 = 32;
/// Of elements.
const WORD: usize = 16;
/// Stencils begin at multiples of it.
const UNIT: usize = 16;
/// Units of the largest.
const UNITS_MAX: usize = (HEADER + ELEMENTS).div_ceil(UNIT);

const SHALLOW: u8 = 1;
const SPELLED: u8 = 2;
const HEAD_SECOND: u8 = 4;
const ENDS_FIRST: u8 = 8;
const ENDS_SECOND: u8 = 16;
const HAS_FIRST: u8 = 32;

/// Either of the two series that a stencil speaks of.
pub const FIRST: usize = 0;
pub const SECOND: usize = 1;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    flags: u8,
    pub key_len: usize,
    pub head: usize,
    /// Their refs, less that of the series whose stencil it is.
    steps: [u32; 2],
    biases: [u16; 2],
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

    /// It speaks of a first or of a second series.
    #[inline]
    pub fn has(&self, of: usize) -> bool {
        self.flags & (HAS_FIRST << of) != 0
    }

    /// Which series that is, for the one that has the stencil; or NOBODY.
    #[inline]
    pub fn series(&self, of: usize, own: u32) -> u32 {
        if self.has(of) { own.wrapping_add(self.steps[of]) } else { NOBODY }
    }
}

/// The bytes of one; more may follow.
#[derive(Clone, Copy, Debug)]
pub struct Stencil<'a>(pub &'a [u8]);

/// A piece of a key after the head.
#[derive(Clone, Copy, Debug)]
pub enum Piece<'a> {
    Literal(&'a [u8]),
    /// So many bytes of this series, so far back less how far back its key is.
    Copy(usize, i32, usize),
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
            key_len: usize::from(short(4)),
            head: usize::from(short(6)),
            steps: [long(8), long(12)],
            biases: [short(16), short(18)],
            seconds: long(20),
        }
    }

    /// Bytes of elements.
    #[inline]
    pub fn elements_len(self) -> usize {
        usize::from(self.0[1])
    }

    /// Writes the elements. The keys of the series that it speaks of are so far back.
    #[inline]
    pub fn write_to(self, header: &Header, distances: [u32; 2], ops: &mut Ops) {
        let (len, split) = (self.elements_len(), usize::from(self.0[2]));
        let words = self.0[HEADER..].first_chunk::<{ 6 * WORD }>();
        let (true, Some(words)) = (split > 0, words) else {
            return self.write_elements(header, distances, ops);
        };
        let (words, _) = words.as_chunks::<WORD>();
        let word = |at: usize| u128::from_le_bytes(words[at]);
        let [first, second] = [FIRST, SECOND]
            .map(|of| u128::from(distances[of].wrapping_sub(header.biases[of].into()) as u16));
        // No sum is longer than a distance, so nothing is carried into what is behind it.
        let left = word(0) + word(2) * first + word(4) * second;
        let right = if len > split { word(1) + word(3) * first + word(5) * second } else { 0 };
        ops.words(left, split, right, len);
    }

    /// The elements in order, in one piece or two.
    fn halves(self) -> [&'a [u8]; 2] {
        let (len, split) = (self.elements_len(), usize::from(self.0[2]));
        let elements = &self.0[HEADER..];
        if (1..WORD.min(len)).contains(&split) {
            [&elements[..split], &elements[WORD..WORD + len - split]]
        } else {
            [&elements[..len], &[]]
        }
    }

    fn write_elements(self, header: &Header, distances: [u32; 2], ops: &mut Ops) {
        let [mut rest, _] = self.halves();
        let mut seconds = header.seconds;
        while let Some((literal, len)) = element(rest) {
            let (element, after) = rest.split_at(len);
            rest = after;
            if literal.is_some() {
                ops.elements(len, element);
                continue;
            }
            let of = (seconds & 1) as usize;
            seconds >>= 1;
            let back = u16::from_le_bytes([element[1], element[2]]);
            let back = (u32::from(back) + distances[of]).wrapping_sub(header.biases[of].into());
            let [low, high] = (back as u16).to_le_bytes();
            ops.elements(len, &[element[0], low, high]);
        }
    }

    pub fn pieces(self) -> impl Iterator<Item = Piece<'a>> {
        let header = self.header();
        let [mut rest, mut more] = self.halves();
        let mut seconds = header.seconds;
        core::iter::from_fn(move || {
            if rest.is_empty() {
                rest = core::mem::take(&mut more);
            }
            let (literal, len) = element(rest)?;
            let (element, after) = rest.split_at(len);
            rest = after;
            if let Some(from) = literal {
                return Some(Piece::Literal(&element[from..]));
            }
            let of = (seconds & 1) as usize;
            seconds >>= 1;
            let back = i32::from(u16::from_le_bytes([element[1], element[2]]));
            let back = back - i32::from(header.biases[of]);
            Some(Piece::Copy(of, back, usize::from(element[0] >> 2) + 1))
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
    /// Whose it is.
    pub own: u32,
    /// Which it speaks of, or NOBODY.
    pub series: [u32; 2],
    /// Bytes of their keys.
    pub ends: [usize; 2],
}

/// Writes a stencil of these parts of `key` to `out`.
pub fn write(parts: &[Part], key: &[u8], learned: &Learned, out: &mut Vec<u8>) {
    out.clear();
    out.resize(HEADER, 0);
    let mut flags = if learned.shallow { SHALLOW } else { 0 };
    let (mut head, mut copies, mut seconds) = (0, 0, 0);
    let biases = biases(parts);
    let mut done = 0;
    for part in parts {
        match source(part) {
            None => put_literal(&key[done..done + part.len], out),
            Some(of) if done == 0 && part.from == 0 => {
                head = part.len;
                flags |= if of == SECOND { HEAD_SECOND } else { 0 };
            }
            Some(of) => {
                let back = usize::from(biases[of]) + done - part.from;
                for from in (0..part.len).step_by(64) {
                    let len = (part.len - from).min(64);
                    out.push(((len - 1) << 2 | 2) as u8);
                    out.extend_from_slice(&(back as u16).to_le_bytes());
                    seconds |= (of as u32).checked_shl(copies).unwrap_or(0);
                    copies += 1;
                }
            }
        }
        done += part.len;
    }
    match parts.last().map(|part| (source(part), part.from + part.len)) {
        _ if out.len() == HEADER => {}
        Some((Some(FIRST), end)) if end == learned.ends[FIRST] => flags |= ENDS_FIRST,
        Some((Some(SECOND), end)) if end == learned.ends[SECOND] => flags |= ENDS_SECOND,
        _ => {}
    }
    let mut series = learned.series;
    if out.len() - HEADER > ELEMENTS || copies > COPIES {
        out.truncate(HEADER);
        flags = flags & SHALLOW | SPELLED;
        (head, series, seconds) = (0, [NOBODY; 2], 0);
    }
    let steps = [FIRST, SECOND].map(|of| match series[of] {
        NOBODY => 0,
        other => {
            flags |= HAS_FIRST << of;
            other.wrapping_sub(learned.own)
        }
    });
    out[0] = flags;
    out[1] = (out.len() - HEADER) as u8;
    out[4..6].copy_from_slice(&(key.len() as u16).to_le_bytes());
    out[6..8].copy_from_slice(&(head as u16).to_le_bytes());
    out[8..12].copy_from_slice(&steps[FIRST].to_le_bytes());
    out[12..16].copy_from_slice(&steps[SECOND].to_le_bytes());
    out[16..18].copy_from_slice(&biases[FIRST].to_le_bytes());
    out[18..20].copy_from_slice(&biases[SECOND].to_le_bytes());
    out[20..24].copy_from_slice(&seconds.to_le_bytes());
    put_words(seconds, out);
}

fn source(part: &Part) -> Option<usize> {
    match part.source {
        Source::Own => None,
        Source::First => Some(FIRST),
        Source::Second => Some(SECOND),
    }
}

/// What keeps all distances, less those of the series' keys, from being negative.
fn biases(parts: &[Part]) -> [u16; 2] {
    let (mut biases, mut done) = ([0; 2], 0);
    for part in parts {
        if let Some(of) = source(part) {
            biases[of] = biases[of].max(part.from.saturating_sub(done) as u16);
        }
        done += part.len;
    }
    biases
}

/// Puts elements into words, if they are few enough and a copy does not lie across.
fn put_words(seconds: u32, out: &mut Vec<u8>) {
    let elements = out.split_off(HEADER);
    let mut split = elements.len().min(WORD);
    let (mut masks, mut places, mut at, mut copies) = ([[0u8; WORD]; 4], Vec::new(), 0, 0);
    while let Some((literal, len)) = element(&elements[at..]) {
        if literal.is_none() {
            if at < WORD && at + len > WORD {
                split = at;
            }
            places.push((at + 1, (seconds.checked_shr(copies).unwrap_or(0) & 1) as usize));
            copies += 1;
        }
        at += len;
    }
    if elements.is_empty() || elements.len() - split > WORD {
        out.extend_from_slice(&elements);
        return;
    }
    out[2] = split as u8;
    let (left, right) = elements.split_at(split);
    for word in [left, right] {
        out.extend_from_slice(word);
        out.resize(out.len() + WORD - word.len(), 0);
    }
    for (place, of) in places {
        match place.checked_sub(split) {
            None => masks[2 * of][place] = 1,
            Some(place) => masks[2 * of + 1][place] = 1,
        }
    }
    out.extend(masks.as_flattened());
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

/// Name of a stencil that is kept: one more than its place in units; 0 for none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept(u32);

/// Every stencil once.
#[derive(Debug, Default)]
pub struct Shelf {
    bytes: Vec<u8>,
    index: HashTable<u32>,
    /// Places that hold nothing, by their units.
    free: [Vec<u32>; UNITS_MAX + 1],
}

impl Shelf {
    #[inline]
    pub fn get(&self, kept: Kept) -> Option<Stencil<'_>> {
        let place = kept.0.checked_sub(1)? as usize;
        Some(Stencil(&self.bytes[place * UNIT..]))
    }

    /// Keeps it for one more series; `None` if memory is used up.
    pub fn keep(&mut self, stencil: &[u8]) -> Option<Kept> {
        if self.held() > limits::STENCIL_BYTES {
            return None;
        }
        let hash = hash(stencil);
        let bytes = &self.bytes;
        let known = self.index.find(hash, |place| same(&bytes[*place as usize * UNIT..], stencil));
        let place = match known {
            Some(place) => *place,
            None => {
                let place = self.place(stencil);
                let bytes = &self.bytes;
                let again = |place: &u32| hash_at(&bytes[*place as usize * UNIT..]);
                self.index.insert_unique(hash, place, again);
                place
            }
        };
        self.count(place, 1);
        Some(Kept(place + 1))
    }

    fn place(&mut self, stencil: &[u8]) -> u32 {
        let units = stencil.len().div_ceil(UNIT);
        let place = self.free[units].pop().unwrap_or((self.bytes.len() / UNIT) as u32);
        let at = place as usize * UNIT;
        self.bytes.resize(self.bytes.len().max(at + units * UNIT), 0);
        self.bytes[at..at + stencil.len()].copy_from_slice(stencil);
        place
    }

    /// One series less has it.
    pub fn release(&mut self, kept: Kept) {
        let Some(place) = kept.0.checked_sub(1) else { return };
        if self.count(place, u32::MAX) > 0 {
            return;
        }
        let stencil = &self.bytes[place as usize * UNIT..];
        self.free[length(stencil).div_ceil(UNIT)].push(place);
        if let Ok(entry) = self.index.find_entry(hash_at(stencil), |other| *other == place) {
            entry.remove();
        }
    }

    /// Adds to the number of series that have it, and gives that.
    fn count(&mut self, place: u32, more: u32) -> u32 {
        let at = place as usize * UNIT + COUNT;
        let count = self.bytes[at..].first_chunk_mut::<4>().expect("a stencil has a header");
        let sum = u32::from_le_bytes(*count).wrapping_add(more);
        *count = sum.to_le_bytes();
        sum
    }

    /// Bytes of memory in use.
    pub fn held(&self) -> usize {
        let free: usize = self.free.iter().map(Vec::capacity).sum();
        self.bytes.len() + (self.index.capacity() + free) * size_of::<u32>()
    }
}

/// Bytes of a stencil.
fn length(stencil: &[u8]) -> usize {
    HEADER + if stencil[2] > 0 { 6 * WORD } else { usize::from(stencil[1]) }
}

fn hash_at(stencil: &[u8]) -> u64 {
    hash(&stencil[..length(stencil)])
}

/// Of all but the count.
fn hash(stencil: &[u8]) -> u64 {
    seeded_hash(seeded_hash(0, &stencil[..COUNT]), &stencil[HEADER..])
}

fn same(kept: &[u8], stencil: &[u8]) -> bool {
    kept.len() >= stencil.len()
        && kept[..COUNT] == stencil[..COUNT]
        && kept[HEADER..stencil.len()] == stencil[HEADER..]
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &[u8] = b"a key that begins like one, goes on like another, and ends like the first";

    fn part(source: Source, from: usize, len: usize) -> Part {
        Part { source, from, len }
    }

    fn stencil(own: u32, series: [u32; 2], key: &[u8]) -> Vec<u8> {
        let parts = [
            part(Source::Second, 0, 10),
            part(Source::Own, 10, 3),
            part(Source::First, 20, 57),
            part(Source::Second, 80, 3),
        ];
        let learned = Learned { shallow: false, own, series, ends: [90, 83] };
        let mut out = Vec::new();
        write(&parts, key, &learned, &mut out);
        out
    }

    /// The elements as they are written, as pieces.
    fn written(stencil: Stencil<'_>, distances: [u32; 2]) -> Vec<u8> {
        let mut ops = Ops::default();
        ops.reserve(40, 1000);
        stencil.write_to(&stencil.header(), distances, &mut ops);
        let mut out = Vec::new();
        ops.write_to(1, &mut out);
        out.split_off(1)
    }

    #[test]
    fn series_in_the_same_relation_have_one_stencil() {
        let mut shelf = Shelf::default();
        let kept: Vec<Kept> = [5, 6, 70]
            .map(|own| shelf.keep(&stencil(own, [own - 1, own + 30], KEY)).expect("room"))
            .to_vec();
        assert!(kept[0] == kept[1] && kept[1] == kept[2]);
        let other = shelf.keep(&stencil(5, [4, 99], KEY)).expect("room");
        assert_ne!(other, kept[0]);
        let found = shelf.get(kept[1]).expect("kept");
        let header = found.header();
        assert_eq!((header.series(FIRST, 6), header.series(SECOND, 6)), (5, 36));
        assert_eq!((header.key_len, header.head), (KEY.len(), 10));
        assert_eq!((header.head_of(), header.ends_with()), (SECOND, Some(SECOND)));
        let held = shelf.held();
        kept.iter().for_each(|kept| shelf.release(*kept));
        shelf.keep(&stencil(5, [9, 8], KEY)).expect("room");
        assert!(shelf.held() <= held + 8 * 8, "the place is used again");
        assert!(shelf.get(Kept::default()).is_none());
    }

    #[test]
    fn elements_in_words_and_others_are_written_alike() {
        // One more byte of its own at a time: across the middle, then beyond two words.
        for own in 1..90 {
            let mut key = vec![b'k'; own + 170];
            key[own - 1] = b'!';
            let parts = [
                part(Source::First, 40, 30),
                part(Source::Own, 30, own),
                part(Source::Second, 2, 100),
                part(Source::First, 300, 40),
            ];
            let learned = Learned { shallow: true, own: 7, series: [3, 1], ends: [0; 2] };
            let mut out = Vec::new();
            write(&parts, &key, &learned, &mut out);
            assert_eq!(out.len(), length(&out));
            let stencil = Stencil(&out);
            let back = [1000 - 40, 3000 + 30 + own - 2, 1000 + 130 + own - 300];
            let mut wanted = vec![29 << 2 | 2, (back[0] & 255) as u8, (back[0] >> 8) as u8];
            put_literal(&key[30..30 + own], &mut wanted);
            for (len, back) in [(64, back[1]), (36, back[1]), (40, back[2])] {
                wanted.extend([(len - 1) << 2 | 2, (back & 255) as u8, (back >> 8) as u8]);
            }
            assert_eq!(written(stencil, [1000, 3000]), wanted, "{own}");
            let literal =
                |piece| matches!(piece, Piece::Literal(bytes) if bytes == &key[30..30 + own]);
            assert_eq!(stencil.pieces().filter(|piece| !literal(*piece)).count(), 4, "{own}");
            assert_eq!(stencil.pieces().count(), 5);
        }
    }

    #[test]
    fn a_stencil_that_would_be_too_long_says_nothing() {
        let long = [b'x'; 1000];
        let parts = [part(Source::Own, 0, 1000)];
        let learned = Learned { shallow: true, own: 0, series: [1, 2], ends: [0; 2] };
        let mut out = Vec::new();
        write(&parts, &long, &learned, &mut out);
        let header = Stencil(&out).header();
        assert!(header.spelled() && header.shallow() && out.len() == HEADER);
        assert_eq!(header.key_len, 1000);
        assert_eq!([FIRST, SECOND].map(|of| header.series(of, 0)), [NOBODY; 2]);
    }
}
