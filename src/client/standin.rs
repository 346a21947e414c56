//! A server for tests: notes what is asked and answers what it is told to.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

pub struct StandIn {
    port: u16,
    seen: Receiver<String>,
}

impl StandIn {
    /// `answer`: from a request, head and body as text, to a whole answer.
    pub fn start<A: Into<String>>(answer: impl Fn(&str) -> A + Copy + Send + 'static) -> StandIn {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let port = listener.local_addr().expect("an address").port();
        let (sender, seen) = channel();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let sender = sender.clone();
                thread::spawn(move || converse(stream, &sender, answer));
            }
        });
        StandIn { port, seen }
    }

    pub fn url(&self, target: &str) -> String {
        format!("http://127.0.0.1:{}{target}", self.port)
    }

    /// What was asked so far.
    pub fn requests(&self) -> Vec<String> {
        self.seen.try_iter().collect()
    }
}

/// Answers until the peer leaves.
fn converse<A: Into<String>>(
    mut stream: TcpStream,
    seen: &Sender<String>,
    answer: impl Fn(&str) -> A,
) {
    let mut reader = BufReader::new(stream.try_clone().expect("a copy"));
    loop {
        let (mut request, mut length) = (String::new(), 0);
        loop {
            let before = request.len();
            if !reader.read_line(&mut request).is_ok_and(|bytes| bytes > 0) {
                return;
            }
            let line = request[before..].to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().expect("a number");
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).expect("a body");
        request.push_str(&String::from_utf8_lossy(&body));
        let answer: String = answer(&request).into();
        seen.send(request).ok();
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}
