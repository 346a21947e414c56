//! Why a directory cannot be looked at, or not to the end.

use core::fmt;
use std::io;
use std::path::PathBuf;

use crate::disk::StoreError;

#[derive(Debug)]
pub enum InspectError {
    /// The file of the configuration cannot be read or used.
    Config {
        path: PathBuf,
        message: String,
    },
    /// No shard has a cursor of this endpoint.
    NoCursor {
        endpoint: String,
        file: String,
        known: Vec<String>,
    },
    /// There is no such shard.
    NoShard {
        path: PathBuf,
        shard: u16,
    },
    /// What we say cannot be written down.
    Output(io::Error),
    /// The receiver that was named cannot be one.
    Remote {
        url: String,
        message: String,
    },
    /// The receiver did not take everything. `skip`: samples, from the beginning, that need not be sent again.
    Stopped {
        why: String,
        sent: u64,
        skip: u64,
    },
    Store(StoreError),
}

impl From<StoreError> for InspectError {
    fn from(error: StoreError) -> InspectError {
        InspectError::Store(error)
    }
}

impl From<io::Error> for InspectError {
    fn from(error: io::Error) -> InspectError {
        InspectError::Output(error)
    }
}

impl fmt::Display for InspectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InspectError::Config { path, message } => {
                write!(f, "cannot use the configuration {}: {message}", path.display())
            }
            InspectError::NoCursor { endpoint, file, known } => write!(
                f,
                "no endpoint {endpoint:?} has a cursor here: there is no {file}, only [{}]",
                known.join(", ")
            ),
            InspectError::NoShard { path, shard } => {
                write!(f, "{} has no shard {shard}", path.display())
            }
            InspectError::Output(error) => write!(f, "cannot write the output: {error}"),
            InspectError::Remote { url, message } => write!(f, "cannot send to {url}: {message}"),
            InspectError::Stopped { why, sent, skip } => {
                write!(f, "{why}; {sent} samples were sent, to go on after them add --skip={skip}")
            }
            InspectError::Store(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for InspectError {}
