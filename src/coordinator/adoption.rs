//! When the number of cores has changed: who takes over which log, and what must be delivered before what.
//!
//! Every segment carries the epoch in which it was written; an epoch ends when the number of cores changes. A series
//! may have been on another shard in an earlier epoch, so to one endpoint nothing of an epoch may be sent before all
//! shards have delivered everything of earlier ones.

use std::collections::HashMap;

/// Shard directories to adopt, by adopting shard: those of cores that no longer exist.
pub fn adopters(found: &[u16], cores: u16) -> Vec<Vec<u16>> {
    let mut adopted = vec![Vec::new(); usize::from(cores)];
    for &shard in found.iter().filter(|&&shard| shard >= cores) {
        adopted[usize::from(shard % cores)].push(shard);
    }
    adopted
}

/// What shards have said about old epochs, by endpoint.
#[derive(Debug)]
pub struct Epochs {
    present: u32,
    shards: usize,
    lowest: HashMap<String, Vec<Option<u32>>>,
}

impl Epochs {
    pub fn new(present: u32, shards: u16) -> Epochs {
        Epochs { present, shards: usize::from(shards), lowest: HashMap::new() }
    }

    /// The lowest epoch of which `shard` holds something that the endpoint has not settled (`u32::MAX`: none).
    /// Gives the epoch to release to all shards once all have spoken.
    pub fn heard(&mut self, endpoint: &str, shard: u16, lowest: u32) -> Option<u32> {
        let said = self.lowest.entry(endpoint.to_owned());
        let said = said.or_insert_with(|| vec![None; self.shards]);
        *said.get_mut(usize::from(shard))? = Some(lowest);
        let all = said.iter().copied().collect::<Option<Vec<u32>>>()?;
        let lowest = all.into_iter().min()?.min(self.present);
        // Said again whenever a shard has news: one whose endpoint is new does not know what the others were told.
        Some(lowest)
    }

    /// An endpoint is gone; if it comes back it is a new one.
    pub fn forget_all_but(&mut self, endpoints: &[&str]) {
        self.lowest.retain(|endpoint, _| endpoints.contains(&endpoint.as_str()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_of_vanished_cores_are_spread_over_those_there_are() {
        assert_eq!(adopters(&[0, 1, 2, 3, 5], 2), [vec![2], vec![3, 5]]);
        assert_eq!(adopters(&[0], 4), [vec![], vec![], vec![], Vec::<u16>::new()]);
    }

    #[test]
    fn an_epoch_is_released_when_every_shard_is_through_with_those_before() {
        let mut epochs = Epochs::new(3, 2);
        assert_eq!(epochs.heard("a", 0, 1), None);
        assert_eq!(epochs.heard("a", 1, 2), Some(1));
        assert_eq!(epochs.heard("a", 0, u32::MAX), Some(2));
        assert_eq!(epochs.heard("b", 0, u32::MAX), None);
        assert_eq!(epochs.heard("a", 1, 3), Some(3));
        assert_eq!(epochs.heard("a", 1, u32::MAX), Some(3));
        assert_eq!(epochs.heard("b", 1, u32::MAX), Some(3));
    }
}
