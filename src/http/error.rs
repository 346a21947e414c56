//! What is wrong with a request to be written or with a response that came.

use core::fmt;

use crate::base::limits;

/// One broken rule. Every one of these ends the connection; only [`HttpError::ClosedBeforeResponse`] says that the
/// peer may not have seen the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HttpError {
    /// A chunk's size line or its end is malformed.
    BadChunk,
    /// `Content-Length` is not a number, or there are several that differ.
    BadContentLength(String),
    /// The deflate data inside a gzip body is malformed.
    BadGzip,
    /// A gzip member does not start as one; also whatever follows the last member.
    BadGzipHeader,
    /// The response head is malformed; the text says how.
    BadHead(&'static str),
    /// A header of a request cannot be sent: its name or value has a character that would end the line.
    BadRequestHeader(String),
    /// Method, target or host of a request cannot be sent.
    BadRequestLine(&'static str),
    /// The peer closed a connection without a byte of a response: usual for one that was idle for long.
    ClosedBeforeResponse,
    ClosedInBody,
    ClosedInHead,
    /// Both `Content-Length` and `Transfer-Encoding`: two truths about where the body ends.
    ConflictingFraming,
    /// Bytes after the end of a response that nobody asked for.
    ExcessBytes,
    /// Chunk extensions are longer than [`limits::HEAD_BYTES`] in one response.
    ExtensionsTooLong,
    GzipChecksum,
    /// The body ended inside a gzip member.
    GzipCutOff,
    /// The response head is longer than [`limits::HEAD_BYTES`].
    HeadTooLong,
    /// The peer does not speak HTTP/1; its first bytes, printable.
    NotHttp(String),
    /// `101 Switching Protocols`, which was not asked for.
    SwitchedProtocols,
    /// More header fields than [`limits::HEAD_FIELDS`].
    TooManyFields,
    /// Trailers are longer than [`limits::HEAD_BYTES`] or more than [`limits::HEAD_FIELDS`].
    TrailersTooLong,
    UnknownContentEncoding(String),
    UnknownTransferEncoding(String),
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use HttpError::*;
        let bytes = limits::HEAD_BYTES;
        let fields = limits::HEAD_FIELDS;
        match self {
            BadChunk => f.write_str("response body has a malformed chunk"),
            BadContentLength(value) => {
                write!(f, "response has an unusable Content-Length {value:?}")
            }
            BadGzip => f.write_str("gzip response body is damaged"),
            BadGzipHeader => f.write_str(
                "gzip response body has bytes that are not a gzip member where one should start",
            ),
            BadHead(what) => write!(f, "response head is malformed: {what}"),
            BadRequestHeader(name) => {
                write!(f, "request header {name:?} has a name or a value that must not be sent")
            }
            BadRequestLine(what) => {
                write!(f, "request {what} is empty or has a character that must not be sent")
            }
            ClosedBeforeResponse => f.write_str("peer closed the connection before a response"),
            ClosedInBody => f.write_str("peer closed the connection inside the response body"),
            ClosedInHead => f.write_str("peer closed the connection inside the response head"),
            ConflictingFraming => {
                f.write_str("response has both Content-Length and Transfer-Encoding")
            }
            ExcessBytes => f.write_str("peer sent bytes after the end of its response"),
            ExtensionsTooLong => {
                write!(f, "chunk extensions of one response exceed the limit of {bytes} bytes")
            }
            GzipChecksum => f.write_str("gzip response body does not match its checksum"),
            GzipCutOff => f.write_str("gzip response body is cut off"),
            HeadTooLong => write!(f, "response head exceeds the limit of {bytes} bytes"),
            NotHttp(start) => write!(f, "peer does not speak HTTP/1: it began with \"{start}\""),
            SwitchedProtocols => {
                f.write_str("response is 101 Switching Protocols, which was not asked for")
            }
            TooManyFields => {
                write!(f, "response head exceeds the limit of {fields} header fields")
            }
            TrailersTooLong => {
                write!(f, "response trailers exceed the limit of {bytes} bytes or {fields} fields")
            }
            UnknownContentEncoding(name) => {
                write!(f, "response has Content-Encoding {name:?}, which cannot be decoded")
            }
            UnknownTransferEncoding(name) => {
                write!(f, "response has Transfer-Encoding {name:?}, which cannot be decoded")
            }
        }
    }
}

impl core::error::Error for HttpError {}
