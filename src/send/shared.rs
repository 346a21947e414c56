//! What the connections of an endpoint have in common.

use core::time::Duration;

use crate::base::{Dialer, Instant, Now, Random};
use crate::mail::{EndpointMeters, EndpointPlan};
use crate::model::RemoteMessage;
use crate::send::body::Packer;
use crate::send::drain::GivenUp;
use crate::send::filter::Filter;
use crate::send::letters::Letters;
use crate::send::pace::Pace;
use crate::send::stencils::Stencils;
use crate::send::stretch::Stretch;
use crate::series::Feed;
use crate::wal::{CursorTotals, Decoded, Place, Seq};

/// What the connections of an endpoint share, lent for one event.
#[derive(Debug)]
pub struct Shared<'a> {
    pub now: Now,
    pub plan: &'a EndpointPlan,
    pub feeds: &'a [Feed],
    pub filters: &'a mut [Filter],
    pub external: &'a [u8],
    pub given_up: &'a [GivenUp],
    pub epoch_max: u32,
    /// What went ahead, per feed; nothing for the connection that does it.
    pub stretches: &'a [Vec<Stretch>],
    /// Another connection sends what is new: the last stretch of the shard's own log is not to be stepped over yet.
    pub open: bool,
    /// To wait for each sample, where a backlog may be sent at a certain rate only.
    pub backfill_pause: Option<Duration>,
    pub meters: &'a mut EndpointMeters,
    /// Verdicts over all starts, per feed: what the cursors' pages carry.
    pub totals: &'a mut [CursorTotals],
    pub dialer: &'a mut Dialer,
    pub random: &'a mut Random,
    /// One each for every feed.
    pub stencils: &'a mut [Stencils],
    pub decoded: &'a mut Decoded,
    pub packer: &'a mut Packer,
    /// The endpoint does not know the message that it is to be sent: it gets 1.0.
    pub fallen_back: &'a mut bool,
    /// The endpoint has acknowledged something, ever.
    pub acquainted: &'a mut bool,
    /// Limit learned from 413, in uncompressed bytes.
    pub bytes_max: &'a mut usize,
    /// Segments to load: number of the feed, sequence.
    pub wanted: &'a mut Vec<(u16, Seq)>,
    pub pace: &'a mut Pace,
    pub says: &'a mut Vec<Said>,
    pub letters: &'a mut Letters,
    /// When frames of the shard's own log were committed, oldest first.
    pub commits: &'a [(Place, Instant)],
}

impl Shared<'_> {
    /// What the endpoint is sent now.
    pub fn message(&self) -> RemoteMessage {
        if *self.fallen_back { RemoteMessage::V1 } else { self.plan.message }
    }
}

/// A line for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    pub message: &'static str,
    pub err: String,
}
