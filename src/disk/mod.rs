//! The data directory: its lock, its files, and the threads that do to them whatever may block.
//!
//! ```text
//! <data directory>/
//!   lock             held while a process runs; left over after one that did not stop cleanly
//!   store            one page, two slots of 512 bytes at 0 and 2048, the higher valid start wins
//!                      0  8  magic "CLsto" 01 CR LF
//!                      8  2  format version, 1      10  2  cores of that start
//!                     12  4  start number           16 16  random id of the directory
//!                     32  4  epoch: changes of the number of cores
//!                    508  4  CRC32C of bytes 0-507
//!   shard-000/       one shard's log
//!     00000.seg      samples segment: the name is a slot, the order is in the headers
//!     00000.def      dictionary segment
//!     <name>.cur     one endpoint's cursor
//! ```
//!
//! - Every byte of a segment's file is written before anybody maps it, so that a full disk is an
//!   error here and not a signal there.
//! - A retired segment's file is used again only after the cursors that released it are synced
//!   (when syncing is on).
//! - A failed sync is final for its file: the kernel reports it once and then says success over
//!   lost data.
//! - What cannot be read is moved aside and said, never deleted.
//!
//! May use: base, model, wal. Unsafe: the one system call of `space.rs`.

mod error;
mod files;
mod helper;
mod quarantine;
mod space;
mod stopped;
mod store;
mod survey;
mod sync;
#[cfg(test)]
mod tests;
mod worker;

pub use error::StoreError;
pub use files::{FileState, Files, SegmentFile};
pub use helper::{Helper, HelperOptions};
pub use space::{Backend, filesystem_bytes, free_bytes};
pub use stopped::{FileKind, FoundFile, StoppedStore};
pub use store::{Store, StoreOptions};
pub use survey::{SurveyOptions, Surveyed, survey};
pub use worker::Budget;
