//! Everyday commands that need no agent: what becomes of a configuration, what is wrong with a page, what rules do to
//! labels, completions for shells and the manual.
//!
//! - Nothing is changed and nobody is asked over the network.
//! - Exit codes: 0 all is well, 1 something was found, 2 it could not be done.
//!
//! May use: model, exposition, relabel, config, flags.

mod check;
mod lint;
mod run;
mod steps;

pub use run::run;
