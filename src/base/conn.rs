//! Connections as a state machine knows them: names, and what it asks of the network.

use core::fmt;
use std::collections::VecDeque;

/// One connection of one core. The name is free again once it has been closed from either side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Conn(pub u32);

/// The way to a peer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Route {
    /// Name or address of the peer.
    pub host: String,
    pub port: u16,
    /// Key of the settings of TLS that is spoken with the peer.
    pub tls: Option<u32>,
    /// Path of a Unix socket that is connected to, whatever host and port say.
    pub socket: Option<String>,
    /// Through whom the peer is reached.
    pub tunnel: Option<Box<Tunnel>>,
    /// Which of the addresses of the name is tried first, modulo their number.
    pub first: u32,
}

/// A proxy that is asked to connect us with the peer.
#[derive(Clone, PartialEq, Eq)]
pub struct Tunnel {
    pub host: String,
    pub port: u16,
    /// The head of the request, whole.
    pub request: Vec<u8>,
}

impl fmt::Debug for Tunnel {
    /// The request may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tunnel({}:{})", self.host, self.port)
    }
}

/// What a state machine asks of the network. Carried out in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    Open { conn: Conn, route: Route },
    Write(Conn),
    Close(Conn),
    Pause(Conn),
    Resume(Conn),
}

/// Whose a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// It brings data in: number of the owner.
    Inward(u32),
    /// It takes data out: number of the owner, and which of its connections.
    Outward(u32, u32),
}

/// Gives out names of connections, remembers whose they are, and queues what is asked.
#[derive(Debug, Default)]
pub struct Dialer {
    owners: Vec<Option<Owner>>,
    free: Vec<u32>,
    asks: VecDeque<Ask>,
}

impl Dialer {
    pub fn open(&mut self, owner: Owner, route: Route) -> Conn {
        let index = self.free.pop().unwrap_or_else(|| {
            self.owners.push(None);
            (self.owners.len() - 1) as u32
        });
        self.owners[index as usize] = Some(owner);
        let conn = Conn(index);
        self.asks.push_back(Ask::Open { conn, route });
        conn
    }

    pub fn write(&mut self, conn: Conn) {
        self.asks.push_back(Ask::Write(conn));
    }

    pub fn pause(&mut self, conn: Conn) {
        self.asks.push_back(Ask::Pause(conn));
    }

    pub fn resume(&mut self, conn: Conn) {
        self.asks.push_back(Ask::Resume(conn));
    }

    /// Closes from this side.
    pub fn close(&mut self, conn: Conn) {
        if self.gone(conn).is_some() {
            self.asks.push_back(Ask::Close(conn));
        }
    }

    /// The other side closed, or the connection could not be had: frees the name and says whose it was.
    pub fn gone(&mut self, conn: Conn) -> Option<Owner> {
        let owner = self.owners.get_mut(conn.0 as usize)?.take()?;
        self.free.push(conn.0);
        Some(owner)
    }

    /// `None` for a connection that is closed: its events come too late and mean nothing.
    pub fn owner(&self, conn: Conn) -> Option<Owner> {
        *self.owners.get(conn.0 as usize)?
    }

    pub fn next_ask(&mut self) -> Option<Ask> {
        self.asks.pop_front()
    }
}
