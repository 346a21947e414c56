//! Chaos on real processes: an agent is killed, stopped, reloaded and restarted on a seeded schedule while its receiver
//! misbehaves, and every sample that it should have delivered is looked for.
//!
//! Exporters number their pages, and every value says on which page of which target it stood and in which series. So
//! loss, repetition, disorder, wrong values and mixed-up labels are exact, for each series.
//!
//! A page is *accepted* once the agent has asked for the next one on the same connection: then it has read the page to
//! its end, and every agent is through with a page before it asks for the next. The last page on a connection that a
//! kill, a stop or a time-out has cut is *in the air*: whether it arrives is reported, and is no loss. That is the same
//! for every agent and needs no word of its own.

mod audit;
mod books;
mod command;
mod disk;
mod numbered;
mod numbers;
mod plan;
mod receiver;
mod report;
mod smoke;
mod trial;

pub use command::{crash, flags};
