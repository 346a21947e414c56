//! One target's life: idle until due, then one exchange with the target, then a commit.

use core::time::Duration;
use std::borrow::Cow;

use crate::append::Appender;
use crate::base::{Conn, Dialer, Instant, Now, Owner, Route, Timestamp, limits};
use crate::exposition::{Format, Protocol, format_of};
use crate::http::{Part, ProxyError, ResponseReader, Url, write_request};
use crate::mail::{Failure, Job, ScrapeMeters, TargetState};
use crate::model::{SeriesRef, Target};
use crate::scrape::cache::Cache;
use crate::scrape::caps::{Caps, Quota, Room};
use crate::scrape::family::Said;
use crate::scrape::labels::Resolver;
use crate::scrape::page::{Around, Page, PageError};
use crate::scrape::report::{NAMES, ReportRefs, USUAL};
use crate::series::Feed;

/// What every scrape of a core shares, lent for one event.
#[derive(Debug)]
pub struct Shared<'a> {
    pub now: Now,
    pub seed: u64,
    pub feed: &'a mut Feed,
    pub appender: &'a mut Appender,
    pub dialer: &'a mut Dialer,
    pub meters: &'a mut ScrapeMeters,
    pub resolver: &'a mut Resolver,
    #[expect(clippy::vec_box, reason = "pages move to scrapes and back as pointers")]
    pub pages: &'a mut Vec<Box<Page>>,
    pub vanished: &'a mut Vec<SeriesRef>,
    pub failures: &'a mut Vec<Failure>,
    /// Of the scrape's job.
    pub quota: &'a mut Quota,
    pub may_wait: bool,
    pub has_room: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Idle,
    Opening,
    /// Request on its way, or answer being read.
    Exchange,
    /// The answer is here in full; the page is still being worked on.
    Working,
}

/// A target with its connection, its cache and its last result.
#[derive(Debug)]
pub struct Scrape {
    pub job: u32,
    pub target: Target,
    pub state: TargetState,
    pub(super) owner: Owner,
    pub(super) lane: u32,
    pub(super) phase: Phase,
    pub(super) conn: Option<Conn>,
    /// The connection has carried an exchange before, so its silent end says nothing about the target.
    reused: bool,
    answered: bool,
    pub(super) keep_alive: bool,
    /// Reading is held up until the page has been worked on.
    paused: bool,
    /// The page being read was begun under other rules.
    pub(super) relearn: bool,
    /// What its families said of themselves, and whether its series are being looked at again because of that.
    pub(super) said: Said,
    pub(super) renews: bool,
    pub(super) next_tick: Instant,
    /// Timestamp that the next tick should have (SCR-3).
    pub(super) ideal: Timestamp,
    /// The tick that comes after one before the target's phase.
    phase_tick: Option<(Instant, Timestamp)>,
    pub(super) started: Instant,
    pub(super) timestamp: Timestamp,
    url: Option<Url>,
    pub(super) redirects: u32,
    pub(super) request: Vec<u8>,
    pub(super) sent: usize,
    reader: ResponseReader,
    pub(super) page: Option<Box<Page>>,
    pub(super) cache: Cache,
    pub(super) caps: Caps,
    /// Series that were live when the process before this one ended, until the first scrape.
    pub(super) revived: Vec<SeriesRef>,
    pub(super) report: ReportRefs,
}

/// The header that proxies take credentials in.
const PROXY: &str = "Proxy-Authorization";
/// How long a page waits before it tries again whether the dictionary has room.
const STALL: Duration = Duration::from_millis(2);
/// Starts lie on slots of this length, so that scrapes share wakes.
pub const SLOT: Duration = Duration::from_millis(5);
/// Scrapes of a target begin no closer to each other than timestamps tell apart.
const APART: Duration = Duration::from_millis(1);

