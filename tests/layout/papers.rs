//! What the papers must say of the program.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use corelane::config::parse;

use crate::source::{Source, is_word, line_of};

/// All words in code spans of a Markdown text.
pub fn code_words(text: &str) -> BTreeSet<&str> {
    let mut found = BTreeSet::new();
    for line in text.lines() {
        for span in line.split('`').skip(1).step_by(2) {
            let parts = span.split(|c: char| !(c.is_ascii() && is_word(c as u8)));
            found.extend(parts.filter(|word| !word.is_empty()));
        }
    }
    found
}

/// Whether `--name` stands in a text, and not as a part of a longer flag.
pub fn names_flag(text: &str, name: &str) -> bool {
    let flag = format!("--{name}");
    text.match_indices(&flag).any(|(at, _)| {
        let mut after = text[at + flag.len()..].bytes();
        match after.next() {
            Some(b'.' | b'-') => !after.next().is_some_and(is_word),
            Some(byte) => !is_word(byte),
            None => true,
        }
    })
}

/// Flags of headings such as "### `--cores`" that are none.
pub fn stale_flags(path: &str, text: &str, known: &[&str]) -> Vec<String> {
    let mut findings = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let Some(heading) = line.strip_prefix('#') else {
            continue;
        };
        for part in heading.split("`--").skip(1) {
            let name = part.split(['`', '=', ' ']).next().unwrap_or_default();
            if !known.contains(&name) {
                findings.push(format!("{path}:{}: there is no flag --{name}", at + 1));
            }
        }
    }
    findings
}

/// Places of the configuration where a field may stand, with `{}` for the field.
#[rustfmt::skip]
const SECTIONS: &[&str] = &[
    "{ {}: null }",
    "global: { {}: null }",
    "runtime: { {}: null }",
    "alerting: { {}: null }",
    "storage: { {}: null }",
    "storage: { tsdb: { {}: null } }",
    "storage: { tsdb: { retention: { {}: null } } }",
    "storage: { exemplars: { {}: null } }",
    "scrape_configs: [ { job_name: a, {}: null } ]",
    "scrape_configs: [ { job_name: a, static_configs: [ { {}: null } ] } ]",
    "scrape_configs: [ { job_name: a, file_sd_configs: [ { files: [a.yml], {}: null } ] } ]",
    "scrape_configs: [ { job_name: a, http_sd_configs: [ { url: http://a, {}: null } ] } ]",
    "scrape_configs: [ { job_name: a, dns_sd_configs: [ { names: [a], {}: null } ] } ]",
    "scrape_configs: [ { job_name: a, consul_sd_configs: [ { {}: null } ] } ]",
    "scrape_configs: [ { job_name: a, kubernetes_sd_configs: [ { role: pod, {}: null } ] } ]",
    "scrape_configs: [ { job_name: a, kubernetes_sd_configs: [ { role: pod, namespaces: { {}: null } } ] } ]",
    "scrape_configs: [ { job_name: a, kubernetes_sd_configs: [ { role: pod, attach_metadata: { {}: null } } ] } ]",
    "scrape_configs: [ { job_name: a, relabel_configs: [ { {}: null } ] } ]",
    "scrape_configs: [ { job_name: a, tls_config: { {}: null } } ]",
    "scrape_configs: [ { job_name: a, basic_auth: { {}: null } } ]",
    "scrape_configs: [ { job_name: a, authorization: { {}: null } } ]",
    "scrape_configs: [ { job_name: a, oauth2: { client_id: a, token_url: http://a, {}: null } } ]",
    "scrape_configs: [ { job_name: a, http_headers: { a: { {}: null } } } ]",
    "scrape_configs: [ { job_name: a, corelane: { {}: null } } ]",
    "remote_write: [ { url: http://a, {}: null } ]",
    "remote_write: [ { url: http://a, sigv4: { {}: null } } ]",
    "remote_write: [ { url: http://a, google_iam: { {}: null } } ]",
    "remote_write: [ { url: http://a, azuread: { {}: null } } ]",
    "remote_write: [ { url: http://a, azuread: { oauth: { {}: null } } } ]",
    "remote_write: [ { url: http://a, azuread: { workload_identity: { {}: null } } } ]",
    "remote_write: [ { url: http://a, queue_config: { {}: null } } ]",
    "remote_write: [ { url: http://a, metadata_config: { send: false, {}: null } } ]",
];

/// Whether some section of the configuration knows the field.
pub fn is_key(name: &str) -> bool {
    let known = |section: &str| {
        let text = section.replace("{}", name);
        match parse(&text, Path::new("prometheus.yml"), &|_| None) {
            Ok(_) => true,
            Err(error) => error.message != "unknown field",
        }
    };
    SECTIONS.iter().any(|section| known(section))
}

