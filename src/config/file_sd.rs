//! Target groups: written in the configuration, and in files that it names.

use std::path::Path;

use crate::config::error::ConfigError;
use crate::config::parse::Context;
use crate::config::reader::Field;
use crate::config::types::FileSdConfig;
use crate::config::yaml;
use crate::model::{Labels, TargetGroup};

const ADDRESS: &str = "__address__";
const EXTENSIONS: [&str; 6] = [".json", ".yml", ".yaml", ".JSON", ".YML", ".YAML"];
const REFRESH: core::time::Duration = core::time::Duration::from_secs(300);

/// Reads the content of a file that `file_sd_configs` names, YAML or JSON: a list of `targets` and `labels`. Sources
/// are `path:index`. The caller adds `__meta_filepath`.
///
/// # Errors
/// The first thing that is wrong or unknown, with its place.
// spec: SD-11
pub fn parse_file_sd(text: &str, path: &Path) -> Result<Vec<TargetGroup>, ConfigError> {
    let file = path.display().to_string();
    let json = path.extension().is_some_and(|end| end.eq_ignore_ascii_case("json"));
    let text = if json { join_surrogates(text) } else { text.to_owned() };
    let Some(node) = yaml::read(&text, &file)? else {
        return Ok(Vec::new());
    };
    let root = Field { file: &file, line: node.line, path: String::new(), node: &node };
    let items = root.items()?;
    let groups = items.iter().enumerate();
    groups
        .map(|(index, item)| {
            if item.node.is_null() {
                return Err(item.error(format!("nil target group item found (index {index})")));
            }
            read_group(item, format!("{file}:{index}"))
        })
        .collect()
}

/// One group; every target is an address.
// spec: SD-10
pub(super) fn read_group(field: &Field<'_>, source: String) -> Result<TargetGroup, ConfigError> {
    let mut section = field.section()?;
    let addresses = section.texts("targets")?;
    let targets = addresses.iter().map(|address| Labels::from_iter([(ADDRESS, address)]));
    let mut labels = Vec::new();
    if let Some(field) = section.take("labels") {
        for (name, field) in field.pairs()? {
            if name.is_empty() {
                return Err(field.error("\"\" is not a valid label name"));
            }
            labels.push((name, field.text()?));
        }
    }
    section.finish(&[])?;
    Ok(TargetGroup { source, targets: targets.collect(), labels: labels.into_iter().collect() })
}

// spec: SD-11
pub(super) fn read_file_sd(
    field: &Field<'_>,
    context: &Context<'_>,
) -> Result<FileSdConfig, ConfigError> {
    let mut section = field.section()?;
    let files = match section.take_written("files") {
        Some(files) => files.texts()?,
        None => Vec::new(),
    };
    if files.is_empty() {
        let message = "file service discovery config must contain at least one path name";
        return Err(field.error(message));
    }
    if let Some(wrong) = files.iter().find(|file| !is_pattern(file)) {
        let message = format!("path name {wrong:?} is not valid for file discovery");
        return Err(field.error(message));
    }
    let refresh_interval = section.duration("refresh_interval", REFRESH)?;
    section.finish(&[])?;
    let files = files.iter().map(|file| context.resolve(file)).collect();
    Ok(FileSdConfig {
        files,
        refresh_interval: if refresh_interval.is_zero() { REFRESH } else { refresh_interval },
    })
}

/// A known extension, and stars in the last element only.
fn is_pattern(file: &str) -> bool {
    let Some(stem) = EXTENSIONS.iter().find_map(|end| file.strip_suffix(end)) else {
        return false;
    };
    stem.split_once('*').is_none_or(|(_, after)| !after.contains('/'))
}

/// JSON writes characters beyond 16 bits as two escapes, which YAML does not know. A backslash is doubled where it
/// stands for itself, so an escape is one after an even number of them.
fn join_surrogates(text: &str) -> String {
    let half = |text: &str, at: usize| {
        let escape = text.get(at..at + 6)?.strip_prefix("\\u")?;
        u16::from_str_radix(escape, 16).ok()
    };
    let mut out = String::with_capacity(text.len());
    let (mut at, mut copied) = (0, 0);
    while let Some(found) = text[at..].find('\\') {
        let escape = at + found;
        at = escape + 2;
        let (Some(high), Some(low)) = (half(text, escape), half(text, escape + 6)) else {
            if !text.is_char_boundary(at) {
                break;
            }
            continue;
        };
        if let [Ok(c)] = char::decode_utf16([high, low]).collect::<Vec<_>>().as_slice() {
            out.push_str(&text[copied..escape]);
            out.push(*c);
            at = escape + 12;
            copied = at;
        }
    }
    out.push_str(&text[copied..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_read_from_yaml_and_json() {
        let yaml = "- targets: [a:1, 'b:2']\n  labels:\n    job: x\n    n: 5\n- targets: []\n";
        let json = "[{\"targets\": [\"a:1\",\"b:2\"],\n\t\"labels\":{\"job\":\"x\",\"n\":\"5\"}},\n\
                    \t{\"targets\":[]}]\n";
        for (text, name) in [(yaml, "t.yml"), (json, "t.json")] {
            let groups = parse_file_sd(text, Path::new(name)).expect(name);
            assert_eq!(groups.len(), 2);
            assert_eq!(groups[0].source, format!("{name}:0"));
            assert_eq!(groups[0].targets.len(), 2);
            assert_eq!(groups[0].targets[1].get("__address__"), "b:2");
            assert_eq!(groups[0].labels.get("n"), "5");
        }
        assert_eq!(parse_file_sd("", Path::new("t.yml")), Ok(Vec::new()));
        assert_eq!(parse_file_sd("[]", Path::new("t.json")), Ok(Vec::new()));
    }

    #[test]
    fn wrong_groups_are_refused_with_their_place() {
        for (text, wanted) in [
            ("- targets: [a]\n  lables: {}\n", "t.yml:2: [0].lables: unknown field"),
            ("targets: [a]\n", "t.yml:1: document: a mapping is not a list"),
            ("- targets: {a: b}\n", "t.yml:1: [0].targets: a mapping is not a list"),
            ("-\n", "t.yml:1: [0]: nil target group item found (index 0)"),
            ("- labels: {'': x}\n", "t.yml:1: [0].labels.: \"\" is not a valid label name"),
        ] {
            let error = parse_file_sd(text, Path::new("t.yml")).expect_err(text);
            assert_eq!(error.to_string(), wanted);
        }
    }

    #[test]
    fn pairs_of_json_escapes_are_one_character() {
        assert_eq!(join_surrogates(r#""\ud83d\ude00x""#), "\"😀x\"");
        for text in [r#"\\ud83d\ude00"#, r"\ud83dx", r"\u00e9\u00e9", r"\", r"\é", r"\\\", "é"] {
            assert_eq!(join_surrogates(text), text);
        }
        let text = "[{\"targets\":[\"\\ud83d\\ude00\"]}]";
        let groups = parse_file_sd(text, Path::new("t.json")).expect("valid");
        assert_eq!(groups[0].targets[0].get("__address__"), "😀");
    }
}
