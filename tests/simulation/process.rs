//! The process: shards and what drives them. Events are handed over in batches, effects carried out in order, and
//! everything that is not in the files is gone when it dies.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use corelane::base::{Conn, Instant, Now, Route};
use corelane::mail::{Notice, Order, Report};
use corelane::model::{Loss, Refusal};
use corelane::shard::{Effect, Event, FoundLog, Plan, Shard, Taken};
use corelane::wal::{DiskAnswer, Identity};

use crate::clock::{ms, us};
use crate::disk::STORE;
use crate::diskwork::answer_name;
use crate::laws;
use crate::net::{Net, Peer};
use crate::remote::Mode;
use crate::swarm::Size;
use crate::world::{Happening, World};

/// One shard and its driver.
#[derive(Debug)]
pub struct Host {
    pub shard: Shard,
    /// Directory of each log number.
    pub logs: Vec<u16>,
    pub conns: BTreeMap<Conn, u32>,
    inbox: VecDeque<Inbox>,
    turn_due: bool,
    wake_at: Option<Instant>,
    /// When its helper has nothing more to do.
    pub disk_free: Instant,
    stopped: bool,
    reported: Option<Box<Report>>,
    /// Pages read to the end since the shard last came to rest: exporter and number.
    unsettled: Vec<(usize, usize)>,
    turns_at_once: u32,
    /// Turns in these 17 ms.
    turns: u32,
    turns_since: u64,
    reports_asked: u64,
    /// Samples refused for want of room, by the last report.
    disk_full: u64,
    /// Until when everything was in files.
    kept: Instant,
    /// Segment that was written when pages were last known to be committed.
    segment: u64,
}

/// Waits for the next turn.
#[derive(Debug)]
pub enum Inbox {
    Disk(DiskAnswer),
    Opened(u32),
    Order(Order),
    Readable(u32),
    Take(u32),
}

impl World {
    pub fn start(&mut self) {
        self.life += 1;
        let shards = self.options.shards[self.life as usize % self.options.shards.len()];
        let before = self.options.shards[(self.life as usize - 1) % self.options.shards.len()];
        let epoch = self.coordinator.epoch + u32::from(self.life > 1 && shards != before);
        self.coordinator.begin_life(epoch, shards as u16);
        self.ends.push(i64::MAX);
        self.deaths.push(Instant::NEVER);
        let now = self.clock.now();
        self.trace.step(
            now.instant,
            "start",
            [self.life.into(), shards as u64, 0],
            format_args!(
                "life {} of {shards} shards, epoch {epoch}, wall {}",
                self.life, now.timestamp.0
            ),
        );
        let mut all = Vec::new();
        for shard in 0..shards as u16 {
            let logs = self.disk.logs_of(shard, shards as u16);
            let found: Vec<FoundLog> =
                logs.iter().map(|&dir| self.disk.survey(dir, dir != shard)).collect();
            all.push((logs, found));
        }
        let found = all.iter().flat_map(|(_, found)| found);
        let taken: Vec<Taken> = found.flat_map(FoundLog::taken).collect();
        for (shard, (logs, found)) in (0..shards as u16).zip(all) {
            let plan = Plan {
                shard,
                identity: Identity { store: STORE, shard, start: self.life, epoch },
                segment_bytes: self.options.segment_bytes,
                seed: self.options.seed ^ u64::from(self.life) << 32 ^ u64::from(shard),
                phase_seed: self.options.seed,
                removed_grace: ms(600_000),
                sheds: !self.options.seed.is_multiple_of(4),
                syncs_each: self.options.seed.is_multiple_of(5),
                logs: found,
                taken: taken.clone(),
            };
            self.hosts.push(Host {
                shard: Shard::new(plan, now),
                logs,
                conns: BTreeMap::new(),
                inbox: VecDeque::new(),
                turn_due: false,
                wake_at: None,
                disk_free: now.instant,
                stopped: false,
                reported: None,
                unsettled: Vec::new(),
                turns_at_once: 0,
                turns: 0,
                turns_since: 0,
                reports_asked: 0,
                disk_full: 0,
                kept: now.instant,
                segment: 0,
            });
            self.note_cursors(shard, now.instant);
            let assign = Order::Assign(Box::new(self.coordinator.assignment.clone()));
            self.order(shard, assign);
        }
        self.send_targets();
    }

