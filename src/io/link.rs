//! One connection: how far it is, what it still has to say, and its next step.

use std::io;
use std::net::SocketAddr;

use crate::base::{Conn, limits};
use crate::io::net::Buffers;
use crate::io::reactor::{Destination, Reactor, Readiness, Socket};
use crate::io::{Cause, Peer};
use crate::tls::Session;

/// Ciphertext read at once. With what the session may hold of an unfinished record (at most 16 KiB and its frame) the
/// plaintext of one read stays within `limits::READ_BYTES`.
const TLS_READ_BYTES: usize = 40 << 10;
/// Plaintext given to the session at once; its ciphertext is written before the next.
const TLS_SEND_BYTES: usize = 64 << 10;

/// Read at once of a proxy's answer.
const TUNNEL_READ_BYTES: usize = 4 << 10;
/// How such an answer begins.
const TUNNEL_START: &[u8] = b"HTTP/1.";

const _: () = assert!(TLS_READ_BYTES + (17 << 10) <= limits::READ_BYTES);

/// The place of a link, and which of the links that lived there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) slot: u32,
    pub(super) generation: u32,
}

impl Key {
    pub(super) fn bits(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.slot)
    }

    pub(super) fn from_bits(bits: u64) -> Key {
        Key { slot: bits as u32, generation: (bits >> 32) as u32 }
    }
}

#[derive(Debug)]
pub(super) struct Link {
    pub(super) conn: Conn,
    key: Key,
    port: u16,
    /// Of the addresses the one to try first, modulo their number.
    first: u32,
    stage: Stage,
    /// What a proxy is to be asked for before anything else.
    tunnel: Option<Vec<u8>>,
    tls: Option<Session>,
    /// Ciphertext the socket has not taken yet, from `sent` on.
    outgoing: Vec<u8>,
    sent: usize,
    /// Plaintext that came along with the end of the handshake; before it the head of a proxy's answer.
    early: Vec<u8>,
    readable: bool,
    writable: bool,
    hangup: bool,
    paused: bool,
    /// `send` took less than it was given.
    refused: bool,
    /// Why writing failed. What the peer had sent before is still read.
    fault: Option<Cause>,
    /// In the queue of links that have a step to take.
    pub(super) queued: bool,
}

#[derive(Debug)]
enum Stage {
    Resolving,
    /// Still to try: `places`, from the end; `last` is why the one before failed.
    Connecting {
        socket: Option<Socket>,
        places: Vec<Destination>,
        last: Cause,
    },
    /// A proxy has been, or is being, asked for a tunnel.
    Tunneling(Socket),
    Handshaking(Socket),
    Open(Socket),
    Over(Cause),
}

/// What a step led to.
#[derive(Debug)]
pub(super) enum Step {
    /// Nothing to tell.
    Quiet,
    Opened,
    Read(Vec<u8>),
    Writable,
    Closed(Cause),
}

impl Link {
    pub(super) fn new(conn: Conn, key: Key, peer: &Peer, tls: Option<Session>) -> Link {
        Link {
            conn,
            key,
            port: peer.port,
            first: peer.first,
            stage: Stage::Resolving,
            tunnel: peer.tunnel.clone(),
            tls,
            outgoing: Vec::new(),
            sent: 0,
            early: Vec::new(),
            readable: false,
            writable: false,
            hangup: false,
            paused: false,
            refused: false,
            fault: None,
            queued: false,
        }
    }

    /// The end of an attempt that never got as far as a socket.
    pub(super) fn fail(&mut self, cause: Cause) {
        self.stage = Stage::Over(cause);
    }

    /// The addresses to try, in order.
    pub(super) fn resolved(&mut self, addresses: Vec<SocketAddr>) {
        let mut addresses = addresses;
        if !addresses.is_empty() {
            let first = self.first as usize % addresses.len();
            addresses.rotate_left(first);
        }
        let port = self.port;
        let places = addresses.into_iter().rev().map(|mut address| {
            address.set_port(port);
            Destination::Net(address)
        });
        self.connect(places.collect());
    }

    /// The places to try, from the end.
    pub(super) fn connect(&mut self, places: Vec<Destination>) {
        let last = Cause::Unreachable;
        self.stage = Stage::Connecting { socket: None, places, last };
        self.writable = true;
    }

    pub(super) fn note(&mut self, news: Readiness) {
        self.readable |= news.readable;
        self.writable |= news.writable;
        self.hangup |= news.hangup;
    }

    pub(super) fn set_paused(&mut self, paused: bool) {
        self.paused = paused;
    }

