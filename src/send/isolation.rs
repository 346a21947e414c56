//! Looking for what an endpoint refuses: what to send next, and what follows from the answer. Pure: it knows counts and
//! marks, no bytes.
//!
//! A refused request is halved, always from its front, until one sample is refused alone: log order is kept, and that
//! sample only is given up. So every one that is given up was refused alone, as long as there is [`Patience`] for that.
//! When it is spent, and several are refused one after the other (what a receiver has already and is sent again, or a
//! target that it will not have), the end of the run is looked for by trying single samples further on: few requests for
//! any number of samples, which are counted as presumed. Nothing is given up before the endpoint has shown that it takes
//! anything at all.

use core::time::Duration;

use crate::base::{Instant, Random};
use crate::wal::Mark;

/// Refused alone one after the other before a run is supposed.
const RUN: u32 = 4;
/// Samples that may be given up on the strength of one request that was taken.
const CREDIT: u32 = 4;
/// How much further each step along a run reaches.
const REACH: u64 = 4;
/// How much more is tried together after good samples behind a refused one.
const STRIDE: u64 = 8;
/// Samples of one frame that are all tried before it is given up; of a longer one some are, but no more than the second.
const CHECKS_ALL: u64 = 16;
const CHECKS_MAX: u64 = 40;

/// Of the time that passes, one part in so many comes back.
const RECOVERY: u32 = 4;

/// How much time has gone into trying samples one by one: a whole scrape that is refused at every turn must not hold up
/// everything behind it until the disk budget sheds that.
#[derive(Clone, Copy, Debug, Default)]
pub struct Patience {
    spent: Duration,
    at: Instant,
}

impl Patience {
    /// An answer to a trial came now and took so long; `limit` is all that there may be of that.
    pub fn spend(&mut self, took: Duration, now: Instant, limit: Duration) {
        let recovered = now.since(self.at) / RECOVERY;
        self.spent = (self.spent.saturating_sub(recovered) + took).min(limit);
        self.at = now;
    }

    pub fn lasts(&self, limit: Duration) -> bool {
        self.spent < limit
    }
}

/// What is to be tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// A request without samples: does the endpoint take anything?
    Canary,
    /// How far a single sample may be tried ahead of those before it.
    Measure,
    /// So many samples at most, in log order.
    Piece(u64),
    /// One sample alone, so many after the first.
    Probe(u64),
    /// Nothing is sent: the first sample is given up.
    RejectFirst,
    /// Nothing is sent: all samples before the mark are given up.
    RejectTo(Mark),
}

#[derive(Clone, Debug)]
pub struct Isolation {
    pub feed: usize,
    /// The last request that was refused ended here.
    until: Mark,
    /// Among so many samples from the front at least one is refused; 0: nothing is known.
    guilty: u64,
    /// Nothing has been taken since the first refusal, and so many pieces have been refused.
    refusals: Option<u32>,
    /// Refused alone, one after the other.
    streak: u32,
    /// So many samples may be tried together where nothing is known: [`STRIDE`] times as many whenever they are taken.
    stride: u64,
    credit: u32,
    /// The first sample was refused alone; it is given up when there is credit.
    condemned: bool,
    /// Not even an empty request was taken: what is tried next of the two that are tried in turn.
    doubt: Option<Doubt>,
    run: Option<Run>,
    /// The run goes on from what was measured before.
    goes_on: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doubt {
    Canary,
    Sample,
}

/// What is known of the samples that follow the front.
#[derive(Clone, Debug, Default)]
pub struct Window {
    /// So many have no older sample of their series among them: they may be tried in any order.
    pub samples: u64,
    /// Number of each frame's first sample.
    pub frames: Vec<u64>,
    /// All of a run is refused for one reason: it was sent before, whole, without a word of what became of it.
    pub alike: bool,
}

/// A run of refused samples, numbered from the front.
#[derive(Clone, Debug)]
struct Run {
    window: Window,
    /// The last of so many was refused alone.
    low: u64,
    low_end: Mark,
    /// This one was taken, or has its verdict in another way.
    high: Option<(u64, Mark)>,
    reach: u64,
    /// Samples between the front and `low` that are tried as well before all are given up.
    checks: Option<Vec<u64>>,
}

impl Window {
    /// Which of the first `low` to try although the last of them was refused. `ended`: the next one is a good one.
    fn checks(&self, low: u64, ended: bool, random: &mut Random) -> Vec<u64> {
        let inner = low - 1;
        if self.alike {
            // The last may be refused for another reason than those before it, its neighbours then are not.
            let steps = (0..inner.checked_ilog2().map_or(0, |log| log + 1)).rev();
            let steps = steps.filter(|step| ended || *step < 2).map(|step| inner - (1 << step));
            return steps.chain((inner > 2).then(|| random.below(inner))).collect();
        }
        // A frame is one target's, and whatever is the matter with others need not be with it.
        let ends = self.frames.iter().skip(1).copied().chain([low]);
        let mut checks = Vec::new();
        for (&begin, end) in self.frames.iter().zip(ends).filter(|(begin, _)| **begin < inner) {
            let samples = end.min(inner) - begin;
            if samples <= CHECKS_ALL {
                checks.extend(begin..begin + samples);
            } else {
                let number = (CHECKS_ALL / 2 + 2 * samples.isqrt()).min(CHECKS_MAX);
                checks.extend((0..number).map(|_| begin + random.below(samples)));
            }
        }
        checks
    }
}

impl Isolation {
    pub fn new(feed: usize) -> Isolation {
        Isolation {
            feed,
            until: Mark::default(),
            guilty: 0,
            refusals: Some(0),
            streak: 0,
            stride: u64::MAX,
            credit: 0,
            condemned: false,
            doubt: None,
            run: None,
            goes_on: false,
        }
    }

