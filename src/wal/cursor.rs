//! How far one endpoint has come, on one page of its own file.
//!
//! A cursor is a lower bound: it may be old, which sends some samples again; it must never be ahead
//! of what has a verdict, which would lose them. Two slots are written in turn, so that one is
//! always whole.

use crate::base::Reader;
use crate::base::limits::CONNECTIONS;
use crate::model::{Loss, Losses};
use crate::wal::damage::Damage;
use crate::wal::place::{Mark, Place};
use crate::wal::slot::{CURSOR_BYTES, FIELDS_BYTES, newest_of, seal, unseal};

const MAGIC: [u8; 8] = *b"CLcur\x02\r\n";
/// Room for reasons of loss, by [`Loss::code`].
const LOSSES: usize = 15;
/// Behind the lanes.
const TAKEN_AT: usize = 376;
const AHEAD_AT: usize = TAKEN_AT + 8;
/// Stretches that a page has room for.
pub const AHEAD_MAX: usize = 4;
const AHEAD_BYTES: usize = 28;

/// A stretch of the log beyond the lanes of which every sample has its verdict: it was newer than a backlog, and went
/// ahead of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Advance {
    pub from: Place,
    pub to: Mark,
    pub samples: u64,
}

/// What one endpoint of one log had settled when the page was made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CursorPage {
    /// Hash of the endpoint's name (or URL): a file under another's name is not believed.
    pub endpoint: [u8; 16],
    /// Higher wins.
    pub sequence: u64,
    /// Everything before it has a verdict.
    pub low: Place,
    /// Samples in this log before the first that was the endpoint's business. Below zero once the accounts of an
    /// adopted log have been added to these.
    pub birth: i64,
    /// Name of the adopted log whose accounts these contain; 0 for none. If it is still there, its own pages count no
    /// more.
    pub taken: u64,
    /// How far each lane is; at most `limits::CONNECTIONS`, more are not stored.
    pub lanes: Vec<Mark>,
    /// At most [`AHEAD_MAX`], in the order of the log; more are not stored.
    pub ahead: Vec<Advance>,
    pub totals: CursorTotals,
}

/// Samples by verdict since the endpoint exists, over all starts: exactly those that its lanes are past, and those that
/// went ahead of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CursorTotals {
    pub acked: u64,
    pub lost: Losses,
}

impl CursorTotals {
    /// Samples with a verdict.
    pub fn settled(&self) -> u64 {
        self.acked + self.lost.total()
    }

    pub fn add(&mut self, other: &CursorTotals) {
        self.acked += other.acked;
        self.lost.add_all(&other.lost);
    }
}

impl CursorPage {
    /// The bytes of one slot.
    pub fn encode(&self) -> [u8; CURSOR_BYTES] {
        let lanes = &self.lanes[..self.lanes.len().min(CONNECTIONS)];
        let mut lost = [0; LOSSES];
        for loss in Loss::ALL {
            lost[loss.code()] = self.totals.lost.get(loss);
        }
        let mut bytes = Vec::with_capacity(CURSOR_BYTES);
        bytes.extend_from_slice(&self.sequence.to_le_bytes());
        bytes.extend_from_slice(&self.endpoint);
        bytes.extend_from_slice(&self.low.0.to_le_bytes());
        bytes.extend_from_slice(&self.birth.to_le_bytes());
        bytes.extend_from_slice(&self.totals.acked.to_le_bytes());
        for total in lost {
            bytes.extend_from_slice(&total.to_le_bytes());
        }
        bytes.extend_from_slice(&(lanes.len() as u64).to_le_bytes());
        for index in 0..CONNECTIONS {
            let place = lanes.get(index).map_or(Place::ZERO, |lane| lane.place);
            bytes.extend_from_slice(&place.0.to_le_bytes());
        }
        for lane in lanes {
            bytes.extend_from_slice(&lane.skip.to_le_bytes());
        }
        bytes.resize(TAKEN_AT - 8, 0);
        bytes.extend_from_slice(&self.taken.to_le_bytes());
        let ahead = &self.ahead[..self.ahead.len().min(AHEAD_MAX)];
        bytes.extend_from_slice(&(ahead.len() as u32).to_le_bytes());
        for Advance { from, to, samples } in ahead {
            bytes.extend_from_slice(&from.0.to_le_bytes());
            bytes.extend_from_slice(&to.place.0.to_le_bytes());
            bytes.extend_from_slice(&to.skip.to_le_bytes());
            bytes.extend_from_slice(&samples.to_le_bytes());
        }
        seal(MAGIC, &bytes)
    }

