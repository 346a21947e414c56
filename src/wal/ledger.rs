//! What was offered to one log over all starts, on one page of its own file: law L1 beyond the life of a process.

use crate::base::Reader;
use crate::model::{Refusal, Refusals};
use crate::wal::damage::Damage;
use crate::wal::slot::{CURSOR_BYTES, FIELDS_BYTES, newest_of, seal, unseal};

/// Name of the file in a shard's directory. Its slots lie as a cursor's do.
pub const LEDGER_FILE: &str = "ledger";
const MAGIC: [u8; 8] = *b"CLled\x01\r\n";
/// Room for reasons, by [`Refusal::code`].
const REFUSALS: usize = 24;

/// Samples, counted since the directory was made. `offered = appended + refused` on every page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LedgerPage {
    /// Higher wins.
    pub sequence: u64,
    pub offered: u64,
    pub appended: u64,
    /// Of those appended, how many the log was found to have lost: with the power, or with its files.
    pub vanished: u64,
    /// Running total of the log when the page was made.
    pub log_total: u64,
    pub refused: Refusals,
    /// Name of the adopted log whose accounts these contain; 0 for none. If it is still there, its own page counts no
    /// more.
    pub taken: u64,
}

impl LedgerPage {
    /// What the page says once the log is known to hold `log_total` samples ever: those appended after the page was
    /// stored are added, those that are gone are booked as vanished.
    pub fn at(mut self, log_total: u64) -> LedgerPage {
        let since = log_total.saturating_sub(self.log_total);
        self.offered = self.offered.saturating_add(since);
        self.appended = self.appended.saturating_add(since);
        let gone = self.log_total.saturating_sub(log_total);
        self.vanished = self.vanished.saturating_add(gone);
        self.log_total = log_total;
        self
    }

    /// The bytes of one slot.
    pub fn encode(&self) -> [u8; CURSOR_BYTES] {
        let mut refused = [0u64; REFUSALS];
        for reason in Refusal::ALL {
            refused[reason.code()] = self.refused.get(reason);
        }
        let mut bytes = Vec::with_capacity(CURSOR_BYTES);
        let numbers = [self.sequence, self.offered, self.appended, self.vanished, self.log_total];
        for number in numbers.iter().chain(&refused).chain([&self.taken]) {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        seal(MAGIC, &bytes)
    }

    /// Reads one slot.
    pub fn decode(slot: &[u8]) -> Result<LedgerPage, Damage> {
        Self::fields(&mut Reader::new(unseal(MAGIC, slot)?)).ok_or(Damage::Short)
    }

    fn fields(reader: &mut Reader<'_>) -> Option<LedgerPage> {
        let mut page = LedgerPage {
            sequence: reader.u64()?,
            offered: reader.u64()?,
            appended: reader.u64()?,
            vanished: reader.u64()?,
            log_total: reader.u64()?,
            refused: Refusals::default(),
            taken: 0,
        };
        let mut refused = [0; REFUSALS];
        for number in &mut refused {
            *number = reader.u64()?;
        }
        for reason in Refusal::ALL {
            page.refused.add(reason, refused[reason.code()]);
        }
        page.taken = reader.u64()?;
        Some(page)
    }
}

/// The newer valid slot of a ledger file.
pub fn newest_ledger(file: &[u8]) -> Option<LedgerPage> {
    newest_of(file, LedgerPage::decode, |page| page.sequence)
}

const _: () = assert!(8 + 5 * 8 + REFUSALS * 8 + 8 <= FIELDS_BYTES);
const _: () = {
    let mut at = 0;
    while at < Refusal::ALL.len() {
        assert!(Refusal::ALL[at].code() < REFUSALS);
        at += 1;
    }
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wal::CURSOR_SLOTS;

    fn page(sequence: u64) -> LedgerPage {
        let mut page = LedgerPage {
            sequence,
            offered: 100,
            appended: 60,
            vanished: 4,
            log_total: 56,
            refused: Refusals::default(),
            taken: 9,
        };
        page.refused.add(Refusal::OutOfOrder, 30);
        page.refused.add(Refusal::RolledBack, 10);
        page
    }

    #[test]
    fn a_page_is_read_as_it_was_written_and_refused_with_any_byte_changed() {
        let bytes = page(3).encode();
        assert_eq!(LedgerPage::decode(&bytes), Ok(page(3)));
        for at in 0..bytes.len() {
            let mut changed = bytes;
            changed[at] ^= 4;
            assert!(LedgerPage::decode(&changed).is_err(), "byte {at}");
        }
        assert_eq!(LedgerPage::decode(&bytes[..100]), Err(Damage::Short));
        assert_eq!(LedgerPage::decode(&[0; CURSOR_BYTES]), Err(Damage::Blank));
    }

    #[test]
    fn the_newer_valid_slot_wins() {
        let mut file = vec![0; 4096];
        for sequence in 1..4u64 {
            let at = CURSOR_SLOTS[(sequence % 2) as usize] as usize;
            file[at..at + CURSOR_BYTES].copy_from_slice(&page(sequence).encode());
            assert_eq!(newest_ledger(&file), Some(page(sequence)));
        }
        file[2048 + 20] ^= 1;
        assert_eq!(newest_ledger(&file), Some(page(2)));
        assert_eq!(newest_ledger(&[]), None);
    }

    #[test]
    fn the_books_balance_whatever_the_log_is_found_to_hold() {
        for log_total in [0, 55, 56, 57, 1000] {
            let at = page(1).at(log_total);
            assert_eq!(at.offered, at.appended + at.refused.total(), "{log_total}");
            assert_eq!(at.appended - at.vanished, log_total, "{log_total}");
        }
    }
}