impl Scrape {
    /// `index` is the number that the pools keep it under.
    pub fn new(index: u32, job: u32, target: Target, phase_seed: u64, now: Now) -> Scrape {
        let identity = target.identity_hash();
        let (next_tick, ideal) = first_tick(identity ^ phase_seed, target.interval, now);
        Scrape {
            job,
            lane: target.placement_hash() as u32,
            state: TargetState { identity, ..TargetState::default() },
            target,
            owner: Owner::Inward(index),
            phase: Phase::Idle,
            conn: None,
            reused: false,
            answered: false,
            keep_alive: false,
            paused: false,
            relearn: false,
            said: Said::default(),
            renews: false,
            next_tick,
            ideal,
            phase_tick: None,
            started: Instant(0),
            timestamp: Timestamp(0),
            url: None,
            redirects: 0,
            request: Vec::new(),
            sent: 0,
            reader: ResponseReader::new(),
            page: None,
            cache: Cache::default(),
            caps: Caps::default(),
            revived: Vec::new(),
            report: ReportRefs::default(),
        }
    }

    /// When it wants to be woken.
    pub fn wake(&self, now: Instant) -> Instant {
        match self.phase {
            Phase::Idle => self.next_tick,
            _ if self.page.as_ref().is_some_and(|page| page.stalled()) => {
                (now + STALL).min(self.time_out_at())
            }
            _ if self.page.as_ref().is_some_and(|page| page.pending()) => now,
            Phase::Working => now,
            Phase::Opening | Phase::Exchange => self.next_tick.min(self.time_out_at()),
        }
    }

    /// Its page has bytes that wait for another turn.
    pub fn waits(&self) -> bool {
        self.page_pending()
    }

    pub fn outgoing(&self) -> &[u8] {
        self.request.get(self.sent..).unwrap_or_default()
    }

    pub fn cached_series(&self) -> impl Iterator<Item = SeriesRef> {
        let page = self.page.iter().flat_map(|page| page.series());
        self.cache
            .series()
            .chain(self.report.get().iter().copied())
            .chain(self.revived.iter().copied())
            .chain(page)
    }

    /// It does not wait for its phase, unless that is near.
    pub fn begin_at_once(&mut self, now: Now) {
        if self.next_tick.since(now.instant) > self.target.interval / 10 {
            self.phase_tick = Some((self.next_tick, self.ideal));
            (self.next_tick, self.ideal) = (now.instant, now.timestamp);
        }
    }

    /// A tick has come. The next one to wait for is found, and how many are skipped: those that passed meanwhile, and the
    /// one that has come unless its scrape starts.
    fn pass_ticks(&mut self, start: bool, now: Instant) -> u64 {
        if let Some(tick) = self.phase_tick.take() {
            (self.next_tick, self.ideal) = tick;
        }
        // A late one does not have the next on its heels: both would have the same timestamp.
        let soon = now + APART;
        let mut skipped = 0;
        while self.next_tick < soon {
            self.next_tick = self.next_tick + self.target.interval;
            self.ideal = Timestamp(self.ideal.0 + self.target.interval.as_millis() as i64);
            skipped += u64::from(self.next_tick < soon || !start);
        }
        skipped
    }

    /// The phase is found anew; a running scrape goes on.
    pub fn set_interval(&mut self, interval: Duration, phase_seed: u64, now: Now) {
        self.target.interval = interval;
        self.phase_tick = None;
        (self.next_tick, self.ideal) = first_tick(self.state.identity ^ phase_seed, interval, now);
    }

    /// The job's rules changed: every text takes the full path once more, also those of a page that is being read.
    pub fn forget_texts(&mut self) {
        self.cache.forget_texts();
        self.relearn = self.page.is_some();
    }

    pub fn lane(&self) -> u32 {
        self.lane
    }

    /// These were live when the process before this one ended.
    pub fn revive(&mut self, series: Vec<SeriesRef>) {
        self.revived = series;
    }

    /// The job's places are counted anew.
    pub fn forget_caps(&mut self) {
        self.caps.forget();
    }

