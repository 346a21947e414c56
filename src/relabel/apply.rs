//! Rules applied to a label set.

use md5::{Digest, Md5};

use crate::model::LabelsBuilder;
use crate::relabel::rule::{Action, Rule};

/// Runs the rules in order, each on what the one before left. False: the label set is dropped, and `labels` holds
/// whatever the rules before made of it.
// spec: CFG §2.5, R1-R6
pub fn apply(rules: &[Rule], labels: &mut LabelsBuilder) -> bool {
    rules.iter().all(|rule| apply_one(rule, labels))
}

fn apply_one(rule: &Rule, labels: &mut LabelsBuilder) -> bool {
    let source = rule.source();
    match source.action {
        Action::Keep => with_value(rule, labels, |value| rule.pattern.is_match(value)),
        Action::Drop => with_value(rule, labels, |value| !rule.pattern.is_match(value)),
        Action::KeepEqual => {
            with_value(rule, labels, |value| labels.get(&source.target_label) == value)
        }
        Action::DropEqual => {
            with_value(rule, labels, |value| labels.get(&source.target_label) != value)
        }
        Action::Replace => {
            if let Some((target, value)) = with_value(rule, labels, |value| replaced(rule, value)) {
                labels.set(&target, &value);
            }
            true
        }
        Action::HashMod => {
            let value = with_value(rule, labels, |value| hash_mod(value, source.modulus));
            labels.set(&source.target_label, &value.to_string());
            true
        }
        Action::Lowercase => {
            let value = with_value(rule, labels, lowercase);
            labels.set(&source.target_label, &value);
            true
        }
        Action::Uppercase => {
            let value = with_value(rule, labels, uppercase);
            labels.set(&source.target_label, &value);
            true
        }
        Action::LabelMap => {
            map_names(rule, labels);
            true
        }
        Action::LabelDrop => {
            labels.retain(|name, _| !rule.pattern.is_match(name));
            true
        }
        Action::LabelKeep => {
            labels.retain(|name, _| rule.pattern.is_match(name));
            true
        }
    }
}

/// The source labels' values, joined. One label, the usual case, is not copied.
fn with_value<R>(rule: &Rule, labels: &LabelsBuilder, then: impl FnOnce(&str) -> R) -> R {
    let source = rule.source();
    match source.source_labels.as_slice() {
        [] => then(""),
        [name] => then(labels.get(name)),
        names => {
            let mut joined = String::new();
            for (at, name) in names.iter().enumerate() {
                if at > 0 {
                    joined.push_str(&source.separator);
                }
                joined.push_str(labels.get(name));
            }
            then(&joined)
        }
    }
}

/// Target and value, unless nothing is to be done. An empty value deletes.
fn replaced(rule: &Rule, value: &str) -> Option<(String, String)> {
    let found = rule.pattern.find(value)?;
    let mut target = String::new();
    rule.target.expand(&found, &mut target);
    if !rule.source().names.is_label_name(&target) {
        return None;
    }
    let mut result = String::new();
    rule.replacement.expand(&found, &mut result);
    Some((target, result))
}

/// All names are matched before any label is set.
fn map_names(rule: &Rule, labels: &mut LabelsBuilder) {
    let mut mapped = Vec::new();
    for (name, value) in labels.iter() {
        if let Some(found) = rule.pattern.find(name) {
            let mut target = String::new();
            rule.replacement.expand(&found, &mut target);
            if !target.is_empty() {
                mapped.push((target, value.to_owned()));
            }
        }
    }
    for (target, value) in mapped {
        labels.set(&target, &value);
    }
}

// spec: R3
fn hash_mod(value: &str, modulus: u64) -> u64 {
    let digest: [u8; 16] = Md5::digest(value.as_bytes()).into();
    let [.., a, b, c, d, e, f, g, h] = digest;
    u64::from_be_bytes([a, b, c, d, e, f, g, h]) % modulus.max(1)
}

/// Character by character, as Go does: no character becomes several.
// spec: R6
fn lowercase(text: &str) -> String {
    let lower = |c: char| match (c, c.to_lowercase()) {
        ('\u{130}', _) => 'i',
        (_, mut all) if all.len() == 1 => all.next().unwrap_or(c),
        _ => c,
    };
    text.chars().map(lower).collect()
}

