//! One connection of an endpoint: one request in flight, and what becomes of it.

use core::time::Duration;

use crate::base::{Conn, Dialer, Instant, Owner, limits};
use crate::http::{Part, ResponseReader, retry_after};
use crate::mail::EndpointMeters;
use crate::model::Loss;
use crate::send::announce::Announcement;
use crate::send::drain::{Floors, Request, Rules, Spared, Stop, Tools, oldest_sent, read_on};
use crate::send::isolation::{Isolation, Patience};
use crate::send::served::Served;
use crate::send::shared::{Said, Shared};
use crate::send::stretch::Course;
use crate::send::verdict::{Verdict, verdict};
use crate::send::way::{Way, jittered};
use crate::send::written::Written;
use crate::wal::{Mark, Place, Seq, pages_lost};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Nothing in flight; `due` is the deadline of a request that is not full.
    Idle,
    /// A request waits for its next attempt at `due`.
    Waiting,
    /// Connecting, until `due`.
    Opening,
    /// Sending, or reading the answer, until `due`.
    Exchange,
}

/// How far a connection is in one feed.
#[derive(Clone, Debug)]
pub struct Progress {
    /// Next to read.
    pub at: Mark,
    /// Everything before has a verdict.
    pub settled: Mark,
    pub floors: Floors,
    /// Beyond it, but with a verdict of their own: tried alone while looking for what is refused.
    pub spared: Vec<Spared>,
    /// Nothing has been acknowledged since an earlier run, which may have sent what comes now.
    pub resuming: bool,
}

impl Progress {
    /// Reading begins at `place`; of each lane is settled what the floors say.
    pub fn new(place: Place, floors: Floors) -> Progress {
        let mark = Mark { place, skip: 0 };
        Progress { at: mark, settled: mark, floors, spared: Vec::new(), resuming: false }
    }

    /// Will read this segment next, or may have to read it again.
    pub fn reads(&self, seq: Seq) -> bool {
        let (from, to) = (self.settled.place.seq(), self.at.place.seq());
        (from.min(to)..=to.max(from)).contains(&seq)
    }
}

/// What the request in hand is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trial {
    /// Nothing but to be delivered.
    Piece,
    /// One sample alone: its number from the front and its place.
    Probe(u64, Mark),
    /// No sample: to see whether anything is taken.
    Canary,
    /// So many families, the last with this number.
    Metadata(u64, u16),
}

/// Pause after a refusal by an endpoint that never acknowledged anything.
const STRANGER_PAUSE: Duration = Duration::from_secs(5);
/// An endpoint that asks for more is asked again all the same.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(600);
/// A 413 to less than this says nothing about size.
const SMALL_BYTES: usize = 4 << 10;
const HOLD_MIN: Duration = Duration::from_secs(10);
const HOLD_MAX: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub struct Lane {
    index: u32,
    pub served: Served,
    pub(super) owner: Owner,
    pub(super) way: Way,
    pub(super) state: State,
    pub(super) due: Instant,
    pub(super) conn: Option<Conn>,
    pub(super) reused: bool,
    answered: bool,
    pub progress: Vec<Progress>,
    pub(super) request: Request,
    pub(super) wire: Vec<u8>,
    sent: usize,
    pub(super) attempts: u32,
    pub(super) written_at: Instant,
    pub(super) reader: ResponseReader,
    answer: Vec<u8>,
    backoff: Duration,
    hold: Duration,
    pub(super) isolation: Option<Isolation>,
    pub(super) patience: Patience,
    pub(super) trial: Trial,
    /// Samples that the next request may have while something is looked for.
    pub(super) piece: u64,
    /// Up to here is what was sent and not answered.
    pub(super) resent_until: Mark,
    /// An attempt at this request may have been taken in although no answer said so.
    pub(super) uncertain: bool,
    /// Status and words of the last answer that was no good one.
    pub(super) refusal: (u16, String),
    /// Since when a request that is not full has waited.
    waiting_since: Option<Instant>,
    /// There was no room for more in it.
    full: bool,
    /// More can be read at once.
    pub(super) more: bool,
    /// Refused a moment ago: nothing is sent before.
    pub(super) quiet_until: Instant,
    pub(super) announcement: Announcement,
}

