//! Exporters that number their pages, and know what became of each. Target n is the loopback address
//! [`exporters::address`]`(n)`, as for the other loads; every connection has a thread.
#![expect(clippy::disallowed_types, reason = "threads of connections share what they serve")]

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use memchr::memmem;

use crate::crash::numbers::Shape;
use crate::exporters;
use crate::system;

const REQUEST_BYTES_MAX: usize = 16 * 1024;
const HELD: &[u8] = b"HTTP/1.1 503 Held\r\nContent-Length: 0\r\n\r\n";

/// How far a page has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Not all of it could be written.
    Begun,
    /// In the kernel's hands, all of it.
    Served,
    /// The agent has asked again on the same connection.
    Accepted,
}

#[derive(Debug, Clone, Copy)]
pub struct Page {
    pub state: State,
    /// Microseconds since the epoch, when it was rendered.
    pub made_us: u64,
}

/// Exporters that run in their threads until the process ends.
#[derive(Debug, Clone)]
pub struct Numbered {
    shared: Arc<Shared>,
    pub shape: Shape,
}

#[derive(Debug)]
struct Shared {
    /// By target; page n is at n − 1.
    pages: Vec<Mutex<Vec<Page>>>,
    served: AtomicU64,
    held: AtomicBool,
    refused: AtomicU64,
}

impl Numbered {
    /// Starts them; the shape's port is set.
    pub fn start(mut shape: Shape) -> io::Result<Numbered> {
        let listener = TcpListener::bind(SocketAddr::from(([0, 0, 0, 0], 0)))?;
        shape.port = listener.local_addr()?.port();
        let shared = Arc::new(Shared {
            pages: (0..shape.targets).map(|_| Mutex::default()).collect(),
            served: AtomicU64::new(0),
            held: AtomicBool::new(false),
            refused: AtomicU64::new(0),
        });
        let numbered = Numbered { shared, shape };
        let exporters = numbered.clone();
        thread::Builder::new().name("exporters".into()).spawn(move || {
            for stream in listener.incoming().flatten() {
                let exporters = exporters.clone();
                // The end of a connection is the end of its thread, whatever the cause.
                thread::spawn(move || drop(exporters.converse(stream)));
            }
        })?;
        Ok(numbered)
    }

    /// Pages served so far, over all targets.
    pub fn served(&self) -> u64 {
        self.shared.served.load(Ordering::SeqCst)
    }

    /// Gives no more pages, so that the last ones are accepted too.
    pub fn hold(&self) {
        self.shared.held.store(true, Ordering::SeqCst);
    }

    /// Requests answered 503 since.
    pub fn refused(&self) -> u64 {
        self.shared.refused.load(Ordering::SeqCst)
    }

    /// The pages of every target.
    pub fn pages(&self) -> Vec<Vec<Page>> {
        (0..self.shape.targets).map(|target| self.of(target).clone()).collect()
    }

    fn of(&self, target: usize) -> MutexGuard<'_, Vec<Page>> {
        self.shared.pages[target].lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn converse(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let target = exporters::target(stream.local_addr()?);
        let Some(target) = target.filter(|target| *target < self.shape.targets) else {
            return Ok(());
        };
        let mut request = Vec::new();
        let mut before: Option<usize> = None;
        loop {
            read_head(&mut stream, &mut request)?;
            if let Some(index) = before.take() {
                self.of(target)[index].state = State::Accepted;
            }
            if self.shared.held.load(Ordering::SeqCst) {
                stream.write_all(HELD)?;
                self.shared.refused.fetch_add(1, Ordering::SeqCst);
                continue;
            }
            let index = {
                let mut pages = self.of(target);
                pages.push(Page { state: State::Begun, made_us: system::unix_us() });
                pages.len() - 1
            };
            let body = self.shape.page(target, index as u64 + 1);
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {}\r\n\r\n",
                body.len()
            );
            stream.write_all(&[head.into_bytes(), body.into_bytes()].concat())?;
            self.of(target)[index].state = State::Served;
            self.shared.served.fetch_add(1, Ordering::SeqCst);
            before = Some(index);
        }
    }
}

/// Reads up to the end of a request without a body.
fn read_head(stream: &mut TcpStream, request: &mut Vec<u8>) -> io::Result<()> {
    let mut chunk = [0; 2048];
    loop {
        if let Some(end) = memmem::find(request, b"\r\n\r\n") {
            request.drain(..end + 4);
            return Ok(());
        }
        let count = stream.read(&mut chunk)?;
        if count == 0 || request.len() + count > REQUEST_BYTES_MAX {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        request.extend_from_slice(&chunk[..count]);
    }
}
