//! What is due when. Entries are not removed when plans change: whoever takes one out compares it with its own plan
//! and ignores it if that says otherwise.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::base::Instant;

/// A heap of (instant, what).
#[derive(Clone, Debug)]
pub struct Timers<T: Ord> {
    heap: BinaryHeap<Reverse<(Instant, T)>>,
}

impl<T: Ord> Default for Timers<T> {
    fn default() -> Timers<T> {
        Timers { heap: BinaryHeap::new() }
    }
}

impl<T: Ord> Timers<T> {
    pub fn set(&mut self, at: Instant, what: T) {
        if at != Instant::NEVER {
            self.heap.push(Reverse((at, what)));
        }
    }

    /// When the first entry is due; `NEVER` if there is none.
    pub fn next(&self) -> Instant {
        self.heap.peek().map_or(Instant::NEVER, |Reverse((at, _))| *at)
    }

    /// Takes out the first entry if its time has come.
    pub fn pop_due(&mut self, now: Instant) -> Option<(Instant, T)> {
        if self.next() > now {
            return None;
        }
        self.heap.pop().map(|Reverse(entry)| entry)
    }
}
