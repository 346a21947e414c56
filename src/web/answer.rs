//! Answers: status, type and body.

use std::io::Write as _;

use axum::body::{Body, to_bytes};
use axum::extract::Query;
use axum::http::header::{
    ACCEPT_ENCODING, ALLOW, CONTENT_ENCODING, CONTENT_TYPE, HeaderName, LOCATION, VARY,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::response::Response;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::task::spawn_blocking;

const PLAIN: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";

pub(super) fn text(status: StatusCode, body: impl Into<String>) -> Response {
    typed(status, PLAIN, body.into())
}

pub(super) fn html(body: String) -> Response {
    typed(StatusCode::OK, "text/html; charset=utf-8", body)
}

/// The metrics page, exposition format 0.0.4.
pub(super) fn exposition(body: String) -> Response {
    typed(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", body)
}

pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Response {
    match serde_json::to_string(value) {
        Ok(body) => typed(status, JSON, body),
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}

/// `{"status":"success","data":…}`
pub(super) fn success(data: &impl Serialize) -> Response {
    #[derive(Serialize)]
    struct Envelope<'a, T> {
        status: &'static str,
        data: &'a T,
    }
    json(StatusCode::OK, &Envelope { status: "success", data })
}

/// `{"status":"error","errorType":…,"error":…}`
pub(super) fn failure(status: StatusCode, kind: &'static str, message: &str) -> Response {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Envelope<'a> {
        status: &'static str,
        error_type: &'static str,
        error: &'a str,
    }
    json(status, &Envelope { status: "error", error_type: kind, error: message })
}

pub(super) fn redirect(to: &str) -> Response {
    with(text(StatusCode::FOUND, format!("<a href=\"{to}\">Found</a>.\n\n")), LOCATION, to)
}

pub(super) fn wrong_method(allowed: &str) -> Response {
    with(text(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed\n"), ALLOW, allowed)
}

pub(super) fn not_found() -> Response {
    text(StatusCode::NOT_FOUND, "404 page not found\n")
}

/// Adds a header; one that cannot be written is left out.
pub(super) fn with(mut response: Response, name: HeaderName, value: &str) -> Response {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
    response
}

/// The query part of a URL; `None` if it is malformed.
pub(super) fn query<T: DeserializeOwned>(text: &str) -> Option<T> {
    let uri: Uri = format!("/?{text}").parse().ok()?;
    Query::<T>::try_from_uri(&uri).ok().map(|Query(query)| query)
}

/// Bodies that are shorter go as they are.
const WORTH_BYTES: usize = 1024;

/// Compresses the body where the client takes gzip and it is worth the trouble.
pub(super) async fn compressed(request: &HeaderMap, response: Response) -> Response {
    if !takes_gzip(request) || response.headers().contains_key(CONTENT_ENCODING) {
        return response;
    }
    let (parts, body) = response.into_parts();
    // Bodies are whole in memory.
    let Ok(bytes) = to_bytes(body, usize::MAX).await else {
        return text(StatusCode::INTERNAL_SERVER_ERROR, "");
    };
    let mut response = Response::from_parts(parts, Body::empty());
    response.headers_mut().append(VARY, HeaderValue::from_static("Accept-Encoding"));
    if bytes.len() < WORTH_BYTES {
        *response.body_mut() = Body::from(bytes);
        return response;
    }
    let squeeze = move || {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(&bytes).and_then(|()| encoder.finish())
    };
    match spawn_blocking(squeeze).await {
        Ok(Ok(squeezed)) => {
            *response.body_mut() = Body::from(squeezed);
            with(response, CONTENT_ENCODING, "gzip")
        }
        _ => text(StatusCode::INTERNAL_SERVER_ERROR, ""),
    }
}

/// `gzip` is named, and not with a weight of zero.
fn takes_gzip(request: &HeaderMap) -> bool {
    let values = request.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let weight = weight.trim().strip_prefix("q=").and_then(|weight| weight.parse::<f64>().ok());
        name.trim().eq_ignore_ascii_case("gzip") && weight != Some(0.0)
    })
}

pub(super) fn typed(status: StatusCode, content_type: &'static str, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
