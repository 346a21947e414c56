//! A server inside the test that sees every request: it answers itself, passes on, or opens a tunnel.

use std::collections::BTreeMap;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

/// What came.
#[derive(Debug, Clone)]
pub struct Request {
    /// With the empty line.
    pub head: String,
    pub body: Vec<u8>,
}

/// What becomes of it.
#[derive(Debug, Clone)]
pub enum Reply {
    /// A status with its reason, further header lines, and a body.
    Answer(&'static str, String, String),
    /// To the server at that port.
    Forward(u16),
    /// A tunnel to that port.
    Tunnel(u16),
}

impl Reply {
    pub fn status(status: &'static str) -> Reply {
        Reply::Answer(status, String::new(), String::new())
    }

    pub fn json(body: impl Into<String>) -> Reply {
        Reply::Answer("200 OK", "Content-Type: application/json\r\n".to_owned(), body.into())
    }
}

impl Request {
    pub fn method(&self) -> &str {
        self.head.split(' ').next().unwrap_or_default()
    }

    pub fn target(&self) -> &str {
        self.head.split(' ').nth(1).unwrap_or_default()
    }

    /// All values of a header.
    pub fn headers(&self, name: &str) -> Vec<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(':'));
        let found = lines.filter(|(found, _)| found.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.trim()).collect()
    }

    /// A header that stands there once.
    pub fn header(&self, name: &str) -> Option<&str> {
        match self.headers(name)[..] {
            [value] => Some(value),
            _ => None,
        }
    }

    /// The fields of a form.
    pub fn form(&self) -> BTreeMap<String, String> {
        let text = String::from_utf8_lossy(&self.body).into_owned();
        let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
        pairs.map(|(name, value)| (decode(name), decode(value))).collect()
    }
}

fn decode(text: &str) -> String {
    let mut out = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'+' => out.push(b' '),
            b'%' => {
                let digits = [bytes.next().expect("a digit"), bytes.next().expect("a digit")];
                let digits = std::str::from_utf8(&digits).expect("ASCII");
                out.push(u8::from_str_radix(digits, 16).expect("two digits"));
            }
            byte => out.push(byte),
        }
    }
    String::from_utf8(out).expect("text")
}

#[derive(Debug)]
pub struct Front {
    port: u16,
}

impl Front {
    pub fn start(decide: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Front {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let port = listener.local_addr().expect("a listener has an address").port();
        let decide = Arc::new(decide);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let decide = Arc::clone(&decide);
                thread::spawn(move || {
                    // The end of a connection is the end of its thread, whatever the cause.
                    drop(converse(stream, &*decide));
                });
            }
        });
        Front { port }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }
}

fn converse(mut stream: TcpStream, decide: &dyn Fn(&Request) -> Reply) -> io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    loop {
        let request = message(&mut reader)?;
        match decide(&request) {
            Reply::Answer(status, lines, body) => {
                let length = body.len();
                let answer =
                    format!("HTTP/1.1 {status}\r\n{lines}Content-Length: {length}\r\n\r\n{body}");
                stream.write_all(answer.as_bytes())?;
            }
            Reply::Forward(port) => {
                let answer = pass_on(&request, port)?;
                stream.write_all(answer.head.as_bytes())?;
                stream.write_all(&answer.body)?;
            }
            Reply::Tunnel(port) => {
                let peer = TcpStream::connect(("127.0.0.1", port))?;
                stream.write_all(b"HTTP/1.1 200 Connection established\r\nVia: test\r\n\r\n")?;
                let (from, to) = (peer.try_clone()?, stream.try_clone()?);
                thread::spawn(move || pump(from, to));
                pump(stream, peer);
                return Ok(());
            }
        }
    }
}

fn pump(mut from: TcpStream, mut to: TcpStream) {
    drop(io::copy(&mut from, &mut to));
    drop(to.shutdown(Shutdown::Both));
}

/// Each request goes on over a connection of its own, with the path alone in its first line.
fn pass_on(request: &Request, port: u16) -> io::Result<Request> {
    let mut head = request.head.clone();
    if let Some(rest) = request.target().strip_prefix("http://") {
        let path = rest.find('/').map_or("/", |at| &rest[at..]);
        head = head.replacen(request.target(), path, 1);
    }
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.write_all(head.as_bytes())?;
    stream.write_all(&request.body)?;
    message(&mut BufReader::new(stream))
}

fn message(reader: &mut BufReader<TcpStream>) -> io::Result<Request> {
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let before = head.len();
        if reader.read_line(&mut head)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let line = head[before..].to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().map_err(|_| io::ErrorKind::InvalidData)?;
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Request { head, body })
}
