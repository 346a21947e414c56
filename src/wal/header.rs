//! The first sector of a segment: who wrote it, where it belongs, and its salt.

use crate::base::limits::PAGE_BYTES;
use crate::base::{crc32c, seeded_hash};
use crate::wal::damage::Damage;
use crate::wal::place::{Identity, Place, Seq};

/// Bytes of the header that its checksum covers, checksum included: one sector, so that power loss
/// leaves it whole or not there.
pub(super) const HEADER_BYTES: usize = 512;
/// A copy of the sector in the same page, written before it: rot in one of them costs nothing.
pub(super) const COPY_AT: usize = 2048;
const CHECK_AT: usize = HEADER_BYTES - 4;
/// The only version so far.
pub(super) const VERSION: u16 = 1;
/// Carriage return, line feed and end-of-file, as PNG has them, to catch copies made in text mode.
const MAGIC: [u8; 8] = *b"CLseg\r\n\x1a";

/// What a segment holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SegmentKind {
    Dictionary,
    Samples,
}

/// A segment's header, as a plain value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    pub kind: SegmentKind,
    pub identity: Identity,
    /// Seeds every checksum in the segment; another one at every use of the file.
    pub salt: u32,
    pub seq: Seq,
    /// Bytes of the whole segment.
    pub size: u32,
    /// Milliseconds since the epoch when it was begun; times in records are relative to it.
    pub base_time: i64,
    /// Samples in this log before this segment, ever (records, in a dictionary).
    pub total_before: u64,
    /// Where the segment before it ended when this one was begun; `Place::ZERO` for a log's first.
    pub previous_end: Place,
    /// One more than the highest series ref that any earlier record of the log mentions: refs below that have no
    /// definition must not be given to other series.
    pub refs_bound: u32,
}

impl Header {
    /// The header sector.
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut out = [0; HEADER_BYTES];
        let mut put = |at: usize, bytes: &[u8]| out[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, &MAGIC);
        put(8, &VERSION.to_le_bytes());
        put(10, &[kind_code(self.kind)]);
        put(12, &self.salt.to_le_bytes());
        put(16, &self.identity.store);
        put(32, &self.identity.shard.to_le_bytes());
        put(36, &self.identity.start.to_le_bytes());
        put(40, &self.seq.0.to_le_bytes());
        put(44, &self.size.to_le_bytes());
        put(48, &self.base_time.to_le_bytes());
        put(56, &self.total_before.to_le_bytes());
        put(64, &self.previous_end.0.to_le_bytes());
        put(72, &self.identity.epoch.to_le_bytes());
        put(76, &self.refs_bound.to_le_bytes());
        let check = crc32c(0, &out[..CHECK_AT]);
        out[CHECK_AT..].copy_from_slice(&check.to_le_bytes());
        out
    }

    /// Reads the first page of a segment, or its first sector alone. `Damage::Blank` for a spare that nobody has begun.
    /// A sector that is damaged and not blank is replaced by its copy, if that is whole.
    pub fn decode(page: &[u8]) -> Result<Header, Damage> {
        match Header::decode_sector(page) {
            Err(Damage::Blank) => Err(Damage::Blank),
            Err(damage) => Header::decode_copy(page).map_err(|_| damage),
            found => found,
        }
    }

    /// What is wrong with one of the two, when the other is whole: a sentence. Earlier releases wrote no copy.
    pub fn flaw(page: &[u8]) -> Option<String> {
        match (Header::decode_sector(page), Header::decode_copy(page)) {
            (Err(damage), Ok(_)) => {
                Some(format!("the header is damaged, its copy is used: {damage}"))
            }
            (Ok(_), Err(Damage::Blank | Damage::Short)) => None,
            (Ok(_), Err(damage)) => Some(format!("the copy of the header is damaged: {damage}")),
            (Ok(header), Ok(copy)) if header != copy => {
                Some("the copy of the header is another segment's".to_owned())
            }
            _ => None,
        }
    }

    fn decode_copy(page: &[u8]) -> Result<Header, Damage> {
        Header::decode_sector(page.get(COPY_AT..).ok_or(Damage::Short)?)
    }

    fn decode_sector(bytes: &[u8]) -> Result<Header, Damage> {
        let sector = bytes.get(..HEADER_BYTES).ok_or(Damage::Short)?;
        let magic = field::<8>(sector, 0);
        if magic == [0; 8] {
            return Err(Damage::Blank);
        }
        if magic != MAGIC {
            return Err(Damage::Magic);
        }
        if crc32c(0, &sector[..CHECK_AT]) != u32::from_le_bytes(field(sector, CHECK_AT)) {
            return Err(Damage::Checksum);
        }
        let version = u16::from_le_bytes(field(sector, 8));
        if version != VERSION {
            return Err(Damage::Version(version));
        }
        let kind = match sector[10] {
            1 => SegmentKind::Samples,
            2 => SegmentKind::Dictionary,
            _ => return Err(Damage::Malformed("kind")),
        };
        let header = Header {
            kind,
            identity: Identity {
                store: field(sector, 16),
                shard: u16::from_le_bytes(field(sector, 32)),
                start: u32::from_le_bytes(field(sector, 36)),
                epoch: u32::from_le_bytes(field(sector, 72)),
            },
            salt: u32::from_le_bytes(field(sector, 12)),
            seq: Seq(u32::from_le_bytes(field(sector, 40))),
            size: u32::from_le_bytes(field(sector, 44)),
            base_time: i64::from_le_bytes(field(sector, 48)),
            total_before: u64::from_le_bytes(field(sector, 56)),
            previous_end: Place(u64::from_le_bytes(field(sector, 64))),
            refs_bound: u32::from_le_bytes(field(sector, 76)),
        };
        let size = header.size as usize;
        if size <= PAGE_BYTES || !size.is_multiple_of(PAGE_BYTES) {
            return Err(Damage::Malformed("size"));
        }
        if header.seq == Seq(0) || header.seq == Seq(u32::MAX) {
            return Err(Damage::Malformed("sequence"));
        }
        Ok(header)
    }
}

