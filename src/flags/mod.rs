//! Every flag once: name, kind, default, help, and whether it does anything here.
//!
//! The table takes each flag that Prometheus agent takes (spec: CLI-1 to CLI-42), so that a unit file or a pod
//! specification keeps working. `/api/v1/status/flags`, the help text, the documentation test and the parser all
//! read this table.
//!
//! May use: base, mail, telemetry.

mod parse;
mod shell;
mod table;
mod tool;
mod wal;

pub use parse::{Cluster, Exit, Flags, Runtime, WalBackend, WalFull, WalSync, parse};
pub use shell::{completions, manual};
pub use table::{Effect, FLAGS, FlagSpec, Kind};
pub use tool::{TOOLS, ToolCommand, parse_tool};
pub use wal::{Dump, Export, Look, WalCommand, parse_wal};