impl Lane {
    /// `endpoint` is the number that the shard keeps the endpoint under.
    pub fn new(endpoint: u32, index: u32, served: Served, progress: Vec<Progress>) -> Lane {
        let mut request = Request::default();
        if let Some(first) = progress.first() {
            request.begin(0, first.settled);
        }
        Lane {
            index,
            served,
            owner: Owner::Outward(endpoint, index),
            way: Way::default(),
            state: State::Idle,
            due: Instant::NEVER,
            conn: None,
            reused: false,
            answered: false,
            progress,
            request,
            wire: Vec::new(),
            sent: 0,
            attempts: 0,
            written_at: Instant(0),
            reader: ResponseReader::new(),
            answer: Vec::new(),
            backoff: Duration::ZERO,
            hold: Duration::ZERO,
            isolation: None,
            patience: Patience::default(),
            trial: Trial::Piece,
            piece: u64::MAX,
            resent_until: Mark::default(),
            uncertain: false,
            refusal: (0, String::new()),
            waiting_since: None,
            full: false,
            more: true,
            quiet_until: Instant(0),
            announcement: Announcement::new(),
        }
    }

    /// Its number among the connections.
    pub(super) fn index(&self) -> usize {
        self.index as usize
    }

    /// Everything before is in the counts.
    pub fn counted(&self, feed: usize) -> Mark {
        if feed == self.request.feed { self.request.from } else { self.progress[feed].at }
    }

    pub fn outgoing(&self) -> &[u8] {
        self.wire.get(self.sent..).unwrap_or_default()
    }

    pub fn busy(&self) -> bool {
        matches!(self.state, State::Opening | State::Exchange)
    }

    pub fn wake(&self, now: Instant) -> Instant {
        match self.state {
            State::Idle if self.more => now,
            State::Idle => self.due.min(self.announcement.due),
            _ => self.due,
        }
    }

    /// There may be something new to read.
    pub fn prompt(&mut self) {
        self.more = true;
    }

    /// Whatever is due.
    pub fn tick(&mut self, shared: &mut Shared<'_>) {
        let due = self.due <= shared.now.instant;
        let announces = self.announcement.due <= shared.now.instant;
        match self.state {
            State::Idle if self.more || due || announces => self.gather(shared),
            State::Waiting if due => {
                let attempts = self.attempts;
                let other = self.request.body.message() != shared.message();
                if self.given_up(shared) {
                    self.rebuild();
                } else if other || self.too_old(shared) {
                    // It is the same request without those, or in other words, not a new one.
                    self.rebuild();
                    self.attempts = attempts;
                } else {
                    self.attempt(shared);
                }
            }
            State::Opening | State::Exchange if due => {
                self.drop_conn(shared);
                let text = format!("no answer within {:?}", shared.plan.timeout);
                self.retry(None, text, shared);
            }
            _ => {}
        }
    }

    /// The disk budget gave up some of this request, which is not on the wire.
    fn given_up(&self, shared: &Shared<'_>) -> bool {
        let feed = self.request.feed;
        shared.given_up[feed].loss(self.request.from.place.seq()).is_some()
    }

    /// Some of its samples have grown too old while they waited.
    // spec: RW-39
    fn too_old(&self, shared: &Shared<'_>) -> bool {
        self.request.oldest.0 < oldest_sent(shared.plan, shared.now.timestamp)
    }

