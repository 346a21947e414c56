//! One `remote_write` entry on one shard: its connections, its cursors, its counts.

use crate::base::{Dialer, Instant, Now, Random, Timestamp};
use crate::mail::{EndpointLedger, EndpointMeters, EndpointPlan};
use crate::model::{Loss, SeriesRef};
use crate::send::body::Packer;
use crate::send::cursors::{Cursor, Settled, cursor_file};
use crate::send::drain::{Floors, GivenUp};
use crate::send::filter::Filter;
use crate::send::fresh::FRESH;
use crate::send::lane::{Lane, Progress};
use crate::send::letters::Letters;
use crate::send::pace::Pace;
use crate::send::served::Served;
use crate::send::shared::{Said, Shared};
use crate::send::stencils::Stencils;
use crate::send::stretch::Stretch;
use crate::series::Feed;
use crate::wal::{
    Advance, CursorPage, CursorTotals, Decoded, DiskRequest, Mark, Place, Seq, Step, decode_samples,
};

/// What the shard lends for one event.
#[derive(Debug)]
pub struct Outlook<'a> {
    pub now: Now,
    /// The shard's own log first, then adopted ones.
    pub feeds: &'a [Feed],
    pub dialer: &'a mut Dialer,
    pub external: &'a [u8],
    pub commits: &'a [(Place, Instant)],
    /// Segments to load are added: number of the feed, sequence.
    pub wanted: &'a mut Vec<(u16, Seq)>,
    pub scratch: &'a mut Scratch,
    pub letters: &'a mut Letters,
}

/// Buffers that all endpoints of a core use in turn.
#[derive(Debug, Default)]
pub struct Scratch {
    pub decoded: Decoded,
    pub packer: Packer,
    /// Of each feed, for endpoints that send labels as they are stored, external ones added.
    pub stencils: Vec<Stencils>,
}

impl Scratch {
    pub fn new(feeds: usize) -> Scratch {
        Scratch { stencils: stencils(feeds), ..Scratch::default() }
    }

    /// The ref of the shard's own log will be given to another series.
    pub fn forget(&mut self, series: SeriesRef) {
        self.stencils[0].forget(series);
    }
}

fn stencils(feeds: usize) -> Vec<Stencils> {
    core::iter::repeat_with(Stencils::default).take(feeds).collect()
}

/// One endpoint of one shard.
#[derive(Debug)]
pub struct Endpoint {
    pub plan: EndpointPlan,
    pub(super) number: u32,
    pub(super) lanes: Vec<Lane>,
    pub(super) pace: Pace,
    /// The connection that sends what is new beside a backlog.
    pub(super) fresh: Option<Lane>,
    /// What went ahead of the lanes, per feed.
    pub(super) stretches: Vec<Vec<Stretch>>,
    filters: Vec<Filter>,
    /// Of each feed, in use only if labels are rewritten: then they are no other endpoint's.
    stencils: Vec<Stencils>,
    cursors: Vec<Cursor>,
    pub meters: EndpointMeters,
    acquainted: bool,
    /// It does not know the message that the plan says. Known until the program or the plan is another.
    fallen_back: bool,
    bytes_max: usize,
    given_up: Vec<GivenUp>,
    /// Segments of later epochs may not be sent yet.
    epoch_max: u32,
    random: Random,
    /// Running total of each feed from where on samples are this endpoint's business.
    entered_from: Vec<u64>,
    /// The same over all starts, and what became of them.
    births: Vec<i64>,
    /// Name of the adopted log whose accounts are with the shard's own.
    taken: u64,
    totals: Vec<CursorTotals>,
    told_epoch: Option<u32>,
    /// Lines for the log that have not been handed on.
    pub says: Vec<Said>,
}

