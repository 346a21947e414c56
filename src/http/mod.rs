//! HTTP/1.1 without sockets, the client's side: bytes in, facts out.
//!
//! - A request head is written whole or not at all, and nothing in a header value can end the line it stands on.
//! - A response means the same however its bytes are cut; where its framing is in doubt it is refused, never guessed.
//! - Everything a peer can make long has a limit: heads, trailers, chunk extensions, decoded bytes per call.
//! - A connection is called fit for the next exchange only if the response ended exactly where its bytes ended.
//!
//! May use: base.

#![cfg_attr(not(test), warn(clippy::indexing_slicing, clippy::arithmetic_side_effects))]

mod body;
mod client;
mod date;
mod encoding;
mod error;
mod gzip;
mod head;
mod proxy;
mod request;
mod retry_after;
mod url;

pub use client::{Part, ResponseReader};
pub use encoding::{Decoder, SnappyEncoder, SnappyError, snappy, snappy_len, unsnappy};
pub use error::HttpError;
pub use gzip::Gzip;
pub use head::Head;
pub use proxy::{Proxies, Proxy, ProxyError};
pub use request::write_request;
pub use retry_after::retry_after;
pub use url::{Url, UrlError};
