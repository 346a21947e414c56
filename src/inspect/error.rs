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
    /// There is no such shard.
    NoShard {
        path: PathBuf,
        shard: u16,
    },
    /// What we say cannot be written down.
    Output(io::Error),
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
            InspectError::NoShard { path, shard } => {
                write!(f, "{} has no shard {shard}", path.display())
            }
            InspectError::Output(error) => write!(f, "cannot write the output: {error}"),
            InspectError::Store(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for InspectError {}
