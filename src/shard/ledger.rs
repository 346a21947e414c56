//! What was offered to the shard's logs over all starts, and the page that carries it from one to the next.

use core::time::Duration;

use crate::append::Appender;
use crate::base::Instant;
use crate::mail::LogLedger;
use crate::wal::{DiskRequest, LEDGER_FILE, LedgerPage};

/// Refusals of so long are forgotten by a kill; what was appended is known from the log.
const STORE_EVERY: Duration = Duration::from_secs(1);

/// The books of a shard, of which only the refusals cannot be read from the log.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// What earlier starts left, per log; the shard's own first. `None` once taken over.
    before: Vec<Option<LedgerPage>>,
    sequence: u64,
    /// Offered and refused as the last page said them; nothing before the first.
    last: Option<(u64, u64)>,
    asked: Option<u64>,
    due: Instant,
    failed_until: Instant,
    stored_sequence: u64,
    /// Pages from this one on say what was last taken over.
    renewed_from: u64,
}

impl Ledger {
    /// `found`: the page of each log, and how many samples it holds or has held.
    pub(super) fn new(found: impl Iterator<Item = (Option<LedgerPage>, u64)>) -> Ledger {
        let pages = found.map(|(page, total)| Some(page.unwrap_or_default().at(total)));
        let before: Vec<_> = pages.collect();
        let own = before.first().copied().flatten().unwrap_or_default();
        // Another log has taken the accounts. A page must say so before anything is appended, because the log goes by
        // another name then.
        let emptied = own.appended == 0 && own.log_total > 0;
        let renewed_from = if emptied { own.sequence + 1 } else { 0 };
        Ledger { before, sequence: own.sequence, renewed_from, ..Ledger::default() }
    }

    /// Samples that the logs were found to have lost at this start or an earlier one.
    pub(super) fn vanished(&self) -> u64 {
        self.before.iter().flatten().map(|page| page.vanished).sum()
    }

    /// An adopted log, of this name, is about to go: its accounts are kept with the shard's own.
    pub(super) fn take_over(&mut self, log: usize, name: u64) {
        let page = self.before.get_mut(log).and_then(Option::take);
        if let (Some(page), Some(Some(own))) = (page, self.before.first_mut()) {
            add(own, &page);
            own.taken = name;
            self.last = None;
            self.renewed_from = self.sequence + 1;
        }
    }

    /// The page that says what was last taken over is stored.
    pub(super) fn has_handed_over(&self) -> bool {
        self.renewed_from <= self.stored_sequence
    }

    /// The books of all logs.
    pub(super) fn sum(&self, appender: &Appender) -> LogLedger {
        let mut sum = LedgerPage::default();
        for page in self.before.iter().flatten() {
            add(&mut sum, page);
        }
        add_run(&mut sum, appender);
        LogLedger {
            offered: sum.offered,
            appended: sum.appended,
            refused: sum.refused,
            vanished: sum.vanished,
        }
    }

    /// The page to store, if it says something new and the last one has had its time.
    pub(super) fn store(
        &mut self,
        appender: &Appender,
        log_total: u64,
        now: Instant,
        at_once: bool,
    ) -> Option<DiskRequest> {
        let early = (now < self.due && !at_once) || now < self.failed_until;
        if !self.news(appender) || self.asked.is_some() || early {
            return None;
        }
        let mut page = self.before.first().copied().flatten().unwrap_or_default();
        add_run(&mut page, appender);
        self.sequence += 1;
        (page.sequence, page.log_total) = (self.sequence, log_total);
        self.last = Some((appender.offered, appender.refused.total()));
        self.asked = Some(self.sequence);
        self.due = now + STORE_EVERY;
        Some(DiskRequest::StoreCursor {
            log: 0,
            file: LEDGER_FILE.to_owned(),
            page: Box::new(page.encode()),
            sequence: self.sequence,
        })
    }

    fn news(&self, appender: &Appender) -> bool {
        self.last != Some((appender.offered, appender.refused.total()))
    }

    /// When [`Ledger::store`] should be asked again.
    pub(super) fn wake(&self, appender: &Appender) -> Instant {
        if self.news(appender) && self.asked.is_none() { self.due } else { Instant::NEVER }
    }

