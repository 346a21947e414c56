//! The shards as the coordinator sees them: where their mail goes, when they were last heard of.

use core::time::Duration;
use std::collections::VecDeque;
use std::thread::JoinHandle;

use crate::base::Instant;
use crate::io::Sender;
use crate::mail::{Order, Report};

/// One shard's box and what is known of it.
#[derive(Debug)]
pub struct Core {
    pub orders: Sender<Order>,
    /// Orders that found the box full; they go first.
    pub unsent: VecDeque<Order>,
    pub thread: Option<JoinHandle<()>>,
    pub stopped: bool,
    /// The last report, of any number.
    pub report: Report,
    /// Number and time of the beat that has not been answered.
    beat: Option<(u64, Instant)>,
    /// It has answered once: before that it may be reading a long log.
    answered: bool,
    /// Longest time from an order to its answer in the last minute or so.
    pub stall: Duration,
}

impl Core {
    pub fn new(shard: u16, orders: Sender<Order>, thread: JoinHandle<()>) -> Core {
        Core {
            orders,
            unsent: VecDeque::new(),
            thread: Some(thread),
            stopped: false,
            report: Report { shard, ..Report::default() },
            beat: None,
            answered: false,
            stall: Duration::ZERO,
        }
    }

    /// In the order given, whatever the box holds.
    pub fn send(&mut self, order: Order) {
        self.unsent.push_back(order);
        self.flush();
    }

    pub fn flush(&mut self) {
        while let Some(order) = self.unsent.pop_front() {
            if let Err(order) = self.orders.try_send(order) {
                self.unsent.push_front(order);
                return;
            }
        }
    }

    /// Asks for a sign of life, unless one is awaited; then says for how long.
    pub fn beat(&mut self, number: u64, now: Instant) -> Duration {
        match self.beat {
            Some((_, asked)) if self.answered => now.since(asked),
            Some(_) => Duration::ZERO,
            None => {
                self.beat = Some((number, now));
                self.send(Order::Beat { number });
                Duration::ZERO
            }
        }
    }

    pub fn beaten(&mut self, number: u64, now: Instant) {
        if let Some((asked, at)) = self.beat
            && asked == number
        {
            self.beat = None;
            self.answered = true;
            // The maximum fades, so that one old stall does not stand for ever.
            self.stall = (self.stall - self.stall / 256).max(now.since(at));
        }
    }
}