    /// Reads one slot.
    pub fn decode(slot: &[u8]) -> Result<CursorPage, Damage> {
        let fields = unseal(MAGIC, slot)?;
        let page = Self::fields(&mut Reader::new(fields)).ok_or(Damage::Malformed("lanes"))?;
        let mut reader = Reader::new(&fields[TAKEN_AT - 8..]);
        let taken = reader.u64().ok_or(Damage::Short)?;
        let ahead = Self::stretches(&mut reader).ok_or(Damage::Malformed("stretches"))?;
        Ok(CursorPage { taken, ahead, ..page })
    }

    fn stretches(reader: &mut Reader<'_>) -> Option<Vec<Advance>> {
        let count = reader.u32()? as usize;
        let stretch = |reader: &mut Reader<'_>| {
            let from = Place(reader.u64()?);
            let to = Mark { place: Place(reader.u64()?), skip: reader.u32()? };
            Some(Advance { from, to, samples: reader.u64()? })
        };
        (0..count.min(AHEAD_MAX + 1)).map(|_| stretch(reader)).collect()
    }

    fn fields(reader: &mut Reader<'_>) -> Option<CursorPage> {
        let sequence = reader.u64()?;
        let endpoint = reader.bytes(16)?.try_into().ok()?;
        let low = Place(reader.u64()?);
        let birth = reader.u64()? as i64;
        let mut totals = CursorTotals { acked: reader.u64()?, lost: Losses::default() };
        let mut lost = [0; LOSSES];
        for total in &mut lost {
            *total = reader.u64()?;
        }
        for loss in Loss::ALL {
            totals.lost.add(loss, lost[loss.code()]);
        }
        let lanes = reader.u64()?;
        if lanes > CONNECTIONS as u64 {
            return None;
        }
        let lanes = lanes as usize;
        let mut marks = Vec::with_capacity(CONNECTIONS);
        for _ in 0..CONNECTIONS {
            marks.push(Mark { place: Place(reader.u64()?), skip: 0 });
        }
        marks.truncate(lanes);
        for mark in &mut marks {
            mark.skip = reader.u32()?;
        }
        let lanes = marks;
        let ahead = Vec::new();
        Some(CursorPage { endpoint, sequence, low, birth, taken: 0, lanes, ahead, totals })
    }
}

/// The newer valid slot of a cursor file.
pub fn newest(file: &[u8]) -> Option<CursorPage> {
    newest_of(file, CursorPage::decode, |page| page.sequence)
}

