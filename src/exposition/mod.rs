//! What a target says: the text format and OpenMetrics, one line at a time, protobuf metric by metric, and which of
//! them was agreed on.
//!
//! A page is read in two steps. [`Parser::line`] runs on every line of every scrape, so of a series it only finds where
//! the text ends and reads value, timestamp and exemplar. [`Parser::labels`] runs on series texts not met before and
//! checks all that the first step skipped. A page is good if and only if every line passes, every new series text
//! passes, and [`Parser::finish`] passes. A series text that passed once need not be checked again.
//!
//! A quoted string may hold a raw newline: then one of the steps answers [`ParseError::OpenQuote`], and the caller
//! joins the next line to this one (with its newline) and reads the longer line instead.
//!
//! A protobuf page has pieces instead of lines, and one metric may be many samples: [`Families`] reads it, and the same
//! second step checks its series texts.
//!
//! Nothing here panics, whatever the bytes.
//!
//! May use: base, model.

mod entry;
mod error;
mod families;
mod histogram;
mod labels;
mod message;
mod negotiate;
mod number;
mod openmetrics;
mod parser;
mod scan;
mod text;

pub use entry::{Entry, Exemplar, Format, Series};
pub use error::ParseError;
pub use families::{Families, Piece, plain_text};
pub use negotiate::{NegotiateError, Protocol, accept_header, format_of};
pub use parser::Parser;
