//! What a remote hears: messages and headers of remote write.
//!
//! - What the hot encoders write is what any encoder of the same message writes, byte for byte, but for a value of zero:
//!   it is written, and -0.0 keeps its sign.
//!
//! May use: base, model.

#![cfg_attr(not(test), warn(clippy::indexing_slicing, clippy::arithmetic_side_effects))]

pub mod headers;
pub mod histogram;
pub mod remote_v1;
pub mod remote_v2;