    /// Reads the log, and sends when there is enough or the wait is over.
    fn gather(&mut self, shared: &mut Shared<'_>) {
        self.more = false;
        self.due = Instant::NEVER;
        if self.request.samples == 0 {
            self.settle_unsendable(shared);
            if self.announce(shared) {
                return;
            }
            let feed = self.choose_feed(shared);
            let from = self.progress[feed].at;
            self.request.begin(feed, from);
            if !self.search(shared) {
                return;
            }
        }
        let mut stop = self.read_on(None, shared);
        if stop == Stop::Turn && self.request.samples == 0 {
            self.settle_unsendable(shared);
            stop = self.read_on(None, shared);
        }
        match stop {
            Stop::Absent(seq) => shared.wanted.push((self.request.feed as u16, seq)),
            Stop::Turn => self.more = true,
            Stop::End | Stop::Full | Stop::Barred | Stop::Reached => {}
        }
        if self.request.samples == 0 {
            // Another feed may have something that can go.
            let feed = self.request.feed;
            self.settle_unsendable(shared);
            self.more |= stop == Stop::End && self.choose_feed(shared) != feed;
            return;
        }
        let now = shared.now.instant;
        let since = *self.waiting_since.get_or_insert(now);
        let deadline = since + shared.plan.batch_deadline;
        // While parts of a refused request are tried, nothing newer is waited for.
        self.full = stop == Stop::Full;
        let ready = self.full || self.isolation.is_some();
        let deadline = if ready { now } else { deadline };
        self.due = deadline.max(self.quiet_until);
        if self.due <= now {
            self.send(shared);
        }
    }

    /// Adds to the request what may go into it, up to a mark if there is one.
    pub(super) fn read_on(&mut self, until: Option<Mark>, shared: &mut Shared<'_>) -> Stop {
        let feed = self.request.feed;
        if self.request.samples == 0 {
            self.request.body.begin(shared.message());
        }
        let unreadable = self.request.lost.get(Loss::Unreadable);
        let Progress { at, floors, spared, .. } = &mut self.progress[feed];
        let from = at.place;
        let rules = Rules {
            plan: shared.plan,
            external: shared.external,
            now: shared.now.timestamp,
            served: self.served,
            course: Course::of(shared.stretches, shared.open, feed),
            samples_max: self.piece.min(shared.plan.samples_max as u64),
            bytes_max: (*shared.bytes_max).min(shared.plan.bytes_max),
            block_max: shared.plan.block_max,
            until,
            spared,
            given_up: shared.given_up[feed],
            epoch_max: shared.epoch_max,
        };
        let pages = pages_lost();
        let tools = Tools {
            filter: &mut shared.filters[feed],
            stencils: &mut shared.stencils[feed],
            decoded: shared.decoded,
        };
        let stop = read_on(&mut self.request, at, floors, &shared.feeds[feed], tools, &rules);
        if pages_lost() != pages {
            // A file was taken away while it was read, here or elsewhere: what was made of it may be made of zeros.
            shared.filters[feed].clear();
            shared.stencils[feed].clear();
            self.rebuild();
            return Stop::Turn;
        }
        let lost = self.request.lost.get(Loss::Unreadable) - unreadable;
        if lost > 0 {
            let (seq, offset) = (from.seq().0, from.offset());
            let err =
                format!("{lost} samples after offset {offset} of segment {seq} cannot be read");
            shared.says.push(Said { message: "Damage in the log", err });
        }
        stop
    }

    /// The feed with the oldest epoch that has something to read; adopted ones before the shard's own.
    pub(super) fn choose_feed(&self, shared: &Shared<'_>) -> usize {
        let unread = (0..self.progress.len())
            .filter(|&feed| self.progress[feed].at.place < shared.feeds[feed].log.end());
        let key = |&feed: &usize| {
            let seq = self.progress[feed].at.place.seq();
            (shared.feeds[feed].log.epoch(seq), feed == 0)
        };
        unread.min_by_key(key).unwrap_or(0)
    }

    /// What was read and cannot be sent has its verdict.
    fn settle_unsendable(&mut self, shared: &mut Shared<'_>) {
        let feed = self.request.feed;
        self.settle(shared);
        let at = self.progress[feed].at;
        self.request.begin(feed, at);
    }

