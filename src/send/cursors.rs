//! One endpoint's cursor in one feed: what has been settled, what of that is stored.

use core::time::Duration;

use crate::base::{Instant, stable_hash};
use crate::send::drain::LANES;
use crate::wal::{Advance, CursorPage, CursorTotals, DiskRequest, Mark, Place};

/// A store is asked for at most this often: the cursor's age is what a crash may send twice.
pub const STORE_EVERY: Duration = Duration::from_millis(50);
/// And after the disk has refused one.
const RETRY: Duration = Duration::from_secs(1);

/// How far an endpoint is in a feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    pub lanes: [Mark; LANES],
    /// Stretches beyond that went ahead.
    pub ahead: Vec<Advance>,
}

/// The stored side of a cursor.
#[derive(Debug)]
pub struct Cursor {
    file: String,
    endpoint: [u8; 16],
    log: u16,
    sequence: u64,
    /// Low place and sequence of the page being stored.
    asked: Option<(u64, Place)>,
    /// What the last page asked for said.
    last: Option<Settled>,
    /// Everything below may be forgotten: a stored page says so.
    pub stored: Option<Place>,
    due: Instant,
    /// The disk refused the last page: not before, whatever the haste.
    failed_until: Instant,
    stored_sequence: u64,
    /// Pages from this one on say what was last taken over.
    renewed_from: u64,
}

/// `0123456789abcdef.cur`: names and URLs hold characters that files cannot.
pub fn cursor_file(identity: &str) -> String {
    format!("{:016x}.cur", stable_hash(identity.as_bytes()))
}

/// What a page is known by: the file's name is too short for it.
pub fn endpoint_key(identity: &str) -> [u8; 16] {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&stable_hash(identity.as_bytes()).to_le_bytes());
    let salted = [identity.as_bytes(), b"\0endpoint"].concat();
    key[8..].copy_from_slice(&stable_hash(&salted).to_le_bytes());
    key
}

impl Cursor {
    /// `found`: the page that the feed's directory holds, if it is this endpoint's.
    pub fn new(identity: &str, log: u16, found: Option<&CursorPage>) -> Cursor {
        let endpoint = endpoint_key(identity);
        let found = found.filter(|page| page.endpoint == endpoint);
        Cursor {
            file: cursor_file(identity),
            endpoint,
            log,
            sequence: found.map_or(0, |page| page.sequence),
            asked: None,
            last: None,
            stored: found.map(|page| page.low),
            due: Instant(0),
            failed_until: Instant(0),
            stored_sequence: 0,
            renewed_from: 0,
        }
    }

    /// A page to store, if there is news and the last one has had its time. `totals`: what became of the samples that are
    /// settled, of which the first is number `birth` of the log, and of those of the
    /// adopted log `taken`.
    pub fn store(
        &mut self,
        settled: &Settled,
        (birth, taken): (i64, u64),
        totals: &CursorTotals,
        now: Instant,
        at_once: bool,
    ) -> Option<DiskRequest> {
        let low = settled.lanes.iter().min()?.place;
        if self.asked.is_some() || self.last.as_ref() == Some(settled) {
            return None;
        }
        if (now < self.due && !at_once) || now < self.failed_until {
            return None;
        }
        self.sequence += 1;
        self.due = now + STORE_EVERY;
        self.asked = Some((self.sequence, low));
        self.last = Some(settled.clone());
        let page = CursorPage {
            endpoint: self.endpoint,
            sequence: self.sequence,
            low,
            birth,
            taken,
            lanes: settled.lanes.to_vec(),
            ahead: settled.ahead.clone(),
            totals: *totals,
        };
        Some(DiskRequest::StoreCursor {
            log: self.log,
            file: self.file.clone(),
            page: Box::new(page.encode()),
            sequence: self.sequence,
        })
    }

    /// When [`Cursor::store`] should be asked again because of news it would not take; `NEVER` if there are none.
    pub fn wake(&self, settled: &Settled) -> Instant {
        let news = self.last.as_ref() != Some(settled);
        if news && self.asked.is_none() { self.due } else { Instant::NEVER }
    }

    /// What the next page says differs although no lane has moved.
    pub fn renew(&mut self) {
        self.last = None;
        self.renewed_from = self.sequence + 1;
    }

    /// The next page is made whatever is being stored.
    pub fn close(&mut self) {
        self.asked = None;
        self.last = None;
        self.failed_until = Instant(0);
    }

    pub fn is_file(&self, file: &str) -> bool {
        self.file == file
    }

    pub fn file(&self) -> &str {
        &self.file
    }

    /// The page with this sequence is stored.
    pub fn stored(&mut self, sequence: u64) {
        if let Some((asked, low)) = self.asked
            && asked == sequence
        {
            self.asked = None;
            self.stored = Some(low);
            self.stored_sequence = sequence;
        }
    }

    /// It could not be stored: the next page will be tried as news.
    pub fn failed(&mut self, now: Instant) {
        self.asked = None;
        self.last = None;
        self.failed_until = now + RETRY;
        self.due = self.failed_until;
    }

    /// A page made since the last [`Cursor::renew`] is stored.
    pub fn is_renewed(&self) -> bool {
        self.renewed_from <= self.stored_sequence
    }

    /// True when nothing is being stored and a stored page says what is settled.
    pub fn quiet(&self, settled: &Settled) -> bool {
        self.asked.is_none() && self.last.as_ref() == Some(settled)
    }
}
