//! One relabeling rule: as written, and as applied.

use core::fmt;

use crate::model::Validation;
use crate::relabel::pattern::{Pattern, PatternError};
use crate::relabel::template::Template;

/// What a rule does.
// spec: CFG §2.5
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Action {
    #[default]
    Replace,
    Keep,
    Drop,
    KeepEqual,
    DropEqual,
    HashMod,
    LabelMap,
    LabelDrop,
    LabelKeep,
    Lowercase,
    Uppercase,
}

const ACTIONS: [(&str, Action); 11] = [
    ("replace", Action::Replace),
    ("keep", Action::Keep),
    ("drop", Action::Drop),
    ("keepequal", Action::KeepEqual),
    ("dropequal", Action::DropEqual),
    ("hashmod", Action::HashMod),
    ("labelmap", Action::LabelMap),
    ("labeldrop", Action::LabelDrop),
    ("labelkeep", Action::LabelKeep),
    ("lowercase", Action::Lowercase),
    ("uppercase", Action::Uppercase),
];

impl Action {
    /// Reads the name in any case.
    pub fn parse(name: &str) -> Option<Action> {
        let found = ACTIONS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, action)| *action)
    }

    pub fn name(self) -> &'static str {
        ACTIONS.iter().find(|(_, action)| *action == self).map_or("", |(name, _)| name)
    }
}

/// A rule as written, defaults filled in. Two rules are equal if their sources are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleSource {
    pub source_labels: Vec<String>,
    pub separator: String,
    /// RE2; matched against the whole text.
    pub regex: String,
    /// For `hashmod`; 0 means not set.
    pub modulus: u64,
    /// A template for `replace`, else a name.
    pub target_label: String,
    /// A template.
    pub replacement: String,
    pub action: Action,
    /// Of the labels that it sets.
    pub names: Validation,
}

impl Default for RuleSource {
    fn default() -> RuleSource {
        RuleSource {
            source_labels: Vec::new(),
            separator: ";".to_owned(),
            regex: "(.*)".to_owned(),
            modulus: 0,
            target_label: String::new(),
            replacement: "$1".to_owned(),
            action: Action::Replace,
            names: Validation::Utf8,
        }
    }
}

/// Why a rule is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleError {
    /// `hashmod` with modulus 0.
    ModulusMissing,
    /// A field that the action has no use for; the list says which it takes.
    OnlyFields {
        action: Action,
        fields: &'static str,
    },
    Pattern(PatternError),
    /// The action does not replace anything.
    ReplacementSet(Action),
    /// Not a label name, nor a template of one.
    ReplacementInvalid(Action, String),
    TargetInvalid(Action, String),
    TargetMissing(Action),
}

impl RuleError {
    /// What is said where `keepequal` or `dropequal` is given more than two names.
    pub fn only_names(action: Action) -> RuleError {
        RuleError::OnlyFields { action, fields: "'source_labels' and 'target_label'" }
    }
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RuleError::ModulusMissing => {
                f.write_str("relabel configuration for hashmod requires non-zero modulus")
            }
            RuleError::OnlyFields { action, fields } => {
                write!(f, "{} action requires only {fields}, and no other fields", action.name())
            }
            RuleError::Pattern(error) => error.fmt(f),
            RuleError::ReplacementSet(action) => {
                write!(f, "'replacement' can not be set for {} action", action.name())
            }
            RuleError::ReplacementInvalid(action, text) => {
                write!(f, "{text:?} is invalid 'replacement' for {} action", action.name())
            }
            RuleError::TargetInvalid(action, text) => {
                write!(f, "{text:?} is invalid 'target_label' for {} action", action.name())
            }
            RuleError::TargetMissing(action) => write!(
                f,
                "relabel configuration for {} action requires 'target_label' value",
                action.name()
            ),
        }
    }
}

/// A valid rule, ready to apply. `Send`, and cheap to clone: each core holds its own.
#[derive(Clone)]
pub struct Rule {
    source: RuleSource,
    pub(super) pattern: Pattern,
    pub(super) target: Template,
    pub(super) replacement: Template,
}

impl Rule {
    /// Checks the rule as Prometheus does at load.
    ///
    /// # Errors
    /// Says which field is wrong and why.
    pub fn new(source: RuleSource) -> Result<Rule, RuleError> {
        check(&source)?;
        Ok(Rule {
            pattern: Pattern::new(&source.regex).map_err(RuleError::Pattern)?,
            target: Template::new(&source.target_label),
            replacement: Template::new(&source.replacement),
            source,
        })
    }

    pub fn source(&self) -> &RuleSource {
        &self.source
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Rule").field(&self.source).finish()
    }
}

impl PartialEq for Rule {
    fn eq(&self, other: &Rule) -> bool {
        self.source == other.source
    }
}

impl Eq for Rule {}