    /// Whether a step would do something now.
    pub(super) fn has_step(&self) -> bool {
        match self.stage {
            Stage::Resolving => false,
            Stage::Connecting { .. } => self.readable || self.writable || self.hangup,
            Stage::Handshaking(_) | Stage::Tunneling(_) => {
                self.readable || (self.writable && self.is_behind())
            }
            Stage::Open(_) => {
                let reads = (self.readable || !self.early.is_empty()) && !self.paused;
                reads || (self.writable && (self.refused || self.is_behind()))
            }
            Stage::Over(_) => true,
        }
    }

    pub(super) fn step(&mut self, reactor: &mut Reactor, buffers: &mut Buffers) -> Step {
        match self.stage {
            Stage::Resolving => Step::Quiet,
            Stage::Connecting { .. } => self.step_connecting(reactor),
            Stage::Tunneling(_) => self.step_tunneling(buffers),
            Stage::Handshaking(_) => self.step_handshaking(buffers),
            Stage::Open(_) => self.step_open(buffers),
            Stage::Over(ref cause) => Step::Closed(cause.clone()),
        }
    }

    fn step_connecting(&mut self, reactor: &mut Reactor) -> Step {
        let Stage::Connecting { socket, places, last } = &mut self.stage else {
            return Step::Quiet;
        };
        (self.readable, self.writable, self.hangup) = (false, false, false);
        loop {
            if socket.is_none() {
                let Some(place) = places.pop() else {
                    return Step::Closed(last.clone());
                };
                match reactor.connect(self.key, place) {
                    Ok(attempt) => *socket = Some(attempt),
                    Err(error) => {
                        *last = Cause::of(&error);
                        continue;
                    }
                }
            }
            match socket.as_mut().map(Socket::connected) {
                Some(Ok(true)) => break,
                Some(Ok(false)) => return Step::Quiet,
                Some(Err(error)) => *last = Cause::of(&error),
                None => {}
            }
            *socket = None;
        }
        let Some(socket) = socket.take() else {
            return Step::Quiet;
        };
        // Both are tried once, so that the first real wait is a registered one.
        (self.readable, self.writable) = (true, true);
        if let Some(request) = self.tunnel.take() {
            self.outgoing = request;
            self.stage = Stage::Tunneling(socket);
            return Step::Quiet;
        }
        self.reached(socket)
    }

    /// The peer is at the other end of the socket.
    fn reached(&mut self, socket: Socket) -> Step {
        match &mut self.tls {
            None => {
                self.stage = Stage::Open(socket);
                Step::Opened
            }
            Some(session) => {
                session.outgoing(&mut self.outgoing);
                self.stage = Stage::Handshaking(socket);
                Step::Quiet
            }
        }
    }

    /// Reads the proxy's answer: a head and nothing more, because the peer has not been spoken to yet.
    // spec: RFC 9110 §9.3.6
    fn step_tunneling(&mut self, buffers: &mut Buffers) -> Step {
        self.flush();
        if !self.readable {
            return Step::Quiet;
        }
        let scratch = &mut buffers.scratch()[..TUNNEL_READ_BYTES];
        match self.fill(scratch) {
            Filled::Bytes(bytes) => self.early.extend_from_slice(&scratch[..bytes]),
            Filled::Nothing => return Step::Quiet,
            Filled::Closed(cause) => return Step::Closed(cause),
        }
        match tunnel_answer(&self.early) {
            Ok(false) => return Step::Quiet,
            Ok(true) => self.early.clear(),
            Err(why) => return Step::Closed(Cause::Tunnel(why)),
        }
        match core::mem::replace(&mut self.stage, Stage::Resolving) {
            Stage::Tunneling(socket) => self.reached(socket),
            _ => Step::Quiet,
        }
    }

    fn step_handshaking(&mut self, buffers: &mut Buffers) -> Step {
        self.flush();
        let mut early = core::mem::take(&mut self.early);
        let decrypted = self.decrypt(buffers, &mut early);
        self.early = early;
        match decrypted {
            Decrypted { closed: Some(cause), .. } => Step::Closed(cause),
            Decrypted { ready: true, .. } => {
                self.stage = match core::mem::replace(&mut self.stage, Stage::Resolving) {
                    Stage::Handshaking(socket) => Stage::Open(socket),
                    other => other,
                };
                Step::Opened
            }
            Decrypted { ready: false, .. } => Step::Quiet,
        }
    }

