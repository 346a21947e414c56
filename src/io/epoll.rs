//! Readiness from epoll, edge-triggered, through mio.

use std::io::{self, Read, Write};
use std::time::Duration;

use mio::net::{TcpStream, UnixStream};
use mio::{Events, Interest, Poll, Token};

use crate::base::Instant;
use crate::io::bell::Ear;
use crate::io::link::Key;
use crate::io::reactor::{Destination, Readiness, Taken};
use crate::io::{Bell, Clock};

/// Events taken from the kernel at once; more wait there.
const EVENTS: usize = 1024;
/// The token of the bell; no key has it, because a slot stays below `u32::MAX`.
const BELL: Token = Token(usize::MAX);

const _: () = assert!(usize::BITS == 64, "a token holds a whole key");

#[derive(Debug)]
pub(super) struct EpollReactor {
    poll: Poll,
    events: Events,
}

#[derive(Debug)]
pub(super) enum EpollSocket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl EpollReactor {
    pub(super) fn new(bell: &Bell) -> io::Result<EpollReactor> {
        let poll = Poll::new()?;
        bell.listen(Ear::Epoll(mio::Waker::new(poll.registry(), BELL)?));
        Ok(EpollReactor { poll, events: Events::with_capacity(EVENTS) })
    }

    pub(super) fn connect(&mut self, key: Key, place: Destination) -> io::Result<EpollSocket> {
        let interest = Interest::READABLE | Interest::WRITABLE;
        let token = Token(key.bits() as usize);
        let registry = self.poll.registry();
        // Closing the socket is what ends this: the kernel forgets a closed descriptor by itself.
        match place {
            Destination::Net(address) => {
                let mut stream = TcpStream::connect(address)?;
                stream.set_nodelay(true)?;
                registry.register(&mut stream, token, interest)?;
                Ok(EpollSocket::Tcp(stream))
            }
            Destination::Unix(path) => {
                let mut stream = UnixStream::connect(path)?;
                registry.register(&mut stream, token, interest)?;
                Ok(EpollSocket::Unix(stream))
            }
        }
    }

    pub(super) fn turn(
        &mut self,
        clock: &Clock,
        bell: &Bell,
        until: Instant,
        news: &mut Vec<Readiness>,
    ) {
        let mut timeout = match until {
            Instant::NEVER => None,
            // Rounded up to milliseconds below this call, so that it never returns early and spins.
            _ => Some(until.since(clock.instant())),
        };
        if timeout != Some(Duration::ZERO) && !bell.doze() {
            timeout = Some(Duration::ZERO);
        }
        // The only error here is an interruption by a signal: nothing happened then, the caller asks again.
        let asked = self.poll.poll(&mut self.events, timeout);
        bell.rise();
        if asked.is_err() {
            return;
        }
        for event in self.events.iter().filter(|event| event.token() != BELL) {
            news.push(Readiness {
                key: Key::from_bits(event.token().0 as u64),
                readable: event.is_readable() || event.is_read_closed() || event.is_error(),
                writable: event.is_writable() || event.is_write_closed(),
                hangup: event.is_read_closed() || event.is_error(),
            });
        }
    }
}

impl EpollSocket {
    pub(super) fn connected(&mut self) -> io::Result<bool> {
        let (error, peer) = match self {
            EpollSocket::Tcp(stream) => (stream.take_error()?, stream.peer_addr().map(drop)),
            EpollSocket::Unix(stream) => (stream.take_error()?, stream.peer_addr().map(drop)),
        };
        match (error, peer) {
            (Some(error), _) => Err(error),
            (None, Ok(())) => Ok(true),
            (None, Err(error)) if error.kind() == io::ErrorKind::NotConnected => Ok(false),
            (None, Err(error)) => Err(error),
        }
    }

    /// A short read empties the socket: the next byte makes a new edge. (An end that had come with the bytes does not;
    /// that is what `Readiness::hangup` is for.)
    pub(super) fn read(&mut self, into: &mut [u8]) -> io::Result<Taken> {
        let bytes = match self {
            EpollSocket::Tcp(stream) => stream.read(into)?,
            EpollSocket::Unix(stream) => stream.read(into)?,
        };
        Ok(Taken { bytes, drained: bytes < into.len() })
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            EpollSocket::Tcp(stream) => stream.write(bytes),
            EpollSocket::Unix(stream) => stream.write(bytes),
        }
    }
}
