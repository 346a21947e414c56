//! Behaves as Prometheus: golden inputs and what Prometheus makes of them.

mod config;
mod exposition;
mod protobuf;
mod replay;
mod requests;
