//! Writing a request head.

use crate::http::HttpError;

/// Fields whose meaning is framing or routing: written here, never taken from a caller's list.
const OWN_FIELDS: [&str; 3] = ["Content-Length", "Host", "Transfer-Encoding"];

/// Appends a request head: request line, `Host`, `headers` in their order, `Content-Length` if given, the empty line.
///
/// `target` is path and query, `host` what [`Url::authority`](crate::http::Url::authority) gives. A control character
/// anywhere, an empty part, a name that is not a token, or a `Host`, `Content-Length` or `Transfer-Encoding` among
/// `headers` is refused, so that nothing can be smuggled; then `out` is as it was.
// spec: RFC 9112 §3, RFC 9110 §5.5
pub fn write_request(
    out: &mut Vec<u8>,
    method: &str,
    target: &str,
    host: &str,
    headers: &[(&str, &str)],
    content_length: Option<usize>,
) -> Result<(), HttpError> {
    if !is_token(method) {
        return Err(HttpError::BadRequestLine("method"));
    }
    if !is_visible(target) {
        return Err(HttpError::BadRequestLine("target"));
    }
    if !is_visible(host) {
        return Err(HttpError::BadRequestLine("host"));
    }
    for (name, value) in headers {
        let own = OWN_FIELDS.iter().any(|field| field.eq_ignore_ascii_case(name));
        if own || !is_token(name) || !is_value(value) {
            return Err(HttpError::BadRequestHeader((*name).to_owned()));
        }
    }
    for part in [method, " ", target, " HTTP/1.1\r\nHost: ", host, "\r\n"] {
        out.extend_from_slice(part.as_bytes());
    }
    for (name, value) in headers {
        for part in [name, ": ", value, "\r\n"] {
            out.extend_from_slice(part.as_bytes());
        }
    }
    if let Some(length) = content_length {
        out.extend_from_slice(b"Content-Length: ");
        out.extend_from_slice(length.to_string().as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
    Ok(())
}

fn is_token(text: &str) -> bool {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(token)
}

fn is_visible(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn is_value(text: &str) -> bool {
    text.bytes().all(|byte| byte == b'\t' || !byte.is_ascii_control())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_written_in_order() {
        let mut out = b"before".to_vec();
        let headers = [("Accept", "text/plain;q=0.5"), ("X-Empty", "")];
        write_request(&mut out, "GET", "/metrics?a=b", "[::1]:9100", &headers, None).expect("fine");
        let wanted = "beforeGET /metrics?a=b HTTP/1.1\r\nHost: [::1]:9100\r\n\
             Accept: text/plain;q=0.5\r\nX-Empty: \r\n\r\n";
        assert_eq!(String::from_utf8_lossy(&out), wanted);
        out.clear();
        write_request(&mut out, "POST", "/", "a", &[], Some(12)).expect("fine");
        assert_eq!(out, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\n\r\n");
    }

    #[test]
    fn what_could_smuggle_is_refused_and_nothing_is_written() {
        let header = |name, value| ("GET", "/", "a", (name, value));
        for (method, target, host, pair) in [
            ("", "/", "a", ("N", "v")),
            ("G T", "/", "a", ("N", "v")),
            ("GET", "", "a", ("N", "v")),
            ("GET", "/ HTTP/1.1\r\nX: y", "a", ("N", "v")),
            ("GET", "/ü", "a", ("N", "v")),
            ("GET", "/", "", ("N", "v")),
            ("GET", "/", "a\r\nX: y", ("N", "v")),
            header("", "v"),
            header("N:", "v"),
            header("N ", "v"),
            header("N\r\n", "v"),
            header("Nü", "v"),
            header("N", "v\r\nX: y"),
            header("N", "v\n"),
            header("N", "\r"),
            header("N", "\0"),
            header("N", "\x7f"),
            header("host", "b"),
            header("CONTENT-LENGTH", "1"),
            header("Transfer-Encoding", "chunked"),
        ] {
            let mut out = Vec::new();
            let result = write_request(&mut out, method, target, host, &[("A", "b"), pair], None);
            assert!(result.is_err(), "{method:?} {target:?} {host:?} {pair:?}");
            assert!(out.is_empty());
        }
    }
}
