//! Why a pushed request is refused as a whole.

use core::fmt;

use crate::http::SnappyError;
use crate::wire::WireError;
use crate::wire::read_v2::RequestError;

/// Nothing of the request was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PushError {
    /// Its content type, as it is written, or the message that it names.
    ContentType(String),
    /// Its content encoding, as it is written.
    Encoding(String),
    /// More of something than a request may have.
    TooLarge(&'static str),
    Gzip,
    Snappy(SnappyError),
    Message(WireError),
}

impl PushError {
    /// Of the answer.
    // spec: HTTP-50, HTTP-51
    pub fn status(&self) -> u16 {
        match self {
            PushError::ContentType(_) | PushError::Encoding(_) => 415,
            PushError::TooLarge(_) => 413,
            PushError::Gzip | PushError::Snappy(_) | PushError::Message(_) => 400,
        }
    }
}

impl fmt::Display for PushError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PushError::ContentType(written) => {
                write!(f, "content type {written:?} is not accepted")
            }
            PushError::Encoding(written) => {
                write!(f, "content encoding {written:?} is not accepted")
            }
            PushError::TooLarge(what) => write!(f, "the request has too many {what}"),
            PushError::Gzip => f.write_str("gzip: corrupt input"),
            PushError::Snappy(error) => write!(f, "{error}"),
            PushError::Message(error) => write!(f, "the body is no such message: {error}"),
        }
    }
}

impl std::error::Error for PushError {}

impl From<WireError> for PushError {
    fn from(error: WireError) -> PushError {
        match error {
            WireError::TooMany(what) => PushError::TooLarge(what),
            error => PushError::Message(error),
        }
    }
}

impl From<RequestError> for PushError {
    fn from(error: RequestError) -> PushError {
        match error {
            RequestError::Bytes(error) => error.into(),
            RequestError::TooManySymbols => PushError::TooLarge("symbols"),
        }
    }
}
