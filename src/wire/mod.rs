//! What a remote hears, and what a sender says: messages and headers of remote write.
//!
//! - What comes from outside is read in place, and nothing that it holds makes a reader panic or allocate without bound.
//! - What the hot encoders write is what any encoder of the same message writes, byte for byte, but for a value of zero:
//!   it is written, and -0.0 keeps its sign.
//!
//! May use: base, model.

#![cfg_attr(not(test), warn(clippy::indexing_slicing, clippy::arithmetic_side_effects))]

mod entry;
mod fields;
pub mod headers;
pub mod histogram;
mod read_histogram;
pub mod read_v1;
pub mod read_v2;
pub mod remote_v1;
pub mod remote_v2;

pub use entry::{Exemplar, Fault, Histogram, Sample, Series};
pub use fields::{Field, Fields, Value, WireError};
