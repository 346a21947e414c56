//! How bytes get from shards to peers and back.

use corelane::base::Instant;

use crate::clock::{ms, us};
use crate::net::{Answer, Ending, Peer, Piece, whole_head};
use crate::process::Inbox;
use crate::remote::{Mode, Sender};
use crate::world::{Happening, World};

impl World {
    fn latency(&mut self) -> core::time::Duration {
        us(self.random.below(self.options.net.latency_us + 1))
    }

    pub fn opened(&mut self, id: u32) {
        if let Some(link) = self.net.links.get(&id).filter(|link| !link.forgotten) {
            let shard = link.shard;
            self.tell(shard, Inbox::Opened(id));
        }
    }

    pub fn send_to_peer(&mut self, id: u32, bytes: Vec<u8>) {
        let latency = self.latency();
        let Some(link) = self.net.links.get_mut(&id) else {
            return;
        };
        link.used = true;
        link.to_peer = link.to_peer.max(self.clock.instant + latency);
        let at = link.to_peer;
        self.agenda.at(at, Happening::PeerGets { link: id, bytes });
    }

    /// The shard has let go of the connection. What it sent goes on.
    pub fn forget(&mut self, id: u32) {
        if let Some(link) = self.net.links.get_mut(&id) {
            link.forgotten = true;
            let idle = link.open && !link.used;
            let long = self.clock.instant.since(link.opened) > ms(2000);
            assert!(!(idle && long), "{:?} was connected to and heard nothing", link.peer);
            link.inbound.clear();
            // Its last bytes have arrived by then.
            let at = link.to_peer.max(self.clock.instant) + ms(1);
            self.agenda.at(at, Happening::PeerCloses { link: id });
        }
    }

    pub fn peer_closes(&mut self, id: u32) {
        let latency = self.latency();
        let Some(link) = self.net.links.get_mut(&id) else {
            return;
        };
        if link.forgotten {
            self.net.links.remove(&id);
        } else if !link.busy && link.request.is_empty() {
            link.deaf = true;
            link.to_shard = link.to_shard.max(self.clock.instant + latency);
            let at = link.to_shard;
            self.agenda.at(at, Happening::End { link: id, orderly: true, cause: "idle too long" });
        }
    }

    pub fn end(&mut self, id: u32, orderly: bool, cause: &'static str) {
        let Some(link) = self.net.links.get_mut(&id) else {
            return;
        };
        link.deaf = true;
        if link.forgotten {
            return;
        }
        if !orderly {
            link.inbound.clear();
        }
        link.ended.get_or_insert((orderly, cause));
        let shard = link.shard;
        self.tell(shard, Inbox::Readable(id));
    }

    pub fn arrive(&mut self, id: u32, bytes: Vec<u8>, completes: Option<usize>, last: bool) {
        let Some(link) = self.net.links.get_mut(&id) else {
            return;
        };
        if last {
            link.busy = false;
        }
        if link.forgotten || link.ended.is_some() {
            return;
        }
        link.inbound.push_back(Piece { bytes, completes });
        let shard = link.shard;
        self.tell(shard, Inbox::Readable(id));
    }

    pub fn peer_gets(&mut self, id: u32, bytes: Vec<u8>) {
        let Some((head, body)) = self.whole_request(id, &bytes) else {
            return;
        };
        let resets = self.faults && self.random.chance(self.options.net.reset, 1000);
        if resets && self.random.chance(1, 2) {
            self.reset(id);
            return;
        }
        let Some(answer) = self.ask(id, &head, &body) else {
            return;
        };
        let status = answer.pieces.first().map_or(&[][..], |(_, bytes)| bytes);
        let status = String::from_utf8_lossy(&status[..status.len().min(12)]);
        let peer = self.net.links[&id].peer;
        let span = match peer {
            Peer::Remote(at) => self.remotes[at].span,
            Peer::Exporter(_) | Peer::Nobody => [0; 3],
        };
        let numbers = [id.into(), answer.pieces.len() as u64, span[0] as u64];
        let (ending, tag) = (answer.ending, answer.tag);
        self.trace.step(
            self.clock.instant,
            "answer",
            numbers,
            format_args!("{id} {peer:?} {ending:?} completes {tag:?} {status:?} {span:?}"),
        );
        if resets {
            self.reset(id);
        } else {
            self.send_answer(id, answer);
        }
    }

