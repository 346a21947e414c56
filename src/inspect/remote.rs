//! A connection to a receiver of remote write that blocks: off the data path, one request after another.

use core::fmt;
use core::time::Duration;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};

use crate::base::limits;
use crate::http::{HttpError, Part, ResponseReader, Url, write_request};
use crate::tls::{self, Session, TlsError};
use crate::wire::headers;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// As `remote_timeout` is unless it is written.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// Where to send, and the connection there while it holds.
pub struct Remote {
    url: Url,
    headers: Vec<(String, String)>,
    settings: tls::Settings,
    system_roots: Vec<Vec<u8>>,
    connection: Option<Connection>,
}

/// What came back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// `Retry-After` as it was written.
    pub retry_after: Option<String>,
    /// The first line of the body, if it is text.
    pub words: String,
}

/// Why no answer came.
#[derive(Debug)]
pub enum RemoteError {
    Http(HttpError),
    Io(io::Error),
    NoAddress,
    Tls(TlsError),
}

impl fmt::Display for RemoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RemoteError::Http(error) => error.fmt(f),
            RemoteError::Io(error) => error.fmt(f),
            RemoteError::NoAddress => f.write_str("the host has no address"),
            RemoteError::Tls(error) => error.fmt(f),
        }
    }
}

impl From<HttpError> for RemoteError {
    fn from(error: HttpError) -> RemoteError {
        RemoteError::Http(error)
    }
}

impl From<io::Error> for RemoteError {
    fn from(error: io::Error) -> RemoteError {
        RemoteError::Io(error)
    }
}

impl From<TlsError> for RemoteError {
    fn from(error: TlsError) -> RemoteError {
        RemoteError::Tls(error)
    }
}

impl Remote {
    /// `headers` come after those of remote write.
    pub fn new(
        url: Url,
        headers: Vec<(String, String)>,
        settings: tls::Settings,
        system_roots: Vec<Vec<u8>>,
    ) -> Remote {
        Remote { url, headers, settings, system_roots, connection: None }
    }

    /// Sends one body and waits for the answer. `attempt`: how often it was sent before.
    // spec: RW-25, RW-26
    pub fn post(&mut self, body: &[u8], attempt: u32) -> Result<Answer, RemoteError> {
        let attempt = attempt.to_string();
        let mut fields = vec![
            ("Content-Encoding", headers::CONTENT_ENCODING),
            ("Content-Type", headers::CONTENT_TYPE_V1),
            (headers::VERSION, headers::VERSION_V1),
        ];
        if attempt != "0" {
            fields.push((headers::RETRY_ATTEMPT, &attempt));
        }
        fields.extend(self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let mut request = Vec::with_capacity(body.len() + 512);
        let host = self.url.authority();
        let length = Some(body.len());
        write_request(&mut request, "POST", &self.url.target, &host, &fields, length)?;
        request.extend_from_slice(body);
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => Connection::open(&self.url, &self.settings, &self.system_roots)?,
        };
        connection.send(&request)?;
        let (answer, keep_alive) = connection.answer()?;
        self.connection = Some(connection).filter(|_| keep_alive);
        Ok(answer)
    }
}

/// A socket, and TLS over it if the URL says so.
struct Connection {
    socket: TcpStream,
    session: Option<Session>,
    buffer: Vec<u8>,
}

impl Connection {
    fn open(
        url: &Url,
        settings: &tls::Settings,
        system_roots: &[Vec<u8>],
    ) -> Result<Connection, RemoteError> {
        let session = match url.is_tls() {
            true => Some(Session::new(tls::client_config(settings, system_roots)?, &url.host)?),
            false => None,
        };
        let mut last = RemoteError::NoAddress;
        for address in (url.host.as_str(), url.port).to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, CONNECT_TIMEOUT) {
                Ok(socket) => {
                    socket.set_nodelay(true)?;
                    socket.set_read_timeout(Some(ANSWER_TIMEOUT))?;
                    socket.set_write_timeout(Some(ANSWER_TIMEOUT))?;
                    let buffer = vec![0; limits::READ_BYTES];
                    return Ok(Connection { socket, session, buffer });
                }
                Err(error) => last = error.into(),
            }
        }
        Err(last)
    }

    fn send(&mut self, mut plain: &[u8]) -> Result<(), RemoteError> {
        let Some(session) = &mut self.session else {
            return Ok(self.socket.write_all(plain)?);
        };
        // Before the handshake is done the session takes what it has room for; then it needs the other side's word.
        while !plain.is_empty() {
            let taken = session.send(plain);
            plain = &plain[taken..];
            let mut bytes = Vec::new();
            session.outgoing(&mut bytes);
            self.socket.write_all(&bytes)?;
            if taken == 0 && bytes.is_empty() {
                let read = self.socket.read(&mut self.buffer)?;
                if read == 0 {
                    return Err(HttpError::ClosedBeforeResponse.into());
                }
                // Nobody answers before having been asked: there is no plain text yet.
                session.receive(&self.buffer[..read], &mut Vec::new())?;
            }
        }
        Ok(())
    }

    /// What the peer says next; empty when it has closed.
    fn receive(&mut self) -> Result<Vec<u8>, RemoteError> {
        let Some(session) = &mut self.session else {
            let read = self.socket.read(&mut self.buffer)?;
            return Ok(self.buffer[..read].to_vec());
        };
        let mut plain = Vec::new();
        while plain.is_empty() {
            let mut bytes = Vec::new();
            session.outgoing(&mut bytes);
            self.socket.write_all(&bytes)?;
            let read = self.socket.read(&mut self.buffer)?;
            if read == 0 || session.receive(&self.buffer[..read], &mut plain)?.closed {
                break;
            }
        }
        Ok(plain)
    }

    fn answer(&mut self) -> Result<(Answer, bool), RemoteError> {
        let mut reader = ResponseReader::new();
        let mut body = Vec::new();
        loop {
            let bytes = self.receive()?;
            if bytes.is_empty() {
                reader.closed()?;
                return Ok((answer_of(&reader, &body), false));
            }
            let mut rest = &bytes[..];
            loop {
                let (used, part) = reader.read(rest)?;
                rest = &rest[used..];
                match part {
                    Part::More => break,
                    Part::Head => {}
                    Part::Body(bytes) => {
                        let room = limits::REMOTE_ERROR_BYTES - body.len();
                        body.extend_from_slice(&bytes[..bytes.len().min(room)]);
                    }
                    Part::End { keep_alive } => {
                        return Ok((answer_of(&reader, &body), keep_alive));
                    }
                }
            }
        }
    }
}

fn answer_of(reader: &ResponseReader, body: &[u8]) -> Answer {
    let Some(head) = reader.head() else {
        return Answer::default();
    };
    let text = String::from_utf8_lossy(body);
    Answer {
        status: head.status,
        retry_after: head.header("Retry-After").map(str::to_owned),
        words: text.lines().next().unwrap_or_default().trim().to_owned(),
    }
}
