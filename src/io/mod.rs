//! Everything a core says to the outside: sockets, names, clocks, mail. The only room that names a runtime.
//!
//! A core is one pinned thread that runs one future, the driver. All sockets of the core belong to its [`Net`];
//! there are no tasks, no callbacks and nothing shared, so nothing is ever cancelled from outside. The same
//! connection logic runs over two sources of readiness, `epoll` (mio) and `uring` (glommio), chosen once at start.
//!
//! IO1  [`Net::wait`] hands out at most one completion that concerns a connection, so nothing of a connection is
//!      in the caller's hands when it closes another, and after [`Net::close`] nothing of the closed one follows.
//! IO2  One wait reads at most `limits::READ_BYTES` of one connection, and connections take turns; the system is
//!      asked for news at least every `limits::TURN_BYTES` read.
//! IO3  An idle core makes no system call: no periodic timer, no polling.
//! IO4  A ring of the [`Bell`] is never lost, and rings coalesce.
//! IO5  Names are resolved on plain threads, never on a core.
//!
//! May use: base, tls. Crates: glommio and futures-lite (`uring.rs`, `executor.rs`), mio (`epoll.rs`, `bell.rs`),
//! crossbeam-channel, libc (`system.rs`, error numbers in `preflight.rs`).
//! Unsafe: `system.rs` only.

mod bell;
mod clock;
mod completion;
mod epoll;
mod executor;
mod link;
mod mailbox;
mod names;
mod net;
mod preflight;
mod reactor;
mod resolver;
mod system;
mod uring;

#[cfg(test)]
mod tests;

pub use bell::Bell;
pub use clock::Clock;
pub use completion::{Cause, Completion, Peer, TlsPeer};
pub use executor::start_core;
pub use mailbox::{Receiver, Sender, mailbox};
pub use net::Net;
pub use preflight::{AUTO_PREFERS, AUTO_REASON, Runtime, RuntimeChoice, preflight};
pub use resolver::Resolver;
pub use system::{available_cpus, default_cores};
