//! Rules that every file keeps.

use crate::source::{Source, line_of, words};

const LINES_MAX: usize = 800;
const SCRIPT_LINES_MAX: usize = 60;

/// Words that promise to do something later; written in two parts so that this file does not promise anything.
const PROMISES: [&str; 3] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];

/// A path of the place where the program was written.
const WORKPLACE: &str = concat!("/wo", "rk/");

/// Doors hold a sign and no logic.
pub fn doors(files: &[Source]) -> Vec<String> {
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| file.path.ends_with("/mod.rs")) {
        for at in words(&file.code, "fn") {
            findings.push(file.finding(at, "a door holds no function"));
        }
        if file.is_door() && !file.text.starts_with("//!") {
            findings.push(file.finding(0, "a door begins with its sign"));
        }
    }
    findings
}

pub fn files(files: &[Source]) -> Vec<String> {
    let mut findings = Vec::new();
    for file in files {
        let lines = file.text.lines().count();
        if lines > LINES_MAX {
            findings.push(file.finding(0, &format!("{lines} lines, at most {LINES_MAX}")));
        }
        for (at, _) in file.code.match_indices("super::super") {
            findings.push(file.finding(at, "super::super: name the room instead"));
        }
        for (at, _) in file.code.match_indices("#[ignore") {
            findings.push(file.finding(at, "a test that is not run"));
        }
        for at in words(&file.code, "dbg").filter(|at| file.code[at + 3..].starts_with('!')) {
            findings.push(file.finding(at, "dbg! is left over"));
        }
    }
    findings
}

/// Any text file: promises, and where it was written.
pub fn text(path: &str, text: &str) -> Vec<String> {
    let mut findings = Vec::new();
    for promise in PROMISES {
        for at in words(text, promise) {
            let line = line_of(text, at);
            findings.push(format!("{path}:{line}: {promise}: do it, or open an issue"));
        }
    }
    for (at, _) in text.match_indices(WORKPLACE) {
        let line = line_of(text, at);
        findings.push(format!("{path}:{line}: names the place where it was written"));
    }
    if path.starts_with("scripts/") && text.lines().count() >= SCRIPT_LINES_MAX {
        findings.push(format!("{path}:1: a script has fewer than {SCRIPT_LINES_MAX} lines"));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logic_in_a_door_is_found() {
        let door = Source::new("src/wal/mod.rs", "//! The log.\n\npub fn open() {}\n");
        assert_eq!(doors(&[door]), ["src/wal/mod.rs:3: a door holds no function"]);
        let door = Source::new("src/wal/mod.rs", "mod log;\n");
        assert_eq!(doors(&[door]), ["src/wal/mod.rs:1: a door begins with its sign"]);
        let plain = Source::new("src/wal/log.rs", "fn open() {}\n");
        assert_eq!(doors(&[plain]), [""; 0]);
    }

    #[test]
    fn long_files_and_left_overs_are_found() {
        let long = Source::new("src/a/b.rs", &"\n".repeat(LINES_MAX + 1));
        assert_eq!(files(&[long]), ["src/a/b.rs:1: 801 lines, at most 800"]);
        let bad = "use super::super::x;\n#[ignore]\nfn f() { dbg!(1); }\n// dbg!(2) super::super\n";
        let found = files(&[Source::new("src/a/b.rs", bad)]);
        let lines: Vec<_> = found.iter().filter_map(|line| line.split(':').nth(1)).collect();
        assert_eq!(lines, ["1", "2", "3"], "{found:?}");
    }

    #[test]
    fn promises_and_places_are_found_in_any_text() {
        let bad = format!("a\n# {} later\ncd {WORKPLACE}main\n", PROMISES[0]);
        let found = text("scripts/x", &bad);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].starts_with("scripts/x:2:") && found[1].starts_with("scripts/x:3:"));
        assert_eq!(text("scripts/x", &"\n".repeat(60)).len(), 1);
        assert_eq!(text("a.md", "TODOS are not it; a network is fine\n"), [""; 0]);
    }
}
