//! As much of an HTTP client as tests need. HTTP/1.0, so a body ends where the connection does.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;

use serde_json::Value;

use crate::wait;

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: String,
}

/// Nothing when there was no answer.
pub fn get(port: u16, path: &str) -> Option<Answer> {
    request(port, "GET", path).ok()
}

/// Nothing when there was no answer.
pub fn post(port: u16, path: &str) -> Option<Answer> {
    request(port, "POST", path).ok()
}

/// The body of a 200 as JSON.
pub fn get_json(port: u16, path: &str) -> Option<Value> {
    let answer = get(port, path).filter(|answer| answer.status == 200)?;
    serde_json::from_str(&answer.body).ok()
}

/// Makes any text fit for a query.
pub fn escape(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

pub fn request(port: u16, method: &str, path: &str) -> io::Result<Answer> {
    send(port, method, path, &[], &[]).map(|(answer, _)| answer)
}

/// With headers and a body; the head of the answer too.
pub fn send(
    port: u16,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> io::Result<(Answer, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(wait::DEADLINE))?;
    let more: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\n{more}Content-Length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let (head, body) = text.split_once("\r\n\r\n").ok_or(io::ErrorKind::InvalidData)?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or(io::ErrorKind::InvalidData)?;
    Ok((Answer { status, body: body.to_owned() }, head.to_ascii_lowercase()))
}
