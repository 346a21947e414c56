//! Exporters inside the test: one that numbers its pages, one whose answers are ready-made, and some that no scraper
//! should meet.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::wait;

/// Series on a numbered page.
pub const NUMBERED_SERIES: usize = 3;

/// Page n says n in each of its series `scrape_number{series="0"…}`.
#[derive(Debug)]
pub struct Numbered {
    port: u16,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    ballast: usize,
    /// Pages begun; the last one may be on its way.
    pages: AtomicU64,
    /// Requests answered 503 because the exporter is held.
    refused: AtomicU64,
    held: AtomicBool,
}

impl Numbered {
    pub fn start() -> Numbered {
        Numbered::with_ballast(0)
    }

    /// Each page has so many more series, whose values hardly compress: it fills a disk.
    pub fn with_ballast(series: usize) -> Numbered {
        let state = Arc::new(State { ballast: series, ..State::default() });
        let shared = Arc::clone(&state);
        let port = serve(move |stream, _| shared.answer(stream));
        Numbered { port, state }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Pages begun so far.
    pub fn pages(&self) -> u64 {
        self.state.pages.load(Ordering::SeqCst)
    }

    /// Waits for so many more pages.
    pub fn more(&self, count: u64) {
        let goal = self.pages() + count;
        wait::until_true("the exporter is scraped", || self.pages() >= goal);
    }

    /// Stops giving pages and waits until the agent has asked once more, which it does only when it is through with
    /// the page before. Gives the number of that page.
    pub fn hold(&self) -> u64 {
        self.state.held.store(true, Ordering::SeqCst);
        let seen = self.state.refused.load(Ordering::SeqCst);
        wait::until_true("the exporter is scraped again", || {
            self.state.refused.load(Ordering::SeqCst) > seen
        });
        self.pages()
    }

    /// Goes on giving pages.
    pub fn release(&self) {
        self.state.held.store(false, Ordering::SeqCst);
    }
}

impl State {
    fn answer(&self, stream: &mut TcpStream) -> io::Result<bool> {
        if self.held.load(Ordering::SeqCst) {
            stream.write_all(b"HTTP/1.1 503 Held\r\nContent-Length: 0\r\n\r\n")?;
            self.refused.fetch_add(1, Ordering::SeqCst);
            return Ok(true);
        }
        let number = self.pages.fetch_add(1, Ordering::SeqCst) + 1;
        let mut page = String::from("# TYPE scrape_number gauge\n");
        for series in 0..NUMBERED_SERIES {
            page.push_str(&format!("scrape_number{{series=\"{series}\"}} {number}\n"));
        }
        for series in 0..self.ballast {
            let value = (series as u64 * 7919 + number * 104_729) % 1_000_003;
            page.push_str(&format!("b{{n=\"{series}\"}} {}\n", value as f64 / 7.0));
        }
        stream.write_all(ok("", &page).as_bytes())?;
        Ok(true)
    }
}

/// Bytes of one chunk of a chunked page.
const CHUNK_BYTES: usize = 8 << 10;

/// How an answer says where its body ends.
#[derive(Debug, Clone, Copy)]
pub enum Framing {
    Length,
    Chunked,
}

/// A whole answer with a compressed page, to be written at once.
pub fn gzip_answer(page: &[u8], framing: Framing) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(page).expect("memory can be written");
    let body = encoder.finish().expect("memory can be written");
    let mut answer =
        b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Encoding: gzip\r\n"
            .to_vec();
    match framing {
        Framing::Length => {
            answer.extend_from_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
            answer.extend_from_slice(&body);
        }
        Framing::Chunked => {
            answer.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
            for chunk in body.chunks(CHUNK_BYTES) {
                answer.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                answer.extend_from_slice(chunk);
                answer.extend_from_slice(b"\r\n");
            }
            answer.extend_from_slice(b"0\r\n\r\n");
        }
    }
    answer
}

/// Scrape n gets answer n, and the last one again after that.
#[derive(Debug)]
pub struct Ready {
    port: u16,
    connections: Arc<AtomicU64>,
}

