//! The file of dead letters: what endpoints refused for good, within a bound.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;

use crate::base::limits::REJECTED_BYTES;

const FILE: &str = "rejected.jsonl";
const BEFORE: &str = "rejected.1.jsonl";

/// Appends whole lines. A file that would become too long takes the place of the one before it.
pub(super) fn quarantine(dir: &Path, lines: &[u8]) -> Result<(), String> {
    let path = dir.join(FILE);
    let told = |error: std::io::Error| format!("{}: {error}", path.display());
    let bytes = fs::metadata(&path).map_or(0, |found| found.len());
    if bytes > 0 && bytes.saturating_add(lines.len() as u64) > REJECTED_BYTES / 2 {
        fs::rename(&path, dir.join(BEFORE)).map_err(told)?;
    }
    let mut file = OpenOptions::new().create(true).append(true).open(&path).map_err(told)?;
    file.write_all(lines).map_err(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_lines_are_there_and_the_bound_is_kept() {
        let dir = std::env::temp_dir().join(format!("corelane-quarantine-{}", std::process::id()));
        fs::create_dir_all(&dir).expect("a directory");
        let line = |number: u32| format!("{{\"n\":{number},\"x\":\"{}\"}}\n", "x".repeat(900));
        for number in 0..5_000 {
            quarantine(&dir, line(number).as_bytes()).expect("written");
        }
        let read = |name: &str| fs::read_to_string(dir.join(name)).expect("text");
        let (now, before) = (read(FILE), read(BEFORE));
        assert!((now.len() + before.len()) as u64 <= REJECTED_BYTES);
        assert!(now.ends_with(&line(4_999)) && before.starts_with("{\"n\":"));
        fs::remove_dir_all(&dir).expect("removed");
        assert!(quarantine(&dir, b"x\n").is_err_and(|error| error.contains(FILE)));
    }
}