fn uppercase(text: &str) -> String {
    let upper = |c: char| match (c, c.to_uppercase()) {
        (_, mut all) if all.len() == 1 => all.next().unwrap_or(c),
        // Greek with iota below: several letters in full, one by Unicode's simple mapping.
        ('\u{1f80}'..='\u{1f87}' | '\u{1f90}'..='\u{1f97}' | '\u{1fa0}'..='\u{1fa7}', _) => {
            char::from_u32(u32::from(c) + 8).unwrap_or(c)
        }
        ('\u{1fb3}' | '\u{1fc3}' | '\u{1ff3}', _) => char::from_u32(u32::from(c) + 9).unwrap_or(c),
        _ => c,
    };
    text.chars().map(upper).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Labels;
    use crate::relabel::RuleSource;

    type Pairs = &'static [(&'static str, &'static str)];

    fn rule(action: &str, sources: &[&str], regex: &str, target: &str, replacement: &str) -> Rule {
        Rule::new(RuleSource {
            source_labels: sources.iter().map(|name| (*name).to_owned()).collect(),
            regex: regex.to_owned(),
            target_label: target.to_owned(),
            replacement: replacement.to_owned(),
            action: Action::parse(action).expect("known action"),
            modulus: if action == "hashmod" { 1000 } else { 0 },
            ..RuleSource::default()
        })
        .expect("valid rule")
    }

    fn run(rules: &[Rule], pairs: Pairs) -> Option<Vec<(String, String)>> {
        let mut labels = LabelsBuilder::new(&pairs.iter().copied().collect::<Labels>());
        apply(rules, &mut labels)
            .then(|| labels.iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect())
    }

    const INPUT: Pairs = &[("a", "foo"), ("b", "bar"), ("c", "baz"), ("__meta_x", "Ünï")];

    /// `wanted`: what changes (`""` is deleted), or `None` for dropped.
    fn check(rule: Rule, wanted: Option<Pairs>) {
        let wanted = wanted.map(|changes| {
            let both: Labels = INPUT.iter().chain(changes).copied().collect();
            both.iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect::<Vec<_>>()
        });
        assert_eq!(run(std::slice::from_ref(&rule), INPUT), wanted, "{rule:?}");
    }

    #[test]
    fn replacing_does_what_prometheus_does() {
        let replace =
            |sources: &[&str], regex: &str, target: &str, replacement: &str, to: Pairs| {
                check(rule("replace", sources, regex, target, replacement), Some(to));
            };
        replace(&["a"], "f(.*)", "d", "ch${1}-ch${1}", &[("d", "choo-choo")]);
        replace(&["a", "b"], "foo;bar", "a", "x", &[("a", "x")]);
        replace(&["a"], "o", "d", "x", &[]);
        replace(&["a"], "(.*)", "d", "", &[]);
        replace(&["a"], "(.*)", "a", "", &[("a", "")]);
        replace(&[], "(.*)", "d", "constant", &[("d", "constant")]);
        replace(&["missing"], "(.*)", "b", "$1", &[("b", "")]);
        replace(&["a"], "(f)(?P<rest>.*)", "${1}_$rest", "$0", &[("f_oo", "foo")]);
        replace(&["a"], "(x)?foo", "${1}", "v", &[]);
        replace(&["a"], "(?P<v>foo)", "d", "${v}$w.", &[("d", "foo.")]);
    }

    #[test]
    fn keeping_and_dropping_do_what_prometheus_does() {
        let case = |action: &str, source: &str, regex: &str, kept: bool| {
            check(rule(action, &[source], regex, "", "$1"), kept.then_some(&[]));
        };
        case("keep", "a", "foo|bar", true);
        case("keep", "a", "fo", false);
        case("drop", "a", ".*o.*", false);
        case("drop", "missing", "", false);
        case("drop", "a", "x", true);
        let equal = |action: &str, source: &str, target: &str, kept: bool| {
            check(rule(action, &[source], "(.*)", target, "$1"), kept.then_some(&[]));
        };
        equal("keepequal", "a", "b", false);
        equal("keepequal", "missing", "none", true);
        equal("dropequal", "a", "a", false);
        equal("dropequal", "a", "b", true);
    }

    #[test]
    fn actions_on_names_and_case_do_what_prometheus_does() {
        let names = |action: &str, regex: &str, replacement: &str, to: Pairs| {
            check(rule(action, &[], regex, "", replacement), Some(to));
        };
        names("labelmap", "__meta_(.*)", "m_$1", &[("m_x", "Ünï")]);
        names("labelmap", "(a|b)", "z", &[("z", "bar")]);
        names("labeldrop", "__meta_.*|c", "$1", &[("__meta_x", ""), ("c", "")]);
        names("labelkeep", "a|c", "$1", &[("__meta_x", ""), ("b", "")]);
        let case = |action: &str, source: &str, to: Pairs| {
            check(rule(action, &[source], "(.*)", "d", "$1"), Some(to));
        };
        case("hashmod", "c", &[("d", "976")]);
        case("lowercase", "__meta_x", &[("d", "ünï")]);
        case("uppercase", "__meta_x", &[("d", "ÜNÏ")]);
    }

    #[test]
    fn hashes_agree_with_prometheus() {
        assert_eq!(hash_mod("baz", 1000), 976);
        assert_eq!(hash_mod("foo\nbar", 1000), 734);
    }

    #[test]
    fn case_is_changed_one_character_at_a_time() {
        assert_eq!(uppercase("straße ŉ ᾳ ǆ"), "STRAßE ŉ ᾼ Ǆ");
        assert_eq!(lowercase("İΣ ΌΣ"), "iσ όσ");
    }

    #[test]
    fn rules_see_what_earlier_rules_made_and_a_drop_ends_them() {
        let rules = [
            rule("replace", &["a"], "(.*)", "b", "$1!"),
            rule("keep", &["b"], "foo!", "", "$1"),
            rule("replace", &["b"], "(.*)", "c", "$1?"),
        ];
        let wanted = Some(vec![
            ("a".to_owned(), "foo".to_owned()),
            ("b".to_owned(), "foo!".to_owned()),
            ("c".to_owned(), "foo!?".to_owned()),
        ]);
        assert_eq!(run(&rules, &[("a", "foo")]), wanted);
        assert_eq!(run(&rules, &[("a", "bar")]), None);
    }

    #[test]
    fn the_dot_matches_a_newline() {
        let rule = rule("replace", &["a"], "(.*)", "b", "$1");
        let wanted = vec![("a".to_owned(), "x\ny".to_owned()), ("b".to_owned(), "x\ny".to_owned())];
        assert_eq!(run(&[rule], &[("a", "x\ny")]), Some(wanted));
    }
}
