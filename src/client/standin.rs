//! A server for tests: notes what is asked and answers what it is told to.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

pub struct StandIn {
    scheme: &'static str,
    port: u16,
    seen: Receiver<String>,
}

impl StandIn {
    /// `answer`: from a request, head and body as text, to a whole answer.
    pub fn start<A: Into<String>>(answer: impl Fn(&str) -> A + Copy + Send + 'static) -> StandIn {
        StandIn::serve("http", move |stream, sender| converse(stream, sender, answer))
    }

    /// Speaks TLS, as whom the pair was made for.
    pub fn start_tls<A: Into<String>>(
        pair: &rcgen::CertifiedKey<rcgen::KeyPair>,
        answer: impl Fn(&str) -> A + Copy + Send + 'static,
    ) -> StandIn {
        let key = PrivateKeyDer::try_from(pair.signing_key.serialize_der()).expect("a key");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![pair.cert.der().clone()], key)
            .expect("a certificate");
        let config = Arc::new(config);
        StandIn::serve("https", move |stream, sender| {
            let session = ServerConnection::new(Arc::clone(&config)).expect("a session");
            converse(StreamOwned::new(session, stream), sender, answer);
        })
    }

    fn serve(
        scheme: &'static str,
        answer: impl Fn(TcpStream, &Sender<String>) + Clone + Send + 'static,
    ) -> StandIn {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let port = listener.local_addr().expect("an address").port();
        let (sender, seen) = channel();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (sender, answer) = (sender.clone(), answer.clone());
                thread::spawn(move || answer(stream, &sender));
            }
        });
        StandIn { scheme, port, seen }
    }

    pub fn url(&self, target: &str) -> String {
        format!("{}://127.0.0.1:{}{target}", self.scheme, self.port)
    }

    /// What was asked so far.
    pub fn requests(&self) -> Vec<String> {
        self.seen.try_iter().collect()
    }
}

/// Answers until the peer leaves.
fn converse<A: Into<String>>(
    stream: impl Read + Write,
    seen: &Sender<String>,
    answer: impl Fn(&str) -> A,
) {
    let mut reader = BufReader::new(stream);
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
        if reader.get_mut().write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}
