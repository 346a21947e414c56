//! Providers that ask somebody over the network: tasks on one thread of their own, which wait for nobody else.

use std::io;

use crossbeam_channel::Sender;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

use crate::config::SdConfig;
use crate::discovery::{consul, dns, http, kubernetes};
use crate::model::TargetGroup;
use crate::telemetry::build;

/// Product and version, as requests carry them.
pub(super) fn user_agent() -> String {
    format!("Corelane/{}", build::VERSION)
}

/// By the name that metrics know a mechanism by.
pub(super) fn mechanism(config: &SdConfig) -> &'static str {
    match config {
        SdConfig::Consul(_) => "consul",
        SdConfig::Dns(_) => "dns",
        SdConfig::Http(_) => "http",
        SdConfig::Kubernetes(_) => "kubernetes",
    }
}

/// What a provider has to say.
#[derive(Debug)]
pub(super) struct Found {
    /// Of the provider.
    pub(super) id: u64,
    pub(super) news: News,
}

#[derive(Debug)]
pub(super) enum News {
    /// Everything there is.
    All(Vec<TargetGroup>),
    /// Groups that changed, by source; `None` is gone.
    Some(Vec<(String, Option<TargetGroup>)>),
    /// What was known stays as it was.
    Failed(String),
}

/// Where a provider's words go. They are lost when nobody listens any more.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    id: u64,
    sender: Sender<Found>,
}

impl Reply {
    pub(super) fn all(&self, groups: Vec<TargetGroup>) {
        drop(self.sender.send(Found { id: self.id, news: News::All(groups) }));
    }

    pub(super) fn some(&self, groups: Vec<(String, Option<TargetGroup>)>) {
        drop(self.sender.send(Found { id: self.id, news: News::Some(groups) }));
    }

    pub(super) fn failed(&self, why: String) {
        drop(self.sender.send(Found { id: self.id, news: News::Failed(why) }));
    }

    #[cfg(test)]
    pub(super) fn to(sender: Sender<Found>) -> Reply {
        Reply { id: 0, sender }
    }
}

/// The providers that run. Those of equal configuration are one, whichever jobs they serve (spec: SD-2).
#[derive(Debug)]
pub(super) struct Remotes {
    known: Vec<(u64, SdConfig)>,
    next: u64,
    found: Sender<Found>,
    /// `None` until there is something to run.
    orders: Option<UnboundedSender<Order>>,
}

#[derive(Debug)]
enum Order {
    Start(u64, Box<SdConfig>),
    Stop(u64),
}

impl Remotes {
    pub(super) fn new(found: Sender<Found>) -> Remotes {
        Remotes { known: Vec::new(), next: 0, found, orders: None }
    }

    /// The provider of a configuration, started if there is none.
    pub(super) fn id_of(&mut self, config: &SdConfig) -> u64 {
        if let Some((id, _)) = self.known.iter().find(|(_, known)| known == config) {
            return *id;
        }
        let id = self.next;
        self.next += 1;
        self.known.push((id, config.clone()));
        if self.orders.is_none() {
            match start(self.found.clone()) {
                Ok(orders) => self.orders = Some(orders),
                Err(error) => {
                    let reply = Reply { id, sender: self.found.clone() };
                    reply.failed(format!("cannot start a thread for discovery: {error}"));
                }
            }
        }
        self.order(Order::Start(id, Box::new(config.clone())));
        id
    }

    /// Stops all others.
    pub(super) fn keep(&mut self, used: &dyn Fn(u64) -> bool) {
        let gone: Vec<u64> = self.known.iter().map(|(id, _)| *id).filter(|id| !used(*id)).collect();
        self.known.retain(|(id, _)| used(*id));
        gone.into_iter().for_each(|id| self.order(Order::Stop(id)));
    }

    fn order(&self, order: Order) {
        if let Some(orders) = &self.orders {
            drop(orders.send(order));
        }
    }
}

fn start(found: Sender<Found>) -> io::Result<UnboundedSender<Order>> {
    let (orders, inbox) = unbounded_channel();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name("discovery-net".to_owned()).spawn(move || {
        runtime.block_on(run(inbox, found));
    })?;
    Ok(orders)
}

async fn run(mut inbox: UnboundedReceiver<Order>, found: Sender<Found>) {
    let mut tasks: Vec<(u64, JoinHandle<()>)> = Vec::new();
    while let Some(order) = inbox.recv().await {
        match order {
            Order::Start(id, config) => {
                let reply = Reply { id, sender: found.clone() };
                tasks.push((id, tokio::spawn(provide(*config, reply))));
            }
            Order::Stop(id) => tasks.retain(|(known, task)| {
                if *known == id {
                    task.abort();
                }
                *known != id
            }),
        }
    }
}

async fn provide(config: SdConfig, reply: Reply) {
    match config {
        SdConfig::Consul(sd) => consul::run(*sd, reply).await,
        SdConfig::Dns(sd) => dns::run(sd, reply).await,
        SdConfig::Http(sd) => http::run(*sd, reply).await,
        SdConfig::Kubernetes(sd) => kubernetes::run(*sd, reply).await,
    }
}
