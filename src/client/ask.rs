//! One request and its answer.

use core::fmt;
use core::time::Duration;

use crate::client::ClientError;

/// Bytes of an answer that are taken if nobody says how many.
const BYTES_MAX: usize = 64 << 20;
/// Time for a whole exchange if nobody says how much.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A request to be made.
#[derive(Clone)]
pub struct Ask {
    pub method: &'static str,
    pub url: String,
    /// Beside those that the configuration asks for.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Of the whole exchange; for a [`Stream`] of its head.
    pub timeout: Duration,
    /// Longest body that is taken; a longer one is an error.
    pub bytes_max: usize,
}

impl Ask {
    pub fn get(url: impl Into<String>) -> Ask {
        Ask {
            method: "GET",
            url: url.into(),
            headers: Vec::new(),
            body: Vec::new(),
            timeout: TIMEOUT,
            bytes_max: BYTES_MAX,
        }
    }

    pub fn post(url: impl Into<String>, content_type: &str, body: Vec<u8>) -> Ask {
        let ask = Ask { method: "POST", body, ..Ask::get(url) };
        ask.header("Content-Type", content_type)
    }

    pub fn header(mut self, name: &str, value: impl Into<String>) -> Ask {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub fn timeout(self, timeout: Duration) -> Ask {
        Ask { timeout, ..self }
    }
}

impl fmt::Debug for Ask {
    /// Headers, body and the URL's query may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ask").field("method", &self.method).finish_non_exhaustive()
    }
}

/// An answer that came as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// Names in small letters; values that are not text are left out.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    /// The first header of that name, which is in small letters.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// The body as text, or the answer's status as an error if it is none of 200…299.
    pub fn text(self) -> Result<String, ClientError> {
        let text = String::from_utf8_lossy(&self.body).into_owned();
        if !(200..300).contains(&self.status) {
            return Err(ClientError::Status(self.status, shown(&text)));
        }
        Ok(text)
    }
}

/// Of a body that came with an error, as much is shown.
const SHOWN_CHARS: usize = 256;

fn shown(text: &str) -> String {
    text.trim().chars().take(SHOWN_CHARS).collect()
}

/// An answer whose body comes in pieces, for as long as the server likes.
#[derive(Debug)]
pub struct Stream {
    pub status: u16,
    /// As [`Answer::headers`].
    pub headers: Vec<(String, String)>,
    response: reqwest::Response,
}

impl Stream {
    pub(super) fn new(response: reqwest::Response) -> Stream {
        let headers = response.headers().iter();
        let headers = headers.filter_map(|(name, value)| {
            Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
        });
        Stream { status: response.status().as_u16(), headers: headers.collect(), response }
    }

    /// The next bytes, never empty; `None` at the end. There is no time-out: whoever waits drops the future.
    pub async fn chunk(&mut self) -> Result<Option<Vec<u8>>, ClientError> {
        loop {
            match self.response.chunk().await {
                Ok(Some(bytes)) if bytes.is_empty() => {}
                Ok(Some(bytes)) => return Ok(Some(bytes.to_vec())),
                Ok(None) => return Ok(None),
                Err(error) => return Err(ClientError::of(error)),
            }
        }
    }

    /// Everything that comes, up to `bytes_max` bytes.
    pub(super) async fn whole(mut self, bytes_max: usize) -> Result<Answer, ClientError> {
        let mut body = Vec::new();
        while let Some(bytes) = self.chunk().await? {
            if body.len() + bytes.len() > bytes_max {
                return Err(ClientError::TooLong(bytes_max));
            }
            body.extend_from_slice(&bytes);
        }
        Ok(Answer { status: self.status, headers: self.headers, body })
    }
}