fn kind_code(kind: SegmentKind) -> u8 {
    match kind {
        SegmentKind::Dictionary => 2,
        SegmentKind::Samples => 1,
    }
}

fn field<const N: usize>(sector: &[u8], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&sector[at..at + N]);
    out
}

/// The salt of segment `seq`: differs between all segments of a start (multiplying by an odd number
/// is one to one), and by chance between starts, so that a sequence which power loss made us give
/// twice does not revive old records.
pub(super) fn salt_of(seed: u64, identity: &Identity, kind: SegmentKind, seq: Seq) -> u32 {
    let mut name = [0; 23];
    name[..16].copy_from_slice(&identity.store);
    name[16..18].copy_from_slice(&identity.shard.to_le_bytes());
    name[18..22].copy_from_slice(&identity.start.to_le_bytes());
    name[22] = kind_code(kind);
    seq.0.wrapping_mul(0x9e37_79b1) ^ seeded_hash(seed, &name) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        Header {
            kind: SegmentKind::Samples,
            identity: Identity { store: *b"0123456789abcdef", shard: 3, start: 7, epoch: 2 },
            salt: 0x1122_3344,
            seq: Seq(9),
            size: 1 << 20,
            base_time: 1_700_000_000_000,
            total_before: 12_345,
            previous_end: Place::new(Seq(8), 4096),
            refs_bound: 5,
        }
    }

    #[test]
    fn a_header_is_these_bytes() {
        let bytes = header().encode();
        let golden = [
            0x43, 0x4c, 0x73, 0x65, 0x67, 0x0d, 0x0a, 0x1a, 1, 0, 1, 0, 0x44, 0x33, 0x22,
            0x11, // magic, version, salt
            b'0', b'1', b'2', b'3', b'4', b'5', b'6', b'7', b'8', b'9', b'a', b'b', b'c', b'd',
            b'e', b'f', 3, 0, 0, 0, 7, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0x10,
            0, // shard, start, seq, size
            0x00, 0x68, 0xe5, 0xcf, 0x8b, 0x01, 0, 0, 0x39, 0x30, 0, 0, 0, 0, 0,
            0, // base time, total
            0, 0x10, 0, 0, 8, 0, 0, 0, // previous end
            2, 0, 0, 0, 5, 0, 0, 0, // epoch, refs
        ];
        assert_eq!(bytes[..golden.len()], golden);
        assert!(bytes[golden.len()..CHECK_AT].iter().all(|byte| *byte == 0));
        assert_eq!(Header::decode(&bytes), Ok(header()));
    }

    #[test]
    fn a_header_with_any_changed_byte_is_refused() {
        let bytes = header().encode();
        for at in 0..bytes.len() {
            for flip in [1, 0x80, 0xff] {
                let mut changed = bytes;
                changed[at] ^= flip;
                assert!(Header::decode(&changed).is_err(), "byte {at}");
            }
        }
        for len in 0..bytes.len() {
            assert_eq!(Header::decode(&bytes[..len]), Err(Damage::Short));
        }
        assert_eq!(Header::decode(&[0; 4096]), Err(Damage::Blank));
    }

    #[test]
    fn a_damaged_header_is_read_from_its_copy_and_a_blank_one_stays_blank() {
        let bytes = header().encode();
        let mut page = vec![0; 4096];
        page[..HEADER_BYTES].copy_from_slice(&bytes);
        assert_eq!(Header::flaw(&page), None, "as earlier releases wrote it");
        page[COPY_AT..COPY_AT + HEADER_BYTES].copy_from_slice(&bytes);
        assert_eq!(Header::flaw(&page), None);
        for at in (0..HEADER_BYTES).chain(COPY_AT..COPY_AT + HEADER_BYTES) {
            for flip in [1, 0x80, 0xff] {
                let mut changed = page.clone();
                changed[at] ^= flip;
                assert_eq!(Header::decode(&changed), Ok(header()), "byte {at}");
                assert!(Header::flaw(&changed).is_some(), "byte {at}");
            }
        }
        page[..HEADER_BYTES].fill(0);
        assert_eq!(Header::decode(&page), Err(Damage::Blank));
    }

    #[test]
    fn no_two_segments_of_a_start_share_a_salt() {
        let identity = header().identity;
        let mut salts: Vec<u32> =
            (1..10_000).map(|seq| salt_of(5, &identity, SegmentKind::Samples, Seq(seq))).collect();
        salts.sort_unstable();
        assert!(salts.windows(2).all(|pair| pair[0] != pair[1]));
    }
}
