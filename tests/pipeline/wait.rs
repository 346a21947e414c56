//! Waiting for what must become true.

use std::thread;
use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_millis(20);
/// Longer than anything takes on a slow and busy machine.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// Asks until there is something, and gives it. Panics with `what` after the deadline.
pub fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = ask() {
            return found;
        }
        let waited = started.elapsed();
        assert!(waited < DEADLINE, "not within {} s: {what}", DEADLINE.as_secs());
        thread::sleep(PAUSE);
    }
}

/// Waits until a condition holds.
pub fn until_true(what: &str, mut ask: impl FnMut() -> bool) {
    until(what, || ask().then_some(()));
}
