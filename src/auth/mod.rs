//! Credentials as header values: pure functions from secrets, and from a request that is to be signed, to what
//! `Authorization` says.
//!
//! May use: base.

mod basic;
mod bearer;
mod sigv4;

pub use basic::{basic, parse_basic};
pub use bearer::bearer;
pub use sigv4::{SigV4, Signed, sha256};
