//! What others push: requests taken apart, series dealt out to their shards, samples put into the log.
//!
//! ```text
//! body -> request, gather -> a Push for each shard -> mail -> Intake -> append -> PushOutcome -> answer
//! ```
//!
//! - **P1** equal labels, one shard, whoever pushes them and wherever they come in: a series has one order.
//! - **P2** an answer says that a sample was taken only when the log has it.
//! - **P3** what a request makes us hold is bounded by what it is allowed to be, not by what it says that it is.
//! - A request is no transaction: what is good in it is taken, and only what is bad is refused.
//!
//! The first half is pure and runs where the bytes come in; the second belongs to a shard.
//!
//! May use: base, model, wire, http, mail, wal, series, append.

#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

mod answer;
mod error;
mod gather;
mod intake;
mod known;
mod labels;
mod loose;
mod otlp;
mod request;
mod walk;

pub use answer::{Answer, answer, answer_otlp};
pub use error::PushError;
pub use gather::gather;
pub use intake::{Intake, Lent};
pub use otlp::gather_otlp;
pub use request::{Accepted, decode, decode_otlp, decoded_len, message_of};