    /// Everything that has been read is settled: counts what of it was never sent.
    fn settle(&mut self, shared: &mut Shared<'_>) {
        let progress = &mut self.progress[self.request.feed];
        progress.settled = progress.settled.max(progress.at);
        let settled = progress.settled;
        progress.spared.retain(|spared| spared.mark >= settled);
        for loss in Loss::ALL {
            self.lose(loss, self.request.lost.get(loss), shared);
            let histograms = self.request.lost_histograms.get(loss);
            shared.meters.histograms.lost.add(loss, histograms);
            shared.meters.exemplars.lost.add(loss, self.request.lost_exemplars.get(loss));
        }
        shared.meters.resumed += self.request.resumed;
        shared.meters.acknowledged += self.request.spared;
        shared.totals[self.request.feed].acked += self.request.spared;
    }

    pub(super) fn lose(&self, loss: Loss, samples: u64, shared: &mut Shared<'_>) {
        shared.meters.lost.add(loss, samples);
        shared.totals[self.request.feed].lost.add(loss, samples);
    }

    /// Reads the same samples again, in a smaller piece or under other limits.
    pub(super) fn rebuild(&mut self) {
        let (feed, from) = (self.request.feed, self.request.from);
        self.progress[feed].at = from;
        self.request.begin(feed, from);
        self.trial = Trial::Piece;
        self.state = State::Idle;
        self.attempts = 0;
        self.due = Instant::NEVER;
        self.more = true;
    }

    pub(super) fn send(&mut self, shared: &mut Shared<'_>) {
        self.waiting_since = None;
        self.attempt(shared);
    }

    fn attempt(&mut self, shared: &mut Shared<'_>) {
        if let Some(why) = &shared.plan.transport.withheld {
            self.sent = 0;
            return self.retry(None, why.clone(), shared);
        }
        if self.trial == Trial::Canary {
            self.request.body.begin(shared.message());
        }
        if !self.seal(shared) {
            return self.rebuild();
        }
        self.way.begin(self.conn.is_some());
        shared.meters.requests += 1;
        shared.meters.attempted += self.request.samples;
        shared.meters.histograms.attempted += self.request.histograms;
        shared.meters.exemplars.attempted += self.request.exemplars;
        self.due = shared.now.instant + shared.plan.timeout;
        self.written_at = shared.now.instant;
        shared.meters.metadata.attempted += self.families();
        if self.families() > 0 {
            shared.meters.metadata.bytes_sent += self.request.body.block_len() as u64;
        }
        self.begin(shared);
    }

    /// Compresses what is not compressed yet, a message of 2.0. False if there is too much of it: less is to be read again.
    fn seal(&mut self, shared: &mut Shared<'_>) -> bool {
        let body = &mut self.request.body;
        body.seal(shared.packer);
        let (block, most) = (body.block_len(), shared.plan.block_max);
        let fits = block <= most || self.request.samples <= 1;
        if !fits {
            *shared.bytes_max =
                (body.raw_len() as f64 * (most as f64 / block as f64) * 0.9) as usize;
        }
        fits
    }

    /// Sends the request in hand, over the connection there is or a new one.
    pub(super) fn begin(&mut self, shared: &mut Shared<'_>) {
        self.sent = 0;
        self.answered = false;
        self.answer.clear();
        self.reader.reset();
        if let Err(error) = self.write_wire(shared) {
            // A secret read from a file may hold what a header cannot.
            return self.hold_back(error.to_string(), shared);
        }
        match self.conn {
            Some(conn) => {
                self.reused = true;
                self.state = State::Exchange;
                shared.dialer.write(conn);
            }
            None => self.open(shared),
        }
    }

    pub fn opened(&mut self, shared: &mut Shared<'_>) {
        if let (State::Opening, Some(conn)) = (self.state, self.conn) {
            self.state = State::Exchange;
            shared.dialer.write(conn);
        }
    }

    pub fn wrote(&mut self, bytes: usize, meters: &mut EndpointMeters) {
        self.sent += bytes;
        meters.bytes_sent += bytes as u64;
    }

