//! Exemplars that came without a sample, as Prometheus sends them in 1.0: they wait for the next sample of their series.

use std::collections::HashMap;

use crate::model::PushExemplar;

/// An exemplar with its packed labels.
pub(super) type Owned = (PushExemplar, Vec<u8>);

/// Series in one generation.
const SERIES: usize = 1 << 12;
/// Exemplars of one series.
const EACH: usize = 16;

/// By the packed labels of their series, in two generations: what no sample came for while a whole generation came and
/// went is given up.
#[derive(Debug, Default)]
pub(super) struct Loose {
    young: HashMap<Vec<u8>, Vec<Owned>>,
    old: HashMap<Vec<u8>, Vec<Owned>>,
}

impl Loose {
    /// Gives how many others had to be given up.
    pub(super) fn keep(&mut self, series: &[u8], exemplars: impl Iterator<Item = Owned>) -> u64 {
        let mut given_up = 0;
        if self.young.len() >= SERIES && !self.young.contains_key(series) {
            given_up = count(&self.old);
            self.old = core::mem::take(&mut self.young);
        }
        let kept = self.young.entry(series.to_vec()).or_default();
        kept.extend(exemplars);
        let excess = kept.len().saturating_sub(EACH);
        kept.drain(..excess);
        given_up.saturating_add(excess as u64)
    }

    /// Those of the series, which has a sample now.
    pub(super) fn take(&mut self, series: &[u8]) -> Vec<Owned> {
        if self.young.is_empty() && self.old.is_empty() {
            return Vec::new();
        }
        let mut taken = self.old.remove(series).unwrap_or_default();
        taken.extend(self.young.remove(series).into_iter().flatten());
        taken
    }

    /// Gives up all of them; gives how many.
    pub(super) fn clear(&mut self) -> u64 {
        let left = count(&self.young).saturating_add(count(&self.old));
        *self = Loose::default();
        left
    }
}

fn count(generation: &HashMap<Vec<u8>, Vec<Owned>>) -> u64 {
    generation.values().map(|some| some.len() as u64).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exemplars_wait_for_their_series_but_not_for_ever() {
        let one = |time| (PushExemplar { labels: 0, value: 1.0, time }, Vec::new());
        let mut loose = Loose::default();
        assert_eq!(loose.keep(b"a", [one(1), one(2)].into_iter()), 0);
        assert_eq!(loose.keep(b"b", [one(3)].into_iter()), 0);
        assert_eq!(loose.take(b"a").len(), 2);
        assert!(loose.take(b"a").is_empty());
        let many = (0..2 * EACH as i64).map(one);
        assert_eq!(loose.keep(b"c", many), EACH as u64);
        let mut given_up = 0;
        for number in 0..3 * SERIES {
            given_up += loose.keep(&number.to_le_bytes(), [one(1)].into_iter());
        }
        assert!(given_up > SERIES as u64 && loose.take(b"b").is_empty());
        assert_eq!(given_up + loose.clear(), 1 + EACH as u64 + 3 * SERIES as u64);
    }
}