impl Ready {
    pub fn start(answers: Vec<Vec<u8>>) -> Ready {
        let connections = Arc::new(AtomicU64::new(0));
        let changes = Arc::clone(&connections);
        let (asked, last) = (AtomicU64::new(0), AtomicU16::new(0));
        let port = serve(move |stream, _| {
            let caller = stream.peer_addr()?.port();
            if last.swap(caller, Ordering::SeqCst) != caller {
                changes.fetch_add(1, Ordering::SeqCst);
            }
            let number = asked.fetch_add(1, Ordering::SeqCst) as usize;
            stream.write_all(answers.get(number).or(answers.last()).expect("an answer"))?;
            Ok(true)
        });
        Ready { port, connections }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Connections that have asked for a page, one after the other.
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::SeqCst)
    }
}

/// What a bad target does.
#[derive(Debug, Clone, Copy)]
pub enum Bad {
    /// A page without an end.
    Endless,
    /// What no exposition format allows.
    Garbage,
    /// A compressed page that ends too soon.
    HalfGzip,
    /// Accepts and reads, and answers nothing.
    Mute,
    /// Headers without an end.
    HeaderBomb,
    /// A line without an end, as fast as it is taken.
    EndlessLine,
    /// Says how long the page is, and closes before.
    Cut,
    /// Redirects to itself.
    RedirectLoop,
}

/// Starts a bad target and gives its port.
pub fn bad(how: Bad) -> u16 {
    serve(move |stream, port| match how {
        Bad::Endless => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")?;
            for number in 0u64.. {
                stream.write_all(format!("endless{{n=\"{number}\"}} 1\n").as_bytes())?;
                thread::sleep(Duration::from_millis(1));
            }
            Ok(false)
        }
        Bad::Garbage => {
            stream.write_all(ok("", "up{ =\"\u{1}}{}} NaNaN\n<html>\n").as_bytes())?;
            Ok(true)
        }
        Bad::HalfGzip => {
            let gzip = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0x4b, 0x54, 0x30];
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Encoding: gzip\r\n";
            stream.write_all(format!("{head}Content-Length: {}\r\n\r\n", gzip.len()).as_bytes())?;
            stream.write_all(&gzip)?;
            Ok(true)
        }
        Bad::HeaderBomb => {
            stream.write_all(b"HTTP/1.1 200 OK\r\n")?;
            loop {
                stream.write_all(b"X-Header: one of very many, and never the last of them\r\n")?;
            }
        }
        Bad::EndlessLine => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nendless{n=\"")?;
            loop {
                stream.write_all(&[b'x'; 1 << 14])?;
            }
        }
        Bad::Cut => {
            let head =
                "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 1000\r\n\r\n";
            stream.write_all(format!("{head}cut 1\n").as_bytes())?;
            Ok(false)
        }
        Bad::Mute => Ok(true),
        Bad::RedirectLoop => {
            let head =
                format!("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:{port}/metrics\r\n");
            stream.write_all(format!("{head}Content-Length: 0\r\n\r\n").as_bytes())?;
            Ok(true)
        }
    })
}

fn ok(more: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\n{more}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Calls `answer` for each request; false closes the connection. Gives the port.
fn serve(answer: impl Fn(&mut TcpStream, u16) -> io::Result<bool> + Send + Sync + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = listener.local_addr().expect("a listener has an address").port();
    let answer = Arc::new(answer);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answer = Arc::clone(&answer);
            thread::spawn(move || {
                // The end of a connection is the end of its thread, whatever the cause.
                drop(converse(stream, port, answer.as_ref()));
            });
        }
    });
    port
}

fn converse(
    mut stream: TcpStream,
    port: u16,
    answer: &(impl Fn(&mut TcpStream, u16) -> io::Result<bool> + ?Sized),
) -> io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    loop {
        let mut line = String::new();
        while line != "\r\n" {
            line.clear();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
        }
        if !answer(&mut stream, port)? {
            stream.shutdown(Shutdown::Both)?;
            return Ok(());
        }
    }
}