    /// Lines of the last good page that found no room under the caps.
    pub fn refused_by_caps(&self) -> u64 {
        self.caps.refused_last
    }

    /// Other caps are in force: of the live series as many keep their places as there are.
    pub fn set_caps(&mut self, job: &Job, quota: &mut Quota) {
        self.forget_texts();
        let limit = if job.target_series_limit == 0 { u64::MAX } else { job.target_series_limit };
        match job.is_capped() {
            true => self.caps.begin(self.cache.series(), limit, quota),
            false => self.caps.release(quota),
        }
    }

    /// As [`Scrape::forget_texts`], and the series about its scrapes too.
    pub fn forget_series(&mut self) {
        self.forget_texts();
        self.report.forget();
    }

    /// An idle connection is of no use any more: other TLS settings are in force.
    pub fn hang_up_idle(&mut self, dialer: &mut Dialer) {
        if self.phase == Phase::Idle
            && let Some(conn) = self.conn.take()
        {
            dialer.close(conn);
        }
    }

    /// Whatever is due: a turn of work, the time-out, the next scrape.
    pub fn tick(&mut self, job: &Job, shared: &mut Shared<'_>) {
        let now = shared.now;
        if self.page.as_ref().is_some_and(|page| page.pending()) || self.phase == Phase::Working {
            self.work(job, shared);
        }
        if matches!(self.phase, Phase::Opening | Phase::Exchange | Phase::Working)
            && self.time_out_at() <= now.instant
        {
            let text = format!("Get {:?}: context deadline exceeded", self.target.url());
            self.finish(Err(PageError::Fetch(text)), job, shared);
        }
        if self.next_tick > now.instant {
            return;
        }
        let start = self.phase == Phase::Idle;
        let ideal = self.ideal;
        shared.meters.scrapes_skipped += self.pass_ticks(start, now.instant);
        if start && shared.has_room {
            self.start(ideal, job, shared);
        } else if start {
            // Not asked, so nothing is known of it: no `up`, no markers.
            shared.meters.scrapes_withheld += 1;
        }
    }

    fn time_out_at(&self) -> Instant {
        self.started + self.target.timeout
    }

    fn start(&mut self, ideal: Timestamp, job: &Job, shared: &mut Shared<'_>) {
        let now = shared.now;
        if self.started != Instant(0) {
            let ms = self.target.interval.as_millis() as u64;
            let lengths = &mut shared.meters.interval_lengths;
            let at =
                lengths.iter().position(|(interval, _)| *interval == ms).unwrap_or_else(|| {
                    lengths.push((ms, Default::default()));
                    lengths.len() - 1
                });
            lengths[at].1.observe(now.instant.since(self.started));
        }
        shared.meters.scrapes += 1;
        self.timestamp = aligned(ideal, now.timestamp, self.target.interval);
        if self.timestamp != ideal {
            // Late, or the wall clock jumped: the grid begins anew from here.
            let to_next = self.next_tick.since(now.instant) + Duration::from_micros(500);
            self.ideal = Timestamp(now.timestamp.0 + to_next.as_millis() as i64);
        }
        self.started = now.instant;
        if core::mem::take(&mut self.redirects) > 0 {
            self.url = None;
        }
        if let Some(text) = job.forced_error.as_ref().or(job.transport.withheld.as_ref()) {
            return self.finish(Err(PageError::Fetch(text.clone())), job, shared);
        }
        if self.report.get().is_empty() {
            // Before a first page fills the dictionary.
            let wanted = if job.extra_report { NAMES.len() } else { USUAL };
            let (target, lane) = (&self.target.labels, self.lane);
            self.report.make(wanted, target, shared.feed, lane, now.timestamp);
        }
        if !self.revived.is_empty() {
            let mut live = core::mem::take(&mut self.revived);
            live.retain(|series| !self.report.get().contains(series));
            self.cache.revive(live);
            if job.is_capped() {
                self.set_caps(job, shared.quota);
            }
        }
        if self.url.is_none() {
            match Url::parse(&self.target.url()) {
                Ok(url) => self.url = Some(url),
                Err(error) => {
                    return self.finish(Err(PageError::Fetch(error.to_string())), job, shared);
                }
            }
        }
        self.exchange(job, shared);
    }

