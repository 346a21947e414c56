//! Pushes: read within bounds, taken apart beside this thread, handed to the shards, answered when their logs have it.

use core::future::poll_fn;
use core::pin::Pin;
use core::time::Duration;
use std::sync::Arc;

use axum::body::{Body, HttpBody};
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, RETRY_AFTER};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::base::{limits, seeded_hash};
use crate::model::{Push, PushOutcome, RemoteMessage};
use crate::receive::{self, Accepted, PushError};
use crate::web::answer;
use crate::web::server::Desk;

/// How long the shards may take. Who is told to come again finds what was taken meanwhile.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is taken, and how it is dealt out.
#[derive(Clone, Copy, Debug)]
pub struct Receivers {
    /// Messages of remote write that are taken; `None`: none, whatever they say.
    pub remote_write: Option<Accepted>,
    pub shards: u16,
    /// Secret, so that nobody can make a request that is taken for another.
    pub seed: u64,
}

/// A request of remote write.
// spec: HTTP-50 to HTTP-53
pub(super) async fn write(
    desk: &Arc<Desk>,
    accepted: Accepted,
    headers: &HeaderMap,
    body: Body,
) -> Response {
    let header = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let message =
        match receive::message_of(header(CONTENT_TYPE), header(CONTENT_ENCODING), accepted) {
            Ok(message) => message,
            Err(error) => return refused(&error),
        };
    let length = header(CONTENT_LENGTH).and_then(|length| length.parse::<usize>().ok());
    if length.is_some_and(|length| length > limits::PUSH_BODY_BYTES) {
        return too_large();
    }
    let Some(mut held) = desk.reserve(length.unwrap_or(limits::PUSH_BODY_BYTES)) else {
        return busy();
    };
    let body = match read(body).await {
        Ok(Some(body)) => body,
        Ok(None) => return too_large(),
        Err(()) => return answer::text(StatusCode::BAD_REQUEST, "the body did not come whole\n"),
    };
    // Decoded, and once more as columns.
    match receive::decoded_len(&body).map(|len| desk.reserve(2 * len)) {
        Ok(Some(more)) => held.merge(more),
        Ok(None) => return busy(),
        Err(error) => return refused(&error),
    }
    let Receivers { shards, seed, .. } = desk.settings.receivers;
    let gathering = spawn_blocking(move || {
        let digest = seeded_hash(seed, &body).max(1);
        let decoded = receive::decode(&body)?;
        receive::gather(message, &decoded, shards, digest)
    });
    match gathering.await {
        Ok(Ok((parts, outcome))) => hand_on(desk, message, parts, outcome, held).await,
        Ok(Err(error)) => refused(&error),
        Err(_) => answer::text(StatusCode::INTERNAL_SERVER_ERROR, "the request cannot be read\n"),
    }
}

/// The whole body; `Ok(None)`: it is longer than allowed.
async fn read(mut body: Body) -> Result<Option<Vec<u8>>, ()> {
    let mut bytes = Vec::new();
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let Ok(data) = frame.map_err(drop)?.into_data() else { continue };
        if bytes.len() + data.len() > limits::PUSH_BODY_BYTES {
            return Ok(None);
        }
        bytes.extend_from_slice(&data);
    }
    Ok(Some(bytes))
}

/// Answers when every shard has its part in its log.
async fn hand_on(
    desk: &Arc<Desk>,
    message: RemoteMessage,
    parts: Vec<(u16, Push)>,
    mut outcome: PushOutcome,
    held: OwnedSemaphorePermit,
) -> Response {
    if !parts.is_empty() {
        let Some(answer) = desk.push(parts) else { return busy() };
        // What a shard holds is reserved until it is done, even if nobody waits for the answer any more.
        let waiting = tokio::spawn(async move {
            let answer = answer.await;
            drop(held);
            answer
        });
        match timeout(PATIENCE, waiting).await {
            Ok(Ok(Ok(more))) => outcome.add(more),
            _ => return busy(),
        }
    }
    let told = receive::answer(message, &outcome);
    let status = StatusCode::from_u16(told.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = answer::text(status, told.text);
    for (name, value) in told.headers {
        if let Ok(name) = HeaderName::from_bytes(name.as_bytes()) {
            response = answer::with(response, name, &value);
        }
    }
    response
}

fn refused(error: &PushError) -> Response {
    let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::BAD_REQUEST);
    answer::text(status, format!("{error}\n"))
}

// spec: HTTP-51
fn too_large() -> Response {
    answer::text(StatusCode::PAYLOAD_TOO_LARGE, "http: request body too large\n")
}

/// Too much is being worked on, or the process is stopping.
fn busy() -> Response {
    let text = "too much is being pushed at once\n";
    answer::with(answer::text(StatusCode::SERVICE_UNAVAILABLE, text), RETRY_AFTER, "1")
}
