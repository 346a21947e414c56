//! The network of one core: its connections, taking turns.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::base::{Conn, Instant, Now, limits};
use crate::io::link::{Key, Link, Step};
use crate::io::names::{Names, literal};
use crate::io::reactor::{Destination, Reactor, Readiness};
use crate::io::{Bell, Cause, Clock, Completion, Peer, Resolver};
use crate::tls::Session;

/// Steps taken before the system is asked for news again.
const TURN_STEPS: usize = 64;
/// Read buffers kept for reuse.
const SPARE_BUFFERS: usize = 8;
/// Up to here a read is copied out of the buffer that it was read into; beyond, the buffer itself is given away.
const COPY_BYTES: usize = 16 << 10;

/// All sockets of one core. Not `Send`: it lives and dies inside the future that [`crate::io::start_core`] runs.
pub struct Net {
    clock: Clock,
    bell: Bell,
    reactor: Reactor,
    names: Names,
    links: Links,
    by_conn: HashMap<Conn, Key>,
    tls: HashMap<u32, Arc<rustls::ClientConfig>>,
    /// Links that have a step to take, each at most once, in order of becoming so.
    queue: VecDeque<Key>,
    news: Vec<Readiness>,
    buffers: Buffers,
    steps_left: usize,
    bytes_left: usize,
    turns: u64,
}

impl Net {
    pub(super) fn new(clock: Clock, bell: Bell, reactor: Reactor, resolver: Resolver) -> Net {
        Net {
            clock,
            names: Names::new(resolver, bell.clone()),
            bell,
            reactor,
            links: Links::default(),
            by_conn: HashMap::new(),
            tls: HashMap::new(),
            queue: VecDeque::new(),
            news: Vec::new(),
            buffers: Buffers::new(),
            steps_left: 0,
            bytes_left: 0,
            turns: 0,
        }
    }

    /// Both clocks, read now.
    pub fn now(&self) -> Now {
        self.clock.now()
    }

    /// How often the system was asked for news since the core started. Stands still while the core sleeps.
    pub fn turns(&self) -> u64 {
        self.turns
    }

    /// Registers what `TlsPeer::config` means from now on; open connections keep what they have.
    pub fn set_tls(&mut self, key: u32, config: Arc<rustls::ClientConfig>) {
        self.tls.insert(key, config);
    }

    /// Forgets a TLS configuration.
    pub fn drop_tls(&mut self, key: u32) {
        self.tls.remove(&key);
    }

    /// Starts connecting; ends in `Opened` or `Closed`, also when it fails at once. Each address of a name is tried in
    /// turn. There is no time-out: the caller has the clock and closes. A connection of the same name is closed.
    pub fn open(&mut self, conn: Conn, peer: &Peer) {
        self.close(conn);
        let session = match &peer.tls {
            None => Ok(None),
            Some(tls) => match self.tls.get(&tls.config) {
                None => Err(format!("no configuration has the key {}", tls.config)),
                Some(config) => Session::new(Arc::clone(config), &tls.server_name)
                    .map(Some)
                    .map_err(|error| error.to_string()),
            },
        };
        let (session, fault) = match session {
            Ok(session) => (session, None),
            Err(why) => (None, Some(Cause::Tls(why))),
        };
        let key = self.links.insert(|key| Link::new(conn, key, peer, session));
        self.by_conn.insert(conn, key);
        if let Some(cause) = fault {
            self.fail(key, cause);
        } else if let Some(path) = &peer.socket {
            if let Some(link) = self.links.get(key) {
                link.connect(vec![Destination::Unix(path.into())]);
                enqueue(&mut self.queue, key, link);
            }
        } else if let Some(address) = literal(&peer.host) {
            self.resolved(key, Ok(vec![address]));
        } else if let Some(addresses) = self.names.look_up(&peer.host, key, self.clock.instant()) {
            self.resolved(key, addresses);
        }
    }