    fn step_open(&mut self, buffers: &mut Buffers) -> Step {
        if self.writable && (self.refused || self.is_behind()) {
            self.flush();
            if self.refused && self.writable && !self.is_behind() {
                self.refused = false;
                return Step::Writable;
            }
        }
        if self.paused {
            return Step::Quiet;
        }
        if !self.early.is_empty() {
            return Step::Read(core::mem::take(&mut self.early));
        }
        if !self.readable {
            return Step::Quiet;
        }
        if self.tls.is_none() {
            return match self.fill(buffers.scratch()) {
                Filled::Bytes(bytes) => Step::Read(buffers.taken(bytes)),
                Filled::Nothing => Step::Quiet,
                Filled::Closed(cause) => Step::Closed(cause),
            };
        }
        let mut plain = buffers.empty();
        match self.decrypt(buffers, &mut plain).closed {
            Some(cause) if plain.is_empty() => Step::Closed(cause),
            Some(cause) => {
                self.fail(cause);
                Step::Read(plain)
            }
            None if plain.is_empty() => {
                buffers.recycle(plain);
                Step::Quiet
            }
            None => Step::Read(plain),
        }
    }

    /// Gives bytes to the socket, or to the session and what that makes of them to the socket; says how many were
    /// taken. Nothing is taken before the link is open.
    pub(super) fn send(&mut self, bytes: &[u8]) -> usize {
        if self.fault.is_some() {
            return 0;
        }
        let Stage::Open(socket) = &mut self.stage else {
            return 0;
        };
        let mut taken = 0;
        if self.tls.is_none() {
            match write(socket, bytes, &mut taken) {
                Ok(()) => {}
                Err(error) => self.stuck(&error),
            }
        } else {
            while taken < bytes.len() && self.fault.is_none() {
                self.flush();
                if self.is_behind() {
                    break;
                }
                let Some(session) = &mut self.tls else { break };
                let upto = bytes.len().min(taken + TLS_SEND_BYTES);
                let accepted = session.send(&bytes[taken..upto]);
                session.outgoing(&mut self.outgoing);
                taken += accepted;
                if accepted == 0 && !self.is_behind() {
                    self.fault = Some(Cause::Tls("the session takes no more bytes".to_owned()));
                    self.readable = true;
                }
            }
            self.flush();
        }
        self.refused = taken < bytes.len() && self.fault.is_none();
        taken
    }

    /// Says good-bye where the protocol has a word for it; dropping the link then closes the socket.
    pub(super) fn part(&mut self) {
        if let (Stage::Open(_), Some(session)) = (&self.stage, &mut self.tls) {
            session.close();
            session.outgoing(&mut self.outgoing);
            self.flush();
        }
    }

    /// Ciphertext waits for the socket.
    fn is_behind(&self) -> bool {
        self.sent < self.outgoing.len()
    }

    /// One read into `into`.
    fn fill(&mut self, into: &mut [u8]) -> Filled {
        let tunneling = matches!(self.stage, Stage::Tunneling(_));
        let (Stage::Tunneling(socket) | Stage::Handshaking(socket) | Stage::Open(socket)) =
            &mut self.stage
        else {
            return Filled::Nothing;
        };
        let end = match socket.read(into) {
            Ok(taken) if taken.bytes > 0 => {
                self.readable = !taken.drained || self.hangup;
                return Filled::Bytes(taken.bytes);
            }
            Ok(_) if tunneling => Cause::Tunnel("it closed the connection".to_owned()),
            Ok(_) if self.tls.is_none() => Cause::Ended,
            // What came before may have been cut; the caller must not take the end for an orderly one.
            Ok(_) => Cause::Tls("the peer closed the connection without close_notify".to_owned()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Filled::Nothing,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.readable = false;
                match self.fault.take() {
                    Some(fault) => return Filled::Closed(fault),
                    None => return Filled::Nothing,
                }
            }
            Err(error) => Cause::of(&error),
        };
        Filled::Closed(self.fault.take().unwrap_or(end))
    }

    /// One read of ciphertext, and what the session makes of it.
    fn decrypt(&mut self, buffers: &mut Buffers, plain: &mut Vec<u8>) -> Decrypted {
        let mut decrypted = Decrypted { ready: false, closed: None };
        if !self.readable {
            return decrypted;
        }
        let scratch = &mut buffers.scratch()[..TLS_READ_BYTES];
        let bytes = match self.fill(scratch) {
            Filled::Bytes(bytes) => bytes,
            Filled::Nothing => return decrypted,
            Filled::Closed(cause) => {
                decrypted.closed = Some(cause);
                return decrypted;
            }
        };
        let Some(session) = &mut self.tls else {
            return decrypted;
        };
        match session.receive(&scratch[..bytes], plain) {
            Ok(received) => {
                decrypted.ready = received.ready;
                decrypted.closed = received.closed.then_some(Cause::Ended);
            }
            Err(error) => decrypted.closed = Some(Cause::Tls(error.to_string())),
        }
        // An answer to the handshake, a key update, or the alert that tells the peer what was wrong.
        session.outgoing(&mut self.outgoing);
        self.flush();
        decrypted
    }

