//! A small HTTP side door: statistics as JSON, and a few verbs. One request per connection.

use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

/// Serves forever on `port` of 127.0.0.1. `answer` gets method and path, and gives JSON or nothing for 404.
pub fn serve(port: u16, mut answer: impl FnMut(&str, &str) -> Option<String>) -> io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    eprintln!("control on http://{}", listener.local_addr()?);
    for stream in listener.incoming() {
        // A visitor that goes away in the middle is no reason to end.
        drop(stream.and_then(|stream| one(stream, &mut answer)));
    }
    Ok(())
}

fn one(
    mut stream: TcpStream,
    answer: &mut impl FnMut(&str, &str) -> Option<String>,
) -> io::Result<()> {
    let mut request = [0; 4096];
    let count = stream.read(&mut request)?;
    let text = String::from_utf8_lossy(&request[..count]);
    let mut words = text.split(' ');
    let (method, path) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    let (status, body) = match answer(method, path) {
        Some(body) => ("200 OK", body),
        None => ("404 Not Found", String::from("{\"error\":\"no such path\"}")),
    };
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nConnection: close\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}
