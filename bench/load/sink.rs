//! A remote-write 1.0 receiver that stores nothing and books everything, and misbehaves when asked to.

use std::io::{self, Read as _, Write as _};
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender};
use memchr::memmem;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

use crate::fault::{self, Fault, Kind};
use crate::mailbox::{Asker, mailbox};
use crate::system;

const LISTENER: Token = Token(usize::MAX);
const MAIL: Token = Token(usize::MAX - 1);
const READ_BYTES: usize = 256 * 1024;
const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Who books what arrives.
pub trait Account: Send + 'static {
    /// What it knows.
    type Books: Send;
    /// Books a request of `wire_bytes` that had fully arrived at `arrived_us`; `message` is its decompressed body.
    /// Gives the status to answer.
    fn book(&mut self, message: &[u8], wire_bytes: usize, arrived_us: u64) -> u16;
    /// True if it took a request for like others, by the lengths alone, and does not want to see it.
    fn skips(&mut self, _message_bytes: usize, _wire_bytes: usize) -> bool {
        false
    }
    /// A request that could not be decompressed.
    fn malformed(&mut self);
    /// A request that a fault refused.
    fn faulted(&mut self);
    /// Begins a new window.
    fn reset(&mut self);
    /// What is known now.
    fn books(&self) -> Self::Books;
}

/// Questions to the thread; `B` is what its account knows.
pub enum Question<B> {
    /// What has arrived?
    Books(Sender<B>),
    /// Misbehave like this, in seconds from now.
    Faults(Vec<Fault>),
    /// Begin a new window.
    Reset,
}

/// A sink that runs in its thread.
pub struct Sink<B> {
    pub asker: Asker<Question<B>>,
    pub port: u16,
}

/// Starts the thread, which ends with the process. `port` 0 takes a free one.
pub fn start<A: Account>(port: u16, account: A, faults: Vec<Fault>) -> io::Result<Sink<A::Books>> {
    let poll = Poll::new()?;
    let mut listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], port)))?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let (asker, mail) = mailbox(poll.registry(), MAIL)?;
    let address = listener.local_addr()?;
    let room = Room {
        poll,
        address,
        listener: Some(listener),
        mail,
        conns: Vec::new(),
        free: Vec::new(),
        late: Vec::new(),
        account,
        message: Vec::new(),
        faults,
        born: Instant::now(),
    };
    thread::Builder::new().name("sink".into()).spawn(move || room.run())?;
    Ok(Sink { asker, port: address.port() })
}

struct Conn {
    stream: TcpStream,
    /// What has been read and not yet handled is `buffer[..filled]`.
    buffer: Vec<u8>,
    filled: usize,
}

struct Room<A: Account> {
    poll: Poll,
    address: SocketAddr,
    listener: Option<TcpListener>,
    mail: Receiver<Question<A::Books>>,
    conns: Vec<Option<Conn>>,
    free: Vec<usize>,
    /// Answers that wait for their time: connection and status.
    late: Vec<(Instant, usize, u16)>,
    account: A,
    message: Vec<u8>,
    faults: Vec<Fault>,
    born: Instant,
}

impl<A: Account> Room<A> {
    fn run(mut self) {
        let mut events = Events::with_capacity(256);
        loop {
            self.follow_faults();
            let timeout = self.timeout();
            if let Err(error) = self.poll.poll(&mut events, timeout)
                && error.kind() != io::ErrorKind::Interrupted
            {
                return;
            }
            for event in &events {
                match event.token() {
                    LISTENER => self.accept(),
                    MAIL => self.answer_mail(),
                    Token(index) => self.turn(index),
                }
            }
            self.answer_late();
        }
    }

    fn answer_mail(&mut self) {
        while let Ok(question) = self.mail.try_recv() {
            match question {
                Question::Books(answer) => drop(answer.send(self.account.books())),
                Question::Faults(faults) => {
                    (self.faults, self.born) = (faults, Instant::now());
                }
                Question::Reset => self.account.reset(),
            }
        }
    }

    fn fault(&self) -> Option<Kind> {
        if self.faults.is_empty() {
            return None;
        }
        fault::at(&self.faults, self.born.elapsed().as_secs_f64())
    }

    fn timeout(&self) -> Option<Duration> {
        let second = self.born.elapsed().as_secs_f64();
        let change = fault::next_change(&self.faults, second)
            .map(|edge| Duration::from_secs_f64(edge - second + 0.001));
        let now = Instant::now();
        let late = self.late.iter().map(|late| late.0.saturating_duration_since(now)).min();
        [change, late].into_iter().flatten().min()
    }

    /// Opens and closes the door as the faults say.
    fn follow_faults(&mut self) {
        let refuse = self.fault() == Some(Kind::Refuse);
        if refuse && self.listener.take().is_some() {
            self.conns.clear();
            self.free.clear();
            self.late.clear();
        }
        if !refuse && self.listener.is_none() {
            let Ok(mut listener) = TcpListener::bind(self.address) else {
                return;
            };
            if self.poll.registry().register(&mut listener, LISTENER, Interest::READABLE).is_ok() {
                self.listener = Some(listener);
            }
        }
    }

