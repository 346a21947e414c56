//! The places of a capped job, dealt out to shards so that together they never store more series than the job may.

use std::collections::HashMap;

use crate::config::ScrapeConfig;
use crate::mail::{JobMeters, Order};

/// What every shard was told last, by job.
#[derive(Debug, Default)]
pub struct Quotas {
    jobs: HashMap<String, Told>,
}

#[derive(Debug)]
struct Told {
    limit: u64,
    shares: Vec<u64>,
}

impl Quotas {
    /// The jobs in force. Those whose limit stays keep what was told.
    pub fn set_jobs(&mut self, configs: &[ScrapeConfig], shards: u16) {
        let mut old = core::mem::take(&mut self.jobs);
        for config in configs.iter().filter(|config| config.job_series_limit > 0) {
            let limit = config.job_series_limit;
            let before = old.remove(&config.job_name).filter(|told| told.limit == limit);
            let told = before.unwrap_or_else(|| Told {
                limit,
                shares: (0..shards).map(|shard| share(limit, shard, shards)).collect(),
            });
            self.jobs.insert(config.job_name.clone(), told);
        }
    }

    /// Moves places from shards that do not use them to shards that refuse series. `reports`: what each shard last
    /// said of its jobs. A place is given away only after the shard that had it has said that it has it no more.
    pub fn settle(&mut self, reports: &[&[JobMeters]]) -> Vec<(u16, Order)> {
        let mut orders = Vec::new();
        for (job, told) in &mut self.jobs {
            let meters: Vec<&JobMeters> = reports
                .iter()
                .filter_map(|jobs| jobs.iter().find(|meters| meters.job == *job))
                .collect();
            if meters.len() != told.shares.len() {
                continue;
            }
            for (shard, series) in told.settle(&meters) {
                orders.push((shard as u16, Order::Quota { job: job.clone(), series }));
            }
        }
        orders
    }
}

/// What a shard begins with.
pub fn share(limit: u64, shard: u16, shards: u16) -> u64 {
    let (shard, shards) = (u64::from(shard), u64::from(shards.max(1)));
    limit / shards + u64::from(shard < limit % shards)
}

impl Told {
    fn settle(&mut self, meters: &[&JobMeters]) -> Vec<(usize, u64)> {
        let hungry = meters.iter().filter(|meters| meters.refused > 0).count() as u64;
        if hungry == 0 {
            return Vec::new();
        }
        let claims = self.shares.iter().zip(meters);
        let claimed: u64 = claims.map(|(told, now)| *told.max(&now.quota).max(&now.series)).sum();
        let each = self.limit.saturating_sub(claimed).div_ceil(hungry);
        let mut free = self.limit.saturating_sub(claimed);
        let mut changed = Vec::new();
        for (shard, (told, now)) in self.shares.iter_mut().zip(meters).enumerate() {
            let before = *told;
            if now.refused > 0 {
                let more = each.min(free);
                free -= more;
                *told += more;
            } else {
                // Half of what is idle at a time: it may be wanted again.
                let idle = told.saturating_sub(now.series);
                *told -= idle.div_ceil(2);
            }
            if *told != before {
                changed.push((shard, *told));
            }
        }
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A shard that wants so many series.
    struct Shard {
        quota: u64,
        taken: u64,
        wants: u64,
    }

    impl Shard {
        fn meters(&mut self) -> JobMeters {
            self.taken = self.taken.max(self.wants.min(self.quota));
            JobMeters {
                job: "j".to_owned(),
                series: self.taken,
                quota: self.quota,
                refused: self.wants - self.taken,
                ..JobMeters::default()
            }
        }
    }

    #[test]
    fn idle_places_move_to_where_series_are_refused_and_never_are_there_more_than_allowed() {
        for wants in [[90, 5, 0], [0, 0, 200], [40, 40, 40], [10, 10, 10], [100, 1, 99]] {
            let limit = 100;
            let told = Told { limit, shares: (0..3).map(|shard| share(limit, shard, 3)).collect() };
            let mut shards: Vec<Shard> = told
                .shares
                .iter()
                .zip(wants)
                .map(|(quota, wants)| Shard { quota: *quota, taken: 0, wants })
                .collect();
            let mut quotas = Quotas { jobs: [("j".to_owned(), told)].into_iter().collect() };
            let mut late: Vec<(u16, Order)> = Vec::new();
            for _ in 0..40 {
                let meters: Vec<[JobMeters; 1]> =
                    shards.iter_mut().map(|shard| [shard.meters()]).collect();
                let reports: Vec<&[JobMeters]> = meters.iter().map(|one| &one[..]).collect();
                // Orders arrive after the next reports have been made.
                let orders = core::mem::replace(&mut late, quotas.settle(&reports));
                for (shard, order) in orders {
                    let Order::Quota { series, .. } = order else { panic!("{order:?}") };
                    let shard = &mut shards[usize::from(shard)];
                    shard.quota = series.max(shard.taken);
                }
                assert!(shards.iter().map(|shard| shard.quota).sum::<u64>() <= limit, "{wants:?}");
            }
            let stored: u64 = shards.iter_mut().map(|shard| shard.meters().series).sum();
            assert_eq!(stored, limit.min(wants.iter().sum()), "{wants:?}");
        }
    }
}
