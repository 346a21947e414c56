//! Labels as they come, made into what the log keeps: sorted, complete, each name once.

use core::fmt;

use crate::base::{limits, stable_hash};
use crate::model::{PackedLabels, pack_label};

/// Why a series' labels cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LabelsError {
    Duplicate,
    /// A name is empty, or a text is not UTF-8.
    Invalid,
    NoName,
    TooLong,
}

impl fmt::Display for LabelsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LabelsError::Duplicate => "a label name is there twice",
            LabelsError::Invalid => "a label name is empty, or a text is not UTF-8",
            LabelsError::NoName => "the metric name is missing",
            LabelsError::TooLong => "the labels are too long",
        })
    }
}

/// One label, before it is known to be text.
type Raw<'a> = (&'a [u8], &'a [u8]);

/// Appends the label set to `out`; nothing if it cannot be used. `sorted` is for its use. Labels without a value are as
/// if they were not there.
pub(super) fn canonical<'a>(
    labels: &[Raw<'a>],
    sorted: &mut Vec<Raw<'a>>,
    out: &mut Vec<u8>,
) -> Result<(), LabelsError> {
    sorted.clear();
    for (name, value) in labels {
        let text = core::str::from_utf8(name).is_ok() && core::str::from_utf8(value).is_ok();
        if name.is_empty() || !text {
            return Err(LabelsError::Invalid);
        }
    }
    sorted.extend_from_slice(labels);
    if !sorted.is_sorted_by(|one, next| one.0 < next.0) {
        sorted.sort_by(|one, other| one.0.cmp(other.0));
        if sorted.windows(2).any(|pair| matches!(pair, [one, next] if one.0 == next.0)) {
            return Err(LabelsError::Duplicate);
        }
    }
    sorted.retain(|(_, value)| !value.is_empty());
    let before = out.len();
    sorted.iter().for_each(|(name, value)| pack_label(out, name, value));
    if out.len().saturating_sub(before) > limits::LABELS_BYTES {
        out.truncate(before);
        return Err(LabelsError::TooLong);
    }
    Ok(())
}

/// As [`canonical`], of a series: it must have a name.
pub(super) fn canonical_series<'a>(
    labels: &[Raw<'a>],
    sorted: &mut Vec<Raw<'a>>,
    out: &mut Vec<u8>,
) -> Result<(), LabelsError> {
    let named = labels.iter().any(|(name, value)| *name == b"__name__" && !value.is_empty());
    if !named {
        return Err(LabelsError::NoName);
    }
    canonical(labels, sorted, out)
}

/// The shard that keeps the series with these packed labels: always the same on as many shards.
pub(super) fn shard_of(packed: &[u8], shards: u16) -> u16 {
    let hash = stable_hash(packed) >> 32;
    (hash.wrapping_mul(u64::from(shards)) >> 32) as u16
}

/// The lane by which a new series goes: that of its target, so that what is scraped together stays together.
pub(super) fn home_of(packed: &[u8]) -> u8 {
    let labels = PackedLabels(packed);
    let target = [labels.get("instance"), labels.get("job")].join("\0");
    (stable_hash(target.as_bytes()) % limits::CONNECTIONS as u64) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(labels: &[(&str, &str)]) -> Result<String, LabelsError> {
        let raw: Vec<Raw<'_>> = labels.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())).collect();
        let mut out = Vec::new();
        canonical_series(&raw, &mut Vec::new(), &mut out)?;
        let pairs = PackedLabels(&out).iter().map(|(name, value)| format!("{name}={value}"));
        Ok(pairs.collect::<Vec<_>>().join(","))
    }

    #[test]
    fn labels_are_sorted_and_checked() {
        let fine = made(&[("z", "1"), ("__name__", "up"), ("empty", ""), ("é", "ö")]);
        assert_eq!(fine.as_deref(), Ok("__name__=up,z=1,é=ö"));
        assert_eq!(made(&[("a", "b")]), Err(LabelsError::NoName));
        assert_eq!(made(&[("__name__", "")]), Err(LabelsError::NoName));
        assert_eq!(made(&[("__name__", "a"), ("", "b")]), Err(LabelsError::Invalid));
        let twice = [("__name__", "a"), ("b", "1"), ("a", "2"), ("b", "")];
        assert_eq!(made(&twice), Err(LabelsError::Duplicate));
        let long = "x".repeat(limits::LABELS_BYTES);
        assert_eq!(made(&[("__name__", &long)]), Err(LabelsError::TooLong));
        let mut out = Vec::new();
        let bad: [Raw<'_>; 2] = [(b"__name__", b"a"), (b"b", b"\xff")];
        assert_eq!(canonical_series(&bad, &mut Vec::new(), &mut out), Err(LabelsError::Invalid));
        assert!(out.is_empty());
    }

    #[test]
    fn series_spread_over_all_shards_and_each_has_one() {
        let mut counts = [0; 5];
        for number in 0..5000 {
            let mut packed = Vec::new();
            pack_label(&mut packed, b"__name__", format!("series_{number}").as_bytes());
            let shard = shard_of(&packed, 5);
            assert_eq!(shard, shard_of(&packed.clone(), 5));
            assert_eq!(shard_of(&packed, 1), 0);
            counts[usize::from(shard)] += 1;
        }
        assert!(counts.iter().all(|count| (800..1200).contains(count)), "{counts:?}");
    }
}