    /// No cursor of this life is stored yet, and none may ever be.
    fn note_cursors(&mut self, shard: u16, now: Instant) {
        let logs = 0..self.hosts[shard as usize].logs.len() as u16;
        for (log, remote) in logs.flat_map(|log| self.remotes.iter().map(move |r| (log, r))) {
            let key = (self.life, shard, log, remote.cursor_file());
            self.cursor_stores.insert(key, now);
        }
    }

    pub fn send_targets(&mut self) {
        for shard in 0..self.hosts.len() as u16 {
            for order in self.coordinator.targets(&self.exporters, shard, self.hosts.len()) {
                self.order(shard, order);
            }
        }
    }

    pub fn order(&mut self, shard: u16, order: Order) {
        self.tell(shard, Inbox::Order(order));
    }

    pub fn tell(&mut self, shard: u16, item: Inbox) {
        let delay = us(self.random.below(self.options.turn_delay_us + 1));
        let host = &mut self.hosts[shard as usize];
        host.inbox.push_back(item);
        if !host.turn_due {
            host.turn_due = true;
            let stalled = self.faults && self.random.chance(self.options.stall, 5000);
            let stall = ms(if stalled { self.random.below(400) } else { 0 });
            let turn = Happening::Turn { life: self.life, shard };
            self.agenda.at(self.clock.instant + delay + stall, turn);
        }
    }

    pub fn wake(&mut self, life: u32, shard: u16) {
        let now = self.clock.instant;
        if life != self.life || self.hosts.is_empty() {
            return;
        }
        let host = &mut self.hosts[shard as usize];
        if host.wake_at.is_some_and(|at| at <= now) {
            host.wake_at = None;
        }
        if !host.turn_due && host.shard.deadline(now) <= now {
            self.turn(shard);
        } else {
            self.plan_wake(shard);
        }
    }

    /// Hands over everything that waits, then a tick.
    pub fn turn(&mut self, shard: u16) {
        let host = &mut self.hosts[shard as usize];
        host.turn_due = false;
        if host.stopped {
            // Its driver has ended.
            host.inbox.clear();
            return;
        }
        for item in std::mem::take(&mut host.inbox) {
            let before = self.appended();
            self.hand(shard, item);
            if self.died_between_stores(before) {
                return;
            }
            if self.options.drain_between_events {
                self.effects(shard);
            }
            if let Some(left) = &mut self.kill_armed {
                if *left == 0 {
                    self.kill();
                    return;
                }
                *left -= 1;
            }
        }
        let now = self.clock.now();
        let before = self.appended();
        self.hosts[shard as usize].shard.handle(now, Event::Tick);
        if self.died_between_stores(before) {
            return;
        }
        self.effects(shard);
        self.settle(shard);
        let host = &mut self.hosts[shard as usize];
        if !host.shard.is_in_memory() {
            host.kept = now.instant;
        }
        if self.options.size != Size::Large {
            self.report(shard);
        }
        if self.hosts.iter().all(|host| host.stopped) {
            self.kill();
        }
    }

    /// What every shard has appended; only worked out while the fuse burns.
    fn appended(&mut self) -> u64 {
        if !self.disk.fuse.is_lit() {
            return 0;
        }
        let appended = |host: &mut Host| host.shard.report(0, false).log.appended;
        self.hosts.iter_mut().map(appended).sum()
    }

    /// The last event was not handled to its end: what it wanted is not done, and what it appended is there in part.
    fn died_between_stores(&mut self, before: u64) -> bool {
        if !self.disk.fuse.is_burnt() {
            return false;
        }
        let doubt = self.appended() - before;
        self.disk.fuse.put_out();
        self.kill();
        self.books.appended -= doubt;
        self.books.doubt += doubt;
        true
    }

