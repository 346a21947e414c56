//! What went ahead of a backlog: stretches of the log that have their verdicts although the lanes have not come there.

use crate::wal::{Advance, Mark, Place};

/// A stretch, and how much of it an earlier run had settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    pub ahead: Advance,
    /// Samples before this count as resumed when they are stepped over; those after it are counted already.
    pub resumed_to: Mark,
}

impl Stretch {
    /// An empty one.
    pub fn at(place: Place) -> Stretch {
        let to = Mark { place, skip: 0 };
        Stretch { ahead: Advance { from: place, to, samples: 0 }, resumed_to: to }
    }

    /// One that a page tells of.
    pub fn found(ahead: Advance) -> Stretch {
        Stretch { ahead, resumed_to: ahead.to }
    }

    /// The sample at this mark is in it.
    pub fn has(&self, at: Mark) -> bool {
        at.place >= self.ahead.from && at < self.ahead.to
    }
}

/// What a connection steps over, and where it stops.
#[derive(Clone, Copy, Debug, Default)]
pub struct Course<'a> {
    pub stretches: &'a [Stretch],
    /// From here on another connection sends.
    pub barrier: Option<Place>,
}

impl<'a> Course<'a> {
    /// The course of a feed. `open`: the last stretch of the shard's own log still grows.
    pub fn of(stretches: &'a [Vec<Stretch>], open: bool, feed: usize) -> Course<'a> {
        let stretches = stretches.get(feed).map_or(&[][..], Vec::as_slice);
        match stretches.split_last() {
            Some((last, before)) if open && feed == 0 => {
                Course { stretches: before, barrier: Some(last.ahead.from) }
            }
            _ => Course { stretches, barrier: None },
        }
    }

    /// What was settled in this run is passed at once: where that leads to.
    pub fn past(&self, at: Mark) -> Option<Mark> {
        let within = self.stretches.iter().find(|stretch| stretch.has(at));
        within.filter(|stretch| at >= stretch.resumed_to).map(|stretch| stretch.ahead.to)
    }

    /// Of the frame of so many samples at `at`, how many an earlier run had settled, from its beginning.
    pub fn resumed(&self, at: Mark, samples: u32) -> Option<u32> {
        let within = self.stretches.iter().find(|stretch| stretch.has(at))?;
        let to = within.resumed_to;
        (at < to).then(|| if at.place < to.place { samples } else { to.skip.min(samples) })
    }

    pub fn ends(&self, at: Mark) -> bool {
        self.barrier.is_some_and(|barrier| at.place >= barrier)
    }
}
