//! The source of readiness under a core's network, and the sockets that it watches: one of two.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::base::Instant;
use crate::io::epoll::{EpollReactor, EpollSocket};
use crate::io::link::Key;
use crate::io::uring::{UringReactor, UringSocket};
use crate::io::{Bell, Clock};

/// News of one socket. A hint: what it says is tried, and may turn out to be old.
#[derive(Clone, Copy, Debug)]
pub(super) struct Readiness {
    pub(super) key: Key,
    pub(super) readable: bool,
    pub(super) writable: bool,
    /// The peer sent its end or an error waits: read on until that is seen.
    pub(super) hangup: bool,
}

/// What one read brought.
#[derive(Clone, Copy, Debug)]
pub(super) struct Taken {
    /// 0: the peer ended the stream.
    pub(super) bytes: usize,
    /// Nothing more is there now; readiness will tell when there is.
    pub(super) drained: bool,
}

/// What can be connected to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Destination {
    Net(SocketAddr),
    Unix(PathBuf),
}

#[derive(Debug)]
pub(super) enum Reactor {
    Epoll(EpollReactor),
    Uring(UringReactor),
}

#[derive(Debug)]
pub(super) enum Socket {
    Epoll(EpollSocket),
    Uring(UringSocket),
}

impl Reactor {
    /// Starts connecting; `Socket::connected` tells how it went.
    pub(super) fn connect(&mut self, key: Key, place: Destination) -> io::Result<Socket> {
        match self {
            Reactor::Epoll(epoll) => epoll.connect(key, place).map(Socket::Epoll),
            Reactor::Uring(uring) => Ok(Socket::Uring(uring.connect(key, place))),
        }
    }

    /// Sleeps until there is news, the bell rings or `until` has passed, and always asks the system once.
    pub(super) async fn turn(
        &mut self,
        clock: &Clock,
        bell: &Bell,
        until: Instant,
        news: &mut Vec<Readiness>,
    ) {
        match self {
            Reactor::Epoll(epoll) => epoll.turn(clock, bell, until, news),
            Reactor::Uring(uring) => uring.turn(clock, bell, until, news).await,
        }
    }
}

impl Socket {
    /// False: not yet, there will be news.
    pub(super) fn connected(&mut self) -> io::Result<bool> {
        match self {
            Socket::Epoll(socket) => socket.connected(),
            Socket::Uring(socket) => socket.connected(),
        }
    }

    /// `WouldBlock`: there will be news when it is readable.
    pub(super) fn read(&mut self, into: &mut [u8]) -> io::Result<Taken> {
        match self {
            Socket::Epoll(socket) => socket.read(into),
            Socket::Uring(socket) => socket.read(into),
        }
    }

    /// `WouldBlock`: there will be news when it is writable.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Socket::Epoll(socket) => socket.write(bytes),
            Socket::Uring(socket) => socket.write(bytes),
        }
    }
}
