//! Questions to a thread that waits in `poll`.

use std::io;
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, bounded};
use mio::{Registry, Token, Waker};

/// The end that asks. Cloned freely.
pub struct Asker<Q> {
    questions: Sender<Q>,
    waker: Arc<Waker>,
}

impl<Q> Clone for Asker<Q> {
    fn clone(&self) -> Self {
        Asker { questions: self.questions.clone(), waker: Arc::clone(&self.waker) }
    }
}

impl<Q> Asker<Q> {
    /// Sends a question and wakes the thread. False when the thread is gone.
    pub fn tell(&self, question: Q) -> bool {
        self.questions.send(question).is_ok() && self.waker.wake().is_ok()
    }

    /// Sends the question made from a place for the answer, and waits for the answer.
    pub fn ask<A>(&self, question: impl FnOnce(Sender<A>) -> Q) -> Option<A> {
        let (answer, answered) = bounded(1);
        if self.tell(question(answer)) { answered.recv().ok() } else { None }
    }
}

/// The two ends of a mailbox; `token` is reported by `poll` when there is mail.
pub fn mailbox<Q>(registry: &Registry, token: Token) -> io::Result<(Asker<Q>, Receiver<Q>)> {
    let (questions, mail) = bounded(64);
    let waker = Arc::new(Waker::new(registry, token)?);
    Ok((Asker { questions, waker }, mail))
}