    fn settle(&mut self, shard: u16) {
        let now = self.clock.instant;
        let host = &mut self.hosts[shard as usize];
        let deadline = host.shard.deadline(now);
        // Nor a nanosecond ahead each time.
        host.turns += 1;
        if now.0 >> 24 != host.turns_since {
            (host.turns, host.turns_since) = (0, now.0 >> 24);
        }
        assert!(host.turns < 20_000, "shard {shard} spins at {now:?}");
        if deadline > now {
            host.turns_at_once = 0;
            let read = std::mem::take(&mut host.unsettled);
            if !read.is_empty() {
                // A disk that had no room for something may have had none for these.
                let before = self.hosts[shard as usize].disk_full;
                let Report { scrape, log, .. } = self.report(shard);
                // A page that waits for room in the dictionary may still be lost to a death.
                let certain =
                    scrape.refused.get(Refusal::DiskFull) == before && scrape.pages_waiting == 0;
                let place = (shard, self.hosts[shard as usize].segment);
                self.hosts[shard as usize].segment = log.segment_current;
                for (exporter, page) in read {
                    let page = &mut self.exporters[exporter].pages[page];
                    (page.certain, page.committed, page.place) = (certain, now, place);
                }
            }
            self.plan_wake(shard);
            return;
        }
        host.turns_at_once += 1;
        assert!(
            host.turns_at_once < 5000,
            "shard {shard} spins: its deadline stays {deadline:?} at {now:?}"
        );
        if !host.turn_due {
            host.turn_due = true;
            self.agenda.at(now + us(1), Happening::Turn { life: self.life, shard });
        }
    }

    fn plan_wake(&mut self, shard: u16) {
        let now = self.clock.instant;
        let host = &mut self.hosts[shard as usize];
        let deadline = host.shard.deadline(now);
        if deadline == Instant::NEVER || host.wake_at.is_some_and(|at| at <= deadline) {
            return;
        }
        let late = us(self.random.below(self.options.turn_delay_us + 1));
        let stalled = self.faults && self.random.chance(self.options.stall, 5000);
        let stall = ms(if stalled { self.random.below(400) } else { 0 });
        let at = deadline.max(self.clock.instant) + late + stall;
        host.wake_at = Some(at);
        self.agenda.at(at, Happening::Wake { life: self.life, shard });
    }

    fn hand(&mut self, shard: u16, item: Inbox) {
        let now = self.clock.now();
        match item {
            Inbox::Disk(answer) => {
                self.trace.step(
                    now.instant,
                    "disk",
                    [shard.into(), 0, 0],
                    format_args!("{shard} hears {}", answer_name(&answer)),
                );
                self.hosts[shard as usize].shard.handle(now, Event::Disk(answer));
            }
            Inbox::Opened(link) => {
                let Some(found) = self.net.links.get_mut(&link).filter(|link| !link.forgotten)
                else {
                    return;
                };
                (found.open, found.opened) = (true, now.instant);
                let conn = found.conn;
                self.hosts[shard as usize].shard.handle(now, Event::Opened(conn));
                self.take_later(link);
            }
            Inbox::Order(order) => {
                self.trace.step(
                    now.instant,
                    "order",
                    [shard.into(), 0, 0],
                    format_args!("{shard} {}", OrderName(&order)),
                );
                self.hosts[shard as usize].shard.handle(now, Event::Order(order));
            }
            Inbox::Readable(link) => self.hand_bytes(shard, link),
            Inbox::Take(link) => self.take(shard, link),
        }
    }

    /// One piece of what has come, or the end.
    fn hand_bytes(&mut self, shard: u16, id: u32) {
        let now = self.clock.now();
        let Some(link) = self.net.links.get_mut(&id).filter(|link| !link.forgotten && !link.paused)
        else {
            return;
        };
        let (conn, peer) = (link.conn, link.peer);
        if let Some(piece) = link.inbound.pop_front() {
            let began = link.began;
            if piece.completes.is_some() {
                link.began = None;
            }
            let more = !link.inbound.is_empty() || link.ended.is_some();
            let len = piece.bytes.len() as u64;
            self.trace.step(
                now.instant,
                "read",
                [id.into(), len, 0],
                format_args!("{peer:?} {len} bytes"),
            );
            self.hosts[shard as usize].shard.handle(now, Event::Read(conn, &piece.bytes));
            match (piece.completes, peer) {
                (Some(page), Peer::Exporter(at)) => self.page_read(shard, at, page, began),
                (Some(request), Peer::Remote(at)) => self.remotes[at].told(request, now),
                _ => {}
            }
            if more {
                self.tell(shard, Inbox::Readable(id));
            }
        } else if let Some((orderly, cause)) = link.ended {
            self.trace.step(
                now.instant,
                "closed",
                [id.into(), orderly.into(), 0],
                format_args!("{peer:?} {cause}"),
            );
            self.net.links.remove(&id);
            self.hosts[shard as usize].conns.remove(&conn);
            self.hosts[shard as usize].shard.handle(now, Event::Closed { conn, orderly, cause });
        }
    }

