//! Connections come and go while the others go on: lanes move from one to another when both are at rest, with what is
//! known of how far each lane is. So nothing is sent twice, and a series' samples stay in order.

use crate::base::{Dialer, Instant};
use crate::send::drain::Floors;
use crate::send::endpoint::Endpoint;
use crate::send::lane::{Lane, Progress, State, Trial};
use crate::send::pace::{CATCH_UP, Counts};
use crate::series::Feed;

impl Endpoint {
    /// Looks now and then whether there are enough connections, or too many; changes that as soon as some are at rest.
    pub(super) fn tune(&mut self, now: Instant, feeds: &[Feed], dialer: &mut Dialer) {
        let bounds = (self.plan.connections_min, self.plan.connections_max);
        if self.pace.is_due(now) {
            let mut counts = self.counts(feeds);
            if let Some(rate) = self.plan.backfill_rate.filter(|_| self.is_ahead()) {
                counts.pending = counts.pending.min(rate.get() * CATCH_UP.as_secs());
            }
            self.pace.look(now, counts, self.lanes.len(), bounds);
            self.meters.connections_desired = self.pace.desired;
        }
        while self.lanes.len() < self.pace.wish && self.split() {}
        while self.lanes.len() > self.pace.wish && self.merge(dialer) {}
    }

    fn counts(&self, feeds: &[Feed]) -> Counts {
        let entered = self.entered(feeds);
        let lost = self.meters.lost.total() + self.meters.resumed;
        let settled = self.meters.acknowledged + lost;
        let pending = entered.saturating_sub(settled);
        Counts { entered, pending, acknowledged: self.meters.acknowledged, lost }
    }

    /// The connection with most lanes, of those at rest, gives half of them to a new one.
    fn split(&mut self) -> bool {
        let index = self.lanes.len() as u32;
        let can = self.lanes.iter_mut().filter(|lane| lane.is_at_rest() && lane.served.len() > 1);
        let Some(lane) = can.max_by_key(|lane| lane.served.len()) else { return false };
        lane.rebuild();
        let served = lane.served.split();
        let progress = lane.progress.clone();
        let mut other = Lane::new(self.number, index, served, progress);
        other.inherit(lane);
        other.begin_anew();
        self.lanes.push(other);
        true
    }

    /// The last connection gives its lanes to the one with fewest, if both are at rest.
    fn merge(&mut self, dialer: &mut Dialer) -> bool {
        let Some((last, others)) = self.lanes.split_last_mut() else { return false };
        let can = others.iter_mut().filter(|lane| lane.is_at_rest());
        let Some(lane) = can.min_by_key(|lane| lane.served.len()) else { return false };
        if !last.is_at_rest() {
            return false;
        }
        last.rebuild();
        lane.rebuild();
        for feed in 0..lane.progress.len() {
            lane.progress[feed] = joined(lane, last, feed);
        }
        lane.served.take(last.served);
        lane.inherit(last);
        lane.begin_anew();
        last.hang_up(dialer);
        self.lanes.pop();
        true
    }
}

impl Lane {
    /// Nothing of its lanes is on its way, or is being looked into.
    pub(super) fn is_at_rest(&self) -> bool {
        self.is_calm() && self.isolation.is_none()
    }

    /// Nothing is on its way.
    pub(super) fn is_calm(&self) -> bool {
        let fresh = !self.uncertain && self.attempts == 0 && self.trial == Trial::Piece;
        self.state == State::Idle && fresh
    }

    /// It has taken over lanes of the other.
    fn inherit(&mut self, other: &Lane) {
        self.quiet_until = self.quiet_until.max(other.quiet_until);
        self.resent_until = self.resent_until.max(other.resent_until);
        self.prompt();
    }

    /// Its empty request begins where it is now.
    fn begin_anew(&mut self) {
        let feed = self.request.feed;
        self.request.begin(feed, self.progress[feed].at);
    }
}

/// How far the lanes of both are in a feed: reading begins where the one is that is behind, and what the other has
/// settled beyond that is stepped over.
fn joined(one: &Lane, other: &Lane, feed: usize) -> Progress {
    let of = [one, other];
    let mut floors: Floors = one.progress[feed].floors;
    for lane in of {
        for number in lane.served.lanes() {
            let dealt = lane.progress[feed].floors.dealt[number];
            floors.dealt[number] = dealt.max(lane.counted(feed));
        }
    }
    let low = of.map(|lane| lane.counted(feed).place);
    let mut progress = Progress::new(low[0].min(low[1]), floors);
    for lane in of {
        progress.spared.extend_from_slice(&lane.progress[feed].spared);
        progress.resuming |= lane.progress[feed].resuming;
    }
    progress
}
