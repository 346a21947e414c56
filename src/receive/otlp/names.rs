//! Names of series and labels.
// spec: HTTP-62

use crate::model::OtlpRules;

/// What a metric is, as far as its name tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    MonotonicSum,
    Gauge,
    Other,
}

const UNITS: &[(&str, &str)] = &[
    ("d", "days"),
    ("h", "hours"),
    ("min", "minutes"),
    ("s", "seconds"),
    ("ms", "milliseconds"),
    ("us", "microseconds"),
    ("ns", "nanoseconds"),
    ("By", "bytes"),
    ("KiBy", "kibibytes"),
    ("MiBy", "mebibytes"),
    ("GiBy", "gibibytes"),
    ("TiBy", "tibibytes"),
    ("KBy", "kilobytes"),
    ("MBy", "megabytes"),
    ("GBy", "gigabytes"),
    ("TBy", "terabytes"),
    ("m", "meters"),
    ("V", "volts"),
    ("A", "amperes"),
    ("J", "joules"),
    ("W", "watts"),
    ("g", "grams"),
    ("Cel", "celsius"),
    ("Hz", "hertz"),
    ("1", ""),
    ("%", "percent"),
];
const PER_UNITS: &[(&str, &str)] = &[
    ("s", "second"),
    ("m", "minute"),
    ("h", "hour"),
    ("d", "day"),
    ("w", "week"),
    ("mo", "month"),
    ("y", "year"),
];

/// The series' name.
pub(super) fn metric_name(name: &str, unit: &str, kind: Kind, rules: &OtlpRules) -> String {
    match (rules.escape, rules.suffixes) {
        (true, true) => escaped_with_suffixes(name, unit, kind),
        (true, false) => {
            let legal = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
            guarded(name.chars().map(|c| if legal(c) { c } else { '_' }).collect())
        }
        (false, true) => with_suffixes(name, unit, kind),
        (false, false) => name.to_owned(),
    }
}

/// No name begins with a digit.
fn guarded(name: String) -> String {
    if name.starts_with(|c: char| c.is_ascii_digit()) { format!("_{name}") } else { name }
}

fn escaped_with_suffixes(name: &str, unit: &str, kind: Kind) -> String {
    let split = |c: char| !c.is_ascii_alphanumeric() && c != ':';
    let mut words: Vec<&str> = name.split(split).filter(|word| !word.is_empty()).collect();
    let (main, per) = unit_words(unit);
    let (main, per) = (cleaned(&main), cleaned(&per));
    if !main.is_empty() && !words.contains(&main.as_str()) {
        words.push(&main);
    }
    if !per.is_empty() && !words.contains(&per.as_str()) {
        words.extend(["per", &per]);
    }
    if let Some(suffix) = suffix_of(unit, kind) {
        words.retain(|word| *word != suffix);
        words.push(suffix);
    }
    guarded(words.join("_"))
}

fn with_suffixes(name: &str, unit: &str, kind: Kind) -> String {
    let mut name = name.to_owned();
    let (main, per) = unit_words(unit);
    let per = if per.is_empty() { per } else { format!("per_{per}") };
    let suffix = suffix_of(unit, kind).unwrap_or_default().to_owned();
    for word in [main, per, suffix] {
        let ends = name.strip_suffix(&word).and_then(|rest| {
            rest.strip_suffix(|c: char| !c.is_ascii_alphanumeric()).map(str::to_owned)
        });
        if !word.is_empty() {
            name = format!("{}_{word}", ends.unwrap_or(name));
        }
    }
    name
}

fn suffix_of(unit: &str, kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::MonotonicSum => Some("total"),
        Kind::Gauge if unit == "1" => Some("ratio"),
        _ => None,
    }
}

