//! One core's whole state, and what each event does to it.

use core::marker::PhantomData;
use core::time::Duration;
use std::collections::{HashMap, VecDeque};

use crate::append::Appender;
use crate::base::{Ask, Conn, Dialer, Instant, Now, Owner, limits};
use crate::mail::{Assignment, Level, Notice, Order, Recovery};
use crate::model::Loss;
use crate::receive::{self, Intake};
use crate::scrape::{Lent, Pools};
use crate::send::{Endpoint, Letters, Outlook, Scratch, Stencils, cursor_file, endpoint_key};
use crate::series::Feed;
use crate::shard::ledger::Ledger;
use crate::shard::plan::give_up_taken;
use crate::shard::removed::Removals;
use crate::shard::upkeep::Upkeep;
use crate::shard::{Effect, Event, Plan, recover};
use crate::wal::{CursorPage, DiskAnswer, DiskRequest, Place, Seq};

/// Commits whose time is remembered, for the time from commit to acknowledgement.
const COMMITS_KEPT: usize = 8192;
/// A start waits so long at most for the disk to be ready before it scrapes all the same.
const GATE: Duration = Duration::from_secs(2);
/// Attempts, a second apart, to read a segment back.
const LOADS_TRIED: u32 = 30;
/// What endpoints get to take in what is there when the process is to stop.
const FLUSH: Duration = Duration::from_millis(1000);
const STORE: Duration = Duration::from_millis(500);

