//! Which shard a target belongs to.

use crate::model::Target;

/// By the hash of its final labels, so that on any run with as many shards a target meets its own backlog: its
/// samples stay in order.
pub fn place(target: &Target, shards: u16) -> u16 {
    // The low bits choose connections; the high ones shards.
    let hash = target.placement_hash() >> 32;
    ((hash * u64::from(shards)) >> 32) as u16
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
    }
}
