//! How a connection carries out what [`Isolation`] wants to be tried.

use crate::base::{Timestamp, limits};
use crate::model::SeriesRef;
use crate::send::drain::{FRAMES_A_TURN, Spared, Stop, lane_number, oldest_sent, unsendable};
use crate::send::isolation::{Isolation, Next, Window};
use crate::send::lane::{Lane, Shared, Trial};
use crate::wal::{Mark, Step, decode_samples};
use crate::wire::histogram::put_histogram;
use crate::wire::remote_v1::put_sample;

/// Samples looked at for one that is tried alone: as many as two requests hold.
const WINDOW: u64 = 2 * limits::REQUEST_SAMPLES as u64;

/// Series that were met: a bit each.
struct Seen(Vec<u64>);

impl Seen {
    /// True if this one was met before.
    fn again(&mut self, series: SeriesRef) -> bool {
        let (word, bit) = (series.0 as usize / 64, 1 << (series.0 % 64));
        let Some(word) = self.0.get_mut(word) else { return true };
        let again = *word & bit != 0;
        *word |= bit;
        again
    }
}

impl Lane {
    /// Does what has to be done to find what is refused. True if that is to gather a request as usual, of at most
    /// `piece` samples; nothing has been gathered so far.
    pub(super) fn search(&mut self, shared: &mut Shared<'_>) -> bool {
        self.piece = u64::MAX;
        let feed = self.request.feed;
        let front = self.progress[feed].at;
        let Some(isolation) = self.isolation.as_mut().filter(|known| known.feed == feed) else {
            self.isolation = None;
            return true;
        };
        if isolation.over(front) {
            self.isolation = None;
            return true;
        }
        if self.quiet_until > shared.now.instant {
            self.due = self.quiet_until;
            return false;
        }
        match isolation.next(shared.random) {
            Next::Piece(samples) => {
                self.piece = samples;
                return true;
            }
            Next::Canary => {
                self.trial = Trial::Canary;
                self.send(shared);
            }
            Next::Measure => {
                let (mut window, _) = self.look(WINDOW, shared);
                window.alike = self.progress[feed].resuming || front < self.resent_until;
                if window.samples == 0 {
                    // Nothing can be told from here: on to the next sample in the usual way.
                    self.piece = 1;
                    return true;
                }
                self.found().measured(window);
                self.more = true;
            }
            Next::Probe(index) => match self.look(index, shared) {
                (_, Some(mark)) => {
                    self.trial = Trial::Probe(index, mark);
                    self.send(shared);
                }
                (_, None) => {
                    self.found().disturbed();
                    self.more = true;
                }
            },
            Next::RejectFirst => self.reject_to(None, shared),
            Next::RejectTo(mark) => self.reject_to(Some(mark), shared),
        }
        false
    }

    fn found(&mut self) -> &mut Isolation {
        let feed = self.request.feed;
        self.isolation.get_or_insert_with(|| Isolation::new(feed))
    }

    /// Gives up samples that were refused: those before the mark, or the first.
    fn reject_to(&mut self, mark: Option<Mark>, shared: &mut Shared<'_>) {
        self.piece = if mark.is_some() { u64::MAX } else { 1 };
        let stop = self.read_on(mark, shared);
        let rejected = self.request.samples;
        self.reject(shared);
        self.next(shared);
        let front = self.progress[self.request.feed].at;
        let reached = stop == Stop::Reached || mark.is_some_and(|mark| front.place > mark.place);
        match stop {
            Stop::Absent(seq) => {
                self.more = false;
                shared.wanted.push((self.request.feed as u16, seq));
            }
            Stop::End | Stop::Barred => self.more = false,
            Stop::Full | Stop::Reached | Stop::Turn => {}
        }
        match mark {
            Some(_) if reached => self.found().run_rejected(),
            None if rejected > 0 => self.found().first_rejected(),
            _ => {}
        }
    }

