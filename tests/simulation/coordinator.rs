//! The coordinator's part: who scrapes what, which endpoints there are, and when what older numbers of shards left
//! behind has been delivered.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::time::Duration;

use corelane::coordinator::{Epochs, place};
use corelane::http::Url;
use corelane::mail::{Assignment, EndpointPlan, Job, Order, Transport};
use corelane::model::{Labels, RemoteMessage, StatusPolicy, pack};
use corelane::relabel::{Action, Rule, RuleSource};

use crate::exporter::{ENDPOINT_DROPS, Exporter, JOB_DROPS};
use crate::remote::Remote;
use crate::swarm::{Options, RemoteOptions};

/// External labels, which every sample carries at the remotes.
pub const EXTERNAL: (&str, &str) = ("agent", "sim");

#[derive(Debug)]
pub struct Coordinator {
    pub assignment: Assignment,
    /// The epoch of the present process: one more with every change of the number of shards.
    pub epoch: u32,
    epochs: Epochs,
    /// By endpoint, up to which epoch samples may go.
    released: BTreeMap<String, u32>,
    /// The endpoint that a reload took out.
    removed: Option<EndpointPlan>,
}

impl Coordinator {
    pub fn new(options: &Options) -> Coordinator {
        let jobs = (0..options.intervals_ms.len()).map(|at| job(at, options)).collect();
        let endpoints =
            options.endpoints.iter().enumerate().map(|(at, o)| endpoint(at, o)).collect();
        let mut external_labels = Vec::new();
        pack([EXTERNAL].into_iter().collect::<Labels>().iter(), &mut external_labels);
        Coordinator {
            assignment: Assignment {
                generation: 1,
                jobs,
                endpoints,
                external_labels,
                out_of_order_window: Duration::ZERO,
                tls: Vec::new(),
                system_roots: Vec::new(),
            },
            epoch: 0,
            epochs: Epochs::new(0, 1),
            released: BTreeMap::new(),
            removed: None,
        }
    }

    pub fn begin_life(&mut self, epoch: u32, shards: u16) {
        self.epoch = epoch;
        self.epochs = Epochs::new(epoch, shards);
        self.released.clear();
    }

    /// What the configuration says of a remote, if it has it.
    pub fn endpoint(&mut self, remote: usize) -> Option<&mut EndpointPlan> {
        let url = Remote::url(remote);
        self.assignment.endpoints.iter_mut().find(|endpoint| endpoint.identity == url)
    }

    /// Takes the second endpoint out of the configuration, or puts it back.
    pub fn take_out_or_put_back(&mut self) {
        match self.removed.take() {
            Some(plan) => self.assignment.endpoints.push(plan),
            None => {
                self.removed = self.assignment.endpoints.pop();
                let names: Vec<_> =
                    self.assignment.endpoints.iter().map(|plan| plan.identity.as_str()).collect();
                self.epochs.forget_all_but(&names);
                self.released.retain(|name, _| names.contains(&name.as_str()));
            }
        }
    }

    /// Newer epochs may be waiting for older ones.
    pub fn waits(&self) -> bool {
        let free = |endpoint: &EndpointPlan| {
            self.released.get(&endpoint.identity).is_some_and(|&epoch| epoch >= self.epoch)
        };
        !self.assignment.endpoints.iter().all(free)
    }

    /// Takes in what a shard still holds; gives what may now be released.
    pub fn epoch_notice(&mut self, shard: u16, endpoint: &str, lowest: u32) -> Option<Order> {
        let epoch = self.epochs.heard(endpoint, shard, lowest)?;
        self.released.insert(endpoint.to_owned(), epoch);
        Some(Order::Release { endpoint: endpoint.to_owned(), epoch })
    }

    /// All orders that say which targets the shard owns.
    pub fn targets(&self, exporters: &[Exporter], shard: u16, shards: usize) -> Vec<Order> {
        let owned = |exporter: &&Exporter| {
            exporter.wanted && place(&exporter.target, shards as u16) == shard
        };
        let of_job = |job: &Job| Order::Targets {
            job: job.name.clone(),
            targets: exporters
                .iter()
                .filter(|exporter| exporter.job == job.name)
                .filter(owned)
                .map(|exporter| exporter.target.clone())
                .collect(),
        };
        self.assignment.jobs.iter().map(of_job).collect()
    }
}

fn job(at: usize, options: &Options) -> Job {
    let drops = if options.metric_relabel { vec![dropping(JOB_DROPS)] } else { Vec::new() };
    let pairs = [
        (
            "Accept",
            "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.3",
        ),
        ("Accept-Encoding", "gzip"),
        ("User-Agent", "sim/1"),
    ];
    Job {
        name: format!("job-{at}"),
        honor_labels: options.shared,
        honor_timestamps: true,
        metric_relabel: drops,
        headers: pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        transport: Transport { follow_redirects: true, ..Transport::default() },
        ..Job::default()
    }
}

fn endpoint(at: usize, options: &RemoteOptions) -> EndpointPlan {
    let url = Remote::url(at);
    let headers = [("Content-Encoding", "snappy"), ("User-Agent", "sim/1")];
    EndpointPlan {
        name: format!("endpoint-{at}"),
        identity: url.clone(),
        formerly: None,
        url: Url::parse(&url).expect("a URL"),
        headers: headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect(),
        transport: Transport::default(),
        tls: 0,
        relabel: filter(options.filter.then_some(ENDPOINT_DROPS[0])),
        connections_min: options.connections,
        connections_max: options.connections_max,
        samples_max: options.samples_max,
        bytes_max: options.bytes_max,
        block_max: options.block_max,
        batch_deadline: options.batch_deadline,
        timeout: options.timeout,
        backoff_min: Duration::from_millis(30),
        backoff_max: Duration::from_secs(5),
        retry_429: true,
        out_of_order_ok: options.any_order,
        backfill_rate: NonZeroU64::new(options.backfill_rate),
        status_policy: StatusPolicy::default(),
        sample_age_limit: Duration::ZERO,
        message: if options.second { RemoteMessage::V2 } else { RemoteMessage::V1 },
        send_native_histograms: true,
        send_exemplars: true,
        metadata_interval: None,
        metadata_max: 1,
        from_oldest: options.from_oldest,
        patience: options.patience,
    }
}

/// Relabeling of an endpoint.
pub fn filter(digit: Option<u32>) -> Vec<Rule> {
    digit.into_iter().map(dropping).collect()
}

fn dropping(last_digit: u32) -> Rule {
    Rule::new(RuleSource {
        source_labels: vec!["key".to_owned()],
        regex: format!(".*{last_digit}"),
        action: Action::Drop,
        ..RuleSource::default()
    })
    .expect("a valid rule")
}
