//! The series of one core: which labels have which ref, and what the next append must know of each.
//!
//! - **R1** a ref is not given to another series while a record, a cache or a batch mentions it.
//! - **R2** equal labels, one ref.
//! - **W5** a ref's labels are in the dictionary before its first sample is in the log.
//!
//! Labels themselves live in the dictionary; the table keeps 17 bytes and a hash slot of 6 per series.
//!
//! May use: base, model, wal.

mod descriptions;
mod feed;
mod index;
mod table;

pub use descriptions::Descriptions;
pub use feed::Feed;
pub use table::{Admission, Table};
