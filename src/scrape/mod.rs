//! Targets and their scrapes on one core: from "due" to a committed batch.
//!
//! ```text
//! due -> open -> send -> read -> (lines or metrics -> cache -> refs, values) -> commit | rollback -> idle
//! ```
//!
//! - **C2** a series that vanishes gets one staleness marker; a failed scrape marks all that were live and were not met on it.
//! - **C3** `up` and the report series are written for every scrape.
//! - **C4** a broken limit drops the whole page.
//! - One page hardly delays another target: reading it is cut into turns of `limits::TURN_BYTES`; its commit is one piece.
//!
//! May use: base, model, mail, exposition, relabel, http, series, append, wal.

mod cache;
mod caps;
mod convert;
mod created;
mod family;
mod farewell;
mod labels;
mod outcome;
mod page;
mod pieces;
mod pools;
mod report;
mod target;
#[cfg(test)]
mod tests;

pub use pools::{Lent, Pools};
pub use target::Scrape;
