//! Readiness from io_uring, through glommio.
//!
//! glommio tells a waker when a socket is ready. Every socket here has wakers of its own that write its key on a list
//! and wake the core's one task: no task per connection, so none to cancel (runtime R2, D3), and one wake of the
//! core however many sockets are ready.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::Shutdown;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender};
use futures_lite::io::{AsyncRead, AsyncWrite};
use glommio::GlommioError;
use glommio::net::{TcpStream, UnixStream};
use glommio::timer::Timer;

use crate::base::Instant;
use crate::io::bell::Ear;
use crate::io::link::Key;
use crate::io::reactor::{Destination, Readiness, Taken};
use crate::io::{Bell, Clock};

/// Going pending on a timer empties the executor's queue, and only then does it look at its rings.
// spec: runtime R3
const SHORTEST: Duration = Duration::from_micros(1);

#[derive(Debug)]
pub(super) struct UringReactor {
    bell: Bell,
    core: Waker,
    nudges: Sender<Readiness>,
    nudged: Receiver<Readiness>,
}

pub(super) struct UringSocket {
    state: State,
    reader: Waker,
    writer: Waker,
}

enum State {
    Connecting(Pin<Box<dyn Future<Output = Result<Stream, GlommioError<()>>>>>),
    Connected(Stream),
}

enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    async fn connect(place: Destination) -> Result<Stream, GlommioError<()>> {
        match place {
            Destination::Net(address) => {
                let stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                Ok(Stream::Tcp(stream))
            }
            Destination::Unix(path) => UnixStream::connect(path).await.map(Stream::Unix),
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        match self {
            Stream::Tcp(stream) => Pin::new(stream).poll_read(cx, into),
            Stream::Unix(stream) => Pin::new(stream).poll_read(cx, into),
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Stream::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    /// Fails when the peer was faster, which is no matter.
    fn shut_down(&self, cx: &mut Context<'_>) {
        match self {
            Stream::Tcp(stream) => drop(stream.poll_shutdown(cx, Shutdown::Both)),
            // Has no such call: the peer hears of the end in the next turn.
            Stream::Unix(_) => {}
        }
    }
}

/// A waker that remembers whom it wakes for.
struct Nudge {
    readiness: Readiness,
    nudges: Sender<Readiness>,
    core: Waker,
}

impl Wake for Nudge {
    fn wake(self: Arc<Nudge>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Nudge>) {
        // The list ends with the core, and then nobody is to be woken.
        if self.nudges.send(self.readiness).is_ok() {
            self.core.wake_by_ref();
        }
    }
}

impl UringReactor {
    /// Inside the core's one task, whose waker stays the same to its end.
    pub(super) async fn new(bell: Bell) -> UringReactor {
        let core = poll_fn(|cx| Poll::Ready(cx.waker().clone())).await;
        bell.listen(Ear::Uring(core.clone()));
        // Bounded by the sockets: each has at most one read and one write waiting.
        let (nudges, nudged) = crossbeam_channel::unbounded();
        UringReactor { bell, core, nudges, nudged }
    }

    pub(super) fn connect(&mut self, key: Key, place: Destination) -> UringSocket {
        let waker = |readable: bool| {
            let readiness = Readiness { key, readable, writable: !readable, hangup: false };
            let (nudges, core) = (self.nudges.clone(), self.core.clone());
            Waker::from(Arc::new(Nudge { readiness, nudges, core }))
        };
        UringSocket {
            state: State::Connecting(Box::pin(Stream::connect(place))),
            reader: waker(true),
            writer: waker(false),
        }
    }

    pub(super) async fn turn(
        &mut self,
        clock: &Clock,
        bell: &Bell,
        until: Instant,
        news: &mut Vec<Readiness>,
    ) {
        let mut alarm = None;
        let mut slept = false;
        poll_fn(|cx| {
            if slept {
                let over = !self.nudged.is_empty() || bell.is_rung() || clock.instant() >= until;
                return if over { Poll::Ready(()) } else { Poll::Pending };
            }
            slept = true;
            let mut nap = until.since(clock.instant());
            if !nap.is_zero() && (!self.nudged.is_empty() || !bell.doze()) {
                nap = Duration::ZERO;
            }
            if nap.is_zero() || until != Instant::NEVER {
                alarm = Some(set_alarm(nap, cx));
            }
            Poll::Pending
        })
        .await;
        bell.rise();
        news.extend(self.nudged.try_iter());
    }
}

impl Drop for UringReactor {
    fn drop(&mut self) {
        // The last copy of the task's waker should be dropped on the task's own thread.
        self.bell.listen(Ear::Deaf);
    }
}

/// A timer that will wake the task, polled exactly once: this version of glommio enters a timer anew each time that it
/// is polled.
fn set_alarm(nap: Duration, cx: &mut Context<'_>) -> Timer {
    let mut nap = nap.max(SHORTEST);
    loop {
        let mut timer = Timer::new(nap);
        if Pin::new(&mut timer).poll(cx).is_pending() {
            return timer;
        }
        // The thread was stopped for longer than that between the two lines.
        nap *= 2;
    }
}

impl UringSocket {
    pub(super) fn connected(&mut self) -> io::Result<bool> {
        let State::Connecting(attempt) = &mut self.state else {
            return Ok(true);
        };
        match attempt.as_mut().poll(&mut Context::from_waker(&self.reader)) {
            Poll::Pending => Ok(false),
            Poll::Ready(Err(error)) => Err(error.into()),
            Poll::Ready(Ok(stream)) => {
                self.state = State::Connected(stream);
                Ok(true)
            }
        }
    }

    pub(super) fn read(&mut self, into: &mut [u8]) -> io::Result<Taken> {
        let State::Connected(stream) = &mut self.state else {
            return Err(not_now());
        };
        let cx = &mut Context::from_waker(&self.reader);
        let bytes = ready(stream.poll_read(cx, into))?;
        if bytes == 0 || bytes == into.len() {
            return Ok(Taken { bytes, drained: false });
        }
        // A short read has asked the ring for news already, but without our waker: this adds it, and makes no system
        // call. Should it bring bytes all the same, they are as good as the first ones.
        match ready(stream.poll_read(cx, &mut into[bytes..])) {
            Ok(more) => Ok(Taken { bytes: bytes + more, drained: false }),
            Err(error) => Ok(Taken { bytes, drained: error.kind() == io::ErrorKind::WouldBlock }),
        }
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let State::Connected(stream) = &mut self.state else {
            return Err(not_now());
        };
        ready(stream.poll_write(&mut Context::from_waker(&self.writer), bytes))
    }
}

impl Drop for UringSocket {
    fn drop(&mut self) {
        // The ring holds the socket until it has been told to forget it, in the next turn; the peer should not have to
        // wait for that.
        if let State::Connected(stream) = &self.state {
            stream.shut_down(&mut Context::from_waker(Waker::noop()));
        }
    }
}

impl fmt::Debug for UringSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UringSocket").finish_non_exhaustive()
    }
}

fn not_now() -> io::Error {
    io::Error::from(io::ErrorKind::WouldBlock)
}

fn ready(poll: Poll<io::Result<usize>>) -> io::Result<usize> {
    match poll {
        Poll::Ready(result) => result,
        Poll::Pending => Err(not_now()),
    }
}
