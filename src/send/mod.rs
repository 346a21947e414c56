//! From the log to the endpoints: what is read, batched, sent, and how an answer moves a cursor.
//!
//! ```text
//! feed --drain--> request --connection--> answer --verdict--> settled --> cursor page
//! ```
//!
//! - **S1** samples of a series reach an endpoint in log order: a target's frames always go over the same connection,
//!   which has one request in flight.
//! - **S2** a cursor passes a frame only when every sample of it has a verdict.
//! - **S4** an endpoint that is slow, down or hung costs disk and nothing else.
//! - **W8** a stored cursor is never ahead of what was settled.
//! - **S5** a stencil speaks only of series whose labels are what they were when it was learned.
//! - **L2** `entered = acknowledged + Σ lost(reason) + resumed + pending`.
//!
//! May use: base, model, mail, wire, http, auth, series, wal, relabel.

mod announce;
mod body;
mod crew;
mod cursors;
mod drain;
mod endpoint;
mod filter;
mod fresh;
mod isolation;
mod lane;
mod learn;
mod learner;
mod letters;
mod ops;
mod pace;
mod search;
mod served;
mod shared;
mod spot;
mod stencil;
mod stencils;
mod stretch;
mod symbols;
#[cfg(test)]
mod tests;
mod verdict;
mod walk;
mod way;
mod written;

pub use body::{Body, Packer};
pub use cursors::{cursor_file, endpoint_key};
pub use endpoint::{Endpoint, Outlook, Scratch};
pub use filter::Filter;
pub use learner::Labels;
pub use letters::Letters;
pub use stencils::Stencils;
pub use verdict::{Verdict, verdict};