/// Never `Send`: a shard lives and dies on its core.
///
/// ```compile_fail
/// fn crosses<T: Send>() {}
/// crosses::<corelane::shard::Shard>();
/// ```
#[derive(Debug)]
pub struct Shard {
    pub(super) number: u16,
    pub(super) epoch: u32,
    pub(super) feeds: Vec<Feed>,
    /// Cursors that recovery found, per feed, for endpoints to come.
    pub(super) found: Vec<Vec<(String, CursorPage)>>,
    pub(super) appender: Appender,
    pub(super) ledger: Ledger,
    pub(super) recovery: Recovery,
    pub(super) pools: Pools,
    pub(super) intake: Intake,
    pub(super) endpoints: Vec<Option<Endpoint>>,
    pub(super) dialer: Dialer,
    external: Vec<u8>,
    pub(super) scratch: Scratch,
    commits: Vec<(Place, Instant)>,
    wanted: Vec<(u16, Seq)>,
    loading: Vec<(u16, Seq)>,
    /// Segments that could not be loaded, and how often.
    unreadable: HashMap<(u16, Seq), u32>,
    pub(super) upkeep: Upkeep,
    pub(super) removals: Removals,
    pub(super) letters: Letters,
    seed: u64,
    gate: Gate,
    stopping: Option<Stopping>,
    effects: VecDeque<Effect>,
    _here: PhantomData<*const ()>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gate {
    /// Opens at the latest then.
    Shut(Instant),
    Open,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stopping {
    /// Endpoints take in what is there, until then.
    Flushing(Instant),
    /// Cursors are being stored, until then.
    Storing(Instant),
    Done,
}

impl Shard {
    /// A shard is born on the core that keeps it, from what recovery found.
    pub fn new(plan: Plan, now: Now) -> Shard {
        let Plan {
            shard,
            identity,
            segment_bytes,
            seed,
            phase_seed,
            removed_grace,
            sheds,
            syncs_each,
            logs,
            taken,
        } = plan;
        let mut found = Vec::new();
        let mut ledgers = Vec::new();
        let mut feeds: Vec<Feed> = Vec::new();
        let mut survivors = HashMap::new();
        for (index, mut log) in logs.into_iter().enumerate() {
            let mut cursors = core::mem::take(&mut log.cursors);
            let mut ledger = log.ledger.take();
            let lanes = cursors.iter().flat_map(|(_, page)| &page.lanes);
            let reached = lanes.map(|lane| lane.place).max().unwrap_or_default();
            let seed = seed ^ index as u64;
            let (feed, live) = recover::feed(identity, segment_bytes, log, reached, seed);
            give_up_taken(&feed.log, &taken, &mut cursors, ledger.as_mut());
            found.push(cursors);
            ledgers.push(ledger);
            feeds.push(feed);
            // Series of an adopted log have other refs here.
            if index == 0 {
                survivors = live;
            }
        }
        feeds[0].log.set_memory(limits::MEMORY_SAMPLES_SEGMENTS);
        let before = ledgers.iter().flatten().map(|page| page.vanished).sum::<u64>();
        let totals = feeds.iter().map(|feed| feed.log.total());
        let ledger = Ledger::new(ledgers.into_iter().zip(totals));
        let recovery = recover::summary(&feeds, ledger.vanished() - before);
        // Where the end of the log is gone, what was live at its end is not known.
        if recovery.vanished > 0 {
            survivors.clear();
        }
        let scratch = Scratch::new(feeds.len());
        Shard {
            ledger,
            recovery,
            number: shard,
            epoch: identity.epoch,
            feeds,
            found,
            appender: Appender::default(),
            pools: Pools::new(seed, phase_seed, survivors, now.instant),
            intake: Intake::default(),
            endpoints: Vec::new(),
            dialer: Dialer::default(),
            external: Vec::new(),
            scratch,
            commits: Vec::new(),
            wanted: Vec::new(),
            loading: Vec::new(),
            unreadable: HashMap::new(),
            upkeep: Upkeep::new(sheds, syncs_each),
            letters: Letters::default(),
            removals: Removals::new(removed_grace),
            seed,
            gate: Gate::Shut(now.instant + GATE),
            stopping: None,
            effects: VecDeque::new(),
            _here: PhantomData,
        }
    }

    /// Never blocks, never reads a clock. `event` borrows its bytes.
    pub fn handle(&mut self, now: Now, event: Event<'_>) {
        let end = self.feeds[0].log.end();
        match event {
            Event::Tick => self.turn(now),
            Event::Order(order) => self.order(now, order),
            Event::Opened(conn) => match self.dialer.owner(conn) {
                Some(Owner::Inward(index)) => {
                    self.scraping(now, |pools, lent| pools.opened(index, lent))
                }
                Some(Owner::Outward(number, lane)) => {
                    self.sending(now, number, |endpoint, outlook| endpoint.opened(lane, outlook));
                }
                None => {}
            },
            Event::Read(conn, bytes) => match self.dialer.owner(conn) {
                Some(Owner::Inward(index)) => {
                    self.scraping(now, |pools, lent| pools.read(index, bytes, lent));
                }
                Some(Owner::Outward(number, lane)) => {
                    self.sending(now, number, |endpoint, outlook| {
                        endpoint.read(lane, bytes, outlook)
                    });
                }
                None => {}
            },
            Event::Wrote(conn, bytes) => self.wrote(conn, bytes),
            Event::Closed { conn, orderly, cause } => match self.dialer.gone(conn) {
                Some(Owner::Inward(index)) => {
                    self.scraping(now, |pools, lent| pools.closed(index, orderly, cause, lent));
                }
                Some(Owner::Outward(number, lane)) => {
                    self.sending(now, number, |endpoint, outlook| {
                        endpoint.closed(lane, orderly, cause, outlook);
                    });
                }
                None => {}
            },
            Event::Disk(answer) => self.disk(now, answer),
        }
        self.note_commits(end, now);
    }

    /// Drain after every batch of events. Effects are requests to the world, in order.
    pub fn effect(&mut self) -> Option<Effect> {
        if let Some(ask) = self.dialer.next_ask() {
            return Some(match ask {
                Ask::Open { conn, route } => Effect::Open { conn, route },
                Ask::Write(conn) => Effect::Write(conn),
                Ask::Close(conn) => Effect::Close(conn),
                Ask::Pause(conn) => Effect::Pause(conn),
                Ask::Resume(conn) => Effect::Resume(conn),
            });
        }
        self.effects.pop_front()
    }

    /// Bytes to write for a connection; [`Event::Wrote`] says what the network took of them.
    pub fn outgoing(&self, conn: Conn) -> &[u8] {
        match self.dialer.owner(conn) {
            Some(Owner::Inward(index)) => self.pools.outgoing(index),
            Some(Owner::Outward(number, lane)) => match self.endpoints.get(number as usize) {
                Some(Some(endpoint)) => endpoint.outgoing(lane),
                _ => &[],
            },
            None => &[],
        }
    }

    /// When an [`Event::Tick`] is due.
    pub fn deadline(&self, now: Instant) -> Instant {
        let scrapes = match (self.gate, self.stopping) {
            (_, Some(_)) => Instant::NEVER,
            (Gate::Open, None) => self.pools.deadline().min(self.intake.wake()),
            (Gate::Shut(until), None) => until,
        };
        let stop = match self.stopping {
            Some(Stopping::Flushing(until) | Stopping::Storing(until)) => until,
            Some(Stopping::Done) => return Instant::NEVER,
            None => Instant::NEVER,
        };
        let sends = self.endpoints.iter().flatten().map(|endpoint| endpoint.wake(now)).min();
        let ledger = self.ledger.wake(&self.appender);
        scrapes
            .min(stop)
            .min(ledger)
            .min(sends.unwrap_or(Instant::NEVER))
            .min(self.upkeep.wake())
            .min(self.removals.wake())
    }

    fn wrote(&mut self, conn: Conn, bytes: usize) {
        match self.dialer.owner(conn) {
            Some(Owner::Inward(index)) => self.pools.wrote(index, bytes),
            Some(Owner::Outward(number, lane)) => {
                if let Some(Some(endpoint)) = self.endpoints.get_mut(number as usize) {
                    endpoint.wrote(lane, bytes);
                }
            }
            None => {}
        }
    }

    fn scraping(&mut self, now: Now, act: impl FnOnce(&mut Pools, &mut Lent<'_>)) {
        let has_room = self.upkeep.sheds || self.feeds[0].log.has_room();
        let mut lent = Lent {
            now,
            feed: &mut self.feeds[0],
            appender: &mut self.appender,
            dialer: &mut self.dialer,
            may_wait: self.upkeep.shortage.is_none(),
            has_room,
        };
        act(&mut self.pools, &mut lent);
        let failures = self.pools.failures.drain(..).map(Box::new);
        self.effects.extend(failures.map(|failure| Effect::Notice(Notice::Failed(failure))));
    }

    fn receive(&mut self, now: Now) {
        let has_room = self.upkeep.sheds || self.feeds[0].log.has_room();
        self.intake.work(&mut receive::Lent {
            now,
            feed: &mut self.feeds[0],
            appender: &mut self.appender,
            may_wait: self.upkeep.shortage.is_none(),
            has_room,
        });
    }

    fn tell_pushers(&mut self) {
        let answers = self.intake.answers();
        self.effects.extend(answers.map(|(number, outcome)| {
            Effect::Notice(Notice::Pushed { number, outcome: Box::new(outcome) })
        }));
    }

    fn sending(
        &mut self,
        now: Now,
        number: u32,
        act: impl FnOnce(&mut Endpoint, &mut Outlook<'_>),
    ) {
        let Some(Some(endpoint)) = self.endpoints.get_mut(number as usize) else {
            return;
        };
        let mut outlook = Outlook {
            now,
            feeds: &self.feeds,
            dialer: &mut self.dialer,
            external: &self.external,
            commits: &self.commits,
            wanted: &mut self.wanted,
            scratch: &mut self.scratch,
            letters: &mut self.letters,
        };
        act(endpoint, &mut outlook);
        for said in endpoint.says.drain(..) {
            let name = endpoint.plan.name.clone();
            self.effects.push_back(Effect::Notice(Notice::Log {
                shard: self.number,
                level: Level::Warn,
                message: said.message.to_owned(),
                fields: vec![("remote_name", name), ("err", said.err)],
            }));
        }
    }

    /// If something was committed, the endpoints have something to read.
    fn note_commits(&mut self, end_before: Place, now: Now) {
        if self.feeds[0].log.end() == end_before {
            return;
        }
        if self.commits.len() >= COMMITS_KEPT {
            self.commits.drain(..COMMITS_KEPT / 2);
        }
        self.commits.push((end_before, now.instant));
        self.upkeep.committed = true;
        for endpoint in self.endpoints.iter_mut().flatten() {
            endpoint.prompt_all();
        }
    }

    fn turn(&mut self, now: Now) {
        self.check_gate(now);
        let end = self.feeds[0].log.end();
        if self.gate == Gate::Open && self.stopping.is_none() {
            self.scraping(now, |pools, lent| pools.tick(lent));
            self.receive(now);
        } else if self.stopping.is_some() {
            self.intake.turn_away(&mut self.appender);
        }
        self.tell_pushers();
        self.note_commits(end, now);
        for number in 0..self.endpoints.len() as u32 {
            self.sending(now, number, |endpoint, outlook| endpoint.tick(outlook));
        }
        self.load_wanted();
        self.store_cursors(now);
        self.effects.extend(self.letters.store().map(Effect::Disk));
        self.do_upkeep(now);
        self.look_for_lost_pages();
        self.keep_segments(now);
        self.tell_epochs();
        self.stop_if_done(now);
    }

    /// Scraping begins when the log can take samples and every endpoint's cursor would survive a kill, as the accounts.
    fn check_gate(&mut self, now: Now) {
        let Gate::Shut(until) = self.gate else { return };
        let own = &self.feeds[0];
        let ready = own.log.ready() && own.dictionary.ready() || self.upkeep.shortage.is_some();
        let anchored = self.endpoints.iter().flatten().all(|endpoint| endpoint.anchored())
            && self.ledger.has_handed_over();
        if (ready && anchored && self.upkeep.assigned) || now.instant >= until {
            self.gate = Gate::Open;
        }
    }

    /// What is on its way into another file is not asked for: it comes with that.
    fn load_wanted(&mut self) {
        let moving = self.upkeep.degraded.keeping_samples().map(|seq| (0, seq));
        for (log, seq) in self.wanted.drain(..) {
            let slot = self.feeds[log as usize].log.slot(seq);
            let waits = self.loading.contains(&(log, seq)) || moving == Some((log, seq));
            if let (Some(slot), false) = (slot, waits) {
                self.loading.push((log, seq));
                self.effects.push_back(Effect::Disk(DiskRequest::Load { log, seq, slot }));
            }
        }
    }

    fn store_cursors(&mut self, now: Now) {
        let at_once = matches!(self.stopping, Some(Stopping::Storing(_)));
        let mut requests = Vec::new();
        for endpoint in self.endpoints.iter_mut().flatten() {
            endpoint.store_cursors(now.instant, at_once, &mut requests);
        }
        let total = self.feeds[0].log.total();
        requests.extend(self.ledger.store(&self.appender, total, now.instant, at_once));
        requests.retain(|request| match request {
            DiskRequest::StoreCursor { log, .. } => !self.adopted_removed(*log as usize),
            _ => true,
        });
        self.effects.extend(requests.into_iter().map(Effect::Disk));
    }

    fn order(&mut self, now: Now, order: Order) {
        match order {
            Order::Assign(assignment) => self.assign(now, *assignment),
            Order::Targets { job, targets } => {
                self.scraping(now, |pools, lent| pools.set_targets(&job, targets, lent));
            }
            Order::Quota { job, series } => self.pools.set_quota(&job, series),
            Order::Release { endpoint, epoch } => {
                let named = |known: &&mut Endpoint| known.plan.identity == endpoint;
                if let Some(endpoint) = self.endpoints.iter_mut().flatten().find(named) {
                    endpoint.release(epoch);
                }
            }
            Order::Truncate { log, below } => self.truncate(log as usize, Seq(below)),
            Order::Shed { log, below } => {
                for endpoint in self.endpoints.iter_mut().flatten() {
                    endpoint.shed(log as usize, Seq(below));
                }
                self.give_up_of_removed(log as usize, Seq(below), Loss::Shed);
            }
            Order::Expire { log, below } => {
                for endpoint in self.endpoints.iter_mut().flatten() {
                    endpoint.expire(log as usize, Seq(below));
                }
                self.give_up_of_removed(log as usize, Seq(below), Loss::Expired);
            }
            Order::Budget { .. } => {}
            Order::Push { number, push } => self.intake.take(number, push),
            Order::Report { number, targets } => {
                let report = self.report(number, targets);
                self.effects.push_back(Effect::Notice(Notice::Report(Box::new(report))));
            }
            Order::Beat { number } => {
                let notice = Notice::Beat { shard: self.number, number };
                self.effects.push_back(Effect::Notice(notice));
            }
            Order::Stop => {
                if self.stopping.is_none() {
                    self.stopping = Some(Stopping::Flushing(now.instant + FLUSH));
                    for endpoint in self.endpoints.iter_mut().flatten() {
                        endpoint.flush();
                    }
                }
            }
        }
    }

    fn assign(&mut self, now: Now, assignment: Assignment) {
        self.appender.set_window(assignment.out_of_order_window);
        self.scraping(now, |pools, lent| pools.set_jobs(&assignment.jobs, lent));
        let external_changed = self.external != assignment.external_labels;
        self.external = assignment.external_labels;
        if external_changed {
            self.scratch.stencils.iter_mut().for_each(Stencils::clear);
        }
        let mut plans = assignment.endpoints;
        for slot in 0..self.endpoints.len() {
            let Some(endpoint) = &mut self.endpoints[slot] else {
                continue;
            };
            let at = plans.iter().position(|plan| plan.identity == endpoint.plan.identity);
            match at {
                Some(at) => endpoint.set_plan(plans.remove(at), external_changed, &mut self.dialer),
                None => self.remove_endpoint(now, slot),
            }
        }
        for plan in plans {
            let slot = self.endpoints.iter().position(Option::is_none).unwrap_or_else(|| {
                self.endpoints.push(None);
                self.endpoints.len() - 1
            });
            let (file, key) = (cursor_file(&plan.identity), endpoint_key(&plan.identity));
            let formerly = plan.formerly.as_deref().map(cursor_file);
            self.welcome(&file, formerly.as_deref().map(|old| (old, key)));
            let seed = self.seed ^ crate::base::stable_hash(plan.identity.as_bytes());
            let endpoint = Endpoint::new(plan, slot as u32, &self.feeds, &self.found, seed);
            self.endpoints[slot] = Some(endpoint);
        }
        if !core::mem::replace(&mut self.upkeep.assigned, true) {
            self.find_orphans(now);
        }
    }

    fn disk(&mut self, now: Now, answer: DiskAnswer) {
        match answer {
            DiskAnswer::Loaded { log, seq, region } => {
                let feed = self.feeds.get_mut(log as usize);
                if feed.is_some_and(|feed| !feed.log.load(seq, region)) {
                    let message = "the file is another segment's".to_owned();
                    return self.load_failed(now, log, seq, message);
                }
                self.loading.retain(|known| *known != (log, seq));
                self.unreadable.remove(&(log, seq));
                self.unload(log as usize);
                self.prompt_endpoints();
            }
            DiskAnswer::LoadFailed { log, seq, message } => {
                self.load_failed(now, log, seq, message);
            }
            DiskAnswer::CursorStored { log, file, sequence } => {
                self.ledger.stored(log, &file);
                self.forget_renamed(log, &file);
                for endpoint in self.endpoints.iter_mut().flatten() {
                    if endpoint.cursor_stored(log, &file, sequence) {
                        break;
                    }
                }
            }
            DiskAnswer::CursorFailed { log, file, message, .. } => {
                self.ledger.failed(log, &file, now.instant);
                for endpoint in self.endpoints.iter_mut().flatten() {
                    endpoint.cursor_failed(log, &file, now.instant);
                }
                self.tell_of_cursor(now, file, message);
            }
            DiskAnswer::Kept { kind, seq, slot, region } => self.kept(kind, seq, slot, region),
            DiskAnswer::KeepFailed { kind, seq, region, shortage, message } => {
                self.keep_failed(now, kind, seq, region, shortage, message);
            }
            DiskAnswer::Prepared { kind, slot, region } => self.prepared(kind, slot, region),
            DiskAnswer::PrepareFailed { kind, shortage, message } => {
                self.prepare_failed(now, kind, shortage, message)
            }
            DiskAnswer::Quarantined { error } => {
                self.letters.stored(error.is_none());
                if let Some(error) = error {
                    let text = "Refused samples could not be written down";
                    self.log(Level::Warn, text, vec![("err", error)]);
                }
            }
            DiskAnswer::SyncFailed { file, message } => self.sync_failed(now, file, message),
            DiskAnswer::Synced => self.upkeep.syncing = false,
            DiskAnswer::Removed { log } => {
                self.upkeep.handed();
                let fields = vec![("log", log.to_string())];
                self.log(Level::Info, "Adopted log delivered and removed", fields);
            }
        }
    }

    /// Tried again each second, then given up: what was in the segment is counted as unreadable.
    fn load_failed(&mut self, now: Now, log: u16, seq: Seq, message: String) {
        self.loading.retain(|known| *known != (log, seq));
        let failures = self.unreadable.entry((log, seq)).or_default();
        *failures += 1;
        if *failures == LOADS_TRIED {
            self.unreadable.remove(&(log, seq));
            if let Some(feed) = self.feeds.get_mut(log as usize) {
                feed.log.give_up(seq);
            }
        }
        let fields = vec![("segment", seq.0.to_string()), ("err", message)];
        self.log(Level::Error, "Failed to read a segment of the log", fields);
        self.upkeep.prompt_at(now.instant + Duration::from_secs(1));
    }

    pub(super) fn prompt_endpoints(&mut self) {
        for endpoint in self.endpoints.iter_mut().flatten() {
            endpoint.prompt_all();
        }
    }

    pub(super) fn tell(&mut self, notice: Notice) {
        self.effects.push_back(Effect::Notice(notice));
    }

    pub(super) fn ask_disk(&mut self, request: DiskRequest) {
        self.effects.push_back(Effect::Disk(request));
    }

    pub(super) fn log(&mut self, level: Level, message: &str, fields: Vec<(&'static str, String)>) {
        let shard = self.number;
        let message = message.to_owned();
        self.effects.push_back(Effect::Notice(Notice::Log { shard, level, message, fields }));
    }

    /// While an older epoch is around, the coordinator must know what of it is left here.
    fn tell_epochs(&mut self) {
        let mut notices = Vec::new();
        for endpoint in self.endpoints.iter_mut().flatten() {
            if let Some(lowest) = endpoint.epoch_news(&self.feeds, self.epoch) {
                let endpoint = endpoint.plan.identity.clone();
                notices.push(Notice::Epoch { shard: self.number, endpoint, lowest });
            }
        }
        self.effects.extend(notices.into_iter().map(Effect::Notice));
    }

    fn stop_if_done(&mut self, now: Now) {
        let ends: Vec<Place> = self.feeds.iter().map(|feed| feed.log.end()).collect();
        match self.stopping {
            Some(Stopping::Flushing(until)) => {
                let mut endpoints = self.endpoints.iter().flatten();
                let flushed = endpoints.all(|endpoint| endpoint.delivered(&ends));
                if flushed || now.instant >= until {
                    self.stopping = Some(Stopping::Storing(now.instant + STORE));
                    self.keep_heads(now);
                    self.store_cursors(now);
                }
            }
            Some(Stopping::Storing(until)) => {
                let quiet = self.ledger.quiet(&self.appender)
                    && self.letters.quiet()
                    && !self.upkeep.degraded.is_keeping()
                    && self.endpoints.iter().flatten().all(|endpoint| endpoint.cursors_quiet());
                if quiet || now.instant >= until {
                    self.stopping = Some(Stopping::Done);
                    let notice = Notice::Stopped { shard: self.number };
                    self.effects.push_back(Effect::Notice(notice));
                    self.effects.push_back(Effect::Stopped);
                }
            }
            Some(Stopping::Done) | None => {}
        }
    }
}
