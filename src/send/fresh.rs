//! What is new beside a backlog, for an endpoint that takes samples in any order: when all connections are late, one
//! more sends what is committed from then on, whatever the others have still to do.
//!
//! What it has sent is a stretch ahead of the lanes, on the same page of the cursor as they are: a stored page never
//! tells of more than was settled, so a death costs what it always costs. The others stop where the stretch begins, and
//! when all have come there the extra connection goes, and they step over it. When it is late itself, after another
//! outage, it leaps ahead once more and leaves a stretch behind. Within its stretch samples are in order, and within the
//! backlog.

use core::time::Duration;

use crate::base::{Dialer, Instant};
use crate::send::drain::{Floors, LANES};
use crate::send::endpoint::{Endpoint, Outlook};
use crate::send::isolation::Isolation;
use crate::send::lane::{Lane, Progress, State};
use crate::send::served::Served;
use crate::send::stretch::Stretch;
use crate::wal::{AHEAD_MAX, Mark};

/// Number of the connection that sends what is new.
pub const FRESH: u32 = LANES as u32;
/// What was committed so long ago and has no verdict is late, if there is more of it than one request holds.
const LATE: Duration = Duration::from_secs(1);

impl Endpoint {
    /// Sees to it that what is new is not late. Each turn.
    pub(super) fn freshen(&mut self, outlook: &mut Outlook<'_>) {
        let stretches = self.stretches.iter().any(|of| !of.is_empty());
        if self.fresh.is_none() && !self.plan.out_of_order_ok && !stretches {
            return;
        }
        match &self.fresh {
            Some(_) if !self.plan.out_of_order_ok => self.end_fresh(outlook.dialer),
            Some(_) if self.may_end_fresh() => self.end_fresh(outlook.dialer),
            Some(_) => self.leap(outlook),
            None if self.plan.out_of_order_ok => self.begin_fresh(outlook),
            None => {}
        }
        self.forget_passed();
    }

    /// The connection that sends what is new has no use any more.
    pub(super) fn may_end_fresh(&self) -> bool {
        self.fresh.as_ref().is_some_and(Lane::may_go) && self.has_caught_up()
    }

    /// True while what is new goes ahead of a backlog.
    pub(super) fn is_ahead(&self) -> bool {
        self.fresh.is_some()
    }

    /// Something happened on the connection that sends what is new; so many samples have their verdict by that.
    pub(super) fn note_ahead(&mut self, settled: u64) {
        if let (Some(fresh), Some(open)) = (&self.fresh, self.stretches[0].last_mut()) {
            open.ahead.to = fresh.progress[0].settled;
            open.ahead.samples += settled;
        }
    }

    /// What is at `place` was committed long ago, as far as anybody remembers.
    fn is_late(&self, place: Mark, outlook: &Outlook<'_>) -> bool {
        let late = LATE + self.plan.batch_deadline;
        let end = outlook.feeds[0].log.end();
        let next = outlook.commits.partition_point(|(begin, _)| *begin <= place.place);
        let committed = next.checked_sub(1).map(|at| outlook.commits[at].1);
        let since = committed.map_or(late, |at| outlook.now.instant.since(at));
        place.place < end && since >= late
    }

    /// Samples of the shard's own log without a verdict from `low` on; `None` if nobody knows without loading segments.
    fn behind(&self, low: Mark, outlook: &Outlook<'_>) -> Option<u64> {
        let log = &outlook.feeds[0].log;
        let before = log.total_at(low.place)? + u64::from(low.skip);
        let ahead = self.stretches[0].iter().filter(|stretch| stretch.ahead.from >= low.place);
        let ahead: u64 = ahead.map(|stretch| stretch.ahead.samples).sum();
        Some(log.total().saturating_sub(before + ahead))
    }

    fn begin_fresh(&mut self, outlook: &Outlook<'_>) {
        let lanes = self.settled(0).lanes;
        let low = lanes.into_iter().min().unwrap_or_default();
        let one_request = self.plan.samples_max as u64;
        let much = self.behind(low, outlook).is_none_or(|samples| samples > one_request);
        if !much || !self.is_late(low, outlook) {
            return;
        }
        let log = &outlook.feeds[0].log;
        // The one that an earlier run left goes on if hardly anything is behind it.
        let goes_on = self.stretches[0].last().filter(|last| {
            let read = self.lanes.iter().map(|lane| lane.progress[0].at.place);
            let settled = lanes.iter().map(|lane| lane.place);
            let before = read.chain(settled).all(|place| place <= last.ahead.from);
            let behind = self.behind(last.ahead.to, outlook);
            before && behind.is_some_and(|samples| samples <= one_request)
        });
        let resuming = goes_on.is_some();
        let open = match goes_on {
            Some(last) => *last,
            None if self.stretches[0].len() < AHEAD_MAX => {
                let open = Stretch::at(log.end());
                self.stretches[0].push(open);
                open
            }
            None => return,
        };
        let mut progress: Vec<Progress> = outlook
            .feeds
            .iter()
            .map(|feed| Progress::new(feed.log.end(), Floors::none()))
            .collect();
        (progress[0].at, progress[0].settled) = (open.ahead.to, open.ahead.to);
        progress[0].resuming = resuming;
        self.fresh = Some(Lane::new(self.number, FRESH, Served::dealt(0, 1), progress));
    }

