//! What a request says that it is, and its body decoded.

use crate::base::limits;
use crate::http::{Decoder, snappy_len, unsnappy};
use crate::model::RemoteMessage;
use crate::receive::PushError;

/// Messages that are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    pub v1: bool,
    pub v2: bool,
}

const PROTOBUF: &str = "application/x-protobuf";
const V1: &str = "prometheus.WriteRequest";
const V2: &str = "io.prometheus.write.v2.Request";

/// The message that a request's headers name. One without headers is of 1.0.
// spec: HTTP-50, conformance 3.5
pub fn message_of(
    content_type: Option<&str>,
    content_encoding: Option<&str>,
    accepted: Accepted,
) -> Result<RemoteMessage, PushError> {
    let written = content_type.unwrap_or("").trim_ascii();
    let refused = || PushError::ContentType(written.to_owned());
    let mut parts = written.split(';').map(str::trim_ascii);
    let media = parts.next().unwrap_or("");
    if !media.is_empty() && !media.eq_ignore_ascii_case(PROTOBUF) {
        return Err(refused());
    }
    let mut message = RemoteMessage::V1;
    for part in parts {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        if name.trim_ascii().eq_ignore_ascii_case("proto") {
            message = match value.trim_ascii().trim_matches('"') {
                V1 => RemoteMessage::V1,
                V2 => RemoteMessage::V2,
                _ => return Err(refused()),
            };
        }
    }
    let taken = match message {
        RemoteMessage::V1 => accepted.v1,
        RemoteMessage::V2 => accepted.v2,
    };
    if !taken {
        return Err(refused());
    }
    let encoding = content_encoding.unwrap_or("").trim_ascii();
    if !encoding.is_empty() && !encoding.eq_ignore_ascii_case("snappy") {
        return Err(PushError::Encoding(encoding.to_owned()));
    }
    Ok(message)
}

/// Bytes that the body is decoded to.
pub fn decoded_len(body: &[u8]) -> Result<usize, PushError> {
    snappy_len(body, limits::PUSH_DECODED_BYTES).map_err(PushError::Snappy)
}

/// The message's bytes.
pub fn decode(body: &[u8]) -> Result<Vec<u8>, PushError> {
    unsnappy(body, limits::PUSH_DECODED_BYTES).map_err(PushError::Snappy)
}

/// The bytes of a request of OpenTelemetry, at most `most` of them.
// spec: HTTP-60, but that what is not taken is answered with 415
pub fn decode_otlp(
    content_type: Option<&str>,
    content_encoding: Option<&str>,
    body: &[u8],
    most: usize,
) -> Result<Vec<u8>, PushError> {
    let written = content_type.unwrap_or("").trim_ascii();
    let media = written.split(';').next().unwrap_or("").trim_ascii();
    if !media.eq_ignore_ascii_case(PROTOBUF) {
        return Err(PushError::ContentType(written.to_owned()));
    }
    let encoding = content_encoding.unwrap_or("").trim_ascii();
    let unknown = |_| PushError::Encoding(encoding.to_owned());
    let mut decoder = Decoder::for_response(Some(encoding)).map_err(unknown)?;
    let (mut out, mut used) = (Vec::new(), 0);
    loop {
        let room = most.saturating_add(1).saturating_sub(out.len());
        if room == 0 {
            return Err(PushError::TooLarge("bytes once it is decoded"));
        }
        let before = out.len();
        let rest = body.get(used..).unwrap_or_default();
        let taken = decoder.decode(rest, &mut out, room.min(limits::READ_BYTES));
        let taken = taken.map_err(|_| PushError::Gzip)?;
        used = used.saturating_add(taken);
        if taken == 0 && out.len() == before {
            break;
        }
    }
    decoder.finish().map_err(|_| PushError::Gzip)?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_name_the_message_and_what_is_foreign_is_refused() {
        let both = Accepted { v1: true, v2: true };
        let (first, second) = (Some(RemoteMessage::V1), Some(RemoteMessage::V2));
        for (content_type, encoding, accepted, wanted) in [
            (None, None, both, first),
            (Some(""), Some(""), both, first),
            (Some("application/x-protobuf"), Some("snappy"), both, first),
            (Some("application/x-protobuf;proto=prometheus.WriteRequest"), None, both, first),
            (
                Some("Application/X-Protobuf; charset=x; proto=\"io.prometheus.write.v2.Request\""),
                Some("SNAPPY"),
                both,
                second,
            ),
            (Some("application/x-protobuf;proto=other"), None, both, None),
            (Some("application/json"), None, both, None),
            (Some("application/x-protobuf"), Some("zstd"), both, None),
            (Some("application/x-protobuf"), None, Accepted { v1: false, v2: true }, None),
            (
                Some("application/x-protobuf;proto=io.prometheus.write.v2.Request"),
                None,
                Accepted { v1: true, v2: false },
                None,
            ),
        ] {
            let found = message_of(content_type, encoding, accepted);
            assert_eq!(found.clone().ok(), wanted, "{content_type:?} {encoding:?}");
            assert!(found.err().is_none_or(|error| error.status() == 415));
        }
    }
}