    /// Gives bytes to the connection and says how many were taken. If fewer, `Writable` follows when it makes sense to
    /// try again, or `Closed` when that never will be. Takes nothing before `Opened`, and `Writable` does not follow
    /// then.
    pub fn send(&mut self, conn: Conn, bytes: &[u8]) -> usize {
        let Some((key, link)) = find(&self.by_conn, &mut self.links, conn) else {
            return 0;
        };
        let taken = link.send(bytes);
        enqueue(&mut self.queue, key, link);
        taken
    }

    /// Stops reading: no `Read`, and the end of the connection goes unnoticed, until resumed.
    pub fn pause(&mut self, conn: Conn) {
        if let Some((_, link)) = find(&self.by_conn, &mut self.links, conn) {
            link.set_paused(true);
        }
    }

    /// Goes on reading.
    pub fn resume(&mut self, conn: Conn) {
        if let Some((key, link)) = find(&self.by_conn, &mut self.links, conn) {
            link.set_paused(false);
            enqueue(&mut self.queue, key, link);
        }
    }

    /// Ends a connection or an attempt. No completion follows for it, and its name may be used again at once. What the
    /// socket has taken is still delivered. Unknown names are ignored.
    pub fn close(&mut self, conn: Conn) {
        if let Some(key) = self.by_conn.remove(&conn)
            && let Some(mut link) = self.links.remove(key)
        {
            link.part();
        }
    }

    /// Gives a read buffer back.
    pub fn recycle(&mut self, buffer: Vec<u8>) {
        self.buffers.recycle(buffer);
    }

    /// Waits until something happened, the bell rang or `deadline` passed, and adds what happened to `out`: at most one
    /// completion that concerns a connection, and `Bell`. With a `deadline` that has passed the system is asked once,
    /// without sleeping, unless something is known already. `Bell` may come without mail.
    pub async fn wait(&mut self, deadline: Instant, out: &mut Vec<Completion>) {
        let mut turned = false;
        let mut rung = false;
        loop {
            if self.bell.heard() {
                self.take_answers();
                if !rung {
                    rung = true;
                    self.steps_left = self.steps_left.saturating_sub(1);
                    out.push(Completion::Bell);
                }
            }
            let may_step = turned || (self.steps_left > 0 && self.bytes_left > 0);
            if may_step {
                if let Some(completion) = self.step() {
                    out.push(completion);
                    return;
                }
                let over = rung || (turned && self.clock.instant() >= deadline);
                if over && self.queue.is_empty() {
                    return;
                }
            }
            let busy = rung || !self.queue.is_empty();
            let until = if busy { Instant(0) } else { deadline };
            self.turn(until).await;
            turned = true;
        }
    }

    async fn turn(&mut self, until: Instant) {
        self.turns += 1;
        self.steps_left = TURN_STEPS;
        self.bytes_left = limits::TURN_BYTES;
        self.reactor.turn(&self.clock, &self.bell, until, &mut self.news).await;
        for news in self.news.drain(..) {
            if let Some(link) = self.links.get(news.key) {
                link.note(news);
                enqueue(&mut self.queue, news.key, link);
            }
        }
    }

    /// The next thing to tell, from the links that wait for their turn.
    fn step(&mut self) -> Option<Completion> {
        while self.steps_left > 0 && self.bytes_left > 0 {
            let key = self.queue.pop_front()?;
            let Some(link) = self.links.get(key) else {
                continue;
            };
            link.queued = false;
            self.steps_left -= 1;
            let conn = link.conn;
            let completion = match link.step(&mut self.reactor, &mut self.buffers) {
                Step::Quiet => None,
                Step::Opened => Some(Completion::Opened(conn)),
                Step::Writable => Some(Completion::Writable(conn)),
                Step::Read(bytes) => {
                    self.bytes_left = self.bytes_left.saturating_sub(bytes.len());
                    Some(Completion::Read(conn, bytes))
                }
                Step::Closed(cause) => {
                    self.by_conn.remove(&conn);
                    self.links.remove(key);
                    return Some(Completion::Closed(conn, cause));
                }
            };
            enqueue(&mut self.queue, key, link);
            if completion.is_some() {
                return completion;
            }
        }
        None
    }

