//! What becomes of each field of a file, for people who come from elsewhere.

use std::path::Path;

use crate::config::error::ConfigError;
use crate::config::parse::parse_node;
use crate::config::yaml::{self, Node, Value};

/// What becomes of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    NoEffect(&'static str),
    Obeyed,
    /// Why the file is refused.
    Refused(String),
    /// Obeyed in another way.
    Translated(&'static str),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Surveyed {
    pub line: usize,
    /// As `scrape_configs[0].job_name`.
    pub field: String,
    pub fate: Fate,
}

const REREAD: &str = "the file is read again every five seconds";
const UNBOUND: &str = "the log is read in place";
const SERVER: &str = "an agent has no use for it";

/// Ends of paths without their indexes, and what is to be said.
const TRANSLATED: &[(&str, &str)] = &[
    (
        "queue_config.max_samples_per_send",
        "obeyed, and no request has more than 4 MiB, or a megabyte compressed, unless corelane.max_bytes_per_send \
         and corelane.max_compressed_bytes_per_send say so",
    ),
    ("queue_config.min_shards", "connections: at least one per core, at most 16 per core"),
    ("queue_config.max_shards", "connections: at least one per core, at most 16 per core"),
    ("queue_config.min_backoff", "with jitter within 5 %"),
    ("queue_config.max_backoff", "with jitter within 5 %"),
    ("username_file", REREAD),
    ("password_file", REREAD),
    ("credentials_file", REREAD),
    ("bearer_token_file", REREAD),
    ("tls_config.ca_file", REREAD),
    ("tls_config.cert_file", REREAD),
    ("tls_config.key_file", REREAD),
];

const NO_EFFECT: &[(&str, &str)] = &[
    ("runtime.gogc", "there is no Go runtime"),
    ("tsdb.retention.time", SERVER),
    ("tsdb.retention.size", SERVER),
    ("tsdb.retention.percentage", SERVER),
    ("tsdb.stale_series_compaction_threshold", SERVER),
    ("tsdb.chunk_encoding", SERVER),
    ("exemplars.max_exemplars", SERVER),
    ("global.evaluation_interval", SERVER),
    ("global.rule_query_offset", SERVER),
    ("global.query_log_file", SERVER),
    ("queue_config.capacity", UNBOUND),
    ("remote_write.failed_request_logging", "it only adds debug lines"),
    ("enable_http2", "HTTP/1.1 is spoken to targets and endpoints"),
];

/// Mappings whose names are data.
const DATA: [&str; 8] = [
    "claims",
    "endpoint_params",
    "external_labels",
    "headers",
    "http_headers",
    "labels",
    "node_meta",
    "params",
];

