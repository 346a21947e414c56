//! One endpoint's cursor in one feed: what has been settled, what of that is stored.

use core::time::Duration;

use crate::base::{Instant, stable_hash};
use crate::mail::EndpointMeters;
use crate::model::Loss;
use crate::send::drain::LANES;
use crate::wal::{CursorPage, CursorTotals, DiskRequest, Place};

/// A store is asked for at most this often: the cursor's age is what a crash may send twice.
pub const STORE_EVERY: Duration = Duration::from_millis(50);

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
    last: [Place; LANES],
    /// Everything below may be forgotten: a stored page says so.
    pub stored: Option<Place>,
    due: Instant,
    /// Totals of earlier runs.
    before: CursorTotals,
}

/// `0123456789abcdef.cur`: names and URLs hold characters that files cannot.
pub fn cursor_file(identity: &str) -> String {
    format!("{:016x}.cur", stable_hash(identity.as_bytes()))
}

fn endpoint_key(identity: &str) -> [u8; 16] {
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
            last: [Place::ZERO; LANES],
            stored: found.map(|page| page.low),
            due: Instant(0),
            before: found.map_or(CursorTotals::default(), |page| page.totals),
        }
    }

    /// A page to store, if there is news and the last one has had its time. `lanes`: how far each is.
    pub fn store(
        &mut self,
        lanes: &[Place; LANES],
        meters: &EndpointMeters,
        now: Instant,
        at_once: bool,
    ) -> Option<DiskRequest> {
        let low = lanes.iter().copied().min()?;
        if self.asked.is_some() || self.last == *lanes {
            return None;
        }
        if now < self.due && !at_once {
            return None;
        }
        self.sequence += 1;
        self.due = now + STORE_EVERY;
        self.asked = Some((self.sequence, low));
        self.last = *lanes;
        // The counts are the endpoint's, of all feeds; only the shard's own directory carries them.
        let totals = if self.log == 0 { self.totals(meters) } else { self.before };
        let page = CursorPage {
            endpoint: self.endpoint,
            sequence: self.sequence,
            low,
            lanes: lanes.to_vec(),
            totals,
        };
        Some(DiskRequest::StoreCursor {
            log: self.log,
            file: self.file.clone(),
            page: Box::new(page.encode()),
            sequence: self.sequence,
        })
    }

    /// When [`Cursor::store`] should be asked again because of news it would not take; `NEVER` if there are none.
    pub fn wake(&self, lanes: &[Place; LANES]) -> Instant {
        if self.last != *lanes && self.asked.is_none() { self.due } else { Instant::NEVER }
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
        }
    }

    /// It could not be stored: the next page will be tried as news.
    pub fn failed(&mut self, now: Instant) {
        self.asked = None;
        self.last = [Place::ZERO; LANES];
        self.due = now + Duration::from_secs(1);
    }

    /// True when nothing is being stored and a stored page says what is settled.
    pub fn quiet(&self, lanes: &[Place; LANES]) -> bool {
        self.asked.is_none() && self.last == *lanes
    }

    fn totals(&self, meters: &EndpointMeters) -> CursorTotals {
        let lost = |loss| meters.lost.get(loss);
        CursorTotals {
            acked: self.before.acked + meters.acknowledged,
            rejected: self.before.rejected + lost(Loss::Rejected),
            shed: self.before.shed + lost(Loss::Shed),
            expired: self.before.expired + lost(Loss::TooOld),
            unreadable: self.before.unreadable + lost(Loss::Unreadable),
            filtered: self.before.filtered + lost(Loss::Filtered),
        }
    }
}