    /// One request to `self.url`, over the connection there is or a new one.
    fn exchange(&mut self, job: &Job, shared: &mut Shared<'_>) {
        let Some(url) = &self.url else { return };
        if !matches!(url.scheme.as_str(), "http" | "https") {
            let text = format!("unsupported protocol scheme {:?}", url.scheme);
            return self.finish(Err(PageError::Fetch(text)), job, shared);
        }
        let timeout = format_seconds(self.target.timeout);
        let other_host = self.redirects > 0
            && Url::parse(&self.target.url()).ok().is_none_or(|own| {
                own.authority() != url.authority() || own.is_tls() != url.is_tls()
            });
        let mut headers: Vec<(&str, &str)> = Vec::with_capacity(job.headers.len() + 1);
        let transport = &job.transport;
        let private = transport.private.iter().filter(|_| !other_host);
        for (name, value) in job.headers.iter().chain(private) {
            headers.push((name, value));
        }
        headers.push(("X-Prometheus-Scrape-Timeout-Seconds", &timeout));
        let target = if self.target.unix_socket.is_empty() {
            headers.extend(transport.proxies.authorization(url).map(|value| (PROXY, value)));
            transport.proxies.target(url)
        } else {
            Cow::Borrowed(url.target.as_str())
        };
        self.request.clear();
        let host = url.authority();
        if let Err(error) = write_request(&mut self.request, "GET", &target, &host, &headers, None)
        {
            return self.finish(Err(PageError::Fetch(error.to_string())), job, shared);
        }
        self.sent = 0;
        self.reader.reset();
        self.answered = false;
        match self.conn {
            Some(conn) => {
                self.reused = true;
                self.phase = Phase::Exchange;
                shared.dialer.write(conn);
            }
            None => {
                self.reused = false;
                self.phase = Phase::Opening;
                match self.route(url, job) {
                    Ok(route) => self.conn = Some(shared.dialer.open(self.owner, route)),
                    Err(error) => self.failed(&error.to_string(), job, shared),
                }
            }
        }
    }

    // spec: SCR-20
    fn route(&self, url: &Url, job: &Job) -> Result<Route, ProxyError> {
        if self.target.unix_socket.is_empty() {
            return job.transport.proxies.route(url, job.tls);
        }
        Ok(Route {
            host: url.host.clone(),
            port: url.port,
            tls: url.is_tls().then_some(job.tls),
            socket: Some(self.target.unix_socket.clone()),
            ..Route::default()
        })
    }

    pub fn opened(&mut self, shared: &mut Shared<'_>) {
        if let (Phase::Opening, Some(conn)) = (self.phase, self.conn) {
            self.phase = Phase::Exchange;
            shared.dialer.write(conn);
        }
    }

    pub fn wrote(&mut self, bytes: usize) {
        self.sent += bytes;
    }

    /// The connection is gone (its name is free already).
    pub fn closed(&mut self, orderly: bool, cause: &str, job: &Job, shared: &mut Shared<'_>) {
        self.conn = None;
        self.paused = false;
        match self.phase {
            Phase::Idle | Phase::Working => {}
            Phase::Exchange if self.reused && !self.answered => self.exchange(job, shared),
            Phase::Exchange if orderly => match self.reader.closed() {
                Ok(()) => self.ended(false, job, shared),
                Err(error) => self.failed(&error.to_string(), job, shared),
            },
            Phase::Exchange | Phase::Opening => self.failed(cause, job, shared),
        }
    }

    fn failed(&mut self, cause: &str, job: &Job, shared: &mut Shared<'_>) {
        let text = format!("Get {:?}: {cause}", self.target.url());
        self.finish(Err(PageError::Fetch(text)), job, shared);
    }