    pub fn closed(&mut self, orderly: bool, cause: &str, shared: &mut Shared<'_>) {
        self.conn = None;
        match self.state {
            State::Idle | State::Waiting => {}
            State::Opening => self.retry(None, cause.to_owned(), shared),
            State::Exchange if self.reused && !self.answered => {
                // The endpoint had let go of an idle connection; that says little about the request.
                self.uncertain |= self.sent > 0;
                self.sent = 0;
                self.open(shared);
            }
            State::Exchange => match if orderly { self.reader.closed() } else { Ok(()) } {
                Ok(()) if orderly => self.judge(shared),
                Ok(()) => self.retry(None, cause.to_owned(), shared),
                Err(error) => self.retry(None, error.to_string(), shared),
            },
        }
    }

    pub fn read(&mut self, mut bytes: &[u8], shared: &mut Shared<'_>) {
        if self.state != State::Exchange {
            return self.drop_conn(shared);
        }
        self.answered = true;
        loop {
            let part = match self.reader.read(bytes) {
                Ok((used, part)) => {
                    bytes = &bytes[used..];
                    part
                }
                Err(error) => {
                    self.drop_conn(shared);
                    return self.retry(None, error.to_string(), shared);
                }
            };
            match part {
                Part::More => return,
                Part::Head => {}
                Part::Body(body) => {
                    let room = limits::REMOTE_ERROR_BYTES - self.answer.len();
                    self.answer.extend_from_slice(&body[..body.len().min(room)]);
                }
                Part::End { keep_alive } => {
                    if !keep_alive || !bytes.is_empty() || !self.outgoing().is_empty() {
                        self.drop_conn(shared);
                    }
                    return self.judge(shared);
                }
            }
        }
    }

    pub(super) fn drop_conn(&mut self, shared: &mut Shared<'_>) {
        if let Some(conn) = self.conn.take() {
            shared.dialer.close(conn);
        }
    }

    /// The answer is here.
    // spec: remote-write 1.0 and 2.0: of a 2xx the body says nothing; of others it is told to people (RW-37)
    fn judge(&mut self, shared: &mut Shared<'_>) {
        let Some(head) = self.reader.head() else {
            return self.retry(None, "an answer without a head".to_owned(), shared);
        };
        let status = head.status;
        let after = head.header("retry-after");
        let after = after.and_then(|value| retry_after(value, shared.now.timestamp));
        let after = after.map(|after| after.min(RETRY_AFTER_MAX));
        let written = Written::of(head);
        let words = if (200..300).contains(&status) && !self.nothing_written(written) {
            self.refusal = (status, String::new());
            String::new()
        } else {
            let body = String::from_utf8_lossy(&self.answer);
            let text =
                format!("server returned HTTP status {status} {}: {}", head.reason, body.trim());
            self.refusal = (status, body.trim().to_owned());
            text
        };
        if let Some(location) = self.redirect_to(shared.plan) {
            return self.follow(&location, shared);
        }
        shared.meters.request_duration.observe(shared.now.instant.since(self.written_at));
        shared.meters.held = false;
        if self.way.is_redirected() && !(200..300).contains(&status) {
            // The next attempt asks where the configuration says.
            self.drop_conn(shared);
        }
        let about_samples = *shared.acquainted || self.uncertain || self.isolation.is_some();
        let plan = shared.plan;
        if self.misunderstood(status, written) {
            return self.fall_back(status, shared);
        }
        match verdict(status, &plan.status_policy, plan.retry_429, after, about_samples) {
            Verdict::Acknowledge if self.nothing_written(written) => self.refused(words, shared),
            Verdict::Acknowledge | Verdict::Isolate | Verdict::Drop
                if self.partly(status, written, shared) => {}
            Verdict::Acknowledge => {
                self.unwritten_exemplars(written, shared);
                self.acknowledged(shared);
            }
            Verdict::Retry { after } => self.retry(after, words, shared),
            Verdict::Hold => self.hold_back(words, shared),
            Verdict::Halve => self.halve(about_samples, words, shared),
            Verdict::Isolate => self.isolate(words, shared),
            Verdict::Drop => self.refused(words, shared),
        }
    }