    /// True when nothing is left to be found out.
    pub fn over(&self, front: Mark) -> bool {
        let idle = self.guilty == 0 && self.streak == 0 && !self.condemned && self.run.is_none();
        idle && self.doubt.is_none() && front >= self.until
    }

    /// All that was refused has its verdict; what is left to be found out is about samples still to come.
    pub fn has_passed(&self, front: Mark) -> bool {
        self.run.is_none() && front >= self.until
    }

    /// The endpoint takes nothing, not even an empty request.
    pub fn in_doubt(&self) -> bool {
        self.doubt.is_some()
    }

    /// `patient`: there is time for trying each sample alone.
    pub fn next(&mut self, patient: bool, random: &mut Random) -> Next {
        match self.doubt {
            Some(Doubt::Canary) => return Next::Canary,
            Some(Doubt::Sample) => return Next::Piece(1),
            None => {}
        }
        if self.condemned {
            return if self.credit > 0 { Next::RejectFirst } else { Next::Canary };
        }
        if self.run.is_some() {
            return self.next_of_run(random);
        }
        if self.streak >= RUN && !patient {
            return Next::Measure;
        }
        match self.guilty {
            // Refused and refused again: is it from the front on?
            2.. if self.refusals == Some(2) => Next::Piece(1),
            2.. => Next::Piece(self.guilty.div_ceil(2)),
            0 if self.streak == 0 => Next::Piece(self.stride),
            _ => Next::Piece(1),
        }
    }

    fn next_of_run(&mut self, random: &mut Random) -> Next {
        let Some(run) = &mut self.run else { return Next::Measure };
        match run.high {
            None if run.low < run.window.samples => {
                return Next::Probe(run.reach.min(run.window.samples) - 1);
            }
            Some((high, _)) if run.low < high => return Next::Probe(run.low.midpoint(high)),
            _ => {}
        }
        let (window, low, ended) = (&run.window, run.low, run.high.is_some());
        let checks = run.checks.get_or_insert_with(|| window.checks(low, ended, random));
        if let Some(&check) = checks.last() {
            return Next::Probe(check);
        }
        if self.credit > 0 { Next::RejectTo(run.low_end) } else { Next::Canary }
    }

    /// The first so many samples were refused in one request that ended at `end`. True if the only one is to be given up
    /// now.
    pub fn piece_refused(&mut self, samples: u64, end: Mark) -> bool {
        self.until = self.until.max(end);
        if samples > 1 {
            self.guilty = samples;
            self.refusals = self.refusals.map(|refusals| refusals + 1);
            self.streak = 0;
            return false;
        }
        self.guilty = 0;
        if self.doubt.is_some() {
            self.doubt = Some(Doubt::Canary);
            return true;
        }
        self.streak += 1;
        self.stride = 1;
        self.condemned = self.credit == 0;
        self.credit = self.credit.saturating_sub(1);
        !self.condemned
    }

