//! What a core asks of its network and what it hears back.

use std::fmt;
use std::io;

use crate::base::Conn;

/// Whom to connect to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peer {
    /// A name, or an address literal; IPv6 with or without brackets.
    pub host: String,
    pub port: u16,
    /// Path of a Unix socket that is connected to instead.
    pub socket: Option<String>,
    /// Which of the addresses of the name is tried first, modulo their number.
    pub first: u32,
    /// The request to a proxy for a tunnel to the true peer, whole: no byte is exchanged with the peer before the proxy
    /// has answered with a status of 200 to 299.
    pub tunnel: Option<Vec<u8>>,
    /// `None`: plain TCP.
    pub tls: Option<TlsPeer>,
}

/// How to speak TLS to a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsPeer {
    /// Key of a configuration given to `Net::set_tls`.
    pub config: u32,
    /// The name that the certificate must carry.
    pub server_name: String,
}

/// Something that happened on a core.
#[derive(Debug, PartialEq, Eq)]
pub enum Completion {
    /// Connected, and the TLS handshake is done when one was asked for.
    Opened(Conn),
    /// Plaintext, 1 to `limits::READ_BYTES` bytes. Give the buffer back with `Net::recycle`.
    Read(Conn, Vec<u8>),
    /// `Net::send` took less than it was given; now it makes sense to try again.
    Writable(Conn),
    /// The connection is gone, or was never made; nothing more follows for it.
    Closed(Conn, Cause),
    /// Somebody rang: look at the mail.
    Bell,
}

/// Why a connection is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The peer ended it in order (FIN, and close_notify under TLS).
    Ended,
    /// Nobody listens there.
    Refused,
    /// The peer broke it off (RST), or we wrote after it had left.
    Reset,
    /// No way there: no route, host or network down, or the kernel gave up trying.
    Unreachable,
    /// The name has no address; says why.
    Resolve(String),
    /// The TLS session failed; says why.
    Tls(String),
    /// The proxy does not connect us; says why.
    Tunnel(String),
    /// Any other error of the socket; says which.
    Other(String),
}

impl Cause {
    pub(super) fn of(error: &io::Error) -> Cause {
        use io::ErrorKind as Kind;
        match error.kind() {
            Kind::ConnectionRefused => Cause::Refused,
            Kind::ConnectionReset | Kind::ConnectionAborted | Kind::BrokenPipe => Cause::Reset,
            Kind::HostUnreachable
            | Kind::NetworkUnreachable
            | Kind::NetworkDown
            | Kind::TimedOut => Cause::Unreachable,
            _ => Cause::Other(error.to_string()),
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::Ended => f.write_str("the peer closed the connection"),
            Cause::Refused => f.write_str("connection refused"),
            Cause::Reset => f.write_str("connection reset by the peer"),
            Cause::Unreachable => f.write_str("the peer cannot be reached"),
            Cause::Resolve(why) => write!(f, "the name cannot be resolved: {why}"),
            Cause::Tls(why) => write!(f, "TLS: {why}"),
            Cause::Tunnel(why) => write!(f, "proxy: {why}"),
            Cause::Other(why) => write!(f, "network error: {why}"),
        }
    }
}
