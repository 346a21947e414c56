//! Where targets come from: groups written in the configuration, and groups read from files.
//!
//! One thread serves all jobs. It sends all groups of a job whenever they change, and only then:
//!
//! - Every job is sent once as soon as it is configured, even when it has no groups, and before any waiting.
//! - A file that cannot be read keeps the groups it had; a file that is gone takes its groups along.
//! - A new configuration leaves the providers alone that it does not change.
//!
//! May use: base, model, config, mail (tests), telemetry.

mod file;
mod jobs;
mod pattern;
mod thread;
mod watch;

pub use thread::{Discovery, Update};
