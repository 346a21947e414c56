//! The one place where a sample is accepted or refused, and counted.
//!
//! - **L1** `offered = appended + Σ refused(reason)`, after every commit and rollback.
//! - A commit is a log write and nothing else; a rollback leaves only series definitions behind.
//!
//! May use: base, model, series, wal.

mod appender;
mod exemplars;
mod histograms;
mod starts;

pub use appender::{Appender, Batch, Turned};
