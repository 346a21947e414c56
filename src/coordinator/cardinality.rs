//! What makes many series, counted beside the cores: from the dictionaries on disk, which only grow.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use crate::base::stable_hash;
use crate::disk::{FileKind, StoppedStore};
use crate::model::PackedLabels;
use crate::wal::{Dictionary, DictionaryEntry, FoundSegment, SegmentKind};
use crate::web::{Cardinality, LabelUse};

/// Names given, of metrics and of labels.
const TOP: usize = 100;
/// Different values remembered over all labels: 16 MiB of them. What comes after is not told from what came before.
const VALUES: usize = 2 << 20;

#[derive(Default)]
struct Count {
    series: u64,
    metrics: HashMap<String, u64>,
    labels: HashMap<String, LabelUse>,
    values: HashSet<u64>,
}

/// Reads the dictionaries of a running agent, a shard at a time. What is being written meanwhile is left out.
///
/// # Errors
/// One sentence: what cannot be read.
pub fn cardinality(directory: &Path) -> Result<Cardinality, String> {
    let store = StoppedStore::beside(directory).map_err(|error| error.to_string())?;
    let mut count = Count::default();
    for (_, dir) in store.shards().map_err(|error| error.to_string())? {
        read(&store, &dir, &mut count)?;
    }
    Ok(count.result())
}

fn read(store: &StoppedStore, dir: &Path, count: &mut Count) -> Result<(), String> {
    let mut definitions = Vec::new();
    for file in store.files(dir).map_err(|error| error.to_string())? {
        let FileKind::Segment { header, slot, .. } = file.kind else { continue };
        if header.kind == SegmentKind::Dictionary
            // It may have been cleaned away since it was listed.
            && let Ok(region) = store.read(&dir.join(&file.name), &header)
        {
            definitions.push(FoundSegment { header, slot, region: Some(region) });
        }
    }
    let mut defined = HashMap::new();
    let dictionary =
        Dictionary::open(store.identity(), 0, definitions, 0, &mut |entry| match entry {
            DictionaryEntry::Define { series, at, .. } => defined.insert(series, at),
            DictionaryEntry::Describe { .. } => None,
            DictionaryEntry::Forget { series } => defined.remove(&series),
        });
    defined.into_values().for_each(|at| count.add(PackedLabels(dictionary.labels(at))));
    Ok(())
}

impl Count {
    fn add(&mut self, labels: PackedLabels<'_>) {
        self.series += 1;
        for (name, value) in labels.iter() {
            if name == "__name__" {
                match self.metrics.get_mut(value) {
                    Some(series) => *series += 1,
                    None => drop(self.metrics.insert(value.to_owned(), 1)),
                }
                continue;
            }
            if !self.labels.contains_key(name) {
                let new = LabelUse { name: name.to_owned(), ..LabelUse::default() };
                self.labels.insert(name.to_owned(), new);
            }
            let Some(label) = self.labels.get_mut(name) else { continue };
            label.series += 1;
            let mark = stable_hash(name.as_bytes()).rotate_left(1) ^ stable_hash(value.as_bytes());
            if self.values.len() < VALUES {
                label.values += u64::from(self.values.insert(mark));
            } else {
                label.capped |= !self.values.contains(&mark);
            }
        }
    }

    fn result(self) -> Cardinality {
        let mut metrics: Vec<_> = self.metrics.into_iter().collect();
        let mut labels: Vec<_> = self.labels.into_values().collect();
        let (metric_names, label_names) = (metrics.len() as u64, labels.len() as u64);
        metrics.sort_by(|left, right| right.1.cmp(&left.1).then_with(|| left.0.cmp(&right.0)));
        labels.sort_by(|left, right| {
            right.values.cmp(&left.values).then_with(|| left.name.cmp(&right.name))
        });
        metrics.truncate(TOP);
        labels.truncate(TOP);
        Cardinality { series: self.series, metric_names, label_names, metrics, labels }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::pack;

    #[test]
    fn metrics_are_counted_by_series_and_labels_by_values() {
        let mut count = Count::default();
        for n in 0..10 {
            let (name, value) = (format!("m{}", n % 2), n.to_string());
            let mut packed = Vec::new();
            let labels = [("__name__", name.as_str()), ("a", value.as_str()), ("b", "x")];
            pack(labels.into_iter(), &mut packed);
            count.add(PackedLabels(&packed));
        }
        let found = count.result();
        assert_eq!((found.series, found.metric_names, found.label_names), (10, 2, 2));
        assert_eq!(found.metrics, [("m0".to_owned(), 5), ("m1".to_owned(), 5)]);
        let labels: Vec<_> = found.labels.iter().map(|l| (l.name.as_str(), l.values)).collect();
        assert_eq!(labels, [("a", 10), ("b", 1)]);
    }
}
