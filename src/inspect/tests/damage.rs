//! Bytes that the disk gave back otherwise than they were written.

use std::collections::BTreeSet;
use std::fs;

use crate::inspect::tests::fixture::*;

/// What is missing of the whole directory's lines; nothing else may be there, and nothing twice.
fn missing(found: &[String], whole: &BTreeSet<String>, what: &str) -> Vec<String> {
    let set: BTreeSet<String> = found.iter().cloned().collect();
    assert_eq!(set.len(), found.len(), "{what}: something is there twice");
    let strange: Vec<&String> = set.difference(whole).collect();
    assert!(strange.is_empty(), "{what}: {strange:?} was never written");
    whole.difference(&set).cloned().collect()
}

#[test]
fn one_changed_bit_anywhere_costs_at_most_one_record_and_is_found() {
    let directory = Directory::of("flips", 1);
    let whole: BTreeSet<String> = lines(1).into_iter().collect();
    for (path, bytes) in directory.files() {
        let kind = path.extension().map(|end| end.to_string_lossy().into_owned());
        let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 9);
        // All bytes that mean something, and some of the others.
        let segment = matches!(kind.as_deref(), Some("seg" | "def"));
        let telling = |at: &usize| match segment {
            true => *at < 512 || *at >= 4096 || at.is_multiple_of(64),
            false => at % 2048 < 512 || at.is_multiple_of(64),
        };
        for at in (0..used.min(bytes.len())).filter(telling) {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << (at % 8);
            fs::write(&path, &changed).expect("written");
            let what = format!("{} at {at}", path.display());
            let (sums, text) = directory.verify();
            let (dumped, found, _) = directory.dump();
            let missing = missing(&found, &whole, &what);
            assert_eq!(sums.samples, found.len() as u64, "{what}\n{text}");
            if !missing.is_empty() {
                assert!(sums.damaged > 0, "{what}: lost and not found\n{text}");
            }
            let frames: BTreeSet<&str> =
                missing.iter().filter_map(|line| line.rsplit(' ').next()).collect();
            let series: BTreeSet<&str> =
                missing.iter().filter_map(|line| line.split(' ').next()).collect();
            match kind.as_deref() {
                Some("seg") if at >= 4096 => {
                    assert!(frames.len() <= 1, "{what}: {frames:?}");
                    assert!(dumped.lost <= u64::from(SERIES), "{what}");
                }
                Some("def") if at >= 4096 => assert!(series.len() <= 1, "{what}: {series:?}"),
                Some("seg" | "def") => {}
                _ => assert!(missing.is_empty(), "{what}"),
            }
        }
        fs::write(&path, &bytes).expect("written");
    }
}