    fn acknowledged(&mut self, shared: &mut Shared<'_>) {
        shared.meters.last_error.clear();
        self.backoff = Duration::ZERO;
        self.hold = Duration::ZERO;
        if self.isolation.is_some() {
            self.grow_impatient(shared);
        }
        if self.trial != Trial::Piece {
            return self.trial_taken(shared);
        }
        *shared.acquainted = true;
        let (now, took) = (shared.now.instant, shared.now.instant.since(self.written_at));
        shared.pace.answered(now, took, self.request.samples, self.full);
        shared.meters.acknowledged += self.request.samples;
        shared.totals[self.request.feed].acked += self.request.samples;
        self.note_sent(shared);
        if let Some(pause) = shared.backfill_pause {
            let pause = pause * self.request.samples as u32;
            self.quiet_until = self.quiet_until.max(self.written_at + pause);
        }
        if self.request.feed == 0 {
            let from = self.request.from.place;
            let at = shared.commits.partition_point(|(place, _)| *place < from);
            if let Some((_, committed)) = shared.commits.get(at) {
                shared.meters.commit_to_ack.observe(shared.now.instant.since(*committed));
            }
        }
        // A limit that was learned is tried again, a little more each time.
        if self.request.body.raw_len() * 2 > *shared.bytes_max {
            *shared.bytes_max = shared.bytes_max.saturating_add(*shared.bytes_max / 8);
        }
        self.progress[self.request.feed].resuming = false;
        if let Some(isolation) = &mut self.isolation {
            isolation.piece_taken(self.request.samples);
        }
        self.next(shared);
    }

    pub(super) fn note_sent(&mut self, shared: &mut Shared<'_>) {
        let sent = &mut shared.meters.highest_sent_timestamp;
        *sent = (*sent).max(self.request.newest);
    }

    /// The request has its verdict; on to what follows it.
    pub(super) fn next(&mut self, shared: &mut Shared<'_>) {
        self.settle(shared);
        let feed = self.request.feed;
        let at = self.progress[feed].at;
        self.request.begin(feed, at);
        self.wire.clear();
        self.sent = 0;
        self.uncertain = false;
        self.attempts = 0;
        self.trial = Trial::Piece;
        self.state = State::Idle;
        self.due = Instant::NEVER;
        self.more = true;
    }

    pub(super) fn retry(
        &mut self,
        after: Option<Duration>,
        words: String,
        shared: &mut Shared<'_>,
    ) {
        shared.meters.retried += self.request.samples;
        shared.meters.histograms.retried += self.request.histograms;
        shared.meters.exemplars.retried += self.request.exemplars;
        shared.meters.metadata.retried += self.families();
        shared.meters.requests_failed += 1;
        self.uncertain |= self.sent > 0;
        self.say(words, shared);
        self.attempts += 1;
        let plan = shared.plan;
        let wait = match after {
            Some(asked) if !asked.is_zero() => {
                self.backoff = (asked * 2).min(plan.backoff_max).max(plan.backoff_min);
                asked
            }
            _ => {
                self.backoff = self.backoff.clamp(plan.backoff_min, plan.backoff_max);
                let wait = jittered(self.backoff, shared.random);
                self.backoff = (self.backoff * 2).min(plan.backoff_max);
                wait
            }
        };
        shared.pace.troubled(shared.now.instant, wait);
        self.state = State::Waiting;
        self.due = shared.now.instant + wait;
    }

    pub(super) fn hold_back(&mut self, words: String, shared: &mut Shared<'_>) {
        shared.meters.retried += self.request.samples;
        shared.meters.histograms.retried += self.request.histograms;
        shared.meters.exemplars.retried += self.request.exemplars;
        shared.meters.metadata.retried += self.families();
        shared.meters.requests_failed += 1;
        self.say(words, shared);
        self.attempts += 1;
        self.state = State::Waiting;
        self.due = self.held_until(shared);
    }