    /// A page was handed over to its last byte: if in good time and by request, its samples must be committed.
    fn page_read(&mut self, shard: u16, at: usize, page: usize, began: Option<Instant>) {
        let now = self.clock.instant;
        let exporter = &self.exporters[at];
        let in_time = began.is_some_and(|began| now.since(began) + ms(1) < exporter.target.timeout);
        let unchanged = exporter.wanted
            && self
                .target_changes
                .get(&at)
                .is_none_or(|&changed| began.is_some_and(|began| changed < began));
        if in_time && unchanged && exporter.pages[page].whole && !self.stopping {
            self.hosts[shard as usize].unsettled.push((at, page));
        }
    }

    /// The socket takes some of what waits to be written.
    fn take(&mut self, shard: u16, id: u32) {
        let now = self.clock.now();
        let Some(link) = self.net.links.get_mut(&id).filter(|link| !link.forgotten && link.open)
        else {
            return;
        };
        link.take_due = false;
        let (conn, peer) = (link.conn, link.peer);
        let waiting = self.hosts[shard as usize].shard.outgoing(conn);
        laws::outgoing_bounded(waiting.len(), peer, &self.remotes);
        if waiting.is_empty() {
            return;
        }
        let partial = self.faults && self.random.chance(self.options.net.partial, 1000);
        let len = if partial {
            1 + self.random.below(waiting.len() as u64) as usize
        } else {
            waiting.len()
        };
        let bytes = waiting[..len].to_vec();
        let left = waiting.len() - len;
        self.trace.step(
            now.instant,
            "wrote",
            [id.into(), len as u64, 0],
            format_args!("{peer:?} {len} bytes"),
        );
        self.send_to_peer(id, bytes);
        self.hosts[shard as usize].shard.handle(now, Event::Wrote(conn, len));
        if left > 0 {
            self.take_later(id);
        }
    }

    pub fn take_later(&mut self, id: u32) {
        let Some(link) = self.net.links.get_mut(&id) else {
            return;
        };
        if !link.take_due && link.open && !link.forgotten {
            link.take_due = true;
            let shard = link.shard;
            self.tell(shard, Inbox::Take(id));
        }
    }

    pub fn effects(&mut self, shard: u16) {
        while let Some(effect) = self.hosts[shard as usize].shard.effect() {
            self.effect(shard, effect);
        }
    }

    fn effect(&mut self, shard: u16, effect: Effect) {
        let now = self.clock.instant;
        match effect {
            Effect::Open { conn, route } => self.effect_open(shard, conn, &route),
            Effect::Write(conn) => {
                let id = self.link_of(shard, conn, "Write");
                let Some(link) = id.and_then(|id| self.net.links.get_mut(&id)) else {
                    return;
                };
                link.began.get_or_insert(now);
                self.take_later(id.unwrap_or_default());
            }
            Effect::Close(conn) => {
                if let Some(id) = self.hosts[shard as usize].conns.remove(&conn) {
                    self.trace.step(
                        now,
                        "close",
                        [id.into(), 0, 0],
                        format_args!("shard {shard} closes {id}"),
                    );
                    self.forget(id);
                }
            }
            Effect::Pause(conn) => {
                // The shard may not have asked yet when the network told it of the end.
                let id = self.hosts[shard as usize].conns.get(&conn).copied();
                if let Some(link) = id.and_then(|id| self.net.links.get_mut(&id)) {
                    link.paused = true;
                }
            }
            Effect::Resume(conn) => {
                let id = self.hosts[shard as usize].conns.get(&conn).copied();
                if let Some(link) = id.and_then(|id| self.net.links.get_mut(&id)) {
                    link.paused = false;
                    self.tell(shard, Inbox::Readable(id.unwrap_or_default()));
                }
            }
            Effect::Disk(request) => self.ask_disk(shard, request),
            Effect::Notice(notice) => self.notice(shard, notice),
            Effect::Stopped => self.hosts[shard as usize].stopped = true,
        }
    }

    /// A connection that the network ended is unknown for as long as the shard has not been told, but not longer.
    fn link_of(&self, shard: u16, conn: Conn, what: &str) -> Option<u32> {
        let found = self.hosts[shard as usize].conns.get(&conn).copied();
        assert!(found.is_some(), "{what} for connection {conn:?}, which is not open");
        found
    }

