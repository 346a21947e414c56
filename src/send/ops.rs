//! Elements of Snappy's block format, written one by one: literals, and copies of what stands further ahead.

use crate::base::{put_uvarint, uvarint_len};

/// Furthest that a copy of three bytes reaches.
pub const REACH: u32 = u16::MAX as u32;

/// The elements of one block, without the length that stands before them.
#[derive(Debug)]
pub struct Ops {
    /// What is written ends at `len`; behind it is room, zeroed once.
    bytes: Vec<u8>,
    len: usize,
    /// Place of the tag of a literal that may still grow, its length not yet written; or [`SHUT`].
    open: usize,
}

/// No literal is open.
const SHUT: usize = usize::MAX;
/// Bytes of a copy of up to 64 bytes.
const COPY: usize = 3;
/// Copies of so many whole 64 bytes and a rest are written as one word.
const WHOLE: usize = 4;
/// Longest literal whose tag is one byte.
const SHORT: usize = 60;

impl Default for Ops {
    fn default() -> Ops {
        Ops { bytes: Vec::new(), len: 0, open: SHUT }
    }
}

impl Ops {
    pub fn clear(&mut self) {
        self.len = 0;
        self.open = SHUT;
    }

    /// Appends the block: the length of what it stands for, and the elements, which must be closed.
    pub fn write_to(&self, raw_len: usize, out: &mut Vec<u8>) {
        out.reserve(self.block_len(raw_len));
        put_uvarint(out, raw_len as u64);
        out.extend_from_slice(&self.bytes[..self.len]);
    }