    /// The connection for what is new is late itself, after another outage: on to the end of the log, if there is room on
    /// the page for what is left behind.
    fn leap(&mut self, outlook: &Outlook<'_>) {
        let log = &outlook.feeds[0].log;
        let Some(at) = self.fresh.as_ref().map(|fresh| fresh.counted(0)) else { return };
        let late = self.is_late(at, outlook);
        let (Some(fresh), Some(open)) = (&mut self.fresh, self.stretches[0].last().copied()) else {
            return;
        };
        let total = log.total_at(at.place);
        let one_request =
            total.is_some_and(|total| log.total() - total <= self.plan.samples_max as u64);
        // What was tried alone and taken must not be left behind.
        let waits = matches!(fresh.state, State::Idle | State::Waiting)
            && fresh.isolation.is_none()
            && fresh.progress[0].spared.is_empty();
        if !waits || one_request || !late {
            return;
        }
        if open.ahead.samples == 0 {
            self.stretches[0].pop();
        } else if self.stretches[0].len() == AHEAD_MAX {
            return;
        }
        let end = Stretch::at(log.end());
        self.stretches[0].push(end);
        let tried = fresh.progress[0].at;
        fresh.leap(end.ahead.to);
        for lane in &mut self.lanes {
            // It may have been taken without a word. And the way on is free.
            lane.resent_until = lane.resent_until.max(tried);
            lane.prompt();
        }
    }

    /// All that is before the open stretch has its verdict.
    fn has_caught_up(&self) -> bool {
        let from = self.stretches[0].last().map(|open| open.ahead.from);
        self.lanes.iter().all(|lane| Some(lane.progress[0].settled.place) >= from)
    }

    /// What is new goes in order again.
    pub(super) fn end_fresh(&mut self, dialer: &mut Dialer) {
        let Some(mut fresh) = self.fresh.take() else { return };
        fresh.hang_up(dialer);
        for lane in &mut self.lanes {
            // It may have been taken without a word.
            lane.resent_until = lane.resent_until.max(fresh.progress[0].at);
            lane.prompt();
        }
        self.stretches[0].pop_if(|open| open.ahead.samples == 0);
    }

    /// Stretches that all connections are past.
    fn forget_passed(&mut self) {
        for (feed, stretches) in self.stretches.iter_mut().enumerate() {
            let low = self.lanes.iter().map(|lane| lane.counted(feed)).min().unwrap_or_default();
            let open = feed == 0 && self.fresh.is_some();
            let last = stretches.len();
            let mut number = 0;
            stretches.retain(|stretch| {
                number += 1;
                stretch.ahead.to > low || open && number == last
            });
        }
    }

    /// How long one connection waits for each sample of a backlog beside what is new, so that all together keep to the
    /// rate that is configured.
    pub(super) fn backfill_pause(&self) -> Option<Duration> {
        let rate = self.plan.backfill_rate.filter(|_| self.fresh.is_some())?;
        Some(Duration::from_secs_f64(self.lanes.len() as f64 / rate.get() as f64))
    }
}

impl Lane {
    /// It has nothing in hand but what it learned of samples that have their verdicts: more to try may never come.
    fn may_go(&self) -> bool {
        let Progress { settled, spared, .. } = &self.progress[0];
        let learned = |found: &Isolation| found.has_passed(*settled) && spared.is_empty();
        self.is_calm() && self.isolation.as_ref().is_none_or(learned)
    }

    /// Goes on at `to`. What waits for another attempt waits no less.
    fn leap(&mut self, to: Mark) {
        let until = if self.state == State::Waiting { self.due } else { Instant(0) };
        self.quiet_until = self.quiet_until.max(until);
        self.uncertain = false;
        self.rebuild();
        let progress = &mut self.progress[0];
        *progress = Progress::new(to.place, progress.floors);
        self.request.begin(0, to);
    }
}
