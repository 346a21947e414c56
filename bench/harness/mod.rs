//! What the benches have in common: passes that are timed, pages, and a shard with everything around it in memory.
//!
//! `cargo bench` runs the real values and prints the least and the median of several passes; `cargo test --benches`
//! runs every case once on small values, and shows that it still runs and comes to the same result.

#![allow(dead_code, unused_imports, reason = "each bench uses a part")]

mod feed;
mod measure;
#[path = "../load/page.rs"]
mod page;
mod world;

pub use feed::{feed, intern, refill, series_texts, values};
pub use measure::{Bench, Done, Watch};
pub use page::Page;
pub use world::{STAGES, Setting, World};
