//! Relabeling: rules that rewrite, keep or drop label sets.
//!
//! A [`Rule`] exists only if it is valid, so applying one cannot fail. Patterns mean exactly what RE2 as written in Go
//! means by them, anchored at both ends, with `.` matching newlines.
//!
//! May use: base, model.

mod apply;
mod pattern;
mod re2;
mod rule;
mod template;

pub use apply::apply;
pub use pattern::PatternError;
pub use rule::{Action, Rule, RuleError, RuleSource};
