//! The thread that knows about more than one core: starts them, gives them their work, decides what no core can
//! decide alone.
//!
//! - **G1** a segment is retired only below the lowest stored cursor of its shard; the shard checks it again.
//! - **G2** a reload is all or nothing: a file that cannot be used changes nothing.
//! - **G3** orders reach a shard in the order given, each once.
//! - **C1** a target belongs to one shard in a generation.
//!
//! May use: everything below it.

mod adoption;
mod assignment;
mod cardinality;
mod thread;
mod cores;
mod cost;
mod credentials;
mod failure_log;
mod jobs;
mod load;
mod placement;
mod pushes;
mod quotas;
mod start;
mod truncation;

pub use adoption::{Epochs, adopters};
pub use assignment::{Made, USER_AGENT, assignment};
pub use credentials::Held;
pub use placement::place;
pub use start::{run, system_roots};
pub use truncation::{DiskBudget, decide};
