//! Types, helps and units for an endpoint of 1.0: in requests of their own, again after each interval. In 2.0 they go with
//! every series.

use core::time::Duration;

use crate::base::Instant;
use crate::model::{Description, RemoteMessage};
use crate::send::lane::{Lane, Trial};
use crate::send::shared::Shared;
use crate::wire::remote_v1::put_metadata;

/// When it is tried again if something else has to be done first.
const POSTPONED: Duration = Duration::from_secs(1);

/// What the first connection of an endpoint has to say besides samples.
#[derive(Clone, Copy, Debug)]
pub(super) struct Announcement {
    /// `NEVER` until the first interval begins.
    pub(super) due: Instant,
    /// Those up to this number have been sent.
    after: u16,
}

impl Announcement {
    pub(super) fn new() -> Announcement {
        Announcement { due: Instant::NEVER, after: 0 }
    }

    /// Those up to this number have had their request.
    pub(super) fn past(&mut self, number: u16) {
        self.after = number;
    }
}

impl Lane {
    /// Sends the next families if it is time. False if there is nothing to send.
    // spec: RW §5.6: metadata is a request of its own, without order
    pub(super) fn announce(&mut self, shared: &mut Shared<'_>) -> bool {
        let wanted = self.index() == 0 && shared.message() == RemoteMessage::V1;
        let Some(interval) = shared.plan.metadata_interval.filter(|_| wanted) else {
            self.announcement = Announcement::new();
            return false;
        };
        let now = shared.now.instant;
        if self.announcement.due == Instant::NEVER {
            self.announcement.due = now + interval;
        }
        if self.announcement.due > now {
            return false;
        }
        if self.isolation.is_some() || self.quiet_until > now {
            self.announcement.due = now + POSTPONED;
            return false;
        }
        let (families, last) = self.gather_families(shared);
        if families == 0 {
            self.announcement = Announcement { due: now + interval, after: 0 };
            return false;
        }
        self.trial = Trial::Metadata(families, last);
        self.send(shared);
        true
    }

    /// Makes the request; gives how many families are in it, and the number of the last.
    fn gather_families(&mut self, shared: &mut Shared<'_>) -> (u64, u16) {
        let (feed, stencils) = (&shared.feeds[0], &mut shared.stencils[0]);
        let bytes_max = (*shared.bytes_max).min(shared.plan.bytes_max).min(shared.plan.block_max);
        let (mut families, mut last) = (0, self.announcement.after);
        let body = &mut self.request.body;
        body.begin(RemoteMessage::V1);
        stencils.open(body);
        for number in feed.descriptions.used_after(last).take(shared.plan.metadata_max) {
            let content = feed.descriptions.content(&feed.dictionary, number);
            if families > 0 && body.raw_len() + content.map_or(0, <[u8]>::len) > bytes_max {
                break;
            }
            last = number;
            if let Some(said) = content.and_then(Description::decode) {
                stencils.put_entry(body, |out| put_metadata(out, &said));
                families += 1;
            }
        }
        stencils.close(body);
        (families, last)
    }

    /// What the request in hand adds to the counts of families.
    pub(super) fn families(&self) -> u64 {
        match self.trial {
            Trial::Metadata(families, _) => families,
            Trial::Piece | Trial::Probe(..) | Trial::Canary => 0,
        }
    }
}
