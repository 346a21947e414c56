//! The house keeps its shape: who uses whom, which crate is named where, what a door and a file look like, and that the
//! papers speak of every flag, key and metric. Each check is a function from texts to findings; it is tried on a bad
//! sample beside it, and on the whole repository here.

mod crates;
mod papers;
mod rooms;
mod rules;
mod source;

use std::collections::BTreeSet;
use std::fs;

use corelane::flags::FLAGS;
use corelane::telemetry::CATALOG;

use source::{Source, read, root, rust_files};

/// Nothing was found, or all of it is shown.
#[track_caller]
fn holds(findings: Vec<String>) {
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}

fn everything() -> Vec<Source> {
    rust_files(&["src", "tests", "bench", "fuzz"])
}

#[test]
fn rooms_use_only_what_the_table_allows() {
    let files = rust_files(&["src"]);
    assert!(files.len() > 100, "only {} files found", files.len());
    holds(rooms::forbidden(&files));
}

#[test]
fn the_table_has_no_knot() {
    holds(rooms::out_of_order(rooms::MAY_USE));
}

#[test]
fn the_table_allows_nothing_that_is_not_needed() {
    holds(rooms::stale(&rust_files(&["src"])));
}

#[test]
fn doors_and_the_floor_plan_say_what_the_table_says() {
    holds(rooms::doors_and_table(&rust_files(&["src"])));
    holds(rooms::floor_plan(&Source::new("src/lib.rs", &read("src/lib.rs"))));
}

#[test]
fn crates_are_named_by_their_owners_only() {
    let files = rust_files(&["src"]);
    holds(crates::strangers(&files));
    holds(crates::unowned(&read("Cargo.toml"), &files));
}

#[test]
fn cores_share_nothing() {
    holds(crates::shared_state(&rust_files(&["src"])));
}

#[test]
fn unsafe_code_stays_where_it_is() {
    holds(crates::unsafe_places(&everything()));
}

#[test]
fn doors_hold_no_logic() {
    holds(rules::doors(&rust_files(&["src"])));
}

#[test]
fn files_are_short_and_finished() {
    holds(rules::files(&everything()));
}

#[test]
fn no_text_promises_or_names_the_workplace() {
    let mut paths = Vec::new();
    source::walk("", &mut paths);
    assert!(paths.len() > 200, "only {} files found", paths.len());
    let mut findings = Vec::new();
    for path in paths {
        let bytes = fs::read(root().join(&path)).expect("it was listed");
        // Pages of the corpus and records of runs are data.
        let data = path.starts_with("tests/compat/corpus/") || path.starts_with("bench/runs/");
        if let (Ok(text), false) = (String::from_utf8(bytes), data) {
            findings.extend(rules::text(&path, &text));
        }
    }
    holds(findings);
}

#[test]
fn every_flag_is_explained() {
    let names: Vec<&str> = FLAGS.iter().map(|spec| spec.name).collect();
    let (tuning, compat) = (read("tuning.md"), read("COMPAT.md"));
    let silent =
        |name: &&&str| !papers::names_flag(&tuning, name) && !papers::names_flag(&compat, name);
    let missing = names.iter().filter(silent);
    let mut findings: Vec<String> = missing
        .map(|name| {
            format!("src/flags/table.rs: --{name} is neither in tuning.md nor in COMPAT.md")
        })
        .collect();
    findings.extend(papers::stale_flags("tuning.md", &tuning, &names));
    findings.extend(papers::stale_flags("COMPAT.md", &compat, &names));
    holds(findings);
}

#[test]
fn every_metric_is_listed_with_its_type() {
    let paper = read("docs/metrics.md");
    let rows: BTreeSet<String> = paper
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| line.split('|').take(3).collect::<Vec<_>>().join("|"))
        .collect();
    let wanted: BTreeSet<String> = CATALOG
        .iter()
        .map(|metric| format!("| `{}` | {} ", metric.name, metric.kind.name()))
        .collect();
    let missing = wanted.difference(&rows);
    let mut findings: Vec<String> =
        missing.map(|row| format!("docs/metrics.md: no row {row:?}")).collect();
    let stale = rows.difference(&wanted);
    findings.extend(stale.map(|row| format!("docs/metrics.md: {row:?} is not in the catalog")));
    holds(findings);
}

#[test]
fn every_configuration_key_is_in_compat() {
    let files = rust_files(&["src/config"]);
    let keys = papers::config_keys(&files);
    assert!(keys.len() > 100, "only {} keys found", keys.len());
    let compat = read("COMPAT.md");
    let words = papers::code_words(&compat);
    let missing = keys.iter().filter(|(key, _)| !words.contains(**key));
    holds(missing.map(|(key, place)| format!("{place}: {key} is not in COMPAT.md")).collect());
}

#[test]
fn invariants_that_are_cited_are_said_somewhere() {
    let files = rust_files(&["src", "tests/simulation", "tests/pipeline"]);
    let mut said = papers::invariants_of_paper(&read("ARCHITECTURE.md"));
    said.extend(files.iter().flat_map(papers::invariants_of_door));
    let mut findings = Vec::new();
    for file in &files {
        for (line, name) in papers::invariants_cited(file) {
            if !said.contains(&name) {
                findings.push(format!("{}:{line}: nobody says what {name} is", file.path));
            }
        }
    }
    holds(findings);
}

#[test]
fn the_architecture_speaks_of_every_room_and_of_files_that_exist() {
    let paper = read("ARCHITECTURE.md");
    let lines = paper.lines().count();
    let mut findings = Vec::new();
    if lines > 400 {
        findings.push(format!("ARCHITECTURE.md:400: {lines} lines, at most 400"));
    }
    for (room, _) in rooms::MAY_USE {
        if !paper.contains(&format!("**`{room}`**")) {
            findings.push(format!("ARCHITECTURE.md: no paragraph on **`{room}`**"));
        }
    }
    for (line, path) in papers::source_paths(&paper) {
        let here = path.starts_with("tests/") || path.starts_with("bench/");
        let place = if here { path.to_owned() } else { format!("src/{path}") };
        if path.contains('/') && !root().join(place).is_file() {
            findings.push(format!("ARCHITECTURE.md:{line}: there is no file {path}"));
        }
    }
    holds(findings);
}
