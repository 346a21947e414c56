//! Stands before a receiver: lets requests through, or answers them in its place.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;

/// Whom it lets through.
#[derive(Debug, Clone, Copy)]
pub enum Rule {
    Everyone,
    /// Bodies of at most so many bytes; 413 for others.
    UpTo(usize),
    /// 503, with the invitation to come back at once.
    Nobody,
    /// Everyone, without a word about what became of it.
    Silently,
}

/// Stands for [`Rule::Silently`].
const SILENTLY: usize = usize::MAX - 1;

impl Rule {
    /// Largest body that is let through.
    fn most(self) -> usize {
        match self {
            Rule::Everyone => usize::MAX,
            Rule::UpTo(most) => most,
            Rule::Nobody => 0,
            Rule::Silently => SILENTLY,
        }
    }
}

#[derive(Debug)]
pub struct Doorman {
    port: u16,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    receiver: u16,
    /// Of the rule; 0: nobody.
    most: AtomicUsize,
    admitted: AtomicU64,
    refused: AtomicU64,
}

impl Doorman {
    /// Before the receiver at that port.
    pub fn start(receiver: u16, rule: Rule) -> Doorman {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let port = listener.local_addr().expect("a listener has an address").port();
        let state = Arc::new(State {
            receiver,
            most: AtomicUsize::new(rule.most()),
            admitted: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        });
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&shared);
                thread::spawn(move || {
                    // The end of a connection is the end of its thread, whatever the cause.
                    drop(state.converse(stream));
                });
            }
        });
        Doorman { port, state }
    }

    /// Where to write.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/api/v1/write", self.port)
    }

    pub fn rule(&self, rule: Rule) {
        self.state.most.store(rule.most(), Ordering::SeqCst);
    }

    pub fn admitted(&self) -> u64 {
        self.state.admitted.load(Ordering::SeqCst)
    }

    pub fn refused(&self) -> u64 {
        self.state.refused.load(Ordering::SeqCst)
    }
}

impl State {
    fn converse(&self, mut stream: TcpStream) -> io::Result<()> {
        let mut reader = BufReader::new(stream.try_clone()?);
        loop {
            let request = message(&mut reader)?;
            let refusal = match self.most.load(Ordering::SeqCst) {
                0 => "503 Not Now\r\nRetry-After: 0\r\n",
                most if request.body.len() > most => "413 Too Large\r\n",
                SILENTLY => {
                    self.ask(&request)?;
                    self.admitted.fetch_add(1, Ordering::SeqCst);
                    return Ok(());
                }
                _ => {
                    self.admitted.fetch_add(1, Ordering::SeqCst);
                    stream.write_all(&self.ask(&request)?)?;
                    continue;
                }
            };
            self.refused.fetch_add(1, Ordering::SeqCst);
            let answer = format!("HTTP/1.1 {refusal}Content-Length: 0\r\n\r\n");
            stream.write_all(answer.as_bytes())?;
        }
    }

    /// Each request goes on over a connection of its own.
    fn ask(&self, request: &Message) -> io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.receiver))?;
        stream.write_all(&request.head)?;
        stream.write_all(&request.body)?;
        let answer = message(&mut BufReader::new(stream))?;
        Ok([answer.head, answer.body].concat())
    }
}

/// A request or an answer, as bytes.
struct Message {
    /// With the empty line.
    head: Vec<u8>,
    body: Vec<u8>,
}

fn message(reader: &mut BufReader<TcpStream>) -> io::Result<Message> {
    let (mut head, mut length) = (Vec::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        head.extend_from_slice(line.as_bytes());
        if line == "\r\n" {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().map_err(|_| io::ErrorKind::InvalidData)?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Message { head, body })
}