    fn effect_open(&mut self, shard: u16, conn: Conn, route: &Route) {
        let now = self.clock.instant;
        let (host, port) = (route.host.as_str(), route.port);
        let plain = Route { host: host.to_owned(), port, ..Route::default() };
        assert_eq!(*route, plain, "plain URLs need neither TLS nor a proxy");
        let peer = Net::peer(host, self.exporters.len(), self.remotes.len());
        let wanted_port = if matches!(peer, Peer::Exporter(_)) { 9100 } else { 9009 };
        assert_eq!(port, wanted_port, "port of {host}");
        let id = self.net.open(self.life, shard, conn, peer, now);
        let before = self.hosts[shard as usize].conns.insert(conn, id);
        assert_eq!(before, None, "connection {conn:?} is opened while it is open");
        self.trace.step(
            now,
            "open",
            [id.into(), conn.0.into(), 0],
            format_args!("{id} shard {shard} to {peer:?}"),
        );
        laws::connections_bounded(self, shard);
        let latency = 2 * us(self.random.below(self.options.net.latency_us + 1));
        let net = &self.options.net;
        let (refuse, hole) = if self.faults { (net.refuse, net.black_hole) } else { (0, 0) };
        let mode = match peer {
            Peer::Remote(at) => self.remotes[at].mode,
            _ => Mode::Well,
        };
        if mode == Mode::BlackHole || self.random.chance(hole, 1000) {
            return;
        }
        let refused =
            peer == Peer::Nobody || mode == Mode::Refusing || self.random.chance(refuse, 1000);
        let happening = if refused {
            Happening::End { link: id, orderly: false, cause: "connection refused" }
        } else {
            Happening::Opened { link: id }
        };
        self.agenda.at(now + latency, happening);
    }

    fn notice(&mut self, shard: u16, notice: Notice) {
        match notice {
            Notice::Report(report) => {
                assert_eq!(report.shard, shard);
                self.hosts[shard as usize].reported = Some(report);
            }
            Notice::Beat { .. }
            | Notice::Full { .. }
            | Notice::Failed(_)
            | Notice::Pushed { .. }
            | Notice::Stopped { .. } => {}
            Notice::Epoch { shard: from, endpoint, lowest } => {
                assert_eq!(from, shard);
                let shards = self.hosts.len();
                let release = self.coordinator.epoch_notice(shard, &endpoint, lowest);
                if let Some(Order::Release { endpoint, epoch }) = release {
                    for shard in 0..shards as u16 {
                        self.order(shard, Order::Release { endpoint: endpoint.clone(), epoch });
                    }
                }
            }
            Notice::Log { message, fields, level, .. } => {
                self.trace.step(
                    self.clock.instant,
                    "log",
                    [shard.into(), 0, 0],
                    format_args!("{shard} {level:?} {message} {fields:?}"),
                );
            }
        }
    }

    pub fn report(&mut self, shard: u16) -> Report {
        let now = self.clock.now();
        let host = &mut self.hosts[shard as usize];
        host.reports_asked += 1;
        let number = host.reports_asked;
        host.shard.handle(now, Event::Order(Order::Report { number, targets: false }));
        self.effects(shard);
        let reported = self.hosts[shard as usize].reported.take();
        let report = *reported.expect("an order to report is answered at once");
        assert_eq!(report.number, number);
        let host = &self.hosts[shard as usize];
        let reading = |id: &u32| {
            let link = self.net.links.get(id);
            link.is_some_and(|link| matches!(link.peer, Peer::Exporter(_)) && link.began.is_some())
        };
        let between =
            !host.conns.values().any(reading) && host.shard.deadline(now.instant) > now.instant;
        let given_up = self.remotes.iter().any(|remote| remote.changed);
        laws::books_balance(&report, between, self.disk.was_cut, given_up);
        self.hosts[shard as usize].disk_full = report.scrape.refused.get(Refusal::DiskFull);
        if report.endpoints.iter().any(|endpoint| endpoint.lost.get(Loss::Shed) > 0) {
            for remote in &mut self.remotes {
                (remote.sheds, remote.timely) = (true, false);
            }
        }
        report
    }