/// Every field in the order of the file. What is refused is taken out and the rest looked at again, so that all of it is
/// found and not only the first.
///
/// # Errors
/// The text is no YAML.
pub fn survey(
    text: &str,
    path: &Path,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Vec<Surveyed>, ConfigError> {
    let whole = yaml::read(text, &path.display().to_string())?;
    let Some(whole) = whole else {
        return Ok(Vec::new());
    };
    let mut left = whole.clone();
    let mut found = Vec::new();
    while let Err(error) = parse_node(&left, path, env) {
        let gone = error.field == "document" || !remove(&mut left, &error.field);
        let fate = Fate::Refused(error.message);
        found.push(Surveyed { line: error.line, field: error.field, fate });
        if gone {
            break;
        }
    }
    let refused: Vec<String> = found.iter().map(|one| one.field.clone()).collect();
    walk(&whole, "", &mut |line, field| {
        if !refused.iter().any(|gone| field == gone || within(field, gone)) {
            found.push(Surveyed { line, field: field.to_owned(), fate: fate(field) });
        }
    });
    found.sort_by_key(|one| one.line);
    Ok(found)
}

fn within(field: &str, outer: &str) -> bool {
    field.strip_prefix(outer).is_some_and(|rest| rest.starts_with(['.', '[']))
}

/// Calls `visit` for every field that holds no further fields.
fn walk(node: &Node, path: &str, visit: &mut dyn FnMut(usize, &str)) {
    match &node.value {
        Value::Scalar { .. } => {}
        Value::Sequence(items) => {
            for (index, item) in items.iter().enumerate() {
                walk(item, &format!("{path}[{index}]"), visit);
            }
        }
        Value::Mapping(entries) => {
            for entry in entries {
                let dot = if path.is_empty() { "" } else { "." };
                let field = format!("{path}{dot}{}", entry.name);
                if DATA.contains(&entry.name.as_str()) || !holds_fields(&entry.node) {
                    visit(entry.line, &field);
                } else {
                    walk(&entry.node, &field, visit);
                }
            }
        }
    }
}

fn holds_fields(node: &Node) -> bool {
    match &node.value {
        Value::Scalar { .. } => false,
        Value::Mapping(entries) => !entries.is_empty(),
        Value::Sequence(items) => items.iter().any(holds_fields),
    }
}

fn fate(field: &str) -> Fate {
    let mut plain = String::new();
    let mut inside = false;
    for c in field.chars() {
        match c {
            '[' => inside = true,
            ']' => inside = false,
            c if !inside => plain.push(c),
            _ => {}
        }
    }
    let ends = |(end, _): &&(&str, &str)| {
        plain.strip_suffix(end).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    if let Some((_, why)) = NO_EFFECT.iter().find(ends) {
        return Fate::NoEffect(why);
    }
    match TRANSLATED.iter().find(ends) {
        Some((_, how)) => Fate::Translated(how),
        None => Fate::Obeyed,
    }
}

/// Takes out the field, or the item of a list. False: there is none.
fn remove(node: &mut Node, path: &str) -> bool {
    match &mut node.value {
        Value::Scalar { .. } => false,
        Value::Sequence(items) => {
            let Some((index, rest)) = path.strip_prefix('[').and_then(|path| path.split_once(']'))
            else {
                return false;
            };
            let Some(index) = index.parse().ok().filter(|index| *index < items.len()) else {
                return false;
            };
            if rest.is_empty() {
                drop(items.remove(index));
                return true;
            }
            remove(&mut items[index], rest.strip_prefix('.').unwrap_or(rest))
        }
        Value::Mapping(entries) => {
            if let Some(at) = entries.iter().position(|entry| entry.name == path) {
                drop(entries.remove(at));
                return true;
            }
            entries.iter_mut().any(|entry| {
                let rest = path.strip_prefix(entry.name.as_str());
                let rest = rest.filter(|rest| rest.starts_with(['.', '[']));
                rest.is_some_and(|rest| {
                    remove(&mut entry.node, rest.strip_prefix('.').unwrap_or(rest))
                })
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_has_a_fate_and_all_that_is_refused_is_found() {
        let text = "global: {scrape_interval: 5s, evaluation_interval: 1m}\nscrape_configs:\n- job_name: a\n  \
                    ec2_sd_configs: [{region: x}]\n  basic_auth: {username: u, password_file: p}\n  \
                    nonsense: 1\n  static_configs: [{targets: [b], labels: {nonsense: x}}]\n\
                    remote_write: [{url: 'http://a', queue_config: {capacity: 1}}]\n";
        let found = survey(text, Path::new("p.yml"), &|_| None).expect("YAML");
        let of = |field: &str| {
            let found = found.iter().find(|one| one.field == field);
            found.map(|one| (one.line, one.fate.clone()))
        };
        let refused = |why: &str| Fate::Refused(why.to_owned());
        assert_eq!(of("global.scrape_interval"), Some((1, Fate::Obeyed)));
        assert_eq!(of("global.evaluation_interval"), Some((1, Fate::NoEffect(SERVER))));
        assert_eq!(of("scrape_configs[0].ec2_sd_configs"), Some((4, refused("not supported yet"))));
        assert_eq!(of("scrape_configs[0].ec2_sd_configs[0].region"), None);
        assert_eq!(of("scrape_configs[0].nonsense"), Some((6, refused("unknown field"))));
        let password = of("scrape_configs[0].basic_auth.password_file");
        assert_eq!(password, Some((5, Fate::Translated(REREAD))));
        let labels = of("scrape_configs[0].static_configs[0].labels");
        assert_eq!(labels, Some((7, Fate::Obeyed)));
        let capacity = of("remote_write[0].queue_config.capacity");
        assert_eq!(capacity, Some((8, Fate::NoEffect(UNBOUND))));
        assert!(survey("{", Path::new("p.yml"), &|_| None).is_err());
        assert_eq!(survey("", Path::new("p.yml"), &|_| None), Ok(Vec::new()));
    }
}