    fn accept(&mut self) {
        while let Some(Ok((mut stream, _))) = self.listener.as_ref().map(TcpListener::accept) {
            let index = self.free.pop().unwrap_or(self.conns.len());
            if self.poll.registry().register(&mut stream, Token(index), Interest::READABLE).is_err()
            {
                self.free.push(index);
                continue;
            }
            drop(stream.set_nodelay(true));
            let conn = Conn { stream, buffer: vec![0; READ_BYTES], filled: 0 };
            if index == self.conns.len() {
                self.conns.push(Some(conn));
            } else {
                self.conns[index] = Some(conn);
            }
        }
    }

    fn turn(&mut self, index: usize) {
        let Some(Some(mut conn)) = self.conns.get_mut(index).map(Option::take) else {
            return;
        };
        loop {
            if conn.buffer.len() - conn.filled < READ_BYTES / 2 {
                conn.buffer.resize(conn.buffer.len() * 2, 0);
            }
            match conn.stream.read(&mut conn.buffer[conn.filled..]) {
                Ok(0) => break,
                Ok(count) => conn.filled += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.conns[index] = Some(conn);
                    return;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => break,
            }
            if !self.requests(index, &mut conn) {
                break;
            }
        }
        self.late.retain(|late| late.1 != index);
        self.free.push(index);
    }

    /// Handles every complete request in the buffer; false closes the connection.
    fn requests(&mut self, index: usize, conn: &mut Conn) -> bool {
        loop {
            let bytes = &conn.buffer[..conn.filled];
            let Some(end) = memmem::find(bytes, b"\r\n\r\n") else {
                return conn.filled < READ_BYTES;
            };
            let length = match content_length(&bytes[..end]) {
                Some(length) if length <= BODY_BYTES_MAX => length,
                _ => return answer(&mut conn.stream, 411),
            };
            let Some(body) = bytes.get(end + 4..end + 4 + length) else {
                return true;
            };
            let arrived_us = system::unix_us();
            let fault = self.fault();
            let status = match fault {
                Some(Kind::Hang | Kind::Reset) => 0,
                Some(Kind::Busy(status) | Kind::Status(status)) => status,
                Some(Kind::Delay(_) | Kind::LostAck | Kind::Refuse) | None => {
                    self.book(body, arrived_us)
                }
            };
            if let Some(Kind::Busy(_) | Kind::Hang | Kind::Reset | Kind::Status(_)) = fault {
                self.account.faulted();
            }
            conn.buffer.copy_within(end + 4 + length..conn.filled, 0);
            conn.filled -= end + 4 + length;
            let open = match fault {
                Some(Kind::Hang) => true,
                Some(Kind::Delay(delay_ms)) => {
                    let due = Instant::now() + Duration::from_millis(delay_ms);
                    self.late.push((due, index, status));
                    true
                }
                Some(Kind::Reset) => {
                    system::reset_when_closed(&conn.stream);
                    false
                }
                Some(Kind::LostAck) => {
                    drop(conn.stream.write_all(b"HTTP/1.1 20"));
                    false
                }
                Some(Kind::Busy(_)) => answer_with(&mut conn.stream, status, "Retry-After: 1\r\n"),
                _ => answer(&mut conn.stream, status),
            };
            if !open {
                return false;
            }
        }
    }

    fn book(&mut self, body: &[u8], arrived_us: u64) -> u16 {
        let length = match snap::raw::decompress_len(body) {
            Ok(length) if length <= 4 * BODY_BYTES_MAX => length,
            _ => {
                self.account.malformed();
                return 400;
            }
        };
        if self.account.skips(length, body.len()) {
            return 204;
        }
        if self.message.len() < length {
            self.message.resize(length, 0);
        }
        match snap::raw::Decoder::new().decompress(body, &mut self.message[..length]) {
            Ok(length) => self.account.book(&self.message[..length], body.len(), arrived_us),
            Err(_) => {
                self.account.malformed();
                400
            }
        }
    }

    fn answer_late(&mut self) {
        let now = Instant::now();
        let conns = &mut self.conns;
        self.late.retain(|(due, index, status)| {
            if *due > now {
                return true;
            }
            if let Some(Some(conn)) = conns.get_mut(*index) {
                answer(&mut conn.stream, *status);
            }
            false
        });
    }
}

/// Answers are a few dozen bytes, which an idle socket always takes whole.
fn answer(stream: &mut TcpStream, status: u16) -> bool {
    answer_with(stream, status, "")
}

fn answer_with(stream: &mut TcpStream, status: u16, more: &str) -> bool {
    let text = match status {
        204 => "HTTP/1.1 204 No Content\r\n\r\n".to_owned(),
        _ => format!("HTTP/1.1 {status} Sink\r\n{more}Content-Length: 0\r\n\r\n"),
    };
    stream.write_all(text.as_bytes()).is_ok() && status != 411
}

fn content_length(head: &[u8]) -> Option<usize> {
    let head = std::str::from_utf8(head).ok()?;
    let fields = head.split("\r\n").filter_map(|line| line.split_once(':'));
    fields
        .filter(|field| field.0.eq_ignore_ascii_case("content-length"))
        .find_map(|field| field.1.trim().parse().ok())
}
