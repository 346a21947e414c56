//! What a shard is born with.

use core::time::Duration;

use crate::wal::{
    CursorPage, CursorTotals, FoundSegment, Identity, LEDGER_FILE, LedgerPage, Log, Seq,
};

/// Crosses to the core once, before the shard exists. The configuration follows as orders.
#[derive(Debug)]
pub struct Plan {
    pub shard: u16,
    pub identity: Identity,
    pub segment_bytes: usize,
    /// Secret to this process: hashes, salts and jitter come from it.
    pub seed: u64,
    /// Spreads target phases; the same on every run of this host with these external labels (SCR-1).
    pub phase_seed: u64,
    /// How long an endpoint that is no longer configured may come back.
    pub removed_grace: Duration,
    /// Without room for more, give up the oldest; otherwise take in nothing new.
    pub sheds: bool,
    /// Sync every commit at once.
    pub syncs_each: bool,
    /// The shard's own directory first, then the adopted ones. Never empty.
    pub logs: Vec<FoundLog>,
    /// What the pages of all shards' logs say to contain ([`FoundLog::taken`]).
    pub taken: Vec<Taken>,
}

/// The accounts in a file of one log, by the log's name, are contained in those of another. The process died before the
/// log was removed, and whoever has it now counts them no more: it may be a shard of its own again.
pub type Taken = (String, u64);

/// One log directory as recovery found it.
#[derive(Debug, Default)]
pub struct FoundLog {
    pub samples: Vec<FoundSegment>,
    pub dictionary: Vec<FoundSegment>,
    /// Cursor file name and content.
    pub cursors: Vec<(String, CursorPage)>,
    pub ledger: Option<LedgerPage>,
    /// Highest segment number that any file of the directory mentions.
    pub highest_seq: Seq,
}

impl FoundLog {
    pub fn taken(&self) -> impl Iterator<Item = Taken> + '_ {
        let cursors = self.cursors.iter().map(|(file, page)| (file.clone(), page.taken));
        let ledger = self.ledger.iter().map(|page| (LEDGER_FILE.to_owned(), page.taken));
        cursors.chain(ledger).filter(|(_, name)| *name != 0)
    }
}

/// Empties the accounts found beside a log that others contain.
pub(super) fn give_up_taken(
    log: &Log,
    taken: &[Taken],
    cursors: &mut [(String, CursorPage)],
    ledger: Option<&mut LedgerPage>,
) {
    let is_taken = |file: &str| taken.iter().any(|(of, name)| of == file && *name == log.name());
    for (_, page) in cursors.iter_mut().filter(|(file, _)| is_taken(file)) {
        (page.birth, page.totals) = (log.total() as i64, CursorTotals::default());
    }
    if let Some(page) = ledger.filter(|_| is_taken(LEDGER_FILE)) {
        let (sequence, log_total) = (page.sequence, log.total());
        *page = LedgerPage { sequence, log_total, ..LedgerPage::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Timestamp;
    use crate::model::SeriesRef;
    use crate::wal::{Region, Samples};

    const BYTES: usize = 1 << 16;

    /// A log of shard 3 with one sample.
    fn log() -> Log {
        let identity = Identity { store: [1; 16], shard: 3, start: 7, epoch: 0 };
        let mut log = Log::open(identity, BYTES, vec![], Seq(0), 1, &mut |_, _| {});
        log.give_spare(0, Region::heap(BYTES));
        let (refs, values, time) = ([SeriesRef(0)], [1.5], Timestamp(1_000));
        let frame = Samples { lane: 0, time, refs: &refs, values: &values, times: &[] };
        log.append(&frame, time).expect("room");
        log
    }

    fn page(taken: u64) -> CursorPage {
        let totals = CursorTotals { acked: 1, ..CursorTotals::default() };
        let (low, lanes) = (Default::default(), vec![Default::default(); 16]);
        CursorPage {
            endpoint: [2; 16],
            sequence: 5,
            low,
            birth: 0,
            taken,
            lanes,
            ahead: Vec::new(),
            totals,
        }
    }

    #[test]
    fn accounts_that_another_log_contains_count_no_more_wherever_the_log_is_now() {
        let log = log();
        // The shard that had adopted it died after it had stored them, for one endpoint and not for the other.
        let cursors = vec![("a.cur".to_owned(), page(log.name())), ("b.cur".to_owned(), page(0))];
        let ledger = Some(LedgerPage { sequence: 9, taken: log.name(), ..LedgerPage::default() });
        let adopter = FoundLog { cursors, ledger, ..FoundLog::default() };
        let taken: Vec<Taken> = adopter.taken().collect();
        assert_eq!(taken.len(), 2);

        let mut cursors = [("a.cur".to_owned(), page(0)), ("b.cur".to_owned(), page(0))];
        let mut ledger =
            LedgerPage { sequence: 4, offered: 1, appended: 1, ..LedgerPage::default() };
        give_up_taken(&log, &taken, &mut cursors, Some(&mut ledger));
        let [(_, given_up), (_, kept)] = &cursors;
        assert_eq!((given_up.birth, given_up.totals.acked), (1, 0));
        assert_eq!((kept.birth, kept.totals.acked), (0, 1));
        let at_start = ledger.at(log.total());
        assert_eq!((at_start.offered, at_start.appended, at_start.vanished), (0, 0, 0));
        assert_eq!(at_start.sequence, 4, "pages go on where they were");
    }
}
