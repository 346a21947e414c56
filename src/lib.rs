//! Corelane: a lossless, thread-per-core metrics forwarder. The floor plan, lowest floor first; ARCHITECTURE.md
//! walks through it.

pub mod base;
pub mod model;
