//! `corelane wal`: what a stopped agent's data directory holds, shown, checked and sent elsewhere.
//!
//! - Nothing in the directory is changed: no file, no cursor, no lock.
//! - A directory in use is refused.
//! - Damage is named with its segment and offset, stepped over as the agent would, and told by the exit code.
//! - Whatever the bytes, no panic and no value that was not written.
//!
//! The log is read with the same code as by the agent: `wal` for records, dictionary and cursors.
//!
//! May use: base, model, relabel, wire, http, tls, auth, config, client, mail, wal, send, io, disk, telemetry,
//! flags, coordinator.

mod dump;
mod endpoints;
mod error;
mod export;
mod reader;
mod remote;
mod run;
mod stats;
#[cfg(test)]
mod tests;
mod verify;

pub use dump::{Dumped, dump};
pub use run::run;
pub use verify::{Sums, verify};
