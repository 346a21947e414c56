//! Threads that resolve names with the system's resolver, so that hosts files, search domains and nsswitch count.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Once};

use crossbeam_channel::{Receiver, Sender};

use crate::base::limits;
use crate::io::Bell;

/// A lookup that hangs holds one thread; the other goes on.
const THREADS: usize = 2;

/// The resolver of the process; copies are the same one. Its threads start with the first question and end when the
/// last copy is dropped.
// spec: runtime D8, §3 DNS
#[derive(Clone, Debug)]
pub struct Resolver {
    questions: Sender<Question>,
    waiting: Receiver<Question>,
    started: Arc<Once>,
}

/// One name to look up, and where the answer goes.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) name: String,
    pub(super) reply: Sender<Answer>,
    pub(super) bell: Bell,
}

/// Addresses in the order in which they should be tried (their port is 0), or one sentence why there are none.
pub(super) type Addresses = Result<Vec<SocketAddr>, String>;

#[derive(Debug)]
pub(super) struct Answer {
    pub(super) name: String,
    pub(super) addresses: Addresses,
}

impl Resolver {
    #[expect(clippy::new_without_default, reason = "there is one for a process")]
    pub fn new() -> Resolver {
        let (questions, waiting) = crossbeam_channel::bounded(limits::MAIL);
        Resolver { questions, waiting, started: Arc::new(Once::new()) }
    }

    /// Never blocks; false when too many questions wait already.
    pub(super) fn ask(&self, question: Question) -> bool {
        self.started.call_once(|| {
            for number in 0..THREADS {
                let waiting = self.waiting.clone();
                let builder = std::thread::Builder::new().name(format!("resolver-{number}"));
                // One thread is enough to go on; with none the queue fills and questions are refused.
                drop(builder.spawn(move || answer_all(&waiting)));
            }
        });
        self.questions.try_send(question).is_ok()
    }
}

fn answer_all(waiting: &Receiver<Question>) {
    while let Ok(Question { name, reply, bell }) = waiting.recv() {
        let addresses = resolve(&name).map_err(|error| error.to_string());
        // A core that is gone does not want the answer.
        if reply.send(Answer { name, addresses }).is_ok() {
            bell.ring();
        }
    }
}

fn resolve(name: &str) -> io::Result<Vec<SocketAddr>> {
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for address in (name, 0).to_socket_addrs()? {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if addresses.is_empty() {
        return Err(io::Error::other("the name has no address"));
    }
    Ok(addresses)
}
