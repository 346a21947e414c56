//! How a connection carries out what [`Isolation`] wants to be tried.

use crate::base::limits;
use crate::model::{Loss, SeriesRef};
use crate::send::drain::{Spared, Stop};
use crate::send::isolation::{Isolation, Next, Window};
use crate::send::lane::{Lane, Trial};
use crate::send::letters::{Letters, Refusal};
use crate::send::shared::Shared;
use crate::send::stretch::Course;
use crate::send::walk::Walk;
use crate::wal::Mark;

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
        let patient = self.patience.lasts(shared.plan.patience);
        match isolation.next(patient, shared.random) {
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
                (_, Some(mark)) if self.take_one(mark, shared) => {
                    self.trial = Trial::Probe(index, mark);
                    self.send(shared);
                }
                _ => {
                    self.request.begin(feed, front);
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
        self.reject(if mark.is_some() { Loss::Presumed } else { Loss::Rejected }, shared);
        self.next(shared);
        let front = self.progress[self.request.feed].at;
        let reached = stop == Stop::Reached || mark.is_some_and(|mark| front.place > mark.place);
        match stop {
            Stop::Absent(seq) => {
                self.more = false;
                shared.wanted.push((self.request.feed as u16, seq));
            }
            // Another feed may have something that can go.
            Stop::End => self.more = self.choose_feed(shared) != self.request.feed,
            Stop::Barred => self.more = false,
            Stop::Full | Stop::Reached | Stop::Turn => {}
        }
        match mark {
            Some(_) if reached => self.found().run_rejected(),
            None if rejected > 0 => self.found().first_rejected(),
            _ => {}
        }
    }

    /// From the front on, counts samples that could be sent, up to the first whose series has been counted already, or to
    /// number `want`: then says where that is.
    fn look(&mut self, want: u64, shared: &mut Shared<'_>) -> (Window, Option<Mark>) {
        let mut seen = Seen(vec![0; shared.feeds[self.request.feed].table.bound() / 64 + 1]);
        let (mut window, mut found, mut place) = (Window::default(), None, None);
        let front = self.progress[self.request.feed].at;
        let (walk, _) = self.walk(shared);
        walk.on(front, &mut |sent| {
            if place.replace(sent.mark.place) != Some(sent.mark.place) {
                window.frames.push(window.samples);
            }
            if window.samples >= WINDOW || seen.again(sent.series) {
                return false;
            }
            if window.samples == want {
                found = Some(sent.mark);
                return false;
            }
            window.samples += 1;
            true
        });
        (window, found)
    }

    /// Makes a request of one sample ahead of the front. False if it cannot be sent.
    fn take_one(&mut self, mark: Mark, shared: &mut Shared<'_>) -> bool {
        let feed = self.request.feed;
        let front = self.request.from;
        self.piece = 1;
        (self.request.from, self.progress[feed].at) = (mark, mark);
        self.read_on(None, shared);
        (self.request.from, self.progress[feed].at) = (front, front);
        self.request.samples == 1
    }

    fn walk<'a>(&'a self, shared: &'a mut Shared<'_>) -> (Walk<'a>, &'a mut Letters) {
        let feed = self.request.feed;
        let walk = Walk {
            plan: shared.plan,
            message: shared.message(),
            external: shared.external,
            now: shared.now.timestamp,
            feed: &shared.feeds[feed],
            progress: &self.progress[feed],
            filter: &mut shared.filters[feed],
            decoded: &mut *shared.decoded,
            given_up: shared.given_up[feed],
            epoch_max: shared.epoch_max,
            served: self.served,
            course: Course::of(shared.stretches, shared.open, feed),
        };
        (walk, &mut *shared.letters)
    }

    /// What the request holds is refused for good: for the file of dead letters.
    pub(super) fn note_refused(&self, shared: &mut Shared<'_>) {
        let samples = self.request.samples;
        let now = shared.now;
        let end = self.progress[self.request.feed].at;
        let (from, end) = match self.trial {
            Trial::Probe(_, mark) => (mark, Mark { skip: mark.skip + 1, ..mark }),
            Trial::Piece | Trial::Canary | Trial::Metadata(..) => (self.request.from, end),
        };
        let endpoint = &shared.plan.name;
        let refusal = Refusal { endpoint, status: self.refusal.0, words: &self.refusal.1 };
        let (walk, letters) = self.walk(shared);
        let mut noted = 0;
        if letters.open(now.instant) {
            walk.on(from, &mut |sent| {
                if sent.mark >= end || noted >= samples {
                    return false;
                }
                noted += 1;
                letters.note(&refusal, now.timestamp, sent)
            });
        }
        letters.leave_out(samples.saturating_sub(noted));
    }

    /// An answer that speaks of single samples, or of all that we may send.
    pub(super) fn isolate(&mut self, words: String, shared: &mut Shared<'_>) {
        shared.meters.requests_failed += 1;
        self.say(words, shared);
        self.grow_impatient(shared);
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
                    self.reject(Loss::Rejected, shared);
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
            Trial::Metadata(families, last) => {
                shared.meters.metadata.failed += families;
                self.announcement.past(last);
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
            Trial::Metadata(_, last) => self.announcement.past(last),
            Trial::Piece => {}
        }
        self.uncertain = false;
        self.rebuild();
    }

    pub(super) fn grow_impatient(&mut self, shared: &Shared<'_>) {
        let now = shared.now.instant;
        self.patience.spend(now.since(self.written_at), now, shared.plan.patience);
    }

    /// This sample has its verdict; it is counted when the connection comes past it.
    fn spare(&mut self, mark: Mark, taken: bool) {
        self.progress[self.request.feed].spared.push(Spared { mark, taken });
    }
}
