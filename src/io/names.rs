//! What one core knows about names: answers for a while, and who waits for one.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender};

use crate::base::{Instant, limits};
use crate::io::Bell;
use crate::io::link::Key;
use crate::io::resolver::{Addresses, Answer, Question, Resolver};

/// How long an answer is good for; the system's resolver does not tell the TTL.
const GOOD: Duration = Duration::from_secs(30);
/// How long a failure is believed: it spares the resolver, but must not delay recovery.
const BAD: Duration = Duration::from_secs(5);
/// Names kept.
const NAMES: usize = 4096;

/// The names of one core. A name is asked for once, however many connections want it.
#[derive(Debug)]
pub(super) struct Names {
    resolver: Resolver,
    bell: Bell,
    reply: Sender<Answer>,
    answers: Receiver<Answer>,
    known: HashMap<String, Name>,
}

#[derive(Debug)]
enum Name {
    Asked { waiting: Vec<Key> },
    Known { until: Instant, addresses: Addresses },
}

/// The address, if `host` is one: no resolver needed.
pub(super) fn literal(host: &str) -> Option<SocketAddr> {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    bare.parse::<IpAddr>().ok().map(|address| SocketAddr::new(address, 0))
}

impl Names {
    pub(super) fn new(resolver: Resolver, bell: Bell) -> Names {
        let (reply, answers) = crossbeam_channel::bounded(limits::MAIL);
        Names { resolver, bell, reply, answers, known: HashMap::new() }
    }

    /// What is known now; `None`: asked, and `key` is named when the answer is there.
    pub(super) fn look_up(&mut self, host: &str, key: Key, now: Instant) -> Option<Addresses> {
        match self.known.get_mut(host) {
            Some(Name::Known { until, addresses }) if now < *until => {
                return Some(addresses.clone());
            }
            Some(Name::Asked { waiting }) => {
                waiting.push(key);
                return None;
            }
            _ => {}
        }
        self.make_room(now);
        let question =
            Question { name: host.to_owned(), reply: self.reply.clone(), bell: self.bell.clone() };
        if !self.resolver.ask(question) {
            return Some(Err("the resolver has too many questions waiting".to_owned()));
        }
        self.known.insert(host.to_owned(), Name::Asked { waiting: vec![key] });
        None
    }

    /// The next answer that came, and who waited for it (some may be gone).
    pub(super) fn next_answer(&mut self, now: Instant) -> Option<(Vec<Key>, Addresses)> {
        let Answer { name, addresses } = self.answers.try_recv().ok()?;
        let until = now + if addresses.is_ok() { GOOD } else { BAD };
        let known = Name::Known { until, addresses: addresses.clone() };
        let waiting = match self.known.insert(name, known) {
            Some(Name::Asked { waiting }) => waiting,
            _ => Vec::new(),
        };
        Some((waiting, addresses))
    }

    fn make_room(&mut self, now: Instant) {
        if self.known.len() < NAMES {
            return;
        }
        let fresh = |name: &Name| !matches!(name, Name::Known { until, .. } if *until <= now);
        self.known.retain(|_, name| fresh(name));
        if self.known.len() >= NAMES {
            self.known.retain(|_, name| matches!(name, Name::Asked { .. }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(slot: u32) -> Key {
        Key { slot, generation: 0 }
    }

    #[test]
    fn addresses_need_no_resolver() {
        for (host, address) in [
            ("127.0.0.1", Some("127.0.0.1:0")),
            ("::1", Some("[::1]:0")),
            ("[::1]", Some("[::1]:0")),
            ("localhost", None),
            ("[", None),
            ("", None),
            ("1.2.3", None),
        ] {
            let expected = address.map(|text| text.parse().expect("an address"));
            assert_eq!(literal(host), expected, "{host:?}");
        }
    }

    #[test]
    fn a_name_is_asked_once_and_believed_for_a_while() {
        for (addresses, good_for) in
            [(Ok(vec![literal("192.0.2.1").expect("address")]), GOOD), (Err("no".to_owned()), BAD)]
        {
            let mut names = Names::new(Resolver::new(), Bell::new());
            let now = Instant(7);
            // Nobody is asked for real: the question is noted by hand.
            names.known.insert("a".to_owned(), Name::Asked { waiting: vec![key(1)] });
            assert_eq!(names.look_up("a", key(2), now), None);
            let answer = Answer { name: "a".to_owned(), addresses: addresses.clone() };
            names.reply.send(answer).expect("room");
            assert_eq!(names.next_answer(now), Some((vec![key(1), key(2)], addresses.clone())));
            assert_eq!(names.next_answer(now), None);
            let last = now + good_for - Duration::from_nanos(1);
            assert_eq!(names.look_up("a", key(3), last), Some(addresses));
            let until = |names: &Names| match names.known.get("a") {
                Some(Name::Known { until, .. }) => Some(*until),
                _ => None,
            };
            assert_eq!(until(&names), Some(now + good_for));
        }
    }

    #[test]
    fn old_names_make_room_for_new_ones() {
        let mut names = Names::new(Resolver::new(), Bell::new());
        let known = |until| Name::Known { until: Instant(until), addresses: Err(String::new()) };
        for number in 0..NAMES {
            names.known.insert(number.to_string(), known(number as u64));
        }
        names.make_room(Instant(9));
        assert_eq!(names.known.len(), NAMES - 10);
        for number in 0..NAMES {
            names.known.insert(number.to_string(), known(u64::MAX));
        }
        names.known.insert("asked".to_owned(), Name::Asked { waiting: Vec::new() });
        names.make_room(Instant(9));
        assert_eq!(names.known.len(), 1);
    }
}