/// The unit in words, and what it is divided by. Parts with braces say nothing.
fn unit_words(unit: &str) -> (String, String) {
    let (main, per) = unit.split_once('/').unwrap_or((unit, ""));
    let word = |part: &str, known: &[(&str, &str)]| {
        let part = part.trim();
        if part.contains(['{', '}']) {
            return String::new();
        }
        let found = known.iter().find(|(short, _)| *short == part);
        found.map_or(part, |(_, long)| long).to_owned()
    };
    (word(main, UNITS), word(per, PER_UNITS))
}

/// Only letters and digits, with single underscores between them.
fn cleaned(word: &str) -> String {
    let parts = word.split(|c: char| !c.is_ascii_alphanumeric());
    parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join("_")
}

/// The label that an attribute becomes; empty: it cannot be one.
pub(super) fn label_name(key: &str, rules: &OtlpRules) -> String {
    if !rules.escape || key.is_empty() {
        return key.to_owned();
    }
    let mut name = String::with_capacity(key.len());
    for c in key.chars() {
        let c = if c.is_ascii_alphanumeric() { c } else { '_' };
        if c != '_' || rules.preserve_underscores || !name.ends_with('_') {
            name.push(c);
        }
    }
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        format!("key_{name}")
    } else if rules.sanitize_underscores && name.starts_with('_') && !name.starts_with("__") {
        format!("key{name}")
    } else if name.chars().any(|c| c != '_') {
        name
    } else {
        String::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // spec: HTTP-62, conformance 3.6
    #[test]
    fn names_get_units_and_kinds() {
        let all = OtlpRules::default();
        for (name, unit, kind, wanted) in [
            ("http.server.duration", "s", Kind::Other, "http_server_duration_seconds"),
            ("http.server.duration_seconds", "s", Kind::Other, "http_server_duration_seconds"),
            ("requests", "", Kind::MonotonicSum, "requests_total"),
            ("total.requests", "{request}", Kind::MonotonicSum, "requests_total"),
            ("io", "By", Kind::MonotonicSum, "io_bytes_total"),
            ("speed", "m/s", Kind::Gauge, "speed_meters_per_second"),
            ("speed", "{x}/s", Kind::Gauge, "speed_per_second"),
            ("cpu.use", "1", Kind::Gauge, "cpu_use_ratio"),
            ("cpu.use", "1", Kind::Other, "cpu_use"),
            ("a  b--c", "%", Kind::Gauge, "a_b_c_percent"),
            ("2xx", "", Kind::Gauge, "_2xx"),
            ("temp", "Cel", Kind::Gauge, "temp_celsius"),
            ("w", "widget-s", Kind::Gauge, "w_widget_s"),
        ] {
            assert_eq!(metric_name(name, unit, kind, &all), wanted, "{name} {unit}");
        }
        let plain = OtlpRules { suffixes: false, ..OtlpRules::default() };
        assert_eq!(metric_name("a.b__c", "s", Kind::MonotonicSum, &plain), "a_b__c");
        let utf8 = OtlpRules { escape: false, ..OtlpRules::default() };
        assert_eq!(metric_name("a.b", "s", Kind::MonotonicSum, &utf8), "a.b_seconds_total");
        assert_eq!(metric_name("a.total", "", Kind::MonotonicSum, &utf8), "a_total");
        let none = OtlpRules { escape: false, suffixes: false, ..OtlpRules::default() };
        assert_eq!(metric_name("a.b", "s", Kind::MonotonicSum, &none), "a.b");
    }

    #[test]
    fn attributes_become_labels() {
        let rules = OtlpRules::default();
        for (key, wanted) in [
            ("a.b", "a_b"),
            ("1st", "key_1st"),
            ("_x", "key_x"),
            ("__x__", "__x__"),
            ("a..b", "a__b"),
            ("...", ""),
            ("", ""),
        ] {
            assert_eq!(label_name(key, &rules), wanted, "{key}");
        }
        let rules = OtlpRules { preserve_underscores: false, ..OtlpRules::default() };
        assert_eq!(label_name("a..b", &rules), "a_b");
        let rules = OtlpRules { escape: false, ..OtlpRules::default() };
        assert_eq!(label_name("a..b", &rules), "a..b");
    }
}