impl Endpoint {
    /// `found`: for each feed, the cursors of its directory by file name.
    pub fn new(
        plan: EndpointPlan,
        number: u32,
        feeds: &[Feed],
        found: &[Vec<(String, CursorPage)>],
        seed: u64,
    ) -> Endpoint {
        let file = cursor_file(&plan.identity);
        let mut endpoint = Endpoint {
            number,
            lanes: Vec::new(),
            fresh: None,
            stretches: Vec::new(),
            pace: Pace::new(plan.connections_min, plan.samples_max),
            filters: feeds.iter().map(|_| Filter::default()).collect(),
            stencils: stencils(feeds.len()),
            cursors: Vec::new(),
            meters: EndpointMeters::default(),
            acquainted: false,
            fallen_back: false,
            bytes_max: usize::MAX,
            given_up: vec![GivenUp::default(); feeds.len()],
            epoch_max: 0,
            random: Random::new(seed),
            entered_from: Vec::new(),
            births: Vec::new(),
            taken: 0,
            totals: Vec::new(),
            told_epoch: None,
            says: Vec::new(),
            plan,
        };
        let mut starts = Vec::new();
        for (log, feed) in feeds.iter().enumerate() {
            let page =
                found.get(log).and_then(|pages| pages.iter().find(|(name, _)| *name == file));
            let page = page.map(|(_, page)| page);
            let mut cursor = Cursor::new(&endpoint.plan.identity, log as u16, page);
            // A resend can contain what was taken in already.
            endpoint.acquainted |= page.is_some();
            // A cursor that cannot be read was one: what it said is sent again rather than lost.
            let damaged = page.is_some() && cursor.stored.is_none();
            let page = page.filter(|_| !damaged);
            let (start, from) = begin(feed, page, endpoint.plan.from_oldest || damaged);
            if log == 0 {
                endpoint.taken = page.map_or(0, |page| page.taken);
            }
            let birth = page.map_or(from as i64, |page| page.birth);
            if page.is_some() && birth == feed.log.total() as i64 {
                // Nothing has entered the accounts: another log may have taken what had. A page must say so before
                // anything is appended, because the log goes by another name then.
                cursor.renew();
            }
            let totals = page.map_or(CursorTotals::default(), |page| page.totals);
            let gone = page.map_or(0, |page| gone(feed, page, from));
            endpoint.entered_from.push(from - gone);
            endpoint.births.push(birth);
            endpoint.totals.push(totals);
            endpoint.lose(log, gone);
            endpoint.cursors.push(cursor);
            // Where segments are gone that it begins in, nobody knows how much of it was there: it is sent again.
            let whole = |ahead: &&Advance| ahead.from >= start.at.place;
            let ahead = page.iter().flat_map(|page| &page.ahead).filter(whole);
            endpoint.stretches.push(ahead.copied().map(Stretch::found).collect());
            starts.push(start);
        }
        let connections = endpoint.plan.connections_min;
        for index in 0..connections {
            let served = Served::dealt(index, connections);
            endpoint.lanes.push(Lane::new(number, index as u32, served, starts.clone()));
        }
        endpoint.describe();
        endpoint
    }

    /// Segments that the cursor was in, or had before it, are not there any more.
    fn lose(&mut self, log: usize, samples: u64) {
        if samples == 0 {
            return;
        }
        self.meters.lost.add(Loss::Unreadable, samples);
        self.totals[log].lost.add(Loss::Unreadable, samples);
        let err = format!("{samples} samples were in segments whose files are gone");
        self.says.push(Said { message: "Damage in the log", err });
    }

    fn describe(&mut self) {
        self.meters.name.clone_from(&self.plan.name);
        self.meters.url = self.plan.url.to_string();
        self.meters.connections_min = self.plan.connections_min as u64;
        self.meters.connections_max = self.plan.connections_max as u64;
        self.meters.connections_desired = self.pace.desired;
        self.meters.samples_max = self.plan.samples_max as u64;
    }

    /// New settings of the same endpoint. Its place in the log stays.
    pub fn set_plan(&mut self, plan: EndpointPlan, external_changed: bool, dialer: &mut Dialer) {
        let before = core::mem::replace(&mut self.plan, plan);
        if before.relabel != self.plan.relabel || external_changed {
            self.filters.iter_mut().for_each(Filter::clear);
            self.stencils.iter_mut().for_each(Stencils::clear);
        }
        let (other_url, other_message) =
            (before.url != self.plan.url, before.message != self.plan.message);
        self.fallen_back &= !other_url && !other_message;
        self.pace.bound(
            self.plan.connections_min,
            self.plan.connections_max,
            self.plan.samples_max,
        );
        if other_url
            || other_message
            || before.tls != self.plan.tls
            || before.transport.proxies != self.plan.transport.proxies
            || before.relabel != self.plan.relabel
            || external_changed
        {
            self.all_mut().for_each(|lane| lane.restart(dialer));
        } else if before.transport != self.plan.transport {
            self.all_mut().for_each(Lane::hurry);
        }
        self.bytes_max = usize::MAX;
        self.describe();
    }

