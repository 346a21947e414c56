//! What the program says of itself: log lines, and the counters of all shards as one metrics page.
//!
//! Reports are plain copies that shards sent as mail. [`render`] adds them up and names them; it is a pure function, so
//! a page can be compared with a golden text.
//!
//! - Each exported metric stands once in `catalog.rs` with its type and help.
//! - A name of Prometheus is used where the meaning is the same; everything else is called `corelane_*`.
//! - A page has no two samples with the same name and labels.
//! - No core logs: cores send notices, and the control plane logs those.
//!
//! May use: base, model, mail.

pub mod build;
mod calendar;
mod catalog;
mod cores;
mod endpoints;
mod ledger;
mod log;
mod page;
mod process;
mod render;
mod targets;

pub use calendar::rfc3339;
pub use catalog::{CATALOG, Metric, MetricKind};
pub use log::{LogFormat, Logger};
pub use process::{CredentialState, DiscoveryState, PoolState, ProcessState, ReloadState, Usage};
pub use render::render;
