//! Pages for people: HTML made on the server, with one style sheet and one small script that nothing depends on.
//!
//! - A page of a list shows a part of it: filtering, sorting and paging are done here, so that a hundred thousand targets
//!   are as quick to look at as ten.
//! - Everything that comes from outside is escaped where it is written; a page loads nothing from elsewhere.

mod cardinality;
mod cores;
mod discovery;
mod endpoints;
mod format;
mod html;
mod layout;
mod overview;
mod route;
mod settings;
mod targets;

pub(super) use layout::{Page, asset};
pub(super) use route::{answer, of};
