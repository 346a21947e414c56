//! Targets as the coordinator knows them: groups from discovery become targets, targets are dealt to shards.

use std::collections::HashMap;
use std::sync::Arc;

use crate::config::{ScrapeConfig, build_targets};
use crate::coordinator::placement::{deal, is_ours};
use crate::flags::Cluster;
use crate::mail::Order;
use crate::model::{Labels, TargetGroup};
use crate::telemetry::PoolState;
use crate::web::{KnownTarget, PoolView};

/// One job's groups and what was made of them.
#[derive(Debug, Default)]
pub struct Pool {
    groups: Vec<TargetGroup>,
    targets: Arc<Vec<KnownTarget>>,
    dropped: Arc<Vec<Labels>>,
    dropped_count: u64,
    pub state: PoolState,
    /// More targets than the job allows: every scrape fails, with this text.
    pub over_limit: Option<String>,
}

/// All jobs in force.
#[derive(Debug, Default)]
pub struct Jobs {
    pools: HashMap<String, Pool>,
    order: Vec<String>,
}

impl Jobs {
    /// The jobs in force; groups of those that stay are kept.
    pub fn set_jobs(&mut self, configs: &[ScrapeConfig]) {
        self.order = configs.iter().map(|config| config.job_name.clone()).collect();
        let order = &self.order;
        self.pools.retain(|job, _| order.contains(job));
        for config in configs {
            let pool = self.pools.entry(config.job_name.clone()).or_default();
            pool.state.job.clone_from(&config.job_name);
            pool.state.target_limit = config.target_limit;
        }
    }

    pub fn set_groups(&mut self, job: &str, groups: Vec<TargetGroup>) {
        if let Some(pool) = self.pools.get_mut(job) {
            pool.groups = groups;
        }
    }

    /// Makes the job's targets anew. Gives the orders by shard, and what could not be built.
    // spec: SCR-20…SCR-23
    pub fn sync(
        &mut self,
        config: &ScrapeConfig,
        shards: u16,
        cluster: Cluster,
    ) -> (Vec<Order>, Vec<String>) {
        let Some(pool) = self.pools.get_mut(&config.job_name) else {
            return (Vec::new(), Vec::new());
        };
        let mut built = build_targets(config, &pool.groups);
        pool.state.syncs += 1;
        pool.state.sync_failures += built.errors.len() as u64;
        let limit = config.target_limit;
        let count = built.targets.len() as u64;
        pool.over_limit = (limit > 0 && count > limit).then(|| {
            pool.state.target_limit_exceeded += 1;
            format!("target_limit exceeded (number of targets: {count}, limit: {limit})")
        });
        // The limit is one of the whole job, whoever scrapes what of it.
        built.targets.retain(|target| is_ours(target, cluster));
        let orders = deal(&built.targets, shards)
            .into_iter()
            .map(|targets| Order::Targets { job: config.job_name.clone(), targets })
            .collect();
        let known = built.targets.into_iter();
        let known =
            known.map(|target| KnownTarget { identity: target.identity_hash(), target }).collect();
        pool.targets = Arc::new(known);
        pool.dropped_count = built.dropped.len() as u64;
        let mut dropped = built.dropped;
        if config.keep_dropped_targets > 0 {
            dropped.truncate(config.keep_dropped_targets as usize);
        }
        pool.dropped = Arc::new(dropped);
        (orders, built.errors)
    }

    pub fn over_limit(&self, job: &str) -> Option<String> {
        self.pools.get(job)?.over_limit.clone()
    }

    /// In the order of the configuration.
    pub fn pools(&self) -> impl Iterator<Item = (&str, &Pool)> {
        self.order.iter().filter_map(|job| Some((job.as_str(), self.pools.get(job)?)))
    }
}

impl Pool {
    /// For the admin server.
    pub fn view(&self) -> PoolView {
        PoolView {
            job: self.state.job.clone(),
            targets: Arc::clone(&self.targets),
            dropped: Arc::clone(&self.dropped),
            dropped_count: self.dropped_count,
        }
    }
}
