//! Which shard a target belongs to.

use crate::base::stable_hash;
use crate::flags::Cluster;
use crate::model::Target;

/// By the hash of its final labels, so that on any run with as many shards a target meets its own backlog: its
/// samples stay in order.
pub fn place(target: &Target, shards: u16) -> u16 {
    // The low bits choose connections; the high ones shards.
    let hash = target.placement_hash() >> 32;
    ((hash * u64::from(shards)) >> 32) as u16
}

/// Whether a target is ours among the members of a cluster. The hash that shards go by is mixed anew, so that the part of
/// one member spreads evenly over its shards.
pub fn is_ours(target: &Target, cluster: Cluster) -> bool {
    let members = u64::from(cluster.members.max(1));
    let first = stable_hash(&target.placement_hash().to_le_bytes()) % members;
    let distance = (u64::from(cluster.member) + members - first) % members;
    distance < u64::from(cluster.replication)
}

/// Targets by shard, in the order given.
pub fn deal(targets: &[Target], shards: u16) -> Vec<Vec<Target>> {
    let mut dealt = vec![Vec::new(); usize::from(shards)];
    for target in targets {
        // A shard has no use for the labels before relabeling.
        let target = Target { discovered: Default::default(), ..target.clone() };
        dealt[usize::from(place(&target, shards))].push(target);
    }
    dealt
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Labels;

    #[test]
    fn targets_spread_evenly_and_stay_where_they_are() {
        let target = |n: u32| Target {
            labels: Labels::from_iter([("instance", format!("10.0.0.{n}:9100"))]),
            discovered: Labels::new(),
            scheme: crate::model::Scheme::Http,
            address: format!("10.0.0.{n}:9100"),
            unix_socket: String::new(),
            path: "/metrics".to_owned(),
            interval: core::time::Duration::from_secs(15),
            timeout: core::time::Duration::from_secs(10),
            histograms: Default::default(),
        };
        let targets: Vec<Target> = (0..4000).map(target).collect();
        let dealt = deal(&targets, 4);
        for shard in &dealt {
            assert!((900..1100).contains(&shard.len()), "{}", shard.len());
        }
        assert_eq!(place(&targets[7], 4), place(&targets[7].clone(), 4));
        assert!(deal(&targets, 1)[0].len() == 4000);
        let member = |member, replication| -> Vec<Target> {
            let cluster = Cluster { members: 5, member, replication };
            targets.iter().filter(|target| is_ours(target, cluster)).cloned().collect()
        };
        let mut scraped = 0;
        for number in 0..5 {
            let ours = member(number, 2);
            scraped += ours.len();
            assert!((1450..1750).contains(&ours.len()), "{}", ours.len());
            for shard in deal(&ours, 4) {
                assert!((320..480).contains(&shard.len()), "{}", shard.len());
            }
        }
        assert_eq!(scraped, 8000);
        assert_eq!((0..5).map(|number| member(number, 1).len()).sum::<usize>(), 4000);
    }
}