/// Everything but the pattern.
// spec: CFG §2.5 load-time validation, R7
fn check(source: &RuleSource) -> Result<(), RuleError> {
    use Action::{
        DropEqual, HashMod, KeepEqual, LabelDrop, LabelKeep, LabelMap, Lowercase, Replace,
        Uppercase,
    };
    let action = source.action;
    let default = RuleSource::default();
    if action == HashMod && source.modulus == 0 {
        return Err(RuleError::ModulusMissing);
    }
    let targeted =
        matches!(action, Replace | KeepEqual | DropEqual | HashMod | Lowercase | Uppercase);
    if targeted && source.target_label.is_empty() {
        return Err(RuleError::TargetMissing(action));
    }
    let template = action == Replace;
    if targeted && !may_name(&source.target_label, template, source.names) {
        return Err(RuleError::TargetInvalid(action, source.target_label.clone()));
    }
    let replaced = source.replacement != default.replacement;
    if matches!(action, Lowercase | Uppercase | KeepEqual | DropEqual) && replaced {
        return Err(RuleError::ReplacementSet(action));
    }
    if action == LabelMap && !may_name(&source.replacement, true, source.names) {
        return Err(RuleError::ReplacementInvalid(action, source.replacement.clone()));
    }
    let odd = source.modulus != 0 || source.separator != default.separator || replaced;
    if matches!(action, KeepEqual | DropEqual) && (odd || source.regex != default.regex) {
        return Err(RuleError::only_names(action));
    }
    let sourced = !source.source_labels.is_empty() || !source.target_label.is_empty();
    if matches!(action, LabelDrop | LabelKeep) && (odd || sourced) {
        return Err(RuleError::OnlyFields { action, fields: "'regex'" });
    }
    Ok(())
}

/// Whether it is a label name, or a template that may become one.
fn may_name(text: &str, template: bool, names: Validation) -> bool {
    match names {
        Validation::Utf8 if template => Template::new(text).constant() != Some(""),
        Validation::Legacy if template => is_legacy_template(text),
        Validation::Utf8 | Validation::Legacy => names.is_label_name(text),
    }
}

/// Pieces that each begin with a letter, an underscore or a reference such as `$1` or `${name}` and go on with letters,
/// digits and underscores.
fn is_legacy_template(text: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if let Some(reference) = rest.strip_prefix('$') {
            let braced = reference.strip_prefix('{');
            let name = braced.unwrap_or(reference);
            let end = name.find(|c| !word(c)).unwrap_or(name.len());
            let after = name.get(end..).unwrap_or_default();
            match (end, braced, after.strip_prefix('}')) {
                (0, ..) | (_, Some(_), None) => return false,
                (_, Some(_), Some(after)) => rest = after,
                (_, None, _) => rest = after,
            }
        } else if word(first) && (rest.len() < text.len() || !first.is_ascii_digit()) {
            rest = rest.trim_start_matches(word);
        } else {
            return false;
        }
    }
    !text.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(action: &str) -> RuleSource {
        RuleSource { action: Action::parse(action).expect("known"), ..RuleSource::default() }
    }

    #[test]
    fn a_rule_crosses_threads() {
        fn crosses<T: Send + Clone>() {}
        crosses::<Rule>();
    }

    #[test]
    fn actions_are_read_in_any_case() {
        assert_eq!(Action::parse("LabelMap"), Some(Action::LabelMap));
        assert_eq!(Action::parse("DROP"), Some(Action::Drop));
        assert_eq!(Action::parse(""), None);
        assert_eq!(Action::parse("rename"), None);
    }

    #[test]
    fn under_the_old_rules_labels_are_set_by_words_and_templates_of_words() {
        for (text, template, name) in [
            ("a_b", true, true),
            ("1a", false, false),
            ("a b", false, false),
            ("a.b", false, false),
            ("$1", true, false),
            ("a_${name}_b$2", true, false),
            ("${1}2", true, false),
            ("$", false, false),
            ("${a", false, false),
            ("${}", false, false),
            ("a-$1", false, false),
            ("", false, false),
        ] {
            assert_eq!(may_name(text, true, Validation::Legacy), template, "{text}");
            assert_eq!(may_name(text, false, Validation::Legacy), name, "{text}");
        }
    }

    #[test]
    fn an_action_takes_only_the_fields_it_has_a_use_for() {
        let set = |action: &str, change: fn(&mut RuleSource)| {
            let mut source = source(action);
            change(&mut source);
            Rule::new(source).map(drop).map_err(|error| error.to_string())
        };
        let target = |source: &mut RuleSource| source.target_label = "a b".to_owned();
        for action in ["replace", "keepequal", "dropequal", "lowercase", "uppercase"] {
            assert_eq!(set(action, target), Ok(()), "{action}");
            assert_eq!(
                set(action, |_| ()),
                Err(format!(
                    "relabel configuration for {action} action requires 'target_label' value"
                ))
            );
        }
        for action in ["keep", "drop", "labelmap", "labeldrop", "labelkeep"] {
            assert_eq!(set(action, |_| ()), Ok(()), "{action}");
        }
        for (action, change, wanted) in [
            (
                "hashmod",
                target as fn(&mut RuleSource),
                "relabel configuration for hashmod requires non-zero modulus",
            ),
            (
                "hashmod",
                |s| s.modulus = 8,
                "relabel configuration for hashmod action requires 'target_label' value",
            ),
            (
                "lowercase",
                |s| (s.target_label, s.replacement) = ("a".into(), "b".into()),
                "'replacement' can not be set for lowercase action",
            ),
            (
                "keepequal",
                |s| (s.target_label, s.separator) = ("a".into(), "-".into()),
                "keepequal action requires only 'source_labels' and 'target_label', and no other fields",
            ),
            (
                "dropequal",
                |s| (s.target_label, s.regex) = ("a".into(), "b".into()),
                "dropequal action requires only 'source_labels' and 'target_label', and no other fields",
            ),
            (
                "labeldrop",
                |s| s.source_labels = vec!["a".into()],
                "labeldrop action requires only 'regex', and no other fields",
            ),
            (
                "labelkeep",
                |s| s.modulus = 1,
                "labelkeep action requires only 'regex', and no other fields",
            ),
            (
                "labelmap",
                |s| s.replacement.clear(),
                "\"\" is invalid 'replacement' for labelmap action",
            ),
        ] {
            assert_eq!(set(action, change), Err(wanted.to_owned()), "{action}");
        }
    }
}