    /// The endpoint is no longer configured.
    pub fn end(&mut self, dialer: &mut Dialer) {
        self.all_mut().for_each(|lane| lane.hang_up(dialer));
    }

    /// Something that held reading up is gone.
    pub fn prompt_all(&mut self) {
        self.all_mut().for_each(Lane::prompt);
    }

    pub fn release(&mut self, epoch: u32) {
        self.epoch_max = self.epoch_max.max(epoch);
        self.prompt_all();
    }

    pub fn shed(&mut self, feed: usize, below: Seq) {
        if let Some(limits) = self.given_up.get_mut(feed) {
            limits.shed = limits.shed.max(below);
            self.all_mut().for_each(|lane| lane.shed(feed, below));
        }
    }

    /// As [`Endpoint::shed`], for segments that are too old.
    pub fn expire(&mut self, feed: usize, below: Seq) {
        if let Some(limits) = self.given_up.get_mut(feed).filter(|limits| limits.expired < below) {
            limits.expired = below;
            self.all_mut().for_each(|lane| lane.shed(feed, below));
        }
    }

    pub fn tick(&mut self, outlook: &mut Outlook<'_>) {
        let now = outlook.now.instant;
        self.tune(now, outlook.feeds, outlook.dialer);
        self.freshen(outlook);
        if self.fresh.as_ref().is_some_and(|fresh| fresh.wake(now) <= now) {
            self.with(FRESH, outlook, |lane, shared| lane.tick(shared));
        }
        for index in 0..self.lanes.len() {
            if self.lanes[index].wake(now) <= now {
                self.with(index as u32, outlook, |lane, shared| lane.tick(shared));
            }
        }
    }

    /// When it wants to be woken.
    pub fn wake(&self, now: Instant) -> Instant {
        if self.may_end_fresh() {
            return now;
        }
        let lanes = self.all().map(|lane| lane.wake(now));
        let cursors =
            (0..self.cursors.len()).map(|feed| self.cursors[feed].wake(&self.settled(feed)));
        lanes.chain(cursors).min().unwrap_or(Instant::NEVER)
    }

    pub fn opened(&mut self, lane: u32, outlook: &mut Outlook<'_>) {
        self.with(lane, outlook, |lane, shared| lane.opened(shared));
    }

    pub fn read(&mut self, lane: u32, bytes: &[u8], outlook: &mut Outlook<'_>) {
        self.with(lane, outlook, |lane, shared| lane.read(bytes, shared));
    }

    pub fn wrote(&mut self, lane: u32, bytes: usize) {
        let lane = match lane {
            FRESH => self.fresh.as_mut(),
            _ => self.lanes.get_mut(lane as usize),
        };
        if let Some(lane) = lane {
            lane.wrote(bytes, &mut self.meters);
        }
    }

    pub fn closed(&mut self, lane: u32, orderly: bool, cause: &str, outlook: &mut Outlook<'_>) {
        self.with(lane, outlook, |lane, shared| lane.closed(orderly, cause, shared));
    }

    pub fn outgoing(&self, lane: u32) -> &[u8] {
        let lane = match lane {
            FRESH => self.fresh.as_ref(),
            _ => self.lanes.get(lane as usize),
        };
        lane.map_or(&[], |lane| lane.outgoing())
    }

