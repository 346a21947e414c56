//! Answers: status, type and body.

use axum::body::Body;
use axum::http::header::{ALLOW, CONTENT_TYPE, HeaderName, LOCATION};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use serde::Serialize;

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
    with(text(StatusCode::FOUND, ""), LOCATION, to)
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

fn typed(status: StatusCode, content_type: &'static str, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
