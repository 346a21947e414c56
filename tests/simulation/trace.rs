//! What happened, as one number: the same seed must give the same (L9). Printed line by line on demand.

use std::fmt;

use corelane::base::{Instant, stable_hash};

#[derive(Debug)]
pub struct Trace {
    hash: u64,
    steps: u64,
    loud: bool,
}

impl Trace {
    pub fn new(loud: bool) -> Trace {
        Trace { hash: 0, steps: 0, loud }
    }

    /// Folds one step in. `what` is formatted only when the trace is printed, so it must not hold anything that the
    /// numbers do not decide.
    pub fn step(
        &mut self,
        at: Instant,
        kind: &'static str,
        numbers: [u64; 3],
        what: fmt::Arguments<'_>,
    ) {
        self.steps += 1;
        let mut bytes = [0u8; 40];
        for (slot, number) in
            [self.hash, at.0, numbers[0], numbers[1], numbers[2]].into_iter().enumerate()
        {
            bytes[slot * 8..slot * 8 + 8].copy_from_slice(&number.to_le_bytes());
        }
        self.hash = stable_hash(&bytes) ^ stable_hash(kind.as_bytes());
        if self.loud {
            println!("{:>14.6}  {kind:<10} {what}", at.0 as f64 / 1e9);
        }
    }

    pub fn hash(&self) -> u64 {
        self.hash
    }

    pub fn steps(&self) -> u64 {
        self.steps
    }
}
