//! The loop of a core.

use std::collections::{HashMap, VecDeque};

use crossbeam_channel::Sender;

use crate::base::{Conn, Instant, Now, Route, limits};
use crate::disk::{Budget, Helper};
use crate::io::{Cause, Completion, Net, Peer, Receiver, TlsPeer};
use crate::mail::{Level, Notice, Order, TlsPlan};
use crate::shard::{Effect, Event, Plan, Shard};
use crate::tls;
use crate::wal::DiskAnswer;

/// Where a core's mail comes from and goes to.
#[derive(Debug)]
pub struct Desk {
    pub orders: Receiver<Order>,
    pub answers: Receiver<DiskAnswer>,
    pub notices: Sender<Notice>,
    /// Does what would block.
    pub helper: Helper,
}

/// Completions handed over before the shard gets its `Tick`.
const BATCH: usize = 64;

/// Runs until the shard has stopped. The future waits in `Net::wait` and nowhere else.
pub async fn drive(plan: Plan, desk: Desk, net: Net) {
    let now = net.now();
    let mut driver = Driver {
        number: plan.shard,
        shard: Shard::new(plan, now),
        net,
        desk,
        tls: HashMap::new(),
        roots: Vec::new(),
        names: HashMap::new(),
        unsent: VecDeque::new(),
        stopped: false,
    };
    driver.run().await;
    driver.desk.helper.stop();
}

struct Driver {
    number: u16,
    shard: Shard,
    net: Net,
    desk: Desk,
    /// TLS settings in force, by key, to tell what changed.
    tls: HashMap<u32, TlsPlan>,
    /// Certificates trusted where settings name no authority.
    roots: Vec<Vec<u8>>,
    /// Server names to verify where they are not the host's.
    names: HashMap<u32, String>,
    /// Notices that found the coordinator's box full.
    unsent: VecDeque<Notice>,
    stopped: bool,
}

impl Driver {
    async fn run(&mut self) {
        let mut completions = Vec::new();
        while !self.stopped {
            let deadline = self.shard.deadline(self.net.now().instant);
            self.net.wait(deadline, &mut completions).await;
            let mut handled = 0;
            while !completions.is_empty() {
                let now = self.net.now();
                for completion in completions.drain(..) {
                    handled += 1;
                    self.complete(now, completion);
                }
                self.carry_out();
                if handled >= BATCH {
                    break;
                }
                self.net.wait(Instant(0), &mut completions).await;
            }
            let now = self.net.now();
            self.shard.handle(now, Event::Tick);
            self.carry_out();
            self.send_notices();
        }
    }

    fn complete(&mut self, now: Now, completion: Completion) {
        match completion {
            Completion::Opened(conn) => self.shard.handle(now, Event::Opened(conn)),
            Completion::Read(conn, bytes) => {
                self.shard.handle(now, Event::Read(conn, &bytes));
                self.net.recycle(bytes);
            }
            Completion::Writable(conn) => self.write(conn),
            Completion::Closed(conn, cause) => {
                let orderly = cause == Cause::Ended;
                let cause = cause.to_string();
                self.shard.handle(now, Event::Closed { conn, orderly, cause: &cause });
            }
            Completion::Bell => self.read_mail(now),
        }
    }

    fn read_mail(&mut self, now: Now) {
        while let Some(answer) = self.desk.answers.try_recv() {
            self.shard.handle(now, Event::Disk(answer));
        }
        for _ in 0..limits::MAIL {
            let Some(order) = self.desk.orders.try_recv() else {
                break;
            };
            if let Order::Assign(assignment) = &order {
                self.prepare_tls(&assignment.tls, &assignment.system_roots);
            }
            if let Order::Budget { bytes_max, free_bytes_min } = order {
                self.desk.helper.set_budget(Budget { bytes_max, free_bytes_min });
                continue;
            }
            self.shard.handle(now, Event::Order(order));
            self.carry_out();
        }
    }

    /// Builds what has changed. A setting that cannot be used was refused by the coordinator before it got here.
    fn prepare_tls(&mut self, plans: &[TlsPlan], roots: &[Vec<u8>]) {
        let gone: Vec<u32> = self
            .tls
            .keys()
            .copied()
            .filter(|key| plans.iter().all(|plan| plan.key != *key))
            .collect();
        for key in gone {
            self.tls.remove(&key);
            self.names.remove(&key);
            self.net.drop_tls(key);
        }
        for plan in plans {
            let same_roots = plan.settings.ca_pem.is_some() || roots == self.roots;
            if self.tls.get(&plan.key) == Some(plan) && same_roots {
                continue;
            }
            self.names.insert(plan.key, plan.server_name.clone());
            match tls::client_config(&plan.settings, roots) {
                Ok(config) => self.net.set_tls(plan.key, config),
                Err(error) => self.unsent.push_back(Notice::Log {
                    shard: self.number,
                    level: Level::Error,
                    message: "TLS settings cannot be used".to_owned(),
                    fields: vec![("err", error.to_string())],
                }),
            }
            self.tls.insert(plan.key, plan.clone());
        }
        self.roots = roots.to_vec();
    }

    fn carry_out(&mut self) {
        while let Some(effect) = self.shard.effect() {
            match effect {
                Effect::Open { conn, route } => self.open(conn, route),
                Effect::Write(conn) => self.write(conn),
                Effect::Close(conn) => self.net.close(conn),
                Effect::Pause(conn) => self.net.pause(conn),
                Effect::Resume(conn) => self.net.resume(conn),
                Effect::Disk(request) => self.desk.helper.request(request),
                Effect::Notice(notice) => self.unsent.push_back(notice),
                Effect::Stopped => self.stopped = true,
            }
        }
    }

    fn open(&mut self, conn: Conn, route: Route) {
        let tls = route.tls.map(|config| {
            let name = self.names.get(&config).filter(|name| !name.is_empty());
            TlsPeer { config, server_name: name.cloned().unwrap_or_else(|| route.host.clone()) }
        });
        let (host, port, tunnel) = match route.tunnel {
            Some(tunnel) => (tunnel.host, tunnel.port, Some(tunnel.request)),
            None => (route.host, route.port, None),
        };
        let Route { socket, first, .. } = route;
        self.net.open(conn, &Peer { host, port, socket, first, tunnel, tls });
    }

    /// Gives the network what waits. What it does not take is asked for again when it is writable.
    fn write(&mut self, conn: Conn) {
        loop {
            let bytes = self.shard.outgoing(conn);
            let given = bytes.len();
            if given == 0 {
                return;
            }
            let taken = self.net.send(conn, bytes);
            if taken > 0 {
                let now = self.net.now();
                self.shard.handle(now, Event::Wrote(conn, taken));
            }
            if taken < given {
                return;
            }
        }
    }

    fn send_notices(&mut self) {
        while let Some(notice) = self.unsent.pop_front() {
            if let Err(back) = self.desk.notices.try_send(notice) {
                self.unsent.push_front(back.into_inner());
                return;
            }
        }
    }
}