    /// From the front on, counts samples that could be sent, up to the first whose series has been counted already.
    /// Puts sample number `want` into the request and says where it is.
    fn look(&mut self, want: u64, shared: &mut Shared<'_>) -> (Window, Option<Mark>) {
        let number = self.request.feed;
        let (progress, feed) = (&self.progress[number], &shared.feeds[number]);
        let filter = &mut shared.filters[number];
        let oldest = oldest_sent(shared.plan, shared.now.timestamp);
        let mut seen = Seen(vec![0; feed.table.bound() / 64 + 1]);
        let mut window = Window::default();
        let mut at = progress.at;
        for _ in 0..FRAMES_A_TURN {
            let (place, next, payload, base_time) = match feed.log.read(at.place) {
                Step::Absent(_) | Step::End => break,
                Step::Moved { next, .. } => {
                    at = Mark { place: next, skip: 0 };
                    continue;
                }
                Step::Record { place, next, payload, base_time, .. } => {
                    (place, next, payload, base_time)
                }
            };
            let (first, lane) = (Mark { place, skip: at.skip }, lane_number(payload));
            at = Mark { place: next, skip: 0 };
            let ours = lane % shared.connections == self.index()
                && shared.given_up[number].loss(place.seq()).is_none();
            if feed.log.epoch(place.seq()) > shared.epoch_max {
                break;
            }
            let first = first.max(progress.floors.dealt[lane]).max(progress.floors.resumed[lane]);
            if !ours || first.place != place {
                continue;
            }
            if decode_samples(payload, base_time, shared.decoded).is_err() {
                continue;
            }
            let decoded = &*shared.decoded;
            window.frames.push(window.samples);
            for index in first.skip as usize..decoded.refs.len() {
                let (series, time) = (decoded.refs[index], decoded.times[index]);
                let mark = Mark { place, skip: index as u32 };
                if time < oldest || progress.spared.iter().any(|spared| spared.mark == mark) {
                    continue;
                }
                let histogram = decoded.histogram(index);
                if histogram.is_some_and(|packed| unsendable(packed, shared.plan).is_some()) {
                    continue;
                }
                let Some(stored) = feed.labels(series) else { continue };
                let rules = &shared.plan.relabel;
                let Some(labels) = filter.labels(series, stored, shared.external, rules) else {
                    continue;
                };
                if window.samples >= WINDOW || seen.again(series) {
                    return (window, None);
                }
                if window.samples == want {
                    let (stencils, body) = (&mut shared.stencils[number], &mut self.request.body);
                    stencils.open(body);
                    stencils.put_entry(body, |out| match histogram {
                        Some(packed) => put_histogram(out, labels, packed, time),
                        None => put_sample(out, labels, decoded.values[index], time),
                    });
                    stencils.close(body);
                    self.request.samples = 1;
                    self.request.histograms = u64::from(histogram.is_some());
                    (self.request.newest, self.request.oldest) = (Timestamp(time), Timestamp(time));
                    return (window, Some(mark));
                }
                window.samples += 1;
            }
        }
        (window, None)
    }

    /// An answer that speaks of single samples, or of all that we may send.
    pub(super) fn isolate(&mut self, words: String, shared: &mut Shared<'_>) {
        shared.meters.requests_failed += 1;
        self.say(words, shared);
        let end = self.progress[self.request.feed].at;
        let (trial, samples) = (self.trial, self.request.samples);
        let uncertain = core::mem::take(&mut self.uncertain);
        match trial {
            Trial::Piece => {
                if uncertain {
                    self.resent_until = self.resent_until.max(end);
                }
                let found = self.found();
                let doubted = found.in_doubt();
                if found.piece_refused(samples, end) {
                    self.reject(shared);
                    self.next(shared);
                    if doubted {
                        self.quiet_until = self.held_until(shared);
                    }
                    return;
                }
            }
            // It may be refused because an attempt at it was taken: what it says of its neighbours is nothing.
            Trial::Probe(index, mark) if uncertain => {
                self.note_refused(shared);
                self.spare(mark, false);
                self.found().probe_settled(index, mark, false);
            }
            Trial::Probe(index, mark) => self.found().probe_refused(index, mark),
            Trial::Canary => {
                self.found().canary_refused();
                self.quiet_until = self.held_until(shared);
            }
        }
        self.rebuild();
    }

    /// What was sent to find something out was taken.
    pub(super) fn trial_taken(&mut self, shared: &mut Shared<'_>) {
        match self.trial {
            Trial::Probe(index, mark) => {
                *shared.acquainted = true;
                self.note_sent(shared);
                self.spare(mark, true);
                self.found().probe_settled(index, mark, true);
            }
            Trial::Canary => self.found().canary_taken(),
            Trial::Piece => {}
        }
        self.uncertain = false;
        self.rebuild();
    }

    /// This sample has its verdict; it is counted when the connection comes past it.
    fn spare(&mut self, mark: Mark, taken: bool) {
        self.progress[self.request.feed].spared.push(Spared { mark, taken });
    }
}
