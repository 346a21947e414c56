//! Lists of relabeling rules.

use crate::config::error::ConfigError;
use crate::config::reader::{Field, Section};
use crate::model::Validation;
use crate::relabel::{Action, Rule, RuleError, RuleSource};

/// Reads the list `name`; `empty` is said of a null entry.
// spec: CFG §2.5, CFG-6
pub(super) fn read_rules(
    section: &mut Section<'_>,
    name: &str,
    empty: &str,
    names: Validation,
) -> Result<Vec<Rule>, ConfigError> {
    section.items(name)?.iter().map(|item| read_rule(item, empty, names)).collect()
}

fn read_rule(field: &Field<'_>, empty: &str, names: Validation) -> Result<Rule, ConfigError> {
    if field.node.is_null() {
        return Err(field.error(empty));
    }
    let mut section = field.section()?;
    let default = RuleSource::default();
    let source_labels = section.take("source_labels");
    let target_label = section.take("target_label");
    let replacement = section.take("replacement");
    let regex = section.take("regex");
    let modulus = section.take("modulus");
    let action_field = section.take("action");
    let action = match &action_field {
        Some(field) => read_action(field)?,
        None => Action::default(),
    };
    let text = |field: &Option<Field<'_>>, default: String| {
        field.as_ref().map_or(Ok(default), Field::text)
    };
    let source = RuleSource {
        source_labels: source_labels.as_ref().map_or(Ok(Vec::new()), Field::texts)?,
        separator: section.text("separator", &default.separator)?,
        regex: text(&regex, default.regex)?,
        modulus: modulus.as_ref().map_or(Ok(0), Field::number)?,
        target_label: text(&target_label, default.target_label)?,
        replacement: text(&replacement, default.replacement)?,
        action,
        names,
    };
    if source.source_labels.iter().any(String::is_empty) {
        return Err(section.error_at(source_labels.as_ref(), "\"\" is not a valid label name"));
    }
    section.finish(&[])?;
    // Prometheus refuses even the default pattern here, if it is written.
    let compares = matches!(action, Action::KeepEqual | Action::DropEqual);
    if compares && let Some(regex) = &regex {
        return Err(regex.error(RuleError::only_names(action).to_string()));
    }
    Rule::new(source).map_err(|error| {
        let place = match &error {
            RuleError::ModulusMissing => &modulus,
            RuleError::Pattern(_) => &regex,
            RuleError::ReplacementInvalid(..) | RuleError::ReplacementSet(_) => &replacement,
            RuleError::TargetInvalid(..) | RuleError::TargetMissing(_) => &target_label,
            RuleError::OnlyFields { .. } => &action_field,
        };
        place.as_ref().unwrap_or(field).error(error.to_string())
    })
}

fn read_action(field: &Field<'_>) -> Result<Action, ConfigError> {
    let name = field.text()?;
    if name.is_empty() {
        return Err(field.error("relabel action cannot be empty"));
    }
    Action::parse(&name).ok_or_else(|| field.error(format!("unknown relabel action {name:?}")))
}