    pub fn read(&mut self, mut bytes: &[u8], job: &Job, shared: &mut Shared<'_>) {
        if self.phase != Phase::Exchange {
            // Nobody asked: an idle connection that talks is of no use.
            if self.phase == Phase::Idle {
                self.hang_up(shared);
            }
            return;
        }
        self.answered = true;
        while self.phase == Phase::Exchange {
            let part = match self.reader.read(bytes) {
                Ok((used, part)) => {
                    bytes = &bytes[used..];
                    part
                }
                Err(error) => return self.failed(&error.to_string(), job, shared),
            };
            let outcome = match part {
                Part::More => return,
                Part::Head => self.head(job, shared),
                Part::Body(body) => self.body(body, job, shared),
                Part::End { keep_alive } => {
                    let clean = keep_alive && bytes.is_empty();
                    return self.ended(clean, job, shared);
                }
            };
            if let Err(error) = outcome {
                return self.finish(Err(error), job, shared);
            }
        }
    }

    /// Status and headers are here. A redirect's body is read and dropped, so that its connection stays of use.
    // spec: SCR-14, SCR §3.4
    fn head(&mut self, job: &Job, shared: &mut Shared<'_>) -> Result<(), PageError> {
        let Some(head) = self.reader.head() else {
            return Ok(());
        };
        if self.redirect_to(job).is_some() {
            return Ok(());
        }
        if head.status != 200 {
            let text = format!("server returned HTTP status {} {}", head.status, head.reason);
            return Err(PageError::Fetch(text.trim_end().to_owned()));
        }
        let fallback = job.fallback_protocol.as_deref().and_then(Protocol::from_name);
        let format = match head.header("content-length") {
            // An empty body needs no type.
            Some("0") => Ok(Format::Text),
            _ => format_of(head.header("content-type"), fallback),
        };
        let format = format.map_err(|error| PageError::Fetch(error.to_string()))?;
        let encoding = head.header("content-encoding").map(str::to_owned);
        self.page(shared).begin(format, encoding.as_deref())
    }

    fn redirect_to(&self, job: &Job) -> Option<String> {
        let head = self.reader.head()?;
        let follows = job.transport.follow_redirects;
        let redirect = follows && matches!(head.status, 301 | 302 | 303 | 307 | 308);
        if redirect { head.header("location").map(str::to_owned) } else { None }
    }

    fn body(&mut self, body: &[u8], job: &Job, shared: &mut Shared<'_>) -> Result<(), PageError> {
        if self.page.is_none() {
            return Ok(());
        }
        let outcome = self.with_page(job, shared, |page, around| page.take(body, around));
        self.hold(self.page_pending(), shared);
        outcome
    }

    /// Stops or goes on reading from the connection.
    pub(super) fn hold(&mut self, paused: bool, shared: &mut Shared<'_>) {
        let Some(conn) = self.conn else { return };
        match (self.paused, paused) {
            (false, true) => shared.dialer.pause(conn),
            (true, false) => shared.dialer.resume(conn),
            _ => {}
        }
        self.paused = paused;
    }

    /// Closes the connection from this side.
    pub(super) fn hang_up(&mut self, shared: &mut Shared<'_>) {
        self.paused = false;
        if let Some(conn) = self.conn.take() {
            shared.dialer.close(conn);
        }
    }

    fn ended(&mut self, keep_alive: bool, job: &Job, shared: &mut Shared<'_>) {
        self.keep_alive = keep_alive;
        if let Some(location) = self.redirect_to(job) {
            return self.follow(&location, job, shared);
        }
        self.phase = Phase::Working;
        if !self.page_pending() {
            self.complete(job, shared);
        }
    }

