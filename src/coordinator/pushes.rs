//! Pushes that came in at the admin server: handed on to the shards, and their outcomes put together.

use std::collections::HashMap;

use tokio::sync::oneshot;

use crate::coordinator::cores::Core;
use crate::mail::Order;
use crate::model::{Push, PushOutcome};

/// Requests of which some shard has not answered, by number.
#[derive(Debug, Default)]
pub struct Pushes {
    waiting: HashMap<u64, Waiting>,
}

#[derive(Debug)]
struct Waiting {
    parts: usize,
    outcome: PushOutcome,
    reply: oneshot::Sender<PushOutcome>,
}

impl Pushes {
    /// Sends each part to its shard. `last` is the number given out last; gives the same.
    pub fn asked(
        &mut self,
        last: u64,
        parts: Vec<(u16, Push)>,
        reply: oneshot::Sender<PushOutcome>,
        shards: &mut [Core],
    ) -> u64 {
        let number = last + 1;
        let mut sent = 0;
        let mut outcome = PushOutcome::default();
        for (shard, push) in parts {
            match shards.get_mut(usize::from(shard)).filter(|core| !core.stopped) {
                Some(core) => {
                    core.send(Order::Push { number, push: Box::new(push) });
                    sent += 1;
                }
                None => outcome.later = true,
            }
        }
        if sent == 0 {
            // Who asked may have given up.
            drop(reply.send(outcome));
        } else {
            self.waiting.insert(number, Waiting { parts: sent, outcome, reply });
        }
        number
    }

    pub fn heard(&mut self, number: u64, outcome: PushOutcome) {
        let Some(mut waiting) = self.waiting.remove(&number) else { return };
        waiting.outcome.add(outcome);
        waiting.parts -= 1;
        if waiting.parts == 0 {
            drop(waiting.reply.send(waiting.outcome));
        } else {
            self.waiting.insert(number, waiting);
        }
    }
}