    fn take_answers(&mut self) {
        let now = self.clock.instant();
        while let Some((waiting, addresses)) = self.names.next_answer(now) {
            for key in waiting {
                self.resolved(key, addresses.clone());
            }
        }
    }

    fn resolved(&mut self, key: Key, addresses: Result<Vec<SocketAddr>, String>) {
        match addresses {
            Err(why) => self.fail(key, Cause::Resolve(why)),
            Ok(addresses) => {
                if let Some(link) = self.links.get(key) {
                    link.resolved(addresses);
                    enqueue(&mut self.queue, key, link);
                }
            }
        }
    }

    fn fail(&mut self, key: Key, cause: Cause) {
        if let Some(link) = self.links.get(key) {
            link.fail(cause);
            enqueue(&mut self.queue, key, link);
        }
    }
}

impl fmt::Debug for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (links, turns) = (self.by_conn.len(), self.turns);
        f.debug_struct("Net").field("links", &links).field("turns", &turns).finish_non_exhaustive()
    }
}

fn find<'a>(
    by_conn: &HashMap<Conn, Key>,
    links: &'a mut Links,
    conn: Conn,
) -> Option<(Key, &'a mut Link)> {
    let key = *by_conn.get(&conn)?;
    links.get(key).map(|link| (key, link))
}

fn enqueue(queue: &mut VecDeque<Key>, key: Key, link: &mut Link) {
    if !link.queued && link.has_step() {
        link.queued = true;
        queue.push_back(key);
    }
}

/// Links by place. A place that is used again has a new generation, so that old news of it are told from new ones.
#[derive(Default)]
struct Links {
    places: Vec<Place>,
    free: Vec<u32>,
}

struct Place {
    generation: u32,
    link: Option<Box<Link>>,
}

impl Links {
    fn insert(&mut self, make: impl FnOnce(Key) -> Link) -> Key {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.places.push(Place { generation: 0, link: None });
            (self.places.len() - 1) as u32
        });
        let place = &mut self.places[slot as usize];
        let key = Key { slot, generation: place.generation };
        place.link = Some(Box::new(make(key)));
        key
    }

    fn get(&mut self, key: Key) -> Option<&mut Link> {
        let place = self.places.get_mut(key.slot as usize)?;
        if place.generation == key.generation { place.link.as_deref_mut() } else { None }
    }

    fn remove(&mut self, key: Key) -> Option<Box<Link>> {
        let place = self.places.get_mut(key.slot as usize)?;
        if place.generation != key.generation {
            return None;
        }
        let link = place.link.take()?;
        place.generation = place.generation.wrapping_add(1);
        self.free.push(key.slot);
        Some(link)
    }
}

/// One buffer to read into, always whole, and some to give away.
pub(super) struct Buffers {
    scratch: Vec<u8>,
    spare: Vec<Vec<u8>>,
}

impl Buffers {
    fn new() -> Buffers {
        Buffers { scratch: vec![0; limits::READ_BYTES], spare: Vec::new() }
    }

    pub(super) fn scratch(&mut self) -> &mut [u8] {
        &mut self.scratch
    }

    /// The first `bytes` of the scratch buffer as a buffer to give away.
    pub(super) fn taken(&mut self, bytes: usize) -> Vec<u8> {
        if bytes <= COPY_BYTES {
            let mut buffer = self.empty();
            buffer.extend_from_slice(&self.scratch[..bytes]);
            return buffer;
        }
        // A spare one still has the length of its last use: only the rest has to be zeroed.
        let mut fresh = self.spare.pop().unwrap_or_default();
        fresh.resize(limits::READ_BYTES, 0);
        let mut buffer = core::mem::replace(&mut self.scratch, fresh);
        buffer.truncate(bytes);
        buffer
    }

    pub(super) fn empty(&mut self) -> Vec<u8> {
        let mut buffer = self.spare.pop().unwrap_or_default();
        buffer.clear();
        buffer
    }

    pub(super) fn recycle(&mut self, buffer: Vec<u8>) {
        if self.spare.len() < SPARE_BUFFERS && buffer.capacity() <= 2 * limits::READ_BYTES {
            self.spare.push(buffer);
        }
    }
}
