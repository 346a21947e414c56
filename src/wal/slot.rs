//! Pages that are stored over and over in one file: two slots of a sector each are written in turn, so that one is
//! always whole. Cursors and the ledger are such pages.

use crate::base::crc32c;
use crate::wal::damage::Damage;

/// Bytes of one slot: a sector.
pub const CURSOR_BYTES: usize = 512;
/// Where the two slots are in the file of one 4096-byte page; a page with sequence `n` goes to slot
/// `n % 2`.
pub const CURSOR_SLOTS: [u64; 2] = [0, 2048];
/// Bytes that fields may take, magic included.
pub(super) const FIELDS_BYTES: usize = CURSOR_BYTES - 4;

/// A slot: magic, fields, zeros, checksum.
pub(super) fn seal(magic: [u8; 8], fields: &[u8]) -> [u8; CURSOR_BYTES] {
    let mut out = [0; CURSOR_BYTES];
    out[..8].copy_from_slice(&magic);
    out[8..8 + fields.len()].copy_from_slice(fields);
    let check = crc32c(0, &out[..FIELDS_BYTES]);
    out[FIELDS_BYTES..].copy_from_slice(&check.to_le_bytes());
    out
}

/// What stands behind the magic of a slot that verifies.
pub(super) fn unseal(magic: [u8; 8], slot: &[u8]) -> Result<&[u8], Damage> {
    let slot = slot.get(..CURSOR_BYTES).ok_or(Damage::Short)?;
    if slot[..8] == [0; 8] {
        return Err(Damage::Blank);
    }
    if slot[..8] != magic {
        return Err(Damage::Magic);
    }
    if crc32c(0, &slot[..FIELDS_BYTES]).to_le_bytes() != slot[FIELDS_BYTES..] {
        return Err(Damage::Checksum);
    }
    Ok(&slot[8..FIELDS_BYTES])
}

/// The page of the valid slot with the higher sequence.
pub(super) fn newest_of<P>(
    file: &[u8],
    decode: impl Fn(&[u8]) -> Result<P, Damage>,
    sequence: impl Fn(&P) -> u64,
) -> Option<P> {
    let slots = CURSOR_SLOTS.iter().filter_map(|at| file.get(*at as usize..));
    slots.filter_map(|slot| decode(slot).ok()).max_by_key(sequence)
}