    /// Head and body, once all of a request is at the peer.
    fn whole_request(&mut self, id: u32, bytes: &[u8]) -> Option<(String, Vec<u8>)> {
        let link = self.net.links.get_mut(&id).filter(|link| !link.deaf)?;
        assert!(!link.busy, "a request before the answer to the one before it");
        assert!(!link.spoilt, "{:?} is talked to after what was no answer", link.peer);
        link.request.extend_from_slice(bytes);
        let method: &[u8] = if matches!(link.peer, Peer::Remote(_)) { b"POST /" } else { b"GET /" };
        let begun = link.request.len().min(method.len());
        assert_eq!(link.request[..begun], method[..begun], "a request begins at its beginning");
        let (head, body) = whole_head(&link.request)?;
        if link.request.len() < head + body {
            return None;
        }
        assert_eq!(link.request.len(), head + body, "bytes after a request's end");
        let mut request = std::mem::take(&mut link.request);
        link.busy = true;
        let body = request.split_off(head);
        Some((String::from_utf8(request).expect("checked to be text"), body))
    }

    /// What the peer answers, if it does at all.
    fn ask(&mut self, id: u32, head: &str, body: &[u8]) -> Option<Answer> {
        let now = self.clock.now();
        let link = &self.net.links[&id];
        let sender = Sender { life: link.life, shard: link.shard };
        match link.peer {
            Peer::Exporter(at) => {
                let mut faults = self.options.exporter.clone();
                if !self.faults {
                    faults.stop();
                }
                Some(self.exporters[at].answer(head, sender.life, now, &faults))
            }
            Peer::Remote(at) => {
                let hangs = self.remotes[at].mode == Mode::Hanging;
                // Whether a hanging remote has kept what it was given, nobody knows.
                if hangs && self.random.chance(1, 2) {
                    return None;
                }
                let answer = self.remotes[at].answer(head, body, sender, now.instant);
                (!hangs).then_some(answer)
            }
            Peer::Nobody => unreachable!("nobody opens no connections"),
        }
    }

    fn reset(&mut self, id: u32) {
        let latency = self.latency();
        if let Some(link) = self.net.links.get_mut(&id) {
            link.deaf = true;
            link.to_shard = link.to_shard.max(self.clock.instant + latency);
            let at = link.to_shard;
            self.agenda.at(at, Happening::End { link: id, orderly: false, cause: "reset by peer" });
        }
    }

    fn send_answer(&mut self, id: u32, answer: Answer) {
        let Some(link) = self.net.links.get(&id) else {
            return;
        };
        let mut at = link.to_shard.max(self.clock.instant);
        let count = answer.pieces.len();
        for (index, (pause, bytes)) in answer.pieces.into_iter().enumerate() {
            at = at + pause + self.latency();
            let completes = answer.tag.filter(|_| index + 1 == count);
            let ends = index + 1 == count && answer.ending != Ending::Hang;
            at = self.send_piece(id, at, bytes, completes, ends);
        }
        let idle = self.faults && self.random.chance(1, 50);
        match answer.ending {
            Ending::Keep if idle => {
                let pause = ms(self.random.below(8000));
                self.agenda.at(at + pause, Happening::PeerCloses { link: id });
            }
            Ending::Keep | Ending::Hang => {}
            Ending::Spoilt => {
                if let Some(link) = self.net.links.get_mut(&id) {
                    (link.spoilt, link.busy) = (true, false);
                }
            }
            Ending::Close => {
                let end = Happening::End { link: id, orderly: true, cause: "closed by peer" };
                self.agenda.at(at, end);
            }
            Ending::Reset => {
                let end = Happening::End { link: id, orderly: false, cause: "reset by peer" };
                self.agenda.at(at, end);
            }
        }
        if let Some(link) = self.net.links.get_mut(&id) {
            link.to_shard = at;
        }
    }

    /// Sends bytes whole or cut anywhere; gives the time of the last arrival.
    fn send_piece(
        &mut self,
        id: u32,
        start: Instant,
        bytes: Vec<u8>,
        completes: Option<usize>,
        ends: bool,
    ) -> Instant {
        let mut at = start;
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let partial = self.faults && self.random.chance(self.options.net.partial, 1000);
            // A driver reads no more than this at once.
            let most = rest.len().min(corelane::base::limits::READ_BYTES);
            let len = if partial { 1 + self.random.below(most as u64) as usize } else { most };
            let (piece, left) = rest.split_at(len);
            rest = left;
            let last = rest.is_empty();
            self.agenda.at(
                at,
                Happening::Arrive {
                    link: id,
                    bytes: piece.to_vec(),
                    completes: completes.filter(|_| last),
                    last: last && ends,
                },
            );
            if !last {
                at = at + self.latency() / 4;
            }
        }
        at
    }
}
