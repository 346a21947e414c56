//! The bell of one core: any thread rings, the core wakes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::Waker;

/// Set while the core sleeps in the kernel, where a ring has to wake it; else it looks before it sleeps.
const ASLEEP: u8 = 1;
/// Rung and not yet heard.
const RUNG: u8 = 2;

/// Wakes one core. Made before the core starts: a ring that comes too early is heard at the core's first wait.
#[derive(Clone, Debug)]
pub struct Bell {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    state: AtomicU8,
    #[expect(
        clippy::disallowed_types,
        reason = "taken only to wake a sleeping core and at its start and end"
    )]
    ear: std::sync::Mutex<Ear>,
}

/// How the core that owns the bell is woken.
#[derive(Debug)]
pub(super) enum Ear {
    /// The core has not started, or is gone.
    Deaf,
    Epoll(mio::Waker),
    Uring(Waker),
}

impl Bell {
    #[expect(
        clippy::new_without_default,
        reason = "a bell belongs to a core; there is no default one"
    )]
    #[expect(clippy::disallowed_types, reason = "see the field")]
    pub fn new() -> Bell {
        let ear = std::sync::Mutex::new(Ear::Deaf);
        Bell { shared: Arc::new(Shared { state: AtomicU8::new(0), ear }) }
    }

    /// Makes the core's next or present `Net::wait` return with `Completion::Bell`. From any thread; rings before
    /// the core looks are one. Costs a system call only when the core sleeps.
    pub fn ring(&self) {
        // A core that sleeps although it was rung is woken again: glommio can lose a wake-up.
        // spec: runtime D1, R4
        if self.shared.state.fetch_or(RUNG, Ordering::SeqCst) & ASLEEP != 0 {
            match &*self.ear() {
                Ear::Deaf => {}
                // The one error (a full eventfd) means that a wake-up is under way.
                Ear::Epoll(waker) => drop(waker.wake()),
                Ear::Uring(waker) => waker.wake_by_ref(),
            }
        }
    }

    pub(super) fn listen(&self, ear: Ear) {
        *self.ear() = ear;
    }

    /// Takes a ring, if there is one.
    pub(super) fn heard(&self) -> bool {
        // Most calls find nothing, and a load is cheaper than an exchange.
        self.is_rung() && self.shared.state.fetch_and(!RUNG, Ordering::SeqCst) & RUNG != 0
    }

    pub(super) fn is_rung(&self) -> bool {
        self.shared.state.load(Ordering::SeqCst) & RUNG != 0
    }

    /// Called before sleeping; false: rung meanwhile, do not sleep.
    pub(super) fn doze(&self) -> bool {
        let state = &self.shared.state;
        state.compare_exchange(0, ASLEEP, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    /// Called after sleeping; a ring stays.
    pub(super) fn rise(&self) {
        self.shared.state.fetch_and(!ASLEEP, Ordering::SeqCst);
    }

    fn ear(&self) -> std::sync::MutexGuard<'_, Ear> {
        // Nothing panics while holding it; a poisoned lock still holds a whole value.
        self.shared.ear.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