    fn follow(&mut self, location: &str, job: &Job, shared: &mut Shared<'_>) {
        self.redirects += 1;
        if self.redirects > limits::REDIRECTS {
            return self.failed(
                &format!("stopped after {} redirects", limits::REDIRECTS),
                job,
                shared,
            );
        }
        let Some(from) = &self.url else { return };
        match from.join(location) {
            Ok(to) => {
                let same = to.authority() == from.authority() && to.is_tls() == from.is_tls();
                if !(same && self.keep_alive) {
                    self.hang_up(shared);
                }
                self.url = Some(to);
                self.exchange(job, shared);
            }
            Err(error) => self.failed(&format!("redirect to {location:?}: {error}"), job, shared),
        }
    }

    fn page_pending(&self) -> bool {
        self.page.as_ref().is_some_and(|page| page.pending())
    }

    /// One turn on a page that is decoded more slowly than it comes.
    fn work(&mut self, job: &Job, shared: &mut Shared<'_>) {
        if let Err(error) = self.with_page(job, shared, |page, around| page.work(around)) {
            return self.finish(Err(error), job, shared);
        }
        if self.page_pending() {
            return;
        }
        self.hold(false, shared);
        if self.phase == Phase::Working {
            self.complete(job, shared);
        }
    }

    fn complete(&mut self, job: &Job, shared: &mut Shared<'_>) {
        let outcome = self.with_page(job, shared, |page, around| page.finish(around));
        self.finish(outcome, job, shared);
    }

    pub(super) fn page(&mut self, shared: &mut Shared<'_>) -> &mut Page {
        let (lane, timestamp, renews) = (self.lane, self.timestamp, self.renews);
        self.page.get_or_insert_with(|| {
            let mut page = shared.pages.pop().unwrap_or_default();
            page.reset();
            page.relearns = renews;
            page.batch.begin(lane, timestamp);
            page.zeros.begin(lane, timestamp);
            page
        })
    }