    /// The elements alone.
    pub fn written(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// Bytes that [`Ops::write_to`] appends.
    pub fn block_len(&self, raw_len: usize) -> usize {
        uvarint_len(raw_len as u64) + self.len
    }

    /// Makes room for `elements` elements that stand for `raw` bytes.
    #[inline]
    pub fn reserve(&mut self, elements: usize, raw: usize) {
        // A literal takes at most five bytes more than it stands for; whole words are written at the end.
        let more = raw + elements * 5 + 32;
        if self.bytes.len() < self.len + more {
            self.grow(more);
        }
    }

    #[cold]
    fn grow(&mut self, more: usize) {
        let len = (self.len + more).max(self.bytes.len() * 2).max(4096);
        self.bytes.resize(len, 0);
    }

    /// Appends to the literal that is open, or opens one. There must be room for it, as for all elements.
    #[inline]
    pub fn literal(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.open();
        self.bytes[self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }

    /// As [`Ops::literal`]: the first `len` bytes of a word, lowest first.
    #[inline]
    pub fn word(&mut self, word: u64, len: usize) {
        self.open();
        self.bytes[self.len..self.len + 8].copy_from_slice(&word.to_le_bytes());
        self.len += len;
    }

    #[inline]
    fn open(&mut self) {
        if self.open == SHUT {
            self.open = self.len;
            self.len += 1;
        }
    }

    /// `len` bytes, at least one, that are those `distance` bytes before, which is at most [`REACH`].
    #[inline]
    pub fn copy(&mut self, distance: u32, mut len: usize) {
        self.close();
        while len > 64 * (WHOLE + 1) {
            self.whole(distance);
            self.len += COPY * WHOLE;
            len -= 64 * WHOLE;
        }
        self.whole(distance);
        let whole = (len - 1) / 64;
        let rest = (len - 1) as u8 % 64;
        self.len += COPY * whole;
        if (3..=10).contains(&rest) && distance < 2048 {
            self.bytes[self.len] = 1 | (rest - 3) << 2 | (distance >> 8 << 5) as u8;
            self.bytes[self.len + 1] = distance as u8;
            self.len += 2;
        } else {
            self.bytes[self.len] = rest << 2 | 2;
            self.len += COPY;
        }
    }

    /// Appends the first `len` bytes of elements that are written already.
    #[inline]
    pub fn elements(&mut self, len: usize, bytes: &[u8]) {
        self.close();
        if let (true, Some(word)) = (len <= 32, bytes.first_chunk::<32>()) {
            self.bytes[self.len..self.len + 32].copy_from_slice(word);
        } else {
            self.bytes[self.len..self.len + len].copy_from_slice(&bytes[..len]);
        }
        self.len += len;
    }

    /// Appends elements in two words, lowest byte first: `split` bytes of the first, what is missing from `len` of the
    /// second.
    #[inline]
    pub fn words(&mut self, first: u128, split: usize, second: u128, len: usize) {
        self.close();
        let room = &mut self.bytes[self.len..self.len + 32];
        room[..16].copy_from_slice(&first.to_le_bytes());
        room[split..split + 16].copy_from_slice(&second.to_le_bytes());
        self.len += len;
    }

    /// Lets the copy of three bytes that was written last go on for up to `more` bytes; gives how many.
    #[inline]
    pub fn extend(&mut self, more: u8) -> u8 {
        let tag = &mut self.bytes[self.len - COPY];
        let more = more.min(63 - (*tag >> 2));
        *tag += more << 2;
        more
    }

    /// Writes copies of 64 bytes, as many as fit a word of sixteen.
    #[inline]
    fn whole(&mut self, distance: u32) {
        let copy = u64::from(distance) << 8 | 63 << 2 | 2;
        let low = copy | copy << 24 | copy << 48;
        let high = copy >> 16 | copy << 8 | copy << 32 | copy << 56;
        let word = u128::from(high) << 64 | u128::from(low);
        self.bytes[self.len..self.len + 16].copy_from_slice(&word.to_le_bytes());
    }

    /// Writes the length of an open literal.
    #[inline]
    pub fn close(&mut self) {
        if self.open != SHUT {
            let tag = core::mem::replace(&mut self.open, SHUT);
            let len = self.len - tag - 1;
            if len <= SHORT {
                self.bytes[tag] = (len as u8).wrapping_sub(1) << 2;
            } else {
                self.close_long(tag, len - 1);
            }
        }
    }

    /// One, two or more bytes of length follow the tag.
    #[cold]
    fn close_long(&mut self, tag: usize, len: usize) {
        let more = if len < 1 << 8 {
            1
        } else if len < 1 << 16 {
            2
        } else {
            4
        };
        self.bytes.copy_within(tag + 1..self.len, tag + 1 + more);
        self.len += more;
        let code = SHORT as u8 + more as u8 - 1;
        self.bytes[tag] = code << 2;
        self.bytes[tag + 1..tag + 1 + more].copy_from_slice(&(len as u32).to_le_bytes()[..more]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(ops: &mut Ops, raw: &[u8]) -> Vec<u8> {
        ops.close();
        let mut out = Vec::new();
        ops.write_to(raw.len(), &mut out);
        assert_eq!(out.len(), ops.block_len(raw.len()));
        out
    }

    #[test]
    fn literals_of_every_length_are_read_by_another_decoder() {
        for len in (1..300).chain([65_535, 65_536, 65_537, 70_000]) {
            let raw: Vec<u8> = (0..len).map(|i| (i ^ (i >> 3)) as u8).collect();
            let mut ops = Ops::default();
            for piece in raw.chunks(7) {
                ops.reserve(1, piece.len());
                ops.literal(piece);
            }
            let block = block(&mut ops, &raw);
            assert!(
                snap::raw::Decoder::new().decompress_vec(&block).expect("valid") == raw,
                "{len}"
            );
        }
    }

    #[test]
    fn copies_of_every_length_and_distance_are_read_by_another_decoder() {
        for distance in [1usize, 7, 100, 2047, 2048, 65_535] {
            for len in (1..200).chain([1000, 70_000]) {
                let mut raw: Vec<u8> = (0..distance).map(|i| ((i * 31) >> 2) as u8).collect();
                let mut ops = Ops::default();
                ops.reserve(3, distance + len + 3);
                ops.literal(&raw);
                ops.copy(distance as u32, len);
                ops.literal(b"end");
                for _ in 0..len {
                    raw.push(raw[raw.len() - distance]);
                }
                raw.extend(b"end");
                let block = block(&mut ops, &raw);
                let found = snap::raw::Decoder::new().decompress_vec(&block).expect("valid");
                assert!(found == raw, "{distance} {len}");
            }
        }
    }

    #[test]
    fn an_entry_of_a_request_takes_a_literal_and_a_few_copies() {
        let mut ops = Ops::default();
        ops.reserve(4, 1000);
        ops.literal(&[b'x'; 200]);
        let before = ops.len;
        ops.copy(200, 10);
        assert_eq!(ops.len - before, 2 + 1, "one more byte of length for the literal");
        let before = ops.len;
        ops.copy(200, 200);
        assert_eq!(ops.len - before, 3 * 3 + 2);
    }
}
