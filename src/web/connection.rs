//! Connections of the admin server: counted, and closed when they make no progress.

use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep};
use tokio_rustls::server::TlsStream;
use tokio_rustls::{Accept, TlsAcceptor};

use crate::web::Gate;

/// Pause after a failed accept, most likely for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Accepts when a connection is free; until then, callers wait in the socket's queue (spec: CLI-8).
pub(super) struct Doorway {
    pub(super) listener: TcpListener,
    /// Shared by all listeners.
    pub(super) free: Arc<Semaphore>,
    pub(super) patience: Duration,
    /// Says whether connections speak TLS, and with which certificate.
    pub(super) gate: Arc<Gate>,
}

impl Listener for Doorway {
    type Io = Guest;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Guest, SocketAddr) {
        loop {
            let permit = Arc::clone(&self.free).acquire_owned().await.ok();
            match self.listener.accept().await {
                Ok((stream, address)) => {
                    let patience = self.patience;
                    let limit = Box::pin(sleep(patience));
                    let line = match &self.gate.rules().tls {
                        // The handshake is done as the connection is read, so that nobody waits for it but itself.
                        Some(tls) => Line::Opening(Box::new(
                            TlsAcceptor::from(Arc::clone(tls)).accept(stream),
                        )),
                        None => Line::Plain(stream),
                    };
                    return (Guest { line, limit, patience, _permit: permit }, address);
                }
                Err(_) => sleep(ACCEPT_PAUSE).await,
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection whose patience begins anew with every byte that the other side takes, but not with bytes it sends:
/// a request that comes in drop by drop runs out of time (spec: CLI-7).
pub(super) struct Guest {
    line: Line,
    limit: Pin<Box<Sleep>>,
    patience: Duration,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Guest {
    fn wait<T>(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        self.limit.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }

    fn took(
        &mut self,
        taken: Poll<io::Result<usize>>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        match taken {
            Poll::Ready(Ok(bytes)) => {
                let limit = Instant::now() + self.patience;
                self.limit.as_mut().reset(limit);
                Poll::Ready(Ok(bytes))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => self.wait(cx),
        }
    }
}

/// What the bytes go through.
enum Line {
    Plain(TcpStream),
    Opening(Box<Accept<TcpStream>>),
    Secure(Box<TlsStream<TcpStream>>),
}

trait Wire: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> Wire for T {}

impl Line {
    /// Ends the handshake first, if there is one.
    fn open(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Pin<&mut dyn Wire>>> {
        if let Line::Opening(accept) = self {
            match Pin::new(accept.as_mut()).poll(cx) {
                Poll::Ready(Ok(stream)) => *self = Line::Secure(Box::new(stream)),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(match self {
            Line::Plain(stream) => Ok(Pin::new(stream)),
            Line::Secure(stream) => Ok(Pin::new(stream.as_mut())),
            Line::Opening(_) => Err(io::ErrorKind::NotConnected.into()),
        })
    }
}

impl AsyncRead for Guest {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = match self.line.open(cx) {
            Poll::Ready(Ok(wire)) => wire.poll_read(cx, buf),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => Poll::Pending,
        };
        match read {
            Poll::Pending => self.wait(cx),
            ready => ready,
        }
    }
}

impl AsyncWrite for Guest {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let taken = match self.line.open(cx) {
            Poll::Ready(Ok(wire)) => wire.poll_write(cx, buf),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => Poll::Pending,
        };
        self.took(taken, cx)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = match self.line.open(cx) {
            Poll::Ready(Ok(wire)) => wire.poll_flush(cx),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => Poll::Pending,
        };
        // TLS keeps bytes back that the socket does not take.
        match flushed {
            Poll::Pending => self.wait(cx),
            ready => ready,
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = match &mut self.line {
            Line::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Line::Secure(stream) => Pin::new(stream.as_mut()).poll_shutdown(cx),
            Line::Opening(_) => Poll::Ready(Ok(())),
        };
        match shut {
            Poll::Pending => self.wait(cx),
            ready => ready,
        }
    }
}