    fn with_page(
        &mut self,
        job: &Job,
        shared: &mut Shared<'_>,
        act: impl FnOnce(&mut Page, &mut Around<'_>) -> Result<(), PageError>,
    ) -> Result<(), PageError> {
        let Some(mut page) = self.page.take() else {
            return Ok(());
        };
        let mut around = Around {
            now: shared.now,
            seed: shared.seed,
            job,
            target: &self.target.labels,
            histograms: self.target.histograms,
            cache: &self.cache,
            feed: shared.feed,
            resolver: shared.resolver,
            may_wait: shared.may_wait,
            room: room(&mut self.caps, job, shared.quota),
            window_ms: shared.appender.window_ms(),
        };
        let outcome = act(&mut page, &mut around);
        self.page = Some(page);
        outcome
    }
}

/// What there is room for, where the job has caps.
fn room<'a>(caps: &'a mut Caps, job: &Job, quota: &'a mut Quota) -> Option<Room<'a>> {
    let limit = if job.target_series_limit == 0 { u64::MAX } else { job.target_series_limit };
    job.is_capped().then_some(Room { caps, quota, limit })
}

/// The first start at or after `now` whose distance from the epoch is `hash` modulo the interval, on a slot.
// spec: SCR-1
fn first_tick(hash: u64, interval: Duration, now: Now) -> (Instant, Timestamp) {
    let interval_ms = (interval.as_millis() as u64).max(1);
    let slot_ms = SLOT.as_millis() as u64;
    let mut offset = hash % interval_ms;
    if interval_ms.is_multiple_of(slot_ms) {
        offset -= offset % slot_ms;
    }
    let since = (now.timestamp.0 - offset as i64).rem_euclid(interval_ms as i64) as u64;
    let wait = if since == 0 { 0 } else { interval_ms - since };
    (now.instant + Duration::from_millis(wait), Timestamp(now.timestamp.0 + wait as i64))
}

/// The ideal timestamp if the start is at most 2 ms or a hundredth of the interval away from it, else the true one.
// spec: SCR-3
fn aligned(ideal: Timestamp, actual: Timestamp, interval: Duration) -> Timestamp {
    let tolerance = (interval.as_millis() as i64 / 100).min(2);
    if (actual.0 - ideal.0).abs() <= tolerance { ideal } else { actual }
}

/// `10` or `0.5`, as Go prints the float.
fn format_seconds(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    format!("{seconds}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{HistogramRules, Labels, Scheme};

    #[test]
    fn a_target_keeps_its_phase_whenever_it_starts() {
        let interval = Duration::from_secs(15);
        for start in [0i64, 1, 14_999, 15_000, 1_700_000_000_123] {
            let now = Now { instant: Instant(77), timestamp: Timestamp(start) };
            let (tick, ideal) = first_tick(0x1234_5678, interval, now);
            assert_eq!(ideal.0 % 15_000, (0x1234_5678u64 % 15_000 / 5 * 5) as i64);
            assert!(ideal.0 >= start && ideal.0 < start + 15_000);
            assert_eq!(tick.since(now.instant).as_millis() as i64, ideal.0 - start);
        }
    }

    fn target() -> Target {
        Target {
            labels: Labels::default(),
            discovered: Labels::default(),
            scheme: Scheme::Http,
            address: "host:1".to_owned(),
            unix_socket: String::new(),
            path: "/".to_owned(),
            interval: Duration::from_secs(15),
            timeout: Duration::from_secs(10),
            histograms: HistogramRules::default(),
        }
    }

    #[test]
    fn a_scrape_that_begins_late_does_not_have_the_next_on_its_heels() {
        let interval = target().interval;
        let micros = Duration::from_micros;
        // (how late it begins, whether it starts, ticks skipped, intervals until the next)
        for (late, start, skipped, ahead) in [
            (Duration::ZERO, true, 0, 1),
            (interval - micros(1500), true, 0, 1),
            (interval - micros(130), true, 1, 2),
            (interval, true, 1, 2),
            (interval * 2 - micros(1500), true, 1, 2),
            (Duration::ZERO, false, 1, 1),
            (interval, false, 2, 2),
        ] {
            let now = Now { instant: Instant(77), timestamp: Timestamp(1000) };
            let mut scrape = Scrape::new(0, 0, target(), 3, now);
            let (tick, ideal) = (scrape.next_tick, scrape.ideal);
            assert_eq!(scrape.pass_ticks(start, tick + late), skipped, "{late:?}");
            assert_eq!(scrape.next_tick, tick + interval * ahead, "{late:?}");
            let after = interval.as_millis() as i64 * i64::from(ahead);
            assert_eq!(scrape.ideal, Timestamp(ideal.0 + after), "{late:?}");
        }
    }

    #[test]
    fn a_target_that_begins_at_once_goes_on_at_its_phase() {
        let (mut at_once, mut near) = (0, 0);
        for start in (0..15_000).step_by(500) {
            let now = Now { instant: Instant(77), timestamp: Timestamp(start) };
            let mut scrape = Scrape::new(0, 0, target(), 3, now);
            let phase = (scrape.next_tick, scrape.ideal);
            scrape.begin_at_once(now);
            if phase.0.since(now.instant) > Duration::from_millis(1500) {
                at_once += 1;
                assert_eq!((scrape.next_tick, scrape.ideal), (now.instant, now.timestamp));
                assert_eq!(scrape.phase_tick, Some(phase));
            } else {
                near += 1;
                assert_eq!(((scrape.next_tick, scrape.ideal), scrape.phase_tick), (phase, None));
            }
        }
        assert!(at_once > near && near > 0);
    }

    #[test]
    fn timestamps_snap_to_the_grid_within_two_milliseconds_or_a_hundredth() {
        for (interval_ms, late, snapped) in
            [(1000, 2, true), (1000, 3, false), (100, 1, true), (100, 2, false), (60_000, 3, false)]
        {
            let ideal = Timestamp(1_000_000);
            let actual = Timestamp(1_000_000 + late);
            let got = aligned(ideal, actual, Duration::from_millis(interval_ms));
            assert_eq!(got == ideal, snapped, "{interval_ms} {late}");
        }
    }
}