    /// Writes what ciphertext waits, as far as the socket takes it.
    fn flush(&mut self) {
        if !self.is_behind() {
            return;
        }
        let (Stage::Tunneling(socket) | Stage::Handshaking(socket) | Stage::Open(socket)) =
            &mut self.stage
        else {
            return;
        };
        let mut taken = 0;
        let outcome = write(socket, &self.outgoing[self.sent..], &mut taken);
        self.sent += taken;
        if let Err(error) = outcome {
            self.stuck(&error);
        }
        if !self.is_behind() || self.fault.is_some() {
            self.outgoing.clear();
            self.sent = 0;
        }
    }

    /// The socket took less than everything.
    fn stuck(&mut self, error: &io::Error) {
        if error.kind() == io::ErrorKind::WouldBlock {
            self.writable = false;
        } else {
            self.fault = Some(Cause::of(error));
            // What the peer said before it broke off is still worth hearing, and the end of it is noticed by reading.
            self.readable = true;
        }
    }
}

/// True if the answer of a proxy is whole, and good.
fn tunnel_answer(answer: &[u8]) -> Result<bool, String> {
    let start = &answer[..answer.len().min(TUNNEL_START.len())];
    if !TUNNEL_START.starts_with(start) {
        return Err(format!("it does not speak HTTP/1: \"{}\"", start.escape_ascii()));
    }
    let Some(end) = memmem(answer, b"\r\n\r\n") else {
        return match answer.len() > limits::HEAD_BYTES {
            true => Err("its answer is too long".to_owned()),
            false => Ok(false),
        };
    };
    let line = answer.split(|byte| *byte == b'\r').next().unwrap_or_default();
    // After `HTTP/1.x `.
    let status = line.get(TUNNEL_START.len() + 2..).unwrap_or_default();
    if !status.starts_with(b"2") {
        return Err(format!("it answered {}", String::from_utf8_lossy(status)));
    }
    match answer.len() == end + 4 {
        true => Ok(true),
        false => Err("it sent more than was asked for".to_owned()),
    }
}

/// Where `wanted` begins in `bytes`.
fn memmem(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

/// What one read of the socket brought.
enum Filled {
    Bytes(usize),
    Nothing,
    Closed(Cause),
}

/// What one read of ciphertext led to, besides plaintext.
struct Decrypted {
    ready: bool,
    closed: Option<Cause>,
}

/// Writes until everything is taken or the socket takes no more; `taken` counts also when it fails.
fn write(socket: &mut Socket, bytes: &[u8], taken: &mut usize) -> io::Result<()> {
    while *taken < bytes.len() {
        match socket.write(&bytes[*taken..]) {
            Ok(0) => return Err(io::Error::from(io::ErrorKind::WriteZero)),
            Ok(more) => *taken += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxys_answer_is_whole_and_good_or_it_is_refused() {
        for (answer, wanted) in [
            ("", Ok(false)),
            ("HT", Ok(false)),
            ("HTTP/1.1 200 OK\r\nA: b\r\n", Ok(false)),
            ("HTTP/1.1 200 OK\r\nA: b\r\n\r\n", Ok(true)),
            ("HTTP/1.0 204\r\n\r\n", Ok(true)),
            ("HTTP/1.1 200 OK\r\n\r\nx", Err("more than was asked")),
            ("HTTP/1.1 407 Who?\r\n\r\nwords", Err("it answered 407 Who?")),
            ("HTTP/1.1\r\n\r\n", Err("it answered ")),
            ("SSH-2.0", Err("does not speak HTTP/1")),
        ] {
            let found = tunnel_answer(answer.as_bytes());
            match wanted {
                Ok(whole) => assert_eq!(found, Ok(whole), "{answer:?}"),
                Err(why) => assert!(found.is_err_and(|found| found.contains(why)), "{answer:?}"),
            }
        }
        assert!(
            tunnel_answer(&[b"HTTP/1.1 200 ".to_vec(), vec![b'x'; 65 << 10]].concat()).is_err()
        );
    }
}
