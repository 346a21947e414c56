//! Where targets come from: groups written in the configuration, read from files, and given by those who know them:
//! HTTP servers, the domain name system, Consul, Kubernetes.
//!
//! One thread serves all jobs. It sends all groups of a job whenever they change, and only then:
//!
//! - Every job is sent once as soon as it is configured, even when it has no groups, and before any waiting.
//! - A file that cannot be read keeps the groups it had; a file that is gone takes its groups along. A provider that fails
//!   keeps its last good groups.
//! - A new configuration leaves the providers alone that it does not change, and what a job had stays until its new
//!   providers have spoken.
//! - Changes that follow each other closely are sent together, the more of them the longer, up to five seconds.
//!
//! Those who are asked over the network are asked on a thread of their own.
//!
//! May use: base, model, client, config, mail (tests), telemetry.

mod consul;
mod dns;
mod file;
mod http;
mod jobs;
mod json;
mod kubernetes;
mod pattern;
mod remote;
mod thread;
mod watch;

pub use pattern::expand as files_named;
pub use thread::{Discovery, Update};
