//! The admin server: health, metrics, the read-only API and pages for people, on a thread of its own.
//!
//! ```text
//! request -> routes -> Ask -> coordinator -> Snapshot -> JSON, text or HTML
//! ```
//!
//! - `/-/healthy` and `/-/ready` are answered here, without asking anybody: no amount of scraping starves them.
//! - `/metrics` is answered in every phase.
//! - No request holds a core up: the coordinator answers from reports that shards sent as mail.
//! - A push is answered well only when the logs of its shards have it, and what pushes take up has a bound.
//! - A connection that neither finishes its request nor takes its answer within the read timeout is closed, and
//!   there are never more of them than allowed.
//!
//! May use: base, model, relabel, tls, auth, config, mail, receive, telemetry.

mod address;
mod answer;
mod api;
mod ask;
mod asset;
mod connection;
mod cors;
mod gate;
mod pages;
mod past;
mod receive;
mod routes;
mod server;
mod targets;

pub use address::{AddressError, ExternalUrl, bind, hostname, route_prefix};
pub use ask::{Ask, Cardinality, KnownTarget, LabelUse, Phase, PoolView, Snapshot};
pub use cors::Origins;
pub use gate::Gate;
pub use receive::Receivers;
pub use server::{Settings, serve};