    pub fn reports(&mut self) -> Vec<Report> {
        (0..self.hosts.len() as u16).map(|shard| self.report(shard)).collect()
    }

    /// A clean stop; the process ends when every shard has stopped.
    pub fn stop(&mut self) {
        self.stopping = true;
        self.stop_asked = self.clock.instant;
        for shard in 0..self.hosts.len() as u16 {
            self.order(shard, Order::Stop);
        }
        // A stalled turn comes late, and there are several to a stop.
        let slack = if self.options.stall > 0 { 1500 } else { 100 };
        let late = self.clock.instant + ms(2000 + slack);
        self.agenda.at(late, Happening::StopLate { life: self.life });
    }

    /// A stop waits neither for network nor remote nor disk, but for so long.
    pub fn stop_late(&self, life: u32) {
        assert!(life != self.life || self.hosts.is_empty(), "life {life} does not stop");
    }

    /// A clean stop on a disk that is not slow and refuses nothing leaves everything stored that had been acknowledged
    /// before.
    fn stop_stores(&mut self) {
        let prompt = self.options.disk.is_prompt();
        for ((life, shard, ..), made) in &mut self.cursor_stores {
            let refused = self.cursors_failed.contains(&(*life, *shard));
            if *life == self.life && prompt && !refused {
                *made = (*made).max(self.stop_asked);
            }
        }
    }

    /// The end of a life, whether it was asked for or not.
    pub fn kill(&mut self) {
        let clean = self.hosts.iter().all(|host| host.stopped);
        let now = self.clock.now();
        self.trace.step(
            now.instant,
            "die",
            [clean.into(), 0, 0],
            format_args!("life {} ends, clean: {clean}, wall {}", self.life, now.timestamp.0),
        );
        for report in self.reports() {
            self.books.appended += report.log.appended;
            self.books.disk_full += report.scrape.refused.get(Refusal::DiskFull);
            laws::count_losses(&report, &mut self.books);
        }
        if clean {
            self.stop_stores();
        }
        self.forget_memory(now);
        laws::full_for_a_reason(&self.options, self.books.disk_full);
        // A start does not wait for ever for a first cursor; without one, an endpoint begins with what comes next.
        for remote in self.remotes.iter_mut().filter(|remote| !remote.options.from_oldest) {
            let file = remote.cursor_file();
            let own = self.hosts.iter().map(|host| host.logs[0]);
            remote.changed |= own.into_iter().any(|dir| !self.disk.has_cursor(dir, &file));
        }
        self.ends[self.life as usize] = now.timestamp.0;
        self.deaths[self.life as usize] = now.instant;
        self.kill_armed = None;
        self.disk.fuse.put_out();
        self.stopping = false;
        self.books.lives += 1;
        for host in std::mem::take(&mut self.hosts) {
            for id in host.conns.into_values() {
                self.forget(id);
            }
        }
        // Long enough for what was on the wire to have arrived: an old request must not come after a new one.
        let pause = 2 * us(self.options.net.latency_us) + ms(100 + self.random.below(3000));
        self.agenda.at(now.instant + pause, Happening::Restart);
    }
}

impl World {
    /// What was in memory only, or in files in doubt, is gone with the process, as with the power.
    fn forget_memory(&mut self, now: Now) {
        let in_memory = self.hosts.iter().filter(|host| host.shard.is_in_memory());
        let kept = in_memory.map(|host| host.kept).min();
        self.disk.was_cut |= kept.is_some();
        let Some(kept) = kept.into_iter().chain(self.disk.forget()).min() else { return };
        let (since, now) = (self.clock.wall_at(kept).0, now.timestamp.0);
        // A scrape has the time at which it began.
        let timeout = self.exporters.iter().map(|exporter| exporter.target.timeout).max();
        let longest = timeout.unwrap_or_default().as_millis() as i64;
        self.taken.push(since.min(now) - longest..=since.max(now));
        for page in self.exporters.iter_mut().flat_map(|exporter| &mut exporter.pages) {
            page.certain &= page.committed <= kept;
        }
    }
}

/// Written only where the trace is printed.
struct OrderName<'a>(&'a Order);

impl fmt::Display for OrderName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Order::Assign(assignment) => write!(f, "assign {}", assignment.generation),
            Order::Targets { job, targets } => write!(f, "targets {job} {}", targets.len()),
            other => write!(f, "{other:?}"),
        }
    }
}
