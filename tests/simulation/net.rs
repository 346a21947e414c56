//! The network between shards and their peers: bytes in order, in pieces of any size, late, or never.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use corelane::base::{Conn, Instant};

/// What a peer sends back over a connection.
#[derive(Debug)]
pub struct Answer {
    /// Each after a pause.
    pub pieces: Vec<(Duration, Vec<u8>)>,
    pub ending: Ending,
    /// What the last byte completes: a page of an exporter, a request of a remote. None if it completes nothing.
    pub tag: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    Keep,
    Close,
    Reset,
    /// Nothing more ever comes.
    Hang,
    /// What came was no answer: who goes on talking over this connection has not noticed.
    Spoilt,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    Exporter(usize),
    Remote(usize),
    /// No such host.
    Nobody,
}

/// One connection, from the shard's wish until neither side knows it.
#[derive(Debug)]
pub struct Link {
    pub life: u32,
    pub shard: u16,
    pub conn: Conn,
    pub peer: Peer,
    pub open: bool,
    pub opened: Instant,
    /// The shard has sent something.
    pub used: bool,
    pub paused: bool,
    /// The shard has let go of it, or died.
    pub forgotten: bool,
    /// Arrived and not yet handed to the shard.
    pub inbound: VecDeque<Piece>,
    pub ended: Option<(bool, &'static str)>,
    pub take_due: bool,
    /// When the shard set about the exchange that is under way.
    pub began: Option<Instant>,
    /// Bytes of a request at the peer.
    pub request: Vec<u8>,
    /// A whole request is being answered.
    pub busy: bool,
    /// The peer has sent what is no answer.
    pub spoilt: bool,
    /// The peer neither reads nor answers any more.
    pub deaf: bool,
    /// Nothing may overtake what was sent before.
    pub to_peer: Instant,
    pub to_shard: Instant,
}

#[derive(Debug)]
pub struct Piece {
    pub bytes: Vec<u8>,
    pub completes: Option<usize>,
}

#[derive(Debug, Default)]
pub struct Net {
    pub links: BTreeMap<u32, Link>,
    made: u32,
}

impl Net {
    pub fn open(&mut self, life: u32, shard: u16, conn: Conn, peer: Peer, now: Instant) -> u32 {
        self.made += 1;
        self.links.insert(
            self.made,
            Link {
                life,
                shard,
                conn,
                peer,
                open: false,
                opened: now,
                used: false,
                paused: false,
                forgotten: false,
                inbound: VecDeque::new(),
                ended: None,
                take_due: false,
                began: Some(now),
                request: Vec::new(),
                busy: false,
                spoilt: false,
                deaf: false,
                to_peer: now,
                to_shard: now,
            },
        );
        self.made
    }

    pub fn peer(host: &str, exporters: usize, remotes: usize) -> Peer {
        let number = |prefix: &str| host.strip_prefix(prefix)?.parse::<usize>().ok();
        if let Some(at) = number("exporter-").filter(|&at| at < exporters) {
            return Peer::Exporter(at);
        }
        number("remote-").filter(|&at| at < remotes).map_or(Peer::Nobody, Peer::Remote)
    }
}

/// The end of a request head, if it is all there: its length, and the length of the body it promises.
pub fn whole_head(bytes: &[u8]) -> Option<(usize, usize)> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&bytes[..end]).expect("a request head is text");
    let mut length = 0;
    for line in head.split("\r\n") {
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().expect("a content length is a number");
        }
        assert!(
            !line.to_ascii_lowercase().starts_with("transfer-encoding"),
            "requests have a length"
        );
    }
    Some((end, length))
}
