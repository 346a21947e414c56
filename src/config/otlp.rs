//! `otlp`: how metrics of OpenTelemetry become series.

use std::collections::BTreeSet;

use crate::config::error::ConfigError;
use crate::config::reader::{Field, Section};
use crate::model::OtlpRules;

const DEFAULT: &str = "UnderscoreEscapingWithSuffixes";

/// Whether names are escaped and whether they get suffixes.
const STRATEGIES: [(&str, bool, bool); 4] = [
    (DEFAULT, true, true),
    ("UnderscoreEscapingWithoutSuffixes", true, false),
    ("NoUTF8EscapingWithSuffixes", false, true),
    ("NoTranslation", false, false),
];

// spec: CFG §2.9
pub(super) fn read_otlp(section: Option<Section<'_>>) -> Result<OtlpRules, ConfigError> {
    let mut rules = OtlpRules::default();
    let Some(mut section) = section else { return Ok(rules) };
    if let Some(field) = section.take_written("translation_strategy") {
        let name = field.text()?;
        let found = STRATEGIES.iter().find(|(known, ..)| *known == name);
        let Some((_, escape, suffixes)) = found else {
            return Err(field.error(format!("unsupported OTLP translation strategy {name:?}")));
        };
        (rules.escape, rules.suffixes) = (*escape, *suffixes);
    }
    let promote = section.take_written("promote_resource_attributes");
    rules.promote = promote.as_ref().map_or(Ok(Vec::new()), attributes)?;
    rules.promote_all = section.flag("promote_all_resource_attributes", false)?;
    if rules.promote_all && !rules.promote.is_empty() {
        let why = "'promote_all_resource_attributes' and 'promote_resource_attributes' cannot be configured simultaneously";
        return Err(section.error_at(promote.as_ref(), why));
    }
    let ignore = section.take_written("ignore_resource_attributes");
    rules.ignore = ignore.as_ref().map_or(Ok(Vec::new()), attributes)?;
    if !rules.promote_all && !rules.ignore.is_empty() {
        let why = "'ignore_resource_attributes' needs 'promote_all_resource_attributes'";
        return Err(section.error_at(ignore.as_ref(), why));
    }
    rules.keep_identifying = section.flag("keep_identifying_resource_attributes", false)?;
    rules.custom_buckets = section.flag("convert_histograms_to_nhcb", false)?;
    rules.promote_scope = section.flag("promote_scope_metadata", false)?;
    rules.sanitize_underscores = section.flag("label_name_underscore_sanitization", true)?;
    rules.preserve_underscores = section.flag("label_name_preserve_multiple_underscores", true)?;
    section.finish(&[])?;
    Ok(rules)
}

fn attributes(field: &Field<'_>) -> Result<Vec<String>, ConfigError> {
    let names = field.texts()?;
    let mut seen = BTreeSet::new();
    for name in &names {
        if name.trim().is_empty() {
            return Err(field.error("empty OTel attribute"));
        }
        if !seen.insert(name) {
            return Err(field.error(format!("duplicated OTel attribute {name:?}")));
        }
    }
    Ok(names)
}

/// As it is written; `None`: there is nothing to write.
pub(super) fn strategy(rules: &OtlpRules) -> Option<&'static str> {
    let found = STRATEGIES
        .iter()
        .find(|(_, escape, suffixes)| (*escape, *suffixes) == (rules.escape, rules.suffixes));
    found.map(|(name, ..)| *name)
}
