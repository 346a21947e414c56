//! Bytes that the disk gave back otherwise than they were written.

use std::collections::BTreeSet;
use std::fs;

use proptest::prelude::*;

use crate::inspect::tests::fixture::*;

/// What is missing of the whole directory's lines; nothing else may be there, and nothing twice.
fn missing(found: &[String], whole: &BTreeSet<String>, what: &str) -> Vec<String> {
    let set: BTreeSet<String> = found.iter().cloned().collect();
    assert_eq!(set.len(), found.len(), "{what}: something is there twice");
    let strange: Vec<&String> = set.difference(whole).collect();
    assert!(strange.is_empty(), "{what}: {strange:?} was never written");
    whole.difference(&set).cloned().collect()
}

/// The sequence that a segment's header says.
fn seq(bytes: &[u8]) -> u32 {
    u32::from_le_bytes(bytes[40..44].try_into().expect("four bytes"))
}

#[test]
fn any_length_of_a_segment_gives_the_frames_that_are_left() {
    let directory = Directory::of("cut", 1);
    let whole: BTreeSet<String> = lines(1).into_iter().collect();
    for (path, bytes) in directory.files() {
        if !bytes.starts_with(b"CLseg") || path.extension().is_none_or(|end| end != "seg") {
            continue;
        }
        let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 9);
        for len in (0..bytes.len()).filter(|len| (4088..used).contains(len) || len % 61 == 0) {
            fs::write(&path, &bytes[..len]).expect("written");
            let what = format!("{len} bytes of {}", path.display());
            let (sums, text) = directory.verify();
            let (_, found, _) = directory.dump();
            let missing = missing(&found, &whole, &what);
            let frames: BTreeSet<i64> =
                missing.iter().filter_map(|line| line.rsplit(' ').next()?.parse().ok()).collect();
            // Frames of one segment, from some frame on.
            let first = (i64::from(seq(&bytes)) - 1) * 4;
            let range: BTreeSet<i64> = (0..4).map(|frame| time((first + frame) as u32)).collect();
            assert!(frames.is_subset(&range), "{what}: {frames:?}");
            let tail = frames.iter().rev().zip(range.iter().rev());
            assert!(tail.clone().all(|(gone, last)| gone == last), "{what}: {frames:?}");
            assert_eq!(missing.len() as u32, frames.len() as u32 * SERIES, "{what}");
            // An empty file is a spare that was never finished; only the segment before can tell.
            let known = len > 0 || seq(&bytes) > 1;
            assert!(sums.damaged > 0 || !known || missing.is_empty(), "{what}\n{text}");
        }
        fs::write(&path, &bytes).expect("written");
    }
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
            true => *at >= 4096 || at % 2048 < 512 || at.is_multiple_of(64),
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
                    let named = text.contains(&format!("damage shard=0 segment={}", seq(&bytes)));
                    assert!(missing.is_empty() || named, "{what}\n{text}");
                }
                // A definition is a record too: its series has no name any more.
                Some("def") if at >= 4096 => assert!(series.len() <= 1, "{what}: {series:?}"),
                _ => assert!(missing.is_empty(), "{what}"),
            }
        }
        fs::write(&path, &bytes).expect("written");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn whatever_happens_to_the_files_no_value_is_wrong_and_nothing_panics(
        changes in prop::collection::vec(
            (any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u64>(), 0u8..4),
            1..12,
        ),
    ) {
        let directory = Directory::new("any");
        let whole: BTreeSet<String> = lines(SHARDS).into_iter().collect();
        let mut files: Vec<_> = directory.files().into_iter().collect();
        for (file, at, word, how) in changes {
            let other = files[(word % files.len() as u64) as usize].1.clone();
            let bytes = &mut file.get_mut(&mut files).1;
            let at = if bytes.is_empty() { 0 } else { at.index(bytes.len()) };
            match how {
                0 => bytes.truncate(at),
                1 => *bytes = other,
                2 => bytes[at..].iter_mut().take(1).for_each(|byte| *byte ^= word as u8),
                _ => bytes[at..].iter_mut().zip(word.to_le_bytes()).for_each(|(old, new)| *old = new),
            }
        }
        for (path, bytes) in &files {
            fs::write(path, bytes).expect("written");
        }
        // A whole copy of another shard's segment is read as what it is, so lines may be there twice.
        let (_, found, _) = directory.dump();
        prop_assert!(found.iter().all(|line| whole.contains(line)));
        let (sums, text) = directory.verify();
        prop_assert!(sums.samples as usize <= 2 * whole.len(), "{}", text);
    }
}
