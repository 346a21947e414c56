//! Pushes: read within bounds, taken apart beside this thread, handed to the shards, answered when their logs have it.

use core::future::poll_fn;
use core::pin::Pin;
use core::time::Duration;
use std::sync::Arc;

use axum::body::{Body, HttpBody};
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::base::{limits, seeded_hash};
use crate::model::{OtlpRules, Push, PushOutcome, RemoteMessage};
use crate::receive::{self, Accepted, PushError};
use crate::web::answer;
use crate::web::server::Desk;

/// How long the shards may take. Who is told to come again finds what was taken meanwhile.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is taken, and how it is dealt out.
#[derive(Clone, Debug)]
pub struct Receivers {
    /// Messages of remote write that are taken; `None`: none, whatever they say.
    pub remote_write: Option<Accepted>,
    /// How metrics of OpenTelemetry are taken; `None`: they are not.
    pub otlp: Option<watch::Receiver<Arc<OtlpRules>>>,
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
    let (body, mut held) = match take_in(desk, headers, body).await {
        Ok(taken) => taken,
        Err(refusal) => return refusal,
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
    let outcome = match gathering.await {
        Ok(Ok((parts, outcome))) => hand_on(desk, parts, outcome, held).await,
        Ok(Err(error)) => return refused(&error),
        Err(_) => return unreadable(),
    };
    match outcome {
        Some(outcome) => told(receive::answer(message, &outcome)),
        None => busy(),
    }
}

/// A request of OpenTelemetry.
// spec: HTTP-60
pub(super) async fn otlp(
    desk: &Arc<Desk>,
    rules: Arc<OtlpRules>,
    headers: &HeaderMap,
    body: Body,
) -> Response {
    let header = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let content_type = header(CONTENT_TYPE).map(str::to_owned);
    let encoding = header(CONTENT_ENCODING).map(str::to_owned);
    let (body, mut held) = match take_in(desk, headers, body).await {
        Ok(taken) => taken,
        Err(refusal) => return refusal,
    };
    // Nothing says how long it is once it is decoded.
    let most = body.len().saturating_mul(64).clamp(1 << 20, limits::PUSH_DECODED_BYTES);
    match desk.reserve(2 * most) {
        Some(more) => held.merge(more),
        None => return busy(),
    }
    let Receivers { shards, seed, .. } = desk.settings.receivers;
    let gathering = spawn_blocking(move || {
        let digest = seeded_hash(seed, &body).max(1);
        let decoded =
            receive::decode_otlp(content_type.as_deref(), encoding.as_deref(), &body, most)?;
        receive::gather_otlp(&decoded, &rules, shards, digest)
    });
    let outcome = match gathering.await {
        Ok(Ok((parts, outcome))) => hand_on(desk, parts, outcome, held).await,
        Ok(Err(error)) => return refused(&error),
        Err(_) => return unreadable(),
    };
    match outcome {
        Some(outcome) if !outcome.later => {
            let mut response = Response::new(Body::from(receive::answer_otlp(&outcome)));
            let protobuf = HeaderValue::from_static("application/x-protobuf");
            response.headers_mut().insert(CONTENT_TYPE, protobuf);
            response
        }
        Some(outcome) => told(receive::answer(RemoteMessage::V1, &outcome)),
        None => busy(),
    }
}

/// The body, with room for it reserved; or the answer.
async fn take_in(
    desk: &Arc<Desk>,
    headers: &HeaderMap,
    body: Body,
) -> Result<(Vec<u8>, OwnedSemaphorePermit), Response> {
    let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    let length = length.and_then(|length| length.parse::<usize>().ok());
    if length.is_some_and(|length| length > limits::PUSH_BODY_BYTES) {
        return Err(too_large());
    }
    let held = desk.reserve(length.unwrap_or(limits::PUSH_BODY_BYTES)).ok_or_else(busy)?;
    match read(body).await {
        Ok(Some(body)) => Ok((body, held)),
        Ok(None) => Err(too_large()),
        Err(()) => Err(answer::text(StatusCode::BAD_REQUEST, "the body did not come whole\n")),
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

/// What became of it once every shard has its part in its log; `None`: that is not known.
async fn hand_on(
    desk: &Arc<Desk>,
    parts: Vec<(u16, Push)>,
    mut outcome: PushOutcome,
    held: OwnedSemaphorePermit,
) -> Option<PushOutcome> {
    if !parts.is_empty() {
        let answer = desk.push(parts)?;
        // What a shard holds is reserved until it is done, even if nobody waits for the answer any more.
        let waiting = tokio::spawn(async move {
            let answer = answer.await;
            drop(held);
            answer
        });
        outcome.add(timeout(PATIENCE, waiting).await.ok()?.ok()?.ok()?);
    }
    Some(outcome)
}

fn told(told: receive::Answer) -> Response {
    let status = StatusCode::from_u16(told.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = answer::text(status, told.text);
    for (name, value) in told.headers {
        if let Ok(name) = HeaderName::from_bytes(name.as_bytes()) {
            response = answer::with(response, name, &value);
        }
    }
    response
}

fn unreadable() -> Response {
    answer::text(StatusCode::INTERNAL_SERVER_ERROR, "the request cannot be read\n")
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
