//! What the end of the last run cost, in words.

use crate::mail::{Level, Recovery};

/// A level and the fields of a log line. `clean`: the last run stopped in order.
pub fn cost(
    found: impl Iterator<Item = Recovery>,
    clean: bool,
) -> (Level, Vec<(&'static str, String)>) {
    let mut sum = Recovery::default();
    for shard in found {
        sum.damaged += shard.damaged;
        sum.lost += shard.lost;
        sum.vanished += shard.vanished;
        sum.series += shard.series;
        sum.segments += shard.segments;
    }
    let mut costs = Vec::new();
    if sum.vanished > 0 {
        costs.push(format!("at least {} samples that were not on disk yet", sum.vanished));
    }
    if sum.damaged > 0 {
        costs.push(format!("{} samples in {} damaged places", sum.lost, sum.damaged));
    }
    let level = if costs.is_empty() { Level::Info } else { Level::Warn };
    let cost = if costs.is_empty() { "nothing".to_owned() } else { costs.join(" and ") };
    let fields = vec![
        ("clean_stop", clean.to_string()),
        ("cost", cost),
        ("segments", sum.segments.to_string()),
        ("series", sum.series.to_string()),
    ];
    (level, fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(found: &[Recovery]) -> (Level, String) {
        let (level, fields) = cost(found.iter().copied(), false);
        let cost = fields.into_iter().find(|(name, _)| *name == "cost");
        (level, cost.expect("always said").1)
    }

    #[test]
    fn a_stop_that_cost_nothing_is_said_to_have_cost_nothing() {
        let found = Recovery { series: 3, segments: 2, ..Recovery::default() };
        assert_eq!(said(&[found, found]), (Level::Info, "nothing".to_owned()));
    }

    #[test]
    fn what_is_gone_is_added_up_over_shards() {
        let cut = Recovery { vanished: 20, ..Recovery::default() };
        let torn = Recovery { damaged: 1, lost: 7, vanished: 2, ..Recovery::default() };
        let wanted =
            "at least 22 samples that were not on disk yet and 7 samples in 1 damaged places";
        assert_eq!(said(&[cut, torn]), (Level::Warn, wanted.to_owned()));
    }
}