const _: () = assert!(
    8 + 8 + 16 + 8 + 8 + 8 + LOSSES * 8 + 8 + CONNECTIONS * (8 + 4) <= TAKEN_AT
        && AHEAD_AT + 4 + AHEAD_MAX * AHEAD_BYTES <= FIELDS_BYTES
);
const _: () = {
    let mut at = 0;
    while at < Loss::ALL.len() {
        assert!(Loss::ALL[at].code() < LOSSES);
        at += 1;
    }
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wal::CURSOR_SLOTS;

    fn page(sequence: u64) -> CursorPage {
        let mut totals = CursorTotals { acked: 1, lost: Losses::default() };
        for loss in Loss::ALL {
            totals.lost.add(loss, 2 + loss.code() as u64);
        }
        CursorPage {
            endpoint: *b"the-endpoint-id!",
            sequence,
            low: Place(0x0000_0002_0000_1000),
            birth: -2,
            taken: 0x1234,
            lanes: vec![
                Mark { place: Place(0x0000_0002_0000_1000), skip: 0 },
                Mark { place: Place(0x0000_0003_0000_2000), skip: 9 },
            ],
            ahead: vec![Advance {
                from: Place(0x0000_0004_0000_1000),
                to: Mark { place: Place(0x0000_0005_0000_1000), skip: 3 },
                samples: 700,
            }],
            totals,
        }
    }

    #[test]
    fn a_slot_is_these_bytes() {
        let bytes = page(7).encode();
        assert_eq!(&bytes[..8], b"CLcur\x02\r\n");
        assert_eq!(bytes[8..16], [7, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(&bytes[16..32], b"the-endpoint-id!");
        assert_eq!(bytes[32..40], [0, 0x10, 0, 0, 2, 0, 0, 0]);
        assert_eq!(bytes[40..48], (-2i64).to_le_bytes());
        assert_eq!(bytes[48], 1);
        for loss in Loss::ALL {
            assert_eq!(usize::from(bytes[56 + 8 * loss.code()]), 2 + loss.code());
        }
        assert_eq!(bytes[176..184], [2, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(bytes[192..200], [0, 0x20, 0, 0, 3, 0, 0, 0]);
        assert!(bytes[200..312].iter().all(|byte| *byte == 0));
        assert_eq!(bytes[312..320], [0, 0, 0, 0, 9, 0, 0, 0]);
        assert!(bytes[320..376].iter().all(|byte| *byte == 0));
        assert_eq!(bytes[376..384], 0x1234u64.to_le_bytes());
        assert_eq!(bytes[384..388], [1, 0, 0, 0]);
        assert_eq!(bytes[388..396], [0, 0x10, 0, 0, 4, 0, 0, 0]);
        assert_eq!(bytes[396..404], [0, 0x10, 0, 0, 5, 0, 0, 0]);
        assert_eq!(bytes[404..416], [3, 0, 0, 0, 0xbc, 2, 0, 0, 0, 0, 0, 0]);
        assert!(bytes[416..FIELDS_BYTES].iter().all(|byte| *byte == 0));
        assert_eq!(CursorPage::decode(&bytes), Ok(page(7)));
    }

    #[test]
    fn the_newer_valid_slot_wins_and_damage_falls_back_to_the_older() {
        let mut file = vec![0; 4096];
        assert_eq!(newest(&file), None);
        for sequence in 1..5u64 {
            let at = CURSOR_SLOTS[(sequence % 2) as usize] as usize;
            file[at..at + CURSOR_BYTES].copy_from_slice(&page(sequence).encode());
            assert_eq!(newest(&file), Some(page(sequence)));
            for byte in at..at + CURSOR_BYTES {
                file[byte] ^= 0x10;
                assert_eq!(
                    newest(&file),
                    (sequence > 1).then(|| page(sequence - 1)),
                    "byte {byte}"
                );
                file[byte] ^= 0x10;
            }
        }
        assert_eq!(newest(&file[..100]), None);
    }

    #[test]
    fn lanes_beyond_the_limit_are_not_stored() {
        let many = CursorPage { lanes: vec![Mark::default(); 40], ..page(1) };
        let decoded = CursorPage::decode(&many.encode()).expect("valid");
        assert_eq!(decoded.lanes.len(), CONNECTIONS);
    }

    #[test]
    fn stretches_beyond_the_limit_are_not_stored_nor_believed() {
        let many = CursorPage { ahead: vec![Advance::default(); 9], ..page(1) };
        let mut bytes = many.encode();
        let decoded = CursorPage::decode(&bytes).expect("valid");
        assert_eq!(decoded.ahead.len(), AHEAD_MAX);
        bytes[AHEAD_AT] = AHEAD_MAX as u8 + 1;
        let mut fields = bytes[8..FIELDS_BYTES].to_vec();
        fields.truncate(FIELDS_BYTES - 8);
        let sealed = seal(MAGIC, &fields);
        assert_eq!(CursorPage::decode(&sealed), Err(Damage::Malformed("stretches")));
    }
}
