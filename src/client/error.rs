//! Why a request of the control plane got no usable answer.

use core::error::Error as _;
use core::fmt;

/// No variant holds a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientError {
    /// The configuration, or what a file holds, cannot be used.
    Settings(String),
    /// A cloud has given no credentials.
    Credentials(String),
    /// No answer, or one that broke off.
    Exchange(String),
    /// An answer that is not what was asked for: its status, and the beginning of its body.
    Status(u16, String),
    Timeout,
    /// The answer is an error of a token's server, or no token.
    Token(String),
    /// The body has more than so many bytes.
    TooLong(usize),
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClientError::Settings(why) | ClientError::Exchange(why) => f.write_str(why),
            ClientError::Credentials(why) => write!(f, "cannot get credentials: {why}"),
            ClientError::Status(status, body) if body.is_empty() => {
                write!(f, "server returned HTTP status {status}")
            }
            ClientError::Status(status, body) => {
                write!(f, "server returned HTTP status {status}: {body}")
            }
            ClientError::Timeout => f.write_str("context deadline exceeded"),
            ClientError::Token(why) => write!(f, "oauth2: cannot fetch token: {why}"),
            ClientError::TooLong(bytes) => write!(f, "the answer has more than {bytes} bytes"),
        }
    }
}

impl core::error::Error for ClientError {}

impl ClientError {
    /// What is at the bottom of the library's error, without the URL, which may hold a secret.
    pub(super) fn of(error: reqwest::Error) -> ClientError {
        if error.is_timeout() {
            return ClientError::Timeout;
        }
        let error = error.without_url();
        let mut words = error.to_string();
        let mut source = error.source();
        while let Some(inner) = source {
            words = inner.to_string();
            source = inner.source();
        }
        ClientError::Exchange(words)
    }
}