    /// When an endpoint that will not have us is asked again; later each time.
    pub(super) fn held_until(&mut self, shared: &mut Shared<'_>) -> Instant {
        shared.meters.held = true;
        self.hold = self.hold.clamp(HOLD_MIN, HOLD_MAX);
        let until = shared.now.instant + jittered(self.hold, shared.random);
        self.hold = (self.hold * 2).min(HOLD_MAX);
        until
    }

    fn halve(&mut self, about_samples: bool, words: String, shared: &mut Shared<'_>) {
        let small = self.request.body.raw_len() < SMALL_BYTES || self.request.samples <= 1;
        if small || self.trial != Trial::Piece {
            // No honest limit is as low as this: it is something else that is refused.
            return match about_samples {
                true => self.isolate(words, shared),
                false => self.refused(words, shared),
            };
        }
        shared.meters.requests_failed += 1;
        *shared.bytes_max = (self.request.body.raw_len() / 2).max(1);
        self.say(words, shared);
        self.rebuild();
    }

    pub(super) fn reject(&mut self, loss: Loss, shared: &mut Shared<'_>) {
        self.lose(loss, self.request.samples, shared);
        shared.meters.histograms.lost.add(loss, self.request.histograms);
        shared.meters.exemplars.lost.add(loss, self.request.exemplars);
        self.note_refused(shared);
        self.note_sent(shared);
    }

    /// Refused for good, all of it.
    fn refused(&mut self, words: String, shared: &mut Shared<'_>) {
        if self.trial != Trial::Piece {
            return self.isolate(words, shared);
        }
        if let Some(isolation) = &mut self.isolation {
            isolation.disturbed();
        }
        shared.meters.requests_failed += 1;
        let words = format!("{words}; {} samples dropped", self.request.samples);
        self.say(words, shared);
        self.reject(Loss::Rejected, shared);
        self.next(shared);
        let pause = if *shared.acquainted {
            self.backoff = self.backoff.clamp(shared.plan.backoff_min, shared.plan.backoff_max);
            let pause = self.backoff;
            self.backoff = (self.backoff * 2).min(shared.plan.backoff_max);
            pause
        } else {
            STRANGER_PAUSE
        };
        self.quiet_until = shared.now.instant + jittered(pause, shared.random);
    }

    pub(super) fn say(&mut self, words: String, shared: &mut Shared<'_>) {
        if shared.meters.last_error != words {
            let message = "Failed to send samples";
            shared.says.push(Said { message, err: words.clone() });
            shared.meters.last_error = words;
        }
    }

    /// Segments of this feed below are given up. What waits for another attempt is not waited for, but the next
    /// request comes no sooner.
    pub fn shed(&mut self, feed: usize, below: Seq) {
        if let Some(isolation) = self.isolation.as_mut().filter(|found| found.feed == feed) {
            isolation.disturbed();
        }
        let from = self.request.from.place.seq();
        if self.state == State::Waiting && self.request.feed == feed && from < below {
            self.quiet_until = self.due;
            self.rebuild();
        }
        self.prompt();
    }

    /// Other credentials are in force: what waits for another attempt need not wait any longer.
    pub fn hurry(&mut self) {
        if self.state == State::Waiting {
            self.due = Instant(0);
        }
    }

    /// Gives up its connection: the endpoint is gone or has changed.
    pub fn hang_up(&mut self, dialer: &mut Dialer) {
        if let Some(conn) = self.conn.take() {
            dialer.close(conn);
        }
    }

    /// Settings changed: whatever is not settled is read and sent anew.
    pub fn restart(&mut self, dialer: &mut Dialer) {
        self.hang_up(dialer);
        let (feed, from) = (self.request.feed, self.request.from);
        self.progress[feed].at = from;
        self.request.begin(feed, from);
        self.state = State::Idle;
        self.attempts = 0;
        self.isolation = None;
        self.trial = Trial::Piece;
        self.backoff = Duration::ZERO;
        self.hold = Duration::ZERO;
        self.due = Instant::NEVER;
        self.more = true;
    }
}
