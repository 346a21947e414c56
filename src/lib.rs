//! Corelane: a lossless, thread-per-core metrics forwarder. The floor plan, lowest floor first; ARCHITECTURE.md
//! walks through it.

pub mod base;
pub mod model;

pub mod exposition;
pub mod relabel;
pub mod wire;
pub mod http;
pub mod tls;
pub mod auth;
pub mod config;
pub mod client;

pub mod mail;
pub mod wal;
pub mod series;
pub mod append;
pub mod scrape;
pub mod receive;
pub mod send;
pub mod shard;

pub mod io;
pub mod disk;
pub mod driver;
pub mod discovery;
pub mod telemetry;
pub mod web;
pub mod coordinator;
pub mod inspect;
pub mod flags;
pub mod tools;