    /// The first so many samples were taken.
    pub fn piece_taken(&mut self, samples: u64) {
        self.guilty = self.guilty.saturating_sub(samples);
        self.streak = 0;
        if self.guilty == 0 {
            self.stride = self.stride.saturating_mul(STRIDE);
        }
        self.taken();
    }

    pub fn canary_taken(&mut self) {
        self.taken();
    }

    fn taken(&mut self) {
        self.refusals = None;
        self.credit = CREDIT;
        self.doubt = None;
    }

    /// The endpoint refuses whatever it is sent. What was found out before says nothing.
    pub fn canary_refused(&mut self) {
        self.disturbed();
        self.doubt = Some(Doubt::Sample);
    }

    pub fn first_rejected(&mut self) {
        self.condemned = false;
        self.credit = self.credit.saturating_sub(1);
    }

    /// The front has not moved since the window was looked through, and it is not empty.
    pub fn measured(&mut self, mut window: Window) {
        window.alike |= self.goes_on;
        let reach = if self.goes_on { u64::MAX } else { REACH };
        let (low, low_end) = (0, Mark::default());
        self.run = Some(Run { window, low, low_end, high: None, reach, checks: None });
    }

    /// A single sample was refused alone; `mark` is its place.
    pub fn probe_refused(&mut self, index: u64, mark: Mark) {
        let Some(run) = &mut self.run else { return };
        if run.high.is_some_and(|(_, high)| high <= mark) {
            // Samples grew too old meanwhile, and the numbers are not what they were.
            return self.disturbed();
        }
        if index < run.low {
            let checks = run.checks.as_mut();
            checks.map(Vec::pop);
            return;
        }
        run.low = index + 1;
        run.low_end = Mark { place: mark.place, skip: mark.skip + 1 };
        run.reach = run.low.saturating_mul(REACH);
    }

    /// A single sample ahead of the front has its verdict; `taken`: it was a good one.
    pub fn probe_settled(&mut self, index: u64, mark: Mark, taken: bool) {
        if taken {
            self.taken();
        }
        let Some(run) = &mut self.run else { return };
        if index < run.low {
            // A good one amid the refused: the run ends before it, if it is one.
            (run.low, run.checks) = (0, None);
        }
        run.high = Some((index, mark));
        if index == 0 {
            self.run_ended();
        }
    }

    /// Everything before the mark of [`Next::RejectTo`] is given up.
    pub fn run_rejected(&mut self) {
        self.credit = self.credit.saturating_sub(1);
        match self.run.take().and_then(|run| run.high) {
            Some(_) => self.run_ended(),
            None => self.goes_on = true,
        }
    }

    fn run_ended(&mut self) {
        self.run = None;
        self.streak = 0;
        self.goes_on = false;
    }

    /// The front is not where it was: numbers that count from there are worth nothing.
    pub fn disturbed(&mut self) {
        self.run_ended();
        self.guilty = 0;
        self.condemned = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_is_spent_by_answers_and_comes_back_with_time() {
        let limit = Duration::from_secs(8);
        let at = |seconds: u64| Instant(0) + Duration::from_secs(seconds);
        let mut patience = Patience::default();
        assert!(patience.lasts(limit));
        patience.spend(Duration::from_secs(7), at(100), limit);
        assert!(patience.lasts(limit));
        patience.spend(Duration::from_secs(30), at(100), limit);
        assert!(!patience.lasts(limit));
        // However long it went on, half of it is back after as long as that takes.
        patience.spend(Duration::ZERO, at(116), limit);
        assert_eq!(patience.spent, Duration::from_secs(4));
        assert!(!Patience::default().lasts(Duration::ZERO), "none at all may be had");
    }

    #[test]
    fn what_was_refused_is_passed_although_its_streak_is_remembered() {
        let mark = |skip| Mark { skip, ..Mark::default() };
        let mut found = Isolation::new(0);
        found.canary_taken();
        assert!(found.piece_refused(1, mark(1)), "given up at once: others are taken");
        assert!(!found.over(mark(1)), "what comes next is tried alone");
        assert!(found.has_passed(mark(1)) && !found.has_passed(mark(0)));
    }
}
