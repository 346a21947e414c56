//! `corelane check metrics`: what is wrong with a page, and what is not as it is usual.

use core::fmt::Write as _;
use std::collections::{BTreeMap, BTreeSet};

use crate::exposition::{Entry, Format, ParseError, Parser};
use crate::model::{LabelsBuilder, MetricType};
use crate::tools::run::Said;

#[derive(Default)]
struct Family {
    kind: Option<MetricType>,
    helped: bool,
    line: usize,
}

/// Reads the page as a scrape would: OpenMetrics if it ends as such.
pub(super) fn lint(page: &[u8]) -> Said {
    let open = page.trim_ascii_end().ends_with(b"# EOF");
    let mut parser = Parser::new(if open { Format::OpenMetrics } else { Format::Text });
    let mut findings: Vec<(usize, String)> = Vec::new();
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut series = BTreeSet::new();
    let mut labels = LabelsBuilder::default();
    let lines: Vec<&[u8]> = page.split(|byte| *byte == b'\n').collect();
    let count = if page.ends_with(b"\n") { lines.len() - 1 } else { lines.len() };
    let (mut at, mut joined) = (0, Vec::new());
    while at < count {
        let first = at;
        joined.clear();
        joined.extend_from_slice(lines[at]);
        at += 1;
        let mut wrong = None;
        loop {
            match step(&mut parser, &joined, &mut labels, first + 1, &mut families) {
                Err(ParseError::OpenQuote) if at < count => {
                    joined.push(b'\n');
                    joined.extend_from_slice(lines[at]);
                    at += 1;
                }
                Err(error) => break wrong = Some(error.to_string()),
                Ok(Some(text)) => {
                    if !series.insert(text) {
                        wrong = Some("this series stands here for the second time".to_owned());
                    }
                    break;
                }
                Ok(None) => break,
            }
        }
        findings.extend(wrong.map(|wrong| (first + 1, wrong)));
    }
    if let Err(error) = parser.finish() {
        findings.push((count, error.to_string()));
    }
    for (name, family) in &families {
        findings.extend(judge(name, family).into_iter().map(|text| (family.line, text)));
    }
    findings.sort();
    let mut text = String::new();
    for (line, finding) in &findings {
        let _ = writeln!(text, "{line}: {finding}");
    }
    let _ = writeln!(
        text,
        "{} series, {} families, {} findings",
        series.len(),
        families.len(),
        findings.len()
    );
    Said { text, found: !findings.is_empty() }
}

/// The series' labels as text, if the line is one.
fn step(
    parser: &mut Parser,
    line: &[u8],
    labels: &mut LabelsBuilder,
    number: usize,
    families: &mut BTreeMap<String, Family>,
) -> Result<Option<String>, ParseError> {
    let text = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
    match parser.line(line)? {
        Entry::Type { name, metric_type } => {
            let known = families.entry(text(name)).or_insert_with(|| at_line(number));
            known.kind = Some(metric_type);
            Ok(None)
        }
        Entry::Help { name, help } => {
            let known = families.entry(text(name)).or_insert_with(|| at_line(number));
            known.helped = !help.trim().is_empty();
            Ok(None)
        }
        Entry::Series(found) => {
            let found = found.text.to_vec();
            labels.clear();
            parser.labels(&found, labels)?;
            let labels = labels.labels();
            let name = labels.get("__name__").to_owned();
            let known = families.contains_key(&name)
                || base_of(&name).is_some_and(|base| families.contains_key(base));
            if !known {
                families.insert(name, at_line(number));
            }
            let pairs: Vec<String> =
                labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
            Ok(Some(pairs.join(",")))
        }
        _ => Ok(None),
    }
}

fn at_line(line: usize) -> Family {
    Family { line, ..Family::default() }
}

/// The family of a series that belongs to a histogram, a summary or an OpenMetrics counter.
fn base_of(name: &str) -> Option<&str> {
    let ends = ["_bucket", "_sum", "_count", "_total", "_created", "_info"];
    ends.iter().find_map(|end| name.strip_suffix(end))
}

/// What is not as the naming conventions have it.
fn judge(name: &str, family: &Family) -> Vec<String> {
    let mut said = Vec::new();
    if !family.helped {
        said.push(format!("{name}: no help text"));
    }
    match family.kind {
        None => said.push(format!("{name}: no type")),
        Some(MetricType::Gauge) if name.ends_with("_total") => {
            said.push(format!("{name}: a gauge should not end in _total"));
        }
        Some(MetricType::Counter) if !name.ends_with("_total") => {
            said.push(format!("{name}: a counter should end in _total"));
        }
        _ => {}
    }
    if name.chars().any(|c| c.is_ascii_uppercase()) {
        said.push(format!("{name}: names are usually in snake_case"));
    }
    for (unit, base) in [
        ("_milliseconds", "seconds"),
        ("_microseconds", "seconds"),
        ("_minutes", "seconds"),
        ("_kilobytes", "bytes"),
        ("_megabytes", "bytes"),
        ("_percent", "ratio"),
    ] {
        if name.trim_end_matches("_total").ends_with(unit) {
            said.push(format!("{name}: use the base unit, {base}"));
        }
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_and_habits_are_told_with_their_lines() {
        let good =
            "# HELP a_total x\n# TYPE a_total counter\na_total{b=\"1\nc\"} 1\na_total{b=\"2\"} 1\n";
        let said = lint(good.as_bytes());
        assert_eq!(said.text, "2 series, 1 families, 0 findings\n");
        assert!(!said.found);
        let bad =
            "# TYPE a counter\na 1\na 2\nb_milliseconds{ 1\n# HELP cD x\n# TYPE cD gauge\ncD 1\n";
        let said = lint(bad.as_bytes());
        for part in [
            "1: a: a counter should end in _total\n",
            "1: a: no help text\n",
            "3: this series stands here for the second time\n",
            "4: ",
            "5: cD: names are usually in snake_case\n",
        ] {
            assert!(said.text.contains(part), "{part}: {}", said.text);
        }
        assert!(said.found);
        assert!(lint(b"# TYPE a gauge\n# HELP a x\na 1\n# EOF\n").text.contains("0 findings"));
    }
}