    pub(super) fn stored(&mut self, log: u16, file: &str) {
        if log == 0
            && file == LEDGER_FILE
            && let Some(sequence) = self.asked.take()
        {
            self.stored_sequence = sequence;
        }
    }

    /// It could not be stored, and is tried again when a page may be stored again, whatever the haste.
    pub(super) fn failed(&mut self, log: u16, file: &str, now: Instant) {
        if log == 0 && file == LEDGER_FILE {
            (self.asked, self.last) = (None, None);
            self.failed_until = now + STORE_EVERY;
            self.due = self.failed_until;
        }
    }

    /// Nothing to store and nothing being stored.
    pub(super) fn quiet(&self, appender: &Appender) -> bool {
        !self.news(appender) && self.asked.is_none()
    }
}

fn add(to: &mut LedgerPage, page: &LedgerPage) {
    to.offered += page.offered;
    to.appended += page.appended;
    to.vanished += page.vanished;
    to.refused.add_all(&page.refused);
}

fn add_run(to: &mut LedgerPage, appender: &Appender) {
    to.offered += appender.offered;
    to.appended += appender.appended;
    to.refused.add_all(&appender.refused);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Refusal;

    fn page(request: Option<DiskRequest>) -> LedgerPage {
        match request {
            Some(DiskRequest::StoreCursor { page, file, .. }) if file == LEDGER_FILE => {
                LedgerPage::decode(&page[..]).expect("just encoded")
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn refusals_outlive_the_process_and_appended_samples_are_read_from_the_log() {
        let mut appender = Appender::default();
        (appender.offered, appender.appended) = (13, 10);
        appender.refused.add(Refusal::OutOfOrder, 3);
        let mut ledger = Ledger::new([(None, 0)].into_iter());
        let stored = page(ledger.store(&appender, 10, Instant(0), false));
        ledger.stored(0, LEDGER_FILE);
        // Killed after seven more samples.
        let next = Ledger::new([(Some(stored), 17)].into_iter());
        let sum = next.sum(&Appender::default());
        assert_eq!((sum.offered, sum.appended, sum.vanished), (20, 17, 0));
        assert_eq!(sum.refused.get(Refusal::OutOfOrder), 3);
        // The power went, and took four of those that the page knew.
        let cut = Ledger::new([(Some(stored), 6)].into_iter());
        let sum = cut.sum(&Appender::default());
        assert_eq!((sum.offered, sum.appended, sum.vanished), (13, 10, 4));
    }

    #[test]
    fn a_page_is_stored_when_it_says_something_new_and_not_more_often_than_once_a_second() {
        let mut appender = Appender::default();
        (appender.offered, appender.appended) = (1, 1);
        let mut ledger = Ledger::new([(None, 0)].into_iter());
        assert!(ledger.store(&appender, 1, Instant(0), false).is_some());
        appender.offered += 1;
        appender.appended += 1;
        assert!(ledger.store(&appender, 2, Instant(0), true).is_none(), "one is under way");
        ledger.stored(0, LEDGER_FILE);
        assert!(ledger.store(&appender, 2, Instant(0), false).is_none(), "it was just stored");
        assert_eq!(ledger.wake(&appender), Instant(0) + STORE_EVERY);
        assert!(ledger.store(&appender, 2, Instant(0), true).is_some());
        ledger.failed(0, LEDGER_FILE, Instant(0));
        assert!(ledger.store(&appender, 2, Instant(0), true).is_none(), "not in a circle");
        assert!(!ledger.quiet(&appender), "what failed is tried again");
    }

    #[test]
    fn an_adopted_logs_accounts_stay_when_it_goes() {
        let appender = Appender::default();
        let mut ledger = Ledger::new([(None, 5), (None, 7)].into_iter());
        let before = ledger.sum(&appender);
        ledger.take_over(1, 2);
        ledger.take_over(1, 2);
        assert_eq!(ledger.sum(&appender), before);
        assert!(!ledger.has_handed_over());
        let stored = page(ledger.store(&appender, 5, Instant(0), false));
        assert_eq!(stored.appended, 12);
        assert!(!ledger.has_handed_over());
        ledger.stored(0, LEDGER_FILE);
        assert!(ledger.has_handed_over());
        assert_eq!(stored.taken, 2);
    }
}