    fn with(
        &mut self,
        index: u32,
        outlook: &mut Outlook<'_>,
        act: impl FnOnce(&mut Lane, &mut Shared<'_>),
    ) {
        let backfill_pause = self.backfill_pause();
        let (fresh, open) = (index == FRESH, self.fresh.is_some());
        let lane = if fresh { self.fresh.as_mut() } else { self.lanes.get_mut(index as usize) };
        let Some(lane) = lane else {
            return;
        };
        let settled = self.totals[0].settled();
        let rewrites = !self.plan.relabel.is_empty();
        let stencils = if rewrites { &mut self.stencils } else { &mut outlook.scratch.stencils };
        let mut shared = Shared {
            now: outlook.now,
            plan: &self.plan,
            feeds: outlook.feeds,
            filters: &mut self.filters,
            external: outlook.external,
            given_up: &self.given_up,
            // In which order samples come is no matter to one that takes what is new first.
            epoch_max: if fresh { u32::MAX } else { self.epoch_max },
            stretches: if fresh { &[] } else { &self.stretches },
            open,
            backfill_pause: backfill_pause.filter(|_| !fresh),
            meters: &mut self.meters,
            totals: &mut self.totals,
            dialer: outlook.dialer,
            random: &mut self.random,
            stencils,
            decoded: &mut outlook.scratch.decoded,
            packer: &mut outlook.scratch.packer,
            fallen_back: &mut self.fallen_back,
            acquainted: &mut self.acquainted,
            bytes_max: &mut self.bytes_max,
            wanted: outlook.wanted,
            pace: &mut self.pace,
            says: &mut self.says,
            letters: outlook.letters,
            commits: outlook.commits,
        };
        act(lane, &mut shared);
        if fresh {
            self.note_ahead(self.totals[0].settled() - settled);
        }
    }

    /// All connections.
    fn all(&self) -> impl Iterator<Item = &Lane> {
        self.lanes.iter().chain(&self.fresh)
    }

    fn all_mut(&mut self) -> impl Iterator<Item = &mut Lane> {
        self.lanes.iter_mut().chain(&mut self.fresh)
    }

    /// How far it is in this feed.
    pub(super) fn settled(&self, feed: usize) -> Settled {
        let lanes = core::array::from_fn(|lane| {
            let serving = self.lanes.iter().find(|connection| connection.served.has(lane));
            let progress = serving.map(|connection| &connection.progress[feed]);
            progress.map_or(Mark::default(), |at| at.floors.lane(lane, at.settled))
        });
        let low = lanes.iter().min().copied().unwrap_or_default();
        let ahead = self.stretches[feed].iter().map(|stretch| stretch.ahead);
        let ahead = ahead.filter(|ahead| ahead.samples > 0 && ahead.to > low).collect();
        Settled { lanes, ahead }
    }

    /// Cursor pages that are due to be stored; all that say something new with `at_once`.
    pub fn store_cursors(&mut self, now: Instant, at_once: bool, out: &mut Vec<DiskRequest>) {
        for feed in 0..self.cursors.len() {
            let settled = self.settled(feed);
            let birth = (self.births[feed], if feed == 0 { self.taken } else { 0 });
            let totals = &self.totals[feed];
            out.extend(self.cursors[feed].store(&settled, birth, totals, now, at_once));
        }
    }

    /// Pages that say how far it came, at its end.
    pub fn last_cursors(&mut self, now: Instant, out: &mut Vec<DiskRequest>) {
        self.cursors.iter_mut().for_each(Cursor::close);
        self.store_cursors(now, true, out);
    }

    /// True if the page was this endpoint's.
    pub fn cursor_stored(&mut self, log: u16, file: &str, sequence: u64) -> bool {
        match self.cursors.get_mut(log as usize).filter(|cursor| cursor.is_file(file)) {
            Some(cursor) => {
                cursor.stored(sequence);
                true
            }
            None => false,
        }
    }

    pub fn cursor_failed(&mut self, log: u16, file: &str, now: Instant) {
        if let Some(cursor) = self.cursors.get_mut(log as usize).filter(|found| found.is_file(file))
        {
            cursor.failed(now);
        }
    }

    pub fn cursor_name(&self) -> &str {
        self.cursors.first().map_or("", |cursor| cursor.file())
    }

    /// It is sent 1.0 although the plan says 2.0.
    #[cfg(test)]
    pub(super) fn has_fallen_back(&self) -> bool {
        self.fallen_back
    }

    /// The first cursor of the shard's own log is stored: from here on nothing appended can be missed by a restart, or be
    /// counted twice.
    pub fn anchored(&self) -> bool {
        self.cursors.first().is_none_or(|cursor| cursor.stored.is_some() && cursor.is_renewed())
    }

    /// Nothing to store and nothing being stored.
    pub fn cursors_quiet(&self) -> bool {
        (0..self.cursors.len()).all(|feed| self.cursors[feed].quiet(&self.settled(feed)))
    }

    /// The lowest segment of this feed that a restart would read, or that a connection has still to go through to
    /// count what was settled there before.
    pub fn needed(&self, feed: usize) -> Seq {
        let Some(cursor) = self.cursors.get(feed) else { return Seq(0) };
        let stored = cursor.stored.map_or(Seq(0), Place::seq);
        let counted = self.lanes.iter().map(|lane| lane.counted(feed).place.seq());
        counted.min().map_or(stored, |counted| counted.min(stored))
    }

    /// The lowest segment of this feed that some connection may still read.
    pub fn passed(&self, feed: usize) -> Seq {
        let counted = self.lanes.iter().map(|lane| lane.counted(feed).place.seq());
        counted.min().unwrap_or_default()
    }

    /// True if nothing of this feed is unsettled or unstored.
    pub fn drained(&self, feed: usize, end: Place) -> bool {
        self.lanes.iter().all(|lane| lane.progress[feed].settled.place >= end)
            && self.cursors.get(feed).and_then(|cursor| cursor.stored) >= Some(end)
    }

    /// Segments that a connection is about to read.
    pub fn reading(&self, feed: usize, seq: Seq) -> bool {
        self.all().any(|lane| lane.progress[feed].reads(seq))
    }

    /// Nothing waits any more: what is there is sent although requests are not full.
    pub fn flush(&mut self) {
        self.plan.batch_deadline = core::time::Duration::ZERO;
        self.prompt_all();
    }

    /// True if everything before these ends, one per feed, has its verdict.
    pub fn delivered(&self, ends: &[Place]) -> bool {
        self.lanes.iter().all(|lane| {
            lane.progress.iter().zip(ends).all(|(progress, end)| progress.settled.place >= *end)
        })
    }

    /// The lowest epoch not settled, if it has changed since this was last asked. `present` is the epoch that is
    /// written now: once that may be sent, nobody waits for older ones.
    pub fn epoch_news(&mut self, feeds: &[Feed], present: u32) -> Option<u32> {
        if self.epoch_max >= present && self.told_epoch.is_some() {
            return None;
        }
        let lowest = self.lowest_epoch(feeds);
        (self.told_epoch.replace(lowest) != Some(lowest)).then_some(lowest)
    }

    /// The lowest epoch with something unsettled; `u32::MAX` if there is nothing at all.
    fn lowest_epoch(&self, feeds: &[Feed]) -> u32 {
        let mut lowest = u32::MAX;
        for (number, feed) in feeds.iter().enumerate() {
            for lane in &self.lanes {
                let settled = lane.progress[number].settled.place;
                if let Some(seq) = unsettled_segment(feed, settled) {
                    lowest = lowest.min(feed.log.epoch(seq));
                }
            }
        }
        lowest
    }

    /// The accounts of an adopted log that is about to go are kept with the shard's own.
    pub fn take_over(&mut self, feed: usize, feeds: &[Feed]) {
        let total = feeds[feed].log.total() as i64;
        let entered = total - core::mem::replace(&mut self.births[feed], total);
        self.births[0] -= entered;
        let totals = core::mem::take(&mut self.totals[feed]);
        self.totals[0].add(&totals);
        self.taken = feeds[feed].log.name();
        self.cursors[0].renew();
    }

    /// The page that says what was last taken over is stored.
    pub fn has_handed_over(&self) -> bool {
        self.cursors.first().is_none_or(Cursor::is_renewed)
    }

    /// Samples since the endpoint exists, over all starts.
    fn ledger(&self, feeds: &[Feed], pending: u64) -> EndpointLedger {
        let feeds = feeds.iter().zip(&self.births);
        let entered: i64 = feeds.map(|(feed, birth)| feed.log.total() as i64 - birth).sum();
        let mut totals = CursorTotals::default();
        self.totals.iter().for_each(|of| totals.add(of));
        let entered = entered.max(0) as u64;
        let known = totals.settled() + pending;
        EndpointLedger {
            entered,
            acknowledged: totals.acked,
            lost: totals.lost,
            vanished: known.saturating_sub(entered),
            missing: entered.saturating_sub(known),
        }
    }

    pub fn forget(&mut self, series: SeriesRef) {
        if let Some(filter) = self.filters.first_mut() {
            filter.forget(series);
        }
        if let Some(stencils) = self.stencils.first_mut() {
            stencils.forget(series);
        }
    }

    /// Samples that were or became its business in this run.
    pub(super) fn entered(&self, feeds: &[Feed]) -> u64 {
        let totals = feeds.iter().zip(&self.entered_from);
        totals.map(|(feed, from)| feed.log.total() - from).sum()
    }

    /// A copy of the counts, with those worked out on demand.
    pub fn report(&self, feeds: &[Feed], decoded: &mut Decoded) -> EndpointMeters {
        let mut meters = self.meters.clone();
        meters.entered = self.entered(feeds);
        let settled = meters.acknowledged + meters.lost.total() + meters.resumed;
        meters.pending = meters.entered.saturating_sub(settled);
        meters.ledger = self.ledger(feeds, meters.pending);
        meters.ahead = self.is_ahead();
        meters.connections = self.all().count() as u64;
        meters.connections_busy = self.all().filter(|lane| lane.busy()).count() as u64;
        meters.cursor_segment = u64::from(self.needed(0).0);
        for (number, feed) in feeds.iter().enumerate() {
            let low = self.lanes.iter().map(|lane| lane.progress[number].settled.place).min();
            let Some(low) = low.filter(|low| *low < feed.log.end()) else {
                continue;
            };
            meters.backlog_bytes += bytes_after(feed, low);
            for Stretch { ahead, .. } in &self.stretches[number] {
                let [from, to] = [ahead.from, ahead.to.place].map(|at| bytes_after(feed, at));
                meters.backlog_bytes -= (from - to).min(meters.backlog_bytes);
            }
            if meters.pending > 0
                && let Step::Record { payload, base_time, .. } = feed.log.read(low)
                && decode_samples(payload, base_time, decoded).is_ok()
            {
                let time = Timestamp(decoded.time);
                let oldest = meters.oldest_pending;
                meters.oldest_pending =
                    if oldest == Timestamp(0) { time } else { oldest.min(time) };
            }
        }
        meters
    }
}

/// Where reading a feed begins, and the running total there.
fn begin(feed: &Feed, page: Option<&CursorPage>, from_oldest: bool) -> (Progress, u64) {
    let log = &feed.log;
    let Some(page) = page else {
        if from_oldest {
            let from = log.segment_total(log.start().seq()).unwrap_or(log.total());
            return (Progress::new(log.start(), Floors::none()), from);
        }
        return (Progress::new(log.end(), Floors::none()), log.total());
    };
    // From the segment's beginning: so the counts start at a total that is known without reading.
    let first = page.low.seq().max(log.start().seq());
    let from = log.segment_total(first).unwrap_or(log.total());
    let mut floors = Floors::none();
    for (lane, floor) in floors.resumed.iter_mut().enumerate() {
        let low = Mark { place: page.low, skip: 0 };
        *floor = page.lanes.get(lane).copied().unwrap_or(low).max(low);
    }
    (Progress { resuming: true, ..Progress::new(Place::new(first, 0), floors) }, from)
}

/// Samples without a verdict before `from`, the running total where reading begins, of a log whose first segment is
/// later than the cursor.
fn gone(feed: &Feed, page: &CursorPage, from: u64) -> u64 {
    if page.low.seq() >= feed.log.start().seq() {
        return 0;
    }
    let entered = from as i64 - page.birth;
    let first = feed.log.start();
    let ahead = page.ahead.iter().filter(|ahead| ahead.to.place >= first);
    let ahead: u64 = ahead.map(|ahead| ahead.samples).sum();
    let settled = page.totals.settled().saturating_sub(ahead);
    entered.saturating_sub(settled as i64).clamp(0, from as i64) as u64
}

/// The segment with the first record at or after `place`, if there is one.
fn unsettled_segment(feed: &Feed, place: Place) -> Option<Seq> {
    let mut at = place;
    loop {
        match feed.log.read(at) {
            Step::End => return None,
            Step::Absent(seq) => return Some(seq),
            Step::Record { place, .. } => return Some(place.seq()),
            Step::Moved { next, .. } => at = next,
        }
    }
}

/// Bytes of segments from `low` to the end of the log. The segment that `low` is in may be gone.
fn bytes_after(feed: &Feed, low: Place) -> u64 {
    let end = feed.log.end();
    let present = |seq| seq == end.seq() || feed.log.segments().any(|segment| segment.seq == seq);
    let before = if present(low.seq()) { u64::from(low.offset()) } else { 0 };
    let segments = feed.log.segments().filter(|segment| segment.seq >= low.seq());
    let whole: u64 =
        segments.filter(|segment| segment.seq < end.seq()).map(|segment| segment.bytes).sum();
    (whole + u64::from(end.offset())).saturating_sub(before)
}
