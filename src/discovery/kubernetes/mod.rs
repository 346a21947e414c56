//! Kubernetes: objects are listed once and watched from there; a watch that breaks off goes on where it was, and only
//! one that is too old begins with a list again. What is known stays known while the API server is away.
//!
//! Objects become groups in pure functions, each with its own role.

mod endpoints;
mod follow;
mod pod;
mod role;
mod run;
mod session;
mod store;
#[cfg(test)]
mod tests;

pub(super) use run::run;
