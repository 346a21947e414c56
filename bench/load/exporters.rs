//! All exporters on one listening socket: target n is the loopback address [`address`]`(n)`, so every agent sees
//! as many instances as there are targets, and one thread serves them.

use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::thread;

use crossbeam_channel::{Receiver, Sender};
use flate2::{Compression, write::GzEncoder};
use memchr::memmem;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use serde::Serialize;

use crate::mailbox::{Asker, mailbox};
use crate::page::{self, Page};
use crate::system;

const LISTENER: Token = Token(usize::MAX);
const MAIL: Token = Token(usize::MAX - 1);
const REQUEST_BYTES_MAX: usize = 16 * 1024;
const STOPPED: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";
const UNKNOWN: &[u8] = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";

/// What to serve.
#[derive(Debug, Clone)]
pub struct Load {
    pub targets: usize,
    /// Series of each target.
    pub series: usize,
    /// Share of the pods replaced at each serving, 0 to 1.
    pub churn_per_serving: f64,
    /// Bytes of one more label on every line.
    pub width: usize,
    /// Compress for those who accept it.
    pub gzip: bool,
    /// 0 takes a free port.
    pub port: u16,
}

/// What has been served since the start.
#[derive(Debug, Default, Clone, Copy, Serialize)]
pub struct Served {
    /// Pages handed to the kernel in full.
    pub pages: u64,
    /// Samples on them.
    pub samples: u64,
    /// Bytes of the answers.
    pub bytes: u64,
    /// Pages whose reader went away in the middle.
    pub broken: u64,
    /// Requests answered 503 after a stop.
    pub refused: u64,
    /// Targets served at least once.
    pub targets: u64,
}

/// Questions to the thread.
pub enum Question {
    /// What has been served?
    Served(Sender<Served>),
    /// Answer 503 from now on.
    Stop,
}

/// Exporters that run in their thread.
pub struct Exporters {
    pub asker: Asker<Question>,
    pub port: u16,
}

/// The address of target number `target`: unique up to four million targets.
pub fn address(target: usize, port: u16) -> SocketAddr {
    let [_, high, middle, low] = (target as u32 + 1).to_be_bytes();
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, high + 1, middle, low)), port)
}

/// The target that has the address.
pub fn target(address: SocketAddr) -> Option<usize> {
    let IpAddr::V4(ip) = address.ip() else {
        return None;
    };
    let [_, high, middle, low] = ip.octets();
    (u32::from_be_bytes([0, high.checked_sub(1)?, middle, low]) as usize).checked_sub(1)
}

/// Renders the pages and starts the thread, which ends with the process.
pub fn start(load: &Load) -> io::Result<Exporters> {
    let poll = Poll::new()?;
    let mut listener = TcpListener::bind(SocketAddr::from(([0, 0, 0, 0], load.port)))?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let (asker, mail) = mailbox(poll.registry(), MAIL)?;
    let port = listener.local_addr()?.port();
    let pages = (0..load.targets)
        .map(|target| match load.width {
            0 => Page::new(target, load.series, load.churn_per_serving),
            width => Page::wide(target, load.series, load.churn_per_serving, width),
        })
        .collect();
    let room = Room {
        poll,
        listener,
        mail,
        pages,
        conns: Vec::new(),
        free: Vec::new(),
        seen: vec![false; load.targets],
        served: Served::default(),
        gzip: load.gzip,
        stopped: false,
    };
    thread::Builder::new().name("exporters".into()).spawn(move || room.run())?;
    Ok(Exporters { asker, port })
}

enum Answer {
    /// The target's page as it stands.
    Page,
    /// A compressed page, made for this serving.
    Own(Vec<u8>),
    Fixed(&'static [u8]),
}

struct Conn {
    stream: TcpStream,
    target: Option<usize>,
    request: Vec<u8>,
    /// The answer being written and how much of it is out.
    answer: Option<(Answer, usize)>,
}

struct Room {
    poll: Poll,
    listener: TcpListener,
    mail: Receiver<Question>,
    pages: Vec<Page>,
    conns: Vec<Option<Conn>>,
    free: Vec<usize>,
    seen: Vec<bool>,
    served: Served,
    gzip: bool,
    stopped: bool,
}

impl Room {
    fn run(mut self) {
        let mut events = Events::with_capacity(1024);
        loop {
            if let Err(error) = self.poll.poll(&mut events, None)
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
        }
    }