/// Literals of the configuration room that are keys, with where they stand.
pub fn config_keys(files: &[Source]) -> BTreeMap<&str, String> {
    let mut keys = BTreeMap::new();
    for file in files.iter().filter(|file| file.room() == Some("config")) {
        let tests = file.code.find("#[cfg(test)]");
        let end = tests.map_or(usize::MAX, |at| line_of(&file.text, at));
        for (line, literal) in file.literals.iter().filter(|(line, _)| *line < end) {
            let mut bytes = literal.bytes();
            let shaped = bytes.next().is_some_and(|first| first.is_ascii_lowercase())
                && bytes
                    .all(|byte| byte.is_ascii_lowercase() || byte == b'_' || byte.is_ascii_digit());
            let literal = literal.as_str();
            if shaped && !keys.contains_key(literal) && is_key(literal) {
                keys.insert(literal, format!("{}:{line}", file.path));
            }
        }
    }
    keys
}

/// Names like W4 or IO2 in comments, each with its place. Lines that cite a foreign specification do not count.
pub fn invariants_cited(file: &Source) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (at, line) in file.comments.lines().enumerate() {
        if line.contains("spec:") {
            continue;
        }
        for word in line.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_')) {
            if is_invariant(word) {
                found.push((at + 1, word.to_owned()));
            }
        }
    }
    found
}

fn is_invariant(word: &str) -> bool {
    let letters = word.trim_end_matches(|c: char| c.is_ascii_digit());
    let number = &word[letters.len()..];
    ["C", "G", "IO", "L", "R", "S", "W"].contains(&letters) && (1..=2).contains(&number.len())
}

/// Names that a door's sign begins a line with.
pub fn invariants_of_door(file: &Source) -> BTreeSet<String> {
    let lines = file.comments.lines().filter(|_| file.is_door());
    lines
        .filter_map(|line| {
            let said = line.trim_start().strip_prefix("//!")?;
            let said = said.trim_start_matches([' ', '-', '*']);
            let word: String = said.chars().take_while(char::is_ascii_alphanumeric).collect();
            is_invariant(&word).then_some(word)
        })
        .collect()
}

/// Names that stand in bold in ARCHITECTURE.md.
pub fn invariants_of_paper(text: &str) -> BTreeSet<String> {
    let spans = text.split("**").skip(1).step_by(2);
    spans.filter(|span| is_invariant(span)).map(str::to_owned).collect()
}

/// Code spans such as `wal/log.rs`, each with its line.
pub fn source_paths(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    for (at, line) in text.lines().enumerate() {
        for span in line.split('`').skip(1).step_by(2) {
            let inside = |c: char| c.is_ascii_alphanumeric() || "_/.".contains(c);
            if span.ends_with(".rs") && span.chars().all(inside) {
                found.push((at + 1, span));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_told_from_longer_ones() {
        let text = "`--web.config.file`, --wal.sync=1s and --cores.";
        for name in ["web.config.file", "wal.sync", "cores"] {
            assert!(names_flag(text, name), "{name}");
        }
        for name in ["web.config", "wal", "core", "pin"] {
            assert!(!names_flag(text, name), "{name}");
        }
        let found = stale_flags("a.md", "# A\n### `--cores`, `--gone`\n", &["cores"]);
        assert_eq!(found, ["a.md:2: there is no flag --gone"]);
    }

    #[test]
    fn keys_are_those_that_the_configuration_knows() {
        for key in ["global", "scrape_interval", "job_name", "files", "proxy_url", "max_shards"] {
            assert!(is_key(key), "{key}");
        }
        for other in ["no_such_key", "utf8", "replace", "http"] {
            assert!(!is_key(other), "{other}");
        }
        let file = Source::new(
            "src/config/x.rs",
            "fn f() { take(\"sample_limit\"); say(\"utf8\"); }\n#[cfg(test)]\nmod t { const A: &str = \"url\"; }",
        );
        let files = [file];
        let keys: Vec<_> = config_keys(&files).into_keys().collect();
        assert_eq!(keys, ["sample_limit"]);
        assert!(code_words("a `global.sample_limit: 0` b").contains("sample_limit"));
        assert!(!code_words("a sample_limit b").contains("sample_limit"));
    }

    #[test]
    fn invariants_are_found_where_they_are_cited_and_where_they_are_said() {
        let file = Source::new(
            "src/a/b.rs",
            "// Keeps W4, (IO2); RW-25, RE2, UTF8 and W are none.\n// spec: runtime R9\nlet a = \"W5\";\n",
        );
        assert_eq!(invariants_cited(&file), [(1, "W4".to_owned()), (1, "IO2".to_owned())]);
        let door =
            Source::new("src/a/mod.rs", "//! - **W1** a\n//! - W2: b\n//! IO1  c, as W9 says\n");
        let said: Vec<_> = invariants_of_door(&door).into_iter().collect();
        assert_eq!(said, ["IO1", "W1", "W2"]);
        assert_eq!(
            invariants_of_paper("**L3** x **bold** y").into_iter().collect::<Vec<_>>(),
            ["L3"]
        );
    }

    #[test]
    fn paths_in_papers_are_found() {
        assert_eq!(source_paths("a\n`wal/log.rs` `x y.rs` `b.md`"), [(2, "wal/log.rs")]);
    }
}
