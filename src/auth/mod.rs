//! Credentials as header values: pure functions from secrets to what `Authorization` says.
//!
//! May use: base.

mod basic;
mod bearer;

pub use basic::{basic, parse_basic};
pub use bearer::bearer;