    fn answer_mail(&mut self) {
        while let Ok(question) = self.mail.try_recv() {
            match question {
                Question::Served(answer) => drop(answer.send(self.served)),
                Question::Stop => self.stopped = true,
            }
        }
    }

    fn accept(&mut self) {
        while let Ok((mut stream, _)) = self.listener.accept() {
            let index = self.free.pop().unwrap_or(self.conns.len());
            let target = stream.local_addr().ok().and_then(target);
            let interest = Interest::READABLE | Interest::WRITABLE;
            if self.poll.registry().register(&mut stream, Token(index), interest).is_err() {
                self.free.push(index);
                continue;
            }
            drop(stream.set_nodelay(true));
            let target = target.filter(|target| *target < self.pages.len());
            let conn = Conn { stream, target, request: Vec::new(), answer: None };
            if index == self.conns.len() {
                self.conns.push(Some(conn));
            } else {
                self.conns[index] = Some(conn);
            }
        }
    }

    /// Goes on with a connection until it would block.
    fn turn(&mut self, index: usize) {
        let Some(Some(mut conn)) = self.conns.get_mut(index).map(Option::take) else {
            return;
        };
        loop {
            let alive = match &conn.answer {
                Some(_) => self.write(&mut conn),
                None => self.read(&mut conn),
            };
            match alive {
                Ok(()) => continue,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.conns[index] = Some(conn);
                    return;
                }
                Err(_) => break,
            }
        }
        self.served.broken += u64::from(matches!(conn.answer, Some((Answer::Page, _))));
        self.free.push(index);
    }

    fn read(&mut self, conn: &mut Conn) -> io::Result<()> {
        let mut chunk = [0; 2048];
        let count = conn.stream.read(&mut chunk)?;
        if count == 0 || conn.request.len() + count > REQUEST_BYTES_MAX {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        conn.request.extend_from_slice(&chunk[..count]);
        let Some(end) = memmem::find(&conn.request, b"\r\n\r\n") else {
            return Ok(());
        };
        let answer = match conn.target {
            _ if self.stopped => {
                self.served.refused += 1;
                Answer::Fixed(STOPPED)
            }
            Some(target) => {
                let page = &mut self.pages[target];
                page.turn(system::unix_us());
                if self.gzip && memmem::find(&conn.request[..end], b"gzip").is_some() {
                    Answer::Own(compressed(page)?)
                } else {
                    Answer::Page
                }
            }
            None => Answer::Fixed(UNKNOWN),
        };
        conn.request.drain(..end + 4);
        conn.answer = Some((answer, 0));
        Ok(())
    }

    fn write(&mut self, conn: &mut Conn) -> io::Result<()> {
        let Some((answer, written)) = &mut conn.answer else {
            return Ok(());
        };
        let bytes = match (&*answer, conn.target) {
            (Answer::Page, Some(target)) => self.pages[target].answer(),
            (Answer::Own(bytes), _) => bytes,
            (Answer::Fixed(bytes), _) => bytes,
            (Answer::Page, None) => UNKNOWN,
        };
        *written += conn.stream.write(&bytes[*written..])?;
        if *written < bytes.len() {
            return Ok(());
        }
        if let (Answer::Page | Answer::Own(_), Some(target)) = (&*answer, conn.target) {
            self.served.pages += 1;
            self.served.samples += self.pages[target].samples() as u64;
            self.served.bytes += bytes.len() as u64;
            self.served.targets += u64::from(!self.seen[target]);
            self.seen[target] = true;
        }
        conn.answer = None;
        Ok(())
    }
}

fn compressed(page: &Page) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(page.body())?;
    let body = encoder.finish()?;
    let mut answer = page::head(body.len(), "Content-Encoding: gzip\r\n").into_bytes();
    answer.extend_from_slice(&body);
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_has_an_address_of_its_own() {
        for number in [0, 1, 253, 254, 255, 256, 65_534, 65_535, 65_536, 1_000_000] {
            assert_eq!(target(address(number, 80)), Some(number));
        }
        assert_eq!(address(0, 80).to_string(), "127.1.0.1:80");
        assert_eq!(target(SocketAddr::from(([127, 0, 0, 1], 80))), None);
    }
}
