//! What one core owns: its targets, their series, its log, its side of every endpoint. A state machine without I/O.
//!
//! ```text
//! world --Event--> Shard::handle --> Shard::effect --Effect--> world
//! ```
//!
//! A shard reads no clock, draws no chance and opens no file, so the simulation runs whole shards from one seed, and
//! the runtime under them can be replaced. It is not `Send`: it is born on the core that keeps it, from a
//! [`Plan`].
//!
//! - A turn is bounded: no event makes `handle` run longer than a few hundred microseconds.
//! - `deadline()` is never later than the first thing that is due.
//!
//! May use: base, model, mail, series, wal, append, scrape, receive, send.

mod degraded;
mod effect;
mod event;
mod ledger;
mod plan;
mod recover;
mod removed;
mod report;
mod survivors;
mod machine;
mod upkeep;

pub use effect::Effect;
pub use event::Event;
pub use machine::Shard;
pub use plan::{FoundLog, Plan, Taken};
